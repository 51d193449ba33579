/* ops_elementwise.c - operators that go element by element, and what others need of them. */

#include <math.h>

#include "tensor/ops.h"
#include "tensor/room.h"

/* ---- helpers of all operators ---------------------------------------------------------------- */

void er_run(er_ew op, er_tensor *y, int n, er_tensor *const *xs, const double *p) {
  const er_view *in[3] = {NULL};
  er_tensors *ts = er_tensor_home(y);
  for (int i = 0; i < n; i++) in[i] = &xs[i]->v;
  ts->backend->elementwise(ts->pool, op, &y->v, in, n, p);
}

er_tensor *er_cast(er_tensor *t, er_dtype d, er_err *err) {
  er_tensor *y;
  if (t->v.dtype == d && er_view_contiguous(&t->v)) return er_alias(t);
  if ((y = er_like_as(t, d, err)) != NULL) er_run(ER_EW_COPY, y, 1, &t, NULL);
  return y;
}

er_tensor *er_packed(er_tensor *t, er_err *err) { return er_cast(t, t->v.dtype, err); }

er_tensor *er_sum_to(er_tensor *t, int nd, const int64_t *size, er_err *err) {
  int64_t kept[ER_DIMS];
  er_tensors *ts = er_tensor_home(t);
  er_tensor *sum, *y;
  int more = t->v.nd - nd;
  for (int i = 0; i < t->v.nd; i++) kept[i] = i < more ? 1 : size[i - more];
  if ((sum = er_make(ts, t->v.dtype, t->v.nd, kept, err)) == NULL) return NULL;
  ts->backend->reduce(ts->pool, ER_RED_SUM, &sum->v, &t->v, 1, false);
  if (more == 0) return sum;
  y = er_tensor_view(sum, nd, size, err);
  er_tensor_unref(sum);
  return y;
}

/* f(xs...) off the tape, in the shape that xs broadcast to. */
static er_tensor *apply(er_ew op, er_dtype d, int n, er_tensor *const *xs, const double *p, er_err *err) {
  er_view shape = xs[0]->v;
  er_tensor *y;
  for (int i = 1; i < n; i++) {
    er_view so_far = shape;
    if (er_broadcast(&so_far, &xs[i]->v, &shape.nd, shape.size) == 0) continue;
    er_tensor_refuse(err, "shape", er_ew_name(op), n, xs,
                     "these shapes do not broadcast: from the right, sizes must be equal or 1");
    return NULL;
  }
  if ((y = er_make_bare(er_tensor_home(xs[0]), d, shape.nd, shape.size, err)) == NULL) return NULL;
  er_run(op, y, n, xs, p);
  er_filled(y);
  return y;
}

static er_tensor *apply2(er_ew op, er_tensor *a, er_tensor *b, const double *p, er_err *err) {
  er_tensor *xs[2] = {a, b};
  return apply(op, a->v.dtype, 2, xs, p, err);
}

static er_tensor *apply3(er_ew op, er_tensor *a, er_tensor *b, er_tensor *c, const double *p, er_err *err) {
  er_tensor *xs[3] = {a, b, c};
  return apply(op, a->v.dtype, 3, xs, p, err);
}

/* ---- one operand --------------------------------------------------------------------------------- */

typedef enum { NO_GRAD, BY_X, BY_Y, BY_DY } needs;           /* what the gradient is computed from, besides dy */

