/* attention.c - scaled-dot-product attention in blocks, memory linear in the length.
 * Forward keeps a running maximum and sum a row (Milakov & Gimelshein 2018; Dao et
 * al. 2022); backward computes the probabilities again from the stored log-sums. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

/* Queries and keys of a block; rows of a strip of it, which the register tiles of all instruction sets divide; numbers that
 * the vectors of all of them divide. */
enum { QB = 64, KB = 128, STRIP = 24, WHOLE = 16 };

typedef struct { er_pool *pool; const er_attention *a; int64_t heads, groups, t, s, d, dv, blocks; } job;

static job job_of(er_pool *pool, const er_attention *a) {
  return (job){.pool = pool, .a = a, .heads = a->q.size[1], .groups = a->k.size[1], .t = a->q.size[2], .s = a->k.size[2],
               .d = a->q.size[3], .dv = a->v.size[3], .blocks = (a->q.size[2] + QB - 1) / QB};
}

/* The address of element (batch, head, row, 0). */
static void *spot(const er_view *v, int64_t b, int64_t h, int64_t row) {
  return er_at(v->data, v->dtype, b * v->stride[0] + h * v->stride[1] + row * v->stride[2]);
}

/* The keys that query t may see: lo..hi-1. */
static void visible(const job *j, int64_t t, int64_t *lo, int64_t *hi) {
  *lo = 0;
  *hi = j->s;
  if (!j->a->causal) return;
  *hi = er_max64(0, er_min64(j->s, t + j->s - j->t + 1));
  if (j->a->window > 0) *lo = er_max64(0, *hi - j->a->window);
}

/* Of the keys k0.. (n), those that query t sees: lo..hi-1, counted from k0. */
static void seen(const job *j, int64_t t, int64_t k0, int64_t n, int64_t *lo, int64_t *hi) {
  visible(j, t, lo, hi);
  *lo = er_max64(0, er_min64(n, *lo - k0));
  *hi = er_max64(*lo, er_min64(n, *hi - k0));
}

/* One row of scores, between lo and hi: soft cap, slopes, mask. */
static void bend(const job *j, int64_t b, int64_t h, int64_t t, int64_t k0, int64_t lo, int64_t hi, real *row,
                 real *capped) {
  const er_attention *a = j->a;
  real buf[KB], c = (real)a->softcap;
  if (a->softcap > 0) {
    ER_SIMD for (int64_t x = lo; x < hi; x++) row[x] = c * r_tanh(row[x] / c);
    if (capped != NULL) memcpy(capped + lo, row + lo, (size_t)(hi - lo) * sizeof(real));
  }
  if (a->slopes != NULL) {
    real slope = ((const real *)a->slopes)[h], at = (real)(k0 - (t + j->s - j->t));
    for (int64_t x = lo; x < hi; x++) row[x] += slope * (at + (real)x);
  }
  if (a->mask != NULL) {
    const er_view *v = a->mask;
    const real *add =
        K(load)(v->dtype, er_at(spot(v, b, h, t), v->dtype, (k0 + lo) * v->stride[3]), v->stride[3], hi - lo, buf);
    ER_SIMD for (int64_t x = lo; x < hi; x++) row[x] += add[x - lo];
  }
}

/* A product of two blocks that is wanted only where queries see keys. */
static void seen_product(const job *j, int thread, int64_t q0, int64_t m, int64_t k0, int64_t n, int64_t k,
                         double scale, er_matrix q, er_matrix kt, real *s) {
  int64_t stair = j->a->causal ? q0 + j->s - j->t - k0 : n;
  K(gemm_block)(j->pool, thread, m, n, k, (real)scale, q, kt, false, s, KB, stair);
}

static er_matrix rows_at(const er_view *v, int64_t b, int64_t h, int64_t row) {
  return (er_matrix){v->dtype, spot(v, b, h, row), v->stride[2], v->stride[3]};
}

static er_matrix turned_at(const er_view *v, int64_t b, int64_t h, int64_t row) {
  return (er_matrix){v->dtype, spot(v, b, h, row), v->stride[3], v->stride[2]};
}

