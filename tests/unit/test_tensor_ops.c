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

/* 0 where a fixed mask is set. */
static er_tensor *with_mask(er_tensors *ts, er_tensor **x, er_err *err) {
  const er_view *v = er_tensor_view_of(x[0]);
  er_tensor *mask = kit_ids(ts, v->nd, v->size, 2), *zero = er_tensor_full(ts, v->dtype, 0, NULL, 0, err), *y = NULL;
  if (zero != NULL) y = er_tensor_where(mask, zero, x[0], err);
  er_tensor_unref(mask);
  er_tensor_unref(zero);
  return y;
}

static er_tensor *t_where(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *c = er_tensor_unary(ER_EW_CMP_S, x[0], 0.1, ER_EW_GT - ER_EW_EQ, err);
  er_tensor *y = c != NULL ? er_tensor_where(c, x[0], x[1], err) : NULL;
  (void)ts;
  er_tensor_unref(c);
  return y;
}

OP(t_masked_fill, with_mask(ts, x, err))
OP(t_clone, er_tensor_clone(x[0], err))
STRIDED(s_contiguous, er_tensor_contiguous_of(t, err))

/* A tensor used twice: its gradients are added. */
static er_tensor *t_twice(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *a = er_tensor_unary(ER_EW_EXP, x[0], 0, 0, err),
            *b = a != NULL ? er_tensor_binary(ER_EW_MUL, a, x[0], 0, err) : NULL,
            *y = b != NULL ? er_tensor_binary(ER_EW_ADD, a, b, 0, err) : NULL;
  (void)ts;
  er_tensor_unref(a);
  er_tensor_unref(b);
  return y;
}