static const struct { const char *name; er_ew grad; needs by;
} unaries[ER_EW_COUNT] = {
    [ER_EW_COPY] = {"copy", ER_EW_COPY, BY_DY},
    [ER_EW_NEG] = {"neg", ER_EW_NEG, BY_DY},
    [ER_EW_AFFINE] = {"scalar arithmetic", ER_EW_AFFINE, BY_DY},
    [ER_EW_ABS] = {"abs", ER_EW_D_ABS, BY_X},
    [ER_EW_EXP] = {"exp", ER_EW_D_EXP, BY_Y},
    [ER_EW_LOG] = {"log", ER_EW_D_LOG, BY_X},
    [ER_EW_SQRT] = {"sqrt", ER_EW_D_SQRT, BY_Y},
    [ER_EW_RSQRT] = {"rsqrt", ER_EW_D_RSQRT, BY_Y},
    [ER_EW_SIN] = {"sin", ER_EW_D_SIN, BY_X},
    [ER_EW_COS] = {"cos", ER_EW_D_COS, BY_X},
    [ER_EW_TANH] = {"tanh", ER_EW_D_TANH, BY_Y},
    [ER_EW_SIGMOID] = {"sigmoid", ER_EW_D_SIGMOID, BY_Y},
    [ER_EW_SOFTPLUS] = {"softplus", ER_EW_D_SOFTPLUS, BY_X},
    [ER_EW_RELU] = {"relu", ER_EW_D_RELU, BY_Y},
    [ER_EW_RELU2] = {"relu2", ER_EW_D_RELU2, BY_X},
    [ER_EW_SILU] = {"silu", ER_EW_D_SILU, BY_X},
    [ER_EW_GELU] = {"gelu", ER_EW_D_GELU, BY_X},
    [ER_EW_GELU_TANH] = {"gelu", ER_EW_D_GELU_TANH, BY_X},
    [ER_EW_SQUARE] = {"square", ER_EW_D_SQUARE, BY_X},
    [ER_EW_RECIPROCAL] = {"reciprocal", ER_EW_D_RECIPROCAL, BY_Y},
    [ER_EW_ERF] = {"erf", ER_EW_D_ERF, BY_X},
    [ER_EW_LOG1P] = {"log1p", ER_EW_D_LOG1P, BY_X},
    [ER_EW_SOFTCAP] = {"softcap", ER_EW_D_SOFTCAP, BY_Y},
    [ER_EW_POW_S] = {"pow", ER_EW_D_POW_S, BY_X},
    [ER_EW_S_POW] = {"pow", ER_EW_D_S_POW, BY_Y},
    [ER_EW_CLAMP] = {"clamp", ER_EW_D_CLAMP, BY_X},
    [ER_EW_RDIV] = {"div", ER_EW_D_RDIV, BY_X},
    [ER_EW_SIGN] = {.name = "sign"},
    [ER_EW_FLOOR] = {.name = "floor"},
    [ER_EW_CEIL] = {.name = "ceil"},
    [ER_EW_ROUND] = {.name = "round"},
    [ER_EW_NOT] = {.name = "logical_not"},
    [ER_EW_CMP_S] = {.name = "comparison"},
    [ER_EW_PROBIT] = {.name = "probit"},
    [ER_EW_ADD] = {.name = "add"},
    [ER_EW_SUB] = {.name = "sub"},
    [ER_EW_MUL] = {.name = "mul"},
    [ER_EW_DIV] = {.name = "div"},
    [ER_EW_POW] = {.name = "pow"},
    [ER_EW_MIN] = {.name = "minimum"},
    [ER_EW_MAX] = {.name = "maximum"},
    [ER_EW_ADD_SCALED] = {.name = "add"},
    [ER_EW_EQ] = {.name = "eq"},
    [ER_EW_NE] = {.name = "ne"},
    [ER_EW_LT] = {.name = "lt"},
    [ER_EW_LE] = {.name = "le"},
    [ER_EW_GT] = {.name = "gt"},
    [ER_EW_GE] = {.name = "ge"},
    [ER_EW_AND] = {.name = "logical_and"},
    [ER_EW_OR] = {.name = "logical_or"},
    [ER_EW_SWIGLU] = {.name = "swiglu"},
    [ER_EW_WHERE] = {.name = "where"},
    [ER_EW_LERP] = {.name = "lerp"},
    [ER_EW_ADDCMUL] = {.name = "addcmul"},
    [ER_EW_ADDCDIV] = {.name = "addcdiv"},
};

const char *er_ew_name(er_ew op) { return unaries[op].name != NULL ? unaries[op].name : "gradient"; }

typedef struct { er_ew op; double p[2]; } unary;

static int unary_backward(er_node *n, er_tensor *dy, er_err *err) {
  const unary *u = n->ctx;
  double p[4] = {u->p[0], u->p[1], 0, 0};
  if (u->op == ER_EW_COPY) return er_tape_give(n, 0, er_tensor_ref(dy), err);
  if (u->op == ER_EW_AFFINE) p[1] = 0;
  if (u->op == ER_EW_S_POW) p[1] = log(p[0]);
  if (unaries[u->op].by == BY_DY) return er_tape_give(n, 0, apply(unaries[u->op].grad, dy->v.dtype, 1, &dy, p, err), err);
  return er_tape_give(n, 0, apply2(unaries[u->op].grad, dy, er_tape_saved(n, 0), p, err), err);
}

