/* test_tensor_ops.c - every operator against f64 and finite differences. */

#include "tensor_kit.h"

#define OP(name, ...) \
  static er_tensor *name(er_tensors *ts, er_tensor **x, er_err *err) { (void)ts; (void)x; return __VA_ARGS__; }

/* x with its dims turned around: a view that no kernel finds in a row. */
static er_tensor *turned(er_tensor *x, er_err *err) { return er_tensor_transpose(x, 0, -1, err); }

#define STRIDED(name, call)                                                         \
  static er_tensor *name(er_tensors *ts, er_tensor **x, er_err *err) {              \
    er_tensor *t = turned(x[0], err), *y = t != NULL ? (call) : NULL;               \
    (void)ts;                                                                       \
    er_tensor_unref(t);                                                             \
    return y;                                                                       \
  }

/* ---- element-wise --------------------------------------------------------------------------------- */

#define UNARY(name, op, p0, p1) OP(name, er_tensor_unary(op, x[0], p0, p1, err))
UNARY(u_neg, ER_EW_NEG, 0, 0) UNARY(u_abs, ER_EW_ABS, 0, 0) UNARY(u_exp, ER_EW_EXP, 0, 0) UNARY(u_log, ER_EW_LOG, 0, 0)
UNARY(u_sqrt, ER_EW_SQRT, 0, 0) UNARY(u_rsqrt, ER_EW_RSQRT, 0, 0) UNARY(u_sin, ER_EW_SIN, 0, 0)
UNARY(u_cos, ER_EW_COS, 0, 0)
UNARY(u_tanh, ER_EW_TANH, 0, 0) UNARY(u_sigmoid, ER_EW_SIGMOID, 0, 0) UNARY(u_softplus, ER_EW_SOFTPLUS, 0, 0)
UNARY(u_relu, ER_EW_RELU, 0, 0) UNARY(u_relu2, ER_EW_RELU2, 0, 0) UNARY(u_silu, ER_EW_SILU, 0, 0)
UNARY(u_gelu, ER_EW_GELU, 0, 0)
UNARY(u_gelu_tanh, ER_EW_GELU_TANH, 0, 0) UNARY(u_square, ER_EW_SQUARE, 0, 0) UNARY(u_reciprocal, ER_EW_RECIPROCAL, 0, 0)
UNARY(u_erf, ER_EW_ERF, 0, 0) UNARY(u_log1p, ER_EW_LOG1P, 0, 0) UNARY(u_softcap, ER_EW_SOFTCAP, 1.5, 0)
UNARY(u_affine, ER_EW_AFFINE, -2.5, 0.5) UNARY(u_pow, ER_EW_POW_S, 2.3, 0) UNARY(u_rpow, ER_EW_S_POW, 1.7, 0)
UNARY(u_clamp, ER_EW_CLAMP, -0.7, 0.9) UNARY(u_rdiv, ER_EW_RDIV, 3, 0)

#define BINARY(name, op, p0) OP(name, er_tensor_binary(op, x[0], x[1], p0, err))
BINARY(b_add, ER_EW_ADD, 1) BINARY(b_sub, ER_EW_SUB, 1) BINARY(b_mul, ER_EW_MUL, 1) BINARY(b_div, ER_EW_DIV, 1)
BINARY(b_pow, ER_EW_POW, 1) BINARY(b_min, ER_EW_MIN, 1) BINARY(b_max, ER_EW_MAX, 1)
BINARY(b_scaled, ER_EW_ADD_SCALED, -0.3)
BINARY(b_swiglu, ER_EW_SWIGLU, 1)
OP(t_lerp, er_tensor_lerp(x[0], x[1], x[2], err))
OP(t_addcmul, er_tensor_addc(ER_EW_ADDCMUL, x[0], x[1], x[2], 0.7, err))
OP(t_addcdiv, er_tensor_addc(ER_EW_ADDCDIV, x[0], x[1], x[2], 0.7, err))
STRIDED(s_mul, er_tensor_binary(ER_EW_MUL, t, x[1], 1, err))

