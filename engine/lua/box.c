/* box.c - erlua.core.box: Lua that can only compute.
 * A state of its own with bounded memory and steps, no files, no clock, no way to
 * load code: for env.lua, its reward function, and idea code that an evaluation
 * must call.  Values cross as copies. */

#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/fail.h"
#include "lua/host.h"
#include "lua/modules.h"
#include "lua/json.h"

#define BOX "erlua.box"

typedef struct {
  lua_State *L;
  size_t used, max;
  long long steps, max_steps;
} box;

enum { HOOK_EVERY = 1000, MAX_COPY_DEPTH = 32 };

static void *bounded_alloc(void *ud, void *p, size_t old, size_t n) {
  box *b = ud;
  void *q;
  if (p == NULL) old = 0;
  if (n == 0) {
    b->used -= old;
    free(p);
    return NULL;
  }
  if (b->used - old + n > b->max) return NULL;
  q = realloc(p, n);
  if (q != NULL) b->used = b->used - old + n;
  return q;
}

static void count_steps(lua_State *L, lua_Debug *ar) {
  box *b;
  (void)ar;
  lua_getallocf(L, (void **)&b);
  b->steps += HOOK_EVERY;
  if (b->steps > b->max_steps) luaL_error(L, "more than %d million steps", (int)(b->max_steps / 1000000));
}

static void remove_names(lua_State *L, const char *table, const char *const *names) {
  if (table != NULL) lua_getglobal(L, table);
  else lua_pushglobaltable(L);
  for (; *names != NULL; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
  lua_pop(L, 1);
}

static int open_box_libs(lua_State *L) {
  static const char *const base[] = {"dofile", "loadfile", "load", "collectgarbage", "print", "warn", NULL};
  static const char *const strings[] = {"dump", NULL};
  static const char *const maths[] = {"random", "randomseed", NULL};
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
  lua_settop(L, 0);
  remove_names(L, NULL, base);
  remove_names(L, LUA_STRLIBNAME, strings);
  remove_names(L, LUA_MATHLIBNAME, maths);
  return 0;
}

/* Copies the value at idx of `from` to the top of `to`.  Functions become the
 * string "function"; what has no copy is an error in err. */
static int copy(lua_State *from, int idx, lua_State *to, int depth, er_err *err) {
  size_t n;
  const char *s;
  if (depth > MAX_COPY_DEPTH || !lua_checkstack(from, 4) || !lua_checkstack(to, 4))
    return er_fail(err, "EINVAL", "a table is nested more than %d deep or contains itself", MAX_COPY_DEPTH);
  switch (lua_type(from, idx)) {
    case LUA_TNIL: lua_pushnil(to); return 0;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, idx)); return 0;
    case LUA_TNUMBER:
      if (lua_isinteger(from, idx)) lua_pushinteger(to, lua_tointeger(from, idx));
      else lua_pushnumber(to, lua_tonumber(from, idx));
      return 0;
    case LUA_TSTRING: s = lua_tolstring(from, idx, &n); lua_pushlstring(to, s, n); return 0;
    case LUA_TFUNCTION: lua_pushliteral(to, "function"); return 0;
    case LUA_TTABLE: break;
    default: return er_fail(err, "EINVAL", "a %s cannot be handed over", luaL_typename(from, idx));
  }
  lua_newtable(to);
  for (lua_pushnil(from); lua_next(from, idx); lua_pop(from, 1)) {
    int top = lua_gettop(from);
    if (copy(from, top - 1, to, depth + 1, err) < 0) return -1;
    if (copy(from, top, to, depth + 1, err) < 0) return -1;
    lua_rawset(to, -3);
  }
  return 0;
}

static box *check_box(lua_State *L) {
  box *b = luaL_checkudata(L, 1, BOX);
  if (b->L == NULL) luaL_error(L, "attempt to use a closed box");
  return b;
}

