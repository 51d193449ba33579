/* view.c - tensors that look at the elements of others; no element moves. */

#include <string.h>

#include "tensor/room.h"

typedef struct { int dim; int64_t start, step; int perm[ER_DIMS]; er_view in; } window;

/* A view costs no memory, but operators count its elements and want scratch by their number; where memory has a bound
 * it has no more elements than would fit into it, so that there is an end to what one operator does. */
static int64_t most_elements(const er_tensor *t) {
  int64_t most = er_tensor_home(t)->most / 4;
  return most > 0 ? most : (int64_t)1 << 40;
}

/* ---- gradients ----------------------------------------------------------------------------- */

/* dy with the dims of the input, whose elements come in the same order. */
static int reshape_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  er_tensor *packed = er_packed(dy, err), *g;
  if (packed == NULL) return -1;
  g = er_tensor_view(packed, w->in.nd, w->in.size, err);
  er_tensor_unref(packed);
  return er_tape_give(n, 0, g, err);
}

static int permute_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  int back[ER_DIMS];
  for (int i = 0; i < dy->v.nd; i++) back[w->perm[i]] = i;
  return er_tape_give(n, 0, er_tensor_permute(dy, dy->v.nd, back, err), err);
}

/* The same window on the gradient is added to. */
static int add_into(er_node *n, er_tensor *slot, er_tensor *view, er_tensor *dy, er_err *err) {
  er_tensor *both[2] = {view, dy};
  if (view != NULL) er_run(ER_EW_ADD, view, 2, both, NULL);
  er_tensor_unref(view);
  if (view == NULL) er_tensor_unref(slot);
  return view == NULL ? -1 : er_tape_give(n, 0, slot, err);
}

static int narrow_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  er_tensor *slot = er_tape_slot_viewed(n, 0, err);
  if (slot == NULL) return -1;
  return add_into(n, slot, er_tensor_narrow(slot, w->dim, w->start, dy->v.size[w->dim], err), dy, err);
}

static int select_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  er_tensor *slot = er_tape_slot_viewed(n, 0, err);
  if (slot == NULL) return -1;
  return add_into(n, slot, er_tensor_select(slot, w->dim, w->start, err), dy, err);
}

static int step_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  er_tensor *slot = er_tape_slot_viewed(n, 0, err);
  if (slot == NULL) return -1;
  return add_into(n, slot, er_tensor_step(slot, w->dim, w->step, err), dy, err);
}

static int expand_backward(er_node *n, er_tensor *dy, er_err *err) { return er_tape_give(n, 0, er_tensor_ref(dy), err); }

/* A single element is never stepped from, so that the step may be larger than any stride. */
static int64_t stepped(int64_t stride, int64_t step, int64_t size) { return size > 1 ? stride * step : stride; }

/* Windows may overlap: one place of the window at a time. */
static int unfold_backward(er_node *n, er_tensor *dy, er_err *err) {
  const window *w = n->ctx;
  int last = dy->v.nd - 1, rc = 0;
  er_tensor *slot = er_tape_slot_zeroed(n, 0, err);
  int64_t places = er_tensor_count(dy) > 0 ? dy->v.size[last] : 0;
  for (int64_t j = 0; slot != NULL && rc == 0 && j < places; j++) {
    er_tensor *part = er_tensor_select(dy, last, j, err), *to = er_alias(slot), *both[2] = {to, part};
    to->v.data = (char *)to->v.data + j * to->v.stride[w->dim] * (int64_t)er_dtype_size(to->v.dtype);
    to->v.size[w->dim] = dy->v.size[w->dim];
    to->v.stride[w->dim] = stepped(to->v.stride[w->dim], w->step, to->v.size[w->dim]);
    if (part != NULL) er_run(ER_EW_ADD, to, 2, both, NULL);
    else rc = -1;
    er_tensor_unref(part);
    er_tensor_unref(to);
  }
  if (rc < 0) er_tensor_unref(slot);
  return rc < 0 ? rc : er_tape_give(n, 0, slot, err);
}

static const er_grad_class reshape_class = {"view", reshape_backward, NULL};
static const er_grad_class permute_class = {"permute", permute_backward, NULL};
static const er_grad_class narrow_class = {"narrow", narrow_backward, NULL};
static const er_grad_class select_class = {"select", select_backward, NULL};
static const er_grad_class step_class = {"step", step_backward, NULL};
static const er_grad_class expand_class = {"expand", expand_backward, NULL};
static const er_grad_class unfold_class = {"unfold", unfold_backward, NULL};