static bool is_whole(double v) { return v == floor(v) && !isinf(v); }
static bool is_bound(double v) { return v == floor(v); }     /* of integers; without end, it is none */

/* Some functions keep integers, comparisons give 0 or 1, the others turn integers into f32. */
static er_dtype unary_dtype(er_ew op, er_dtype d, double p0, double p1) {
  if (op == ER_EW_NOT || op == ER_EW_CMP_S) return ER_U8;
  if (er_dtype_is_float(d)) return d;
  switch (op) {
    case ER_EW_COPY: case ER_EW_NEG: case ER_EW_ABS: case ER_EW_SIGN: case ER_EW_SQUARE: return d;
    case ER_EW_AFFINE: return is_whole(p0) && is_whole(p1) ? d : ER_F32;
    case ER_EW_CLAMP: return is_bound(p0) && is_bound(p1) ? d : ER_F32;
    case ER_EW_FLOOR: case ER_EW_CEIL: case ER_EW_ROUND: return d;
    default: return ER_F32;
  }
}

static er_tensor *unary_of(er_ew op, er_tensor *x, er_dtype d, double p0, double p1, er_err *err) {
  static const er_grad_class class = {"elementwise", unary_backward, NULL};
  double p[4] = {p0, p1, 0, 0};
  er_tensor *y = apply(op, d, 1, &x, p, err);
  er_node *n;
  if (y == NULL || unaries[op].by == NO_GRAD || !er_dtype_is_float(d)) return y;
  if ((n = er_tape_record(y, &class, sizeof(unary), 1, &x)) == NULL) return y;
  n->name = er_ew_name(op);
  *(unary *)n->ctx = (unary){op, {p0, p1}};
  if (unaries[op].by == BY_X) er_tape_save(n, 0, x);
  if (unaries[op].by == BY_Y) er_tape_save(n, 0, y);
  return y;
}

er_tensor *er_tensor_unary(er_ew op, er_tensor *x, double p0, double p1, er_err *err) {
  if (op == ER_EW_POW_S && p0 == 2) op = ER_EW_SQUARE;
  if (op == ER_EW_POW_S && p0 == 0.5) op = ER_EW_SQRT;
  if (op == ER_EW_POW_S && p0 == -0.5) op = ER_EW_RSQRT;
  if (op == ER_EW_POW_S && p0 == -1) op = ER_EW_RECIPROCAL;
  if (op == ER_EW_SOFTCAP && !(p0 > 0)) {
    er_tensor_refuse(err, "range", "softcap", 1, &x, "the cap must be above 0, not %g", p0);
    return NULL;
  }
  return unary_of(op, x, unary_dtype(op, x->v.dtype, p0, p1), p0, p1, err);
}

er_tensor *er_tensor_to(er_tensor *x, er_dtype d, er_err *err) {
  return x->v.dtype == d ? er_tensor_ref(x) : unary_of(ER_EW_COPY, x, d, 0, 0, err);
}

er_tensor *er_tensor_clone(er_tensor *x, er_err *err) { return unary_of(ER_EW_COPY, x, x->v.dtype, 0, 0, err); }

er_tensor *er_tensor_contiguous_of(er_tensor *t, er_err *err) {
  return er_view_contiguous(&t->v) ? er_tensor_ref(t) : er_tensor_clone(t, err);
}

/* ---- two operands ------------------------------------------------------------------------------------ */

typedef struct { er_ew op; double p0; } binary;

static er_tensor *scaled(er_tensor *dy, double by, er_err *err) {
  double p[4] = {by, 0, 0, 0};
  return by == 1 ? er_tensor_ref(dy) : apply(ER_EW_AFFINE, dy->v.dtype, 1, &dy, p, err);
}

