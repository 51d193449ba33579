/* ops_move.c - operators that put elements elsewhere: joining, padding, turning around. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/ops.h"
#include "tensor/room.h"

/* ---- joining ---------------------------------------------------------------------------------- */

typedef struct { int dim; } cat_ctx;

static int cat_backward(er_node *n, er_tensor *dy, er_err *err) {
  int dim = ((cat_ctx *)n->ctx)->dim;
  const int64_t *length = (const int64_t *)((cat_ctx *)n->ctx + 2);
  int64_t at = 0;
  for (int i = 0; i < n->n; at += length[i++])
    if (er_tape_needs(n, i) && er_tape_give(n, i, er_tensor_narrow(dy, dim, at, length[i], err), err) < 0) return -1;
  return 0;
}

static int check_cat(er_tensor *const *xs, int n, int dim, int64_t *size, er_dtype *d, er_err *err) {
  *d = xs[0]->v.dtype;
  memcpy(size, xs[0]->v.size, sizeof xs[0]->v.size);
  for (int i = 1; i < n; i++) {
    er_tensor *pair[2] = {xs[0], xs[i]};
    if (xs[i]->v.nd != xs[0]->v.nd)
      return er_tensor_refuse(err, "shape", "cat", 2, pair, "they have different numbers of dims");
    for (int k = 0; k < xs[0]->v.nd; k++)
      if (k != dim && xs[i]->v.size[k] != size[k])
        return er_tensor_refuse(err, "shape", "cat", 2, pair, "they differ in dim %d, which is not the one joined",
                                k + 1);
    size[dim] += xs[i]->v.size[dim];
    *d = er_promote(*d, xs[i]->v.dtype);
  }
  return 0;
}

/* Copies x into y from element `at` of dim on. */
static int place(er_tensor *y, er_tensor *x, int dim, int64_t at, er_err *err) {
  er_tensor *part = er_tensor_narrow(y, dim, at, x->v.size[dim], err);
  if (part == NULL) return -1;
  er_run(ER_EW_COPY, part, 1, &x, NULL);
  er_tensor_unref(part);
  return 0;
}

er_tensor *er_tensor_cat(er_tensor *const *xs, int n, int dim, er_err *err) {
  static const er_grad_class class = {"cat", cat_backward, NULL};
  int64_t size[ER_DIMS], at = 0;
  er_dtype d;
  er_tensor *y;
  er_node *node;
  if (n < 1) {
    er_fail(err, "shape", "cat: there is nothing to join");
    return NULL;
  }
  if (xs[0]->v.nd == 0) {
    er_tensor_refuse(err, "shape", "cat", 1, xs, "single numbers have no dim to be joined along; use stack");
    return NULL;
  }
  if ((dim = er_dim_of("cat", xs[0], dim, xs[0]->v.nd, err)) < 0 || check_cat(xs, n, dim, size, &d, err) < 0) return NULL;
  if ((y = er_make(er_tensor_home(xs[0]), d, xs[0]->v.nd, size, err)) == NULL) return NULL;
  for (int i = 0; i < n; at += xs[i++]->v.size[dim])
    if (place(y, xs[i], dim, at, err) < 0) {
      er_tensor_unref(y);
      return NULL;
    }
  if ((node = er_tape_record(y, &class, 2 * sizeof(cat_ctx) + (size_t)n * sizeof(int64_t), n, xs)) == NULL) return y;
  ((cat_ctx *)node->ctx)->dim = dim;
  for (int i = 0; i < n; i++) ((int64_t *)((cat_ctx *)node->ctx + 2))[i] = xs[i]->v.size[dim];
  return y;
}

er_tensor *er_tensor_stack(er_tensor *const *xs, int n, int dim, er_err *err) {
  er_tensor **wide = er_calloc((size_t)n + 1, sizeof *wide), *y = NULL;
  bool ok = true;
  for (int i = 0; i < n && ok; i++) ok = (wide[i] = er_tensor_unsqueeze(xs[i], dim, err)) != NULL;
  if (ok) y = er_tensor_cat(wide, n, dim, err);
  for (int i = 0; i < n; i++) er_tensor_unref(wide[i]);
  er_free(wide);
  return y;
}

/* ---- pad, roll, flip, repeat, triangles -------------------------------------------------------------- */

typedef struct { int64_t before[ER_DIMS]; int dim; int64_t shift; er_view in; } move_ctx;

