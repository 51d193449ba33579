/* elementwise.c - out[i] = f(in[0][i], ...): one walk, one formula an operator. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

enum { MOST = 4 };                          /* operands, the result included */

/* ---- runs: loading and storing ----------------------------------------------------------- */

#define LOAD_LOOP(type, value)                                                     \
  do {                                                                             \
    const type *s = p;                                                             \
    if (stride == 1) { ER_SIMD for (int64_t i = 0; i < n; i++) { type v = s[i]; buf[i] = (real)(value); } } \
    else for (int64_t i = 0; i < n; i++) { type v = s[i * stride]; buf[i] = (real)(value); }                \
  } while (0)

static void spread(real *buf, int64_t n) {
  real v = buf[0];
  ER_SIMD for (int64_t i = 1; i < n; i++) buf[i] = v;
}

const real *K(load)(er_dtype d, const void *p, int64_t stride, int64_t n, real *buf) {
  int64_t all = n;
  if (d == ER_REAL && (stride == 1 || n == 1)) return p;
  if (stride == 0 && n > 0) n = 1;
  switch (d) {
    case ER_F32: LOAD_LOOP(float, v); break;
    case ER_BF16: LOAD_LOOP(uint16_t, er_from_bf16(v)); break;
    case ER_I32: LOAD_LOOP(int32_t, v); break;
    case ER_U16: LOAD_LOOP(uint16_t, v); break;
    case ER_U8: LOAD_LOOP(uint8_t, v); break;
    case ER_F64: LOAD_LOOP(double, v); break;
    case ER_DTYPES: break;
  }
  if (n < all) spread(buf, all);
  return buf;
}

/* A float that no integer of the type equals becomes the nearest end; NaN becomes 0. */
static inline int32_t to_int(real v, int64_t lo, int64_t hi) {
  double x = (double)v;
  return x != x ? 0 : x <= (double)lo ? (int32_t)lo : x >= (double)hi ? (int32_t)hi : (int32_t)x;
}

#define STORE_LOOP(type, value)                                                    \
  do {                                                                             \
    type *t = p;                                                                   \
    if (stride == 1) { ER_SIMD for (int64_t i = 0; i < n; i++) { real v = x[i]; t[i] = (type)(value); } } \
    else for (int64_t i = 0; i < n; i++) { real v = x[i]; t[i * stride] = (type)(value); }                \
  } while (0)

void K(store)(er_dtype d, void *p, int64_t stride, int64_t n, const real *x) {
  if ((const void *)x == p) return;
  switch (d) {
    case ER_F32: STORE_LOOP(float, v); break;
    case ER_BF16: STORE_LOOP(uint16_t, er_to_bf16((float)v)); break;
    case ER_I32: STORE_LOOP(int32_t, to_int(v, INT32_MIN, INT32_MAX)); break;
    case ER_U16: STORE_LOOP(uint16_t, to_int(v, 0, 65535)); break;
    case ER_U8: STORE_LOOP(uint8_t, to_int(v, 0, 255)); break;
    case ER_F64: STORE_LOOP(double, v); break;
    case ER_DTYPES: break;
  }
}

/* ---- formulas ------------------------------------------------------------------------------ */

typedef void (*formula)(real *y, const real *const *in, int64_t n, const real *p);

#define F1(name, e)                                                                        \
  static void name(real *y, const real *const *in, int64_t n, const real *p) {             \
    const real *pa = in[0];                                                                \
    (void)p;                                                                               \
    ER_SIMD for (int64_t i = 0; i < n; i++) { real x = pa[i]; y[i] = (e); }                \
  }
#define F2(name, e)                                                                        \
  static void name(real *y, const real *const *in, int64_t n, const real *p) {             \
    const real *pa = in[0], *pb = in[1];                                                   \
    (void)p;                                                                               \
    ER_SIMD for (int64_t i = 0; i < n; i++) { real a = pa[i], b = pb[i]; y[i] = (e); }     \
  }
#define F3(name, e)                                                                        \
  static void name(real *y, const real *const *in, int64_t n, const real *p) {             \
    const real *pa = in[0], *pb = in[1], *pc = in[2];                                      \
    (void)p;                                                                               \
    ER_SIMD for (int64_t i = 0; i < n; i++) { real a = pa[i], b = pb[i], c = pc[i]; y[i] = (e); } \
  }

