/* lua_tensor.c - erlua.core.tensor: the class, its life, its scopes, and what arguments mean. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/modules.h"
#include "lua/tensor_face.h"

#define SCOPE_CLASS "erlua.tensor.scope"
#define STATE_CLASS "erlua.tensors"

typedef struct handle handle;
typedef struct scope scope;

struct handle {
  er_tensor *t;                  /* NULL: its scope has let it go */
  lua_Integer id;                /* order of creation: `pairs` visits tensors by it */
  scope *scope;
  handle *prev, *next;           /* in its scope */
};

struct scope {
  lua_State *L;                  /* the coroutine it belongs to; NULL once closed */
  handle *first;
  scope *outer;
};

/* One a Lua state. */
typedef struct {
  er_tensors *ts;
  scope *innermost;
  lua_Integer next_id;
  int64_t collect_at;            /* live bytes at which the collector is called */
} state;

enum { LEAST_GROWTH = 64 << 20 };

static char state_key;

static state *state_of(lua_State *L) {
  state *s;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
  s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

er_tensors *er_face_tensors(lua_State *L) { return state_of(L)->ts; }

/* ---- scopes ------------------------------------------------------------------------------- */

static void leave(handle *h) {
  if (h->scope == NULL) return;
  if (h->prev != NULL) h->prev->next = h->next;
  else h->scope->first = h->next;
  if (h->next != NULL) h->next->prev = h->prev;
  h->scope = NULL;
  h->prev = h->next = NULL;
}

static void enter(handle *h, scope *s) {
  h->scope = s;
  if (s == NULL) return;
  h->next = s->first;
  if (s->first != NULL) s->first->prev = h;
  s->first = h;
}

/* The innermost open scope of this coroutine, from s outwards. */
static scope *open_scope(scope *s, const lua_State *L) {
  while (s != NULL && s->L != L) s = s->outer;
  return s;
}

static int scope_new(lua_State *L) {
  state *st = state_of(L);
  scope *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (scope){.L = L, .outer = st->innermost};
  luaL_setmetatable(L, SCOPE_CLASS);
  st->innermost = s;
  lua_pushvalue(L, -1);                       /* held by the registry while it is open */
  lua_rawsetp(L, LUA_REGISTRYINDEX, s);
  return 1;
}

static int scope_close(lua_State *L) {
  scope *s = luaL_checkudata(L, 1, SCOPE_CLASS), **at = &state_of(L)->innermost;
  if (s->L == NULL) return 0;
  while (*at != NULL && *at != s) at = &(*at)->outer;
  if (*at == s) *at = s->outer;
  s->L = NULL;
  while (s->first != NULL) {
    handle *h = s->first;
    leave(h);
    er_tensor_unref(h->t);
    h->t = NULL;
  }
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, s);
  lua_gc(L, LUA_GCSTEP, 0);                   /* dead handles have finalizers, which the collector alone runs too few of */
  return 0;
}

/* Lets a tensor live in the scope around its own; a table not met before goes to the end of the list at `met`. */
static void keep_one(lua_State *L, int idx, int met) {
  handle *h = luaL_testudata(L, idx, ER_TENSOR_CLASS);
  if (h != NULL) {
    scope *outer = h->scope != NULL ? open_scope(h->scope->outer, h->scope->L) : NULL;
    leave(h);
    enter(h, outer);
    return;
  }
  if (lua_type(L, idx) != LUA_TTABLE) return;
  lua_pushvalue(L, idx);
  if (lua_rawget(L, met) == LUA_TNIL) {
    lua_pushvalue(L, idx);
    lua_pushboolean(L, 1);
    lua_rawset(L, met);
    lua_pushvalue(L, idx);
    lua_rawseti(L, met, (lua_Integer)lua_rawlen(L, met) + 1);
  }
  lua_pop(L, 1);
}

