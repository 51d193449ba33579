/* ops_matmul.c - matrix products: batched, and the linear layer with bias and activation. */

#include <string.h>

#include "base/mem.h"
#include "tensor/ops.h"
#include "tensor/room.h"

void er_multiply(er_tensors *ts, const er_gemm *g) {
  if (g->batch == 0 || g->m == 0 || g->n == 0 || er_dnnl_gemm(ts, g)) return;
  ts->backend->gemm(ts->pool, g);
}

/* ---- batched --------------------------------------------------------------------------------------- */

enum { PRODUCTS = 1024 };        /* whose starts are kept at a time */

/* Where matrix t of c's leading dims begins in v, which may lack some of them or have them as 1. */
static int64_t start_of(const er_view *v, int nd, const er_view *c, int64_t t) {
  int64_t start = 0;
  for (int i = nd - 3; i >= 0; i--) {
    int at = i - (nd - v->nd);
    if (at >= 0 && v->size[at] > 1) start += t % c->size[i] * v->stride[at];
    t /= c->size[i];
  }
  return start;
}

/* c (..., m, n) = a (..., m, k) b (..., k, n); leading dims broadcast; c has all of them. */
static void product(er_tensors *ts, const er_view *c, const er_view *a, const er_view *b, bool accumulate) {
  int nd = c->nd, lead = nd - 2;
  er_gemm g = {.m = c->size[nd - 2],
               .n = c->size[nd - 1],
               .k = a->size[a->nd - 1],
               .batch = 1,
               .a = a->data,
               .b = b->data,
               .c = c->data,
               .at = a->dtype,
               .bt = b->dtype,
               .ct = c->dtype,
               .ars = a->stride[a->nd - 2],
               .acs = a->stride[a->nd - 1],
               .brs = b->stride[b->nd - 2],
               .bcs = b->stride[b->nd - 1],
               .crs = c->stride[nd - 2],
               .ccs = 1,
               .alpha = 1,
               .accumulate = accumulate};
  int64_t off[3][PRODUCTS], all = 1;
  if (er_view_count(c) == 0) return;
  for (int i = 0; i < lead; i++) all *= c->size[i];
  if (lead > 0) {
    g.aoff = off[0];
    g.boff = off[1];
    g.coff = off[2];
  }
  for (int64_t first = 0; first < all; first += g.batch) {
    g.batch = all - first < PRODUCTS ? all - first : PRODUCTS;
    for (int64_t t = 0; t < g.batch; t++) {
      off[0][t] = start_of(a, nd, c, first + t);
      off[1][t] = start_of(b, nd, c, first + t);
      off[2][t] = start_of(c, nd, c, first + t);
    }
    er_multiply(ts, &g);
  }
}

static er_view turned(const er_view *v) {
  er_view t = *v;
  int n = v->nd;
  t.size[n - 2] = v->size[n - 1];
  t.size[n - 1] = v->size[n - 2];
  t.stride[n - 2] = v->stride[n - 1];
  t.stride[n - 1] = v->stride[n - 2];
  return t;
}

/* One gradient of a product: a b, into the slot where no batch was broadcast, else given to be summed. */
static int give_product(er_node *n, int i, const er_view *a, const er_view *b, const er_view *input, const er_view *out,
                        er_err *err) {
  er_view shape = *out;
  bool add = false;
  er_tensor *g;
  shape.size[out->nd - 2] = a->size[a->nd - 2];
  shape.size[out->nd - 1] = b->size[b->nd - 1];
  if (er_same_shape(&shape, input)) g = er_tape_slot(n, i, &add, err);
  else g = er_make(n->home, input->dtype, shape.nd, shape.size, err);
  if (g == NULL) return -1;
  product(n->home, &g->v, a, b, add);
  return er_tape_give(n, i, g, err);
}

static int matmul_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *a = er_tape_saved(n, 0), *b = er_tape_saved(n, 1);
  if (er_tape_needs(n, 0)) {
    er_view bt = turned(&b->v);
    if (give_product(n, 0, &dy->v, &bt, &a->v, &dy->v, err) < 0) return -1;
  }
  if (er_tape_needs(n, 1)) {
    er_view at = turned(&a->v);
    return give_product(n, 1, &at, &dy->v, &b->v, &dy->v, err);
  }
  return 0;
}