F1(f_copy, x) F1(f_neg, -x) F1(f_abs, r_abs(x)) F1(f_sign, x > 0 ? 1 : x < 0 ? -1 : x) F1(f_exp, r_exp(x))
F1(f_log, r_log(x)) F1(f_sqrt, r_sqrt(x)) F1(f_rsqrt, 1 / r_sqrt(x)) F1(f_sin, (real)sin((double)x))
F1(f_cos, (real)cos((double)x)) F1(f_tanh, r_tanh(x)) F1(f_sigmoid, r_sigmoid(x)) F1(f_softplus, r_softplus(x))
F1(f_relu, x < 0 ? 0 : x) F1(f_relu2, x < 0 ? 0 : x * x) F1(f_silu, r_silu(x)) F1(f_gelu, r_gelu(x))
F1(f_gelu_tanh, r_gelu_tanh(x)) F1(f_square, x * x) F1(f_reciprocal, 1 / x) F1(f_floor, (real)floor((double)x))
F1(f_ceil, (real)ceil((double)x)) F1(f_round, (real)rint((double)x)) F1(f_erf, r_erf(x)) F1(f_log1p, r_log1p(x))
F1(f_not, x == 0 ? 1 : 0) F1(f_softcap, p[0] * r_tanh(x / p[0])) F1(f_affine, p[0] * x + p[1])
F1(f_pow_s, r_pow(x, p[0])) F1(f_s_pow, r_pow(p[0], x)) F1(f_clamp, x < p[0] ? p[0] : x > p[1] ? p[1] : x)
F1(f_rdiv, p[0] / x) F1(f_probit, (real)r_probit((double)x))

static void f_cmp_s(real *y, const real *const *in, int64_t n, const real *p) {
  const real *x = in[0], s = p[0];
  switch ((int)p[1] + ER_EW_EQ) {
    case ER_EW_EQ: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] == s; break;
    case ER_EW_NE: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] != s; break;
    case ER_EW_LT: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] < s; break;
    case ER_EW_LE: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] <= s; break;
    case ER_EW_GT: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] > s; break;
    default: ER_SIMD for (int64_t i = 0; i < n; i++) y[i] = x[i] >= s; break;
  }
}

F2(f_add, a + b) F2(f_sub, a - b) F2(f_mul, a * b) F2(f_div, a / b) F2(f_pow, r_pow(a, b))
F2(f_min, a < b || a != a ? a : b) F2(f_max, a > b || a != a ? a : b) F2(f_add_scaled, a + p[0] * b)
F2(f_eq, a == b) F2(f_ne, a != b) F2(f_lt, a < b) F2(f_le, a <= b) F2(f_gt, a > b) F2(f_ge, a >= b)
F2(f_and, a != 0 && b != 0) F2(f_or, a != 0 || b != 0) F2(f_swiglu, r_silu(a) * b)
F3(f_where, a != 0 ? b : c) F3(f_lerp, a + c * (b - a)) F3(f_addcmul, a + p[0] * b * c) F3(f_addcdiv, a + p[0] * b / c)

/* Gradients: a is dy; b is x, or y where the formula is shorter with it. */
F2(d_abs, b > 0 ? a : b < 0 ? -a : 0) F2(d_exp, a * b) F2(d_log, a / b) F2(d_sqrt, (real)0.5 * a / b)
F2(d_rsqrt, (real)-0.5 * a * b * b * b) F2(d_sin, a * (real)cos((double)b)) F2(d_cos, -a * (real)sin((double)b))
F2(d_tanh, a * (1 - b * b)) F2(d_sigmoid, a * b * (1 - b)) F2(d_softplus, a * r_sigmoid(b))
F2(d_relu, b > 0 ? a : 0) F2(d_relu2, b > 0 ? 2 * a * b : 0) F2(d_silu, a * r_d_silu(b)) F2(d_gelu, a * r_d_gelu(b))
F2(d_gelu_tanh, a * r_d_gelu_tanh(b)) F2(d_square, 2 * a * b) F2(d_reciprocal, -a * b * b)
F2(d_erf, a * (real)1.12837916709551257390 * r_exp(-b * b)) F2(d_log1p, a / (1 + b))
F2(d_softcap, a * (1 - b / p[0] * (b / p[0]))) F2(d_pow_s, a * p[0] * r_pow(b, p[0] - 1)) F2(d_s_pow, a * b * p[1])
F2(d_clamp, b < p[0] || b > p[1] ? 0 : a) F2(d_rdiv, -a * p[0] / (b * b))
F3(d_pow_a, a * c * r_pow(b, c - 1)) F3(d_pow_b, b > 0 ? a * r_pow(b, c) * r_log(b) : 0) F3(d_div_b, -a * b / (c * c))
F3(d_pick_ge, b > c ? a : b == c ? (real)0.5 * a : 0) F3(d_pick_lt, b < c ? a : b == c ? (real)0.5 * a : 0)
F3(d_swiglu_a, a * c * r_d_silu(b)) F3(d_swiglu_b, a * r_silu(b) + 0 * c)

