/* softmax.c - rows to probabilities, and rows of logits to a loss. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

typedef struct {
  er_pool *pool;
  const er_view *y, *x, *dy;
  bool log;
} rows;

/* The log of the sum of exp(x), and e = exp(x - max) where e is wanted. */
static double log_sum(const real *x, int64_t n, real *e, real *most, double *sum) {
  *most = K(max_of)(x, n);
  if (*most == -(real)INFINITY) *sum = 0;                   /* nothing there, or all of it masked */
  else *sum = K(exp_sum)(e, x, n, *most);
  return *sum == 0 ? -INFINITY : (double)*most + log(*sum);
}

static void softmax_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const rows *r = ctx;
  int64_t n = er_last(r->x);
  real *in = er_scratch(r->pool, thread, SLOT_ROW, n), *out = er_scratch(r->pool, thread, SLOT_ROW2, n), most;
  for (int64_t i = lo; i < hi; i++) {
    const real *x = er_load_row(r->x, i, in);
    real *e = er_scratch(r->pool, thread, SLOT_ROW3, n), *y = er_row_target(r->y, i, out);
    double sum, lse = log_sum(x, n, r->log ? e : y, &most, &sum);
    if (r->log) {
      real shift = (real)lse;
      ER_SIMD for (int64_t j = 0; j < n; j++) y[j] = x[j] - shift;
    } else {
      real scale = sum == 0 ? (real)NAN : (real)(1 / sum);
      if (sum == 0) memset(y, 0, (size_t)n * sizeof(real));
      ER_SIMD for (int64_t j = 0; j < n; j++) y[j] *= scale;
    }
    er_store_row(r->y, i, y);
  }
}

void K(softmax)(er_pool *pool, const er_view *y, const er_view *x, bool log) {
  rows r = {pool, y, x, NULL, log};
  if (er_last(x) > 0) er_pool_run(pool, er_rows(x), er_grain(er_last(x) * 4), softmax_body, &r);
}

/* dx = y (dy - sum(dy y)); of log_softmax, dx = dy - exp(y) sum(dy). */
static void softmax_grad_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const rows *r = ctx;
  int64_t n = er_last(r->x);
  real *a = er_scratch(r->pool, thread, SLOT_ROW, n), *b = er_scratch(r->pool, thread, SLOT_ROW2, n);
  real *c = er_scratch(r->pool, thread, SLOT_ROW3, n);
  for (int64_t i = lo; i < hi; i++) {
    const real *y = er_load_row(r->y, i, a), *dy = er_load_row(r->dy, i, b);
    real *dx = er_row_target(r->x, i, c), s = (real)(r->log ? K(sum)(dy, n) : K(dot)(dy, y, n));
    if (r->log) { ER_SIMD for (int64_t j = 0; j < n; j++) dx[j] = dy[j] - r_exp(y[j]) * s; }
    else { ER_SIMD for (int64_t j = 0; j < n; j++) dx[j] = y[j] * (dy[j] - s); }
    er_store_row(r->x, i, dx);
  }
}

void K(softmax_grad)(er_pool *pool, const er_view *dx, const er_view *dy, const er_view *y, bool log) {
  rows r = {pool, y, dx, dy, log};
  if (er_last(dx) > 0) er_pool_run(pool, er_rows(dx), er_grain(er_last(dx) * 3), softmax_grad_body, &r);
}

static void logsumexp_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const rows *r = ctx;
  int64_t n = er_last(r->x);
  real *in = er_scratch(r->pool, thread, SLOT_ROW, n), *e = er_scratch(r->pool, thread, SLOT_ROW2, n), most;
  for (int64_t i = lo; i < hi; i++) {
    double sum;
    real v = (real)log_sum(er_load_row(r->x, i, in), n, e, &most, &sum);
    K(store)(r->y->dtype, er_row(r->y, i), 1, 1, &v);
  }
}

/* y has the dims of x, the last being 1. */
void K(logsumexp)(er_pool *pool, const er_view *y, const er_view *x) {
  rows r = {pool, y, x, NULL, false};
  er_pool_run(pool, er_rows(x), er_grain(er_last(x) * 4), logsumexp_body, &r);
}