static er_tensor *binary_da(const binary *u, er_tensor *dy, er_tensor *a, er_tensor *b, er_err *err) {
  switch (u->op) {
    case ER_EW_MUL: return apply2(ER_EW_MUL, dy, b, NULL, err);
    case ER_EW_DIV: return apply2(ER_EW_DIV, dy, b, NULL, err);
    case ER_EW_POW: return apply3(ER_EW_D_POW_A, dy, a, b, NULL, err);
    case ER_EW_MAX: return apply3(ER_EW_D_PICK_GE, dy, a, b, NULL, err);
    case ER_EW_MIN: return apply3(ER_EW_D_PICK_LT, dy, a, b, NULL, err);
    case ER_EW_SWIGLU: return apply3(ER_EW_D_SWIGLU_A, dy, a, b, NULL, err);
    default: return er_tensor_ref(dy);
  }
}

static er_tensor *binary_db(const binary *u, er_tensor *dy, er_tensor *a, er_tensor *b, er_err *err) {
  switch (u->op) {
    case ER_EW_SUB: return scaled(dy, -1, err);
    case ER_EW_ADD_SCALED: return scaled(dy, u->p0, err);
    case ER_EW_MUL: return apply2(ER_EW_MUL, dy, a, NULL, err);
    case ER_EW_DIV: return apply3(ER_EW_D_DIV_B, dy, a, b, NULL, err);
    case ER_EW_POW: return apply3(ER_EW_D_POW_B, dy, a, b, NULL, err);
    case ER_EW_MAX: return apply3(ER_EW_D_PICK_GE, dy, b, a, NULL, err);
    case ER_EW_MIN: return apply3(ER_EW_D_PICK_LT, dy, b, a, NULL, err);
    case ER_EW_SWIGLU: return apply3(ER_EW_D_SWIGLU_B, dy, a, b, NULL, err);
    default: return er_tensor_ref(dy);
  }
}

static int binary_backward(er_node *n, er_tensor *dy, er_err *err) {
  const binary *u = n->ctx;
  er_tensor *a = er_tape_saved(n, 0), *b = er_tape_saved(n, 1);
  if (er_tape_needs(n, 0) && er_tape_give(n, 0, binary_da(u, dy, a, b, err), err) < 0) return -1;
  return er_tape_needs(n, 1) ? er_tape_give(n, 1, binary_db(u, dy, a, b, err), err) : 0;
}

static bool gives_truth(er_ew op) { return op >= ER_EW_EQ && op <= ER_EW_OR; }

static er_dtype binary_dtype(er_ew op, er_tensor *a, er_tensor *b) {
  er_dtype d = er_promote(a->v.dtype, b->v.dtype);
  if (gives_truth(op)) return ER_U8;
  return (op == ER_EW_DIV || op == ER_EW_POW || op == ER_EW_SWIGLU) && !er_dtype_is_float(d) ? ER_F32 : d;
}

er_tensor *er_tensor_binary(er_ew op, er_tensor *a, er_tensor *b, double p0, er_err *err) {
  static const er_grad_class class = {"elementwise", binary_backward, NULL};
  er_tensor *xs[2] = {a, b}, *y;
  double p[4] = {p0, 0, 0, 0};
  er_node *n;
  bool linear = op == ER_EW_ADD || op == ER_EW_SUB || op == ER_EW_ADD_SCALED, both = op != ER_EW_MUL && op != ER_EW_DIV;
  if ((y = apply(op, binary_dtype(op, a, b), 2, xs, p, err)) == NULL || gives_truth(op)) return y;
  if ((n = er_tape_record(y, &class, sizeof(binary), 2, xs)) == NULL) return y;
  n->name = er_ew_name(op);
  *(binary *)n->ctx = (binary){op, p0};
  if (linear) return y;
  if (both || er_tape_needs(n, 1)) er_tape_save(n, 0, a);
  if (both || op == ER_EW_DIV || er_tape_needs(n, 0)) er_tape_save(n, 1, b);
  return y;
}

/* ---- three operands -------------------------------------------------------------------------------------- */

static er_tensor *zero_like(er_tensor *t, er_err *err) { return er_zeros(er_tensor_home(t), t->v.dtype, 0, NULL, err); }

