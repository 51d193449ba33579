/* tape.c - recording operators and walking back from a result to the leaves. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/room.h"

/* ---- nodes ------------------------------------------------------------------------------------ */

bool er_tensor_requires_grad(const er_tensor *t) { return t->requires_grad || t->node != NULL; }
bool er_tensor_is_leaf(const er_tensor *t) { return t->node == NULL; }

bool er_tape_wants(int n, er_tensor *const *xs) {
  for (int i = 0; i < n; i++)
    if (xs[i] != NULL && er_tensor_requires_grad(xs[i])) return er_tensor_home(xs[i])->grad;
  return false;
}

static er_edge edge_to(er_tensor *x) {
  er_edge e = {NULL, NULL};
  if (x == NULL || !er_tensor_requires_grad(x)) return e;
  if (x->node != NULL) {
    e.node = x->node;
    e.node->refs++;
  } else {
    e.leaf = er_tensor_ref(x);
  }
  return e;
}

er_node *er_tape_record(er_tensor *y, const er_grad_class *class, size_t ctx_size, int n, er_tensor *const *xs) {
  size_t head = (sizeof(er_node) + (size_t)n * sizeof(er_edge) + 15) & ~(size_t)15;
  er_node *node;
  if (!er_tape_wants(n, xs)) return NULL;
  node = er_calloc(1, head + ctx_size);
  node->class = class;
  node->name = class->name;
  node->home = er_tensor_home(y);
  node->refs = 1;
  node->seq = node->home->next_node++;
  node->shape = y->v;
  node->shape.data = NULL;
  node->n = n;
  node->edges = (er_edge *)(node + 1);
  node->ctx = (char *)node + head;
  for (int i = 0; i < n; i++) node->edges[i] = edge_to(xs[i]);
  y->node = node;
  return node;
}

static void drop_saved(er_node *n) {
  for (int i = 0; i < ER_SAVED; i++) {
    er_tensor_unref(n->saved[i].t);
    n->saved[i].t = NULL;
  }
}

/* Takes a node's edges; those whose last holder it was are put before `dead`.  A loop
 * instead of a recursion: a chain of operators may be longer than the stack is deep. */
static er_node *drop_edges(er_node *n, er_node *dead) {
  for (int i = 0; i < n->n; i++) {
    er_node *to = n->edges[i].node;
    er_tensor_unref(n->edges[i].leaf);
    if (to != NULL && --to->refs == 0) {
      to->dead = dead;
      dead = to;
    }
  }
  n->n = 0;
  return dead;
}

void er_node_unref(er_node *n) {
  if (n == NULL || --n->refs > 0) return;
  for (n->dead = NULL; n != NULL; ) {
    er_node *next = drop_edges(n, n->dead);
    drop_saved(n);
    er_tensor_unref(n->grad);
    if (n->class->free != NULL) n->class->free(n);
    er_free(n);
    n = next;
  }
}

void er_tape_save(er_node *n, int slot, er_tensor *t) {
  if (t == NULL) return;
  n->saved[slot].t = er_alias(t);
  n->saved[slot].version = t->storage->version;
}

er_tensor *er_tape_saved(er_node *n, int slot) { return n->saved[slot].t; }
bool er_tape_needs(const er_node *n, int i) { return n->edges[i].node != NULL || n->edges[i].leaf != NULL; }

/* ---- giving gradients ----------------------------------------------------------------------------- */

static const er_view *shape_of(const er_edge *e) { return e->node != NULL ? &e->node->shape : &e->leaf->v; }
static er_tensor **slot_of(const er_edge *e) { return e->node != NULL ? &e->node->grad : &e->leaf->grad; }

/* Leaves of bf16 accumulate in f32: many small gradients would be lost one by one. */
static er_dtype dtype_of(const er_edge *e) {
  er_dtype d = shape_of(e)->dtype;
  return e->leaf != NULL && d == ER_BF16 ? ER_F32 : d;
}

/* Does every element have a place of its own, the dims being those of a contiguous tensor in some order? */
static bool is_dense(const er_view *v) {
  int64_t step = 1;
  bool used[ER_DIMS] = {false};
  for (int left = v->nd; left > 0; left--) {
    int at = -1;
    for (int i = v->nd - 1; i >= 0 && at < 0; i--)
      if (!used[i] && (v->size[i] == 1 || v->stride[i] == step)) at = i;
    if (at < 0) return false;
    used[at] = true;
    step *= v->size[at];
  }
  return true;
}

