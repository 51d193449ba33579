/* ops_loss.c - cross-entropy, and the same without ever holding the logits. */

#include <string.h>

#include "tensor/ops.h"
#include "tensor/room.h"

er_loss er_loss_defaults(void) { return (er_loss){.ignore = -100}; }

/* What both losses need of their arguments: ids, weights, and by how much a row counts. */
typedef struct {
  er_tensor *ids, *weight;       /* i32; f32 or NULL; packed */
  int64_t rows, classes;
  double scale;                  /* of each row's loss in the result */
} rows;

static void free_rows(rows *r) {
  er_tensor_unref(r->ids);
  er_tensor_unref(r->weight);
}

static double total_weight(const rows *r, const er_loss *opt) {
  const int32_t *id = r->ids->v.data;
  const float *w = r->weight != NULL ? r->weight->v.data : NULL;
  double total = 0;
  for (int64_t i = 0; i < r->rows; i++)
    if (id[i] != opt->ignore) total += w != NULL ? (double)w[i] : 1;
  return total;
}

/* Targets of rows that count are classes; the ignored one may be any number. */
static int check_targets(const char *name, const rows *r, er_tensor *target, const er_loss *opt, er_err *err) {
  const int32_t *id = r->ids->v.data;
  for (int64_t i = 0; i < r->rows; i++)
    if (id[i] != opt->ignore && (id[i] < 0 || id[i] >= r->classes))
      return er_tensor_refuse(err, "range", name, 1, &target, "target %d (element %lld) is none of the classes 0..%lld",
                              id[i], (long long)i + 1, (long long)r->classes - 1);
  return 0;
}

static int check_options(const char *name, er_tensor *x, const er_loss *opt, er_err *err) {
  if (!(opt->smoothing >= 0 && opt->smoothing <= 1))
    return er_tensor_refuse(err, "range", name, 1, &x, "label_smoothing is a share from 0 to 1, not %g", opt->smoothing);
  if (!(opt->softcap >= 0) || opt->z_loss != opt->z_loss || opt->total != opt->total)
    return er_tensor_refuse(err, "range", name, 1, &x, "softcap is not negative, z_loss and total are numbers");
  return 0;
}

static int prepare(const char *name, rows *r, er_tensor *x, er_tensor *target, const er_loss *opt, er_err *err) {
  er_tensor *xs[3] = {x, target, opt->weight};
  if (er_want_float(name, x, err) < 0) return -1;
  if (er_dtype_is_float(target->v.dtype)) return er_tensor_refuse(err, "dtype", name, 2, xs, "targets are whole numbers");
  r->rows = 1;
  for (int i = 0; i + 1 < x->v.nd; i++) r->rows *= x->v.size[i];
  if (x->v.nd < 1 || er_tensor_count(target) != r->rows ||
      (opt->weight != NULL && er_tensor_count(opt->weight) != r->rows))
    return er_tensor_refuse(err, "shape", name, 3, xs,
                            "there is one target, and one weight if any, for each row of the last dim");
  if ((r->ids = er_cast(target, ER_I32, err)) == NULL) return -1;
  if (opt->weight != NULL && (r->weight = er_cast(opt->weight, ER_F32, err)) == NULL) return -1;
  if (check_options(name, x, opt, err) < 0 || check_targets(name, r, target, opt, err) < 0) return -1;
  r->scale = 1;
  if (opt->total != 0) r->scale = 1 / opt->total;
  else if (opt->reduction == ER_REDUCE_MEAN) r->scale = 1 / total_weight(r, opt);
  return 0;
}

static er_xent xent_of(const rows *r, const er_loss *opt, int64_t first, int64_t n) {
  return (er_xent){.rows = n,
                   .classes = r->classes,
                   .row_stride = r->classes,
                   .target = (const int32_t *)r->ids->v.data + first,
                   .weight = r->weight != NULL ? (const float *)r->weight->v.data + first : NULL,
                   .scale = r->scale,
                   .softcap = opt->softcap,
                   .z_loss = opt->z_loss,
                   .smoothing = opt->smoothing,
                   .inv_temperature = 1,
                   .ignore = opt->ignore == (int32_t)opt->ignore ? (int32_t)opt->ignore : INT32_MIN};
}