/* Scores of queries q0.. (m) and keys k0.. (n) into s, a row every KB; what is not seen is not set.  capped, if given,
 * keeps the scores behind the soft cap, which the gradient needs. */
static void scores(const job *j, int thread, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t k0, int64_t n, real *s,
                   real *capped) {
  const er_attention *a = j->a;
  seen_product(j, thread, q0, m, k0, n, j->d, a->scale, rows_at(&a->q, b, h, q0),
               turned_at(&a->k, b, h * j->groups / j->heads, k0), s);
  if (a->softcap == 0 && a->slopes == NULL && a->mask == NULL) return;
  for (int64_t i = 0; i < m; i++) {
    int64_t lo, hi;
    seen(j, q0 + i, k0, n, &lo, &hi);
    bend(j, b, h, q0 + i, k0, lo, hi, s + i * KB, capped != NULL ? capped + i * KB : NULL);
  }
}

static void zero_outside(real *row, int64_t lo, int64_t hi, int64_t n) {
  memset(row, 0, (size_t)lo * sizeof(real));
  memset(row + hi, 0, (size_t)(n - hi) * sizeof(real));
}

/* out (m, d) += scale * s (m, n) v: strip by strip, each as deep as its queries see. */
static void over_keys(const job *j, int thread, const real *s, int64_t q0, int64_t m, int64_t k0, int64_t n, real scale,
                      const er_view *v, int64_t b, int64_t g, int64_t d, real *out) {
  int64_t step = j->a->causal ? STRIP : m;
  for (int64_t i = 0; i < m; i += step) {
    int64_t lo, hi, none, rows = er_min64(step, m - i);
    seen(j, q0 + i, k0, n, &lo, &none);
    seen(j, q0 + i + rows - 1, k0, n, &none, &hi);
    if (hi > lo)
      K(gemm_block)(j->pool, thread, rows, d, hi - lo, scale, (er_matrix){ER_REAL, s + i * KB + lo, KB, 1},
                    rows_at(v, b, g, k0 + lo), true, out + i * d, d, d);
  }
}

/* out (n, d) += scale * s^T (n, m) q: strip by strip of keys, from the first to the last query that sees them. */
static void over_queries(const job *j, int thread, const real *s, int64_t q0, int64_t m, int64_t k0, int64_t n,
                         real scale, const er_view *q, int64_t b, int64_t h, int64_t d, real *out) {
  int64_t step = j->a->causal ? STRIP : n, window = j->a->window;
  for (int64_t x = 0; x < n; x += step) {
    int64_t keys = er_min64(step, n - x), first = 0, end = m, shift = k0 + x - (q0 + j->s - j->t);
    if (j->a->causal) first = er_max64(0, shift);
    if (window > 0) end = er_min64(m, shift + keys - 1 + window);
    if (end > first)
      K(gemm_block)(j->pool, thread, keys, d, end - first, scale, (er_matrix){ER_REAL, s + first * KB + x, 1, KB},
                    rows_at(q, b, h, q0 + first), true, out + x * d, d, d);
  }
}

/* Drops probabilities: each of the block times 0 or 1 / (1 - p). */
static void drop(const job *j, int64_t b, int64_t h, int64_t row, int64_t k0, int64_t n, real *x) {
  real keep[KB];
  if (j->a->dropout == 0) return;
  K(keep)(keep, n, j->a->dropout, j->a->key, (uint64_t)(((b * j->heads + h) * j->t + row) * j->s + k0));
  ER_SIMD for (int64_t i = 0; i < n; i++) x[i] *= keep[i];
}

/* ---- forward ----------------------------------------------------------------------------------- */

typedef struct { real most[QB]; double sum[QB]; } running;

/* Fills up what is seen of a row, lo..hi-1, to whole vectors: -INFINITY is no maximum, and exp(-INFINITY) is 0. */
static int64_t fill_up(real *row, int64_t lo, int64_t hi) {
  int64_t end = er_min64(KB, lo + (hi - lo + WHOLE - 1) / WHOLE * WHOLE);
  for (int64_t x = hi; x < end; x++) row[x] = -(real)INFINITY;
  return end;
}