static const formula formulas[ER_EW_COUNT] = {
  [ER_EW_COPY] = f_copy, [ER_EW_NEG] = f_neg, [ER_EW_ABS] = f_abs, [ER_EW_SIGN] = f_sign, [ER_EW_EXP] = f_exp,
  [ER_EW_LOG] = f_log, [ER_EW_SQRT] = f_sqrt, [ER_EW_RSQRT] = f_rsqrt, [ER_EW_SIN] = f_sin, [ER_EW_COS] = f_cos,
  [ER_EW_TANH] = f_tanh, [ER_EW_SIGMOID] = f_sigmoid, [ER_EW_SOFTPLUS] = f_softplus, [ER_EW_RELU] = f_relu,
  [ER_EW_RELU2] = f_relu2, [ER_EW_SILU] = f_silu, [ER_EW_GELU] = f_gelu, [ER_EW_GELU_TANH] = f_gelu_tanh,
  [ER_EW_SQUARE] = f_square, [ER_EW_RECIPROCAL] = f_reciprocal, [ER_EW_FLOOR] = f_floor, [ER_EW_CEIL] = f_ceil,
  [ER_EW_ROUND] = f_round, [ER_EW_ERF] = f_erf, [ER_EW_LOG1P] = f_log1p, [ER_EW_NOT] = f_not,
  [ER_EW_SOFTCAP] = f_softcap, [ER_EW_AFFINE] = f_affine, [ER_EW_POW_S] = f_pow_s, [ER_EW_S_POW] = f_s_pow,
  [ER_EW_CLAMP] = f_clamp, [ER_EW_RDIV] = f_rdiv, [ER_EW_CMP_S] = f_cmp_s, [ER_EW_PROBIT] = f_probit,
  [ER_EW_ADD] = f_add, [ER_EW_SUB] = f_sub, [ER_EW_MUL] = f_mul, [ER_EW_DIV] = f_div, [ER_EW_POW] = f_pow,
  [ER_EW_MIN] = f_min, [ER_EW_MAX] = f_max, [ER_EW_ADD_SCALED] = f_add_scaled, [ER_EW_EQ] = f_eq, [ER_EW_NE] = f_ne,
  [ER_EW_LT] = f_lt, [ER_EW_LE] = f_le, [ER_EW_GT] = f_gt, [ER_EW_GE] = f_ge, [ER_EW_AND] = f_and, [ER_EW_OR] = f_or,
  [ER_EW_SWIGLU] = f_swiglu, [ER_EW_WHERE] = f_where, [ER_EW_LERP] = f_lerp, [ER_EW_ADDCMUL] = f_addcmul,
  [ER_EW_ADDCDIV] = f_addcdiv, [ER_EW_D_ABS] = d_abs, [ER_EW_D_EXP] = d_exp, [ER_EW_D_LOG] = d_log,
  [ER_EW_D_SQRT] = d_sqrt, [ER_EW_D_RSQRT] = d_rsqrt, [ER_EW_D_SIN] = d_sin, [ER_EW_D_COS] = d_cos,
  [ER_EW_D_TANH] = d_tanh, [ER_EW_D_SIGMOID] = d_sigmoid, [ER_EW_D_SOFTPLUS] = d_softplus, [ER_EW_D_RELU] = d_relu,
  [ER_EW_D_RELU2] = d_relu2, [ER_EW_D_SILU] = d_silu, [ER_EW_D_GELU] = d_gelu, [ER_EW_D_GELU_TANH] = d_gelu_tanh,
  [ER_EW_D_SQUARE] = d_square, [ER_EW_D_RECIPROCAL] = d_reciprocal, [ER_EW_D_ERF] = d_erf, [ER_EW_D_LOG1P] = d_log1p,
  [ER_EW_D_SOFTCAP] = d_softcap, [ER_EW_D_POW_S] = d_pow_s, [ER_EW_D_S_POW] = d_s_pow, [ER_EW_D_CLAMP] = d_clamp,
  [ER_EW_D_RDIV] = d_rdiv, [ER_EW_D_POW_A] = d_pow_a, [ER_EW_D_POW_B] = d_pow_b, [ER_EW_D_DIV_B] = d_div_b,
  [ER_EW_D_PICK_GE] = d_pick_ge, [ER_EW_D_PICK_LT] = d_pick_lt, [ER_EW_D_SWIGLU_A] = d_swiglu_a,
  [ER_EW_D_SWIGLU_B] = d_swiglu_b,
};