/* ---- cross-entropy --------------------------------------------------------------------------- */

typedef struct { er_pool *pool; const er_xent *x; } xent;

static void cap(real *z, int64_t n, real c) {
  ER_SIMD for (int64_t j = 0; j < n; j++) z[j] = c * r_tanh(z[j] / c);
}

/* z = softcap(logits) / temperature, in place where that may be. */
static real *prepare(const er_xent *x, void *p, real *buf) {
  real *z = buf, t = (real)x->inv_temperature;
  const real *in = K(load)(x->dtype, p, 1, x->classes, buf);
  if (in != z) {
    if (x->grad && x->softcap == 0) z = p;
    else memcpy(z, in, (size_t)x->classes * sizeof(real));
  }
  if (x->softcap > 0) cap(z, x->classes, (real)x->softcap);
  if (x->inv_temperature != 1) { ER_SIMD for (int64_t j = 0; j < x->classes; j++) z[j] *= t; }
  return z;
}

/* e = exp(z - max) becomes the gradient: w (p (1 + 2 z_loss lse) - smoothing / V), then less the target's share. */
static void gradient(const er_xent *x, real *e, const real *z, double sum, double lse, double w, int64_t target) {
  double g = w * x->scale * x->inv_temperature;
  real a = (real)(g * (1 + 2 * x->z_loss * lse) / sum), b = (real)(g * x->smoothing / (double)x->classes);
  ER_SIMD for (int64_t j = 0; j < x->classes; j++) e[j] = a * e[j] - b;
  e[target] -= (real)(g * (1 - x->smoothing));
  if (x->softcap > 0) {
    real c = (real)(1 / (x->softcap * x->inv_temperature));
    ER_SIMD for (int64_t j = 0; j < x->classes; j++) e[j] *= 1 - z[j] * c * (z[j] * c);
  }
}

static void skip_row(const er_xent *x, int64_t i, void *p) {
  if (x->loss != NULL) x->loss[i] = 0;
  if (x->logp != NULL) x->logp[i] = 0;
  if (x->lse != NULL) x->lse[i] = 0;
  if (x->entropy != NULL) x->entropy[i] = 0;
  if (x->grad) memset(p, 0, (size_t)x->classes * er_size_of(x->dtype));
}

static void one_row(const xent *ctx, int thread, int64_t i) {
  const er_xent *x = ctx->x;
  int64_t n = x->classes, target = x->target[i];
  void *p = er_at(x->logits, x->dtype, i * x->row_stride);
  double w = x->weight != NULL ? (double)x->weight[i] : 1, sum, lse, zy;
  real *z, *e, most;
  if (target == x->ignore || w == 0) {
    skip_row(x, i, p);
    return;
  }
  z = prepare(x, p, er_scratch(ctx->pool, thread, SLOT_ROW, n));
  e = x->grad && x->softcap == 0 && x->entropy == NULL ? z : er_scratch(ctx->pool, thread, SLOT_ROW2, n);
  zy = (double)z[target];
  double mean = x->smoothing > 0 ? K(sum)(z, n) / (double)n : 0;
  lse = log_sum(z, n, e, &most, &sum);
  if (x->loss != NULL) x->loss[i] = w * (lse - (1 - x->smoothing) * zy - x->smoothing * mean + x->z_loss * lse * lse);
  if (x->lse != NULL) x->lse[i] = (float)lse;
  if (x->logp != NULL) x->logp[i] = (float)(zy - lse);
  if (x->entropy != NULL) x->entropy[i] = (float)(lse - K(dot)(e, z, n) / sum);
  if (!x->grad) return;
  gradient(x, e, z, sum, lse, w, target);
  K(store)(x->dtype, p, 1, n, e);
}

static void xent_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  for (int64_t i = lo; i < hi; i++) one_row(ctx, thread, i);
}

void K(xent)(er_pool *pool, const er_xent *x) {
  xent ctx = {pool, x};
  er_pool_run(pool, x->rows, er_grain(x->classes * 4), xent_body, &ctx);
}
