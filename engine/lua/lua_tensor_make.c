/* lua_tensor_make.c - making tensors from Lua, looking at them, indexing. */

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "lua/tensor_face.h"

static const char *const made[] = {"dtype", "requires_grad", NULL};

/* Pushes a fresh leaf and sets what the options ask for. */
static int push_leaf(lua_State *L, er_tensor *t, int options, const er_err *err) {
  er_err why;
  er_face_push(L, t, err);
  if (er_face_bool(L, options, "requires_grad", false))
    er_face_check(L, er_tensor_set_requires_grad(t, true, &why), &why);
  return 1;
}

static int filled(lua_State *L, int arg, double value) {
  int64_t size[ER_DIMS];
  int next, nd = er_face_sizes(L, arg, size, &next);
  er_err err;
  er_face_options(L, next, made);
  return push_leaf(L, er_tensor_full(er_face_tensors(L), er_face_dtype(L, next, ER_F32), nd, size, value, &err), next,
                   &err);
}

static int make_zeros(lua_State *L) { return filled(L, 1, 0); }
static int make_ones(lua_State *L) { return filled(L, 1, 1); }

/* full({sizes}, value, options) */
static int make_full(lua_State *L) {
  double value = luaL_checknumber(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_remove(L, 2);
  return filled(L, 1, value);
}

/* As the tensor at 1, with the options at 2. */
static int like(lua_State *L, double value) {
  er_tensor *t = er_face_arg(L, 1);
  const er_view *v = er_tensor_view_of(t);
  er_err err;
  er_face_options(L, 2, made);
  return push_leaf(L, er_tensor_full(er_face_tensors(L), er_face_dtype(L, 2, v->dtype), v->nd, v->size, value, &err), 2,
                   &err);
}

static int make_zeros_like(lua_State *L) { return like(L, 0); }
static int make_ones_like(lua_State *L) { return like(L, 1); }

/* full_like(x, value, options) */
static int make_full_like(lua_State *L) {
  double value = luaL_checknumber(L, 2);
  lua_remove(L, 2);
  return like(L, value);
}

static int random_like(lua_State *L, er_rand kind, double a, double b) {
  const er_view *v = er_tensor_view_of(er_face_arg(L, 1));
  er_err err;
  er_face_options(L, 2, made);
  return push_leaf(
      L, er_tensor_random(er_face_tensors(L), er_face_dtype(L, 2, v->dtype), v->nd, v->size, kind, a, b, &err), 2,
      &err);
}

static int make_rand_like(lua_State *L) { return random_like(L, ER_RAND_UNIFORM, 0, 1); }
static int make_randn_like(lua_State *L) { return random_like(L, ER_RAND_NORMAL, 0, 1); }

/* eye(n, options), eye(n, m, options) */
static int make_eye(lua_State *L) {
  lua_Integer rows = luaL_checkinteger(L, 1), columns = lua_isnumber(L, 2) ? luaL_checkinteger(L, 2) : rows;
  int options = lua_isnumber(L, 2) ? 3 : 2;
  er_err err;
  er_face_options(L, options, made);
  return push_leaf(L, er_tensor_eye(er_face_tensors(L), er_face_dtype(L, options, ER_F32), rows, columns, &err),
                   options, &err);
}

/* linspace(from, to, n, options): both ends included */
static int make_linspace(lua_State *L) {
  double from = luaL_checknumber(L, 1), to = luaL_checknumber(L, 2);
  lua_Integer n = luaL_checkinteger(L, 3);
  er_err err;
  er_face_options(L, 4, made);
  return push_leaf(L, er_tensor_linspace(er_face_tensors(L), er_face_dtype(L, 4, ER_F32), from, to, n, &err), 4, &err);
}

/* arange(n), arange(from, to, step): up to, not including, the end */
static int make_arange(lua_State *L) {
  int n = 0;
  double from, to, step;
  bool whole = true;
  er_err err;
  for (; n < 3 && lua_isnumber(L, n + 1); n++) whole = whole && lua_isinteger(L, n + 1);
  if (n == 0) return luaL_argerror(L, 1, "a number is expected");
  from = n == 1 ? 0 : lua_tonumber(L, 1);
  to = lua_tonumber(L, n == 1 ? 1 : 2);
  step = n < 3 ? 1 : lua_tonumber(L, 3);
  er_face_options(L, n + 1, made);
  return push_leaf(L,
                   er_tensor_arange(er_face_tensors(L), er_face_dtype(L, n + 1, whole ? ER_I32 : ER_F32), from, to,
                                    step, &err),
                   n + 1, &err);
}

static int random_of(lua_State *L, int arg, er_rand kind, double a, double b, er_dtype fallback) {
  int64_t size[ER_DIMS];
  int next, nd = er_face_sizes(L, arg, size, &next);
  er_err err;
  er_face_options(L, next, made);
  return push_leaf(L,
                   er_tensor_random(er_face_tensors(L), er_face_dtype(L, next, fallback), nd, size, kind, a, b, &err),
                   next, &err);
}

static int make_rand(lua_State *L) { return random_of(L, 1, ER_RAND_UNIFORM, 0, 1, ER_F32); }
static int make_randn(lua_State *L) { return random_of(L, 1, ER_RAND_NORMAL, 0, 1, ER_F32); }

/* randint(low, high, {sizes}, options): from low up to, not including, high */
static int make_randint(lua_State *L) {
  double lo = (double)luaL_checkinteger(L, 1), hi = (double)luaL_checkinteger(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  return random_of(L, 3, ER_RAND_INT, lo, hi, ER_I32);
}

static int make_randperm(lua_State *L) {
  er_err err;
  return er_face_push(L, er_tensor_randperm(er_face_tensors(L), luaL_checkinteger(L, 1), &err), &err);
}

/* ---- from tables and bytes ----------------------------------------------------------------------- */

/* The shape of a nested list, from its first elements; the stack has two arguments. */
static int shape_of(lua_State *L, int idx, int64_t *size) {
  int nd = 0;
  luaL_checkstack(L, ER_DIMS + 4, NULL);
  lua_pushvalue(L, idx);
  while (lua_istable(L, -1)) {
    if (nd == ER_DIMS) luaL_error(L, "tensor: a tensor has at most 8 dims");
    size[nd++] = (int64_t)lua_rawlen(L, -1);
    lua_rawgeti(L, -1, 1);
  }
  lua_settop(L, 2);
  return nd;
}

typedef struct { double *values; int64_t n; bool whole; int nd; const int64_t *size; } reading;

static void read_numbers(lua_State *L, int idx, int depth, reading *r) {
  if (depth == r->nd) {
    if (!lua_isnumber(L, idx) || lua_type(L, idx) == LUA_TSTRING)
      luaL_error(L, "tensor: a number is expected, got %s", luaL_typename(L, idx));
    r->whole = r->whole && lua_isinteger(L, idx);
    r->values[r->n++] = lua_tonumber(L, idx);
    return;
  }
  if (!lua_istable(L, idx) || (int64_t)lua_rawlen(L, idx) != r->size[depth])
    luaL_error(L, "tensor: the lists differ in length; dim %d has %d elements in the first", depth + 1,
               (int)r->size[depth]);
  for (int64_t i = 1; i <= r->size[depth]; i++) {
    lua_rawgeti(L, idx, i);
    read_numbers(L, lua_gettop(L), depth + 1, r);
    lua_pop(L, 1);
  }
}

/* A number that was written down is not changed without a word. */
static void check_range(lua_State *L, er_dtype d, const reading *r) {
  double least = d == ER_I32 ? -0x1p31 : 0, most = d == ER_I32 ? 0x1p31 : d == ER_U16 ? 65536 : 256;
  for (int64_t i = 0; i < r->n && !er_dtype_is_float(d); i++)
    if (!(r->values[i] > least - 1 && r->values[i] < most))
      luaL_error(L, "tensor: %f is outside of %s; another dtype is chosen by { dtype = \"f32\" }", r->values[i],
                 er_dtype_name(d));
}

/* tensor(number or nested lists, options): i32 where all numbers are integers, else f32 */
static int make_tensor(lua_State *L) {
  int64_t size[ER_DIMS], count = 1, index[ER_DIMS] = {0};
  reading r = {.whole = true, .size = size};
  er_dtype dtype;
  er_tensor *t;
  er_err err;
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  er_face_options(L, 2, made);
  r.nd = shape_of(L, 1, size);
  for (int i = 0; i < r.nd; i++)
    if (__builtin_mul_overflow(count, size[i], &count) || count > (int64_t)1 << 40)
      return luaL_error(L, "tensor: the lists are too large");
  r.values = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *r.values, 0);
  read_numbers(L, 1, 0, &r);
  dtype = er_face_dtype(L, 2, r.whole && count > 0 ? ER_I32 : ER_F32);
  check_range(L, dtype, &r);
  t = er_tensor_empty(er_face_tensors(L), dtype, r.nd, size, &err);
  for (int64_t i = 0; t != NULL && i < count; i++) {
    er_tensor_set(t, index, r.values[i]);
    for (int d = r.nd - 1; d >= 0 && ++index[d] == size[d]; d--) index[d] = 0;
  }
  return push_leaf(L, t, 2, &err);
}

/* frombuffer(bytes, dtype, sizes...) */
static int make_frombuffer(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  er_dtype d = er_face_dtype_at(L, 2);
  int64_t size[ER_DIMS], count = 1;
  int next, nd = er_face_sizes(L, 3, size, &next);
  er_err err;
  if (nd == 0 && lua_isnoneornil(L, 3)) size[nd++] = (int64_t)(n / er_dtype_size(d));
  for (int i = 0; i < nd; i++)
    if (size[i] < 0 || __builtin_mul_overflow(count, size[i], &count))
      return luaL_error(L, "frombuffer: a size is negative or too large");
  if ((double)count * (double)er_dtype_size(d) != (double)n)
    return luaL_error(L, "frombuffer: the buffer has %I bytes, which are not %I elements of %s (%d bytes each)",
                      (LUAI_UACINT)n, (LUAI_UACINT)count, er_dtype_name(d), (int)er_dtype_size(d));
  return er_face_push(L, er_tensor_from(er_face_tensors(L), d, nd, size, bytes, &err), &err);
}

/* ---- to Lua -------------------------------------------------------------------------------------------- */

static void push_element(lua_State *L, const er_tensor *t, const int64_t *index) {
  double v = er_tensor_get(t, index);
  if (er_dtype_is_float(er_tensor_view_of(t)->dtype)) lua_pushnumber(L, v);
  else lua_pushinteger(L, (lua_Integer)v);
}

static int view_item(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  int64_t zero[ER_DIMS] = {0};
  double v;
  er_err err;
  er_face_check(L, er_tensor_item(t, &v, &err), &err);
  push_element(L, t, zero);
  return 1;
}

static void push_list(lua_State *L, const er_tensor *t, int dim, int64_t *index) {
  const er_view *v = er_tensor_view_of(t);
  if (dim == v->nd) {
    push_element(L, t, index);
    return;
  }
  lua_createtable(L, v->size[dim] < 1 << 20 ? (int)v->size[dim] : 0, 0);
  for (index[dim] = 0; index[dim] < v->size[dim]; index[dim]++) {
    push_list(L, t, dim + 1, index);
    lua_rawseti(L, -2, index[dim] + 1);
  }
}

static int view_tolist(lua_State *L) {
  const er_view *v = er_tensor_view_of(er_face_arg(L, 1));
  int64_t index[ER_DIMS] = {0}, lists = 1;
  for (int i = 0; i < v->nd; i++)
    if (v->size[i] > 0 && __builtin_mul_overflow(lists, v->size[i], &lists)) lists = INT64_MAX;
  if (lists > (int64_t)1 << 31) return luaL_error(L, "tolist: no Lua list holds so many elements");
  luaL_checkstack(L, ER_DIMS + 4, NULL);
  push_list(L, er_face_arg(L, 1), 0, index);
  return 1;
}

static int view_tobytes(lua_State *L) {
  er_err err;
  er_tensor *t = er_tensor_contiguous_of(er_face_arg(L, 1), &err);
  if (t == NULL) return luaL_error(L, "%s", err.msg);
  er_face_push(L, t, &err);                                  /* held while Lua may raise */
  lua_pushlstring(L, er_tensor_view_of(t)->data, er_tensor_bytes(t));
  return 1;
}

static int view_size(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  const er_view *v = er_tensor_view_of(t);
  if (!lua_isnoneornil(L, 2)) {
    int dim = er_face_dim(L, 2, 0);
    if (dim < 0) dim += v->nd;
    if (dim < 0 || dim >= v->nd)
      return luaL_argerror(L, 2,
                           lua_pushfstring(L, "there is no dim %d; the tensor has %d", (int)lua_tointeger(L, 2),
                                           v->nd));
    lua_pushinteger(L, v->size[dim]);
    return 1;
  }
  lua_createtable(L, v->nd, 0);
  for (int i = 0; i < v->nd; i++) {
    lua_pushinteger(L, v->size[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int view_dim(lua_State *L) {
  lua_pushinteger(L, er_tensor_view_of(er_face_arg(L, 1))->nd);
  return 1;
}

static int view_numel(lua_State *L) {
  lua_pushinteger(L, er_tensor_count(er_face_arg(L, 1)));
  return 1;
}

static int view_is_contiguous(lua_State *L) {
  lua_pushboolean(L, er_tensor_contiguous(er_face_arg(L, 1)));
  return 1;
}

static int is_tensor(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, ER_TENSOR_CLASS) != NULL);
  return 1;
}

/* ---- as text: up to six of each dim ------------------------------------------------------------------------ */

enum { SHOWN = 6 };

static void show(er_buf *out, const er_tensor *t, int dim, int64_t *index) {
  const er_view *v = er_tensor_view_of(t);
  if (dim == v->nd) {
    er_buf_fmt(out, er_dtype_is_float(v->dtype) ? "%.5g" : "%.0f", er_tensor_get(t, index));
    return;
  }
  er_buf_char(out, '{');
  for (int64_t i = 0; i < v->size[dim]; i++) {
    if (i > 0) er_buf_str(out, ", ");
    if (v->size[dim] > SHOWN && i == SHOWN / 2) {
      er_buf_str(out, "... ");
      i = v->size[dim] - SHOWN / 2;
    }
    index[dim] = i;
    show(out, t, dim + 1, index);
  }
  er_buf_char(out, '}');
}

static int view_tostring(lua_State *L) {
  const er_tensor *t = er_face_arg(L, 1);
  int64_t index[ER_DIMS] = {0};
  er_buf out = {0};
  er_buf_str(&out, "tensor ");
  er_tensor_describe(&out, t);
  er_buf_char(&out, ' ');
  show(&out, t, 0, index);
  lua_pushlstring(L, er_buf_cstr(&out), out.len);
  er_buf_free(&out);
  return 1;
}

/* ---- indexing: x[2], x[{1, {2, 5}, {}, {1, -1, 2}}] -------------------------------------------------------- */

static int64_t place(lua_State *L, int idx, int64_t size) {
  lua_Integer i = luaL_checkinteger(L, idx);
  int64_t at = i < 0 ? i + size : i - 1;
  if (i == 0 || at < 0 || at >= size)
    luaL_error(L, "index %I is outside of a dim of %I elements; they count from 1", (LUAI_UACINT)i, (LUAI_UACINT)size);
  return at;
}

/* One entry of the list, at the top of the stack: the view with that dim chosen; a number drops the dim. */
static er_tensor *choose(lua_State *L, er_tensor *t, int *dim, er_err *err) {
  int64_t size = er_tensor_view_of(t)->size[*dim], first = 0, last = size - 1, step = 1;
  er_tensor *part, *y;
  int n;
  if (!lua_istable(L, -1)) return er_tensor_select(t, *dim, place(L, -1, size), err);
  n = (int)lua_rawlen(L, -1);
  if (n == 1 || n > 3) luaL_error(L, "a range is {}, {first, last} or {first, last, step}");
  if (n >= 2) {
    lua_rawgeti(L, -1, 1);
    first = place(L, -1, size);
    lua_rawgeti(L, -2, 2);
    last = place(L, -1, size);
    lua_pop(L, 2);
  }
  if (n == 3) {
    lua_rawgeti(L, -1, 3);
    step = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  part = er_tensor_narrow(t, (*dim)++, first, last >= first ? last - first + 1 : 0, err);
  if (part == NULL || step == 1) return part;
  y = er_tensor_step(part, *dim - 1, step, err);
  er_tensor_unref(part);
  return y;
}

/* Pushes the view that the key at `key` chooses; every step of it is held by a handle while Lua may raise. */
static void push_part(lua_State *L, er_tensor *t, int key) {
  int dim = 0;
  er_err err;
  er_face_push(L, er_tensor_ref(t), &err);
  if (!lua_istable(L, key)) {
    lua_pushvalue(L, key);
    if (er_tensor_view_of(t)->nd == 0) luaL_error(L, "a single number has no elements; use :item()");
    er_face_push(L, choose(L, t, &dim, &err), &err);
    return;
  }
  for (int i = 1; i <= (int)lua_rawlen(L, key); i++) {
    t = er_face_arg(L, lua_gettop(L));
    if (dim >= er_tensor_view_of(t)->nd) luaL_error(L, "the index has more entries than the tensor has dims");
    lua_rawgeti(L, key, i);
    er_face_push(L, choose(L, t, &dim, &err), &err);
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

static int property(lua_State *L, er_tensor *t, const char *name) {
  er_err err;
  if (strcmp(name, "shape") == 0) {
    lua_settop(L, 1);
    return view_size(L);
  }
  if (strcmp(name, "dtype") == 0) lua_pushstring(L, er_dtype_name(er_tensor_view_of(t)->dtype));
  else if (strcmp(name, "device") == 0) lua_pushliteral(L, "cpu");
  else if (strcmp(name, "requires_grad") == 0) lua_pushboolean(L, er_tensor_requires_grad(t));
  else if (strcmp(name, "grad") == 0) {
    if (er_tensor_grad(t) == NULL) lua_pushnil(L);
    else er_face_push(L, er_tensor_ref(er_tensor_grad(t)), &err);
  } else return 0;
  return 1;
}

int er_face_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    luaL_getmetafield(L, 1, "methods");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
    return property(L, er_face_arg(L, 1), lua_tostring(L, 2)) ? 1
         : luaL_error(L, "a tensor has no '%s'; docs/tensors.md has its operators", lua_tostring(L, 2));
  }
  push_part(L, er_face_arg(L, 1), 2);
  return 1;
}

static int set_property(lua_State *L, er_tensor *t, const char *name) {
  er_err err;
  if (strcmp(name, "grad") == 0) return er_face_check(L, er_tensor_set_grad(t, er_face_opt(L, 3), &err), &err);
  if (strcmp(name, "requires_grad") == 0)
    return er_face_check(L, er_tensor_set_requires_grad(t, lua_toboolean(L, 3), &err), &err);
  return luaL_error(L, "a tensor's '%s' cannot be set", name);
}

/* x[...] = number or tensor, x.grad = nil, x.requires_grad = true */
int er_face_newindex(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1), *part;
  er_err err;
  if (lua_type(L, 2) == LUA_TSTRING) return set_property(L, t, lua_tostring(L, 2));
  if (er_tensor_requires_grad(t) && er_tensors_grad(er_face_tensors(L)))
    return luaL_error(L, "this tensor takes part in gradients and cannot be changed in place; do it inside no_grad");
  push_part(L, t, 2);
  part = er_face_arg(L, lua_gettop(L));
  if (lua_type(L, 3) == LUA_TNUMBER) return er_face_check(L, er_tensor_fill(part, lua_tonumber(L, 3), &err), &err);
  return er_face_check(L, er_tensor_copy(part, er_face_arg(L, 3), &err), &err);
}

static int view_len(lua_State *L) {
  const er_view *v = er_tensor_view_of(er_face_arg(L, 1));
  lua_pushinteger(L, v->nd > 0 ? v->size[0] : 0);
  return 1;
}

void er_face_add_make(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"zeros", make_zeros}, {"ones", make_ones}, {"full", make_full}, {"empty", make_zeros},
    {"zeros_like", make_zeros_like}, {"ones_like", make_ones_like}, {"arange", make_arange},
    {"full_like", make_full_like}, {"rand_like", make_rand_like}, {"randn_like", make_randn_like}, {"eye", make_eye},
    {"linspace", make_linspace}, {"rand", make_rand},
    {"randn", make_randn}, {"randint", make_randint}, {"randperm", make_randperm}, {"tensor", make_tensor},
    {"frombuffer", make_frombuffer}, {"item", view_item}, {"tolist", view_tolist}, {"tobytes", view_tobytes},
    {"size", view_size}, {"dim", view_dim}, {"numel", view_numel}, {"is_contiguous", view_is_contiguous},
    {"is_tensor", is_tensor}, {NULL, NULL}
  };
  static const luaL_Reg meta[] = {{"__tostring", view_tostring}, {"__len", view_len}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
}
