/* index.c - moving elements by ids: embedding, gather, scatter, cumulative sums, sorting, convolution over time. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

typedef struct {
  er_pool *pool;
  const er_view *out, *x, *w, *bias, *index, *dw;
  const int32_t *ids;
  bool flag;
} job;

/* ---- rows by id ------------------------------------------------------------------------------ */

static void gather_rows_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *w = j->w, *out = j->out;
  real *buf = er_scratch(j->pool, thread, SLOT_ROW, w->size[1]);
  for (int64_t i = lo; i < hi; i++) {
    const void *from = er_at(w->data, w->dtype, j->ids[i] * w->stride[0]);
    void *to = er_at(out->data, out->dtype, i * out->stride[0]);
    if (w->dtype == out->dtype && w->stride[1] == 1 && out->stride[1] == 1)
      memcpy(to, from, (size_t)w->size[1] * er_size_of(w->dtype));
    else
      K(store)(out->dtype, to, out->stride[1], w->size[1], K(load)(w->dtype, from, w->stride[1], w->size[1], buf));
  }
}

void K(gather_rows)(er_pool *pool, const er_view *out, const er_view *w, const int32_t *ids) {
  job j = {.pool = pool, .out = out, .w = w, .ids = ids};
  er_pool_run(pool, out->size[0], er_grain(w->size[1]), gather_rows_body, &j);
}

/* A thread has columns of its own, so rows are added in the order of i whatever the team. */
static void scatter_rows_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *dw = j->dw, *dy = j->x;
  real a[ER_RUN], b[ER_RUN];
  (void)thread;
  for (int64_t col = lo * 64; col < er_min64(hi * 64, dw->size[1]); col += ER_RUN) {
    int64_t n = er_min64(ER_RUN, er_min64(hi * 64, dw->size[1]) - col);
    for (int64_t i = 0; i < dy->size[0]; i++) {
      void *to = er_at(dw->data, dw->dtype, j->ids[i] * dw->stride[0] + col * dw->stride[1]);
      const real *x =
          K(load)(dy->dtype, er_at(dy->data, dy->dtype, i * dy->stride[0] + col * dy->stride[1]), dy->stride[1], n, a);
      const real *old = K(load)(dw->dtype, to, dw->stride[1], n, b);
      real *sum = er_target(dw->dtype, to, dw->stride[1], b);
      ER_SIMD for (int64_t c = 0; c < n; c++) sum[c] = old[c] + x[c];
      K(store)(dw->dtype, to, dw->stride[1], n, sum);
    }
  }
}

void K(scatter_rows)(er_pool *pool, const er_view *dw, const er_view *dout, const int32_t *ids) {
  job j = {.pool = pool, .dw = dw, .x = dout, .ids = ids};
  er_pool_run(pool, (dw->size[1] + 63) / 64, er_grain(64 * dout->size[0]), scatter_rows_body, &j);
}

/* ---- along the last dim -------------------------------------------------------------------------- */

static void gather_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *x = j->x, *out = j->out, *index = j->index;
  real one;
  (void)thread;
  for (int64_t row = lo; row < hi; row++) {
    const void *from = er_row(x, row);
    void *to = er_row(out, row);
    const int32_t *ids = er_row(index, row);
    for (int64_t i = 0; i < er_last(index); i++) {
      int64_t at = ids[i * er_last_stride(index)] * er_last_stride(x);
      if (x->dtype == ER_I32 && out->dtype == ER_I32)
        ((int32_t *)to)[i * er_last_stride(out)] = ((const int32_t *)from)[at];
      else
        K(store)
        (out->dtype, er_at(to, out->dtype, i * er_last_stride(out)), 1, 1,
         K(load)(x->dtype, er_at(from, x->dtype, at), 1, 1, &one));
    }
  }
}

void K(gather)(er_pool *pool, const er_view *out, const er_view *x, const er_view *index) {
  job j = {.out = out, .x = x, .index = index};
  if (er_last(index) > 0) er_pool_run(pool, er_rows(index), er_grain(er_last(index) * 4), gather_body, &j);
}

static void scatter_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *src = j->x, *out = j->out, *index = j->index;
  real a, b;
  (void)thread;
  for (int64_t row = lo; row < hi; row++) {
    const void *from = er_row(src, row);
    void *to = er_row(out, row);
    const int32_t *ids = er_row(index, row);
    for (int64_t i = 0; i < er_last(index); i++) {
      void *p = er_at(to, out->dtype, ids[i * er_last_stride(index)] * er_last_stride(out));
      if (out->dtype == ER_I32 && src->dtype == ER_I32) {
        uint32_t n = (uint32_t)((const int32_t *)from)[i * er_last_stride(src)];
        *(int32_t *)p = (int32_t)(j->flag ? (uint32_t)*(int32_t *)p + n : n);
        continue;
      }
      real v = *K(load)(src->dtype, er_at(from, src->dtype, i * er_last_stride(src)), 1, 1, &b);
      if (j->flag) v += *K(load)(out->dtype, p, 1, 1, &a);
      K(store)(out->dtype, p, 1, 1, &v);
    }
  }
}