static int box_gc(lua_State *L) {
  box *b = luaL_checkudata(L, 1, BOX);
  if (b->L != NULL) lua_close(b->L);
  b->L = NULL;
  return 0;
}

static int failed(lua_State *L, box *b, const char *code) {
  const char *msg = lua_tostring(b->L, -1);
  lua_pushnil(L);
  lua_pushstring(L, msg != NULL ? msg : "an error that is no string");
  lua_pushstring(L, code);
  lua_settop(b->L, 0);
  return 3;
}

/* box.new(source, name [, memory_bytes [, steps]]) -> box | nil, message, code
 * Runs the chunk; what it returns is the box's value. */
static int box_new(lua_State *L) {
  size_t n;
  const char *src = luaL_checklstring(L, 1, &n), *name = luaL_checkstring(L, 2);
  lua_Integer max = luaL_optinteger(L, 3, 16 << 20), steps = luaL_optinteger(L, 4, 10000000);
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (box){.max = (size_t)max, .max_steps = steps};
  luaL_setmetatable(L, BOX);
  b->L = lua_newstate(bounded_alloc, b);
  if (b->L == NULL) return luaL_error(L, "box.new: no memory");
  lua_pushcfunction(b->L, open_box_libs);
  if (lua_pcall(b->L, 0, 0, 0) != LUA_OK) return failed(L, b, "memory");
  lua_sethook(b->L, count_steps, LUA_MASKCOUNT, HOOK_EVERY);
  if (luaL_loadbufferx(b->L, src, n, name, "t") != LUA_OK) return failed(L, b, "syntax");
  if (lua_pcall(b->L, 0, 1, 0) != LUA_OK) return failed(L, b, "error");
  lua_setfield(b->L, LUA_REGISTRYINDEX, "value");
  return 1;
}

/* box:value() -> a copy of what the chunk returned; functions as "function" */
static int box_value(lua_State *L) {
  box *b = check_box(L);
  er_err err;
  lua_getfield(b->L, LUA_REGISTRYINDEX, "value");
  int rc = copy(b->L, lua_gettop(b->L), L, 0, &err);
  lua_settop(b->L, 0);
  return rc < 0 ? er_fail_push(L, &err) : 1;
}

static int call_protected(lua_State *bl) {      /* stack: function, argument */
  lua_call(bl, 1, 1);
  return 1;
}

/* box:call(name, argument) -> result | nil, message, code: calls the function in
 * field `name` of the value (or, without a name, the value itself). */
static int box_call(lua_State *L) {
  box *b = check_box(L);
  const char *name = luaL_optstring(L, 2, NULL);
  er_err err;
  int rc;
  lua_settop(L, 3);
  b->steps = 0;
  lua_pushcfunction(b->L, call_protected);
  lua_getfield(b->L, LUA_REGISTRYINDEX, "value");
  if (name != NULL && lua_istable(b->L, -1)) {
    lua_pushstring(b->L, name);
    lua_rawget(b->L, -2);
    lua_remove(b->L, -2);
  }
  if (copy(L, 3, b->L, 0, &err) < 0) { lua_settop(b->L, 0); return er_fail_push(L, &err); }
  if (lua_pcall(b->L, 2, 1, 0) != LUA_OK) return failed(L, b, "error");
  rc = copy(b->L, lua_gettop(b->L), L, 0, &err);
  lua_settop(b->L, 0);
  return rc < 0 ? er_fail_push(L, &err) : 1;
}

static const luaL_Reg boxlib[] = {{"new", box_new}, {NULL, NULL}};
static const luaL_Reg box_methods[] = {{"value", box_value}, {"call", box_call}, {NULL, NULL}};
static const luaL_Reg box_meta[] = {{"__gc", box_gc}, {"__close", box_gc}, {NULL, NULL}};

int luaopen_erlua_core_box(lua_State *L) {
  er_new_class(L, BOX, box_methods, box_meta);
  luaL_newlib(L, boxlib);
  return 1;
}