/* The scores become exp(s - most), 0 where nothing is seen; what was summed before shrinks accordingly. */
static void absorb(const job *j, running *r, real *s, real *o, int64_t q0, int64_t m, int64_t k0, int64_t n) {
  for (int64_t i = 0; i < m; i++) {
    int64_t lo, hi, end, d = j->dv;
    seen(j, q0 + i, k0, n, &lo, &hi);
    end = fill_up(s + i * KB, lo, hi);
    real *row = s + i * KB, most = K(max_of)(row + lo, end - lo), shrink;
    if (!(most <= r->most[i])) {                            /* also where it is a NaN */
      shrink = r->most[i] == -(real)INFINITY ? 0 : r_exp(r->most[i] - most);
      r->most[i] = most;
      r->sum[i] *= (double)shrink;
      ER_SIMD for (int64_t x = 0; x < d; x++) o[i * d + x] *= shrink;
    }
    if (r->most[i] == -(real)INFINITY) hi = end = lo;       /* all of it masked */
    r->sum[i] += K(exp_sum)(row + lo, row + lo, end - lo, r->most[i]);
    zero_outside(row, lo, hi, n);
  }
}

static void finish(const job *j, const running *r, real *o, int64_t b, int64_t h, int64_t q0, int64_t m) {
  const er_view *out = &j->a->o;
  for (int64_t i = 0; i < m; i++) {
    real scale = r->sum[i] == 0 ? 0 : (real)(1 / r->sum[i]), *row = o + i * j->dv;
    ER_SIMD for (int64_t x = 0; x < j->dv; x++) row[x] *= scale;
    K(store)(out->dtype, spot(out, b, h, q0 + i), out->stride[3], j->dv, row);
    if (j->a->lse != NULL)
      ((real *)j->a->lse)[(b * j->heads + h) * j->t + q0 + i] =
          (real)(r->sum[i] == 0 ? -INFINITY : (double)r->most[i] + log(r->sum[i]));
  }
}

static void forward_block(const job *j, int thread, int64_t b, int64_t h, int64_t q0) {
  const er_view *v = &j->a->v;
  int64_t m = er_min64(QB, j->t - q0), lo, hi, none;
  real *s = er_scratch(j->pool, thread, SLOT_ROW, QB * KB), *o = er_scratch(j->pool, thread, SLOT_ROW2, QB * j->dv);
  running r;
  memset(o, 0, (size_t)(m * j->dv) * sizeof(real));
  for (int i = 0; i < QB; i++) {
    r.most[i] = -(real)INFINITY;
    r.sum[i] = 0;
  }
  visible(j, q0, &lo, &none);
  visible(j, q0 + m - 1, &none, &hi);
  for (int64_t k0 = lo; k0 < hi; k0 += KB) {
    int64_t n = er_min64(KB, hi - k0);
    scores(j, thread, b, h, q0, m, k0, n, s, NULL);
    absorb(j, &r, s, o, q0, m, k0, n);
    for (int64_t i = 0; i < m; i++) drop(j, b, h, q0 + i, k0, n, s + i * KB);
    over_keys(j, thread, s, q0, m, k0, n, 1, v, b, h * j->groups / j->heads, j->dv, o);
  }
  finish(j, &r, o, b, h, q0, m);
}

static void forward_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  for (int64_t i = lo; i < hi; i++) {
    int64_t block = j->blocks - 1 - i % j->blocks, head = i / j->blocks;       /* long rows first: better balance */
    forward_block(j, thread, head / j->heads, head % j->heads, block * QB);
  }
}

void K(attention)(er_pool *pool, const er_attention *a) {
  job j = job_of(pool, a);
  if (er_view_count(&a->o) == 0) return;
  er_pool_run(pool, a->q.size[0] * j.heads * j.blocks, er_grain(er_min64(j.t, QB) * j.s * j.d / 8), forward_body, &j);
}

/* ---- backward: one key head at a time, so that no two threads add to one place ------------------------ */

typedef struct { real *p, *dp, *capped, *dk, *dv, *dq, *delta; } space;