static er_tensor *t_where(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *c = er_tensor_unary(ER_EW_CMP_S, x[0], 0.1, ER_EW_GT - ER_EW_EQ, err);
  er_tensor *y = er_tensor_where(c, x[0], x[1], err);
  (void)ts;
  er_tensor_unref(c);
  return y;
}

/* A tensor used twice: its gradients are added. */
static er_tensor *t_twice(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *a = er_tensor_unary(ER_EW_EXP, x[0], 0, 0, err), *b = er_tensor_binary(ER_EW_MUL, a, x[0], 0, err);
  er_tensor *y = er_tensor_binary(ER_EW_ADD, a, b, 0, err);
  (void)ts;
  er_tensor_unref(a);
  er_tensor_unref(b);
  return y;
}

#define V {1, {1500}}
#define M {2, {37, 45}}
static const kit_case elementwise[] = {
  {"neg", u_neg, 1, {V}, 0, 0, 0, 0, false}, {"abs", u_abs, 1, {V}, 0, 0, 0, 0, false},
  {"exp", u_exp, 1, {V}, 0, 0, 0, 0, false}, {"log", u_log, 1, {V}, 0.1, 4, 0, 0, false},
  {"sqrt", u_sqrt, 1, {V}, 0.1, 4, 0, 0, false}, {"rsqrt", u_rsqrt, 1, {V}, 0.1, 4, 0, 0, false},
  {"sin", u_sin, 1, {V}, 0, 0, 0, 0, false}, {"cos", u_cos, 1, {V}, 0, 0, 0, 0, false},
  {"tanh", u_tanh, 1, {V}, 0, 0, 0, 0, false}, {"sigmoid", u_sigmoid, 1, {V}, 0, 0, 0, 0, false},
  {"softplus", u_softplus, 1, {V}, -9, 9, 0, 0, false}, {"relu", u_relu, 1, {V}, 0, 0, 0, 0, false},
  {"relu2", u_relu2, 1, {V}, 0, 0, 0, 0, false}, {"silu", u_silu, 1, {V}, 0, 0, 0, 0, false},
  {"gelu", u_gelu, 1, {V}, 0, 0, 0, 0, false}, {"gelu_tanh", u_gelu_tanh, 1, {V}, 0, 0, 0, 0, false},
  {"square", u_square, 1, {V}, 0, 0, 0, 0, false}, {"reciprocal", u_reciprocal, 1, {V}, 0.2, 3, 0, 0, false},
  {"erf", u_erf, 1, {V}, 0, 0, 0, 0, false}, {"log1p", u_log1p, 1, {V}, -0.5, 3, 0, 0, false},
  {"softcap", u_softcap, 1, {V}, 0, 0, 0, 0, false}, {"affine", u_affine, 1, {V}, 0, 0, 0, 0, false},
  {"pow", u_pow, 1, {V}, 0.1, 3, 0, 0, false}, {"rpow", u_rpow, 1, {V}, 0, 0, 0, 0, false},
  {"clamp", u_clamp, 1, {V}, 0, 0, 0, 0, false}, {"rdiv", u_rdiv, 1, {V}, 0.2, 3, 0, 0, false},
  {"add", b_add, 2, {M, M}, 0, 0, 0, 0, false}, {"add row", b_add, 2, {M, {1, {45}}}, 0, 0, 0, 0, false},
  {"add column", b_add, 2, {M, {2, {37, 1}}}, 0, 0, 0, 0, false},
  {"add outer", b_add, 2, {{2, {37, 1}}, {1, {45}}}, 0, 0, 0, 0, false},
  {"sub", b_sub, 2, {M, {1, {45}}}, 0, 0, 0, 0, false}, {"mul", b_mul, 2, {M, {2, {37, 1}}}, 0, 0, 0, 0, false},
  {"mul one", b_mul, 2, {M, {0, {0}}}, 0, 0, 0, 0, false},
  {"mul strided", s_mul, 2, {M, {1, {37}}}, 0, 0, 0, 0, false},
  {"div", b_div, 2, {M, {1, {45}}}, 0.3, 3, 0, 0, false}, {"power", b_pow, 2, {M, M}, 0.3, 2, 0, 0, false},
  {"minimum", b_min, 2, {M, M}, 0, 0, 0, 0, false}, {"maximum", b_max, 2, {M, {1, {45}}}, 0, 0, 0, 0, false},
  {"add scaled", b_scaled, 2, {M, M}, 0, 0, 0, 0, false}, {"swiglu", b_swiglu, 2, {M, M}, 0, 0, 0, 0, false},
  {"lerp", t_lerp, 3, {M, M, {1, {45}}}, 0, 0, 0, 0, false}, {"addcmul", t_addcmul, 3, {M, M, M}, 0, 0, 0, 0, false},
  {"addcdiv", t_addcdiv, 3, {M, M, M}, 0.4, 2, 0, 0, false},
  {"where", t_where, 2, {M, {1, {45}}}, 0, 0, 0, 0, false}, {"used twice", t_twice, 1, {M}, 0, 0, 0, 0, false},
};

