/* tensor_kit.h - what the tests of the tensor room share: two engines, one of them
 * in f64, and the check that every operator has to pass. */
#ifndef TENSOR_KIT_H
#define TENSOR_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/ops.h"
#include "tensor/tensor.h"

extern const er_backend er_kernel_f64_table;

enum { KIT_INPUTS = 5 };

static inline er_tensors *kit_engine(int threads, bool f64) {
  return er_tensors_open(
      &(er_tensors_options){.threads = threads, .seed = 1, .backend = f64 ? &er_kernel_f64_table : NULL});
}

static inline er_tensor *kit_must(er_tensor *t, const er_err *err) {
  if (t == NULL) fail_msg("%s: %s", err->code, err->msg);
  return t;
}

static inline int64_t kit_count(int nd, const int64_t *size) {
  int64_t n = 1;
  for (int i = 0; i < nd; i++) n *= size[i];
  return n;
}

/* Numbers that f32 holds exactly, so that both engines see the same. */
static inline double kit_number(er_rng *r, double lo, double hi) {
  return (double)(float)(lo + (hi - lo) * er_rng_unit(r));
}

static inline er_tensor *kit_tensor(er_tensors *ts, er_dtype d, int nd, const int64_t *size, const double *values) {
  er_err err;
  er_tensor *t = kit_must(er_tensor_empty(ts, ER_F32, nd, size, &err), &err), *y;
  int64_t n = kit_count(nd, size);
  if (d == ER_F64) {
    er_tensor_unref(t);
    return kit_must(er_tensor_from(ts, ER_F64, nd, size, values, &err), &err);
  }
  for (int64_t i = 0; i < n; i++) ((float *)er_tensor_view_of(t)->data)[i] = (float)values[i];
  y = kit_must(er_tensor_to(t, d, &err), &err);
  er_tensor_unref(t);
  return y;
}

/* The elements of t in order, whatever its strides and dtype; the caller frees. */
static inline double *kit_values(const er_tensor *t) {
  const er_view *v = er_tensor_view_of(t);
  int64_t n = er_tensor_count(t), index[ER_DIMS] = {0};
  double *out = malloc((size_t)(n + 1) * sizeof *out);
  for (int64_t i = 0; i < n; i++) {
    out[i] = er_tensor_get(t, index);
    for (int d = v->nd - 1; d >= 0 && ++index[d] == v->size[d]; d--) index[d] = 0;
  }
  return out;
}

