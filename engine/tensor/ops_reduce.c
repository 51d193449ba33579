/* ops_reduce.c - sums and their like, softmax, and what runs along one dim. */

#include <string.h>

#include "tensor/ops.h"
#include "tensor/room.h"

/* v with dim `dim` last: kernels work on rows of the last dim, whatever its stride. */
static er_view last(const er_view *v, int dim) {
  er_view r = *v;
  int end = v->nd - 1;
  if (v->nd == 0) {
    r.nd = 1;
    r.size[0] = r.stride[0] = 1;
    return r;
  }
  for (int i = dim; i < end; i++) {
    r.size[i] = v->size[i + 1];
    r.stride[i] = v->stride[i + 1];
  }
  r.size[end] = v->size[dim];
  r.stride[end] = v->stride[dim];
  return r;
}

/* t without the dims of the mask, which have size 1; takes t. */
static er_tensor *drop_dims(er_tensor *t, unsigned dims, er_err *err) {
  int64_t size[ER_DIMS];
  int nd = 0;
  er_tensor *y;
  for (int i = 0; i < t->v.nd; i++)
    if (!(dims >> i & 1)) size[nd++] = t->v.size[i];
  y = er_tensor_view(t, nd, size, err);
  er_tensor_unref(t);
  return y;
}

/* ---- sum, mean, sum of squares ------------------------------------------------------------------- */

typedef struct { er_reduction r; unsigned dims; bool keep; double scale; er_view in; } reduction;

/* dy with the reduced dims back as size 1, expanded to the input's shape. */
static er_tensor *spread(const reduction *u, er_tensor *dy, er_err *err) {
  er_tensor *packed = er_packed(dy, err), *kept, *y;
  int64_t size[ER_DIMS];
  if (packed == NULL) return NULL;
  for (int i = 0; i < u->in.nd; i++) size[i] = u->dims >> i & 1 ? 1 : u->in.size[i];
  kept = er_tensor_view(packed, u->in.nd, size, err);
  y = kept != NULL ? er_tensor_expand(kept, u->in.nd, u->in.size, err) : NULL;
  er_tensor_unref(packed);
  er_tensor_unref(kept);
  return y;
}

static int reduce_backward(er_node *n, er_tensor *dy, er_err *err) {
  const reduction *u = n->ctx;
  er_tensor *wide = spread(u, dy, err), *g, *xs[2] = {wide, er_tape_saved(n, 0)};
  double p[4] = {u->scale, 0, 0, 0};
  if (wide == NULL) return -1;
  g = er_make(n->home, dy->v.dtype, u->in.nd, u->in.size, err);
  if (g != NULL)
    er_run(u->r == ER_SUM_SQUARES ? ER_EW_D_SQUARE : ER_EW_AFFINE, g, u->r == ER_SUM_SQUARES ? 2 : 1, xs, p);
  er_tensor_unref(wide);
  return er_tape_give(n, 0, g, err);
}

/* dx = dy times the product of the others: the product of what is not 0 over x (1 where x is 0), unless another is 0. */
static er_tensor *others(er_node *n, const reduction *u, er_tensor *x, er_tensor *dy, er_err *err) {
  static const double is_zero[4] = {0, ER_EW_EQ - ER_EW_EQ, 0, 0};
  const er_backend *k = n->home->backend;
  int64_t kept[ER_DIMS];
  for (int i = 0; i < x->v.nd; i++) kept[i] = u->dims >> i & 1 ? 1 : x->v.size[i];
  er_tensor *zero = er_like_as(x, k->real, err), *safe = er_like_as(x, k->real, err),
            *product = er_make(n->home, k->real, x->v.nd, kept, err),
            *zeros = er_make(n->home, k->real, x->v.nd, kept, err);
  bool ok = zero != NULL && safe != NULL && product != NULL && zeros != NULL;
  if (ok) {
    er_run(ER_EW_CMP_S, zero, 1, &x, is_zero);
    er_run(ER_EW_ADD, safe, 2, (er_tensor *[]){x, zero}, NULL);
    k->reduce(n->home->pool, ER_RED_PROD, &product->v, &safe->v, 1, false);
    k->reduce(n->home->pool, ER_RED_SUM, &zeros->v, &zero->v, 1, false);
    er_run(ER_EW_EQ, zero, 2, (er_tensor *[]){zeros, zero}, NULL);         /* none of the others is 0 */
    er_run(ER_EW_DIV, safe, 2, (er_tensor *[]){product, safe}, NULL);
    er_run(ER_EW_MUL, safe, 2, (er_tensor *[]){safe, zero}, NULL);
    er_run(ER_EW_MUL, safe, 2, (er_tensor *[]){safe, dy}, NULL);
  }
  er_tensor_unref(zero);
  er_tensor_unref(product);
  er_tensor_unref(zeros);
  if (ok) return safe;
  er_tensor_unref(safe);
  return NULL;
}