/* sum(do * o) of the rows first..end-1. */
static void deltas(const job *j, int64_t b, int64_t h, int64_t first, int64_t end, real *delta, real *buf) {
  const er_view *o = &j->a->o, *d = &j->a->dout;
  for (int64_t t = first; t < end; t++)
    delta[t] = (real)K(dot)(K(load)(o->dtype, spot(o, b, h, t), o->stride[3], j->dv, buf),
                            K(load)(d->dtype, spot(d, b, h, t), d->stride[3], j->dv, buf + j->dv), j->dv);
}

/* p = exp(s - lse), then dropped; and ds = p (dp - delta), before the soft cap, in dp's place. */
static void probabilities(const job *j, const space *w, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t k0,
                          int64_t n) {
  for (int64_t i = 0; i < m; i++) {
    real lse = ((const real *)j->a->lse)[(b * j->heads + h) * j->t + q0 + i], *p = w->p + i * KB, *dp = w->dp + i * KB;
    real delta = w->delta[q0 + i];
    int64_t lo, hi;
    seen(j, q0 + i, k0, n, &lo, &hi);
    if (lse == -(real)INFINITY) hi = lo;
    ER_SIMD for (int64_t x = lo; x < hi; x++) p[x] = r_exp(p[x] - lse);
    drop(j, b, h, q0 + i, k0 + lo, hi - lo, dp + lo);
    ER_SIMD for (int64_t x = lo; x < hi; x++) dp[x] = p[x] * (dp[x] - delta);
    drop(j, b, h, q0 + i, k0 + lo, hi - lo, p + lo);
    zero_outside(p, lo, hi, n);
    zero_outside(dp, lo, hi, n);
  }
}

/* Through the soft cap: ds times 1 - (s / c)^2. */
static void uncap(const job *j, const space *w, int64_t q0, int64_t m, int64_t k0, int64_t n) {
  real c = (real)(j->a->softcap > 0 ? 1 / j->a->softcap : 0);
  for (int64_t i = 0; c > 0 && i < m; i++) {
    real *ds = w->dp + i * KB;
    const real *capped = w->capped + i * KB;
    int64_t lo, hi;
    seen(j, q0 + i, k0, n, &lo, &hi);
    ER_SIMD for (int64_t x = lo; x < hi; x++) ds[x] *= 1 - capped[x] * c * (capped[x] * c);
  }
}

/* p and ds of the block of queries q0 and keys k0. */
static void ds_block(const job *j, int thread, const space *w, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t k0,
                     int64_t n) {
  const er_view *v = &j->a->v, *d = &j->a->dout;
  scores(j, thread, b, h, q0, m, k0, n, w->p, w->capped);
  seen_product(j, thread, q0, m, k0, n, j->dv, 1, rows_at(d, b, h, q0), turned_at(v, b, h * j->groups / j->heads, k0),
               w->dp);
  probabilities(j, w, b, h, q0, m, k0, n);
}

/* The blocks of queries q0 and keys k0: adds to dv, dk and dq. */
static void backward_block(const job *j, int thread, const space *w, int64_t b, int64_t h, int64_t q0, int64_t m,
                           int64_t k0, int64_t n) {
  const er_attention *a = j->a;
  const er_view *q = &a->q, *k = &a->k, *d = &a->dout;
  int64_t g = h * j->groups / j->heads, in_group = h - g * (j->heads / j->groups);
  real *dq = w->dq + (in_group * j->t + q0) * j->d, scale = (real)a->scale;
  ds_block(j, thread, w, b, h, q0, m, k0, n);
  uncap(j, w, q0, m, k0, n);
  over_queries(j, thread, w->p, q0, m, k0, n, 1, d, b, h, j->dv, w->dv);
  over_queries(j, thread, w->dp, q0, m, k0, n, scale, q, b, h, j->d, w->dk);
  over_keys(j, thread, w->dp, q0, m, k0, n, scale, k, b, g, j->d, dq);
}

static void store_rows(const er_view *to, int64_t b, int64_t h, int64_t row0, int64_t rows, const real *x, int64_t d) {
  if (to->data == NULL) return;
  for (int64_t i = 0; i < rows; i++) K(store)(to->dtype, spot(to, b, h, row0 + i), to->stride[3], d, x + i * d);
}