/* May the gradient in a slot be added to in place?  A leaf's always: it is what the owner sees. */
static bool is_ours(const er_edge *e, const er_tensor *g) {
  return is_dense(&g->v) && (e->leaf != NULL || (g->refs == 1 && g->storage->refs == 1));
}

/* g in the shape and dtype of the input; takes g. */
static er_tensor *fit(const er_edge *e, er_tensor *g, er_err *err) {
  const er_view *want = shape_of(e);
  er_tensor *t = g;
  if (!er_same_shape(&g->v, want)) {
    t = er_sum_to(g, want->nd, want->size, err);
    er_tensor_unref(g);
    if (t == NULL) return NULL;
  }
  if (t->v.dtype == dtype_of(e)) return t;
  g = er_cast(t, dtype_of(e), err);
  er_tensor_unref(t);
  return g;
}

/* The first gradient of a leaf becomes its own: nothing else may see it change later. */
static er_tensor *own(const er_edge *e, er_tensor *g, er_err *err) {
  er_tensor *copy;
  if (e->leaf == NULL || (g->refs == 1 && g->storage->refs == 1 && er_tensor_contiguous(g))) return g;
  if ((copy = er_like(g, err)) != NULL) er_run(ER_EW_COPY, copy, 1, &g, NULL);
  er_tensor_unref(g);
  return copy;
}

static int add_to(const er_edge *e, er_tensor **slot, er_tensor *g, er_err *err) {
  er_tensor *both[2] = {*slot, g}, *sum = *slot;
  if (!is_ours(e, *slot) && (sum = er_like(g, err)) == NULL) {
    er_tensor_unref(g);
    return -1;
  }
  er_run(ER_EW_ADD, sum, 2, both, NULL);
  if (sum != *slot) {
    er_tensor_unref(*slot);
    *slot = sum;
  }
  er_tensor_unref(g);
  return 0;
}

int er_tape_give(er_node *n, int i, er_tensor *g, er_err *err) {
  er_edge *e = &n->edges[i];
  er_tensor **slot;
  if (g == NULL) return -1;
  if (!er_tape_needs(n, i)) {
    er_tensor_unref(g);
    return 0;
  }
  slot = slot_of(e);
  if (*slot == g) {                                          /* was built where it belongs */
    er_tensor_unref(g);
    return 0;
  }
  if ((g = fit(e, g, err)) == NULL) return -1;
  if (*slot != NULL) return add_to(e, slot, g, err);
  if ((g = own(e, g, err)) == NULL) return -1;
  *slot = g;
  return 0;
}

er_tensor *er_tape_slot(er_node *n, int i, bool *accumulate, er_err *err) {
  er_edge *e = &n->edges[i];
  er_tensor *g = *slot_of(e);
  const er_view *want = shape_of(e);
  *accumulate = g != NULL && is_ours(e, g) && er_tensor_contiguous(g);
  if (*accumulate) return er_tensor_ref(g);
  return er_make(n->home, dtype_of(e), want->nd, want->size, err);
}

/* In the order of memory that the input has: what views made of a contiguous tensor then leads back to one. */
er_tensor *er_tape_slot_viewed(er_node *n, int i, er_err *err) {
  er_edge *e = &n->edges[i];
  er_tensor *g = *slot_of(e);
  const er_view *want = shape_of(e);
  if (g != NULL && is_ours(e, g)) return er_tensor_ref(g);
  if ((g = er_make(n->home, dtype_of(e), want->nd, want->size, err)) == NULL) return NULL;
  n->home->backend->fill(n->home->pool, &g->v, 0);
  if (e->node != NULL && is_dense(want)) memcpy(g->v.stride, want->stride, sizeof want->stride);
  return g;
}

er_tensor *er_tape_slot_zeroed(er_node *n, int i, er_err *err) {
  bool there;
  er_tensor *g = er_tape_slot(n, i, &there, err);
  if (g != NULL && !there) n->home->backend->fill(n->home->pool, &g->v, 0);
  return g;
}

/* ---- leaves -------------------------------------------------------------------------------------------- */

int er_tensor_set_requires_grad(er_tensor *t, bool on, er_err *err) {
  if (t->node != NULL)
    return er_tensor_refuse(err, "grad", "requires_grad", 1, &t,
                            "it is the result of %s; only a leaf can be asked (use :detach())", t->node->name);
  if (on && er_want_float("requires_grad", t, err) < 0) return -1;
  t->requires_grad = on;
  return 0;
}

er_tensor *er_tensor_grad(const er_tensor *t) { return t->grad; }