/* The part of y that x fills, and of x that y has, when x starts at before[] in y. */
static int overlap(er_tensor *y, er_tensor *x, const int64_t *before, er_tensor **in_y, er_tensor **in_x, er_err *err) {
  *in_y = er_alias(y);
  *in_x = er_alias(x);
  for (int i = 0; i < x->v.nd; i++) {
    int64_t cut = before[i] < 0 ? -before[i] : 0, at = before[i] > 0 ? before[i] : 0;
    int64_t n = x->v.size[i] - cut < y->v.size[i] - at ? x->v.size[i] - cut : y->v.size[i] - at;
    er_tensor *a = er_tensor_narrow(*in_y, i, at, n < 0 ? 0 : n, err),
              *b = a != NULL ? er_tensor_narrow(*in_x, i, cut, n < 0 ? 0 : n, err) : NULL;
    er_tensor_unref(*in_y);
    er_tensor_unref(*in_x);
    *in_y = a;
    *in_x = b;
    if (b == NULL) {
      er_tensor_unref(a);
      return -1;
    }
  }
  return 0;
}

static int copy_overlap(er_tensor *y, er_tensor *x, const int64_t *before, bool back, er_err *err) {
  er_tensor *a, *b;
  if (overlap(y, x, before, &a, &b, err) < 0) return -1;
  if (back) er_run(ER_EW_COPY, b, 1, &a, NULL);
  else er_run(ER_EW_COPY, a, 1, &b, NULL);
  er_tensor_unref(a);
  er_tensor_unref(b);
  return 0;
}

static int pad_backward(er_node *n, er_tensor *dy, er_err *err) {
  const move_ctx *c = n->ctx;
  er_tensor *g = er_zeros(n->home, dy->v.dtype, c->in.nd, c->in.size, err);
  if (g == NULL) return -1;
  if (copy_overlap(dy, g, c->before, true, err) == 0) return er_tape_give(n, 0, g, err);
  er_tensor_unref(g);
  return -1;
}

static const long long MOST_PAD = 1LL << 46;                 /* no memory holds more */

er_tensor *er_tensor_pad(er_tensor *x, int n, const int64_t *pads, double value, er_err *err) {
  static const er_grad_class class = {"pad", pad_backward, NULL};
  move_ctx c = {.in = x->v};
  int64_t size[ER_DIMS];
  er_tensor *y, *bare = er_alias(x);
  er_node *node;
  memcpy(size, x->v.size, sizeof size);
  if (n % 2 != 0 || n > 2 * x->v.nd) {
    er_tensor_refuse(err, "shape", "pad", 1, &x, "%d pads: there are two for each dim, from the last backwards", n);
    er_tensor_unref(bare);
    return NULL;
  }
  for (int i = 0; i < n / 2; i++) {
    int dim = x->v.nd - 1 - i;
    bool countable = llabs(pads[2 * i] / 2) < MOST_PAD && llabs(pads[2 * i + 1] / 2) < MOST_PAD;
    c.before[dim] = pads[2 * i];
    size[dim] = countable ? size[dim] + pads[2 * i] + pads[2 * i + 1] : -1;
    if (size[dim] < 0) size[dim] = -1;
  }
  y = er_make(er_tensor_home(x), x->v.dtype, x->v.nd, size, err);
  if (y != NULL) er_tensor_home(x)->backend->fill(er_tensor_home(x)->pool, &y->v, value);
  if (y != NULL && copy_overlap(y, bare, c.before, false, err) < 0) {
    er_tensor_unref(y);
    y = NULL;
  }
  er_tensor_unref(bare);
  if (y != NULL && (node = er_tape_record(y, &class, sizeof c, 1, &x)) != NULL) *(move_ctx *)node->ctx = c;
  return y;
}

/* y[i] = x[i - shift], around the end. */
static int roll_into(er_tensor *y, er_tensor *x, int dim, int64_t shift, er_err *err) {
  int64_t n = x->v.size[dim], s = n > 0 ? (shift % n + n) % n : 0;
  er_tensor *bare = er_alias(x), *head = er_tensor_narrow(bare, dim, 0, n - s, err),
            *tail = er_tensor_narrow(bare, dim, n - s, s, err);
  int rc = head == NULL || tail == NULL || place(y, head, dim, s, err) < 0 || place(y, tail, dim, 0, err) < 0 ? -1 : 0;
  er_tensor_unref(bare);
  er_tensor_unref(head);
  er_tensor_unref(tail);
  return rc;
}

static int roll_backward(er_node *n, er_tensor *dy, er_err *err) {
  const move_ctx *c = n->ctx;
  er_tensor *g = er_like(dy, err);
  if (g == NULL) return -1;
  if (roll_into(g, dy, c->dim, -c->shift, err) == 0) return er_tape_give(n, 0, g, err);
  er_tensor_unref(g);
  return -1;
}

