/* backend.h - the operator table: what a device has to be able to do.
 * One er_backend is one column; its rows are kernels.  An operator (ops_*.c)
 * checks its arguments, allocates the result, calls one row, and records a
 * backward function; it never touches an element itself.  A kernel gets views and
 * plain numbers, owns nothing, allocates nothing but scratch, cannot fail but by being
 * broken off (er_pool_broken), and may assume that shapes fit.  Three columns exist: the CPU's (chosen at run time from
 * the same sources compiled for several instruction sets), the f64 reference that
 * tests link, and one for CUDA that a plug-in fills.
 *
 * Results must not depend on the number of threads: what is added up is added up
 * in blocks whose borders depend on shapes alone. */
#ifndef ER_TENSOR_BACKEND_H
#define ER_TENSOR_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/pool.h"

enum { ER_DIMS = 8 };                       /* most dims a tensor can have */

typedef enum { ER_F32, ER_BF16, ER_I32, ER_U16, ER_U8, ER_F64, ER_DTYPES } er_dtype;   /* F64: tests only */

/* A strided window on elements; strides count elements and may be 0 (broadcast). */
typedef struct {
  void *data;
  er_dtype dtype;
  int nd;
  int64_t size[ER_DIMS], stride[ER_DIMS];
} er_view;

/* ---- element-wise: out[i] = f(in[0][i], in[1][i], ...), p: up to four numbers -------- */
typedef enum {
  /* one operand */
  ER_EW_COPY, ER_EW_NEG, ER_EW_ABS, ER_EW_SIGN, ER_EW_EXP, ER_EW_LOG, ER_EW_SQRT, ER_EW_RSQRT, ER_EW_SIN, ER_EW_COS,
  ER_EW_TANH, ER_EW_SIGMOID, ER_EW_SOFTPLUS, ER_EW_RELU, ER_EW_RELU2, ER_EW_SILU, ER_EW_GELU, ER_EW_GELU_TANH,
  ER_EW_SQUARE, ER_EW_RECIPROCAL, ER_EW_FLOOR, ER_EW_CEIL, ER_EW_ROUND, ER_EW_ERF, ER_EW_LOG1P, ER_EW_NOT,
  ER_EW_SOFTCAP,                            /* p0 tanh(x / p0) */
  ER_EW_AFFINE,                             /* p0 x + p1 */
  ER_EW_POW_S,                              /* x ^ p0 */
  ER_EW_S_POW,                              /* p0 ^ x */
  ER_EW_CLAMP,                              /* to [p0, p1] */
  ER_EW_RDIV,                               /* p0 / x */
  ER_EW_CMP_S,                              /* p1: which comparison, with p0 */
  ER_EW_PROBIT,                             /* the normal number below which a share x of all lies */
  /* two operands */
  ER_EW_ADD, ER_EW_SUB, ER_EW_MUL, ER_EW_DIV, ER_EW_POW, ER_EW_MIN, ER_EW_MAX, ER_EW_ADD_SCALED, /* a + p0 b */
  ER_EW_EQ, ER_EW_NE, ER_EW_LT, ER_EW_LE, ER_EW_GT, ER_EW_GE, ER_EW_AND, ER_EW_OR, ER_EW_SWIGLU, /* silu(a) b */
  /* three operands */
  ER_EW_WHERE, ER_EW_LERP, ER_EW_ADDCMUL, ER_EW_ADDCDIV,
  /* gradients; dy comes first */
  ER_EW_D_ABS, ER_EW_D_EXP, ER_EW_D_LOG, ER_EW_D_SQRT, ER_EW_D_RSQRT, ER_EW_D_SIN, ER_EW_D_COS, ER_EW_D_TANH,
  ER_EW_D_SIGMOID, ER_EW_D_SOFTPLUS, ER_EW_D_RELU, ER_EW_D_RELU2, ER_EW_D_SILU, ER_EW_D_GELU, ER_EW_D_GELU_TANH,
  ER_EW_D_SQUARE, ER_EW_D_RECIPROCAL, ER_EW_D_ERF, ER_EW_D_LOG1P, ER_EW_D_SOFTCAP, ER_EW_D_POW_S, ER_EW_D_S_POW,
  ER_EW_D_CLAMP, ER_EW_D_RDIV, ER_EW_D_POW_A, ER_EW_D_POW_B, ER_EW_D_DIV_B, ER_EW_D_PICK_GE, ER_EW_D_PICK_LT,
  ER_EW_D_SWIGLU_A, ER_EW_D_SWIGLU_B, ER_EW_COUNT
} er_ew;