/* An activation and its slope, which have most of their work in common: z becomes y, and slope is set. */
#define FA(name, common, y, dy)                                                            \
  static void name(real *z, real *slope, int64_t n) {                                      \
    ER_SIMD for (int64_t i = 0; i < n; i++) { real x = z[i]; common; z[i] = (y); slope[i] = (dy); } \
  }

FA(a_none, , x, 1) FA(a_relu, , x < 0 ? 0 : x, x > 0 ? 1 : 0) FA(a_relu2, , x < 0 ? 0 : x * x, x > 0 ? 2 * x : 0)
FA(a_gelu, real d; real c = r_normal(x, &d), x * c, c + x * R_DENSITY_0 * d)
FA(a_gelu_tanh, real g = r_gelu_gate(x), x * g, g + x * r_d_gelu_gate(x, g))
FA(a_silu, real s = r_sigmoid(x), x * s, s * (1 + x * (1 - s)))

void K(activate)(er_act act, real *z, real *slope, int64_t n) {
  static const er_ew of[ER_ACTS] = {ER_EW_COPY, ER_EW_RELU, ER_EW_RELU2, ER_EW_GELU, ER_EW_GELU_TANH, ER_EW_SILU};
  static void (*const both[ER_ACTS])(real *, real *, int64_t) = {a_none, a_relu, a_relu2, a_gelu, a_gelu_tanh, a_silu};
  const real *in[1] = {z};
  if (slope != NULL) both[act](z, slope, n);
  else if (act != ER_ACT_NONE) formulas[of[act]](z, in, n, NULL);
}

/* ---- integers: exact, and without a detour through reals -------------------------------------- */

static int64_t int_at(er_dtype d, const void *p, int64_t i) {
  return d == ER_I32 ? ((const int32_t *)p)[i] : d == ER_U16 ? ((const uint16_t *)p)[i] : ((const uint8_t *)p)[i];
}

static void int_put(er_dtype d, void *p, int64_t i, int64_t v) {
  if (d == ER_I32) ((int32_t *)p)[i] = (int32_t)(uint32_t)v;
  else if (d == ER_U16) ((uint16_t *)p)[i] = (uint16_t)v;
  else ((uint8_t *)p)[i] = (uint8_t)v;
}

static int64_t int_compare(er_ew op, double a, double b) {
  switch (op) {
    case ER_EW_EQ: return a == b;
    case ER_EW_NE: return a != b;
    case ER_EW_LT: return a < b;
    case ER_EW_LE: return a <= b;
    case ER_EW_GT: return a > b;
    default: return a >= b;
  }
}

/* Whole numbers that int64 holds; the kernels below wrap like their dtype. */
static int64_t whole(double v) {
  return v != v ? 0 : v > 0x1p62 ? (int64_t)1 << 62 : v < -0x1p62 ? -((int64_t)1 << 62) : (int64_t)v;
}

static int64_t wrap(uint64_t v) { return (int64_t)v; }

