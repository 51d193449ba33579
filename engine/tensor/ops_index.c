/* ops_index.c - operators that pick and place by ids: embedding, gather, scatter, sorting, counting. */

#include <string.h>

#include "tensor/ops.h"
#include "tensor/room.h"

typedef struct { int dim; } index_ctx;

/* ---- rows by id ------------------------------------------------------------------------------------------ */

static int embedding_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *ids = er_tape_saved(n, 0), *g = er_tape_slot_zeroed(n, 0, err), *packed, *flat;
  int64_t size[2] = {er_tensor_count(ids),
                     n->edges[0].node != NULL ? n->edges[0].node->shape.size[1] : n->edges[0].leaf->v.size[1]};
  if (g == NULL) return -1;
  packed = er_packed(dy, err);
  flat = packed != NULL ? er_tensor_view(packed, 2, size, err) : NULL;
  er_tensor_unref(packed);
  if (flat == NULL) {
    er_tensor_unref(g);
    return -1;
  }
  n->home->backend->scatter_rows(n->home->pool, &g->v, &flat->v, ids->v.data);
  er_tensor_unref(flat);
  return er_tape_give(n, 0, g, err);
}

er_tensor *er_tensor_embedding(er_tensor *ids, er_tensor *w, er_err *err) {
  static const er_grad_class class = {"embedding", embedding_backward, NULL};
  er_tensors *ts = er_tensor_home(w);
  er_tensor *xs[2] = {ids, w}, *rows, *y;
  int64_t size[ER_DIMS], flat[2];
  er_node *n;
  if (w->v.nd != 2 || ids->v.nd + 1 > ER_DIMS) {
    er_tensor_refuse(err, "shape", "embedding", 2, xs, "ids of any shape pick rows of a weight (rows, size)");
    return NULL;
  }
  if ((rows = er_ids("embedding", ids, w->v.size[0], false, err)) == NULL) return NULL;
  memcpy(size, ids->v.size, sizeof size);
  size[ids->v.nd] = flat[1] = w->v.size[1];
  flat[0] = er_tensor_count(ids);
  y = er_make(ts, w->v.dtype, ids->v.nd + 1, size, err);
  if (y != NULL) {
    er_view out = {.data = y->v.data, .dtype = y->v.dtype, .nd = 2, .size = {flat[0], flat[1]}, .stride = {flat[1], 1}};
    ts->backend->gather_rows(ts->pool, &out, &w->v, rows->v.data);
    if ((n = er_tape_record(y, &class, 0, 1, &w)) != NULL) er_tape_save(n, 0, rows);
  }
  er_tensor_unref(rows);
  return y;
}

/* x with dim in front and the others as one row: (size, rest); permuted and copied as needed. */
static er_tensor *by_rows(er_tensor *x, int dim, er_err *err) {
  int64_t flat[2] = {x->v.size[dim], 1};
  int perm[ER_DIMS];
  er_tensor *front, *y;
  for (int i = 0, at = 1; i < x->v.nd; i++) {
    if (i != dim) {
      perm[at++] = i;
      flat[1] *= x->v.size[i];
    }
  }
  perm[0] = dim;
  if ((front = er_tensor_permute(x, x->v.nd, perm, err)) == NULL) return NULL;
  y = er_tensor_reshape(front, 2, flat, err);
  er_tensor_unref(front);
  return y;
}

/* The reverse: rows back to the dims of `like`, with n in dim. */
static er_tensor *from_rows(er_tensor *rows, const er_view *like, int dim, int64_t n, er_err *err) {
  int64_t size[ER_DIMS];
  int perm[ER_DIMS];
  er_tensor *front, *y;
  size[0] = n;
  for (int i = 0, at = 1; i < like->nd; i++) {
    if (i != dim) size[at++] = like->size[i];
    perm[i] = i == dim ? 0 : i < dim ? i + 1 : i;
  }
  if ((front = er_tensor_view(rows, like->nd, size, err)) == NULL) return NULL;
  y = er_tensor_permute(front, like->nd, perm, err);
  er_tensor_unref(front);
  return y;
}