/* ---- reductions ---------------------------------------------------------------------- */
typedef enum { ER_RED_SUM, ER_RED_SUMSQ, ER_RED_MAX, ER_RED_MIN, ER_RED_PROD, ER_RED_ANY } er_red;

/* ---- one matrix product: c[m,n] = alpha a[m,k] b[k,n] (+ c), then bias and activation -- */
typedef enum { ER_ACT_NONE, ER_ACT_RELU, ER_ACT_RELU2, ER_ACT_GELU, ER_ACT_GELU_TANH, ER_ACT_SILU, ER_ACTS } er_act;

typedef struct {
  int64_t m, n, k, batch;                   /* batch: products that follow each other by the three steps */
  const void *a, *b;
  void *c;
  er_dtype at, bt, ct;
  int64_t ars, acs, brs, bcs, crs, ccs;     /* row and column strides; ccs is 1 */
  const int64_t *aoff, *boff, *coff;        /* element offsets of each of the batch; NULL: all 0 */
  double alpha;
  bool accumulate;                          /* add to what c holds */
  const void *bias;                         /* n elements of type bias_t, or NULL */
  er_dtype bias_t;
  er_act act;
  void *slope;                              /* where the activation's derivative goes (ct, like c), or NULL */
} er_gemm;

typedef struct { uint64_t seed, call; } er_key;    /* names one call's random numbers */

/* ---- attention: q (B,H,T,D), k and v (B,G,S,D), o (B,H,T,D), H a multiple of G ------------ */
typedef struct {
  er_view q, k, v, o;
  void *lse;                                /* (B,H,T) reals, log of the row's sum; forward: or NULL */
  double scale, softcap;                    /* softcap 0: none */
  bool causal;                              /* query t sees keys up to t + S - T */
  int64_t window;                           /* and no more than this many; 0: all */
  const er_view *mask;                      /* added to the scores, broadcast to (B,H,T,S), or NULL */
  const void *slopes;                       /* a real per head: slope * (key - query) is added, or NULL */
  double dropout;                           /* share of the probabilities that are dropped, drawn by key */
  er_key key;
  /* backward */
  er_view dout, dq, dk, dv;                 /* dq, dk, dv with data NULL: not wanted */
} er_attention;

/* ---- rows of logits to a loss ------------------------------------------------------------- */
typedef struct {
  int64_t rows, classes;
  void *logits;                             /* overwritten by the gradient where grad is set */
  er_dtype dtype;
  int64_t row_stride;
  const int32_t *target;
  const float *weight;                      /* a row's weight, or NULL */
  double scale;                             /* of every gradient */
  double softcap, z_loss, smoothing, inv_temperature;
  int32_t ignore;                           /* target of rows that do not count */
  bool grad;
  double *loss;                             /* a row's weighted loss, or NULL */
  float *lse, *logp, *entropy;              /* or NULL */
} er_xent;

typedef struct {
  void *p, *g, *m, *v, *master;             /* m, v, master are f32; master may be NULL */
  er_dtype pt, gt;
  int64_t n;
} er_param;

typedef struct { double lr, beta1, beta2, eps, decay, correction1, correction2, grad_scale; } er_adamw;
typedef struct { double lr, momentum, dampening, decay, grad_scale; bool nesterov, first; } er_sgd;

typedef enum { ER_RAND_UNIFORM, ER_RAND_NORMAL, ER_RAND_INT, ER_RAND_BERNOULLI } er_rand;

