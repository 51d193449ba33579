/* ops_norm.c - layer norm and RMS norm, alone and behind a residual. */

#include "tensor/ops.h"
#include "tensor/room.h"

/* saved: x, w, mean, rstd */
static int norm_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *x = er_tape_saved(n, 0), *w = er_tape_saved(n, 1), *mean = er_tape_saved(n, 2), *rstd = er_tape_saved(n, 3);
  er_tensor *g[3] = {NULL, NULL, NULL};
  bool add = false;
  int rc = 0;
  if (er_tape_needs(n, 0) && (g[0] = er_tape_slot(n, 0, &add, err)) == NULL) rc = -1;
  for (int i = 1; i < 3 && rc == 0; i++)
    if (er_tape_needs(n, i) && (g[i] = er_tape_slot_zeroed(n, i, err)) == NULL) rc = -1;
  if (rc == 0)                   /* what is in the slot of x already is the gradient of the sum: it is added on the way */
    n->home->backend->norm_grad(n->home->pool, g[0] != NULL ? &g[0]->v : NULL, g[1] != NULL ? &g[1]->v : NULL,
                                g[2] != NULL ? &g[2]->v : NULL, &dy->v, add ? &g[0]->v : NULL, &x->v,
                                w != NULL ? &w->v : NULL, mean != NULL ? mean->v.data : NULL, rstd->v.data);
  for (int i = 0; i < 3; i++) {
    if (g[i] == NULL) continue;
    if (rc == 0) rc = er_tape_give(n, i, g[i], err);
    else er_tensor_unref(g[i]);
  }
  return rc;
}

static int check(const char *name, er_tensor *x, er_tensor *w, er_tensor *b, er_err *err) {
  er_tensor *xs[3] = {x, w, b};
  if (er_want_float(name, x, err) < 0) return -1;
  if (x->v.nd < 1)
    return er_tensor_refuse(err, "shape", name, 1, xs, "a single number has nothing to be normalised over");
  for (int i = 1; i < 3; i++)
    if (xs[i] != NULL && (xs[i]->v.nd != 1 || xs[i]->v.size[0] != x->v.size[x->v.nd - 1]))
      return er_tensor_refuse(err, "shape", name, 3, xs, "weight and bias have one number for each of the last dim");
  return 0;
}

static int64_t rows_of(const er_tensor *x) {
  int64_t n = 1;
  for (int i = 0; i + 1 < x->v.nd; i++) n *= x->v.size[i];
  return n;
}

/* The norm of x, or of x + r, which goes to sum. */
static er_tensor *norm(er_tensor *x, er_tensor *r, er_tensor *sum, er_tensor *w, er_tensor *b, double eps, bool layer,
                       er_err *err) {
  static const er_grad_class classes[] = {{"rms_norm", norm_backward, NULL}, {"layer_norm", norm_backward, NULL}};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *y = er_like_bare(x, err), *mean = NULL, *rstd, *from = sum != NULL ? sum : x, *inputs[3] = {from, w, b};
  int64_t rows = rows_of(x);
  er_node *n = NULL;
  if (y == NULL) return NULL;
  rstd = er_make(ts, ts->backend->real, 1, &rows, err);
  if (layer) mean = er_make(ts, ts->backend->real, 1, &rows, err);
  if (rstd == NULL || (layer && mean == NULL)) {
    er_tensor_unref(y);
    er_tensor_unref(mean);
    er_tensor_unref(rstd);
    return NULL;
  }
  ts->backend->norm(ts->pool, &y->v, &x->v, r != NULL ? &r->v : NULL, sum != NULL ? &sum->v : NULL,
                    w != NULL ? &w->v : NULL, b != NULL ? &b->v : NULL, layer ? mean->v.data : NULL, rstd->v.data, eps);
  er_filled(y);
  n = er_tape_record(y, &classes[layer], 0, 3, inputs);
  if (n != NULL) {
    er_tape_save(n, 0, from);
    er_tape_save(n, 1, w);
    er_tape_save(n, 2, mean);
    er_tape_save(n, 3, rstd);
  }
  er_tensor_unref(mean);
  er_tensor_unref(rstd);
  return y;
}

er_tensor *er_tensor_layer_norm(er_tensor *x, er_tensor *w, er_tensor *b, double eps, er_err *err) {
  return check("layer_norm", x, w, b, err) < 0 ? NULL : norm(x, NULL, NULL, w, b, eps, true, err);
}

er_tensor *er_tensor_rms_norm(er_tensor *x, er_tensor *w, double eps, er_err *err) {
  return check("rms_norm", x, w, NULL, err) < 0 ? NULL : norm(x, NULL, NULL, w, NULL, eps, false, err);
}

static int sum_backward(er_node *n, er_tensor *dy, er_err *err) {
  if (er_tape_needs(n, 0) && er_tape_give(n, 0, er_tensor_ref(dy), err) < 0) return -1;
  return er_tape_needs(n, 1) ? er_tape_give(n, 1, er_tensor_ref(dy), err) : 0;
}

er_tensor *er_tensor_add_norm(er_tensor *x, er_tensor *r, er_tensor *w, er_tensor *b, double eps, bool layer,
                              er_tensor **sum, er_err *err) {
  static const er_grad_class class = {"residual sum", sum_backward, NULL};
  const char *name = layer ? "add_layer_norm" : "add_rms_norm";
  er_tensor *both[2] = {x, r}, *y;
  if (check(name, x, w, b, err) < 0 || er_want_float(name, r, err) < 0) return NULL;
  if (!er_same_shape(&x->v, &r->v)) {
    er_tensor_refuse(err, "shape", name, 2, both, "both have the same shape");
    return NULL;
  }
  if ((*sum = er_like(x, err)) == NULL) return NULL;
  er_tape_record(*sum, &class, 0, 2, both);
  if ((y = norm(x, r, *sum, w, b, eps, layer, err)) != NULL) return y;
  er_tensor_unref(*sum);
  *sum = NULL;
  return NULL;
}