static void key_block(const job *j, int thread, const space *all, int64_t b, int64_t g, int64_t k0) {
  int64_t n = er_min64(KB, j->s - k0), ratio = j->heads / j->groups;
  memset(all->dk, 0, (size_t)(n * j->d) * sizeof(real));
  memset(all->dv, 0, (size_t)(n * j->dv) * sizeof(real));
  for (int64_t h = g * ratio; h < (g + 1) * ratio; h++) {
    space w = *all;
    w.delta = all->delta + (h - g * ratio) * j->t;
    for (int64_t q0 = 0; q0 < j->t; q0 += QB) {
      int64_t m = er_min64(QB, j->t - q0), lo, hi, none;
      visible(j, q0, &lo, &none);
      visible(j, q0 + m - 1, &none, &hi);
      if (k0 < hi && k0 + n > lo) backward_block(j, thread, &w, b, h, q0, m, k0, n);
    }
  }
  store_rows(&j->a->dk, b, g, k0, n, all->dk, j->d);
  store_rows(&j->a->dv, b, g, k0, n, all->dv, j->dv);
}

static void backward_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  int64_t ratio = j->heads / j->groups, block = QB * KB;
  space w = {.p = er_scratch(j->pool, thread, SLOT_ROW, 3 * block)};
  w.dp = w.p + block;
  w.capped = w.dp + block;
  w.dk = er_scratch(j->pool, thread, SLOT_ROW2, KB * (j->d + j->dv));
  w.dv = w.dk + KB * j->d;
  w.dq = er_scratch(j->pool, thread, SLOT_ROW3, ratio * j->t * (j->d + 1));
  w.delta = w.dq + ratio * j->t * j->d;
  for (int64_t i = lo; i < hi; i++) {
    int64_t b = i / j->groups, g = i % j->groups;
    memset(w.dq, 0, (size_t)(ratio * j->t * j->d) * sizeof(real));
    for (int64_t h = 0; h < ratio; h++)
      deltas(j, b, g * ratio + h, 0, j->t, w.delta + h * j->t, er_scratch(j->pool, thread, SLOT_C, 2 * j->dv));
    for (int64_t k0 = 0; k0 < j->s; k0 += KB) key_block(j, thread, &w, b, g, k0);
    for (int64_t h = 0; h < ratio; h++) store_rows(&j->a->dq, b, g * ratio + h, 0, j->t, w.dq + h * j->t * j->d, j->d);
  }
}

void K(attention_grad)(er_pool *pool, const er_attention *a) {
  job j = job_of(pool, a);
  if (er_view_count(&a->k) == 0 && er_view_count(&a->q) == 0) return;
  er_pool_run(pool, a->k.size[0] * j.groups, er_grain(j.t * j.s * j.d), backward_body, &j);
}

/* ---- the gradient of what is added to the scores: ds once more, an item being what no other adds to ---- */

typedef struct { job j; const er_view *d; bool by_distance; } bias_job;

static void add_ds(const bias_job *t, const real *ds, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t k0,
                   int64_t n) {
  const er_view *d = t->d;
  for (int64_t i = 0; i < m; i++, ds += KB) {
    real *to = (real *)d->data + (d->size[0] > 1 ? b * d->stride[0] : 0) + (d->size[1] > 1 ? h * d->stride[1] : 0) +
               (d->size[2] > 1 ? (q0 + i) * d->stride[2] : 0);
    if (d->size[3] > 1) {
      ER_SIMD for (int64_t x = 0; x < n; x++) to[k0 + x] += ds[x];
      continue;
    }
    double total = 0, at = (double)(k0 - (q0 + i + t->j.s - t->j.t));
    for (int64_t x = 0; x < n; x++) total += (double)ds[x] * (t->by_distance ? at + (double)x : 1);
    *to += (real)total;
  }
}