static int where_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *c = er_tape_saved(n, 0), *zero = zero_like(dy, err), *a[3] = {c, dy, zero}, *b[3] = {c, zero, dy};
  int rc = zero == NULL ? -1 : 0;
  if (rc == 0 && er_tape_needs(n, 1)) rc = er_tape_give(n, 1, apply(ER_EW_WHERE, dy->v.dtype, 3, a, NULL, err), err);
  if (rc == 0 && er_tape_needs(n, 2)) rc = er_tape_give(n, 2, apply(ER_EW_WHERE, dy->v.dtype, 3, b, NULL, err), err);
  er_tensor_unref(zero);
  return rc;
}

er_tensor *er_tensor_where(er_tensor *c, er_tensor *a, er_tensor *b, er_err *err) {
  static const er_grad_class class = {"where", where_backward, NULL};
  er_tensor *xs[3] = {c, a, b}, *y = apply(ER_EW_WHERE, er_promote(a->v.dtype, b->v.dtype), 3, xs, NULL, err),
            *no_c[3] = {NULL, a, b};
  er_node *n = y != NULL ? er_tape_record(y, &class, 0, 3, no_c) : NULL;
  if (n != NULL) er_tape_save(n, 0, c);
  return y;
}

/* a + w (b - a): da = dy - w dy, db = w dy, dw = dy (b - a). */
static int lerp_backward(er_node *n, er_tensor *dy, er_err *err) {
  er_tensor *a = er_tape_saved(n, 0), *b = er_tape_saved(n, 1), *w = er_tape_saved(n, 2), *t, *u;
  int rc = 0;
  if ((t = apply2(ER_EW_MUL, dy, w, NULL, err)) == NULL) return -1;
  if (er_tape_needs(n, 0)) rc = er_tape_give(n, 0, apply2(ER_EW_SUB, dy, t, NULL, err), err);
  if (rc == 0 && er_tape_needs(n, 1)) rc = er_tape_give(n, 1, er_tensor_ref(t), err);
  er_tensor_unref(t);
  if (rc < 0 || !er_tape_needs(n, 2)) return rc;
  if ((u = apply(ER_EW_SUB, dy->v.dtype, 2, (er_tensor *[]){b, a}, NULL, err)) == NULL) return -1;
  rc = er_tape_give(n, 2, apply2(ER_EW_MUL, dy, u, NULL, err), err);
  er_tensor_unref(u);
  return rc;
}

er_tensor *er_tensor_lerp(er_tensor *a, er_tensor *b, er_tensor *w, er_err *err) {
  static const er_grad_class class = {"lerp", lerp_backward, NULL};
  er_tensor *xs[3] = {a, b, w}, *y;
  er_node *n;
  if (er_want_float("lerp", a, err) < 0) return NULL;
  y = apply(ER_EW_LERP, er_promote(a->v.dtype, b->v.dtype), 3, xs, NULL, err);
  if (y == NULL || (n = er_tape_record(y, &class, 0, 3, xs)) == NULL) return y;
  for (int i = 0; i < 3; i++) er_tape_save(n, i, xs[i]);
  return y;
}

static int addc_backward(er_node *n, er_tensor *dy, er_err *err) {
  const binary *u = n->ctx;
  er_tensor *b = er_tape_saved(n, 0), *c = er_tape_saved(n, 1), *s = scaled(dy, u->p0, err);
  bool product = u->op == ER_EW_ADDCMUL;
  int rc = s == NULL ? -1 : 0;
  if (rc == 0 && er_tape_needs(n, 0)) rc = er_tape_give(n, 0, er_tensor_ref(dy), err);
  if (rc == 0 && er_tape_needs(n, 1))
    rc = er_tape_give(n, 1, apply2(product ? ER_EW_MUL : ER_EW_DIV, s, c, NULL, err), err);
  if (rc == 0 && er_tape_needs(n, 2))
    rc = er_tape_give(n, 2, product ? apply2(ER_EW_MUL, s, b, NULL, err) : apply3(ER_EW_D_DIV_B, s, b, c, NULL, err),
                      err);
  er_tensor_unref(s);
  return rc;
}

