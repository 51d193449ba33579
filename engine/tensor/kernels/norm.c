/* norm.c - layer norm and RMS norm, with the residual added on the way. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

typedef struct {
  er_pool *pool;
  const er_view *y, *x, *r, *sum, *w, *b, *dx, *dw, *db, *dy, *dsum;
  real *mean, *rstd, *parts;
  double eps;
  int64_t blocks, rows;
} norm;

/* The weights as reals; NULL where there are none. */
static const real *vector(const er_view *v, real *buf) {
  return v == NULL ? NULL : K(load)(v->dtype, v->data, er_last_stride(v), er_last(v), buf);
}

static double centred_squares(const real *x, int64_t n, real mean) {
  double total = 0;
  for (int64_t lo = 0; lo < n; lo += ER_RUN) {
    int64_t m = er_min64(ER_RUN, n - lo);
    real s = 0;
    _Pragma("omp simd reduction(+ : s)") for (int64_t i = 0; i < m; i++) s += (x[lo + i] - mean) * (x[lo + i] - mean);
    total += (double)s;
  }
  return total;
}

static const real *add_residual(const norm *t, int64_t row, const real *x, real *buf, real *other) {
  int64_t n = er_last(t->x);
  const real *r = er_load_row(t->r, row, other);
  real *s = er_row_target(t->sum, row, buf);
  ER_SIMD for (int64_t j = 0; j < n; j++) s[j] = x[j] + r[j];
  er_store_row(t->sum, row, s);
  return er_load_row(t->sum, row, buf);                     /* as it was stored: bf16 sees its own rounding */
}

static void norm_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const norm *t = ctx;
  int64_t n = er_last(t->x);
  real *bx = er_scratch(t->pool, thread, SLOT_ROW, 2 * n), *by = er_scratch(t->pool, thread, SLOT_ROW2, n);
  real *bw = er_scratch(t->pool, thread, SLOT_ROW3, 2 * n);
  const real *w = vector(t->w, bw), *b = vector(t->b, bw + n);
  for (int64_t i = lo; i < hi; i++) {
    const real *x = er_load_row(t->x, i, bx);
    if (t->r != NULL) x = add_residual(t, i, x, bx, bx + n);
    real *y = er_row_target(t->y, i, by), mean = 0;
    if (t->mean != NULL) mean = t->mean[i] = (real)(K(sum)(x, n) / (double)n);
    double squares = t->mean != NULL ? centred_squares(x, n, mean) : K(dot)(x, x, n);
    real s = t->rstd[i] = (real)(1 / sqrt(squares / (double)n + t->eps));
    ER_SIMD for (int64_t j = 0; j < n; j++) y[j] = (x[j] - mean) * s;
    if (w != NULL) { ER_SIMD for (int64_t j = 0; j < n; j++) y[j] *= w[j]; }
    if (b != NULL) { ER_SIMD for (int64_t j = 0; j < n; j++) y[j] += b[j]; }
    er_store_row(t->y, i, y);
  }
}

void K(norm)(er_pool *pool, const er_view *y, const er_view *x, const er_view *r, const er_view *sum, const er_view *w,
             const er_view *b, void *mean, void *rstd, double eps) {
  norm t = {.pool = pool, .y = y, .x = x, .r = r, .sum = sum, .w = w, .b = b, .mean = mean, .rstd = rstd, .eps = eps};
  er_pool_run(pool, er_rows(x), er_grain(er_last(x) * 2), norm_body, &t);
}

/* ---- gradient --------------------------------------------------------------------------------- */

