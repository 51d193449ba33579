/* ops_attention.c - scaled-dot-product attention and rotary positions. */

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/ops.h"
#include "tensor/room.h"

/* ---- attention ------------------------------------------------------------------------------- */

typedef struct { er_attention a; er_view mask; } sdpa_ctx;

enum { Q, KEY, VALUE, MASK, SLOPES, INPUTS, OUT = INPUTS, LSE };      /* the inputs, and the places of what is saved */

static er_attention with_views(const sdpa_ctx *c, er_tensor *const *x, er_tensor *o, er_tensor *lse) {
  er_attention a = c->a;
  a.q = x[Q]->v;
  a.k = x[KEY]->v;
  a.v = x[VALUE]->v;
  a.o = o->v;
  a.lse = lse != NULL ? lse->v.data : NULL;
  a.mask = x[MASK] != NULL ? &c->mask : NULL;
  a.slopes = x[SLOPES] != NULL ? x[SLOPES]->v.data : NULL;
  return a;
}

/* t as packed reals, on the tape. */
static er_tensor *as_reals(er_tensor *t, er_err *err) {
  er_tensor *y = er_tensor_to(t, er_tensor_home(t)->backend->real, err), *packed;
  if (y == NULL) return NULL;
  packed = er_tensor_contiguous_of(y, err);
  er_tensor_unref(y);
  return packed;
}

/* The gradient of the mask, in its own shape: (1, ..., 1, its sizes), summed over what was broadcast. */
static er_tensor *mask_grad(er_node *n, const er_attention *a, const er_view *shape, bool by_distance, er_err *err) {
  int64_t size[4] = {1, 1, 1, 1};
  er_tensor *wide, *g;
  if (by_distance) size[1] = shape->size[0];
  else memcpy(size + 4 - shape->nd, shape->size, (size_t)shape->nd * sizeof *size);
  if ((wide = er_make(n->home, n->home->backend->real, 4, size, err)) == NULL) return NULL;
  n->home->backend->attention_bias_grad(n->home->pool, a, &wide->v, by_distance);
  g = er_tensor_view(wide, shape->nd, shape->size, err);
  er_tensor_unref(wide);
  return g;
}

/* t's shape, the dims lying in memory in the order of t's: heads of one token stay together. */
static er_tensor *like_in_memory(er_tensor *t, er_err *err) {
  er_tensor *g = er_like(t, err);
  int order[4] = {0, 1, 2, 3};
  int64_t step = 1;
  if (g == NULL) return NULL;
  for (int i = 1; i < 4; i++)
    for (int j = i; j > 0 && t->v.stride[order[j - 1]] < t->v.stride[order[j]]; j--) {
      int o = order[j];
      order[j] = order[j - 1];
      order[j - 1] = o;
    }
  for (int i = 3; i >= 0; i--) {
    g->v.stride[order[i]] = step;
    step *= t->v.size[order[i]] > 0 ? t->v.size[order[i]] : 1;
  }
  return g;
}

static int sdpa_backward(er_node *n, er_tensor *dy, er_err *err) {
  const sdpa_ctx *c = n->ctx;
  er_tensor *in[INPUTS], *g[3] = {NULL, NULL, NULL};
  er_attention a;
  int rc = 0;
  for (int i = 0; i < INPUTS; i++) in[i] = er_tape_saved(n, i);
  a = with_views(c, in, er_tape_saved(n, OUT), er_tape_saved(n, LSE));
  a.dout = dy->v;
  for (int i = 0; i < 3 && rc == 0; i++)
    if (er_tape_needs(n, i) && (g[i] = like_in_memory(in[i], err)) == NULL) rc = -1;
  if (g[Q] != NULL) a.dq = g[Q]->v;
  if (g[KEY] != NULL) a.dk = g[KEY]->v;
  if (g[VALUE] != NULL) a.dv = g[VALUE]->v;
  if (rc == 0 && (g[Q] != NULL || g[KEY] != NULL || g[VALUE] != NULL))
    n->home->backend->attention_grad(n->home->pool, &a);
  for (int i = 0; i < 3; i++) {
    if (g[i] == NULL) continue;
    if (rc == 0) rc = er_tape_give(n, i, g[i], err);
    else er_tensor_unref(g[i]);
  }
  for (int i = MASK; i <= SLOPES && rc == 0; i++)
    if (er_tape_needs(n, i)) rc = er_tape_give(n, i, mask_grad(n, &a, &in[i]->v, i == SLOPES, err), err);
  return rc;
}