static int prod_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *wide = spread(n->ctx, dy, err), *g;
  if (wide == NULL) return -1;
  g = others(n, n->ctx, er_tape_saved(n, 0), wide, err);
  er_tensor_unref(wide);
  return er_tape_give(n, 0, g, err);
}

/* Kernels keep what is beyond i32 at its end: a result that stands there is computed once more, of the elements of x
 * that went into element `at` of y, whose dims are x's. */
static double exact(er_reduction r, er_tensor *x, unsigned dims, const int64_t *at) {
  int64_t index[ER_DIMS], count = 1;
  double v = r == ER_PROD ? 1 : 0;
  for (int d = 0; d < x->v.nd; d++) {
    index[d] = dims >> d & 1 ? 0 : at[d];
    if (dims >> d & 1) count *= x->v.size[d];
  }
  for (int64_t i = 0; i < count; i++) {
    double e = er_tensor_get(x, index);
    v = r == ER_PROD ? v * e : v + e;
    for (int d = x->v.nd - 1; d >= 0; d--) {
      if (!(dims >> d & 1)) continue;
      if (++index[d] < x->v.size[d]) break;
      index[d] = 0;
    }
  }
  return v;
}

static int refuse_integer(const char *op, er_tensor *x, double v, er_err *err) {
  return er_tensor_refuse(err, "range", op, 1, &x, "%.0f is beyond i32; convert it with :to(\"f32\") first", v);
}

static int check_integers(er_reduction r, er_tensor *y, er_tensor *x, unsigned dims, er_err *err) {
  int64_t at[ER_DIMS] = {0}, count = er_tensor_count(y);
  const int32_t *p = y->v.data;
  if (er_tensor_count(x) == 0 || er_pool_is_broken(er_tensor_home(y)->pool)) return 0;
  for (int64_t i = 0; i < count; i++) {
    if (p[i] == INT32_MAX || p[i] == INT32_MIN) {
      double v = exact(r, x, dims, at);
      if (v > INT32_MAX || v < INT32_MIN) return refuse_integer(r == ER_PROD ? "prod" : "sum", x, v, err);
    }
    for (int d = y->v.nd - 1; d >= 0 && ++at[d] == y->v.size[d]; d--) at[d] = 0;
  }
  return 0;
}