/* scope:keep(...) and tensor:keep(): what is named stays when the scope ends; tables are looked through, to any depth. */
int er_face_keep(lua_State *L, int arg) {
  int top = lua_gettop(L), met = top + 1;
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  for (int i = arg; i <= top; i++) keep_one(L, i, met);
  for (lua_Integer i = 1; lua_rawgeti(L, met, i) == LUA_TTABLE; i++) {
    for (lua_pushnil(L); lua_next(L, met + 1); lua_pop(L, 1)) keep_one(L, met + 3, met);
    lua_settop(L, met);
  }
  lua_settop(L, top);
  return top - arg + 1;
}

static int scope_keep(lua_State *L) {
  luaL_checkudata(L, 1, SCOPE_CLASS);
  return er_face_keep(L, 2);
}

/* ---- handles ------------------------------------------------------------------------------------ */

/* Bytes behind dead handles wait for the collector, which sees only the handles: so it is called when tensors have
 * grown by a quarter, and by 64 MB at least, beyond what was really in use. */
static void weigh(lua_State *L, state *s) {
  int64_t live = er_tensors_memory_of(s->ts).live;
  if (live < s->collect_at) return;
  lua_gc(L, LUA_GCCOLLECT);
  live = er_tensors_memory_of(s->ts).live;
  s->collect_at = live + (live / 4 > LEAST_GROWTH ? live / 4 : LEAST_GROWTH);
}

static void push_handle(lua_State *L, state *s, er_tensor *t) {
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){.t = t, .id = ++s->next_id};
  luaL_setmetatable(L, ER_TENSOR_CLASS);
}

int er_face_raise(lua_State *L, const char *message) {
  lua_Debug ar;
  for (int level = 1; level < 64 && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0 || strncmp(ar.source, "@erlua/", 7) == 0) continue;
    lua_pushfstring(L, "%s:%d: %s", ar.short_src, ar.currentline, message);
    return lua_error(L);
  }
  return luaL_error(L, "%s", message);
}

/* What the script calls the function that runs. */
static const char *own_name(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) && ar.name != NULL ? ar.name : "an operator";
}

/* Raises if a kernel was broken off, and lets t go. */
static void check_kernels(lua_State *L, state *s, er_tensor *t) {
  er_err err;
  if (!er_pool_is_broken(er_tensors_pool(s->ts)) || !er_tensors_broken(s->ts, own_name(L), &err)) return;
  er_tensor_unref(t);
  er_face_raise(L, err.msg);
}

int er_face_push(lua_State *L, er_tensor *t, const er_err *err) {
  state *s = state_of(L);
  check_kernels(L, s, t);
  if (t == NULL) return er_face_raise(L, err->msg);
  push_handle(L, s, t);
  enter(lua_touserdata(L, -1), open_scope(s->innermost, L));
  weigh(L, s);
  return 1;
}

void er_face_hold(lua_State *L, er_tensor *t) { push_handle(L, state_of(L), er_tensor_ref(t)); }

void er_face_let_go(lua_State *L, int from) {
  for (int i = lua_gettop(L); i >= from; i--) {
    handle *h = lua_touserdata(L, i);
    er_tensor_unref(h->t);
    h->t = NULL;
  }
  lua_settop(L, from - 1);
}

int er_face_check(lua_State *L, int rc, const er_err *err) {
  check_kernels(L, state_of(L), NULL);
  return rc < 0 ? er_face_raise(L, err->msg) : 0;
}

static er_tensor *alive(lua_State *L, const handle *h) {
  if (h->t == NULL)
    er_face_raise(
        L, "this tensor was freed when the scope ended in which it was made; return it from the scope, or :keep() it");
  return h->t;
}

er_tensor *er_face_arg(lua_State *L, int arg) { return alive(L, luaL_checkudata(L, arg, ER_TENSOR_CLASS)); }
er_tensor *er_face_opt(lua_State *L, int arg) { return lua_isnoneornil(L, arg) ? NULL : er_face_arg(L, arg); }

er_tensor *er_face_test(lua_State *L, int idx) {
  handle *h = luaL_testudata(L, idx, ER_TENSOR_CLASS);
  return h != NULL ? alive(L, h) : NULL;
}

static int tensor_gc(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, ER_TENSOR_CLASS);
  leave(h);
  er_tensor_unref(h->t);
  h->t = NULL;
  return 0;
}

