/* tensor.c - engines and tensors: dtypes, shapes, creation, single elements. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/kernels/kernel.h"
#include "tensor/room.h"

/* ---- the engine ------------------------------------------------------------------------------ */

er_tensors *er_tensors_open(const er_tensors_options *opt) {
  er_tensors *ts = er_calloc(1, sizeof *ts);
  ts->backend = opt->backend != NULL ? opt->backend : er_backend_cpu();
  ts->pool = er_pool_open(opt->threads);
  ts->grad = true;
  ts->zeroed = opt->zeroed;
  ts->most = opt->most;
  ts->random.seed = (uint64_t)opt->seed;
  ts->dnnl_looked = opt->own_products;
  return ts;
}

void er_tensors_close(er_tensors *ts) {
  if (ts == NULL) return;
  for (int i = 0; i < ER_ANGLES; i++) er_tensor_unref(ts->angles[i].table);
  er_dnnl_close(ts);
  er_tensors_trim(ts);
  er_pool_close(ts->pool);
  er_free(ts);
}

const er_backend *er_tensors_backend(const er_tensors *ts) { return ts->backend; }
er_pool *er_tensors_pool(const er_tensors *ts) { return ts->pool; }
er_tensors_memory er_tensors_memory_of(const er_tensors *ts) { return ts->memory; }
void er_tensors_set_zeroed(er_tensors *ts, bool zeroed) { ts->zeroed = zeroed; }
void er_tensors_set_soiled(er_tensors *ts, bool soiled) { ts->soiled = soiled; }
er_key er_tensors_random(const er_tensors *ts) { return ts->random; }
void er_tensors_set_random(er_tensors *ts, er_key key) { ts->random = key; }
bool er_tensors_grad(const er_tensors *ts) { return ts->grad; }

er_key er_tensors_draw(er_tensors *ts) {
  er_key key = ts->random;
  ts->random.call++;
  return key;
}

bool er_tensors_set_grad(er_tensors *ts, bool on) {
  bool was = ts->grad;
  ts->grad = on;
  return was;
}

/* ---- dtypes ------------------------------------------------------------------------------------ */

static const struct { const char *name; er_dtype d; } names[] = {
  {"f32", ER_F32}, {"bf16", ER_BF16}, {"i32", ER_I32}, {"u16", ER_U16}, {"u8", ER_U8}, {"f64", ER_F64},
  {"float32", ER_F32}, {"bfloat16", ER_BF16}, {"int32", ER_I32}, {"uint16", ER_U16}, {"uint8", ER_U8},
  {"float", ER_F32}, {"int", ER_I32}, {"bool", ER_U8},
};

const char *er_dtype_name(er_dtype d) { return names[d].name; }

int er_dtype_of(const char *name) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i].name, name) == 0) return (int)names[i].d;
  return -1;
}

size_t er_dtype_size(er_dtype d) { return er_size_of(d); }
bool er_dtype_is_float(er_dtype d) { return d == ER_F32 || d == ER_BF16 || d == ER_F64; }

/* The dtype of a result: floats win over integers, the wider wins. */
er_dtype er_promote(er_dtype a, er_dtype b) {
  static const int rank[ER_DTYPES] = {[ER_U8] = 0, [ER_U16] = 1, [ER_I32] = 2, [ER_BF16] = 3, [ER_F32] = 4, [ER_F64] = 5};
  return rank[a] >= rank[b] ? a : b;
}

/* ---- words -------------------------------------------------------------------------------------- */

void er_tensor_describe(er_buf *out, const er_tensor *t) {
  er_buf_char(out, '(');
  for (int i = 0; i < t->v.nd; i++) er_buf_fmt(out, i > 0 ? ", %lld" : "%lld", (long long)t->v.size[i]);
  er_buf_fmt(out, ") %s", er_dtype_name(t->v.dtype));
}

