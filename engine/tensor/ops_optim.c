/* ops_optim.c - optimisers, and the norm of all gradients. */

#include <math.h>

#include "base/mem.h"
#include "tensor/ops.h"
#include "tensor/room.h"

static int check_state(const char *name, const er_state *s, er_tensor *t, er_err *err) {
  er_tensor *both[2] = {s->p, t};
  if (t == NULL) return 0;
  if (t->v.dtype != er_tensor_home(s->p)->backend->real || !er_same_shape(&t->v, &s->p->v) ||
      !er_view_contiguous(&t->v))
    return er_tensor_refuse(err, "shape", name, 2, both,
                            "its state must be f32, contiguous and of the parameter's shape");
  return 0;
}

static int check(const char *name, const er_state *s, bool second, er_err *err) {
  if (er_want_float(name, s->p, err) < 0) return -1;
  if (!er_view_contiguous(&s->p->v) || !er_view_contiguous(&s->p->grad->v))
    return er_tensor_refuse(err, "shape", name, 1, &s->p, "a parameter and its gradient must be contiguous");
  if (check_state(name, s, s->m, err) < 0 || check_state(name, s, s->v, err) < 0 ||
      check_state(name, s, s->master, err) < 0)
    return -1;
  if (second && (s->m == NULL || s->v == NULL))
    return er_tensor_refuse(err, "range", name, 1, &s->p, "its state has two moments");
  return 0;
}

static void *data(er_tensor *t) { return t != NULL ? t->v.data : NULL; }

/* Those of the list that have a gradient, as the kernels want them; NULL on failure.  *n is their number. */
static er_param *params(const char *name, const er_state *list, int *n, bool second, er_err *err) {
  er_param *out = er_calloc((size_t)*n + 1, sizeof *out);
  int used = 0;
  for (int i = 0; i < *n; i++) {
    const er_state *s = &list[i];
    if (s->p->grad == NULL) continue;
    if (check(name, s, second, err) < 0) {
      er_free(out);
      return NULL;
    }
    out[used++] = (er_param){s->p->v.data, s->p->grad->v.data, data(s->m), data(s->v), data(s->master), s->p->v.dtype,
                             s->p->grad->v.dtype, er_tensor_count(s->p)};
  }
  *n = used;
  return out;
}

static void bump_all(const er_state *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i].p->grad != NULL) er_bump(list[i].p);
}

int er_tensor_adamw(const er_state *list, int n, const er_adamw *h, er_err *err) {
  int used = n;
  er_param *ps = params("adamw", list, &used, true, err);
  if (ps == NULL) return -1;
  if (used > 0) {
    er_tensors *ts = er_tensor_home(list[0].p);
    ts->backend->adamw(ts->pool, ps, used, h);
    bump_all(list, n);
  }
  er_free(ps);
  return 0;
}

int er_tensor_sgd(const er_state *list, int n, const er_sgd *h, er_err *err) {
  int used = n;
  er_param *ps = params("sgd", list, &used, false, err);
  if (ps == NULL) return -1;
  if (used > 0) {
    er_tensors *ts = er_tensor_home(list[0].p);
    ts->backend->sgd(ts->pool, ps, used, h);
    bump_all(list, n);
  }
  er_free(ps);
  return 0;
}

/* ---- Muon ------------------------------------------------------------------------------------------ */

/* One step of x <- a x + (b A + c A A) x with A = x x^T (Jordan et al. 2024). */
static er_tensor *newton_schulz(er_tensor *x, er_err *err) {
  static const double a = 3.4445, b = -4.7750, c = 2.0315;
  er_tensor *t = er_tensor_transpose(x, 0, 1, err), *aa = NULL, *sq = NULL, *y = NULL;
  double p[4] = {c / b, 0, 0, 0};
  if (t != NULL) aa = er_tensor_matmul(x, t, err);
  if (aa != NULL) sq = er_tensor_matmul(aa, aa, err);
  if (sq != NULL) {
    er_run(ER_EW_ADD_SCALED, aa, 2, (er_tensor *[]){aa, sq}, p);          /* A + (c/b) A A */
    y = er_tensor_matmul(aa, x, err);
  }
  if (y != NULL) {
    p[0] = b;
    er_run(ER_EW_AFFINE, y, 1, &y, p);
    p[0] = a;
    er_run(ER_EW_ADD_SCALED, y, 2, (er_tensor *[]){y, x}, p);
  }
  er_tensor_unref(t);
  er_tensor_unref(aa);
  er_tensor_unref(sq);
  return y;
}

static er_tensor *orthogonal(er_tensor *g, int steps, er_err *err) {
  er_tensors *ts = er_tensor_home(g);
  bool tall = g->v.size[0] > g->v.size[1];
  const er_view *one[1];
  double p[4] = {0};
  er_tensor *x = er_cast(g, ts->backend->real, err), *y = x;
  if (x != NULL && tall) {
    er_tensor *t = er_tensor_transpose(x, 0, 1, err);
    er_tensor_unref(x);
    x = t != NULL ? er_packed(t, err) : NULL;
    er_tensor_unref(t);
  }
  if (x == NULL) return NULL;
  one[0] = &x->v;
  p[0] = 1 / (sqrt(ts->backend->sumsq(ts->pool, one, 1)) + 1e-7);
  if ((y = er_like(x, err)) != NULL) er_run(ER_EW_AFFINE, y, 1, &x, p);
  er_tensor_unref(x);
  for (int i = 0; i < steps && y != NULL; i++) {
    er_tensor *next = newton_schulz(y, err);
    er_tensor_unref(y);
    y = next;
  }
  if (y != NULL && tall) {
    x = er_tensor_transpose(y, 0, 1, err);
    er_tensor_unref(y);
    y = x;
  }
  return y;
}