static int tensor_id(lua_State *L) {
  lua_pushinteger(L, ((handle *)luaL_checkudata(L, 1, ER_TENSOR_CLASS))->id);
  return 1;
}

/* ---- arguments -------------------------------------------------------------------------------------- */

static int to_dim(lua_State *L, int arg, lua_Integer d) {
  if (d == 0 || d > ER_DIMS || d < -ER_DIMS)
    luaL_argerror(L, arg, lua_pushfstring(L, "dims count from 1, or from -1 at the end; got %I", (LUAI_UACINT)d));
  return (int)(d > 0 ? d - 1 : d);
}

int er_face_dim(lua_State *L, int arg, int fallback) {
  return lua_isnoneornil(L, arg) ? fallback : to_dim(L, arg, luaL_checkinteger(L, arg));
}

static unsigned mask_of(lua_State *L, int arg, er_tensor *t, lua_Integer d) {
  int nd = er_tensor_view_of(t)->nd, dim = to_dim(L, arg, d);
  if (dim < 0) dim += nd;
  if (dim < 0 || dim >= nd)
    luaL_argerror(L, arg, lua_pushfstring(L, "there is no dim %I; the tensor has %d", (LUAI_UACINT)d, nd));
  return 1u << dim;
}

unsigned er_face_dims(lua_State *L, int arg, er_tensor *t) {
  unsigned mask = 0;
  if (lua_isnoneornil(L, arg)) return 0;
  if (!lua_istable(L, arg)) return mask_of(L, arg, t, luaL_checkinteger(L, arg));
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, arg); i++) {
    lua_rawgeti(L, arg, i);
    mask |= mask_of(L, arg, t, luaL_checkinteger(L, -1));
    lua_pop(L, 1);
  }
  return mask;
}

int er_face_sizes(lua_State *L, int arg, int64_t *size, int *next) {
  int n = 0;
  if (lua_istable(L, arg) && (lua_rawlen(L, arg) > 0 || lua_isnoneornil(L, arg + 1) || lua_istable(L, arg + 1))) {
    *next = arg + 1;
    if (lua_rawlen(L, arg) > ER_DIMS) luaL_argerror(L, arg, "a tensor has at most 8 dims");
    for (; n < (int)lua_rawlen(L, arg); n++) {
      lua_rawgeti(L, arg, n + 1);
      size[n] = luaL_checkinteger(L, -1);
      lua_pop(L, 1);
    }
    return n;
  }
  for (; lua_isnumber(L, arg + n); n++) {
    if (n == ER_DIMS) luaL_argerror(L, arg + n, "a tensor has at most 8 dims");
    size[n] = luaL_checkinteger(L, arg + n);
  }
  *next = arg + n;
  return n;
}

void er_face_options(lua_State *L, int arg, const char *const *names) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "a number";
    int i = 0;
    while (names[i] != NULL && strcmp(names[i], key) != 0) i++;
    if (names[i] == NULL) luaL_argerror(L, arg, lua_pushfstring(L, "there is no option '%s'", key));
  }
}

/* Pushes the field; false, and nothing pushed, where it is absent.  Metamethods are not asked: the caller may hold
 * borrowed tensors, and Lua code could end their scope. */
