/* box.c - erlua.core.box: Lua that can only compute.
 * A state of its own with bounded memory and steps, no files, no clock, no way to
 * load code: for env.lua, its reward function, and idea code that an evaluation
 * must call.  Values cross as copies.  Whatever runs or allocates in the box does
 * so protected, so that its end is an answer and never the engine's; what Lua
 * would run without counting steps (finalizers, message handlers) is not there. */

#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/det.h"
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

enum { HOOK_EVERY = 1000, MAX_COPY_DEPTH = 32, MAX_COPIES = 1000000 };

static char value_key;           /* the box's value in its registry */

/* ---- memory and steps ------------------------------------------------------------- */

static void *bounded_alloc(void *ud, void *p, size_t old, size_t n) {
  box *b = ud;
  void *q;
  if (p == NULL) old = 0;
  if (n == 0) {
    b->used -= old;
    free(p);
    return NULL;
  }
  if (n > old && b->used - old + n > b->max) {
    b->steps += b->max_steps / 20 + 1;          /* Lua collects everything before it gives up: no loop may live on that */
    return NULL;
  }
  q = realloc(p, n);
  if (q != NULL) b->used = b->used - old + n;
  return q;
}

static box *box_of(lua_State *L) {
  void *b;
  lua_getallocf(L, &b);
  return b;
}

static bool is_over(const box *b) { return b->steps > b->max_steps; }

static int raise_over(lua_State *L) {
  return luaL_error(L, "more than %d million steps", (int)(box_of(L)->max_steps / 1000000));
}

static void count_steps(lua_State *L, lua_Debug *ar) {
  (void)ar;
  box_of(L)->steps += HOOK_EVERY;
  if (is_over(box_of(L))) raise_over(L);
}

/* pcall, from which a box that is over goes on to its end. */
static int counted_pcall(lua_State *L) {
  int status;
  luaL_checkany(L, 1);
  status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (is_over(box_of(L))) return raise_over(L);
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

/* The handler is called behind the error and not within it, where no hook would run. */
static int counted_xpcall(lua_State *L) {
  int status;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 1);
  lua_copy(L, 2, 1);
  lua_replace(L, 2);                            /* handler, function, arguments */
  status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  if (is_over(box_of(L))) return raise_over(L);
  if (status != LUA_OK) {
    lua_pcall(L, 1, 1, 0);
    if (is_over(box_of(L))) return raise_over(L);
    lua_pushboolean(L, 0);
    lua_insert(L, 1);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* ---- the libraries ------------------------------------------------------------------- */

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
  er_det_open(L);                               /* a reward is computed again, in another run */
  remove_names(L, NULL, base);
  remove_names(L, LUA_STRLIBNAME, strings);
  remove_names(L, LUA_MATHLIBNAME, maths);
  lua_register(L, "pcall", counted_pcall);
  lua_register(L, "xpcall", counted_xpcall);
  lua_getglobal(L, "setmetatable");
  lua_pushcclosure(L, er_det_setmetatable, 1);
  lua_setglobal(L, "setmetatable");
  return 0;
}

/* ---- copies ------------------------------------------------------------------------------ */

typedef struct { lua_State *from, *to; int count; er_err *err; } copying;

static int copy_table(copying *c, int idx, int depth);

/* Copies the value at idx of c->from to the top of c->to, and raises nothing in
 * c->from.  Functions become the string "function"; what has no copy is an error. */
static int copy(copying *c, int idx, int depth) {
  lua_State *from = c->from, *to = c->to;
  size_t n;
  const char *s;
  if (depth > MAX_COPY_DEPTH || !lua_checkstack(from, 4) || !lua_checkstack(to, 4))
    return er_fail(c->err, "EINVAL", "a table is nested more than %d deep or contains itself", MAX_COPY_DEPTH);
  if (++c->count > MAX_COPIES) return er_fail(c->err, "EINVAL", "a table holds more than %d values", MAX_COPIES);
  switch (lua_type(from, idx)) {
    case LUA_TNIL: lua_pushnil(to); return 0;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, idx)); return 0;
    case LUA_TNUMBER:
      if (lua_isinteger(from, idx)) lua_pushinteger(to, lua_tointeger(from, idx));
      else lua_pushnumber(to, lua_tonumber(from, idx));
      return 0;
    case LUA_TSTRING: s = lua_tolstring(from, idx, &n); lua_pushlstring(to, s, n); return 0;
    case LUA_TFUNCTION: lua_pushliteral(to, "function"); return 0;
    case LUA_TTABLE: return copy_table(c, idx, depth);
    default: return er_fail(c->err, "EINVAL", "a %s cannot be handed over", luaL_typename(from, idx));
  }
}

static int copy_table(copying *c, int idx, int depth) {
  lua_newtable(c->to);
  for (lua_pushnil(c->from); lua_next(c->from, idx); lua_pop(c->from, 1)) {
    int top = lua_gettop(c->from);
    if (copy(c, top - 1, depth + 1) < 0 || copy(c, top, depth + 1) < 0) return -1;
    lua_rawset(c->to, -3);
  }
  return 0;
}