er_tensor *er_tensor_orthogonal(er_tensor *g, int steps, er_err *err) {
  bool was = er_tensors_set_grad(er_tensor_home(g), false);
  er_tensor *y = NULL;
  if (g->v.nd != 2) er_tensor_refuse(err, "shape", "orthogonal", 1, &g, "only a matrix can be made orthogonal");
  else if (er_want_float("orthogonal", g, err) == 0) y = orthogonal(g, steps, err);
  er_tensors_set_grad(er_tensor_home(g), was);
  return y;
}

/* As the kernels of the others: the master copy goes on from weights that were written over since. */
static int follow(const er_state *s, er_err *err) {
  er_tensor *rounded, *changed;
  if (s->master == NULL) return 0;
  rounded = er_cast(s->master, s->p->v.dtype, err);
  changed = er_like_as(s->p, ER_U8, err);
  if (rounded != NULL && changed != NULL) {
    er_run(ER_EW_NE, changed, 2, (er_tensor *[]){rounded, s->p}, NULL);
    er_run(ER_EW_WHERE, s->master, 3, (er_tensor *[]){changed, s->p, s->master}, NULL);
  }
  er_tensor_unref(rounded);
  er_tensor_unref(changed);
  return rounded != NULL && changed != NULL ? 0 : -1;
}

/* m = momentum m + g; p <- (1 - lr decay) p - lr sqrt(max(1, rows/columns)) orthogonal(g + momentum m, or m). */
static int muon_one(const er_state *s, const er_muon *h, er_err *err) {
  er_tensor *g, *u, *w = s->master != NULL ? s->master : s->p;
  double p[4] = {h->momentum, 0, 0, 0}, ratio = (double)s->p->v.size[0] / (double)s->p->v.size[1];
  if (follow(s, err) < 0 || (g = er_like_as(s->p, s->m->v.dtype, err)) == NULL) return -1;
  er_run(ER_EW_AFFINE, s->m, 1, &s->m, p);
  p[0] = h->grad_scale;
  er_run(ER_EW_ADD_SCALED, s->m, 2, (er_tensor *[]){s->m, s->p->grad}, p);
  er_run(ER_EW_AFFINE, g, 1, &s->p->grad, p);
  p[0] = h->momentum;
  if (h->nesterov) er_run(ER_EW_ADD_SCALED, g, 2, (er_tensor *[]){g, s->m}, p);
  u = er_tensor_orthogonal(h->nesterov ? g : s->m, h->steps, err);
  er_tensor_unref(g);
  if (u == NULL) return -1;
  p[0] = 1 - h->lr * h->decay;
  er_run(ER_EW_AFFINE, w, 1, &w, p);
  p[0] = -h->lr * sqrt(ratio > 1 ? ratio : 1);
  er_run(ER_EW_ADD_SCALED, w, 2, (er_tensor *[]){w, u}, p);
  if (w != s->p) er_run(ER_EW_COPY, s->p, 1, &w, NULL);
  er_bump(s->p);
  er_tensor_unref(u);
  return 0;
}

int er_tensor_muon(const er_state *list, int n, const er_muon *h, er_err *err) {
  for (int i = 0; i < n; i++) {
    const er_state *s = &list[i];
    if (s->p->grad == NULL) continue;
    if (check("muon", s, false, err) < 0) return -1;
    if (s->p->v.nd != 2 || s->m == NULL)
      return er_tensor_refuse(err, "shape", "muon", 1, &s->p,
                              "it steps matrices, each with one moment; give other parameters to AdamW");
  }
  for (int i = 0; i < n; i++)
    if (list[i].p->grad != NULL && muon_one(&list[i], h, err) < 0) return -1;
  return 0;
}

/* ---- all gradients ------------------------------------------------------------------------------------- */

int er_tensor_grad_norm(er_tensor *const *list, int n, double *norm, er_err *err) {
  const er_view **views = er_calloc((size_t)n + 1, sizeof *views);
  er_tensors *ts = NULL;
  int used = 0;
  *norm = 0;
  for (int i = 0; i < n; i++) {
    er_tensor *t = list[i];
    if (t->grad == NULL) continue;
    ts = er_tensor_home(t);
    if (!er_view_contiguous(&t->grad->v)) {
      er_free(views);
      return er_tensor_refuse(err, "shape", "grad_norm", 1, &t, "its gradient is not contiguous");
    }
    views[used++] = &t->grad->v;
  }
  if (used > 0) *norm = sqrt(ts->backend->sumsq(ts->pool, views, used));
  er_free(views);
  return 0;
}

int er_tensor_scale_grads(er_tensor *const *list, int n, double by, er_err *err) {
  double p[4] = {by, 0, 0, 0};
  (void)err;
  for (int i = 0; i < n; i++)
    if (list[i]->grad != NULL) er_run(ER_EW_AFFINE, list[i]->grad, 1, &list[i]->grad, p);
  return 0;
}
