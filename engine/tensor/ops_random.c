/* ops_random.c - random tensors, dropout, draws from given probabilities. */

#include <math.h>

#include "tensor/ops.h"
#include "tensor/room.h"

er_tensor *er_tensor_random(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_rand kind, double a, double b,
                            er_err *err) {
  er_tensor *t;
  if (kind == ER_RAND_INT && !(b > a && b - a <= 4294967296.0)) {
    er_fail(err, "range", "randint: there is no whole number from %g to %g", a, b - 1);
    return NULL;
  }
  if ((t = er_make(ts, d, nd, size, err)) != NULL)
    ts->backend->random(ts->pool, &t->v, kind, er_tensors_draw(ts), a, b);
  return t;
}

int er_tensor_random_fill(er_tensor *x, er_rand kind, double a, double b, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  er_tensor *t;
  if (er_writable("random fill", x, err) < 0) return -1;
  if ((kind == ER_RAND_NORMAL && !(b >= 0)) || (kind == ER_RAND_BERNOULLI && !(a >= 0 && a <= 1)))
    return er_tensor_refuse(err, "range", "random fill", 1, &x, kind == ER_RAND_NORMAL
                            ? "a deviation is not negative" : "a probability is from 0 to 1");
  if ((t = er_tensor_random(ts, x->v.dtype, x->v.nd, x->v.size, kind, a, b, err)) == NULL) return -1;
  er_run(ER_EW_COPY, x, 1, &t, NULL);
  er_bump(x);
  er_tensor_unref(t);
  return 0;
}

/* One uniform number each, between the shares of normal numbers below a and below b, turned into the normal one. */
int er_tensor_trunc_normal(er_tensor *x, double mean, double std, double a, double b, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  double lo = 0.5 * erfc((mean - a) / std * M_SQRT1_2), hi = 0.5 * erfc((mean - b) / std * M_SQRT1_2),
         p[4] = {std, mean};
  er_tensor *t;
  if (er_writable("trunc_normal", x, err) < 0 || er_want_float("trunc_normal", x, err) < 0) return -1;
  if (!(std > 0 && a < b && hi - lo > 1e-6))
    return er_tensor_refuse(err, "range", "trunc_normal", 1, &x,
                            "next to no normal number of mean %g and deviation %g is from %g to %g", mean, std, a, b);
  lo += (hi - lo) * 0x1.0p-25;                              /* never 0, whose place is infinitely far away */
  t = er_tensor_random(ts, ts->backend->real, x->v.nd, x->v.size, ER_RAND_UNIFORM, lo, hi, err);
  if (t == NULL) return -1;
  er_run(ER_EW_PROBIT, t, 1, &t, NULL);
  er_run(ER_EW_AFFINE, t, 1, &t, p);
  er_run(ER_EW_CLAMP, x, 1, &t, (double[4]){a, b});
  er_bump(x);
  er_tensor_unref(t);
  return 0;
}

typedef struct { double p; er_key key; } dropout_ctx;

static er_tensor *drop(er_tensor *x, const dropout_ctx *c, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  er_tensor *packed = er_packed(x, err), *y = packed != NULL ? er_like(x, err) : NULL;
  if (y != NULL) ts->backend->dropout(ts->pool, &y->v, &packed->v, c->p, c->key);
  er_tensor_unref(packed);
  return y;
}

static int dropout_backward(er_node *n, er_tensor *dy, er_err *err) {
  return er_tape_give(n, 0, drop(dy, n->ctx, err), err);
}

er_tensor *er_tensor_dropout(er_tensor *x, double p, er_err *err) {
  static const er_grad_class class = {"dropout", dropout_backward, NULL};
  dropout_ctx c = {p, {0, 0}};
  er_tensor *y;
  er_node *n;
  if (er_want_float("dropout", x, err) < 0) return NULL;
  if (!(p >= 0 && p < 1)) {
    er_tensor_refuse(err, "range", "dropout", 1, &x, "the share that is dropped is from 0 up to 1, not %g", p);
    return NULL;
  }
  if (p == 0) return er_tensor_ref(x);
  c.key = er_tensors_draw(er_tensor_home(x));
  if ((y = drop(x, &c, err)) != NULL && (n = er_tape_record(y, &class, sizeof c, 1, &x)) != NULL)
    *(dropout_ctx *)n->ctx = c;
  return y;
}