static er_tensor *record(er_tensor *y, er_tensor *x, const er_grad_class *class, window w) {
  er_node *n = er_tape_record(y, class, sizeof w, 1, &x);
  w.in = x->v;
  if (n != NULL) *(window *)n->ctx = w;
  return y;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

static int refuse_to_fill(const char *op, er_tensor *t, int nd, const int64_t *size, er_err *err) {
  er_buf asked = {0};
  for (int i = 0; i < nd; i++) er_buf_fmt(&asked, i > 0 ? ", %lld" : "%lld", (long long)size[i]);
  er_tensor_refuse(err, "shape", op, 1, &t, "its %lld elements do not fill (%s)", (long long)er_tensor_count(t),
                   er_buf_cstr(&asked));
  er_buf_free(&asked);
  return -1;
}

/* Fills in the size that is -1. */
static int resolve(const char *op, er_tensor *t, int nd, const int64_t *size, int64_t *out, er_err *err) {
  int64_t count = er_tensor_count(t), known = 1;
  int open = -1;
  if (nd > ER_DIMS)
    return er_tensor_refuse(err, "shape", op, 1, &t, "a tensor has at most %d dims, %d were asked for", ER_DIMS, nd);
  for (int i = 0; i < nd; i++) {
    out[i] = size[i];
    if (size[i] == -1 && open < 0) open = i;
    else if (size[i] < 0 || __builtin_mul_overflow(known, size[i], &known))
      return er_tensor_refuse(err, "shape", op, 1, &t, "size %lld of dim %d makes no shape", (long long)size[i], i + 1);
  }
  if (open >= 0 && known > 0 && count % known == 0) {
    out[open] = count / known;
    known = count;
  }
  if (known != count || (open >= 0 && out[open] < 0)) return refuse_to_fill(op, t, nd, size, err);
  return 0;
}

/* Strides under which the same elements have the new sizes: dims that follow each other in memory are one
 * chunk, which the new dims have to divide.  -1: there are none, a copy is needed. */
static int restride(const er_view *v, int nd, const int64_t *size, int64_t *stride) {
  int at = nd - 1;
  int64_t chunk = v->nd > 0 ? v->stride[v->nd - 1] : 1, old = 1, made = 1;
  if (er_view_contiguous(v)) {
    for (int64_t step = 1; at >= 0; at--) {
      stride[at] = step;
      step *= size[at] > 0 ? size[at] : 1;
    }
    return 0;
  }
  for (int d = v->nd - 1; d >= 0; d--) {
    old *= v->size[d];
    if (d > 0 && (v->size[d - 1] == 1 || v->stride[d - 1] == old * chunk)) continue;
    while (at >= 0 && (made < old || size[at] == 1)) {
      stride[at] = made * chunk;
      made *= size[at--];
    }
    if (made != old) return -1;
    if (d > 0) {
      chunk = v->stride[d - 1];
      old = made = 1;
    }
  }
  return at == -1 ? 0 : -1;
}

static er_tensor *shaped(er_tensor *t, int nd, const int64_t *size, const int64_t *stride) {
  er_tensor *y = er_alias(t);
  y->v.nd = nd;
  memcpy(y->v.size, size, (size_t)nd * sizeof *size);
  memcpy(y->v.stride, stride, (size_t)nd * sizeof *stride);
  return record(y, t, &reshape_class, (window){0});
}

er_tensor *er_tensor_view(er_tensor *t, int nd, const int64_t *size, er_err *err) {
  int64_t full[ER_DIMS], stride[ER_DIMS];
  if (resolve("view", t, nd, size, full, err) < 0) return NULL;
  if (restride(&t->v, nd, full, stride) == 0) return shaped(t, nd, full, stride);
  er_tensor_refuse(err, "shape", "view", 1, &t,
                   "its elements are spread so that no view has the shape asked for; use :reshape(), which copies");
  return NULL;
}

er_tensor *er_tensor_reshape(er_tensor *t, int nd, const int64_t *size, er_err *err) {
  int64_t full[ER_DIMS], stride[ER_DIMS];
  er_tensor *packed, *y;
  if (resolve("reshape", t, nd, size, full, err) < 0) return NULL;
  if (restride(&t->v, nd, full, stride) == 0) return shaped(t, nd, full, stride);
  if ((packed = er_tensor_contiguous_of(t, err)) == NULL) return NULL;
  y = er_tensor_view(packed, nd, full, err);
  er_tensor_unref(packed);
  return y;
}

er_tensor *er_tensor_permute(er_tensor *t, int nd, const int *dims, er_err *err) {
  window w = {0};
  er_tensor *y;
  unsigned seen = 0;
  if (nd != t->v.nd) {
    er_tensor_refuse(err, "shape", "permute", 1, &t, "%d dims were named, it has %d", nd, t->v.nd);
    return NULL;
  }
  for (int i = 0; i < nd; i++) {
    if ((w.perm[i] = er_dim_of("permute", t, dims[i], nd, err)) < 0) return NULL;
    seen |= 1u << w.perm[i];
  }
  if (seen != (1u << nd) - 1) {
    er_tensor_refuse(err, "shape", "permute", 1, &t, "a dim was named twice");
    return NULL;
  }
  y = er_alias(t);
  for (int i = 0; i < nd; i++) {
    y->v.size[i] = t->v.size[w.perm[i]];
    y->v.stride[i] = t->v.stride[w.perm[i]];
  }
  return record(y, t, &permute_class, w);
}

er_tensor *er_tensor_transpose(er_tensor *t, int a, int b, er_err *err) {
  int dims[ER_DIMS];
  if ((a = er_dim_of("transpose", t, a, t->v.nd, err)) < 0 || (b = er_dim_of("transpose", t, b, t->v.nd, err)) < 0)
    return NULL;
  for (int i = 0; i < t->v.nd; i++) dims[i] = i == a ? b : i == b ? a : i;
  return er_tensor_permute(t, t->v.nd, dims, err);
}

er_tensor *er_tensor_narrow(er_tensor *t, int dim, int64_t start, int64_t length, er_err *err) {
  er_tensor *y;
  if ((dim = er_dim_of("narrow", t, dim, t->v.nd, err)) < 0) return NULL;
  if (t->v.nd == 0 || start < 0 || length < 0 || start > t->v.size[dim] - length) {
    er_tensor_refuse(err, "range", "narrow", 1, &t, "%lld elements of dim %d from element %lld on are not all there",
              (long long)length, dim + 1, (long long)start + 1);
    return NULL;
  }
  y = er_alias(t);
  y->v.data = (char *)t->v.data + start * t->v.stride[dim] * (int64_t)er_dtype_size(t->v.dtype);
  y->v.size[dim] = length;
  return record(y, t, &narrow_class, (window){.dim = dim, .start = start});
}

er_tensor *er_tensor_select(er_tensor *t, int dim, int64_t index, er_err *err) {
  er_tensor *y;
  if ((dim = er_dim_of("select", t, dim, t->v.nd, err)) < 0) return NULL;
  if (t->v.nd == 0 || index < 0 || index >= t->v.size[dim]) {
    er_tensor_refuse(err, "range", "select", 1, &t, "dim %d has no element %lld", dim + 1, (long long)index + 1);
    return NULL;
  }
  y = er_alias(t);
  y->v.data = (char *)t->v.data + index * t->v.stride[dim] * (int64_t)er_dtype_size(t->v.dtype);
  y->v.nd--;
  for (int i = dim; i < y->v.nd; i++) {
    y->v.size[i] = t->v.size[i + 1];
    y->v.stride[i] = t->v.stride[i + 1];
  }
  return record(y, t, &select_class, (window){.dim = dim, .start = index});
}

er_tensor *er_tensor_step(er_tensor *t, int dim, int64_t step, er_err *err) {
  er_tensor *y;
  if ((dim = er_dim_of("step", t, dim, t->v.nd, err)) < 0) return NULL;
  if (t->v.nd == 0 || step < 1) {
    er_tensor_refuse(err, "range", "step", 1, &t, "a step is at least 1, not %lld", (long long)step);
    return NULL;
  }
  y = er_alias(t);
  y->v.size[dim] = t->v.size[dim] > 0 ? (t->v.size[dim] - 1) / step + 1 : 0;
  y->v.stride[dim] = stepped(y->v.stride[dim], step, y->v.size[dim]);
  return record(y, t, &step_class, (window){.dim = dim, .step = step});
}

static er_tensor *too_many(const char *op, er_tensor *t, er_err *err) {
  if (er_tensor_home(t)->most <= 0) er_tensor_refuse(err, "range", op, 1, &t, "a view has at most 2^40 elements");
  else
    if (er_tensor_home(t)->most == 0) er_tensor_refuse(err, "range", op, 1, &t, "a view has at most 2^40 elements");
  else er_tensor_refuse(err, "range", op, 1, &t, "a view has at most %lld elements here, as many as there is memory for",
                        (long long)most_elements(t));
  return NULL;
}

er_tensor *er_tensor_expand(er_tensor *t, int nd, const int64_t *size, er_err *err) {
  int more = nd - t->v.nd;
  int64_t count = 1;
  bool over = false, empty = false;
  er_tensor *y;
  if (more < 0 || nd > ER_DIMS) {
    er_tensor_refuse(err, "shape", "expand", 1, &t, "it cannot have %d dims", nd);
    return NULL;
  }
  y = er_alias(t);
  y->v.nd = nd;
  for (int i = 0; i < nd; i++) {
    int64_t old = i < more ? 1 : t->v.size[i - more], want = size[i] == -1 ? old : size[i];
    if ((old != want && old != 1) || want < 0 || __builtin_mul_overflow(count, want > 0 ? want : 1, &count)) {
      er_tensor_unref(y);
      er_tensor_refuse(err, "shape", "expand", 1, &t,
                       "dim %d cannot have size %lld: only dims of size 1 are repeated, and elements must be countable",
                       i + 1, (long long)want);
      return NULL;
    }
    empty = empty || want == 0;
    over = count > most_elements(t);
    y->v.stride[i] = old != want || i < more ? 0 : t->v.stride[i - more];
    y->v.size[i] = want;
  }
  if (!over || empty) return record(y, t, &expand_class, (window){0});
  er_tensor_unref(y);
  return too_many("expand", t, err);
}

er_tensor *er_tensor_unsqueeze(er_tensor *t, int dim, er_err *err) {
  int64_t size[ER_DIMS], stride[ER_DIMS];
  int nd = t->v.nd + 1;
  if (nd > ER_DIMS) {
    er_tensor_refuse(err, "shape", "unsqueeze", 1, &t, "a tensor has at most %d dims", ER_DIMS);
    return NULL;
  }
  if ((dim = er_dim_of("unsqueeze", t, dim, nd, err)) < 0) return NULL;
  for (int i = 0, from = 0; i < nd; i++) {
    size[i] = i == dim ? 1 : t->v.size[from];
    stride[i] = i == dim ? (dim < t->v.nd ? t->v.stride[dim] * t->v.size[dim] : 1) : t->v.stride[from];
    from += i != dim;
  }
  return shaped(t, nd, size, stride);
}

er_tensor *er_tensor_squeeze(er_tensor *t, int dim, er_err *err) {
  if ((dim = er_dim_of("squeeze", t, dim, t->v.nd, err)) < 0) return NULL;
  if (t->v.nd == 0 || t->v.size[dim] != 1) return er_tensor_ref(t);
  return er_tensor_select(t, dim, 0, err);
}

/* (..., n, ...) becomes (..., windows, ..., size): windows of `size` elements, `step` apart. */
er_tensor *er_tensor_unfold(er_tensor *t, int dim, int64_t size, int64_t step, er_err *err) {
  er_tensor *y;
  if ((dim = er_dim_of("unfold", t, dim, t->v.nd, err)) < 0) return NULL;
  if (t->v.nd == 0 || t->v.nd == ER_DIMS || size < 1 || step < 1 || size > t->v.size[dim]) {
    er_tensor_refuse(err, "range", "unfold", 1, &t, "dim %d has no windows of %lld elements, %lld apart", dim + 1,
                     (long long)size, (long long)step);
    return NULL;
  }
  if ((double)er_tensor_count(t) * (double)size / (double)step > (double)most_elements(t))
    return too_many("unfold", t, err);
  y = er_alias(t);
  y->v.nd++;
  y->v.size[t->v.nd] = size;
  y->v.stride[t->v.nd] = t->v.stride[dim];
  y->v.size[dim] = (t->v.size[dim] - size) / step + 1;
  y->v.stride[dim] = stepped(y->v.stride[dim], step, y->v.size[dim]);
  return record(y, t, &unfold_class, (window){.dim = dim, .step = step});
}