static int check_options(er_tensor *const *xs, const er_sdpa *opt, er_err *err) {
  static const char name[] = "scaled_dot_product_attention";
  if (opt->window > 0 && !opt->causal) return er_tensor_refuse(err, "range", name, 3, xs, "a window needs is_causal");
  if (opt->window < 0 || !(opt->softcap >= 0) || opt->scale != opt->scale)
    return er_tensor_refuse(err, "range", name, 3, xs, "window and softcap are not negative, and scale is a number");
  if (!(opt->dropout >= 0 && opt->dropout < 1))
    return er_tensor_refuse(err, "range", name, 3, xs, "the share that is dropped is from 0 up to 1, not %g",
                            opt->dropout);
  if (opt->slopes == NULL) return 0;
  if (er_want_float("slopes", opt->slopes, err) < 0) return -1;
  if (opt->slopes->v.nd != 1 || opt->slopes->v.size[0] != xs[Q]->v.size[1])
    return er_tensor_refuse(err, "shape", name, 1, &opt->slopes, "there is one slope for each of %lld heads",
                            (long long)xs[Q]->v.size[1]);
  return 0;
}

static int check_sdpa(er_tensor *q, er_tensor *k, er_tensor *v, const er_sdpa *opt, er_err *err) {
  static const char name[] = "scaled_dot_product_attention";
  er_tensor *xs[3] = {q, k, v};
  for (int i = 0; i < 3; i++) {
    if (er_want_float(name, xs[i], err) < 0) return -1;
    if (xs[i]->v.nd != 4)
      return er_tensor_refuse(err, "shape", name, 3, xs, "query, key and value are (batch, heads, tokens, size)");
    if (xs[i]->v.size[0] != q->v.size[0]) return er_tensor_refuse(err, "shape", name, 3, xs, "the batches differ");
  }
  if (k->v.size[1] != v->v.size[1] || k->v.size[1] == 0 || q->v.size[1] % k->v.size[1] != 0)
    return er_tensor_refuse(err, "shape", name, 3, xs,
                            "keys and values have the same number of heads, and it divides the queries'");
  if (k->v.size[2] != v->v.size[2])
    return er_tensor_refuse(err, "shape", name, 3, xs, "keys and values have the same number of tokens");
  if (q->v.size[3] != k->v.size[3])
    return er_tensor_refuse(err, "shape", name, 3, xs, "queries and keys have the same size");
  return check_options(xs, opt, err);
}

/* (B,H,T,D) over memory (B,T,H,D): the heads of a token stand together, as the next linear layer wants them. */
static er_tensor *output(er_tensor *q, er_tensor *v, er_err *err) {
  int64_t size[4] = {q->v.size[0], q->v.size[2], q->v.size[1], v->v.size[3]};
  er_tensor *t = er_make_bare(er_tensor_home(q), q->v.dtype, 4, size, err),
            *y = t != NULL ? er_tensor_transpose(t, 1, 2, err) : NULL;
  er_tensor_unref(t);
  return y;
}

/* What is added to the scores: the mask itself, or of truths the logarithm, 0 or -inf. */
static er_tensor *added(er_tensor *mask, er_err *err) {
  er_tensors *ts = er_tensor_home(mask);
  double not_zero[4] = {0, ER_EW_NE - ER_EW_EQ, 0, 0};
  er_tensor *y;
  if (mask->v.dtype != ER_U8) return er_want_float("attn_mask", mask, err) < 0 ? NULL : er_tensor_ref(mask);
  if ((y = er_like_as(mask, ts->backend->real, err)) == NULL) return NULL;
  er_run(ER_EW_CMP_S, y, 1, &mask, not_zero);
  er_run(ER_EW_LOG, y, 1, &y, NULL);
  return y;
}