/* A row's losses to the result: their scaled sum, or each. */
static er_tensor *result(er_tensors *ts, const double *loss, const rows *r, const er_loss *opt, const er_view *target,
                         er_err *err) {
  bool each = opt->reduction == ER_REDUCE_NONE;
  er_tensor *y = er_make(ts, ts->backend->real, each ? target->nd : 0, target->size, err);
  double total = 0;
  if (y == NULL) return NULL;
  for (int64_t i = 0; i < r->rows; i++) {
    total += loss[i];
    if (each && ts->backend->real == ER_F32) ((float *)y->v.data)[i] = (float)(loss[i] * r->scale);
    else if (each) ((double *)y->v.data)[i] = loss[i] * r->scale;
  }
  if (!each) er_tensor_set(y, NULL, total * r->scale);
  return y;
}

/* ---- cross-entropy of given logits: the gradient is computed on the way forward ---------------------- */

typedef struct { bool each; } loss_ctx;

static int cross_entropy_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *g = er_tape_saved(n, 0), *scaled = er_like(g, err), *row = er_tensor_ref(dy);
  if (scaled != NULL && ((loss_ctx *)n->ctx)->each) {
    int64_t size[2] = {er_tensor_count(dy), 1}, flat[2] = {size[0], g->v.size[g->v.nd - 1]};
    er_tensor *packed = er_packed(dy, err), *g2, *s2;
    er_tensor_unref(row);
    row = packed != NULL ? er_tensor_view(packed, 2, size, err) : NULL;
    er_tensor_unref(packed);
    g2 = er_tensor_view(g, 2, flat, err);
    s2 = er_tensor_view(scaled, 2, flat, err);
    if (row != NULL && g2 != NULL && s2 != NULL) er_run(ER_EW_MUL, s2, 2, (er_tensor *[]){g2, row}, NULL);
    er_tensor_unref(g2);
    er_tensor_unref(s2);
  } else if (scaled != NULL) {
    er_run(ER_EW_MUL, scaled, 2, (er_tensor *[]){g, dy}, NULL);
  }
  if (row == NULL) {
    er_tensor_unref(scaled);
    return -1;
  }
  er_tensor_unref(row);
  return er_tape_give(n, 0, scaled, err);
}

static er_tensor *packed_copy(er_tensor *x, er_err *err) {
  er_tensor *y = er_like(x, err);
  if (y != NULL) er_run(ER_EW_COPY, y, 1, &x, NULL);
  return y;
}

er_tensor *er_tensor_cross_entropy(er_tensor *logits, er_tensor *target, const er_loss *opt, er_err *err) {
  static const er_grad_class class = {"cross_entropy", cross_entropy_backward, NULL};
  er_tensors *ts = er_tensor_home(logits);
  bool grad = er_tape_wants(1, &logits);
  rows r = {0};
  er_tensor *z = NULL, *each = NULL, *y = NULL;
  er_node *n;
  r.classes = logits->v.nd > 0 ? logits->v.size[logits->v.nd - 1] : 0;
  if (prepare("cross_entropy", &r, logits, target, opt, err) == 0)
    z = grad ? packed_copy(logits, err) : er_packed(logits, err);
  if (z != NULL) each = er_make(ts, ER_F64, 1, &r.rows, err);
  if (each != NULL) {
    er_xent x = xent_of(&r, opt, 0, r.rows);
    x.logits = z->v.data;
    x.dtype = z->v.dtype;
    x.grad = grad;
    x.loss = each->v.data;
    ts->backend->xent(ts->pool, &x);
    y = result(ts, x.loss, &r, opt, &target->v, err);
  }
  if (y != NULL && (n = er_tape_record(y, &class, sizeof(loss_ctx), 1, &logits)) != NULL) {
    ((loss_ctx *)n->ctx)->each = opt->reduction == ER_REDUCE_NONE;
    er_tape_save(n, 0, z);
  }
  er_tensor_unref(z);
  er_tensor_unref(each);
  free_rows(&r);
  return y;
}