/* The rows.  One list, so that the table, its prototypes and its columns agree. */
#define ER_BACKEND_ROWS(ROW) \
  ROW(void, elementwise, (er_pool *, er_ew op, const er_view *out, const er_view *const *in, int n, const double *p)) \
  ROW(void, fill, (er_pool *, const er_view *out, double value)) \
  /* out has x's dims, those reduced being of size 1; what out holds is added to where accumulate says so */ \
  ROW(void, reduce, (er_pool *, er_red op, const er_view *out, const er_view *x, double scale, bool accumulate)) \
  /* over the last dim of x, which out lacks or has as 1; index is i32; the first of equals */ \
  ROW(void, argreduce, (er_pool *, er_red op, const er_view *index, const er_view *x)) \
  ROW(void, gemm, (er_pool *, const er_gemm *g)) \
  /* softmax over the last dim; log: log_softmax */ \
  ROW(void, softmax, (er_pool *, const er_view *y, const er_view *x, bool log)) \
  ROW(void, softmax_grad, (er_pool *, const er_view *dx, const er_view *dy, const er_view *y, bool log)) \
  ROW(void, logsumexp, (er_pool *, const er_view *out, const er_view *x)) \
  /* Layer norm where mean is given, else RMS norm; x + r goes to sum first where both are given; w and b may be \
   * NULL; mean and rstd are one real a row. */ \
  ROW(void, norm, (er_pool *, const er_view *y, const er_view *x, const er_view *r, const er_view *sum, \
                   const er_view *w, const er_view *b, void *mean, void *rstd, double eps)) \
  /* dx = the gradient (+ dsum); dw and db are added to. */ \
  ROW(void, norm_grad, (er_pool *, const er_view *dx, const er_view *dw, const er_view *db, const er_view *dy, \
                        const er_view *dsum, const er_view *x, const er_view *w, const void *mean, const void *rstd)) \
  ROW(void, attention, (er_pool *, const er_attention *a)) \
  ROW(void, attention_grad, (er_pool *, const er_attention *a)) \
  /* d = the gradient of what is added to the scores, times (key - query) where by_distance says so; d is packed \
   * reals of (B or 1, H or 1, T or 1, S or 1), summed over dims of size 1 */ \
  ROW(void, attention_bias_grad, (er_pool *, const er_attention *a, const er_view *d, bool by_distance)) \
  /* x and y (..., T, D): the first `rotated` of each row are turned in pairs (i, i + rotated/2) where half, else \
   * (2i, 2i+1), by sign times the angles of positions[t] (t, if NULL); cos and sin: reals, rotated/2 a position */ \
  ROW(void, rope, (er_pool *, const er_view *y, const er_view *x, const void *cos, const void *sin, \
                   const int32_t *positions, bool half, double sign, int64_t rotated)) \
  /* out[i, :] = w[ids[i], :], and its reverse dw[ids[i], :] += dout[i, :] in the order of i */ \
  ROW(void, gather_rows, (er_pool *, const er_view *out, const er_view *w, const int32_t *ids)) \
  ROW(void, scatter_rows, (er_pool *, const er_view *dw, const er_view *dout, const int32_t *ids)) \
  /* along the last dim: out[..., j] = x[..., index[..., j]], and its reverse, which adds or overwrites: the last one stays */ \
  ROW(void, gather, (er_pool *, const er_view *out, const er_view *x, const er_view *index)) \
  ROW(void, scatter, (er_pool *, const er_view *out, const er_view *src, const er_view *index, bool add)) \
  ROW(void, cumsum, (er_pool *, const er_view *y, const er_view *x, bool reverse)) \
  /* rows of the last dim, stable; as many as the results have; index is i32; either may be NULL */ \
  ROW(void, sort, (er_pool *, const er_view *values, const er_view *index, const er_view *x, bool descending)) \
  ROW(void, xent, (er_pool *, const er_xent *x)) \
  /* out[i] = -log softmax(row i of x)[target[i]], all of it in f64; a NaN where the row is not finite throughout */ \
  ROW(void, nats, (er_pool *, double *out, const er_view *x, const int32_t *target)) \
  ROW(void, random, (er_pool *, const er_view *out, er_rand kind, er_key key, double a, double b)) \
  /* x / (1 - p) where kept, else 0; the same draws for the same key */ \
  ROW(void, dropout, (er_pool *, const er_view *y, const er_view *x, double p, er_key key)) \
  /* y[b,t,c] = bias[c] + sum over k of w[c,k] x[b,t-K+1+k,c], and its gradients; dw is set */ \
  ROW(void, conv1d, (er_pool *, const er_view *y, const er_view *x, const er_view *w, const er_view *bias)) \
  ROW(void, conv1d_grad, (er_pool *, const er_view *dx, const er_view *dw, const er_view *dy, const er_view *x, \
                          const er_view *w)) \
  ROW(double, sumsq, (er_pool *, const er_view *const *list, int n)) \
  ROW(void, adamw, (er_pool *, const er_param *list, int n, const er_adamw *h)) \
  ROW(void, sgd, (er_pool *, const er_param *list, int n, const er_sgd *h))

#define ER_BACKEND_FIELD(result, name, arguments) result (*name) arguments;
struct er_backend {
  const char *name;
  er_dtype real;                            /* what it computes in */
  ER_BACKEND_ROWS(ER_BACKEND_FIELD)
};
typedef struct er_backend er_backend;

static inline int64_t er_view_count(const er_view *v) {
  int64_t n = 1;
  for (int i = 0; i < v->nd; i++) n *= v->size[i];
  return n;
}

/* The CPU's column for this machine: AVX-512, AVX2 or plain.  ERLUA_ISA=avx2 or plain chooses a lower one. */
const er_backend *er_backend_cpu(void);

#endif
