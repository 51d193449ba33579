/* attention.c - scaled-dot-product attention in blocks, memory linear in the length.
 * Forward keeps a running maximum and sum a row (Milakov & Gimelshein 2018; Dao et
 * al. 2022); backward computes the probabilities again from the stored log-sums. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

enum { QB = 64, KB = 128 };

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

/* Scores of queries q0.. (m) and keys k0.. (n) into s, a row every KB; what is not seen is -inf.  capped, if given,
 * keeps the scores behind the soft cap, which the gradient needs. */
static void scores(const job *j, int thread, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t k0, int64_t n, real *s,
                   real *capped) {
  const er_attention *a = j->a;
  K(gemm_block)(j->pool, thread, m, n, j->d, (real)a->scale, a->q.dtype, spot(&a->q, b, h, q0), a->q.stride[2],
                a->q.stride[3], a->k.dtype, spot(&a->k, b, h * j->groups / j->heads, k0), a->k.stride[3], a->k.stride[2],
                false, s, KB);
  for (int64_t i = 0; i < m; i++) {
    real *row = s + i * KB, buf[KB], c = (real)a->softcap;
    int64_t lo, hi;
    if (a->softcap > 0) {
      ER_SIMD for (int64_t x = 0; x < n; x++) row[x] = c * r_tanh(row[x] / c);
      if (capped != NULL) memcpy(capped + i * KB, row, (size_t)n * sizeof(real));
    }
    if (a->slopes != NULL) {
      real slope = (real)a->slopes[h], at = (real)(k0 - (q0 + i + j->s - j->t));
      for (int64_t x = 0; x < n; x++) row[x] += slope * (at + (real)x);
    }
    if (a->mask != NULL) {
      const real *add =
          K(load)(a->mask->dtype, er_at(spot(a->mask, b, h, q0 + i), a->mask->dtype, k0 * a->mask->stride[3]),
                  a->mask->stride[3], n, buf);
      ER_SIMD for (int64_t x = 0; x < n; x++) row[x] += add[x];
    }
    visible(j, q0 + i, &lo, &hi);
    for (int64_t x = 0; x < er_min64(n, lo - k0); x++) row[x] = -(real)INFINITY;
    for (int64_t x = er_max64(0, hi - k0); x < n; x++) row[x] = -(real)INFINITY;
  }
}

/* ---- forward ----------------------------------------------------------------------------------- */

typedef struct { real most[QB]; double sum[QB]; } running;

/* The scores become exp(s - most); what was summed before shrinks accordingly. */
static void absorb(running *r, real *s, real *o, int64_t m, int64_t n, int64_t d) {
  for (int64_t i = 0; i < m; i++) {
    real *row = s + i * KB, most = K(max_of)(row, n), shrink;
    if (!(most <= r->most[i])) {                            /* also where it is a NaN */
      shrink = r->most[i] == -(real)INFINITY ? 0 : r_exp(r->most[i] - most);
      r->most[i] = most;
      r->sum[i] *= (double)shrink;
      ER_SIMD for (int64_t x = 0; x < d; x++) o[i * d + x] *= shrink;
    }
    if (r->most[i] == -(real)INFINITY) memset(row, 0, (size_t)n * sizeof(real));
    else r->sum[i] += K(exp_sum)(row, row, n, r->most[i]);
  }
}