/* ---- reductions and rows ---------------------------------------------------------------------------------- */

OP(r_sum, er_tensor_reduce(ER_SUM, x[0], 0, false, err))
OP(r_sum_1, er_tensor_reduce(ER_SUM, x[0], 1, true, err))
OP(r_sum_2, er_tensor_reduce(ER_SUM, x[0], 2, false, err))
OP(r_sum_13, er_tensor_reduce(ER_SUM, x[0], 5, false, err))
OP(r_mean, er_tensor_reduce(ER_MEAN, x[0], 4, false, err))
OP(r_sumsq, er_tensor_reduce(ER_SUM_SQUARES, x[0], 2, true, err))
OP(r_var, er_tensor_var(x[0], 4, 1, false, err))
OP(r_max, er_tensor_extreme(ER_RED_MAX, x[0], 1, false, NULL, err))
OP(r_min, er_tensor_extreme(ER_RED_MIN, x[0], -1, true, NULL, err))
OP(r_cumsum, er_tensor_cumsum(x[0], 1, err))
OP(r_lse, er_tensor_logsumexp(x[0], 1, false, err))
OP(r_softmax, er_tensor_softmax(x[0], -1, false, err))
OP(r_softmax_1, er_tensor_softmax(x[0], 0, false, err))
OP(r_log_softmax, er_tensor_softmax(x[0], -1, true, err))
STRIDED(s_sum, er_tensor_reduce(ER_SUM, t, 2, false, err))
STRIDED(s_softmax, er_tensor_softmax(t, 1, true, err))

#define C3 {3, {7, 33, 29}}
static const kit_case reductions[] = {
  {"sum", r_sum, 1, {C3}, 0.1, 1, 0, 0, false}, {"sum of dim 1", r_sum_1, 1, {C3}, 0.1, 1, 0, 0, false},
  {"sum of dim 2", r_sum_2, 1, {C3}, 0.1, 1, 0, 0, false},
  {"sum of dims 1 and 3", r_sum_13, 1, {C3}, 0.1, 1, 0, 0, false},
  {"sum of many", r_sum, 1, {{2, {300, 211}}}, 0.1, 1, 0, 0, false},
  {"sum of many rows", r_sum_1, 1, {{2, {1900, 17}}}, 0.1, 1, 0, 0, false},
  {"mean", r_mean, 1, {C3}, 0, 0, 0, 0, false}, {"sum of squares", r_sumsq, 1, {C3}, 0, 0, 0, 0, false},
  {"var", r_var, 1, {C3}, 0, 0, 0, 0, false}, {"max", r_max, 1, {C3}, 0, 0, 0, 0, true},
  {"min", r_min, 1, {C3}, 0, 0, 0, 0, true}, {"cumsum", r_cumsum, 1, {C3}, 0.1, 1, 0, 0, false},
  {"logsumexp", r_lse, 1, {C3}, 0, 0, 1e-5, 1e-5, false}, {"softmax", r_softmax, 1, {C3}, 0, 0, 1e-5, 1e-5, false},
  {"softmax of dim 1", r_softmax_1, 1, {C3}, 0, 0, 1e-5, 1e-5, false},
  {"log_softmax", r_log_softmax, 1, {C3}, 0, 0, 1e-5, 1e-5, false},
  {"softmax of 1,500", r_softmax, 1, {{2, {3, 1500}}}, 0, 0, 1e-5, 1e-5, false},
  {"sum strided", s_sum, 1, {C3}, 0.1, 1, 0, 0, false},
  {"log_softmax strided", s_softmax, 1, {C3}, 0, 0, 1e-5, 1e-5, false},
};