er_tensor *er_tensor_roll(er_tensor *x, int64_t shift, int dim, er_err *err) {
  static const er_grad_class class = {"roll", roll_backward, NULL};
  er_tensor *y;
  er_node *n;
  if ((dim = er_dim_of("roll", x, dim, x->v.nd, err)) < 0) return NULL;
  if (x->v.nd == 0) return er_tensor_ref(x);
  if ((y = er_like(x, err)) == NULL) return NULL;
  if (roll_into(y, x, dim, shift, err) < 0) {
    er_tensor_unref(y);
    return NULL;
  }
  if ((n = er_tape_record(y, &class, sizeof(move_ctx), 1, &x)) != NULL)
    *(move_ctx *)n->ctx = (move_ctx){.dim = dim, .shift = x->v.size[dim] > 0 ? shift % x->v.size[dim] : 0};
  return y;
}

er_tensor *er_tensor_flip(er_tensor *x, int dim, er_err *err) {
  er_tensor *ids, *y;
  if ((dim = er_dim_of("flip", x, dim, x->v.nd, err)) < 0) return NULL;
  if (x->v.nd == 0) return er_tensor_ref(x);
  if ((ids = er_tensor_arange(er_tensor_home(x), ER_I32, (double)x->v.size[dim] - 1, -1, -1, err)) == NULL) return NULL;
  y = er_tensor_index_select(x, dim, ids, err);
  er_tensor_unref(ids);
  return y;
}

/* (times, size) in turn, expanded and merged: views and one copy, so the gradient comes by itself. */
er_tensor *er_tensor_repeat(er_tensor *x, int nd, const int64_t *times, er_err *err) {
  int64_t split[ER_DIMS], wide[ER_DIMS], size[ER_DIMS], count = 1;
  int more = nd - x->v.nd, k = 0;
  er_tensor *a, *b, *y;
  if (more < 0 || 2 * nd > ER_DIMS) {
    er_tensor_refuse(err, "shape", "tile", 1, &x, "it takes one number for each dim, and at most %d", ER_DIMS / 2);
    return NULL;
  }
  for (int i = 0; i < nd; i++) {
    int64_t n = i < more ? 1 : x->v.size[i - more];
    split[k] = 1;
    wide[k++] = times[i];
    split[k] = n;
    wide[k++] = n;
    if (times[i] < 0 || __builtin_mul_overflow(times[i], n, &size[i]) ||
        __builtin_mul_overflow(count, size[i] > 0 ? size[i] : 1, &count)) {
      er_tensor_refuse(err, "shape", "tile", 1, &x, "it cannot be repeated %lld times in dim %d", (long long)times[i],
                       i + 1);
      return NULL;
    }
  }
  a = er_tensor_reshape(x, k, split, err);
  b = a != NULL ? er_tensor_expand(a, k, wide, err) : NULL;
  y = b != NULL ? er_tensor_reshape(b, nd, size, err) : NULL;
  er_tensor_unref(a);
  er_tensor_unref(b);
  return y;
}

static int64_t within(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* Keeps what is on and below the diagonal (or on and above it). */
er_tensor *er_tensor_tri(er_tensor *x, int64_t diagonal, bool upper, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  er_tensor *row = NULL, *column = NULL, *keep = NULL, *zero = NULL, *y = NULL;
  int64_t tall[2];
  if (x->v.nd < 2) {
    er_tensor_refuse(err, "shape", upper ? "triu" : "tril", 1, &x, "it needs two dims at least");
    return NULL;
  }
  tall[0] = x->v.size[x->v.nd - 2];
  tall[1] = 1;
  diagonal = within(diagonal, -tall[0], x->v.size[x->v.nd - 1]);          /* beyond them nothing changes */
  row = er_tensor_arange(ts, ER_I32, (double)diagonal, (double)(diagonal + tall[0]), 1, err);
  column = er_tensor_arange(ts, ER_I32, 0, (double)x->v.size[x->v.nd - 1], 1, err);
  zero = er_zeros(ts, x->v.dtype, 0, NULL, err);
  if (row != NULL && column != NULL && zero != NULL) {
    er_tensor *stood = er_tensor_view(row, 2, tall, err);
    if (stood != NULL) keep = er_tensor_binary(upper ? ER_EW_GE : ER_EW_LE, column, stood, 0, err);
    er_tensor_unref(stood);
  }
  if (keep != NULL) y = er_tensor_where(keep, x, zero, err);
  er_tensor_unref(row);
  er_tensor_unref(column);
  er_tensor_unref(keep);
  er_tensor_unref(zero);
  return y;
}