er_tensor *er_tensor_reduce(er_reduction r, er_tensor *x, unsigned dims, bool keep, er_err *err) {
  static const er_grad_class classes[] = {{"sum", reduce_backward, NULL},
                                          {"mean", reduce_backward, NULL},
                                          {"sum of squares", reduce_backward, NULL},
                                          {"prod", prod_backward, NULL}};
  static const er_red kernels[] = {ER_RED_SUM, ER_RED_SUM, ER_RED_SUMSQ, ER_RED_PROD};
  er_tensors *ts = er_tensor_home(x);
  reduction u = {.r = r, .dims = dims != 0 ? dims : (1u << x->v.nd) - 1, .keep = keep, .scale = 1, .in = x->v};
  er_dtype d = er_dtype_is_float(x->v.dtype) ? x->v.dtype : r == ER_SUM || r == ER_PROD ? ER_I32 : ER_F32;
  int64_t size[ER_DIMS], count = 1;
  er_node *n;
  er_tensor *y;
  for (int i = 0; i < x->v.nd; i++) {
    size[i] = u.dims >> i & 1 ? 1 : x->v.size[i];
    if (u.dims >> i & 1) count *= x->v.size[i];
  }
  if (r == ER_MEAN && count == 0) {
    er_tensor_refuse(err, "shape", "mean", 1, &x, "there is no mean of nothing");
    return NULL;
  }
  if (r == ER_MEAN) u.scale = 1.0 / (double)count;
  if ((y = er_make(ts, d, x->v.nd, size, err)) == NULL) return NULL;
  ts->backend->reduce(ts->pool, kernels[r], &y->v, &x->v, u.scale, false);
  if (d == ER_I32 && check_integers(r, y, x, u.dims, err) < 0) {
    er_tensor_unref(y);
    return NULL;
  }
  if (!keep && (y = drop_dims(y, u.dims, err)) == NULL) return NULL;
  if ((n = er_tape_record(y, &classes[r], sizeof u, 1, &x)) == NULL) return y;
  *(reduction *)n->ctx = u;
  if (r == ER_SUM_SQUARES || r == ER_PROD) er_tape_save(n, 0, x);
  return y;
}

/* Is any of them not 0?  Are all: is none of them 0? */
er_tensor *er_tensor_any(er_tensor *x, unsigned dims, bool keep, bool all, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  er_tensor *from = all ? er_tensor_unary(ER_EW_NOT, x, 0, 0, err) : er_tensor_ref(x), *y = NULL;
  int64_t size[ER_DIMS];
  if (dims == 0) dims = (1u << x->v.nd) - 1;
  for (int i = 0; i < x->v.nd; i++) size[i] = dims >> i & 1 ? 1 : x->v.size[i];
  if (from != NULL) y = er_make(ts, ER_U8, x->v.nd, size, err);
  if (y != NULL) {
    ts->backend->reduce(ts->pool, ER_RED_ANY, &y->v, &from->v, 1, false);
    if (all) er_run(ER_EW_NOT, y, 1, &y, NULL);
    if (!keep) y = drop_dims(y, dims, err);
  }
  er_tensor_unref(from);
  return y;
}

/* dx = dy / 2y, and 0 where y is 0: there a norm has a corner, and no slope. */
static int root_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *y = er_tape_saved(n, 0), *g = er_like(dy, err), *zero = er_zeros(n->home, dy->v.dtype, 0, NULL, err);
  if (g != NULL && zero != NULL) {
    er_run(ER_EW_D_SQRT, g, 2, (er_tensor *[]){dy, y}, NULL);
    er_run(ER_EW_WHERE, g, 3, (er_tensor *[]){y, g, zero}, NULL);
  } else {
    er_tensor_unref(g);
    g = NULL;
  }
  er_tensor_unref(zero);
  return er_tape_give(n, 0, g, err);
}

er_tensor *er_tensor_root(er_tensor *x, er_err *err) {
  static const er_grad_class class = {"norm", root_backward, NULL};
  er_tensor *y = er_like(x, err);
  er_node *n;
  if (y == NULL) return NULL;
  er_run(ER_EW_SQRT, y, 1, &x, NULL);
  if ((n = er_tape_record(y, &class, 0, 1, &x)) != NULL) er_tape_save(n, 0, y);
  return y;
}

/* Two passes, as a mean of squared distances; composed, so its gradient is too. */
er_tensor *er_tensor_var(er_tensor *x, unsigned dims, double correction, bool keep, er_err *err) {
  er_tensor *mean, *d = NULL, *squares = NULL, *y = NULL;
  int64_t n = 1;
  if (er_want_float("var", x, err) < 0) return NULL;
  for (int i = 0; i < x->v.nd; i++)
    if (dims == 0 || dims >> i & 1) n *= x->v.size[i];
  if (n == 0 || (double)n <= correction) {
    er_tensor_refuse(err, "shape", "var", 1, &x, "%lld elements are too few for a variance with correction %g",
                     (long long)n, correction);
    return NULL;
  }
  mean = er_tensor_reduce(ER_MEAN, x, dims, true, err);
  if (mean != NULL) d = er_tensor_binary(ER_EW_SUB, x, mean, 1, err);
  if (d != NULL) squares = er_tensor_reduce(ER_SUM_SQUARES, d, dims, keep, err);
  if (squares != NULL) y = er_tensor_unary(ER_EW_AFFINE, squares, 1 / ((double)n - correction), 0, err);
  er_tensor_unref(mean);
  er_tensor_unref(d);
  er_tensor_unref(squares);
  return y;
}