#define V {1, {1500}}
#define M {2, {37, 45}}
static const kit_case elementwise[] = {
  CASE("neg", u_neg, 1, V), CASE("abs", u_abs, 1, V),
  CASE("exp", u_exp, 1, V), WITHIN(0.1, 4, "log", u_log, 1, V),
  WITHIN(0.1, 4, "sqrt", u_sqrt, 1, V), WITHIN(0.1, 4, "rsqrt", u_rsqrt, 1, V),
  CASE("sin", u_sin, 1, V), CASE("cos", u_cos, 1, V),
  CASE("tanh", u_tanh, 1, V), CASE("sigmoid", u_sigmoid, 1, V),
  WITHIN(-9, 9, "softplus", u_softplus, 1, V), CASE("relu", u_relu, 1, V),
  CASE("relu2", u_relu2, 1, V), CASE("silu", u_silu, 1, V),
  CASE("gelu", u_gelu, 1, V), CASE("gelu_tanh", u_gelu_tanh, 1, V),
  CASE("square", u_square, 1, V), WITHIN(0.2, 3, "reciprocal", u_reciprocal, 1, V),
  CASE("erf", u_erf, 1, V), WITHIN(-0.5, 3, "log1p", u_log1p, 1, V),
  CASE("softcap", u_softcap, 1, V), CASE("affine", u_affine, 1, V),
  WITHIN(0.1, 3, "pow", u_pow, 1, V), CASE("rpow", u_rpow, 1, V),
  CASE("clamp", u_clamp, 1, V), WITHIN(0.2, 3, "rdiv", u_rdiv, 1, V),
  CASE("add", b_add, 2, M, M), CASE("add row", b_add, 2, M, {1, {45}}),
  CASE("add column", b_add, 2, M, {2, {37, 1}}),
  CASE("add outer", b_add, 2, {2, {37, 1}}, {1, {45}}),
  CASE("sub", b_sub, 2, M, {1, {45}}), CASE("mul", b_mul, 2, M, {2, {37, 1}}),
  CASE("mul one", b_mul, 2, M, {0, {0}}),
  CASE("mul strided", s_mul, 2, M, {1, {37}}),
  WITHIN(0.3, 3, "div", b_div, 2, M, {1, {45}}), WITHIN(0.3, 2, "power", b_pow, 2, M, M),
  CASE("minimum", b_min, 2, M, M), CASE("maximum", b_max, 2, M, {1, {45}}),
  CASE("add scaled", b_scaled, 2, M, M), CASE("swiglu", b_swiglu, 2, M, M),
  CASE("lerp", t_lerp, 3, M, M, {1, {45}}), CASE("addcmul", t_addcmul, 3, M, M, M),
  WITHIN(0.4, 2, "addcdiv", t_addcdiv, 3, M, M, M),
  CASE("lerp by one number", t_lerp, 3, {2, {5, 9}}, {1, {9}}, {0, {0}}),
  CASE("addcmul broadcast", t_addcmul, 3, M, {1, {45}}, {2, {37, 1}}),
  CASE("masked_fill", t_masked_fill, 1, M), CASE("clone", t_clone, 1, M), CASE("contiguous", s_contiguous, 1, M),
  CASE("swiglu broadcast", b_swiglu, 2, M, {1, {45}}),
  CASE("where", t_where, 2, M, {1, {45}}), CASE("used twice", t_twice, 1, M),
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
OP(r_mean_all, er_tensor_reduce(ER_MEAN, x[0], 0, false, err))
OP(r_var_all, er_tensor_var(x[0], 0, 0, true, err))
OP(r_prod, er_tensor_reduce(ER_PROD, x[0], 2, false, err))
OP(r_prod_last, er_tensor_reduce(ER_PROD, x[0], 4, true, err))
OP(r_cumsum_last, er_tensor_cumsum(x[0], -1, err))
OP(r_lse_last, er_tensor_logsumexp(x[0], -1, true, err))

static er_tensor *r_norm(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *s = er_tensor_reduce(ER_SUM_SQUARES, x[0], 4, false, err),
            *y = s != NULL ? er_tensor_unary(ER_EW_SQRT, s, 0, 0, err) : NULL;
  (void)ts;
  er_tensor_unref(s);
  return y;
}
OP(r_cumsum, er_tensor_cumsum(x[0], 1, err))
OP(r_lse, er_tensor_logsumexp(x[0], 1, false, err))
OP(r_softmax, er_tensor_softmax(x[0], -1, false, err))
OP(r_softmax_1, er_tensor_softmax(x[0], 0, false, err))
OP(r_log_softmax, er_tensor_softmax(x[0], -1, true, err))
STRIDED(s_sum, er_tensor_reduce(ER_SUM, t, 2, false, err))
STRIDED(s_softmax, er_tensor_softmax(t, 1, true, err))

#define C3 {3, {7, 33, 29}}
static const kit_case reductions[] = {
  WITHIN(0.1, 1, "sum", r_sum, 1, C3), WITHIN(0.1, 1, "sum of dim 1", r_sum_1, 1, C3),
  WITHIN(0.1, 1, "sum of dim 2", r_sum_2, 1, C3),
  WITHIN(0.1, 1, "sum of dims 1 and 3", r_sum_13, 1, C3),
  WITHIN(0.1, 1, "sum of many", r_sum, 1, {2, {300, 211}}),
  WITHIN(0.1, 1, "sum of many rows", r_sum_1, 1, {2, {1900, 17}}),
  CASE("mean", r_mean, 1, C3), CASE("sum of squares", r_sumsq, 1, C3),
  CASE("mean of all", r_mean_all, 1, C3), CASE("var of all", r_var_all, 1, C3), CASE("norm", r_norm, 1, C3),
  WITHIN(0.7, 1.4, "prod", r_prod, 1, C3), WITHIN(-1.3, 1.3, "prod of the last", r_prod_last, 1, {3, {4, 9, 5}}),
  WITHIN(0.1, 1, "cumsum of the last", r_cumsum_last, 1, C3), CASE("logsumexp of the last", r_lse_last, 1, C3),
  CASE("var", r_var, 1, C3), PICKS("max", r_max, 1, C3),
  PICKS("min", r_min, 1, C3), WITHIN(0.1, 1, "cumsum", r_cumsum, 1, C3),
  CASE("logsumexp", r_lse, 1, C3), CASE("softmax", r_softmax, 1, C3),
  CASE("softmax of dim 1", r_softmax_1, 1, C3),
  CASE("log_softmax", r_log_softmax, 1, C3),
  CASE("softmax of 1,500", r_softmax, 1, {2, {3, 1500}}),
  WITHIN(0.1, 1, "sum strided", s_sum, 1, C3),
  CASE("log_softmax strided", s_softmax, 1, C3),
};

/* ---- products, norms -------------------------------------------------------------------------------------------- */

OP(m_matmul, er_tensor_matmul(x[0], x[1], err))
STRIDED(s_matmul, er_tensor_matmul(t, x[1], err))
OP(m_linear, er_tensor_linear(x[0], x[1], NULL, ER_ACT_NONE, err))
OP(m_linear_bias, er_tensor_linear(x[0], x[1], x[2], ER_ACT_NONE, err))
OP(m_linear_gelu, er_tensor_linear(x[0], x[1], x[2], ER_ACT_GELU_TANH, err))
OP(m_linear_relu2, er_tensor_linear(x[0], x[1], x[2], ER_ACT_RELU2, err))
OP(m_linear_relu, er_tensor_linear(x[0], x[1], x[2], ER_ACT_RELU, err))
OP(m_linear_erf, er_tensor_linear(x[0], x[1], x[2], ER_ACT_GELU, err))
OP(m_linear_silu, er_tensor_linear(x[0], x[1], NULL, ER_ACT_SILU, err))
STRIDED(s_linear, er_tensor_linear(t, x[1], x[2], ER_ACT_NONE, err))
STRIDED(s_conv, er_tensor_conv1d(t, x[1], NULL, err))
OP(c_conv_bare, er_tensor_conv1d(x[0], x[1], NULL, err))
OP(n_layer, er_tensor_layer_norm(x[0], x[1], x[2], 1e-5, err))
OP(n_layer_bare, er_tensor_layer_norm(x[0], NULL, NULL, 1e-5, err))
OP(n_rms, er_tensor_rms_norm(x[0], x[1], 1e-6, err))
OP(n_rms_bare, er_tensor_rms_norm(x[0], NULL, 1e-6, err))
OP(c_conv, er_tensor_conv1d(x[0], x[1], x[2], err))

/* QK-norm: over the size of a head, on heads that a permuted view shows; and over a dim that is not the last in memory. */
#define HEADS(name, a, b, call)                                                                   \
  static er_tensor *name(er_tensors *ts, er_tensor **x, er_err *err) {                            \
    er_tensor *t = er_tensor_transpose(x[0], a, b, err), *y = (call);                             \
    (void)ts;                                                                                     \
    er_tensor_unref(t);                                                                           \
    return y;                                                                                     \
  }
HEADS(n_rms_heads, 1, 2, er_tensor_rms_norm(t, x[1], 1e-6, err))
HEADS(n_rms_turned, 1, 3, er_tensor_rms_norm(t, x[1], 1e-6, err))
HEADS(n_layer_heads, 1, 2, er_tensor_layer_norm(t, x[1], x[2], 1e-5, err))

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
  CASE("matmul", m_matmul, 2, {2, {33, 47}}, {2, {47, 29}}),
  CASE("matmul large", m_matmul, 2, {2, {150, 310}}, {2, {310, 170}}),
  CASE("matmul of one row", m_matmul, 2, {2, {1, 70}}, {2, {70, 50}}),
  WITHIN(0.1, 1, "matmul of vectors", m_matmul, 2, {1, {70}}, {1, {70}}),
  CASE("matrix and vector", m_matmul, 2, {2, {31, 70}}, {1, {70}}),
  CASE("batched", m_matmul, 2, {3, {5, 21, 33}}, {3, {5, 33, 17}}),
  CASE("batched broadcast", m_matmul, 2, {4, {3, 1, 11, 13}}, {3, {2, 13, 7}}),
  CASE("batch times matrix", m_matmul, 2, {3, {5, 21, 33}}, {2, {33, 17}}),
  CASE("matmul strided", s_matmul, 2, {2, {47, 33}}, {2, {47, 29}}),
  CASE("linear", m_linear, 2, {3, {4, 9, 37}}, {2, {23, 37}}),
  CASE("linear with bias", m_linear_bias, 3, {2, {41, 37}}, {2, {23, 37}}, {1, {23}}),
  CASE("linear, large", m_linear_bias, 3, {2, {130, 200}}, {2, {260, 200}}, {1, {260}}),
  WITHIN(-0.5, 0.5, "linear with gelu", m_linear_gelu, 3, {2, {41, 37}}, {2, {23, 37}}, {1, {23}}),
  WITHIN(-0.2, 0.2, "linear with gelu, large", m_linear_gelu, 3, {2, {130, 200}}, {2, {260, 200}}, {1, {260}}),
  WITHIN(-0.5, 0.5, "linear with relu2", m_linear_relu2, 3, {2, {41, 37}}, {2, {23, 37}}, {1, {23}}),
  CASE("layer_norm", n_layer, 3, {3, {3, 40, 65}}, {1, {65}}, {1, {65}}),
  CASE("layer_norm, bare", n_layer_bare, 1, {2, {13, 65}}),
  CASE("rms_norm", n_rms, 2, {2, {130, 65}}, {1, {65}}),
  CASE("rms_norm, bare", n_rms_bare, 1, {2, {13, 65}}),
  CASE("rms_norm of heads", n_rms_heads, 2, {4, {2, 9, 4, 16}}, {1, {16}}),
  CASE("rms_norm across memory", n_rms_turned, 2, {4, {2, 16, 4, 9}}, {1, {16}}),
  CASE("layer_norm of heads", n_layer_heads, 3, {4, {2, 9, 4, 16}}, {1, {16}}, {1, {16}}),
  CASE("rms_norm of a vector", n_rms, 2, {1, {65}}, {1, {65}}),
  CASE("add_layer_norm", n_add_layer, 4, {2, {50, 33}}, {2, {50, 33}}, {1, {33}}, {1, {33}}),
  CASE("add_rms_norm", n_add_rms, 3, {2, {50, 33}}, {2, {50, 33}}, {1, {33}}),
  CASE("linear with relu", m_linear_relu, 3, {2, {41, 37}}, {2, {23, 37}}, {1, {23}}),
  WITHIN(-0.5, 0.5, "linear with gelu by erf", m_linear_erf, 3, {2, {41, 37}}, {2, {23, 37}}, {1, {23}}),
  WITHIN(-0.5, 0.5, "linear with silu", m_linear_silu, 2, {2, {41, 37}}, {2, {23, 37}}),
  CASE("linear strided", s_linear, 3, {2, {37, 41}}, {2, {23, 37}}, {1, {23}}),
  CASE("linear of a vector", m_linear_bias, 3, {1, {37}}, {2, {23, 37}}, {1, {23}}),
  CASE("batched, both broadcast", m_matmul, 2, {4, {3, 1, 5, 13}}, {4, {1, 4, 13, 6}}),
  CASE("vector and batch", m_matmul, 2, {1, {13}}, {3, {4, 13, 6}}),
  CASE("conv1d without bias, one tap", c_conv_bare, 2, {3, {2, 5, 9}}, {2, {9, 1}}),
  CASE("conv1d with more taps than tokens", c_conv_bare, 2, {3, {2, 3, 9}}, {2, {9, 6}}),
  CASE("conv1d strided", s_conv, 2, {3, {9, 12, 2}}, {2, {9, 3}}),
  CASE("conv1d", c_conv, 3, {3, {2, 19, 70}}, {2, {70, 4}}, {1, {70}}),
};