int er_tensor_refuse(er_err *err, const char *code, const char *op, int n, er_tensor *const *xs, const char *fmt, ...) {
  er_buf text = {0};
  va_list ap;
  char why[512];
  va_start(ap, fmt);
  vsnprintf(why, sizeof why, fmt, ap);
  va_end(ap);
  for (int i = 0; i < n && i < 6; i++) {
    if (xs[i] == NULL) continue;
    er_buf_str(&text, text.len > 0 ? " and " : " of ");
    er_tensor_describe(&text, xs[i]);
  }
  er_fail(err, code, "%s%s: %s", op, er_buf_cstr(&text), why);
  er_buf_free(&text);
  return -1;
}

/* ---- shapes --------------------------------------------------------------------------------------- */

int64_t er_tensor_count(const er_tensor *t) { return er_view_count(&t->v); }
const er_view *er_tensor_view_of(const er_tensor *t) { return &t->v; }
er_tensors *er_tensor_home(const er_tensor *t) { return t->storage->home; }
size_t er_tensor_bytes(const er_tensor *t) { return (size_t)er_tensor_count(t) * er_size_of(t->v.dtype); }
bool er_tensor_contiguous(const er_tensor *t) { return er_view_contiguous(&t->v); }
void er_bump(er_tensor *t) { t->storage->version++; }

bool er_view_contiguous(const er_view *v) {
  int64_t step = 1;
  for (int i = v->nd - 1; i >= 0; i--) {
    if (v->size[i] != 1 && v->stride[i] != step) return er_view_count(v) == 0;
    step *= v->size[i];
  }
  return true;
}

bool er_same_shape(const er_view *a, const er_view *b) {
  return a->nd == b->nd && memcmp(a->size, b->size, (size_t)a->nd * sizeof *a->size) == 0;
}

int er_dim_of(const char *op, er_tensor *t, int dim, int nd, er_err *err) {
  if (dim >= -nd && dim < nd) return dim < 0 ? dim + nd : dim;
  if (nd == 0 && (dim == 0 || dim == -1)) return 0;
  return er_tensor_refuse(err, "range", op, 1, &t, "there is no dim %d; it has %d", dim >= 0 ? dim + 1 : dim, nd);
}

int er_want_float(const char *op, er_tensor *t, er_err *err) {
  if (er_dtype_is_float(t->v.dtype)) return 0;
  return er_tensor_refuse(err, "dtype", op, 1, &t, "needs floating-point numbers; convert it with :to(\"f32\")");
}

int er_broadcast(const er_view *a, const er_view *b, int *nd, int64_t *size) {
  *nd = a->nd > b->nd ? a->nd : b->nd;
  for (int i = 0; i < *nd; i++) {
    int ia = i - (*nd - a->nd), ib = i - (*nd - b->nd);
    int64_t sa = ia < 0 ? 1 : a->size[ia], sb = ib < 0 ? 1 : b->size[ib];
    if (sa != sb && sa != 1 && sb != 1) return -1;
    size[i] = sa == 1 ? sb : sa;
  }
  return 0;
}

/* ---- creation ---------------------------------------------------------------------------------------- */

/* The number of elements, or -1 where a size is negative or the bytes would overflow. */
static int64_t checked_count(er_dtype d, int nd, const int64_t *size) {
  int64_t n = 1;
  bool empty = false;
  for (int i = 0; i < nd; i++) {
    if (size[i] < 0) return -1;
    if (size[i] == 0) empty = true;
    else if (__builtin_mul_overflow(n, size[i], &n)) return -1;
  }
  if (n > INT64_MAX / 16 / (int64_t)er_size_of(d)) return -1;
  return empty ? 0 : n;
}

static void set_shape(er_view *v, int nd, const int64_t *size) {
  int64_t step = 1;
  v->nd = nd;
  for (int i = nd - 1; i >= 0; i--) {
    v->size[i] = size[i];
    v->stride[i] = step;
    step *= size[i] > 0 ? size[i] : 1;
  }
}

static er_tensor *bad_shape(er_dtype d, int nd, const int64_t *size, er_err *err) {
  er_buf text = {0};
  for (int i = 0; i < nd && i < ER_DIMS; i++) er_buf_fmt(&text, i > 0 ? ", %lld" : "%lld", (long long)size[i]);
  if (nd > ER_DIMS) er_fail(err, "shape", "a tensor has at most %d dims, %d were asked for", ER_DIMS, nd);
  else er_fail(err, "shape", "no tensor has the shape (%s) of %s: a size is negative or there are too many elements",
               er_buf_cstr(&text), er_dtype_name(d));
  er_buf_free(&text);
  return NULL;
}