/* ---- products, norms -------------------------------------------------------------------------------------------- */

OP(m_matmul, er_tensor_matmul(x[0], x[1], err))
STRIDED(s_matmul, er_tensor_matmul(t, x[1], err))
OP(m_linear, er_tensor_linear(x[0], x[1], NULL, ER_ACT_NONE, err))
OP(m_linear_bias, er_tensor_linear(x[0], x[1], x[2], ER_ACT_NONE, err))
OP(m_linear_gelu, er_tensor_linear(x[0], x[1], x[2], ER_ACT_GELU_TANH, err))
OP(m_linear_relu2, er_tensor_linear(x[0], x[1], x[2], ER_ACT_RELU2, err))
OP(n_layer, er_tensor_layer_norm(x[0], x[1], x[2], 1e-5, err))
OP(n_layer_bare, er_tensor_layer_norm(x[0], NULL, NULL, 1e-5, err))
OP(n_rms, er_tensor_rms_norm(x[0], x[1], 1e-6, err))
OP(n_rms_bare, er_tensor_rms_norm(x[0], NULL, 1e-6, err))
OP(c_conv, er_tensor_conv1d(x[0], x[1], x[2], err))

/* QK-norm: over the size of a head, on heads that a permuted view shows. */
static er_tensor *n_rms_heads(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *t = er_tensor_transpose(x[0], 1, 2, err), *y = er_tensor_rms_norm(t, x[1], 1e-6, err);
  (void)ts;
  er_tensor_unref(t);
  return y;
}

static er_tensor *residual(er_tensor **x, bool layer, er_err *err) {
  er_tensor *sum, *y = er_tensor_add_norm(x[0], x[1], x[2], layer ? x[3] : NULL, 1e-5, layer, &sum, err), *z;
  if (y == NULL) return NULL;
  z = er_tensor_binary(ER_EW_ADD, y, sum, 1, err);
  er_tensor_unref(y);
  er_tensor_unref(sum);
  return z;
}
OP(n_add_layer, residual(x, true, err))
OP(n_add_rms, residual(x, false, err))