er_tensor *er_tensor_index_select(er_tensor *x, int dim, er_tensor *ids, er_err *err) {
  er_tensor *rows, *picked, *y, *xs[2] = {x, ids};
  if ((dim = er_dim_of("index_select", x, dim, x->v.nd, err)) < 0) return NULL;
  if (x->v.nd == 0 || ids->v.nd != 1) {
    er_tensor_refuse(err, "shape", "index_select", 2, xs, "ids (n) pick from a dim");
    return NULL;
  }
  if ((rows = by_rows(x, dim, err)) == NULL) return NULL;
  picked = er_tensor_embedding(ids, rows, err);
  er_tensor_unref(rows);
  if (picked == NULL) return NULL;
  y = from_rows(picked, &x->v, dim, ids->v.size[0], err);
  er_tensor_unref(picked);
  return y;
}

/* Numbers that may have fractions are not put among whole ones without a word. */
static int check_source(const char *name, er_tensor *x, er_tensor *source, er_err *err) {
  er_tensor *xs[2] = {x, source};
  if (er_dtype_is_float(x->v.dtype) || !er_dtype_is_float(source->v.dtype)) return 0;
  return er_tensor_refuse(err, "dtype", name, 2, xs, "whole numbers take no fractions; convert one of them with :to()");
}

static int index_add_backward(er_node *n, er_tensor *dy, er_err *err) {
  const index_ctx *c = n->ctx;
  if (er_tape_needs(n, 0) && er_tape_give(n, 0, er_tensor_ref(dy), err) < 0) return -1;
  return er_tape_needs(n, 1) ? er_tape_give(n, 1, er_tensor_index_select(dy, c->dim, er_tape_saved(n, 0), err), err) : 0;
}