static bool field(lua_State *L, int arg, const char *name) {
  if (!lua_istable(L, arg)) return false;
  lua_pushstring(L, name);
  if (lua_rawget(L, arg) != LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

double er_face_number(lua_State *L, int arg, const char *name, double fallback) {
  double v;
  if (!field(L, arg, name)) return fallback;
  if (!lua_isnumber(L, -1))
    luaL_argerror(L, arg, lua_pushfstring(L, "option '%s' must be a number, got %s", name, luaL_typename(L, -1)));
  v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

int64_t er_face_whole(lua_State *L, int arg, const char *name, int64_t fallback) {
  int whole;
  lua_Integer v;
  if (!field(L, arg, name)) return fallback;
  v = lua_tointegerx(L, -1, &whole);
  if (!whole)
    luaL_argerror(L, arg, lua_pushfstring(L, "option '%s' must be a whole number, got %s", name,
                                          luaL_tolstring(L, -1, NULL)));
  lua_pop(L, 1);
  return v;
}

bool er_face_bool(lua_State *L, int arg, const char *name, bool fallback) {
  bool v = fallback;
  if (!field(L, arg, name)) return v;
  v = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

er_tensor *er_face_field(lua_State *L, int arg, const char *name) {
  er_tensor *t;
  if (!field(L, arg, name)) return NULL;
  t = er_face_test(L, -1);
  if (t == NULL)
    luaL_argerror(L, arg, lua_pushfstring(L, "option '%s' must be a tensor, got %s", name, luaL_typename(L, -1)));
  lua_pop(L, 1);                 /* the options table holds it */
  return t;
}

er_dtype er_face_dtype_at(lua_State *L, int idx) {
  const char *name = luaL_checkstring(L, idx);
  int d = er_dtype_of(name);
  if (d < 0 || d == ER_F64)
    er_face_raise(L, lua_pushfstring(L, "there is no dtype '%s'; there are f32, bf16, i32, u16 and u8", name));
  return (er_dtype)d;
}

er_dtype er_face_dtype(lua_State *L, int arg, er_dtype fallback) {
  er_dtype d;
  if (!field(L, arg, "dtype")) return fallback;
  d = er_face_dtype_at(L, -1);
  lua_pop(L, 1);
  return d;
}

er_tensor **er_face_list(lua_State *L, int arg, int *n) {
  er_tensor **list;
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = (int)lua_rawlen(L, arg);
  list = lua_newuserdatauv(L, ((size_t)*n + 1) * sizeof *list, 0);
  for (int i = 0; i < *n; i++) {
    lua_rawgeti(L, arg, i + 1);
    if ((list[i] = er_face_test(L, -1)) == NULL)
      luaL_argerror(L, arg,
                    lua_pushfstring(L, "element %d of the list is no tensor, but %s", i + 1, luaL_typename(L, -1)));
    lua_pop(L, 1);
  }
  return list;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static int state_gc(lua_State *L) {
  state *s = luaL_checkudata(L, 1, STATE_CLASS);
  er_tensors_close(s->ts);       /* made first, so collected last: no handle is left */
  s->ts = NULL;
  return 0;
}

static void class(lua_State *L, const char *name, const luaL_Reg *meta) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, meta, 0);
}

/* The seed that a job is given, so that a trainer repeats without a word about it. */
static int64_t default_seed(void) {
  const char *seed = getenv("ERLUA_SEED");
  return seed != NULL ? strtoll(seed, NULL, 10) : 1;
}

static void open_state(lua_State *L, const er_tensors_options *opt) {
  static const luaL_Reg meta[] = {{"__gc", state_gc}, {NULL, NULL}};
  state *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (state){.collect_at = LEAST_GROWTH};
  class(L, STATE_CLASS, meta);
  lua_setmetatable(L, -2);
  s->ts = er_tensors_open(opt);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
}

int er_face_open(lua_State *L, const er_tensors_options *opt) {
  static const luaL_Reg tensor_meta[] = {
    {"__gc", tensor_gc}, {"__id", tensor_id}, {"__index", er_face_index}, {"__newindex", er_face_newindex},
    {NULL, NULL}};
  static const luaL_Reg scope_meta[] = {{"__gc", scope_close}, {"__close", scope_close}, {NULL, NULL}};
  static const luaL_Reg scope_methods[] = {{"keep", scope_keep}, {"close", scope_close}, {NULL, NULL}};
  open_state(L, opt);
  class(L, SCOPE_CLASS, scope_meta);
  luaL_newlib(L, scope_methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  class(L, ER_TENSOR_CLASS, tensor_meta);
  lua_newtable(L);               /* the functions, which are the methods too */
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcfunction(L, scope_new);
  lua_setfield(L, -2, "scope");
  er_face_add_make(L);
  er_face_add_ops(L);
  er_face_add_more(L);
  er_face_add_grad(L);
  lua_remove(L, -2);
  return 1;
}

int luaopen_erlua_core_tensor(lua_State *L) {
  return er_face_open(L, &(er_tensors_options){.seed = default_seed()});
}