/* ---- attention, rotary positions ------------------------------------------------------------------------------- */

#define SDPA(...) er_tensor_sdpa(x[0], x[1], x[2], &(er_sdpa){__VA_ARGS__}, err)
OP(a_full, SDPA(.scale = 0))
OP(a_causal, SDPA(.causal = true))
OP(a_window, SDPA(.causal = true, .window = 13))
OP(a_cap, SDPA(.causal = true, .softcap = 3, .scale = 0.4))

/* The fourth input is added to the scores, broadcast as its shape says; or is the slopes. */
OP(a_mask, SDPA(.causal = true, .mask = x[3]))
OP(a_mask_cap, SDPA(.mask = x[3], .softcap = 2))
OP(a_slopes, SDPA(.causal = true, .slopes = x[3]))
OP(a_both, SDPA(.causal = true, .window = 30, .mask = x[3], .slopes = x[4]))

static er_tensor *a_dropout(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensors_set_random(ts, (er_key){7, 2});
  return SDPA(.causal = true, .window = 50, .mask = x[3], .dropout = 0.3);
}

/* Truths choose the keys. */
static er_tensor *a_truths(er_tensors *ts, er_tensor **x, er_err *err) {
  int64_t size[2] = {er_tensor_view_of(x[0])->size[2], er_tensor_view_of(x[1])->size[2]};
  er_tensor *ids = kit_ids(ts, 2, size, 3), *mask = er_tensor_to(ids, ER_U8, err), *y = NULL;
  if (mask != NULL) y = SDPA(.mask = mask);
  er_tensor_unref(ids);
  er_tensor_unref(mask);
  return y;
}

