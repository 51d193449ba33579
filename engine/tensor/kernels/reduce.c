/* reduce.c - sums, maxima and their like over any dims, in blocks fixed by the shape. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

enum { LANES = 16, BLOCK = 8192, BLOCK_ROWS = 512, FLUSH = 32 };

/* ---- runs -------------------------------------------------------------------------------- */

double K(sum)(const real *x, int64_t n) {
  double total = 0;
  for (int64_t lo = 0; lo < n; lo += ER_RUN) {
    int64_t m = er_min64(ER_RUN, n - lo);
    real s = 0;
    _Pragma("omp simd reduction(+ : s)") for (int64_t i = 0; i < m; i++) s += x[lo + i];
    total += (double)s;
  }
  return total;
}

double K(dot)(const real *x, const real *y, int64_t n) {
  double total = 0;
  for (int64_t lo = 0; lo < n; lo += ER_RUN) {
    int64_t m = er_min64(ER_RUN, n - lo);
    real s = 0;
    _Pragma("omp simd reduction(+ : s)") for (int64_t i = 0; i < m; i++) s += x[lo + i] * y[lo + i];
    total += (double)s;
  }
  return total;
}

static inline real higher(real a, real b) { return a > b || a != a ? a : b; }

/* A NaN anywhere makes it NaN. */
real K(max_of)(const real *x, int64_t n) {
  real lane[LANES];
  int64_t i = 0;
  for (int l = 0; l < LANES; l++) lane[l] = -(real)INFINITY;
  for (; i + LANES <= n; i += LANES) {
    ER_SIMD for (int l = 0; l < LANES; l++) lane[l] = higher(lane[l], x[i + l]);
  }
  for (int l = 0; i < n; i++, l++) lane[l] = higher(lane[l], x[i]);
  for (int w = LANES / 2; w > 0; w /= 2) {
    ER_SIMD for (int l = 0; l < w; l++) lane[l] = higher(lane[l], lane[l + w]);
  }
  return lane[0];
}

double K(exp_sum)(real *y, const real *x, int64_t n, real shift) {
  double total = 0;
  for (int64_t lo = 0; lo < n; lo += ER_RUN) {
    int64_t m = er_min64(ER_RUN, n - lo);
    real s = 0;
    _Pragma("omp simd reduction(+ : s)") for (int64_t i = 0; i < m; i++) {
      real e = r_exp(x[lo + i] - shift);
      y[lo + i] = e;
      s += e;
    }
    total += (double)s;
  }
  return total;
}

/* ---- the shape of a reduction ---------------------------------------------------------------- */

typedef struct { int nd; int64_t size[ER_DIMS], x[ER_DIMS], out[ER_DIMS], count; } dims;

typedef struct {
  er_red op;
  const er_view *out, *x;
  double scale;
  bool accumulate;
  dims kept, gone;
  int64_t blocks, runs, width;   /* blocks of the reduced space; runs of the innermost kept dim, and their length */
  double *parts;                 /* a number a block and result, where there is more than one block */
} reduction;

/* Adds a dim, keeping those of small strides last. */
static void add_dim(dims *d, int64_t size, int64_t x, int64_t out) {
  int at = d->nd++;
  d->count *= size;
  while (at > 0 && d->x[at - 1] < x) {
    d->size[at] = d->size[at - 1];
    d->x[at] = d->x[at - 1];
    d->out[at] = d->out[at - 1];
    at--;
  }
  d->size[at] = size;
  d->x[at] = x;
  d->out[at] = out;
}

static void merge_dims(dims *d) {
  for (int i = d->nd - 2; i >= 0; i--) {
    if (d->x[i] != d->x[i + 1] * d->size[i + 1] || d->out[i] != d->out[i + 1] * d->size[i + 1]) continue;
    d->size[i] *= d->size[i + 1];
    d->x[i] = d->x[i + 1];
    d->out[i] = d->out[i + 1];
    for (int j = i + 1; j + 1 < d->nd; j++) {
      d->size[j] = d->size[j + 1];
      d->x[j] = d->x[j + 1];
      d->out[j] = d->out[j + 1];
    }
    d->nd--;
  }
  if (d->nd == 0) *d = (dims){.nd = 1, .size = {1}, .x = {1}, .out = {1}, .count = 1};
}

static void split_dims(reduction *r) {
  r->kept.count = r->gone.count = 1;
  for (int i = 0; i < r->x->nd; i++) {
    if (r->x->size[i] == 1) continue;
    if (r->out->size[i] == 1) add_dim(&r->gone, r->x->size[i], r->x->stride[i], 0);
    else add_dim(&r->kept, r->x->size[i], r->x->stride[i], r->out->stride[i]);
  }
  merge_dims(&r->kept);
  merge_dims(&r->gone);
}

static void locate(const dims *d, int nd, int64_t index, int64_t *x, int64_t *out) {
  for (int i = nd - 1; i >= 0; i--) {
    int64_t at = index % d->size[i];
    index /= d->size[i];
    *x += at * d->x[i];
    *out += at * d->out[i];
  }
}