static const kit_case products[] = {
  {"matmul", m_matmul, 2, {{2, {33, 47}}, {2, {47, 29}}}, 0, 0, 0, 0, false},
  {"matmul large", m_matmul, 2, {{2, {150, 310}}, {2, {310, 170}}}, 0, 0, 0, 0, false},
  {"matmul of one row", m_matmul, 2, {{2, {1, 70}}, {2, {70, 50}}}, 0, 0, 0, 0, false},
  {"matmul of vectors", m_matmul, 2, {{1, {70}}, {1, {70}}}, 0.1, 1, 0, 0, false},
  {"matrix and vector", m_matmul, 2, {{2, {31, 70}}, {1, {70}}}, 0, 0, 0, 0, false},
  {"batched", m_matmul, 2, {{3, {5, 21, 33}}, {3, {5, 33, 17}}}, 0, 0, 0, 0, false},
  {"batched broadcast", m_matmul, 2, {{4, {3, 1, 11, 13}}, {3, {2, 13, 7}}}, 0, 0, 0, 0, false},
  {"batch times matrix", m_matmul, 2, {{3, {5, 21, 33}}, {2, {33, 17}}}, 0, 0, 0, 0, false},
  {"matmul strided", s_matmul, 2, {{2, {47, 33}}, {2, {47, 29}}}, 0, 0, 0, 0, false},
  {"linear", m_linear, 2, {{3, {4, 9, 37}}, {2, {23, 37}}}, 0, 0, 0, 0, false},
  {"linear with bias", m_linear_bias, 3, {{2, {41, 37}}, {2, {23, 37}}, {1, {23}}}, 0, 0, 0, 0, false},
  {"linear, large", m_linear_bias, 3, {{2, {130, 200}}, {2, {260, 200}}, {1, {260}}}, 0, 0, 0, 0, false},
  {"linear with gelu", m_linear_gelu, 3, {{2, {41, 37}}, {2, {23, 37}}, {1, {23}}}, -0.5, 0.5, 2e-6, 0, false},
  {"linear with gelu, large", m_linear_gelu, 3, {{2, {130, 200}}, {2, {260, 200}}, {1, {260}}}, -0.2, 0.2, 2e-6, 0,
      false},
  {"linear with relu2", m_linear_relu2, 3, {{2, {41, 37}}, {2, {23, 37}}, {1, {23}}}, -0.5, 0.5, 2e-6, 0, false},
  {"layer_norm", n_layer, 3, {{3, {3, 40, 65}}, {1, {65}}, {1, {65}}}, 0, 0, 1e-5, 1e-5, false},
  {"layer_norm, bare", n_layer_bare, 1, {{2, {13, 65}}}, 0, 0, 1e-5, 1e-5, false},
  {"rms_norm", n_rms, 2, {{2, {130, 65}}, {1, {65}}}, 0, 0, 1e-5, 1e-5, false},
  {"rms_norm, bare", n_rms_bare, 1, {{2, {13, 65}}}, 0, 0, 1e-5, 1e-5, false},
  {"rms_norm of heads", n_rms_heads, 2, {{4, {2, 9, 4, 16}}, {1, {16}}}, 0, 0, 1e-5, 1e-5, false},
  {"add_layer_norm", n_add_layer, 4, {{2, {50, 33}}, {2, {50, 33}}, {1, {33}}, {1, {33}}}, 0, 0, 1e-5, 1e-5, false},
  {"add_rms_norm", n_add_rms, 3, {{2, {50, 33}}, {2, {50, 33}}, {1, {33}}}, 0, 0, 1e-5, 1e-5, false},
  {"conv1d", c_conv, 3, {{3, {2, 19, 70}}, {2, {70, 4}}, {1, {70}}}, 0, 0, 0, 0, false},
};

/* ---- attention, rotary positions ------------------------------------------------------------------------------- */

#define SDPA(...) er_tensor_sdpa(x[0], x[1], x[2], &(er_sdpa){__VA_ARGS__}, err)
OP(a_full, SDPA(.scale = 0))
OP(a_causal, SDPA(.causal = true))
OP(a_window, SDPA(.causal = true, .window = 13))
OP(a_cap, SDPA(.causal = true, .softcap = 3, .scale = 0.4))

static er_tensor *a_masked(er_tensors *ts, er_tensor **x, er_err *err) {
  int64_t heads = er_tensor_view_of(x[0])->size[1], t = er_tensor_view_of(x[0])->size[2],
      s = er_tensor_view_of(x[1])->size[2];
  er_tensor *mask = er_tensor_random(ts, er_tensor_view_of(x[0])->dtype, 2, (int64_t[]){t, s}, ER_RAND_UNIFORM, -1, 0,
      err);
  er_tensor *slopes = er_tensor_full(ts, ER_F32, 1, &heads, 0.25, err);
  er_tensors_set_random(ts, (er_key){1, 0});
  er_tensor *y = er_tensor_sdpa(x[0], x[1], x[2], &(er_sdpa){.causal = true, .mask = mask, .slopes = slopes}, err);
  er_tensor_unref(mask);
  er_tensor_unref(slopes);
  return y;
}

