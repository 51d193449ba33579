/* ops_attention.c - scaled-dot-product attention and rotary positions. */

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/ops.h"
#include "tensor/room.h"

/* ---- attention ------------------------------------------------------------------------------- */

typedef struct { er_attention a; er_view mask; } sdpa_ctx;

static er_attention with_views(const sdpa_ctx *c, er_tensor *q, er_tensor *k, er_tensor *v, er_tensor *o,
                               er_tensor *lse) {
  er_attention a = c->a;
  a.q = q->v;
  a.k = k->v;
  a.v = v->v;
  a.o = o->v;
  a.lse = lse->v.data;
  a.mask = a.mask != NULL ? &c->mask : NULL;
  return a;
}

/* saved: q, k, v, o, lse, mask and slopes in one (they are only kept alive) */
static int sdpa_backward(er_node *n, er_tensor *dy, er_err *err) {
  const sdpa_ctx *c = n->ctx;
  er_tensor *in[3], *g[3] = {NULL, NULL, NULL};
  er_attention a;
  int rc = 0;
  for (int i = 0; i < 3; i++) in[i] = er_tape_saved(n, i);
  a = with_views(c, in[0], in[1], in[2], er_tape_saved(n, 3), er_tape_saved(n, 4));
  for (int i = 0; i < 3 && rc == 0; i++)
    if (er_tape_needs(n, i) && (g[i] = er_like(in[i], err)) == NULL) rc = -1;
  a.dout = dy->v;
  if (g[0] != NULL) a.dq = g[0]->v;
  if (g[1] != NULL) a.dk = g[1]->v;
  if (g[2] != NULL) a.dv = g[2]->v;
  if (rc == 0) n->home->backend->attention_grad(n->home->pool, &a);
  for (int i = 0; i < 3; i++) {
    if (g[i] == NULL) continue;
    if (rc == 0) rc = er_tape_give(n, i, g[i], err);
    else er_tensor_unref(g[i]);
  }
  return rc;
}

typedef struct { er_tensor *mask, *slopes; } kept;

static void sdpa_free(er_node *n) {
  kept *k = (kept *)((sdpa_ctx *)n->ctx + 1);
  er_tensor_unref(k->mask);
  er_tensor_unref(k->slopes);
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
  if (opt->window > 0 && !opt->causal) return er_tensor_refuse(err, "range", name, 3, xs, "a window needs is_causal");
  if (opt->window < 0 || opt->softcap < 0)
    return er_tensor_refuse(err, "range", name, 3, xs, "window and softcap are not negative");
  if (opt->slopes != NULL && (opt->slopes->v.nd != 1 || opt->slopes->v.size[0] != q->v.size[1]))
    return er_tensor_refuse(err, "shape", name, 1, &opt->slopes, "there is one slope for each of %lld heads",
                            (long long)q->v.size[1]);
  return 0;
}

/* (B,H,T,D) over memory (B,T,H,D): the heads of a token stand together, as the next linear layer wants them. */
static er_tensor *output(er_tensor *q, er_tensor *v, er_err *err) {
  int64_t size[4] = {q->v.size[0], q->v.size[2], q->v.size[1], v->v.size[3]};
  er_tensor *t = er_make(er_tensor_home(q), q->v.dtype, 4, size, err),
            *y = t != NULL ? er_tensor_transpose(t, 1, 2, err) : NULL;
  er_tensor_unref(t);
  return y;
}

static er_tensor *wide_mask(er_tensor *mask, er_tensor *q, er_tensor *k, er_err *err) {
  int64_t size[4] = {q->v.size[0], q->v.size[1], q->v.size[2], k->v.size[2]};
  er_tensor *wide, *y;
  if (er_want_float("attn_mask", mask, err) < 0 || (wide = er_tensor_expand(mask, 4, size, err)) == NULL) return NULL;
  y = er_alias(wide);
  er_tensor_unref(wide);
  return y;
}

static er_tensor *attend(er_tensor *q, er_tensor *k, er_tensor *v, const er_sdpa *opt, kept *aside, er_err *err) {
  static const er_grad_class class = {"scaled_dot_product_attention", sdpa_backward, sdpa_free};
  er_tensors *ts = er_tensor_home(q);
  er_tensor *xs[3] = {q, k, v}, *y = output(q, v, err),
            *lse = y != NULL ? er_make(ts, ts->backend->real, 3, q->v.size, err) : NULL;
  sdpa_ctx c = {.a = {.scale = opt->scale != 0 ? opt->scale : 1 / sqrt((double)q->v.size[3]), .softcap = opt->softcap,
                      .causal = opt->causal, .window = opt->window}};
  er_node *n;
  if (lse == NULL) {
    er_tensor_unref(y);
    return NULL;
  }
  if (aside->mask != NULL) {
    c.mask = aside->mask->v;
    c.a.mask = &c.mask;
  }
  if (aside->slopes != NULL) c.a.slopes = aside->slopes->v.data;
  er_attention a = with_views(&c, q, k, v, y, lse);
  ts->backend->attention(ts->pool, &a);
  if ((n = er_tape_record(y, &class, sizeof c + sizeof *aside, 3, xs)) != NULL) {
    *(sdpa_ctx *)n->ctx = c;
    *(kept *)((sdpa_ctx *)n->ctx + 1) = *aside;
    *aside = (kept){NULL, NULL};
    for (int i = 0; i < 3; i++) er_tape_save(n, i, xs[i]);
    er_tape_save(n, 3, y);
    er_tape_save(n, 4, lse);
  }
  er_tensor_unref(lse);
  return y;
}

er_tensor *er_tensor_sdpa(er_tensor *q, er_tensor *k, er_tensor *v, const er_sdpa *opt, er_err *err) {
  kept aside = {NULL, NULL};
  er_tensor *y = NULL;
  if (check_sdpa(q, k, v, opt, err) < 0) return NULL;
  if (opt->mask != NULL && (aside.mask = wide_mask(opt->mask, q, k, err)) == NULL) return NULL;
  if (opt->slopes == NULL || (aside.slopes = er_cast(opt->slopes, ER_F32, err)) != NULL)
    y = attend(q, k, v, opt, &aside, err);
  er_tensor_unref(aside.mask);
  er_tensor_unref(aside.slopes);
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

static int check_rope(er_tensor *x, const er_rope *o, int64_t rotated, er_err *err) {
  er_tensor *xs[2] = {x, o->positions};
  if (er_want_float("rope", x, err) < 0) return -1;
  if (x->v.nd < 2) return er_tensor_refuse(err, "shape", "rope", 1, xs, "it turns (..., tokens, size)");
  if (rotated < 2 || rotated % 2 != 0 || rotated > x->v.size[x->v.nd - 1])
    return er_tensor_refuse(err, "shape", "rope", 1, xs, "%lld of the last dim cannot be turned in pairs",
                            (long long)rotated);
  if (o->positions != NULL && (o->positions->v.nd != 1 || o->positions->v.size[0] != x->v.size[x->v.nd - 2]))
    return er_tensor_refuse(err, "shape", "rope", 2, xs, "there is one position for each token");
  if (o->offset < 0) return er_tensor_refuse(err, "range", "rope", 1, xs, "positions count from 0");
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