er_tensor *er_make_bare(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err) {
  int64_t n;
  er_tensor *t;
  er_storage *s;
  if (nd > ER_DIMS || (n = checked_count(d, nd, size)) < 0) return bad_shape(d, nd, size, err);
  if ((s = er_storage_new(ts, (size_t)n * er_size_of(d), err)) == NULL) return NULL;
  t = er_calloc(1, sizeof *t);
  t->refs = 1;
  t->storage = s;
  t->v.data = s->data;
  t->v.dtype = d;
  set_shape(&t->v, nd, size);
  if (ts->zeroed) memset((char *)s->data + (size_t)n * er_size_of(d), 0, s->bytes - (size_t)n * er_size_of(d));
  return t;
}

er_tensor *er_make(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err) {
  er_tensor *t = er_make_bare(ts, d, nd, size, err);
  if (t != NULL && ts->zeroed) memset(t->storage->data, 0, t->storage->bytes);
  return t;
}

er_tensor *er_like_bare(const er_tensor *t, er_err *err) {
  return er_make_bare(er_tensor_home(t), t->v.dtype, t->v.nd, t->v.size, err);
}

void er_filled(er_tensor *t) {
  er_tensors *ts = er_tensor_home(t);
  if (ts->zeroed && er_pool_is_broken(ts->pool)) memset(t->storage->data, 0, t->storage->bytes);
}

er_tensor *er_like_as(const er_tensor *t, er_dtype d, er_err *err) {
  return er_make(er_tensor_home(t), d, t->v.nd, t->v.size, err);
}

er_tensor *er_like(const er_tensor *t, er_err *err) { return er_like_as(t, t->v.dtype, err); }

er_tensor *er_alias(er_tensor *t) {
  er_tensor *a = er_calloc(1, sizeof *a);
  a->refs = 1;
  a->v = t->v;
  a->storage = t->storage;
  a->storage->refs++;
  return a;
}

er_tensor *er_tensor_empty(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err) {
  return er_make(ts, d, nd, size, err);
}

er_tensor *er_tensor_full(er_tensors *ts, er_dtype d, int nd, const int64_t *size, double value, er_err *err) {
  er_tensor *t = er_make(ts, d, nd, size, err);
  if (t != NULL) ts->backend->fill(ts->pool, &t->v, value);
  return t;
}

er_tensor *er_zeros(er_tensors *ts, er_dtype d, int nd, const int64_t *size, er_err *err) {
  er_tensor *t = er_make(ts, d, nd, size, err);
  if (t != NULL && !ts->zeroed) ts->backend->fill(ts->pool, &t->v, 0);
  return t;
}

/* n numbers from, from + step, ... below `to`. */
er_tensor *er_tensor_arange(er_tensors *ts, er_dtype d, double from, double to, double step, er_err *err) {
  double n = step != 0 ? ceil((to - from) / step) : NAN;
  int64_t count;
  er_tensor *t;
  if (!(n < 1e15)) {
    er_fail(err, "range", "arange: from %g to %g in steps of %g has no end", from, to, step);
    return NULL;
  }
  count = n > 0 ? (int64_t)n : 0;
  if ((t = er_make(ts, d, 1, &count, err)) == NULL) return NULL;
  for (int64_t i = 0; i < count; i++) er_tensor_set(t, &i, from + (double)i * step);
  return t;
}

/* n numbers from `from` to `to`, both included. */
er_tensor *er_tensor_linspace(er_tensors *ts, er_dtype d, double from, double to, int64_t n, er_err *err) {
  er_tensor *t = er_make(ts, d, 1, &n, err);
  double step = n > 1 ? (to - from) / (double)(n - 1) : 0;
  for (int64_t i = 0; t != NULL && i < n; i++)
    er_tensor_set(t, &i, 2 * i < n ? from + (double)i * step : to - (double)(n - 1 - i) * step);
  return t;
}