/* q, k and v as views of one packed tensor, as a fused projection gives them. */
static er_tensor *a_packed(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *part[3], *heads[3], *y;
  (void)ts;
  for (int i = 0; i < 3; i++) {
    part[i] = er_tensor_select(x[0], 2, i, err);
    heads[i] = er_tensor_permute(part[i], 3, (int[]){1, 0, 2}, err);
    er_tensor_unref(part[i]);
    part[i] = er_tensor_unsqueeze(heads[i], 0, err);
    er_tensor_unref(heads[i]);
  }
  y = er_tensor_sdpa(part[0], part[1], part[2], &(er_sdpa){.causal = true}, err);
  for (int i = 0; i < 3; i++) er_tensor_unref(part[i]);
  return y;
}

OP(p_half, er_tensor_rope(x[0], &(er_rope){.offset = 3}, err))
OP(p_pairs, er_tensor_rope(x[0], &(er_rope){.interleaved = true, .base = 500, .rotated = 6}, err))

#define Q {4, {2, 4, 70, 8}}
#define G {4, {2, 2, 70, 8}}
static const kit_case attention[] = {
  {"attention", a_full, 3, {Q, {4, {2, 4, 150, 8}}, {4, {2, 4, 150, 5}}}, 0, 0, 1e-5, 1e-5, false},
  {"causal attention", a_causal, 3, {Q, Q, Q}, 0, 0, 1e-5, 1e-5, false},
  {"grouped heads", a_causal, 3, {Q, G, G}, 0, 0, 1e-5, 1e-5, false},
  {"one key head", a_causal, 3, {Q, {4, {2, 1, 70, 8}}, {4, {2, 1, 70, 8}}}, 0, 0, 1e-5, 1e-5, false},
  {"causal, more keys than queries", a_causal, 3, {{4, {1, 2, 9, 8}}, {4, {1, 2, 40, 8}}, {4, {1, 2, 40, 8}}}, 0, 0,
      1e-5, 1e-5, false},
  {"causal, fewer keys than queries", a_causal, 3, {{4, {1, 2, 40, 8}}, {4, {1, 2, 9, 8}}, {4, {1, 2, 9, 8}}}, 0, 0,
      1e-5, 1e-5, false},
  {"windowed attention", a_window, 3, {Q, G, G}, 0, 0, 1e-5, 1e-5, false},
  {"soft cap", a_cap, 3, {Q, G, G}, 0, 0, 1e-5, 1e-5, false},
  {"mask and slopes", a_masked, 3, {Q, G, G}, 0, 0, 1e-5, 1e-5, false},
  {"packed", a_packed, 1, {{4, {65, 2, 3, 8}}}, 0, 0, 1e-5, 1e-5, false},
  {"rope", p_half, 1, {{4, {2, 3, 11, 8}}}, 0, 0, 0, 0, false},
  {"rope in pairs", p_pairs, 1, {{3, {3, 11, 8}}}, 0, 0, 0, 0, false},
};

/* ---- losses ----------------------------------------------------------------------------------------------------- */

static er_tensor *targets(er_tensors *ts, int64_t n, int classes, er_err *err) {
  er_tensor *t = er_tensor_empty(ts, ER_I32, 1, &n, err);
  for (int64_t i = 0; i < n; i++) er_tensor_set(t, &i, i % 5 == 3 ? -100 : (double)((i * 7) % classes));
  return t;
}

static er_tensor *weights(er_tensors *ts, int64_t n, er_err *err) {
  er_tensor *t = er_tensor_empty(ts, ER_F32, 1, &n, err);
  for (int64_t i = 0; i < n; i++) er_tensor_set(t, &i, i % 4 == 0 ? 0 : 0.5 + (double)(i % 3));
  return t;
}