/* Both with two dims at least. */
static er_tensor *matmul(er_tensor *a, er_tensor *b, er_err *err) {
  static const er_grad_class class = {"matmul", matmul_backward, NULL};
  er_tensor *xs[2] = {a, b}, *y;
  er_view la = a->v, lb = b->v, shape;
  er_node *n;
  int64_t k = a->v.size[a->v.nd - 1], kb = b->v.size[b->v.nd - 2];
  if (k != kb) {
    er_tensor_refuse(err, "shape", "matmul", 2, xs, "the inner sizes %lld and %lld differ", (long long)k, (long long)kb);
    return NULL;
  }
  la.nd -= 2;
  lb.nd -= 2;
  if (er_broadcast(&la, &lb, &shape.nd, shape.size) < 0) {
    er_tensor_refuse(err, "shape", "matmul", 2, xs, "the leading dims do not broadcast");
    return NULL;
  }
  shape.size[shape.nd] = a->v.size[a->v.nd - 2];
  shape.size[shape.nd + 1] = b->v.size[b->v.nd - 1];
  if ((y = er_make_bare(er_tensor_home(a), er_promote(a->v.dtype, b->v.dtype), shape.nd + 2, shape.size, err)) == NULL)
    return NULL;
  product(er_tensor_home(a), &y->v, &a->v, &b->v, false);
  er_filled(y);
  if ((n = er_tape_record(y, &class, 0, 2, xs)) == NULL) return y;
  er_tape_save(n, 0, a);
  er_tape_save(n, 1, b);
  return y;
}

/* (..., m, k) times (k, n) is one product of all rows. */
static er_tensor *folded(er_tensor *a, er_tensor *b, er_err *err) {
  int64_t rows[2] = {-1, a->v.size[a->v.nd - 1]}, size[ER_DIMS];
  er_tensor *flat, *y, *out;
  memcpy(size, a->v.size, sizeof size);
  size[a->v.nd - 1] = b->v.size[1];
  if ((flat = er_tensor_reshape(a, 2, rows, err)) == NULL) return NULL;
  y = matmul(flat, b, err);
  er_tensor_unref(flat);
  out = y != NULL ? er_tensor_view(y, a->v.nd, size, err) : NULL;
  er_tensor_unref(y);
  return out;
}

er_tensor *er_tensor_matmul(er_tensor *a, er_tensor *b, er_err *err) {
  er_tensor *xs[2] = {a, b}, *a2, *b2, *y = NULL, *t;
  if (er_want_float("matmul", a, err) < 0 || er_want_float("matmul", b, err) < 0) return NULL;
  if (a->v.nd == 0 || b->v.nd == 0) {
    er_tensor_refuse(err, "shape", "matmul", 2, xs, "a single number is no matrix; use *");
    return NULL;
  }
  if (a->v.nd > 2 && b->v.nd == 2 && er_tensor_count(a) > 0 && a->v.size[a->v.nd - 1] == b->v.size[0])
    return folded(a, b, err);
  a2 = a->v.nd == 1 ? er_tensor_unsqueeze(a, 0, err) : er_tensor_ref(a);
  b2 = b->v.nd == 1 ? er_tensor_unsqueeze(b, 1, err) : er_tensor_ref(b);
  if (a2 != NULL && b2 != NULL) y = matmul(a2, b2, err);
  er_tensor_unref(a2);
  er_tensor_unref(b2);
  if (y != NULL && b->v.nd == 1) {
    t = er_tensor_squeeze(y, -1, err);
    er_tensor_unref(y);
    y = t;
  }
  if (y != NULL && a->v.nd == 1) {
    t = er_tensor_squeeze(y, b->v.nd == 1 ? -1 : -2, err);
    er_tensor_unref(y);
    y = t;
  }
  return y;
}

/* ---- linear -------------------------------------------------------------------------------------------- */