static int64_t int_formula(er_ew op, int64_t a, int64_t b, int64_t c, const double *p) {
  uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
  switch (op) {
    case ER_EW_NEG: return wrap(0 - ua);
    case ER_EW_ABS: return a < 0 ? -a : a;
    case ER_EW_SIGN: return (a > 0) - (a < 0);
    case ER_EW_SQUARE: return wrap(ua * ua);
    case ER_EW_NOT: return a == 0;
    case ER_EW_AFFINE: return wrap(ua * (uint64_t)whole(p[0]) + (uint64_t)whole(p[1]));
    case ER_EW_CLAMP: return (double)a < p[0] ? whole(p[0]) : (double)a > p[1] ? whole(p[1]) : a;
    case ER_EW_ADD: return wrap(ua + ub);
    case ER_EW_SUB: return wrap(ua - ub);
    case ER_EW_MUL: return wrap(ua * ub);
    case ER_EW_ADD_SCALED: return wrap(ua + (uint64_t)whole(p[0]) * ub);
    case ER_EW_MIN: return a < b ? a : b;
    case ER_EW_MAX: return a > b ? a : b;
    case ER_EW_AND: return a != 0 && b != 0;
    case ER_EW_OR: return a != 0 || b != 0;
    case ER_EW_WHERE: return a != 0 ? b : c;
    case ER_EW_EQ:
    case ER_EW_NE:
    case ER_EW_LT:
    case ER_EW_LE:
    case ER_EW_GT:
    case ER_EW_GE: return int_compare(op, (double)a, (double)b);
    default: return a;
  }
}

static bool is_int(er_dtype d) { return d == ER_I32 || d == ER_U16 || d == ER_U8; }

/* ---- the walk ------------------------------------------------------------------------------------ */

typedef struct {
  er_ew op;
  int n, nd;                                /* operands with the result as 0; dims after merging */
  int64_t size[ER_DIMS], stride[MOST][ER_DIMS];
  char *data[MOST];
  er_dtype dtype[MOST];
  bool ints;
  real p[4];
  const double *pd;
  int64_t runs;                             /* a row of the innermost dim in runs of ER_RUN */
} walk;

static bool can_merge(const walk *w, int outer, int inner) {
  for (int o = 0; o < w->n; o++)
    if (w->stride[o][outer] != w->stride[o][inner] * w->size[inner]) return false;
  return true;
}

static void drop_dim(walk *w, int d) {
  w->nd--;
  for (int i = d; i < w->nd; i++) {
    w->size[i] = w->size[i + 1];
    for (int o = 0; o < w->n; o++) w->stride[o][i] = w->stride[o][i + 1];
  }
}

static void swap_dims(walk *w, int a, int b) {
  int64_t t = w->size[a];
  w->size[a] = w->size[b];
  w->size[b] = t;
  for (int o = 0; o < w->n; o++) {
    t = w->stride[o][a];
    w->stride[o][a] = w->stride[o][b];
    w->stride[o][b] = t;
  }
}

/* Dims in the order of the result's memory, those of size 1 dropped, neighbours merged. */
static void simplify(walk *w) {
  for (int i = w->nd - 1; i >= 0; i--)
    if (w->size[i] == 1) drop_dim(w, i);
  for (int i = 1; i < w->nd; i++)
    for (int j = i; j > 0 && w->stride[0][j - 1] < w->stride[0][j]; j--) swap_dims(w, j - 1, j);
  for (int i = w->nd - 2; i >= 0; i--) {
    if (!can_merge(w, i, i + 1)) continue;
    w->size[i + 1] *= w->size[i];
    drop_dim(w, i);
  }
  if (w->nd == 0) {
    w->nd = 1;
    w->size[0] = 1;
    for (int o = 0; o < w->n; o++) w->stride[o][0] = 1;
  }
  w->runs = (w->size[w->nd - 1] + ER_RUN - 1) / ER_RUN;
}

static void set_operand(walk *w, int o, const er_view *v, int nd) {
  w->data[o] = v->data;
  w->dtype[o] = v->dtype;
  for (int i = 0; i < nd; i++) {
    int from = i - (nd - v->nd);
    w->stride[o][i] = from < 0 || (v->size[from] == 1 && w->size[i] != 1) ? 0 : v->stride[from];
  }
}