/* ---- running in the box --------------------------------------------------------------------- */

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

/* Hands over the error on top of the box; a number is not made a string there,
 * which would need memory of the box. */
static int failed(lua_State *L, box *b, const char *code) {
  lua_pushnil(L);
  if (lua_type(b->L, -1) == LUA_TSTRING) lua_pushstring(L, lua_tostring(b->L, -1));
  else if (lua_type(b->L, -1) == LUA_TNUMBER) lua_pushfstring(L, "%f", lua_tonumber(b->L, -1));
  else lua_pushliteral(L, "an error that is no string");
  lua_pushstring(L, code);
  lua_settop(b->L, 0);
  return 3;
}

static const char *code_of(int status) { return status == LUA_ERRMEM ? "memory" : "error"; }

typedef struct { const char *src, *name; size_t n; bool loaded; } chunk;

static int run_chunk(lua_State *L) {
  chunk *c = lua_touserdata(L, 1);
  open_box_libs(L);
  if (luaL_loadbufferx(L, c->src, c->n, c->name, "t") != LUA_OK) return lua_error(L);
  c->loaded = true;
  lua_sethook(L, count_steps, LUA_MASKCOUNT, HOOK_EVERY);
  lua_call(L, 0, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &value_key);
  return 0;
}

/* box.new(source, name [, memory_bytes [, steps]]) -> box | nil, message, code
 * Runs the chunk; what it returns is the box's value. */
static int box_new(lua_State *L) {
  chunk c = {0};
  lua_Integer max = luaL_optinteger(L, 3, 16 << 20), steps = luaL_optinteger(L, 4, 10000000);
  box *b;
  int status;
  c.src = luaL_checklstring(L, 1, &c.n);
  c.name = luaL_checkstring(L, 2);
  luaL_argcheck(L, max > 0, 3, "a number of bytes expected");
  luaL_argcheck(L, steps > 0, 4, "a number of steps expected");
  b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (box){.max = (size_t)max, .max_steps = steps};
  luaL_setmetatable(L, BOX);
  b->L = lua_newstate(bounded_alloc, b);
  if (b->L == NULL) return luaL_error(L, "box.new: no memory");
  *(er_host **)lua_getextraspace(b->L) = er_host_of(L);
  lua_pushcfunction(b->L, run_chunk);
  lua_pushlightuserdata(b->L, &c);
  status = lua_pcall(b->L, 1, 0, 0);
  if (status != LUA_OK) return failed(L, b, c.loaded || status == LUA_ERRMEM ? code_of(status) : "syntax");
  return 1;
}

static int copy_out(lua_State *L, box *b) {
  er_err err;
  copying c = {.from = b->L, .to = L, .err = &err};
  int rc = copy(&c, lua_gettop(b->L), 0);
  lua_settop(b->L, 0);
  return rc < 0 ? er_fail_push(L, &err) : 1;
}

/* box:value() -> a copy of what the chunk returned; functions as "function" */
static int box_value(lua_State *L) {
  box *b = check_box(L);
  lua_rawgetp(b->L, LUA_REGISTRYINDEX, &value_key);
  return copy_out(L, b);
}

typedef struct { lua_State *from; const char *name; } request;

static int run_call(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  er_err err;
  copying c = {.from = r->from, .to = L, .err = &err};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &value_key);
  if (r->name != NULL && lua_istable(L, -1)) {
    lua_pushstring(L, r->name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  if (copy(&c, 3, 0) < 0) return luaL_error(L, "%s", err.msg);
  lua_call(L, 1, 1);
  return 1;
}

/* box:call(name, argument) -> result | nil, message, code: calls the function in
 * field `name` of the value (or, without a name, the value itself). */
static int box_call(lua_State *L) {
  box *b = check_box(L);
  request r = {L, luaL_optstring(L, 2, NULL)};
  int status;
  lua_settop(L, 3);
  b->steps = 0;
  lua_pushcfunction(b->L, run_call);
  lua_pushlightuserdata(b->L, &r);
  status = lua_pcall(b->L, 1, 1, 0);
  lua_settop(L, 3);                             /* a copy that was broken off left its keys */
  return status == LUA_OK ? copy_out(L, b) : failed(L, b, code_of(status));
}

static const luaL_Reg boxlib[] = {{"new", box_new}, {NULL, NULL}};
static const luaL_Reg box_methods[] = {{"value", box_value}, {"call", box_call}, {NULL, NULL}};
static const luaL_Reg box_meta[] = {{"__gc", box_gc}, {"__close", box_gc}, {NULL, NULL}};

int luaopen_erlua_core_box(lua_State *L) {
  er_new_class(L, BOX, box_methods, box_meta);
  luaL_newlib(L, boxlib);
  return 1;
}