er_tensor *er_tensor_index_add(er_tensor *x, int dim, er_tensor *ids, er_tensor *source, er_err *err) {
  static const er_grad_class class = {"index_add", index_add_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *xs[3] = {x, source, ids}, *rows = NULL, *src = NULL, *sum = NULL, *at, *y = NULL;
  bool was = ts->grad, fits = ids->v.nd == 1 && x->v.nd > 0 && source->v.nd == x->v.nd;
  er_node *n;
  if ((dim = er_dim_of("index_add", x, dim, x->v.nd, err)) < 0) return NULL;
  for (int i = 0; i < x->v.nd && fits; i++) fits = source->v.size[i] == (i == dim ? ids->v.size[0] : x->v.size[i]);
  if (!fits) {
    er_tensor_refuse(err, "shape", "index_add", 3, xs,
                     "the source has x's shape, with as many in the dim as there are ids");
    return NULL;
  }
  if (check_source("index_add", x, source, err) < 0) return NULL;
  if ((at = er_ids("index_add", ids, x->v.size[dim], false, err)) == NULL) return NULL;
  ts->grad = false;
  rows = by_rows(x, dim, err);
  src = rows != NULL ? by_rows(source, dim, err) : NULL;
  sum = src != NULL ? er_like(rows, err) : NULL;
  if (sum != NULL) {
    er_run(ER_EW_COPY, sum, 1, &rows, NULL);
    ts->backend->scatter_rows(ts->pool, &sum->v, &src->v, at->v.data);
    y = from_rows(sum, &x->v, dim, x->v.size[dim], err);
  }
  ts->grad = was;
  if (y != NULL && (n = er_tape_record(y, &class, sizeof(index_ctx), 2, xs)) != NULL) {
    ((index_ctx *)n->ctx)->dim = dim;
    er_tape_save(n, 0, at);
  }
  er_tensor_unref(rows);
  er_tensor_unref(src);
  er_tensor_unref(sum);
  er_tensor_unref(at);
  return y;
}

/* ---- along a dim by index ----------------------------------------------------------------------------------- */

static er_view with_last(const er_view *v, int dim) {
  er_view r = *v;
  for (int i = dim; i + 1 < v->nd; i++) {
    r.size[i] = v->size[i + 1];
    r.stride[i] = v->stride[i + 1];
  }
  r.size[v->nd - 1] = v->size[dim];
  r.stride[v->nd - 1] = v->stride[dim];
  return r;
}

static int check_index(const char *name, er_tensor *x, int dim, er_tensor *index, er_err *err) {
  er_tensor *xs[2] = {x, index};
  bool fits = index->v.nd == x->v.nd && x->v.nd > 0;
  for (int i = 0; i < x->v.nd && fits; i++) fits = i == dim || index->v.size[i] == x->v.size[i];
  return fits ? 0 : er_tensor_refuse(err, "shape", name, 2, xs, "the index has the same sizes but for dim %d", dim + 1);
}

static int gather_backward(er_node *n, er_tensor *dy, er_err *err) {
  const index_ctx *c = n->ctx;
  er_tensor *g = er_tape_slot_zeroed(n, 0, err), *index = er_tape_saved(n, 0);
  if (g == NULL) return -1;
  er_view vg = with_last(&g->v, c->dim), vd = with_last(&dy->v, c->dim), vi = with_last(&index->v, c->dim);
  n->home->backend->scatter(n->home->pool, &vg, &vd, &vi, true);
  return er_tape_give(n, 0, g, err);
}

er_tensor *er_tensor_gather(er_tensor *x, int dim, er_tensor *index, er_err *err) {
  static const er_grad_class class = {"gather", gather_backward, NULL};
  er_tensors *ts = er_tensor_home(x);
  er_tensor *y, *at;
  er_node *n;
  if ((dim = er_dim_of("gather", x, dim, x->v.nd, err)) < 0 || check_index("gather", x, dim, index, err) < 0) return NULL;
  if ((at = er_ids("gather", index, x->v.size[dim], false, err)) == NULL) return NULL;
  if ((y = er_make(ts, x->v.dtype, index->v.nd, index->v.size, err)) != NULL) {
    er_view vy = with_last(&y->v, dim), vx = with_last(&x->v, dim), vi = with_last(&at->v, dim);
    ts->backend->gather(ts->pool, &vy, &vx, &vi);
    if ((n = er_tape_record(y, &class, sizeof(index_ctx), 1, &x)) != NULL) {
      ((index_ctx *)n->ctx)->dim = dim;
      er_tape_save(n, 0, at);
    }
  }
  er_tensor_unref(at);
  return y;
}

static int scatter_add_backward(er_node *n, er_tensor *dy, er_err *err) {
  const index_ctx *c = n->ctx;
  if (er_tape_needs(n, 0) && er_tape_give(n, 0, er_tensor_ref(dy), err) < 0) return -1;
  return er_tape_needs(n, 1) ? er_tape_give(n, 1, er_tensor_gather(dy, c->dim, er_tape_saved(n, 0), err), err) : 0;
}

static void scatter_into(er_tensor *y, int dim, er_tensor *index, er_tensor *source, bool add) {
  er_tensors *ts = er_tensor_home(y);
  er_view vy = with_last(&y->v, dim), vs = with_last(&source->v, dim), vi = with_last(&index->v, dim);
  ts->backend->scatter(ts->pool, &vy, &vs, &vi, add);
}

/* dy without the places that were overwritten. */
static er_tensor *uncovered(er_tensor *dy, int dim, er_tensor *index, er_err *err) {
  er_tensor *g = er_like(dy, err), *zero = g != NULL ? er_zeros(er_tensor_home(dy), dy->v.dtype, 0, NULL, err) : NULL;
  er_tensor *zeros = zero != NULL ? er_tensor_expand(zero, index->v.nd, index->v.size, err) : NULL;
  if (zeros != NULL) {
    er_run(ER_EW_COPY, g, 1, &dy, NULL);
    scatter_into(g, dim, index, zeros, false);
  } else {
    er_tensor_unref(g);
    g = NULL;
  }
  er_tensor_unref(zero);
  er_tensor_unref(zeros);
  return g;
}

/* Each element's number along dim: (n) over the dims behind it, expanded to the index's shape. */
static er_tensor *numbers_along(er_tensor *index, int dim, er_err *err) {
  int64_t size[ER_DIMS];
  er_tensor *line = er_tensor_arange(er_tensor_home(index), ER_I32, 0, (double)index->v.size[dim], 1, err), *y = NULL, *t;
  for (int i = 0; i < index->v.nd; i++) size[i] = i == dim ? index->v.size[dim] : 1;
  t = line != NULL ? er_tensor_view(line, index->v.nd, size, err) : NULL;
  if (t != NULL) y = er_tensor_expand(t, index->v.nd, index->v.size, err);
  er_tensor_unref(line);
  er_tensor_unref(t);
  return y;
}

/* 1 where an element of the source is the last for its place, and so the one that stays. */
static er_tensor *stays(const er_view *x, int dim, er_tensor *index, er_err *err) {
  er_tensor *number = numbers_along(index, dim, err), *who = NULL, *last = NULL, *y = NULL;
  if (number != NULL) who = er_make(er_tensor_home(index), ER_I32, x->nd, x->size, err);
  if (who != NULL) {
    scatter_into(who, dim, index, number, false);
    last = er_tensor_gather(who, dim, index, err);
  }
  if (last != NULL) y = er_tensor_binary(ER_EW_EQ, last, number, 0, err);
  er_tensor_unref(number);
  er_tensor_unref(who);
  er_tensor_unref(last);
  return y;
}

static er_tensor *of_those_that_stay(er_tensor *dy, int dim, er_tensor *index, er_err *err) {
  er_tensor *mine = er_tensor_gather(dy, dim, index, err), *keep = mine != NULL ? stays(&dy->v, dim, index, err) : NULL;
  if (keep != NULL) er_run(ER_EW_MUL, mine, 2, (er_tensor *[]){mine, keep}, NULL);
  er_tensor_unref(keep);
  if (keep != NULL) return mine;
  er_tensor_unref(mine);
  return NULL;
}

static int scatter_backward(er_node *n, er_tensor *dy, er_err *err) {
  int dim = ((index_ctx *)n->ctx)->dim;
  er_tensor *index = er_tape_saved(n, 0);
  if (er_tape_needs(n, 0) && er_tape_give(n, 0, uncovered(dy, dim, index, err), err) < 0) return -1;
  return er_tape_needs(n, 1) ? er_tape_give(n, 1, of_those_that_stay(dy, dim, index, err), err) : 0;
}

static er_tensor *scatter(er_tensor *x, int dim, er_tensor *index, er_tensor *source, bool add, er_err *err) {
  static const er_grad_class classes[] = {{"scatter", scatter_backward, NULL}, {"scatter_add", scatter_add_backward, NULL}};
  const char *name = classes[add].name;
  er_tensor *xs[2] = {x, source}, *pair[2] = {index, source}, *y = NULL, *at;
  er_node *n;
  if ((dim = er_dim_of(name, x, dim, x->v.nd, err)) < 0 || check_index(name, x, dim, index, err) < 0) return NULL;
  if (!er_same_shape(&index->v, &source->v)) {
    er_tensor_refuse(err, "shape", name, 2, pair, "there is one index for each element of the source");
    return NULL;
  }
  if (check_source(name, x, source, err) < 0) return NULL;
  if ((at = er_ids(name, index, x->v.size[dim], false, err)) == NULL) return NULL;
  if ((y = er_like(x, err)) != NULL) {
    er_run(ER_EW_COPY, y, 1, &x, NULL);
    scatter_into(y, dim, at, source, add);
    if ((n = er_tape_record(y, &classes[add], sizeof(index_ctx), 2, xs)) != NULL) {
      ((index_ctx *)n->ctx)->dim = dim;
      er_tape_save(n, 0, at);
    }
  }
  er_tensor_unref(at);
  return y;
}

er_tensor *er_tensor_scatter_add(er_tensor *x, int dim, er_tensor *index, er_tensor *source, er_err *err) {
  return scatter(x, dim, index, source, true, err);
}

er_tensor *er_tensor_scatter(er_tensor *x, int dim, er_tensor *index, er_tensor *source, er_err *err) {
  return scatter(x, dim, index, source, false, err);
}

er_tensor *er_tensor_sort(er_tensor *x, int dim, bool descending, int64_t k, er_tensor **index, er_err *err) {
  const char *op = k < 0 ? "sort" : "topk";
  er_tensors *ts = er_tensor_home(x);
  er_tensor *order, *y;
  int64_t size[ER_DIMS];
  if ((dim = er_dim_of(op, x, dim, x->v.nd, err)) < 0) return NULL;
  if (x->v.nd == 0 || k > x->v.size[dim]) {
    er_tensor_refuse(err, "range", op, 1, &x, "dim %d does not have %lld elements", dim + 1, (long long)k);
    return NULL;
  }
  memcpy(size, x->v.size, sizeof size);
  if (k >= 0) size[dim] = k;
  if ((order = er_make(ts, ER_I32, x->v.nd, size, err)) == NULL) return NULL;
  er_view vo = with_last(&order->v, dim), vx = with_last(&x->v, dim);
  ts->backend->sort(ts->pool, NULL, &vo, &vx, descending);
  y = er_tensor_gather(x, dim, order, err);                 /* whose gradient is the sort's */
  if (y != NULL && index != NULL) *index = order;
  else er_tensor_unref(order);
  return y;
}

/* ---- counting and marking --------------------------------------------------------------------------------------- */

er_tensor *er_tensor_nonzero(er_tensor *x, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  int64_t count = er_tensor_count(x), size[2] = {0, x->v.nd}, at = 0;
  er_tensor *y = NULL;
  for (int pass = 0; pass < 2; pass++) {
    int64_t index[ER_DIMS] = {0};
    if (pass == 1 && (y = er_make(ts, ER_I32, 2, size, err)) == NULL) return NULL;
    for (int64_t i = 0; i < count; i++) {
      if (er_tensor_get(x, index) != 0) {
        if (pass == 0) size[0]++;
        else for (int d = 0; d < x->v.nd; d++) ((int32_t *)y->v.data)[at++] = (int32_t)index[d];
      }
      for (int d = x->v.nd - 1; d >= 0 && ++index[d] == x->v.size[d]; d--) index[d] = 0;
    }
  }
  return y;
}

er_tensor *er_tensor_bincount(er_tensor *ids, int64_t least, er_err *err) {
  er_tensor *at = er_ids("bincount", ids, 1 << 28, false, err), *y;
  const int32_t *p;
  if (at == NULL) return NULL;
  p = at->v.data;
  for (int64_t i = 0; i < er_tensor_count(at); i++) least = p[i] >= least ? p[i] + 1 : least;
  if ((y = er_zeros(er_tensor_home(ids), ER_I32, 1, &least, err)) != NULL)
    for (int64_t i = 0; i < er_tensor_count(at); i++) ((int32_t *)y->v.data)[p[i]]++;
  er_tensor_unref(at);
  return y;
}

er_tensor *er_tensor_one_hot(er_tensor *ids, int64_t classes, er_err *err) {
  int64_t size[ER_DIMS] = {0};
  er_tensor *at, *y;
  if (ids->v.nd == ER_DIMS || classes < 0) {
    er_tensor_refuse(err, "shape", "one_hot", 1, &ids, "%lld classes make no last dim of a tensor of at most %d dims",
                     (long long)classes, ER_DIMS);
    return NULL;
  }
  if ((at = er_ids("one_hot", ids, classes, false, err)) == NULL) return NULL;
  memcpy(size, ids->v.size, (size_t)ids->v.nd * sizeof *size);
  size[ids->v.nd] = classes;
  if ((y = er_zeros(er_tensor_home(ids), ER_I32, ids->v.nd + 1, size, err)) != NULL)
    for (int64_t i = 0; i < er_tensor_count(at); i++)
      ((int32_t *)y->v.data)[i * classes + ((const int32_t *)at->v.data)[i]] = 1;
  er_tensor_unref(at);
  return y;
}