int er_tensor_set_grad(er_tensor *t, er_tensor *grad, er_err *err) {
  er_tensor *both[2] = {t, grad};
  if (grad != NULL && !er_same_shape(&t->v, &grad->v))
    return er_tensor_refuse(err, "shape", "grad", 2, both, "a gradient has the shape of its tensor");
  if (grad != NULL && er_want_float("grad", grad, err) < 0) return -1;
  if (grad != NULL) grad = er_alias(grad);                   /* on no tape, and never t itself */
  er_tensor_unref(t->grad);
  t->grad = grad;
  return 0;
}

er_tensor *er_tensor_detach(er_tensor *t) { return er_alias(t); }

int er_writable(const char *op, er_tensor *t, er_err *err) {
  if (!er_tensor_requires_grad(t) || !er_tensor_home(t)->grad) return 0;
  return er_tensor_refuse(
      err, "grad", op, 1, &t,
      "it takes part in gradients and cannot be changed in place; do it inside no_grad, or without the underscore");
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

typedef struct { er_node **list; size_t n, cap; } nodes;

static void push(nodes *s, er_node *n) {
  if (s->n == s->cap) {
    s->cap = s->cap > 0 ? s->cap * 2 : 64;
    s->list = er_realloc(s->list, s->cap * sizeof *s->list);
  }
  s->list[s->n++] = n;
}

static int later_first(const void *a, const void *b) {
  const er_node *x = *(er_node *const *)a, *y = *(er_node *const *)b;
  return x->seq < y->seq ? 1 : -1;
}

/* Every node below the root, each held, the latest first. */
static nodes below(er_node *root, uint64_t walk) {
  nodes all = {0}, open = {0};
  push(&open, root);
  root->walk = walk;
  while (open.n > 0) {
    er_node *n = open.list[--open.n];
    n->refs++;
    push(&all, n);
    for (int i = 0; i < n->n; i++) {
      er_node *to = n->edges[i].node;
      if (to == NULL || to->walk == walk) continue;
      to->walk = walk;
      push(&open, to);
    }
  }
  er_free(open.list);
  qsort(all.list, all.n, sizeof *all.list, later_first);
  return all;
}

static int check_saved(const er_node *n, er_err *err) {
  for (int i = 0; i < ER_SAVED; i++) {
    er_tensor *t = n->saved[i].t;
    if (t != NULL && t->storage->version != n->saved[i].version)
      return er_tensor_refuse(err, "grad", "backward", 1, &t,
                       "this tensor, which %s needs for its gradient, was changed in place since", n->name);
  }
  return 0;
}

static int run_node(er_node *n, er_err *err) {
  er_tensor *dy = n->grad;
  int rc;
  if (dy == NULL) return 0;
  if (n->spent || n->running)
    return er_fail(err, "grad", "backward: the gradient of %s was computed before and what it needed is gone; run the "
                                "forward pass again, or add the losses and call backward once", n->name);
  n->grad = NULL;
  rc = check_saved(n, err);
  n->running = true;
  if (rc == 0) rc = n->class->backward(n, dy, err);
  if (rc == 0 && er_tensors_broken(n->home, n->name, err)) rc = -1;
  n->running = false;
  er_tensor_unref(dy);
  return rc;
}

/* A node that has run keeps nothing: memory falls as the walk goes on.  The nodes below
 * are held by the walk's list, so none of them goes here. */
static void retire(er_node *n) {
  if (n->running) return;                                    /* backward in its recomputation: it goes on later */
  n->spent = true;
  drop_saved(n);
  er_tensor_unref(n->grad);
  n->grad = NULL;
  drop_edges(n, NULL);
}

static int walk_back(er_tensors *ts, er_node *root, er_tensor *dy, er_err *err) {
  bool was = er_tensors_set_grad(ts, false);
  nodes all = below(root, ++ts->next_walk);
  int rc = 0;
  er_tensor_unref(root->grad);
  root->grad = dy;
  for (size_t i = 0; i < all.n; i++) {
    if (rc == 0) rc = run_node(all.list[i], err);
    retire(all.list[i]);
    er_node_unref(all.list[i]);
  }
  er_free(all.list);
  er_tensors_set_grad(ts, was);
  return rc;
}

int er_tensor_backward(er_tensor *t, er_tensor *dy, er_err *err) {
  er_tensor *both[2] = {t, dy}, *start;
  if (!er_tensor_requires_grad(t))
    return er_tensor_refuse(err, "grad", "backward", 1, &t,
                            "nothing it was made of requires a gradient, or it was made inside no_grad");
  if (dy == NULL && er_tensor_count(t) != 1)
    return er_tensor_refuse(err, "grad", "backward", 1, &t,
                            "only a tensor of one element can start; sum it, or give its gradient");
  if (dy != NULL && !er_same_shape(&t->v, &dy->v))
    return er_tensor_refuse(err, "shape", "backward", 2, both, "a gradient has the shape of its tensor");
  start = dy != NULL ? er_cast(dy, t->v.dtype, err)
                     : er_tensor_full(er_tensor_home(t), t->v.dtype, t->v.nd, t->v.size, 1, err);
  if (start == NULL) return -1;
  if (t->node != NULL) return walk_back(er_tensor_home(t), t->node, start, err);
  er_node self = {.home = er_tensor_home(t), .n = 1, .edges = (er_edge[]){{NULL, t}}};    /* a leaf: d t / d t */
  return er_tape_give(&self, 0, start, err);
}

/* ---- recomputation --------------------------------------------------------------------------------------------- */

typedef struct {
  er_checkpoint_run run;
  void (*free_ud)(void *);
  void *ud;
  int n;
  er_key random;
  er_tensor **xs;                /* detached inputs, which are all that is kept */
  uint32_t *versions;
} recompute;

static int checkpoint_backward(er_node *n, er_tensor *dy, er_err *err) {
  recompute *c = n->ctx;
  er_key now = n->home->random;
  er_tensor *y;
  int rc = -1;
  for (int i = 0; i < c->n; i++) {
    if (c->xs[i]->storage->version != c->versions[i])
      return er_tensor_refuse(err, "grad", "checkpoint", 1, &c->xs[i], "this input was changed in place since");
    c->xs[i]->requires_grad = er_tape_needs(n, i);
  }
  er_tensors_set_grad(n->home, true);
  n->home->random = c->random;                              /* dropout draws what it drew before */
  y = c->run(c->ud, c->xs, c->n, err);
  n->home->random = now;
  if (y != NULL) rc = er_tensor_requires_grad(y) ? er_tensor_backward(y, dy, err) : 0;
  er_tensors_set_grad(n->home, false);
  er_tensor_unref(y);
  for (int i = 0; rc == 0 && i < c->n; i++)
    if (er_tape_needs(n, i) && c->xs[i]->grad != NULL) rc = er_tape_give(n, i, er_tensor_ref(c->xs[i]->grad), err);
  return rc;
}

static void checkpoint_free(er_node *n) {
  recompute *c = n->ctx;
  for (int i = 0; i < c->n; i++) er_tensor_unref(c->xs[i]);
  er_free(c->xs);
  er_free(c->versions);
  if (c->free_ud != NULL) c->free_ud(c->ud);
}

er_tensor *er_tensor_checkpoint(er_tensors *ts, er_checkpoint_run run, void (*free_ud)(void *), void *ud,
                                er_tensor **xs, int n, er_err *err) {
  static const er_grad_class class = {"checkpoint", checkpoint_backward, checkpoint_free};
  er_key before = ts->random;
  bool was = er_tensors_set_grad(ts, false);
  er_tensor *inner = run(ud, xs, n, err), *y = inner != NULL ? er_alias(inner) : NULL;
  er_node *node;
  er_tensors_set_grad(ts, was);
  er_tensor_unref(inner);
  if (y == NULL || !was) {
    if (free_ud != NULL) free_ud(ud);
    return y;
  }
  /* What fn closes over may want gradients though no input does: the node is made in any case. */
  er_tensor *anchor = er_make(ts, y->v.dtype, 0, NULL, err);
  if (anchor == NULL) {
    er_tensor_unref(y);
    if (free_ud != NULL) free_ud(ud);
    return NULL;
  }
  anchor->requires_grad = true;
  er_tensor **all = er_calloc((size_t)n + 1, sizeof *all);
  memcpy(all, xs, (size_t)n * sizeof *xs);
  all[n] = anchor;
  node = er_tape_record(y, &class, sizeof(recompute), n + 1, all);
  er_tensor_unref(anchor);
  recompute *c = node->ctx;
  *c = (recompute){run, free_ud, ud, n, before, all, er_calloc((size_t)n + 1, sizeof(uint32_t))};
  for (int i = 0; i < n; i++) {
    c->versions[i] = xs[i]->storage->version;
    c->xs[i] = er_alias(xs[i]);
  }
  return y;
}