/* ---- linear + cross-entropy, some rows at a time ------------------------------------------------------------ */

enum { CHUNK = 1 << 24 };        /* logits held at once, about */

typedef struct {
  er_tensors *ts;
  rows *r;
  const er_loss *opt;
  er_tensor *h, *w, *logits, *dh, *dw, *lse;
  double *loss;
} head;

static er_gemm product(er_tensor *a, int64_t m, int64_t n, int64_t k, int64_t ars, int64_t acs, er_tensor *b,
                       int64_t brs, int64_t bcs) {
  return (er_gemm){.m = m, .n = n, .k = k, .batch = 1, .a = a->v.data, .b = b->v.data, .at = a->v.dtype, .bt = b->v.dtype,
                   .ars = ars, .acs = acs, .brs = brs, .bcs = bcs, .ccs = 1, .alpha = 1};
}

static void *offset(er_tensor *t, int64_t rows_n) {
  return (char *)t->v.data + rows_n * t->v.stride[t->v.nd > 1 ? t->v.nd - 2 : 0] * (int64_t)er_dtype_size(t->v.dtype);
}

/* Rows first..: logits, their losses and gradients, and what the gradients do to h and w. */
static void chunk(const head *c, int64_t first, int64_t n) {
  int64_t width = c->h->v.size[c->h->v.nd - 1], classes = c->r->classes;
  er_gemm g = product(c->h, n, classes, width, width, 1, c->w, 1, width);
  er_xent x = xent_of(c->r, c->opt, first, n);
  g.a = offset(c->h, first);
  g.c = c->logits->v.data;
  g.ct = c->logits->v.dtype;
  g.crs = classes;
  er_multiply(c->ts, &g);
  x.logits = c->logits->v.data;
  x.dtype = c->logits->v.dtype;
  x.grad = c->dh != NULL || c->dw != NULL;
  x.loss = c->loss + first;
  x.lse = c->lse != NULL ? (float *)c->lse->v.data + first : NULL;
  c->ts->backend->xent(c->ts->pool, &x);
  if (c->dh != NULL) {
    g = product(c->logits, n, width, classes, classes, 1, c->w, width, 1);
    g.c = offset(c->dh, first);
    g.ct = c->dh->v.dtype;
    g.crs = width;
    er_multiply(c->ts, &g);
  }
  if (c->dw == NULL) return;
  g = product(c->logits, classes, width, n, 1, classes, c->h, width, 1);
  g.b = offset(c->h, first);
  g.c = c->dw->v.data;
  g.ct = c->dw->v.dtype;
  g.crs = width;
  g.accumulate = first > 0;
  er_multiply(c->ts, &g);
}

/* saved: dh and dw for a result's gradient of 1; they are ours, so they are scaled where they stand. */
static int lm_loss_backward(er_node *n, er_tensor *dy, er_err *err) {
  for (int i = 0; i < 2; i++) {
    er_tensor *g = er_tape_saved(n, i);
    if (!er_tape_needs(n, i) || g == NULL) continue;
    if (er_tensor_get(dy, NULL) != 1) er_run(ER_EW_MUL, g, 2, (er_tensor *[]){g, dy}, NULL);
    n->saved[i].t = NULL;
    if (er_tape_give(n, i, g, err) < 0) return -1;
  }
  return 0;
}