/* (T, 3 C), from a fused projection, as q, k and v of H heads: views alone; with QK-norm and rotary positions if asked. */
static er_tensor *packed(er_tensor *x, bool normed, er_err *err) {
  int64_t tokens = er_tensor_view_of(x)->size[0], heads[4] = {1, tokens, 2, 8};
  er_tensor *qkv[3] = {NULL}, *y;
  bool ok = true;
  for (int i = 0; i < 3; i++) {
    er_tensor *part = er_tensor_narrow(x, 1, i * 16, 16, err), *split = er_tensor_view(part, 4, heads, err), *n, *r;
    qkv[i] = er_tensor_transpose(split, 1, 2, err);
    er_tensor_unref(part);
    er_tensor_unref(split);
    if (!normed || i == 2) continue;
    n = er_tensor_rms_norm(qkv[i], NULL, 1e-6, err);
    r = n != NULL ? er_tensor_rope(n, &(er_rope){.offset = 2}, err) : NULL;
    er_tensor_unref(n);
    er_tensor_unref(qkv[i]);
    qkv[i] = r;
    ok = ok && r != NULL;
  }
  y = ok ? er_tensor_sdpa(qkv[0], qkv[1], qkv[2], &(er_sdpa){.causal = true}, err) : NULL;
  for (int i = 0; i < 3; i++) er_tensor_unref(qkv[i]);
  return y;
}
OP(a_packed, packed(x[0], false, err))
OP(a_packed_normed, packed(x[0], true, err))