void K(scatter)(er_pool *pool, const er_view *out, const er_view *src, const er_view *index, bool add) {
  job j = {.out = out, .x = src, .index = index, .flag = add};
  if (er_last(index) > 0) er_pool_run(pool, er_rows(index), er_grain(er_last(index) * 4), scatter_body, &j);
}

static void cumsum_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  int64_t n = er_last(j->x);
  real *in = er_scratch(j->pool, thread, SLOT_ROW, n), *out = er_scratch(j->pool, thread, SLOT_ROW2, n);
  for (int64_t row = lo; row < hi; row++) {
    const real *x = er_load_row(j->x, row, in);
    real *y = er_row_target(j->out, row, out);
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
      int64_t at = j->flag ? n - 1 - i : i;
      total += (double)x[at];
      y[at] = (real)total;
    }
    er_store_row(j->out, row, y);
  }
}

void K(cumsum)(er_pool *pool, const er_view *y, const er_view *x, bool reverse) {
  job j = {.pool = pool, .out = y, .x = x, .flag = reverse};
  if (er_last(x) > 0) er_pool_run(pool, er_rows(x), er_grain(er_last(x)), cumsum_body, &j);
}

/* ---- sorting ---------------------------------------------------------------------------------------- */

/* Does b belong before a?  NaN counts as the largest. */
static bool comes_before(double b, double a, bool descending) {
  if (a != a || b != b) return descending ? b != b && a == a : a != a && b == b;
  return descending ? b > a : b < a;
}

static void merge(const double *x, int32_t *to, const int32_t *from, int64_t lo, int64_t mid, int64_t hi,
                  bool descending) {
  int64_t a = lo, b = mid;
  for (int64_t i = lo; i < hi; i++)
    to[i] = a < mid && (b >= hi || !comes_before(x[from[b]], x[from[a]], descending)) ? from[a++] : from[b++];
}

/* A stable merge sort of 0..n-1 by x; returns the one of the two arrays that holds the order. */
static int32_t *sort_order(const double *x, int32_t *a, int32_t *b, int64_t n, bool descending) {
  for (int64_t i = 0; i < n; i++) a[i] = (int32_t)i;
  for (int64_t width = 1; width < n; width *= 2) {
    int32_t *t = a;
    for (int64_t lo = 0; lo < n; lo += 2 * width)
      merge(x, b, a, lo, er_min64(lo + width, n), er_min64(lo + 2 * width, n), descending);
    a = b;
    b = t;
  }
  return a;
}

static void sort_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *x = j->x, *values = j->out, *index = j->index;
  int64_t n = er_last(x), keep = er_last(values != NULL ? values : index);
  double *v = er_pool_scratch(j->pool, thread, SLOT_ROW, (size_t)n * sizeof *v);
  int32_t *a = er_pool_scratch(j->pool, thread, SLOT_ROW2, (size_t)(2 * n) * sizeof *a);
  for (int64_t row = lo; row < hi; row++) {
    const char *from = er_row(x, row);
    real one;
    for (int64_t i = 0; i < n; i++) {
      const void *p = er_at(from, x->dtype, i * er_last_stride(x));
      v[i] = x->dtype == ER_I32 ? (double)*(const int32_t *)p : (double)*K(load)(x->dtype, p, 1, 1, &one);
    }
    const int32_t *order = sort_order(v, a, a + n, n, j->flag);
    for (int64_t i = 0; i < keep; i++) {
      if (index != NULL) ((int32_t *)er_row(index, row))[i * er_last_stride(index)] = order[i];
      if (values == NULL) continue;
      memcpy(er_at(er_row(values, row), x->dtype, i * er_last_stride(values)),
             er_at(from, x->dtype, order[i] * er_last_stride(x)), er_size_of(x->dtype));
    }
  }
}

void K(sort)(er_pool *pool, const er_view *values, const er_view *index, const er_view *x, bool descending) {
  job j = {.pool = pool, .out = values, .index = index, .x = x, .flag = descending};
  if (er_last(x) > 0) er_pool_run(pool, er_rows(x), er_grain(er_last(x) * 8), sort_body, &j);
}

/* ---- causal depthwise convolution: x and y (B,T,C), w (C,K) -------------------------------------------- */

static void *at3(const er_view *v, int64_t b, int64_t t) {
  return er_at(v->data, v->dtype, b * v->stride[0] + t * v->stride[1]);
}

/* w turned to (K,C), so that a tap is a run. */
static void taps(const er_view *w, real *to) {
  real one;
  for (int64_t c = 0; c < w->size[0]; c++)
    for (int64_t k = 0; k < w->size[1]; k++)
      to[k * w->size[0] + c] =
          *K(load)(w->dtype, er_at(w->data, w->dtype, c * w->stride[0] + k * w->stride[1]), 1, 1, &one);
}