er_tensor *er_tensor_eye(er_tensors *ts, er_dtype d, int64_t rows, int64_t columns, er_err *err) {
  int64_t size[2] = {rows, columns};
  er_tensor *t = er_zeros(ts, d, 2, size, err);
  if (t == NULL || er_tensor_count(t) == 0) return t;
  er_view diagonal = {.data = t->v.data, .dtype = d, .nd = 1, .size = {rows < columns ? rows : columns},
                      .stride = {columns + 1}};
  ts->backend->fill(ts->pool, &diagonal, 1);
  return t;
}

er_tensor *er_tensor_from(er_tensors *ts, er_dtype d, int nd, const int64_t *size, const void *bytes, er_err *err) {
  er_tensor *t = er_make(ts, d, nd, size, err);
  if (t != NULL) memcpy(t->v.data, bytes, er_tensor_bytes(t));
  return t;
}

er_tensor *er_tensor_ref(er_tensor *t) {
  t->refs++;
  return t;
}

void er_tensor_unref(er_tensor *t) {
  if (t == NULL || --t->refs > 0) return;
  er_node_unref(t->node);
  er_tensor_unref(t->grad);
  er_storage_unref(t->storage);
  er_free(t);
}

/* ---- single elements ------------------------------------------------------------------------------------ */

static void *element(const er_tensor *t, const int64_t *index) {
  int64_t at = 0;
  for (int i = 0; i < t->v.nd; i++) at += index[i] * t->v.stride[i];
  return er_at(t->v.data, t->v.dtype, at);
}

double er_tensor_get(const er_tensor *t, const int64_t *index) {
  const void *p = element(t, index);
  switch (t->v.dtype) {
    case ER_F32: return (double)*(const float *)p;
    case ER_BF16: return (double)er_from_bf16(*(const uint16_t *)p);
    case ER_I32: return *(const int32_t *)p;
    case ER_U16: return *(const uint16_t *)p;
    case ER_U8: return *(const uint8_t *)p;
    default: return *(const double *)p;
  }
}

static double bounded(double v, double lo, double hi) { return v != v ? 0 : v < lo ? lo : v > hi ? hi : v; }

void er_tensor_set(er_tensor *t, const int64_t *index, double v) {
  void *p = element(t, index);
  er_bump(t);
  switch (t->v.dtype) {
    case ER_F32: *(float *)p = (float)v; break;
    case ER_BF16: *(uint16_t *)p = er_to_bf16((float)v); break;
    case ER_I32: *(int32_t *)p = (int32_t)bounded(v, INT32_MIN, INT32_MAX); break;
    case ER_U16: *(uint16_t *)p = (uint16_t)bounded(v, 0, 65535); break;
    case ER_U8: *(uint8_t *)p = (uint8_t)bounded(v, 0, 255); break;
    default: *(double *)p = v;
  }
}

int er_tensor_item(const er_tensor *t, double *out, er_err *err) {
  int64_t zero[ER_DIMS] = {0};
  er_tensor *x = (er_tensor *)t;
  if (er_tensor_count(t) != 1)
    return er_tensor_refuse(err, "shape", "item", 1, &x, "only a tensor of one element is a number");
  *out = er_tensor_get(t, zero);
  return 0;
}

er_tensor *er_ids(const char *op, er_tensor *ids, int64_t n, bool negative_ok, er_err *err) {
  er_tensor *packed;
  const int32_t *p;
  if (er_dtype_is_float(ids->v.dtype)) {
    er_tensor_refuse(err, "dtype", op, 1, &ids, "ids are whole numbers: i32, u16 or u8");
    return NULL;
  }
  if ((packed = er_cast(ids, ER_I32, err)) == NULL) return NULL;
  p = packed->v.data;
  for (int64_t i = 0, count = er_tensor_count(packed); i < count; i++) {
    if (p[i] < n && (p[i] >= 0 || negative_ok)) continue;
    er_tensor_refuse(err, "range", op, 1, &ids, "id %d (element %lld) is not in 0..%lld", p[i], (long long)i + 1,
                     (long long)n - 1);
    er_tensor_unref(packed);
    return NULL;
  }
  return packed;
}