/* The first place whose cumulated weight exceeds u. */
static int32_t place_of(er_tensor *sums, int64_t row, double u) {
  int64_t lo = 0, hi = sums->v.size[1] - 1;
  while (lo < hi) {
    int64_t mid = (lo + hi) / 2;
    if (er_tensor_get(sums, (int64_t[]){row, mid}) > u) hi = mid;
    else lo = mid + 1;
  }
  return (int32_t)lo;
}

static bool has_negative(const er_tensor *p) {
  const er_view *v = &p->v;
  int64_t rows = v->nd == 2 ? v->size[0] : 1;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < v->size[v->nd - 1]; i++)
      if (er_tensor_get(p, v->nd == 2 ? (int64_t[]){r, i} : &i) < 0) return true;
  return false;
}

er_tensor *er_tensor_multinomial(er_tensor *p, int64_t n, er_err *err) {
  er_tensors *ts = er_tensor_home(p);
  int64_t flat[2] = {-1, p->v.nd > 0 ? p->v.size[p->v.nd - 1] : 0}, size[ER_DIMS];
  er_tensor *bare, *rows, *sums = NULL, *u = NULL, *y = NULL;
  if (er_want_float("multinomial", p, err) < 0) return NULL;
  if (p->v.nd < 1 || p->v.nd > 2 || flat[1] < 1 || n < 1) {
    er_tensor_refuse(err, "shape", "multinomial", 1, &p,
                     "weights are (classes) or (rows, classes), and at least one is drawn");
    return NULL;
  }
  if (has_negative(p)) {
    er_tensor_refuse(err, "range", "multinomial", 1, &p, "a weight is negative");
    return NULL;
  }
  bare = er_cast(p, ts->backend->real, err);
  rows = bare != NULL ? er_tensor_view(bare, 2, flat, err) : NULL;
  sums = rows != NULL ? er_tensor_cumsum(rows, 1, err) : NULL;
  size[0] = rows != NULL ? rows->v.size[0] : 0;
  size[1] = n;
  u = sums != NULL ? er_tensor_random(ts, ts->backend->real, 2, size, ER_RAND_UNIFORM, 0, 1, err) : NULL;
  y = u != NULL ? er_make(ts, ER_I32, p->v.nd, p->v.nd == 2 ? size : size + 1, err) : NULL;
  for (int64_t r = 0; y != NULL && r < size[0]; r++) {
    double total = er_tensor_get(sums, (int64_t[]){r, flat[1] - 1});
    if (!(total > 0 && total < 1e300)) {
      er_tensor_refuse(err, "range", "multinomial", 1, &p, "the weights of row %lld add up to %g", (long long)r + 1,
                       total);
      er_tensor_unref(y);
      y = NULL;
      break;
    }
    for (int64_t i = 0; i < n; i++)
      ((int32_t *)y->v.data)[r * n + i] = place_of(sums, r, total * er_tensor_get(u, (int64_t[]){r, i}));
  }
  er_tensor_unref(bare);
  er_tensor_unref(rows);
  er_tensor_unref(sums);
  er_tensor_unref(u);
  return y;
}

/* The order of n random numbers; equal ones, which are rare, keep their places. */
er_tensor *er_tensor_randperm(er_tensors *ts, int64_t n, er_err *err) {
  er_tensor *u = er_tensor_random(ts, ER_I32, 1, &n, ER_RAND_INT, -2147483648.0, 2147483648.0, err), *order = NULL,
            *sorted;
  if (u == NULL) return NULL;
  sorted = er_tensor_sort(u, 0, false, -1, &order, err);
  er_tensor_unref(u);
  if (sorted == NULL) return NULL;
  er_tensor_unref(sorted);
  return order;
}