static int check_head(er_tensor *h, er_tensor *w, const er_loss *opt, er_err *err) {
  er_tensor *xs[2] = {h, w};
  if (er_want_float("lm_loss", h, err) < 0 || er_want_float("lm_loss", w, err) < 0) return -1;
  if (h->v.nd < 1 || w->v.nd != 2 || w->v.size[1] != h->v.size[h->v.nd - 1])
    return er_tensor_refuse(err, "shape", "lm_loss", 2, xs, "hidden states (..., size) take a weight (classes, size)");
  if (opt->reduction == ER_REDUCE_NONE && er_tape_wants(2, xs))
    return er_tensor_refuse(err, "range", "lm_loss", 2, xs,
                            "its gradient needs reduction mean or sum; weights can stand for each row's factor");
  return 0;
}

static er_tensor *run_head(head *c, er_tensor *target, er_err *err) {
  int64_t step = CHUNK / (c->r->classes + 1) + 1, size[2];
  er_tensor *each;
  step = step < 64 ? 64 : step / 64 * 64;
  if (step > c->r->rows) step = c->r->rows;
  size[0] = step;
  size[1] = c->r->classes;
  if ((c->logits = er_make(c->ts, c->h->v.dtype, 2, size, err)) == NULL) return NULL;
  if ((each = er_make(c->ts, ER_F64, 1, &c->r->rows, err)) == NULL) return NULL;
  c->loss = each->v.data;
  if (c->dw != NULL && c->r->rows == 0) c->ts->backend->fill(c->ts->pool, &c->dw->v, 0);
  for (int64_t at = 0; at < c->r->rows; at += step) chunk(c, at, at + step < c->r->rows ? step : c->r->rows - at);
  er_tensor *y = result(c->ts, c->loss, c->r, c->opt, &target->v, err);
  er_tensor_unref(each);
  return y;
}

er_tensor *er_tensor_lm_loss(er_tensor *h, er_tensor *w, er_tensor *target, const er_loss *opt, er_tensor **lse,
                             er_err *err) {
  static const er_grad_class class = {"lm_loss", lm_loss_backward, NULL};
  er_tensors *ts = er_tensor_home(h);
  er_tensor *xs[2] = {h, w}, *y = NULL;
  bool grad = er_tape_wants(2, xs), want_h = grad && er_tensor_requires_grad(h),
       want_w = grad && er_tensor_requires_grad(w);
  rows r = {0};
  head c = {.ts = ts, .r = &r, .opt = opt};
  er_node *n;
  if (check_head(h, w, opt, err) < 0) return NULL;
  r.classes = w->v.size[0];
  bool ok = prepare("lm_loss", &r, h, target, opt, err) == 0 && (c.h = er_packed(h, err)) != NULL &&
            (c.w = er_packed(w, err)) != NULL && (!want_h || (c.dh = er_like(h, err)) != NULL) &&
            (!want_w || (c.dw = er_like_as(w, w->v.dtype == ER_BF16 ? ER_F32 : w->v.dtype, err)) != NULL) &&
            (lse == NULL || (c.lse = er_make(ts, ER_F32, target->v.nd, target->v.size, err)) != NULL);
  if (ok) y = run_head(&c, target, err);
  if (y != NULL && (n = er_tape_record(y, &class, 0, 2, xs)) != NULL) {
    er_tape_save(n, 0, c.dh);
    er_tape_save(n, 1, c.dw);
  }
  if (y != NULL && lse != NULL) *lse = er_tensor_ref(c.lse);
  er_tensor *mine[] = {c.h, c.w, c.logits, c.dh, c.dw, c.lse};
  for (size_t i = 0; i < sizeof mine / sizeof *mine; i++) er_tensor_unref(mine[i]);
  free_rows(&r);
  return y;
}

/* ---- scores ------------------------------------------------------------------------------------------ */

int er_tensor_nats(er_tensors *ts, const er_view *logits, const int32_t *target, double *nats, er_err *err) {
  ts->backend->nats(ts->pool, nats, logits, target);
  return er_tensors_broken(ts, "nats", err) ? -1 : 0;
}