er_tensor *er_tensor_addc(er_ew op, er_tensor *a, er_tensor *b, er_tensor *c, double scale, er_err *err) {
  static const er_grad_class classes[2] = {{"addcmul", addc_backward, NULL}, {"addcdiv", addc_backward, NULL}};
  er_tensor *xs[3] = {a, b, c}, *y;
  double p[4] = {scale, 0, 0, 0};
  er_node *n;
  if (er_want_float(er_ew_name(op), a, err) < 0) return NULL;
  y = apply(op, er_promote(a->v.dtype, er_promote(b->v.dtype, c->v.dtype)), 3, xs, p, err);
  if (y == NULL || (n = er_tape_record(y, &classes[op == ER_EW_ADDCDIV], sizeof(binary), 3, xs)) == NULL) return y;
  *(binary *)n->ctx = (binary){op, scale};
  er_tape_save(n, 0, b);
  er_tape_save(n, 1, c);
  return y;
}

/* ---- in place ---------------------------------------------------------------------------------------------- */

static bool fits_into(const er_view *x, const er_view *other) {
  er_view shape;
  return er_broadcast(x, other, &shape.nd, shape.size) == 0 && er_same_shape(&shape, x);
}

/* Is an element in several places, as in an expanded tensor or in windows that overlap?  A dim must step over all
 * that the dims with smaller steps reach. */
static bool repeats(const er_view *v) {
  for (int i = 0; i < v->nd; i++) {
    int64_t reach = 0;
    for (int j = 0; j < v->nd; j++)
      if (j != i && v->size[j] > 1 && (v->stride[j] < v->stride[i] || (v->stride[j] == v->stride[i] && j > i)))
        reach += (v->size[j] - 1) * v->stride[j];
    if (v->size[i] > 1 && v->stride[i] <= reach) return true;
  }
  return false;
}

static bool same_view(const er_view *a, const er_view *b) {
  for (int i = 0; i < a->nd && a->nd == b->nd; i++)
    if (a->size[i] != b->size[i] || a->stride[i] != b->stride[i]) return false;
  return a->nd == b->nd && a->data == b->data;
}

/* What is read while x is written: a copy, if it lies in x's storage but in another way. */
static er_tensor *apart_from(er_tensor *x, er_tensor *other, er_err *err) {
  er_tensor *copy;
  if (other->storage != x->storage || same_view(&x->v, &other->v)) return er_tensor_ref(other);
  if ((copy = er_like(other, err)) != NULL) er_run(ER_EW_COPY, copy, 1, &other, NULL);
  return copy;
}

static int check_inplace(const char *name, er_tensor *x, int n, er_tensor *const *others, er_err *err) {
  er_tensor *xs[3] = {x};
  if (er_writable(name, x, err) < 0) return -1;
  for (int i = 0; i < n; i++) {
    xs[i + 1] = others[i];
    if (!fits_into(&x->v, &others[i]->v))
      return er_tensor_refuse(err, "shape", name, i + 2, xs,
                              "the second does not broadcast to the first, which is changed in place");
  }
  return !repeats(&x->v) ? 0 : er_tensor_refuse(err, "shape", name, 1, &x,
                                               "it has one element in several places (expand, unfold); :clone() it first");
}

/* x = op(xs...), of which the first `own` are x. */
static int write_into(er_ew op, er_tensor *x, int own, int n, er_tensor *const *others, const double *p, er_err *err) {
  er_tensor *xs[3] = {x};
  int used = own;
  if (check_inplace(er_ew_name(op), x, n, others, err) < 0) return -1;
  while (used < own + n && (xs[used] = apart_from(x, others[used - own], err)) != NULL) used++;
  if (used == own + n) {
    er_run(op, x, used, xs, p);
    er_bump(x);
  }
  for (int i = own; i < used; i++) er_tensor_unref(xs[i]);
  return used == own + n ? 0 : -1;
}

int er_tensor_inplace(er_ew op, er_tensor *x, int n, er_tensor *const *others, const double *p, er_err *err) {
  return write_into(op, x, 1, n, others, p, err);
}

int er_tensor_copy(er_tensor *to, er_tensor *from, er_err *err) {
  return write_into(ER_EW_COPY, to, 0, 1, &from, NULL, err);
}

int er_tensor_fill(er_tensor *x, double value, er_err *err) {
  er_tensors *ts = er_tensor_home(x);
  if (er_writable("fill", x, err) < 0) return -1;
  ts->backend->fill(ts->pool, &x->v, value);
  er_bump(x);
  return 0;
}