static void bias_rows(const bias_job *t, int thread, const space *w, int64_t b, int64_t h, int64_t q0) {
  const job *j = &t->j;
  int64_t m = er_min64(QB, j->t - q0), lo, hi, none;
  deltas(j, b, h, q0, q0 + m, w->delta, er_scratch(j->pool, thread, SLOT_C, 2 * j->dv));
  visible(j, q0, &lo, &none);
  visible(j, q0 + m - 1, &none, &hi);
  for (int64_t k0 = lo; k0 < hi; k0 += KB) {
    int64_t n = er_min64(KB, hi - k0);
    ds_block(j, thread, w, b, h, q0, m, k0, n);
    add_ds(t, w->dp, b, h, q0, m, k0, n);
  }
}

static void bias_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const bias_job *t = ctx;
  const job *j = &t->j;
  const er_view *d = t->d;
  int64_t block = QB * KB, rows = d->size[2] > 1 ? j->blocks : 1;
  space w = {.p = er_scratch(j->pool, thread, SLOT_ROW, 3 * block), .delta = er_scratch(j->pool, thread, SLOT_ROW3, j->t)};
  w.dp = w.p + block;
  w.capped = w.dp + block;
  for (int64_t item = lo; item < hi; item++) {
    int64_t b0 = item / rows / d->size[1], h0 = item / rows % d->size[1], r0 = item % rows;
    for (int64_t b = b0; b < (d->size[0] > 1 ? b0 + 1 : j->a->q.size[0]); b++)
      for (int64_t h = h0; h < (d->size[1] > 1 ? h0 + 1 : j->heads); h++)
        for (int64_t r = r0; r < (d->size[2] > 1 ? r0 + 1 : j->blocks); r++) bias_rows(t, thread, &w, b, h, r * QB);
  }
}

void K(attention_bias_grad)(er_pool *pool, const er_attention *a, const er_view *d, bool by_distance) {
  bias_job t = {job_of(pool, a), d, by_distance};
  int64_t rows = d->size[2] > 1 ? t.j.blocks : 1;
  memset(d->data, 0, (size_t)er_view_count(d) * sizeof(real));
  if (er_view_count(&a->o) > 0) er_pool_run(pool, d->size[0] * d->size[1] * rows, 1, bias_body, &t);
}

/* ---- rotary positions ------------------------------------------------------------------------------------ */

typedef struct {
  er_pool *pool;
  const er_view *y, *x;
  const real *cos, *sin;
  const int32_t *positions;
  bool half;
  real sign;
  int64_t rotated;
} rope;

static void rope_row(const rope *r, int64_t row, const real *x, real *y) {
  int64_t t = row % r->x->size[r->x->nd - 2], h = r->rotated / 2, n = er_last(r->x);
  int64_t at = r->positions != NULL ? r->positions[t] : t;
  const real *c = r->cos + at * h, *s = r->sin + at * h;
  if (r->half) {
    for (int64_t i = 0; i < h; i++) {
      real a = x[i], b = x[i + h], sn = r->sign * s[i];
      y[i] = a * c[i] - b * sn;
      y[i + h] = b * c[i] + a * sn;
    }
  } else {
    for (int64_t i = 0; i < h; i++) {
      real a = x[2 * i], b = x[2 * i + 1], sn = r->sign * s[i];
      y[2 * i] = a * c[i] - b * sn;
      y[2 * i + 1] = b * c[i] + a * sn;
    }
  }
  for (int64_t i = r->rotated; i < n; i++) y[i] = x[i];
}

static void rope_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const rope *r = ctx;
  int64_t n = er_last(r->x);
  real *in = er_scratch(r->pool, thread, SLOT_ROW, n), *out = er_scratch(r->pool, thread, SLOT_ROW2, n);
  for (int64_t i = lo; i < hi; i++) {
    real *y = er_row_target(r->y, i, out);
    rope_row(r, i, er_load_row(r->x, i, in), y);
    er_store_row(r->y, i, y);
  }
}

void K(rope)(er_pool *pool, const er_view *y, const er_view *x, const void *cos, const void *sin,
             const int32_t *positions, bool half, double sign, int64_t rotated) {
  rope r = {pool, y, x, cos, sin, positions, half, (real)sign, rotated};
  er_pool_run(pool, er_rows(x), er_grain(er_last(x)), rope_body, &r);
}