/* ---- combining -------------------------------------------------------------------------------- */

static double start_of(er_red op) {
  return op == ER_RED_MAX ? -INFINITY : op == ER_RED_MIN ? INFINITY : op == ER_RED_PROD ? 1 : 0;
}

static double combine(er_red op, double a, double b) {
  switch (op) {
    case ER_RED_MAX: return a > b || a != a ? a : b;
    case ER_RED_MIN: return a < b || a != a ? a : b;
    case ER_RED_PROD: return a * b;
    case ER_RED_ANY: return a != 0 || b != 0;
    default: return a + b;
  }
}

static double of_run(er_red op, const real *x, int64_t n) {
  double v = start_of(op);
  switch (op) {
    case ER_RED_SUM: return K(sum)(x, n);
    case ER_RED_SUMSQ: return K(dot)(x, x, n);
    case ER_RED_MAX: return (double)K(max_of)(x, n);
    default:
      for (int64_t i = 0; i < n; i++) v = combine(op, v, (double)x[i]);
      return v;
  }
}

static void put(const reduction *r, int64_t at, double v) {
  void *to = er_at(r->out->data, r->out->dtype, at);
  real old, y;
  v *= r->scale;
  if (r->accumulate) v += (double)*K(load)(r->out->dtype, to, 1, 1, &old);
  y = (real)v;
  if (r->out->dtype == ER_I32)
    *(int32_t *)to = (int32_t)(v > 0x7fffffff ? 0x7fffffff : v < -0x7fffffff - 1.0 ? -0x7fffffff - 1.0 : v);
  else K(store)(r->out->dtype, to, 1, 1, &y);
}

/* i32 beyond 2^24 is no f32: such runs are summed as they are. */
static double of_integers(const reduction *r, int64_t at, int64_t stride, int64_t n) {
  const int32_t *p = er_at(r->x->data, ER_I32, at);
  double v = start_of(r->op);
  for (int64_t i = 0; i < n; i++) {
    double x = p[i * stride];
    v = combine(r->op, v, r->op == ER_RED_SUMSQ ? x * x : x);
  }
  return v;
}

/* ---- the innermost dim is reduced: a number at a time ------------------------------------------ */

static void rows_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const reduction *r = ctx;
  const dims *g = &r->gone;
  real buf[ER_RUN];
  int64_t inner = g->size[g->nd - 1], stride = g->x[g->nd - 1];
  (void)thread;
  for (int64_t item = lo; item < hi; item++) {
    int64_t result = item / r->blocks, x0 = 0, out = 0, at = item % r->blocks * BLOCK;
    int64_t end = er_min64(at + BLOCK, g->count);
    double v = start_of(r->op);
    locate(&r->kept, r->kept.nd, result, &x0, &out);
    while (at < end) {
      int64_t x = x0, none = 0, in = at % inner, n = er_min64(er_min64(ER_RUN, inner - in), end - at);
      locate(g, g->nd - 1, at / inner, &x, &none);
      x += in * stride;
      if (r->x->dtype == ER_I32) v = combine(r->op, v, of_integers(r, x, stride, n));
      else
        v = combine(r->op, v,
                    of_run(r->op, K(load)(r->x->dtype, er_at(r->x->data, r->x->dtype, x), stride, n, buf), n));
      at += n;
    }
    if (r->blocks == 1) put(r, out, v);
    else r->parts[item] = v;
  }
}

/* ---- the innermost dim is kept: a run of results at a time --------------------------------------- */

static void add_run(er_red op, real *acc, const real *x, int64_t n) {
  switch (op) {
    case ER_RED_SUM: ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] += x[i]; break;
    case ER_RED_SUMSQ: ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] += x[i] * x[i]; break;
    case ER_RED_MAX:
      ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] = acc[i] > x[i] || acc[i] != acc[i] ? acc[i] : x[i];
      break;
    case ER_RED_MIN:
      ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] = acc[i] < x[i] || acc[i] != acc[i] ? acc[i] : x[i];
      break;
    case ER_RED_PROD: ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] *= x[i]; break;
    case ER_RED_ANY: ER_SIMD for (int64_t i = 0; i < n; i++) acc[i] = acc[i] != 0 || x[i] != 0; break;
  }
}

static void reset(er_red op, real *acc, int64_t n) {
  real v = (real)start_of(op);
  for (int64_t i = 0; i < n; i++) acc[i] = v;
}

static void flush(er_red op, double *total, const real *acc, int64_t n) {
  if (op == ER_RED_SUM || op == ER_RED_SUMSQ) { ER_SIMD for (int64_t i = 0; i < n; i++) total[i] += (double)acc[i]; }
  else for (int64_t i = 0; i < n; i++) total[i] = combine(op, total[i], (double)acc[i]);
}

