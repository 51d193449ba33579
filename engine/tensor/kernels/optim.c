/* optim.c - optimisers in one pass over a parameter, and the norm of many gradients. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

enum { PIECE = 16384 };

/* Runs of the elements of many tensors, counted through, so that all of them are one round of work: first[i] is the
 * first run of tensor i, first[n] how many there are. */
typedef struct { const er_param *list; int n; const int64_t *first; const er_adamw *adamw; const er_sgd *sgd; } step;

/* A piece of a round is a run of one tensor: fn(tensor, first element, elements). */
typedef void (*run_fn)(const step *s, const er_param *p, int64_t at, int64_t n);

static void each_run(const step *s, int64_t lo, int64_t hi, run_fn fn) {
  int i = 0;
  for (int end = s->n; end - i > 1; ) {
    int middle = i + (end - i) / 2;
    if (s->first[middle] <= lo) i = middle;
    else end = middle;
  }
  for (int64_t run = lo; run < hi; run++) {
    while (run >= s->first[i + 1]) i++;
    int64_t at = (run - s->first[i]) * ER_RUN;
    fn(s, &s->list[i], at, er_min64(ER_RUN, s->list[i].n - at));
  }
}

static void all_runs(er_pool *pool, step *s, er_pool_body body) {
  int64_t *first = er_pool_scratch(pool, 0, SLOT_BLOCK, (size_t)(s->n + 1) * sizeof *first);
  if (first == NULL) return;
  first[0] = 0;
  for (int i = 0; i < s->n; i++) first[i + 1] = first[i] + (s->list[i].n + ER_RUN - 1) / ER_RUN;
  s->first = first;
  er_pool_run(pool, first[s->n], er_grain(4 * ER_RUN), body, s);
}

/* The master copy of weights in bf16.  A weight that is not its rounding was written over since (a checkpoint was
 * loaded, say), and the copy goes on from there. */
static real *master(const er_param *p, int64_t at, int64_t n) {
  real *w = (real *)p->master + at;
  const uint16_t *now = er_at(p->p, p->pt, at);
  if (p->pt == ER_BF16)
    ER_SIMD for (int64_t i = 0; i < n; i++) w[i] = er_to_bf16((float)w[i]) == now[i] ? w[i] : (real)er_from_bf16(now[i]);
  return w;
}

/* The weights as reals. */
static real *weights(const er_param *p, int64_t at, int64_t n, real *buf) {
  if (p->master != NULL) return master(p, at, n);
  const real *w = K(load)(p->pt, er_at(p->p, p->pt, at), 1, n, buf);
  return w == buf ? buf : (real *)p->p + at;
}

static void adamw_run(const step *s, const er_param *p, int64_t at, int64_t n) {
  const er_adamw *h = s->adamw;
  real bw[ER_RUN], bg[ER_RUN], b1 = (real)h->beta1, b2 = (real)h->beta2, keep = (real)(1 - h->lr * h->decay);
  real n1 = (real)(1 - h->beta1), n2 = (real)(1 - h->beta2), rate = (real)(h->lr / h->correction1);
  real scale2 = (real)(1 / sqrt(h->correction2)), eps = (real)h->eps, gs = (real)h->grad_scale;
  real *w = weights(p, at, n, bw), *m = (real *)p->m + at, *v = (real *)p->v + at;
  const real *g = K(load)(p->gt, er_at(p->g, p->gt, at), 1, n, bg);
  ER_SIMD for (int64_t i = 0; i < n; i++) {
    real x = g[i] * gs, mi = b1 * m[i] + n1 * x, vi = b2 * v[i] + n2 * x * x;
    m[i] = mi;
    v[i] = vi;
    w[i] = w[i] * keep - rate * mi / (r_sqrt(vi) * scale2 + eps);
  }
  K(store)(p->pt, er_at(p->p, p->pt, at), 1, n, w);
}

static void adamw_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  (void)thread;
  each_run(ctx, lo, hi, adamw_run);
}

void K(adamw)(er_pool *pool, const er_param *list, int n, const er_adamw *h) {
  step s = {.list = list, .n = n, .adamw = h};
  if (n > 0) all_runs(pool, &s, adamw_body);
}

static void sgd_run(const step *s, const er_param *p, int64_t at, int64_t n) {
  const er_sgd *h = s->sgd;
  real bw[ER_RUN], bg[ER_RUN], mom = (real)h->momentum, fresh = (real)(h->first ? 1 : 1 - h->dampening);
  real old = h->first ? 0 : mom, lr = (real)h->lr, decay = (real)h->decay, gs = (real)h->grad_scale;
  real *w = weights(p, at, n, bw), *m = p->m != NULL ? (real *)p->m + at : NULL;
  const real *g = K(load)(p->gt, er_at(p->g, p->gt, at), 1, n, bg);
  for (int64_t i = 0; i < n; i++) {
    real x = g[i] * gs + decay * w[i];
    if (m != NULL) {
      m[i] = (old != 0 ? old * m[i] : 0) + fresh * x;
      x = h->nesterov ? x + mom * m[i] : m[i];
    }
    w[i] -= lr * x;
  }
  K(store)(p->pt, er_at(p->p, p->pt, at), 1, n, w);
}

static void sgd_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  (void)thread;
  each_run(ctx, lo, hi, sgd_run);
}

void K(sgd)(er_pool *pool, const er_param *list, int n, const er_sgd *h) {
  step s = {.list = list, .n = n, .sgd = h};
  if (n > 0) all_runs(pool, &s, sgd_body);
}

/* ---- the sum of squares of many tensors --------------------------------------------------------- */

typedef struct { const er_view *v; double *parts; int64_t n; } squares;

static void squares_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const squares *s = ctx;
  real buf[ER_RUN];
  (void)thread;
  for (int64_t piece = lo; piece < hi; piece++) {
    double total = 0;
    for (int64_t at = piece * PIECE; at < er_min64((piece + 1) * PIECE, s->n); at += ER_RUN) {
      int64_t n = er_min64(ER_RUN, er_min64((piece + 1) * PIECE, s->n) - at);
      const real *x = K(load)(s->v->dtype, er_at(s->v->data, s->v->dtype, at), 1, n, buf);
      total += K(dot)(x, x, n);
    }
    s->parts[piece] = total;
  }
}

double K(sumsq)(er_pool *pool, const er_view *const *list, int n) {
  double total = 0;
  for (int i = 0; i < n; i++) {
    squares s = {.v = list[i], .n = er_view_count(list[i])};
    int64_t pieces = (s.n + PIECE - 1) / PIECE;
    s.parts = er_pool_scratch(pool, 0, SLOT_BLOCK, (size_t)(pieces + 1) * sizeof *s.parts);
    if (s.parts == NULL) return 0;
    er_pool_run(pool, pieces, 1, squares_body, &s);
    for (int64_t p = 0; p < pieces; p++) total += s.parts[p];
  }
  return total;
}