static inline double kit_rel(const double *got, const double *want, int64_t n, double floor) {
  double diff = 0, norm = 0;
  for (int64_t i = 0; i < n; i++) {
    diff += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return sqrt(diff) / (sqrt(norm) + floor);
}

/* ---- an operator, as a test sees it ------------------------------------------------------------- */

typedef er_tensor *(*kit_fn)(er_tensors *ts, er_tensor **x, er_err *err);

typedef struct {
  const char *name;
  kit_fn fn;
  int n;                                     /* inputs */
  struct { int nd; int64_t size[4]; } in[KIT_INPUTS];
  double lo, hi;                             /* of the inputs; 0, 0: -2 to 2 */
  double k;                                  /* how many numbers a result adds up, where they are more than 1,000 */
  bool picks;                                /* chooses elements: bf16 has ties where f32 has none */
} kit_case;

typedef struct { int n; double *y, *g[KIT_INPUTS]; int64_t ny, ng[KIT_INPUTS]; double loss; } kit_result;

static inline void kit_free(kit_result *r) {
  free(r->y);
  for (int i = 0; i < r->n; i++) free(r->g[i]);
}

/* One line of a table: name, function, number of inputs, their shapes; where they lie; that it picks elements. */
#define CASE(name_, fn_, n_, ...) {.name = name_, .fn = fn_, .n = n_, .in = {__VA_ARGS__}}
#define WITHIN(lo_, hi_, name_, fn_, n_, ...) {.name = name_, .fn = fn_, .n = n_, .in = {__VA_ARGS__}, .lo = lo_, .hi = hi_}
#define ADDING(k_, lo_, hi_, name_, fn_, n_, ...) \
  {.name = name_, .fn = fn_, .n = n_, .in = {__VA_ARGS__}, .lo = lo_, .hi = hi_, .k = k_}
#define PICKS(name_, fn_, n_, ...) {.name = name_, .fn = fn_, .n = n_, .in = {__VA_ARGS__}, .picks = true}

/* y = fn(inputs), loss = sum(y * w) for fixed w, and all gradients. */
static inline kit_result kit_run(er_tensors *ts, er_dtype d, const kit_case *c, double *const *inputs, bool grads) {
  er_err err;
  er_tensor *x[KIT_INPUTS], *y, *w, *wy, *loss;
  kit_result r = {.n = c->n};
  er_rng rng;
  double *weights;
  for (int i = 0; i < c->n; i++) {
    x[i] = kit_tensor(ts, d, c->in[i].nd, c->in[i].size, inputs[i]);
    if (grads) assert_int_equal(er_tensor_set_requires_grad(x[i], true, &err), 0);
  }
  if ((y = c->fn(ts, x, &err)) == NULL) fail_msg("%s: %s", c->name, err.msg);
  r.ny = er_tensor_count(y);
  r.y = kit_values(y);
  er_rng_seed(&rng, 2, "weights");
  weights = malloc((size_t)(r.ny + 1) * sizeof *weights);
  for (int64_t i = 0; i < r.ny; i++) {
    weights[i] = kit_number(&rng, -1, 1);
    r.loss += weights[i] * r.y[i];
  }
  if (grads) {
    const er_view *v = er_tensor_view_of(y);
    w = kit_tensor(ts, d, v->nd, v->size, weights);
    wy = kit_must(er_tensor_binary(ER_EW_MUL, y, w, 0, &err), &err);
    loss = kit_must(er_tensor_reduce(ER_SUM, wy, 0, false, &err), &err);
    if (er_tensor_backward(loss, NULL, &err) < 0) fail_msg("%s: %s", c->name, err.msg);
    er_tensor_unref(loss);
    er_tensor_unref(wy);
    er_tensor_unref(w);
  }
  er_tensor_unref(y);
  free(weights);
  for (int i = 0; i < c->n; i++) {
    r.ng[i] = er_tensor_count(x[i]);
    r.g[i] = grads && er_tensor_grad(x[i]) != NULL ? kit_values(er_tensor_grad(x[i]))
                                                   : calloc((size_t)r.ng[i] + 1, sizeof(double));
    er_tensor_unref(x[i]);
  }
  return r;
}

static inline double *const *kit_inputs(const kit_case *c, double **out) {
  er_rng rng;
  double lo = c->lo == 0 && c->hi == 0 ? -2 : c->lo, hi = c->lo == 0 && c->hi == 0 ? 2 : c->hi;
  er_rng_seed(&rng, 1, c->name);
  for (int i = 0; i < c->n; i++) {
    int64_t n = kit_count(c->in[i].nd, c->in[i].size);
    out[i] = malloc((size_t)(n + 1) * sizeof **out);
    for (int64_t k = 0; k < n; k++) out[i][k] = kit_number(&rng, lo, hi);
  }
  return out;
}

/* The f64 gradients against central differences, at up to 10 places of each input. */
static inline void kit_differences(er_tensors *ts, const kit_case *c, double *const *in, const kit_result *r) {
  const double h = 1e-5;
  for (int i = 0; i < c->n; i++) {
    double most = 1e-3, step = (double)(r->ng[i] > 10 ? r->ng[i] / 10 : 1);
    for (int64_t k = 0; k < r->ng[i]; k++) most = fabs(r->g[i][k]) > most ? fabs(r->g[i][k]) : most;
    for (double at = 0; at < (double)r->ng[i]; at += step) {
      int64_t k = (int64_t)at;
      double was = in[i][k], up, down, got;
      in[i][k] = was + h;
      kit_result a = kit_run(ts, ER_F64, c, in, false);
      in[i][k] = was - h;
      kit_result b = kit_run(ts, ER_F64, c, in, false);
      in[i][k] = was;
      up = a.loss;
      down = b.loss;
      kit_free(&a);
      kit_free(&b);
      got = (up - down) / (2 * h);
      if (!(fabs(got - r->g[i][k]) <= 1e-6 * most))
        fail_msg("%s: gradient of input %d at %lld is %.12g, by differences %.12g", c->name, i, (long long)k,
                 r->g[i][k], got);
    }
  }
}

static inline void kit_compare(const char *what, const kit_case *c, const kit_result *got, const kit_result *want,
                               double bar) {
  double e = kit_rel(got->y, want->y, want->ny, 1e-6);
  if (!(e <= bar)) fail_msg("%s: the result of %s is off by %g (bar %g)", c->name, what, e, bar);
  for (int i = 0; i < c->n; i++) {
    e = kit_rel(got->g[i], want->g[i], want->ng[i], 1e-5);
    if (!(e <= bar)) fail_msg("%s: gradient %d of %s is off by %g (bar %g)", c->name, i, what, e, bar);
  }
}

static inline void kit_same(const char *what, const kit_case *c, const kit_result *a, const kit_result *b) {
  bool same = memcmp(a->y, b->y, (size_t)a->ny * sizeof *a->y) == 0;
  for (int i = 0; i < c->n; i++) same = same && memcmp(a->g[i], b->g[i], (size_t)a->ng[i] * sizeof *a->g[i]) == 0;
  if (!same) fail_msg("%s: %s give different bits", c->name, what);
}

/* An element that a kernel leaves as it was would be a NaN, whether the engine zeroes or not, with a tape and without. */
static inline void kit_soil(const kit_case *c, double *const *in, const kit_result *want) {
  for (int zeroed = 0; zeroed < 2; zeroed++) {
    er_tensors *ts = kit_engine(1, false);
    er_tensors_set_zeroed(ts, zeroed);
    er_tensors_set_soiled(ts, true);
    kit_result got = kit_run(ts, ER_F32, c, in, true), bare = kit_run(ts, ER_F32, c, in, false);
    kit_same("clean storage and soiled", c, &got, want);
    kit_same("a tape and none", &(kit_case){.name = c->name}, &bare, want);
    kit_free(&got);
    kit_free(&bare);
    er_tensors_close(ts);
  }
}

/* The whole check: f64 against differences, f32 against f64, bf16 roughly, one thread against three bit for bit. */
static inline void kit_check(const kit_case *c) {
  double *in[KIT_INPUTS] = {NULL}, longer = sqrt(c->k > 1000 ? c->k / 1000 : 1);
  er_tensors *f64 = kit_engine(1, true), *one = kit_engine(1, false), *three = kit_engine(3, false);
  kit_inputs(c, in);
  kit_result want = kit_run(f64, ER_F64, c, in, true), got = kit_run(one, ER_F32, c, in, true),
             again = kit_run(three, ER_F32, c, in, true);
  kit_differences(f64, c, in, &want);
  kit_compare("f32", c, &got, &want, 1e-6 * longer);
  kit_same("one and three threads", c, &got, &again);
  kit_soil(c, in, &got);
  kit_result half = kit_run(one, ER_BF16, c, in, true);
  if (!c->picks) kit_compare("bf16", c, &half, &want, 3e-2 * longer);
  kit_free(&want);
  kit_free(&got);
  kit_free(&again);
  kit_free(&half);
  for (int i = 0; i < c->n; i++) free(in[i]);
  er_tensors *engines[] = {f64, one, three};
  for (int i = 0; i < 3; i++) {
    if (er_tensors_memory_of(engines[i]).tensors > 4)
      fail_msg("%s: %lld storages are left", c->name, (long long)er_tensors_memory_of(engines[i]).tensors);
    er_tensors_close(engines[i]);
  }
}

/* ---- without memory ------------------------------------------------------------------------------ */

/* For what a test's function makes besides calling the operator: that memory is always there. */
static inline er_tensor *kit_ids(er_tensors *ts, int nd, const int64_t *size, int64_t classes) {
  int64_t left = er_tensors_refuse_at(ts, 0), n = kit_count(nd, size);
  er_err err;
  er_tensor *t = kit_must(er_tensor_empty(ts, ER_I32, nd, size, &err), &err);
  for (int64_t i = 0; i < n; i++) ((int32_t *)er_tensor_view_of(t)->data)[i] = (int32_t)(i * i % classes);
  er_tensors_refuse_at(ts, left);
  return t;
}

/* Forward and backward with the n-th storage refused; true where it came to that. */
static inline bool kit_refused(er_tensors *ts, const kit_case *c, double *const *inputs, int64_t n) {
  er_err err = {"", ""};
  er_tensor *x[KIT_INPUTS], *y, *dy;
  int rc = 0;
  bool met;
  for (int i = 0; i < c->n; i++) {
    x[i] = kit_tensor(ts, ER_F32, c->in[i].nd, c->in[i].size, inputs[i]);
    assert_int_equal(er_tensor_set_requires_grad(x[i], true, &err), 0);
  }
  er_tensors_refuse_at(ts, n);
  if ((y = c->fn(ts, x, &err)) != NULL) {
    int64_t left = er_tensors_refuse_at(ts, 0);
    dy = kit_must(er_tensor_full(ts, ER_F32, er_tensor_view_of(y)->nd, er_tensor_view_of(y)->size, 1, &err), &err);
    er_tensors_refuse_at(ts, left);
    rc = er_tensor_backward(y, dy, &err);
    er_tensor_unref(dy);
  }
  met = er_tensors_refuse_at(ts, 0) == 0;
  if ((y == NULL || rc < 0) != met || (met && strcmp(err.code, "memory") != 0))
    fail_msg("%s: refused storage %lld: %s, %s", c->name, (long long)n, err.code, err.msg);
  er_tensor_unref(y);
  for (int i = 0; i < c->n; i++) er_tensor_unref(x[i]);
  return met;
}

/* Whichever storage is refused, the operator says so and leaves nothing behind. */
static inline void kit_starve(const kit_case *c) {
  er_tensors *ts = kit_engine(1, false);
  double *in[KIT_INPUTS] = {NULL};
  int64_t n = 1;
  kit_inputs(c, in);
  while (kit_refused(ts, c, in, n)) {
    n++;
    if (er_tensors_memory_of(ts).tensors > 4)
      fail_msg("%s: %lld storages are left", c->name, (long long)er_tensors_memory_of(ts).tensors);
  }
  if (n == 1) fail_msg("%s: asked for no storage", c->name);
  for (int i = 0; i < c->n; i++) free(in[i]);
  er_tensors_close(ts);
}

/* With no memory for any kernel's scratch: the operator says so or needs none, and is right as soon as there is some. */
static inline void kit_cramp(const kit_case *c) {
  er_tensors *ts = kit_engine(3, false);
  er_err err = {"", ""};
  double *in[KIT_INPUTS] = {NULL};
  er_tensor *x[KIT_INPUTS], *y;
  kit_inputs(c, in);
  er_pool_set_most(er_tensors_pool(ts), 1);
  for (int i = 0; i < c->n; i++) {
    x[i] = kit_tensor(ts, ER_F32, c->in[i].nd, c->in[i].size, in[i]);
    assert_int_equal(er_tensor_set_requires_grad(x[i], true, &err), 0);
  }
  y = c->fn(ts, x, &err);
  if (er_tensors_broken(ts, c->name, &err)) {
    assert_string_equal(err.code, "memory");
    assert_int_equal(strncmp(err.msg, c->name, strlen(c->name)), 0);
  } else {
    er_tensor *dy = kit_must(er_tensor_full(ts, ER_F32, er_tensor_view_of(y)->nd, er_tensor_view_of(y)->size, 1, &err), &err);
    if (er_tensor_backward(y, dy, &err) < 0) assert_string_equal(err.code, "memory");
    er_tensor_unref(dy);
  }
  assert_false(er_pool_is_broken(er_tensors_pool(ts)));
  er_tensor_unref(y);
  for (int i = 0; i < c->n; i++) {
    er_tensor_unref(x[i]);
    free(in[i]);
  }
  er_tensors_close(ts);
}

#endif