/* One row: dx, and its share of the weights' gradients. */
static void grad_row(const norm *t, int64_t row, const real *w, real *h, real *g, real *buf, real *pw, real *pb) {
  int64_t n = er_last(t->x);
  const real *x = er_load_row(t->x, row, h), *dy = er_load_row(t->dy, row, g);
  real mean = t->mean != NULL ? t->mean[row] : 0, s = t->rstd[row], mg, mgh;
  ER_SIMD for (int64_t j = 0; j < n; j++) h[j] = (x[j] - mean) * s;
  if (pw != NULL) { ER_SIMD for (int64_t j = 0; j < n; j++) pw[j] += dy[j] * h[j]; }
  if (pb != NULL) { ER_SIMD for (int64_t j = 0; j < n; j++) pb[j] += dy[j]; }
  if (t->dx == NULL) return;
  if (w != NULL) { ER_SIMD for (int64_t j = 0; j < n; j++) g[j] = dy[j] * w[j]; }
  else if (dy != g) memcpy(g, dy, (size_t)n * sizeof(real));
  mgh = (real)(K(dot)(g, h, n) / (double)n);
  mg = t->mean != NULL ? (real)(K(sum)(g, n) / (double)n) : 0;
  real *dx = er_row_target(t->dx, row, buf);
  ER_SIMD for (int64_t j = 0; j < n; j++) g[j] = s * (g[j] - mg - h[j] * mgh);
  if (t->dsum != NULL) {
    const real *more = er_load_row(t->dsum, row, h);
    ER_SIMD for (int64_t j = 0; j < n; j++) dx[j] = g[j] + more[j];
  } else {
    memcpy(dx, g, (size_t)n * sizeof(real));
  }
  er_store_row(t->dx, row, dx);
}

static void norm_grad_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const norm *t = ctx;
  int64_t n = er_last(t->x);
  real *h = er_scratch(t->pool, thread, SLOT_ROW, 2 * n), *buf = er_scratch(t->pool, thread, SLOT_ROW2, n);
  real *bw = er_scratch(t->pool, thread, SLOT_ROW3, n);
  const real *w = vector(t->w, bw);
  for (int64_t block = lo; block < hi; block++) {
    int64_t first = block * t->rows / t->blocks, end = (block + 1) * t->rows / t->blocks;
    real *pw = t->dw != NULL ? t->parts + block * 2 * n : NULL, *pb = t->db != NULL ? t->parts + block * 2 * n + n : NULL;
    if (t->parts != NULL) memset(t->parts + block * 2 * n, 0, (size_t)(2 * n) * sizeof(real));
    for (int64_t row = first; row < end; row++) grad_row(t, row, w, h, h + n, buf, pw, pb);
  }
}

static void add_parts(const er_view *to, const real *parts, int64_t blocks, int64_t n) {
  if (to == NULL) return;
  for (int64_t j = 0; j < n; j++) {
    void *p = er_at(to->data, to->dtype, j * er_last_stride(to));
    real old, v;
    double total = (double)*K(load)(to->dtype, p, 1, 1, &old);
    for (int64_t b = 0; b < blocks; b++) total += (double)parts[b * 2 * n + j];
    v = (real)total;
    K(store)(to->dtype, p, 1, 1, &v);
  }
}

void K(norm_grad)(er_pool *pool, const er_view *dx, const er_view *dw, const er_view *db, const er_view *dy,
                  const er_view *dsum, const er_view *x, const er_view *w, const void *mean, const void *rstd) {
  norm t = {.pool = pool, .dx = dx, .dw = dw, .db = db, .dy = dy, .dsum = dsum, .x = x, .w = w, .mean = (real *)mean,
            .rstd = (real *)rstd, .rows = er_rows(x)};
  int64_t n = er_last(x);
  t.blocks = t.rows <= 32 ? 1 : t.rows >= 1024 ? 32 : (t.rows + 31) / 32;
  if (dw != NULL || db != NULL) {
    t.parts = er_scratch(pool, 0, SLOT_BLOCK, t.blocks * 2 * n);
    if (t.parts == NULL) return;
  }
  if (!er_pool_run(pool, t.blocks, er_grain(t.rows / t.blocks * n * 3), norm_grad_body, &t)) return;
  add_parts(dw, t.parts, t.blocks, n);
  if (db != NULL) add_parts(db, t.parts + n, t.blocks, n);
}