static er_tensor *loss(er_tensors *ts, er_tensor **x, er_loss o, bool weighted, bool fused, er_err *err) {
  const er_view *v = er_tensor_view_of(x[0]);
  er_tensor *t = targets(ts, v->size[0], (int)er_tensor_view_of(fused ? x[1] : x[0])->size[fused ? 0 : 1], err), *y;
  if (weighted) o.weight = weights(ts, v->size[0], err);
  y = fused ? er_tensor_lm_loss(x[0], x[1], t, &o, NULL, err) : er_tensor_cross_entropy(x[0], t, &o, err);
  er_tensor_unref(t);
  er_tensor_unref(o.weight);
  return y;
}
OP(l_plain, loss(ts, x, er_loss_defaults(), false, false, err))
OP(l_each, loss(ts, x, (er_loss){.ignore = -100, .reduction = ER_REDUCE_NONE, .z_loss = 0.01}, true, false, err))
OP(l_all, loss(ts, x, (er_loss){.ignore = -100, .smoothing = 0.1, .z_loss = 0.01, .softcap = 4}, true, false, err))
OP(l_fused, loss(ts, x, er_loss_defaults(), false, true, err))
OP(l_fused_all, loss(ts, x, (er_loss){.ignore = -100, .smoothing = 0.1, .z_loss = 0.01, .softcap = 4,
    .reduction = ER_REDUCE_SUM}, true, true, err))

static const kit_case losses[] = {
  {"cross_entropy", l_plain, 1, {{2, {23, 67}}}, 0, 0, 1e-5, 1e-5, false},
  {"cross_entropy of each", l_each, 1, {{2, {23, 67}}}, 0, 0, 1e-5, 1e-5, false},
  {"cross_entropy with all options", l_all, 1, {{2, {23, 67}}}, 0, 0, 1e-5, 1e-5, false},
  {"lm_loss", l_fused, 2, {{2, {70, 24}}, {2, {90, 24}}}, -0.5, 0.5, 1e-5, 1e-5, false},
  {"lm_loss with all options", l_fused_all, 2, {{2, {70, 24}}, {2, {90, 24}}}, -0.5, 0.5, 1e-5, 1e-5, false},
};

/* ---- views and moves ------------------------------------------------------------------------------------------------ */

static er_tensor *v_cat(er_tensors *ts, er_tensor **x,
    er_err *err) { (void)ts; return er_tensor_cat((er_tensor *[]){x[0], x[1], x[0]}, 3, 1, err); }
static er_tensor *v_stack(er_tensors *ts, er_tensor **x,
    er_err *err) { (void)ts; return er_tensor_stack((er_tensor *[]){x[0], x[1]}, 2, -1, err); }
OP(v_pad, er_tensor_pad(x[0], 4, (int64_t[]){2, -3, -1, 4}, 0.5, err))
OP(v_roll, er_tensor_roll(x[0], -7, 1, err))
OP(v_flip, er_tensor_flip(x[0], 0, err))
OP(v_repeat, er_tensor_repeat(x[0], 3, (int64_t[]){2, 1, 3}, err))
OP(v_tril, er_tensor_tri(x[0], -1, false, err))
OP(v_narrow, er_tensor_narrow(x[0], 1, 3, 20, err))
OP(v_step, er_tensor_step(x[0], 1, 4, err))
OP(v_select, er_tensor_select(x[0], 0, 5, err))
OP(v_unfold, er_tensor_unfold(x[0], 1, 6, 4, err))
OP(v_expand, er_tensor_expand(x[0], 3, (int64_t[]){4, 37, 9}, err))
OP(v_reshape, er_tensor_reshape(x[0], 3, (int64_t[]){-1, 5, 37}, err))
OP(v_sort, er_tensor_sort(x[0], 1, true, 7, NULL, err))
STRIDED(s_reshape, er_tensor_reshape(t, 1, (int64_t[]){-1}, err))