static void columns_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const reduction *r = ctx;
  const dims *k = &r->kept;
  real buf[ER_RUN], acc[ER_RUN];
  double total[ER_RUN];
  int64_t inner = k->size[k->nd - 1], xs = k->x[k->nd - 1], os = k->out[k->nd - 1];
  (void)thread;
  for (int64_t item = lo; item < hi; item++) {
    int64_t block = item % r->blocks, run = item / r->blocks % r->runs, outer = item / r->blocks / r->runs;
    int64_t x0 = run * r->width * xs, out = run * r->width * os, n = er_min64(r->width, inner - run * r->width);
    int64_t first = block * BLOCK_ROWS, end = er_min64(first + BLOCK_ROWS, r->gone.count);
    locate(k, k->nd - 1, outer, &x0, &out);
    reset(r->op, acc, n);
    for (int64_t i = 0; i < n; i++) total[i] = start_of(r->op);
    for (int64_t row = first; row < end; row++) {
      int64_t x = x0, none = 0;
      if (r->gone.nd == 1) x += row * r->gone.x[0];
      else locate(&r->gone, r->gone.nd, row, &x, &none);
      add_run(r->op, acc, K(load)(r->x->dtype, er_at(r->x->data, r->x->dtype, x), xs, n, buf), n);
      if ((row - first) % FLUSH != FLUSH - 1 && row + 1 < end) continue;
      flush(r->op, total, acc, n);
      reset(r->op, acc, n);
    }
    for (int64_t i = 0; i < n; i++) {
      if (r->blocks == 1) put(r, out + i * os, total[i]);
      else r->parts[(outer * inner + run * r->width + i) * r->blocks + block] = total[i];
    }
  }
}

static void join_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const reduction *r = ctx;
  (void)thread;
  for (int64_t i = lo; i < hi; i++) {
    double v = start_of(r->op);
    int64_t x = 0, out = 0;
    for (int64_t b = 0; b < r->blocks; b++) v = combine(r->op, v, r->parts[i * r->blocks + b]);
    locate(&r->kept, r->kept.nd, i, &x, &out);
    put(r, out, v);
  }
}

/* Columns of a piece: two pieces for each thread, if they are worth it.  No sum depends on it. */
static int64_t width_of(int threads, int64_t inner) {
  return threads == 1 ? ER_RUN : er_max64(ER_RUN / 8, er_min64(ER_RUN, inner / (2 * threads)));
}

void K(reduce)(er_pool *pool, er_red op, const er_view *out, const er_view *x, double scale, bool accumulate) {
  reduction r = {.op = op, .out = out, .x = x, .scale = scale, .accumulate = accumulate};
  bool by_rows;
  if (er_view_count(out) == 0) return;
  if (er_view_count(x) == 0) {
    if (!accumulate) K(fill)(pool, out, start_of(op) * scale);
    return;
  }
  split_dims(&r);
  by_rows = r.kept.count == 1 || x->dtype == ER_I32 ||
            (r.gone.count > 1 && r.gone.x[r.gone.nd - 1] <= r.kept.x[r.kept.nd - 1]);
  r.blocks = by_rows ? (r.gone.count + BLOCK - 1) / BLOCK : (r.gone.count + BLOCK_ROWS - 1) / BLOCK_ROWS;
  if (r.blocks > 1)
    r.parts = er_pool_scratch(pool, 0, SLOT_BLOCK, (size_t)(r.kept.count * r.blocks) * sizeof(double));
  if (r.blocks > 1 && r.parts == NULL) return;
  if (by_rows) {
    er_pool_run(pool, r.kept.count * r.blocks, er_grain(er_min64(r.gone.count, BLOCK)), rows_body, &r);
  } else {
    int64_t inner = r.kept.size[r.kept.nd - 1];
    r.width = width_of(er_pool_threads(pool), inner);
    r.runs = (inner + r.width - 1) / r.width;
    er_pool_run(pool, r.kept.count / inner * r.runs * r.blocks,
                er_grain(er_min64(inner, r.width) * er_min64(r.gone.count, BLOCK_ROWS)), columns_body, &r);
  }
  if (r.blocks > 1) er_pool_run(pool, r.kept.count, er_grain(r.blocks), join_body, &r);
}

/* ---- where the largest is -------------------------------------------------------------------------- */

typedef struct { er_red op; const er_view *index, *x; } search;

static void argreduce_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const search *s = ctx;
  er_view rows = *s->x;
  real one;
  (void)thread;
  for (int64_t row = lo; row < hi; row++) {
    const char *p = er_row(&rows, row);
    int64_t n = er_last(&rows), stride = er_last_stride(&rows), best = 0;
    real most = 0;
    for (int64_t i = 0; i < n; i++) {
      real v = *K(load)(rows.dtype, er_at(p, rows.dtype, i * stride), 1, 1, &one);
      bool better = s->op == ER_RED_MAX ? v > most : v < most;
      if (i == 0 || (better && most == most) || (v != v && most == most)) {
        most = v;
        best = i;
      }
    }
    *(int32_t *)er_row(s->index, row) = (int32_t)best;
  }
}

void K(argreduce)(er_pool *pool, er_red op, const er_view *index, const er_view *x) {
  search s = {op, index, x};
  er_pool_run(pool, er_rows(x), er_grain(er_last(x)), argreduce_body, &s);
}