static er_tensor *p_positions(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *at = kit_ids(ts, 1, (int64_t[]){er_tensor_view_of(x[0])->size[1]}, 7),
            *y = er_tensor_rope(x[0], &(er_rope){.positions = at, .scale = 0.5}, err);
  er_tensor_unref(at);
  return y;
}
OP(p_half, er_tensor_rope(x[0], &(er_rope){.offset = 3}, err))
OP(p_pairs, er_tensor_rope(x[0], &(er_rope){.interleaved = true, .base = 500, .rotated = 6}, err))

#define Q {4, {2, 4, 70, 8}}
#define G {4, {2, 2, 70, 8}}
static const kit_case attention[] = {
  CASE("attention", a_full, 3, Q, {4, {2, 4, 150, 8}}, {4, {2, 4, 150, 5}}),
  CASE("causal attention", a_causal, 3, Q, Q, Q),
  CASE("grouped heads", a_causal, 3, Q, G, G),
  CASE("one key head", a_causal, 3, Q, {4, {2, 1, 70, 8}}, {4, {2, 1, 70, 8}}),
  CASE("causal, more keys than queries", a_causal, 3, {4, {1, 2, 9, 8}}, {4, {1, 2, 40, 8}}, {4, {1, 2, 40, 8}}),
  CASE("causal, fewer keys than queries", a_causal, 3, {4, {1, 2, 40, 8}}, {4, {1, 2, 9, 8}}, {4, {1, 2, 9, 8}}),
  CASE("windowed attention", a_window, 3, Q, G, G),
  CASE("soft cap", a_cap, 3, Q, G, G),
  CASE("learned mask", a_mask, 4, Q, G, G, {2, {70, 70}}),
  CASE("learned mask of heads", a_mask, 4, Q, G, G, {3, {4, 70, 70}}),
  CASE("learned mask of batches", a_mask, 4, Q, G, G, {4, {2, 1, 70, 70}}),
  CASE("learned bias of keys", a_mask, 4, Q, G, G, {1, {70}}),
  CASE("learned mask behind a soft cap", a_mask_cap, 4, Q, {4, {2, 2, 150, 8}}, {4, {2, 2, 150, 5}}, {4, {2, 4, 70, 150}}),
  ADDING(2 * 70 * 35 * 8, -0.3, 0.3, "learned slopes", a_slopes, 4, Q, G, G, {1, {4}}),
  ADDING(2 * 70 * 30 * 8, -0.3, 0.1, "mask, slopes and window", a_both, 5, Q, G, G, {3, {4, 1, 70}}, {1, {4}}),
  CASE("attention with dropout", a_dropout, 4, Q, G, G, {2, {70, 70}}),
  CASE("truths as a mask", a_truths, 3, Q, G, G),
  CASE("packed", a_packed, 1, {2, {65, 48}}),
  CASE("packed with norm and rope", a_packed_normed, 1, {2, {65, 48}}),
  CASE("rope at positions", p_positions, 1, {3, {3, 11, 8}}),
  CASE("rope", p_half, 1, {4, {2, 3, 11, 8}}),
  CASE("rope in pairs", p_pairs, 1, {3, {3, 11, 8}}),
};