static er_tensor *by_ids(er_tensors *ts, er_tensor **x, er_err *err, int which) {
  int64_t n = 90, twice[2] = {37, 3};
  er_tensor *ids = er_tensor_empty(ts, ER_I32, 1, &n, err), *two = er_tensor_empty(ts, ER_I32, 2, twice, err), *y;
  for (int64_t i = 0; i < n; i++) er_tensor_set(ids, &i, (double)(i * i % 37));
  for (int64_t i = 0; i < 111; i++) er_tensor_set(two, (int64_t[]){i / 3, i % 3}, (double)(i * i % 45));
  y = which == 0 ? er_tensor_embedding(ids, x[0], err) : which == 1 ? er_tensor_index_select(x[0], 0, ids, err)
    : which == 2 ? er_tensor_gather(x[0], 1, two, err) : which == 3 ? er_tensor_scatter_add(x[0], 1, two, x[1], err)
                 : er_tensor_index_add(x[0], 0, ids, x[1], err);
  er_tensor_unref(ids);
  er_tensor_unref(two);
  return y;
}
OP(i_embedding, by_ids(ts, x, err, 0)) OP(i_select, by_ids(ts, x, err, 1)) OP(i_gather, by_ids(ts, x, err, 2))
OP(i_scatter, by_ids(ts, x, err, 3)) OP(i_add, by_ids(ts, x, err, 4))

static er_tensor *d_dropout(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensors_set_random(ts, (er_key){9, 4});
  return er_tensor_dropout(x[0], 0.3, err);
}

static const kit_case moves[] = {
  {"cat", v_cat, 2, {M, {2, {37, 9}}}, 0, 0, 0, 0, false}, {"stack", v_stack, 2, {M, M}, 0, 0, 0, 0, false},
  {"pad", v_pad, 1, {M}, 0, 0, 0, 0, false}, {"roll", v_roll, 1, {M}, 0, 0, 0, 0, false},
  {"flip", v_flip, 1, {M}, 0, 0, 0, 0, false}, {"repeat", v_repeat, 1, {M}, 0, 0, 0, 0, false},
  {"tril", v_tril, 1, {M}, 0, 0, 0, 0, false}, {"narrow", v_narrow, 1, {M}, 0, 0, 0, 0, false},
  {"step", v_step, 1, {M}, 0, 0, 0, 0, false}, {"select", v_select, 1, {M}, 0, 0, 0, 0, false},
  {"unfold", v_unfold, 1, {M}, 0, 0, 0, 0, false}, {"expand", v_expand, 1, {{2, {37, 1}}}, 0, 0, 0, 0, false},
  {"reshape", v_reshape, 1, {M}, 0, 0, 0, 0, false}, {"reshape strided", s_reshape, 1, {M}, 0, 0, 0, 0, false},
  {"sort", v_sort, 1, {M}, 0, 0, 0, 0, true}, {"embedding", i_embedding, 1, {M}, 0, 0, 0, 0, false},
  {"index_select", i_select, 1, {M}, 0, 0, 0, 0, false}, {"gather", i_gather, 1, {M}, 0, 0, 0, 0, false},
  {"scatter_add", i_scatter, 2, {M, {2, {37, 3}}}, 0, 0, 0, 0, false},
  {"index_add", i_add, 2, {M, {2, {90, 45}}}, 0, 0, 0, 0, false}, {"dropout", d_dropout, 1, {M}, 0, 0, 0, 0, false},
};

#define ALL(list) for (size_t i = 0; i < sizeof list / sizeof *list; i++) kit_check(&list[i])
static void elementwise_operators_and_their_gradients_are_right(void **s) { (void)s; ALL(elementwise); }
static void reductions_and_their_gradients_are_right(void **s) { (void)s; ALL(reductions); }
static void products_and_norms_and_their_gradients_are_right(void **s) { (void)s; ALL(products); }
static void attention_and_its_gradients_are_right(void **s) { (void)s; ALL(attention); }
static void losses_and_their_gradients_are_right(void **s) { (void)s; ALL(losses); }
static void moves_and_their_gradients_are_right(void **s) { (void)s; ALL(moves); }

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(elementwise_operators_and_their_gradients_are_right),
    cmocka_unit_test(reductions_and_their_gradients_are_right),
    cmocka_unit_test(products_and_norms_and_their_gradients_are_right),
    cmocka_unit_test(attention_and_its_gradients_are_right),
    cmocka_unit_test(losses_and_their_gradients_are_right),
    cmocka_unit_test(moves_and_their_gradients_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