static void conv_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  int64_t len = j->x->size[1], chans = j->x->size[2], k = j->w->size[1];
  real *w = er_scratch(j->pool, thread, SLOT_A, k * chans), *in = er_scratch(j->pool, thread, SLOT_ROW, chans);
  real *y = er_scratch(j->pool, thread, SLOT_ROW2, chans), *bias = er_scratch(j->pool, thread, SLOT_ROW3, chans);
  taps(j->w, w);
  for (int64_t i = lo; i < hi; i++) {
    int64_t b = i / len, t = i % len;
    if (j->bias != NULL)
      memcpy(y, K(load)(j->bias->dtype, j->bias->data, j->bias->stride[0], chans, bias), (size_t)chans * sizeof(real));
    else memset(y, 0, (size_t)chans * sizeof(real));
    for (int64_t p = er_max64(0, k - 1 - t); p < k; p++) {
      const real *x = K(load)(j->x->dtype, at3(j->x, b, t - k + 1 + p), j->x->stride[2], chans, in),
                 *tap = w + p * chans;
      ER_SIMD for (int64_t c = 0; c < chans; c++) y[c] += tap[c] * x[c];
    }
    K(store)(j->out->dtype, at3(j->out, b, t), j->out->stride[2], chans, y);
  }
}

void K(conv1d)(er_pool *pool, const er_view *y, const er_view *x, const er_view *w, const er_view *bias) {
  job j = {.pool = pool, .out = y, .x = x, .w = w, .bias = bias};
  if (x->size[2] > 0) er_pool_run(pool, x->size[0] * x->size[1], er_grain(x->size[2] * w->size[1]), conv_body, &j);
}

/* dx[b,t,c] = sum over k of w[c,k] dy[b,t+K-1-k,c] */
static void conv_dx_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *dy = j->x;
  int64_t len = dy->size[1], chans = dy->size[2], k = j->w->size[1];
  real *w = er_scratch(j->pool, thread, SLOT_A, k * chans), *in = er_scratch(j->pool, thread, SLOT_ROW, chans);
  real *dx = er_scratch(j->pool, thread, SLOT_ROW2, chans);
  taps(j->w, w);
  for (int64_t i = lo; i < hi; i++) {
    int64_t b = i / len, t = i % len;
    memset(dx, 0, (size_t)chans * sizeof(real));
    for (int64_t p = er_max64(0, t + k - len); p < k; p++) {
      const real *g = K(load)(dy->dtype, at3(dy, b, t + k - 1 - p), dy->stride[2], chans, in), *tap = w + p * chans;
      ER_SIMD for (int64_t c = 0; c < chans; c++) dx[c] += tap[c] * g[c];
    }
    K(store)(j->out->dtype, at3(j->out, b, t), j->out->stride[2], chans, dx);
  }
}

/* dw[c,k] = sum over b and t of dy[b,t,c] x[b,t-K+1+k,c]; an item is a run of channels. */
static void conv_dw_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  const er_view *dy = j->w, *x = j->x, *dw = j->dw;
  int64_t taps_n = dw->size[1], chans = dw->size[0];
  double acc[64];
  real a[64], b[64];
  (void)thread;
  for (int64_t item = lo; item < hi; item++) {
    int64_t c0 = item / taps_n * 64, p = item % taps_n, n = er_min64(64, chans - c0), back = taps_n - 1 - p;
    memset(acc, 0, sizeof acc);
    for (int64_t i = 0; i < x->size[0]; i++)
      for (int64_t t = back; t < x->size[1]; t++) {
        const real *g = K(load)(dy->dtype, er_at(at3(dy, i, t), dy->dtype, c0 * dy->stride[2]), dy->stride[2], n, a);
        const real *v = K(load)(x->dtype, er_at(at3(x, i, t - back), x->dtype, c0 * x->stride[2]), x->stride[2], n, b);
        ER_SIMD for (int64_t c = 0; c < n; c++) acc[c] += (double)(g[c] * v[c]);
      }
    for (int64_t c = 0; c < n; c++) {
      real v = (real)acc[c];
      K(store)(dw->dtype, er_at(dw->data, dw->dtype, (c0 + c) * dw->stride[0] + p * dw->stride[1]), 1, 1, &v);
    }
  }
}

void K(conv1d_grad)(er_pool *pool, const er_view *dx, const er_view *dw, const er_view *dy, const er_view *x,
                    const er_view *w) {
  job a = {.pool = pool, .out = dx, .x = dy, .w = w}, b = {.pool = pool, .dw = dw, .x = x, .w = dy};
  int64_t tokens = dy->size[0] * dy->size[1];
  if (dx != NULL && dy->size[2] > 0) er_pool_run(pool, tokens, er_grain(dy->size[2] * w->size[1]), conv_dx_body, &a);
  if (dw != NULL) er_pool_run(pool, (dw->size[0] + 63) / 64 * dw->size[1], er_grain(tokens * 64), conv_dw_body, &b);
}