/* The view of the mask as (B,H,T,S). */
static int widen(er_tensor *const *x, er_view *to, er_err *err) {
  int64_t size[4] = {x[Q]->v.size[0], x[Q]->v.size[1], x[Q]->v.size[2], x[KEY]->v.size[2]};
  er_tensor *bare, *wide;
  if (x[MASK] == NULL) return 0;
  bare = er_alias(x[MASK]);
  wide = er_tensor_expand(bare, 4, size, err);
  if (wide != NULL) *to = wide->v;
  er_tensor_unref(bare);
  er_tensor_unref(wide);
  return wide != NULL ? 0 : -1;
}

static er_tensor *attend(er_tensor *const *x, sdpa_ctx *c, er_err *err) {
  static const er_grad_class class = {"scaled_dot_product_attention", sdpa_backward, NULL};
  er_tensors *ts = er_tensor_home(x[Q]);
  bool taped = er_tape_wants(INPUTS, x);
  er_tensor *y = output(x[Q], x[VALUE], err),
            *lse = y != NULL && taped ? er_make(ts, ts->backend->real, 3, x[Q]->v.size, err) : NULL;
  er_node *n;
  if (y == NULL || (taped && lse == NULL)) {
    er_tensor_unref(y);
    return NULL;
  }
  if (c->a.dropout > 0) c->a.key = er_tensors_draw(ts);
  er_attention a = with_views(c, x, y, lse);
  ts->backend->attention(ts->pool, &a);
  er_filled(y);
  if ((n = er_tape_record(y, &class, sizeof *c, INPUTS, x)) != NULL) {
    *(sdpa_ctx *)n->ctx = *c;
    for (int i = 0; i < INPUTS; i++) er_tape_save(n, i, x[i]);
    er_tape_save(n, OUT, y);
    er_tape_save(n, LSE, lse);
  }
  er_tensor_unref(lse);
  return y;
}

er_tensor *er_tensor_sdpa(er_tensor *q, er_tensor *k, er_tensor *v, const er_sdpa *opt, er_err *err) {
  sdpa_ctx c = {.a = {.scale = opt->scale, .softcap = opt->softcap, .causal = opt->causal, .window = opt->window,
                      .dropout = opt->dropout}};
  er_tensor *x[INPUTS] = {q, k, v, NULL, NULL}, *y = NULL;
  if (check_sdpa(q, k, v, opt, err) < 0) return NULL;
  if (c.a.scale == 0) c.a.scale = 1 / sqrt((double)q->v.size[3]);
  if ((opt->mask == NULL || (x[MASK] = added(opt->mask, err)) != NULL) &&
      (opt->slopes == NULL || (x[SLOPES] = as_reals(opt->slopes, err)) != NULL) && widen(x, &c.mask, err) == 0)
    y = attend(x, &c, err);
  er_tensor_unref(x[MASK]);
  er_tensor_unref(x[SLOPES]);
  return y;
}

/* ---- rotary positions ----------------------------------------------------------------------------- */

typedef struct { bool half; int64_t rotated; } rope_ctx;

static void turn(er_tensors *ts, er_tensor *y, er_tensor *x, er_tensor *table, er_tensor *positions, const rope_ctx *c,
                 double sign) {
  const char *cos = table->v.data, *sin = cos + table->v.stride[0] * (int64_t)er_dtype_size(table->v.dtype);
  ts->backend->rope(ts->pool, &y->v, &x->v, cos, sin, positions != NULL ? positions->v.data : NULL, c->half, sign,
                    c->rotated);
}

static int rope_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *g = er_like(dy, err);
  if (g == NULL) return -1;
  turn(n->home, g, dy, er_tape_saved(n, 0), er_tape_saved(n, 1), n->ctx, -1);
  return er_tape_give(n, 0, g, err);
}