int er_act_of(const char *name) {
  static const char *const names[ER_ACTS] = {"none", "relu", "relu2", "gelu", "gelu_tanh", "silu"};
  for (int i = 0; i < ER_ACTS; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

/* A matrix over the last dim; x is packed. */
static er_gemm rows_times(const er_tensor *x, int64_t rows, const er_view *w, bool turn, er_tensor *y) {
  int64_t k = turn ? w->size[1] : w->size[0], n = turn ? w->size[0] : w->size[1];
  return (er_gemm){.m = rows, .n = n, .k = k, .batch = 1, .a = x->v.data, .b = w->data, .c = y->v.data, .at = x->v.dtype,
                   .bt = w->dtype, .ct = y->v.dtype, .ars = k, .acs = 1, .brs = turn ? w->stride[1] : w->stride[0],
                   .bcs = turn ? w->stride[0] : w->stride[1], .crs = n, .ccs = 1, .alpha = 1};
}

static int64_t rows_of(const er_view *v) {
  int64_t n = 1;
  for (int i = 0; i + 1 < v->nd; i++) n *= v->size[i];
  return n;
}

/* dy times the activation's slope, in the slope's place: this is its last use. */
static er_tensor *through_act(er_tensor *dy, er_tensor *slope, er_err *err) {
  er_tensor *xs[2] = {dy, slope};
  if (slope == NULL) return er_packed(dy, err);
  er_run(ER_EW_MUL, slope, 2, xs, NULL);
  return er_tensor_ref(slope);
}

static int give_dw(er_node *n, er_tensor *dz, er_tensor *x, int64_t rows, er_err *err) {
  bool add;
  er_tensor *g = er_tape_slot(n, 1, &add, err);
  int64_t out = dz->v.size[dz->v.nd - 1], in = x->v.size[x->v.nd - 1];
  if (g == NULL) return -1;
  er_gemm p = {.m = out,
               .n = in,
               .k = rows,
               .batch = 1,
               .a = dz->v.data,
               .b = x->v.data,
               .c = g->v.data,
               .at = dz->v.dtype,
               .bt = x->v.dtype,
               .ct = g->v.dtype,
               .ars = 1,
               .acs = out,
               .brs = in,
               .bcs = 1,
               .crs = in,
               .ccs = 1,
               .alpha = 1,
               .accumulate = add};
  er_multiply(n->home, &p);
  return er_tape_give(n, 1, g, err);
}

static int give_db(er_node *n, er_tensor *dz, int64_t rows, er_err *err) {
  bool add;
  er_tensor *g = er_tape_slot(n, 2, &add, err);
  int64_t out = dz->v.size[dz->v.nd - 1];
  if (g == NULL) return -1;
  er_view to = {.data = g->v.data, .dtype = g->v.dtype, .nd = 2, .size = {1, out}, .stride = {out, 1}};
  er_view from = {.data = dz->v.data, .dtype = dz->v.dtype, .nd = 2, .size = {rows, out}, .stride = {out, 1}};
  n->home->backend->reduce(n->home->pool, ER_RED_SUM, &to, &from, 1, add);
  return er_tape_give(n, 2, g, err);
}

static int linear_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *x = er_tape_saved(n, 0), *w = er_tape_saved(n, 1), *g;
  er_tensor *dz = through_act(dy, er_tape_saved(n, 2), err);
  int64_t rows = dz != NULL ? rows_of(&dz->v) : 0;
  bool add;
  int rc = dz == NULL ? -1 : 0;
  if (rc == 0 && er_tape_needs(n, 1)) rc = give_dw(n, dz, x, rows, err);
  if (rc == 0 && n->n > 2 && er_tape_needs(n, 2)) rc = give_db(n, dz, rows, err);
  if (rc == 0 && er_tape_needs(n, 0)) {
    if ((g = er_tape_slot(n, 0, &add, err)) == NULL) rc = -1;
    else {
      er_gemm p = rows_times(dz, rows, &w->v, false, g);
      p.accumulate = add;
      er_multiply(n->home, &p);
      rc = er_tape_give(n, 0, g, err);
    }
  }
  er_tensor_unref(dz);
  return rc;
}

static int check_linear(er_tensor *x, er_tensor *w, er_tensor *bias, er_err *err) {
  er_tensor *xs[3] = {x, w, bias};
  if (er_want_float("linear", x, err) < 0 || er_want_float("linear", w, err) < 0) return -1;
  if (x->v.nd < 1 || w->v.nd != 2 || x->v.size[x->v.nd - 1] != w->v.size[1])
    return er_tensor_refuse(err, "shape", "linear", bias != NULL ? 3 : 2, xs,
                            "an input (..., in) takes a weight (out, in)");
  if (bias != NULL && (bias->v.nd != 1 || bias->v.size[0] != w->v.size[0]))
    return er_tensor_refuse(err, "shape", "linear", 3, xs, "the bias has one number for each of %lld outputs",
                            (long long)w->v.size[0]);
  return 0;
}

er_tensor *er_tensor_linear(er_tensor *x, er_tensor *w, er_tensor *bias, er_act act, er_err *err) {
  static const er_grad_class class = {"linear", linear_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *xs[3] = {x, w, bias}, *y, *packed, *b = NULL, *slope = NULL;
  int64_t size[ER_DIMS];
  bool ok;
  if (check_linear(x, w, bias, err) < 0) return NULL;
  memcpy(size, x->v.size, sizeof size);
  size[x->v.nd - 1] = w->v.size[0];
  packed = er_packed(x, err);
  y = er_make_bare(ts, x->v.dtype, x->v.nd, size, err);
  if (bias != NULL) b = er_packed(bias, err);
  if (act != ER_ACT_NONE && er_tape_wants(3, xs)) slope = er_make(ts, x->v.dtype, x->v.nd, size, err);
  ok = packed != NULL && y != NULL && (bias == NULL || b != NULL) &&
       (slope != NULL || act == ER_ACT_NONE || !er_tape_wants(3, xs));
  if (ok) {
    er_gemm g = rows_times(packed, rows_of(&x->v), &w->v, true, y);
    g.bias = b != NULL ? b->v.data : NULL;
    g.bias_t = b != NULL ? b->v.dtype : ER_F32;
    g.act = act;
    g.slope = slope != NULL ? slope->v.data : NULL;
    er_multiply(ts, &g);
    er_filled(y);
    er_node *n = er_tape_record(y, &class, 0, bias != NULL ? 3 : 2, xs);
    if (n != NULL) {
      er_tape_save(n, 0, packed);
      er_tape_save(n, 1, w);
      er_tape_save(n, 2, slope);
    }
  } else {
    er_tensor_unref(y);
  }
  er_tensor_unref(packed);
  er_tensor_unref(b);
  er_tensor_unref(slope);
  return ok ? y : NULL;
}

/* ---- causal depthwise convolution --------------------------------------------------------------------------- */

static int conv1d_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *x = er_tape_saved(n, 0), *w = er_tape_saved(n, 1), *dx = NULL, *dw = NULL;
  if (er_tape_needs(n, 0) && (dx = er_like(x, err)) == NULL) return -1;
  if (er_tape_needs(n, 1) && (dw = er_like(w, err)) == NULL) {
    er_tensor_unref(dx);
    return -1;
  }
  n->home->backend->conv1d_grad(n->home->pool, dx != NULL ? &dx->v : NULL, dw != NULL ? &dw->v : NULL, &dy->v, &x->v,
                                &w->v);
  if (dx != NULL && er_tape_give(n, 0, dx, err) < 0) {
    er_tensor_unref(dw);
    return -1;
  }
  if (dw != NULL && er_tape_give(n, 1, dw, err) < 0) return -1;
  if (n->n < 3 || !er_tape_needs(n, 2)) return 0;
  return er_tape_give(n, 2, er_sum_to(dy, 1, &w->v.size[0], err), err);
}

er_tensor *er_tensor_conv1d(er_tensor *x, er_tensor *w, er_tensor *bias, er_err *err) {
  static const er_grad_class class = {"conv1d", conv1d_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *xs[3] = {x, w, bias}, *y;
  er_node *n;
  if (er_want_float("conv1d", x, err) < 0 || er_want_float("conv1d", w, err) < 0) return NULL;
  if (x->v.nd != 3 || w->v.nd != 2 || w->v.size[0] != x->v.size[2] || w->v.size[1] < 1 ||
      (bias != NULL && (bias->v.nd != 1 || bias->v.size[0] != x->v.size[2]))) {
    er_tensor_refuse(err, "shape", "conv1d", 3, xs, "an input (B, T, C) takes a weight (C, K) and a bias (C)");
    return NULL;
  }
  if ((y = er_like(x, err)) == NULL) return NULL;
  ts->backend->conv1d(ts->pool, &y->v, &x->v, &w->v, bias != NULL ? &bias->v : NULL);
  if ((n = er_tape_record(y, &class, 0, bias != NULL ? 3 : 2, xs)) == NULL) return y;
  er_tape_save(n, 0, x);
  er_tape_save(n, 1, w);
  return y;
}