/* ---- the largest of a dim ---------------------------------------------------------------------------- */

er_tensor *er_tensor_argextreme(er_red op, er_tensor *x, int dim, bool keep, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  const char *name = op == ER_RED_MAX ? "argmax" : "argmin";
  int64_t size[ER_DIMS];
  er_tensor *index;
  er_view vi, vx;
  if ((dim = er_dim_of(name, x, dim, x->v.nd, err)) < 0) return NULL;
  if (x->v.nd > 0 && x->v.size[dim] == 0) {
    er_tensor_refuse(err, "shape", name, 1, &x, "dim %d is empty", dim + 1);
    return NULL;
  }
  memcpy(size, x->v.size, sizeof size);
  size[dim] = 1;
  if ((index = er_make(ts, ER_I32, x->v.nd, size, err)) == NULL) return NULL;
  vi = last(&index->v, dim);
  vx = last(&x->v, dim);
  ts->backend->argreduce(ts->pool, op, &vi, &vx);
  return keep || x->v.nd == 0 ? index : drop_dims(index, 1u << dim, err);
}

er_tensor *er_tensor_extreme(er_red op, er_tensor *x, int dim, bool keep, er_tensor **index, er_err *err) {
  er_tensor *at = er_tensor_argextreme(op, x, dim, true, err), *y;
  if (at == NULL || (dim = er_dim_of("max", x, dim, x->v.nd, err)) < 0) return NULL;
  y = x->v.nd == 0 ? er_tensor_ref(x) : er_tensor_gather(x, dim, at, err);
  if (y != NULL && !keep && x->v.nd > 0) {
    er_tensor *narrow = er_tensor_squeeze(y, dim, err);
    er_tensor_unref(y);
    y = narrow;
    at = drop_dims(at, 1u << dim, err);
  }
  if (index != NULL && y != NULL) *index = at;
  else er_tensor_unref(at);
  return y;
}

/* ---- along one dim ----------------------------------------------------------------------------------------- */

typedef struct { int dim; bool log; } along;

static int cumsum_backward(er_node *n, er_tensor *dy, er_err *err) {
  const along *u = n->ctx;
  er_tensor *g = er_like(dy, err);
  if (g == NULL) return -1;
  er_view vg = last(&g->v, u->dim), vd = last(&dy->v, u->dim);
  n->home->backend->cumsum(n->home->pool, &vg, &vd, true);
  return er_tape_give(n, 0, g, err);
}

/* Integers are summed as such: reals hold them up to 2^24 alone. */
static int sum_integers(er_tensor *y, er_tensor *x, int dim, er_err *err) {
  int64_t at[ER_DIMS] = {0}, count = er_tensor_count(x);
  int32_t *p = y->v.data;
  for (int64_t i = 0; i < count; i++) {
    double v = er_tensor_get(x, at);
    if (x->v.nd > 0 && at[dim] > 0) v += p[i - y->v.stride[dim]];
    if (v > INT32_MAX || v < INT32_MIN) return refuse_integer("cumsum", x, v, err);
    p[i] = (int32_t)v;
    for (int d = x->v.nd - 1; d >= 0 && ++at[d] == x->v.size[d]; d--) at[d] = 0;
  }
  return 0;
}