static void fill_angles(er_tensor *t, const er_angles *a) {
  for (int64_t i = 0; i < t->v.size[2]; i++) {
    double rate = a->scale * pow(a->base, -2.0 * (double)i / (double)a->rotated);
    for (int64_t p = 0; p < a->rows; p++) {
      double angle = (double)(a->first + p) * rate;
      er_tensor_set(t, (int64_t[]){0, p, i}, cos(angle));
      er_tensor_set(t, (int64_t[]){1, p, i}, sin(angle));
    }
  }
}

/* Cosines and sines of positions first.. : (2, rows, rotated/2), from the few that are kept. */
static er_tensor *angles(er_tensors *ts, const er_rope *o, int64_t first, int64_t rows, int64_t rotated, er_err *err) {
  er_angles want = {o->base > 0 ? o->base : 10000, o->scale > 0 ? o->scale : 1, first, rows, rotated, NULL};
  int64_t size[3] = {2, rows, rotated / 2};
  for (int i = 0; i < ER_ANGLES; i++) {
    const er_angles *a = &ts->angles[i];
    if (a->table != NULL && a->base == want.base && a->scale == want.scale && a->first == first && a->rows == rows &&
        a->rotated == rotated) return er_tensor_ref(a->table);
  }
  if ((want.table = er_make(ts, ts->backend->real, 3, size, err)) == NULL) return NULL;
  fill_angles(want.table, &want);
  er_angles *slot = &ts->angles[ts->next_angles++ % ER_ANGLES];
  er_tensor_unref(slot->table);
  *slot = want;
  return er_tensor_ref(want.table);
}

static int64_t largest(const er_tensor *ids) {
  const int32_t *p = ids->v.data;
  int64_t most = 0;
  for (int64_t i = 0; i < er_tensor_count(ids); i++) most = p[i] > most ? p[i] : most;
  return most;
}

static const int64_t MOST_POSITION = (int64_t)1 << 40;       /* beyond it an angle has no digits left */

static int check_rope(er_tensor *x, const er_rope *o, int64_t rotated, er_err *err) {
  er_tensor *xs[2] = {x, o->positions};
  if (er_want_float("rope", x, err) < 0) return -1;
  if (x->v.nd < 2) return er_tensor_refuse(err, "shape", "rope", 1, xs, "it turns (..., tokens, size)");
  if (rotated < 2 || rotated % 2 != 0 || rotated > x->v.size[x->v.nd - 1])
    return er_tensor_refuse(err, "shape", "rope", 1, xs, "%lld of the last dim cannot be turned in pairs",
                            (long long)rotated);
  if (o->positions != NULL && (o->positions->v.nd != 1 || o->positions->v.size[0] != x->v.size[x->v.nd - 2]))
    return er_tensor_refuse(err, "shape", "rope", 2, xs, "there is one position for each token");
  if (o->offset < 0 || o->offset > MOST_POSITION)
    return er_tensor_refuse(err, "range", "rope", 1, xs, "positions are from 0 to %lld", (long long)MOST_POSITION);
  return 0;
}

er_tensor *er_tensor_rope(er_tensor *x, const er_rope *o, er_err *err) {
  static const er_grad_class class = {"rope", rope_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *y, *table, *positions = NULL;
  rope_ctx c = {!o->interleaved, o->rotated > 0 || x->v.nd < 1 ? o->rotated : x->v.size[x->v.nd - 1]};
  er_node *n;
  if (check_rope(x, o, c.rotated, err) < 0) return NULL;
  if (o->positions != NULL && (positions = er_ids("rope", o->positions, 1 << 24, false, err)) == NULL) return NULL;
  table = positions != NULL ? angles(ts, o, 0, largest(positions) + 1, c.rotated, err)
                            : angles(ts, o, o->offset, x->v.size[x->v.nd - 2], c.rotated, err);
  y = table != NULL ? er_like(x, err) : NULL;
  if (y != NULL) {
    turn(ts, y, x, table, positions, &c, 1);
    if ((n = er_tape_record(y, &class, sizeof c, 1, &x)) != NULL) {
      *(rope_ctx *)n->ctx = c;
      er_tape_save(n, 0, table);
      er_tape_save(n, 1, positions);
    }
  }
  er_tensor_unref(table);
  er_tensor_unref(positions);
  return y;
}