/* ---- losses ----------------------------------------------------------------------------------------------------- */

static er_tensor *targets(er_tensors *ts, int64_t n, int64_t classes) {
  er_tensor *t = kit_ids(ts, 1, &n, classes);
  for (int64_t i = 3; i < n; i += 5) er_tensor_set(t, &i, -100);
  return t;
}

static er_tensor *weights(er_tensors *ts, int64_t n) {
  int64_t left = er_tensors_refuse_at(ts, 0);
  er_err err;
  er_tensor *t = kit_must(er_tensor_empty(ts, ER_F32, 1, &n, &err), &err);
  for (int64_t i = 0; i < n; i++) er_tensor_set(t, &i, i % 4 == 0 ? 0 : i % 7 == 0 ? -0.5 : 0.5 + (double)(i % 3));
  er_tensors_refuse_at(ts, left);
  return t;
}

static er_tensor *loss(er_tensors *ts, er_tensor **x, er_loss o, bool weighted, bool fused, er_err *err) {
  const er_view *v = er_tensor_view_of(x[0]);
  er_tensor *t = targets(ts, v->size[0], er_tensor_view_of(fused ? x[1] : x[0])->size[fused ? 0 : 1]), *y;
  o.ignore = -100;
  if (weighted) o.weight = weights(ts, v->size[0]);
  y = fused ? er_tensor_lm_loss(x[0], x[1], t, &o, NULL, err) : er_tensor_cross_entropy(x[0], t, &o, err);
  er_tensor_unref(t);
  er_tensor_unref(o.weight);
  return y;
}