static void finish(const job *j, const running *r, real *o, int64_t b, int64_t h, int64_t q0, int64_t m) {
  const er_view *out = &j->a->o;
  for (int64_t i = 0; i < m; i++) {
    real scale = r->sum[i] == 0 ? 0 : (real)(1 / r->sum[i]), *row = o + i * j->dv;
    ER_SIMD for (int64_t x = 0; x < j->dv; x++) row[x] *= scale;
    K(store)(out->dtype, spot(out, b, h, q0 + i), out->stride[3], j->dv, row);
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
    absorb(&r, s, o, m, n, j->dv);
    K(gemm_block)(j->pool, thread, m, j->dv, n, 1, ER_REAL, s, KB, 1, v->dtype, spot(v, b, h * j->groups / j->heads, k0),
                  v->stride[2], v->stride[3], true, o, j->dv);
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

/* sum(do * o) of every row. */
static void deltas(const job *j, int64_t b, int64_t h, real *delta, real *buf) {
  const er_view *o = &j->a->o, *d = &j->a->dout;
  for (int64_t t = 0; t < j->t; t++)
    delta[t] = (real)K(dot)(K(load)(o->dtype, spot(o, b, h, t), o->stride[3], j->dv, buf),
                            K(load)(d->dtype, spot(d, b, h, t), d->stride[3], j->dv, buf + j->dv), j->dv);
}

/* p = exp(s - lse) and ds = p (dp - delta), with the soft cap's slope, in dp's place. */
static void probabilities(const job *j, const space *w, int64_t b, int64_t h, int64_t q0, int64_t m, int64_t n) {
  for (int64_t i = 0; i < m; i++) {
    real lse = ((const real *)j->a->lse)[(b * j->heads + h) * j->t + q0 + i], *p = w->p + i * KB, *dp = w->dp + i * KB;
    real delta = w->delta[q0 + i], c = (real)(j->a->softcap > 0 ? 1 / j->a->softcap : 0);
    const real *capped = w->capped + i * KB;
    if (lse == -(real)INFINITY) {
      memset(p, 0, (size_t)n * sizeof(real));
      memset(dp, 0, (size_t)n * sizeof(real));
      continue;
    }
    ER_SIMD for (int64_t x = 0; x < n; x++) p[x] = r_exp(p[x] - lse);
    ER_SIMD for (int64_t x = 0; x < n; x++) dp[x] = p[x] * (dp[x] - delta);
    if (c > 0) { ER_SIMD for (int64_t x = 0; x < n; x++) dp[x] *= 1 - capped[x] * c * (capped[x] * c); }
  }
}

/* The blocks of queries q0 and keys k0: adds to dv, dk and dq. */
static void backward_block(const job *j, int thread, const space *w, int64_t b, int64_t h, int64_t q0, int64_t m,
                           int64_t k0, int64_t n) {
  const er_attention *a = j->a;
  const er_view *q = &a->q, *k = &a->k, *v = &a->v, *d = &a->dout;
  int64_t g = h * j->groups / j->heads, in_group = h - g * (j->heads / j->groups);
  real *dq = w->dq + (in_group * j->t + q0) * j->d, scale = (real)a->scale;
  scores(j, thread, b, h, q0, m, k0, n, w->p, w->capped);
  K(gemm_block)(j->pool, thread, m, n, j->dv, 1, d->dtype, spot(d, b, h, q0), d->stride[2], d->stride[3], v->dtype,
                spot(v, b, g, k0), v->stride[3], v->stride[2], false, w->dp, KB);
  probabilities(j, w, b, h, q0, m, n);
  K(gemm_block)(j->pool, thread, n, j->dv, m, 1, ER_REAL, w->p, 1, KB, d->dtype, spot(d, b, h, q0), d->stride[2],
                d->stride[3], true, w->dv, j->dv);
  K(gemm_block)(j->pool, thread, n, j->d, m, scale, ER_REAL, w->dp, 1, KB, q->dtype, spot(q, b, h, q0), q->stride[2],
                q->stride[3], true, w->dk, j->d);
  K(gemm_block)(j->pool, thread, m, j->d, n, scale, ER_REAL, w->dp, KB, 1, k->dtype, spot(k, b, g, k0), k->stride[2],
                k->stride[3], true, dq, j->d);
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
      deltas(j, b, g * ratio + h, w.delta + h * j->t, er_scratch(j->pool, thread, SLOT_C, 2 * j->dv));
    for (int64_t k0 = 0; k0 < j->s; k0 += KB) key_block(j, thread, &w, b, g, k0);
    for (int64_t h = 0; h < ratio; h++) store_rows(&j->a->dq, b, g * ratio + h, 0, j->t, w.dq + h * j->t * j->d, j->d);
  }
}

void K(attention_grad)(er_pool *pool, const er_attention *a) {
  job j = job_of(pool, a);
  if (er_view_count(&a->k) == 0 && er_view_count(&a->q) == 0) return;
  er_pool_run(pool, a->k.size[0] * j.groups, er_grain(j.t * j.s * j.d), backward_body, &j);
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