static void run_ints(const walk *w, const int64_t *at, int64_t n) {
  int last = w->nd - 1;
  for (int64_t i = 0; i < n; i++) {
    int64_t v[3] = {0, 0, 0};
    for (int o = 1; o < w->n; o++) v[o - 1] = int_at(w->dtype[o], w->data[o], at[o] + i * w->stride[o][last]);
    int64_t y = w->op == ER_EW_CMP_S ? int_compare((er_ew)((int)w->pd[1] + ER_EW_EQ), (double)v[0], w->pd[0])
                                     : int_formula(w->op, v[0], v[1], v[2], w->pd);
    int_put(w->dtype[0], w->data[0], at[0] + i * w->stride[0][last], y);
  }
}

static void run_reals(const walk *w, const int64_t *at, int64_t n) {
  real buf[MOST][ER_RUN];
  const real *in[MOST - 1] = {NULL};
  int last = w->nd - 1;
  for (int o = 1; o < w->n; o++)
    in[o - 1] = K(load)(w->dtype[o], er_at(w->data[o], w->dtype[o], at[o]), w->stride[o][last], n, buf[o]);
  void *to = er_at(w->data[0], w->dtype[0], at[0]);
  if (w->op == ER_EW_COPY) {
    K(store)(w->dtype[0], to, w->stride[0][last], n, in[0]);
    return;
  }
  real *y = er_target(w->dtype[0], to, w->stride[0][last], buf[0]);
  formulas[w->op](y, in, n, w->p);
  K(store)(w->dtype[0], to, w->stride[0][last], n, y);
}

/* Items are runs; the position of the first is computed, that of the others counted on. */
static void walk_items(void *ctx, int thread, int64_t lo, int64_t hi) {
  const walk *w = ctx;
  int last = w->nd - 1;
  int64_t index[ER_DIMS], row = lo / w->runs, run = lo % w->runs;
  (void)thread;
  for (int i = last - 1; i >= 0; i--) {
    index[i] = row % w->size[i];
    row /= w->size[i];
  }
  for (int64_t item = lo; item < hi; item++) {
    int64_t at[MOST], start = run * ER_RUN, n = er_min64(ER_RUN, w->size[last] - start);
    for (int o = 0; o < w->n; o++) {
      at[o] = start * w->stride[o][last];
      for (int i = 0; i < last; i++) at[o] += index[i] * w->stride[o][i];
    }
    if (w->ints) run_ints(w, at, n);
    else run_reals(w, at, n);
    if (++run < w->runs) continue;
    run = 0;
    for (int i = last - 1; i >= 0 && ++index[i] == w->size[i]; i--) index[i] = 0;
  }
}

void K(elementwise)(er_pool *pool, er_ew op, const er_view *out, const er_view *const *in, int n, const double *p) {
  walk w = {.op = op, .n = n + 1, .nd = out->nd, .ints = is_int(out->dtype), .pd = p};
  int64_t rows = 1;
  if (er_view_count(out) == 0) return;
  for (int i = 0; i < out->nd; i++) w.size[i] = out->size[i];
  set_operand(&w, 0, out, out->nd);
  for (int o = 0; o < n; o++) {
    set_operand(&w, o + 1, in[o], out->nd);
    w.ints = w.ints && is_int(in[o]->dtype);
  }
  for (int i = 0; p != NULL && i < 4; i++) w.p[i] = (real)p[i];
  simplify(&w);
  for (int i = 0; i + 1 < w.nd; i++) rows *= w.size[i];
  er_pool_run(pool, rows * w.runs, er_grain(er_min64(ER_RUN, w.size[w.nd - 1])), walk_items, &w);
}

void K(fill)(er_pool *pool, const er_view *out, double value) {
  er_view one = {.data = &value, .dtype = ER_F64, .nd = 0};
  int32_t number = 0;
  if (is_int(out->dtype)) {
    number = value != value ? 0 : value >= 2147483647.0 ? INT32_MAX : value <= -2147483648.0 ? INT32_MIN : (int32_t)value;
    one = (er_view){.data = &number, .dtype = ER_I32, .nd = 0};
  }
  const er_view *in[1] = {&one};
  K(elementwise)(pool, ER_EW_COPY, out, in, 1, NULL);
}