#define LOSS(name, weighted, ...)                                             \
  OP(l_##name, loss(ts, x, (er_loss){__VA_ARGS__}, weighted, false, err))      \
  OP(f_##name, loss(ts, x, (er_loss){__VA_ARGS__}, weighted, true, err))
LOSS(plain, false, .softcap = 0)
LOSS(weighted, true, .softcap = 0)
LOSS(sum, true, .reduction = ER_REDUCE_SUM)
LOSS(total, true, .total = 100)
LOSS(cap, false, .softcap = 4)
LOSS(z, false, .z_loss = 0.01)
LOSS(smooth, false, .smoothing = 0.1)
LOSS(all, true, .smoothing = 0.1, .z_loss = 0.01, .softcap = 4, .reduction = ER_REDUCE_SUM)
OP(l_each, loss(ts, x, (er_loss){.reduction = ER_REDUCE_NONE, .z_loss = 0.01}, true, false, err))

#define BOTH(what, name)                                                  \
  CASE("cross_entropy" what, l_##name, 1, {2, {23, 67}}),                 \
  WITHIN(-0.5, 0.5, "lm_loss" what, f_##name, 2, {2, {70, 24}}, {2, {90, 24}})

static const kit_case losses[] = {
  BOTH("", plain), BOTH(" with weights", weighted), BOTH(", summed", sum), BOTH(" by a total", total),
  BOTH(" with a soft cap", cap), BOTH(" with z-loss", z), BOTH(" with smoothing", smooth), BOTH(" with all options", all),
  CASE("cross_entropy of each", l_each, 1, {2, {23, 67}}),
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
OP(v_triu, er_tensor_tri(x[0], 2, true, err))
OP(v_permute, er_tensor_permute(x[0], 3, (int[]){2, 0, -2}, err))
OP(v_narrow, er_tensor_narrow(x[0], 1, 3, 20, err))
OP(v_step, er_tensor_step(x[0], 1, 4, err))
OP(v_select, er_tensor_select(x[0], 0, 5, err))
OP(v_unfold, er_tensor_unfold(x[0], 1, 6, 4, err))
OP(v_expand, er_tensor_expand(x[0], 3, (int64_t[]){4, 37, 9}, err))
OP(v_reshape, er_tensor_reshape(x[0], 3, (int64_t[]){-1, 5, 37}, err))
OP(v_sort, er_tensor_sort(x[0], 1, true, 7, NULL, err))
static er_tensor *v_unsqueeze(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensor *a = er_tensor_unsqueeze(x[0], 1, err), *b = er_tensor_squeeze(a, 1, err), *y = er_tensor_clone(b, err);
  (void)ts;
  er_tensor_unref(a);
  er_tensor_unref(b);
  return y;
}
STRIDED(s_reshape, er_tensor_reshape(t, 1, (int64_t[]){-1}, err))

typedef enum { EMBEDDING, SELECT, ADD_ROWS, GATHER, SCATTER_ADD, SCATTER } by;

/* ids: 90 rows of dim; index: of M's shape, but `wide` in dim. */
static er_tensor *by_ids(er_tensors *ts, er_tensor **x, by what, int dim, er_err *err) {
  const er_view *v = er_tensor_view_of(x[0]);
  int64_t wide = dim == 1 ? 3 : 50, size[2] = {dim == 0 ? wide : v->size[0], dim == 1 ? wide : v->size[1]};
  bool rows = what <= ADD_ROWS;
  er_tensor *ids = rows ? kit_ids(ts, what == EMBEDDING ? 2 : 1, (int64_t[]){what == EMBEDDING ? 6 : 90, 15}, v->size[dim])
                        : kit_ids(ts, 2, size, v->size[dim]), *y;
  y = what == EMBEDDING ? er_tensor_embedding(ids, x[0], err)
      : what == SELECT ? er_tensor_index_select(x[0], dim, ids, err)
      : what == ADD_ROWS ? er_tensor_index_add(x[0], dim, ids, x[1], err)
      : what == GATHER ? er_tensor_gather(x[0], dim, ids, err)
      : what == SCATTER ? er_tensor_scatter(x[0], dim, ids, x[1], err)
                        : er_tensor_scatter_add(x[0], dim, ids, x[1], err);
  er_tensor_unref(ids);
  return y;
}
OP(i_embedding, by_ids(ts, x, EMBEDDING, 0, err))
OP(i_select, by_ids(ts, x, SELECT, 0, err))
OP(i_select_1, by_ids(ts, x, SELECT, 1, err))
OP(i_add, by_ids(ts, x, ADD_ROWS, 0, err))
OP(i_add_1, by_ids(ts, x, ADD_ROWS, 1, err))
OP(i_gather, by_ids(ts, x, GATHER, 1, err))
OP(i_gather_0, by_ids(ts, x, GATHER, 0, err))
OP(i_scatter_add, by_ids(ts, x, SCATTER_ADD, 1, err))
OP(i_scatter, by_ids(ts, x, SCATTER, 1, err))
OP(i_scatter_0, by_ids(ts, x, SCATTER, 0, err))

static er_tensor *d_dropout(er_tensors *ts, er_tensor **x, er_err *err) {
  er_tensors_set_random(ts, (er_key){9, 4});
  return er_tensor_dropout(x[0], 0.3, err);
}

static const kit_case moves[] = {
  CASE("cat", v_cat, 2, M, {2, {37, 9}}), CASE("stack", v_stack, 2, M, M),
  CASE("pad", v_pad, 1, M), CASE("roll", v_roll, 1, M),
  CASE("flip", v_flip, 1, M), CASE("repeat", v_repeat, 1, M),
  CASE("tril", v_tril, 1, M), CASE("narrow", v_narrow, 1, M),
  CASE("step", v_step, 1, M), CASE("select", v_select, 1, M),
  CASE("unfold", v_unfold, 1, M), CASE("expand", v_expand, 1, {2, {37, 1}}),
  CASE("reshape", v_reshape, 1, M), CASE("reshape strided", s_reshape, 1, M),
  PICKS("sort", v_sort, 1, M), CASE("embedding", i_embedding, 1, M),
  CASE("index_select", i_select, 1, M), CASE("gather", i_gather, 1, M),
  CASE("gather of dim 1", i_gather_0, 1, M), CASE("index_select of dim 2", i_select_1, 1, M),
  CASE("index_add of dim 2", i_add_1, 2, M, {2, {37, 90}}), CASE("scatter", i_scatter, 2, M, {2, {37, 3}}),
  CASE("scatter of dim 1", i_scatter_0, 2, M, {2, {50, 45}}), CASE("triu", v_triu, 1, {3, {2, 9, 7}}),
  CASE("permute", v_permute, 1, {3, {4, 5, 6}}), CASE("unsqueeze and squeeze", v_unsqueeze, 1, M),
  CASE("scatter_add", i_scatter_add, 2, M, {2, {37, 3}}),
  CASE("index_add", i_add, 2, M, {2, {90, 45}}), CASE("dropout", d_dropout, 1, M),
};

#define ALL(list) for (size_t i = 0; i < sizeof list / sizeof *list; i++) kit_check(&list[i])
static void elementwise_operators_and_their_gradients_are_right(void **s) { (void)s; ALL(elementwise); }
static void reductions_and_their_gradients_are_right(void **s) { (void)s; ALL(reductions); }
static void products_and_norms_and_their_gradients_are_right(void **s) { (void)s; ALL(products); }
static void attention_and_its_gradients_are_right(void **s) { (void)s; ALL(attention); }
static void losses_and_their_gradients_are_right(void **s) { (void)s; ALL(losses); }
static void moves_and_their_gradients_are_right(void **s) { (void)s; ALL(moves); }

/* Views alone ask for no storage of their own: backward does. */
#define STARVE(list) for (size_t i = 0; i < sizeof list / sizeof *list; i++) kit_starve(&list[i]), kit_cramp(&list[i])
static void without_memory_every_operator_says_so_and_leaves_nothing_behind(void **s) {
  (void)s;
  STARVE(elementwise);
  STARVE(reductions);
  STARVE(products);
  STARVE(attention);
  STARVE(losses);
  STARVE(moves);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(elementwise_operators_and_their_gradients_are_right),
    cmocka_unit_test(reductions_and_their_gradients_are_right),
    cmocka_unit_test(products_and_norms_and_their_gradients_are_right),
    cmocka_unit_test(attention_and_its_gradients_are_right),
    cmocka_unit_test(losses_and_their_gradients_are_right),
    cmocka_unit_test(moves_and_their_gradients_are_right),
    cmocka_unit_test(without_memory_every_operator_says_so_and_leaves_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