er_tensor *er_tensor_cumsum(er_tensor *x, int dim, er_err *err) {
  static const er_grad_class class = {"cumsum", cumsum_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *y;
  er_node *n;
  if ((dim = er_dim_of("cumsum", x, dim, x->v.nd, err)) < 0) return NULL;
  if ((y = er_like_as(x, er_dtype_is_float(x->v.dtype) ? x->v.dtype : ER_I32, err)) == NULL) return NULL;
  if (y->v.dtype == ER_I32) {
    if (sum_integers(y, x, dim, err) == 0) return y;
    er_tensor_unref(y);
    return NULL;
  }
  er_view vy = last(&y->v, dim), vx = last(&x->v, dim);
  ts->backend->cumsum(ts->pool, &vy, &vx, false);
  if ((n = er_tape_record(y, &class, sizeof(along), 1, &x)) != NULL) ((along *)n->ctx)->dim = dim;
  return y;
}

static int softmax_backward(er_node *n, er_tensor *dy, er_err *err) {
  const along *u = n->ctx;
  er_tensor *y = er_tape_saved(n, 0), *g = er_like(dy, err);
  if (g == NULL) return -1;
  er_view vg = last(&g->v, u->dim), vd = last(&dy->v, u->dim), vy = last(&y->v, u->dim);
  n->home->backend->softmax_grad(n->home->pool, &vg, &vd, &vy, u->log);
  return er_tape_give(n, 0, g, err);
}

er_tensor *er_tensor_softmax(er_tensor *x, int dim, bool log, er_err *err) {
  static const er_grad_class classes[] = {{"softmax", softmax_backward, NULL}, {"log_softmax", softmax_backward, NULL}};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *y;
  er_node *n;
  if (er_want_float(classes[log].name, x, err) < 0 || (dim = er_dim_of(classes[log].name, x, dim, x->v.nd, err)) < 0)
    return NULL;
  if ((y = er_like(x, err)) == NULL) return NULL;
  er_view vy = last(&y->v, dim), vx = last(&x->v, dim);
  ts->backend->softmax(ts->pool, &vy, &vx, log);
  if ((n = er_tape_record(y, &classes[log], sizeof(along), 1, &x)) == NULL) return y;
  *(along *)n->ctx = (along){dim, log};
  er_tape_save(n, 0, y);
  return y;
}

/* dx = dy exp(x - lse) */
static int logsumexp_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *x = er_tape_saved(n, 0), *lse = er_tape_saved(n, 1), *g = er_like(x, err), *packed = er_packed(dy, err),
            *wide = NULL;
  if (g != NULL && packed != NULL) wide = er_tensor_view(packed, lse->v.nd, lse->v.size, err);
  if (wide != NULL) {
    er_run(ER_EW_SUB, g, 2, (er_tensor *[]){x, lse}, NULL);
    er_run(ER_EW_EXP, g, 1, &g, NULL);
    er_run(ER_EW_MUL, g, 2, (er_tensor *[]){g, wide}, NULL);
  }
  er_tensor_unref(packed);
  if (wide == NULL) {
    er_tensor_unref(g);
    return -1;
  }
  er_tensor_unref(wide);
  return er_tape_give(n, 0, g, err);
}

er_tensor *er_tensor_logsumexp(er_tensor *x, int dim, bool keep, er_err *err) {
  static const er_grad_class class = {"logsumexp", logsumexp_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  int64_t size[ER_DIMS];
  er_tensor *wide, *y;
  er_node *n;
  if (er_want_float("logsumexp", x, err) < 0 || (dim = er_dim_of("logsumexp", x, dim, x->v.nd, err)) < 0) return NULL;
  memcpy(size, x->v.size, sizeof size);
  size[dim] = 1;
  if ((wide = er_make(ts, x->v.dtype, x->v.nd, size, err)) == NULL) return NULL;
  er_view vy = last(&wide->v, dim), vx = last(&x->v, dim);
  ts->backend->logsumexp(ts->pool, &vy, &vx);
  y = keep || x->v.nd == 0 ? er_alias(wide) : drop_dims(er_tensor_ref(wide), 1u << dim, err);
  if (y != NULL && (n = er_tape_record(y, &class, 0, 1, &x)) != NULL) {
    er_tape_save(n, 0, x);
    er_tape_save(n, 1, wide);
  }
  er_tensor_unref(wide);
  return y;
}
