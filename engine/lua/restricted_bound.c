/* restricted_bound.c - the other functions of Lua's library that one call could keep busy without end, bounded.
 * No hook runs within a C function.  What it does is bounded by the state's memory, save where it counts to a
 * number that it was given, or where each of many small steps reads all of a long text. */

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>

#include "lua/restricted.h"

/* More elements than fit into the memory of a state. */
static const lua_Integer MOST_ELEMENTS = 1 << 24;

/* Calls the function at upvalue 1, which is the library's own, with what is on the stack. */
static int call_original(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static lua_Integer length_of(lua_State *L, const char *name) {
  lua_Integer n;
  luaL_checktype(L, 1, LUA_TTABLE);
  n = luaL_len(L, 1);
  if (n > MOST_ELEMENTS)
    luaL_error(L, "%s: the table says that it has %I elements; at most %I are moved here", name, (LUAI_UACINT)n,
               (LUAI_UACINT)MOST_ELEMENTS);
  return n;
}

/* insert(t, value), insert(t, place, value) */
static int insert(lua_State *L) {
  lua_Integer end = length_of(L, "insert") + 1, at = end;
  int arguments = lua_gettop(L);
  if (arguments != 2 && arguments != 3) return luaL_error(L, "wrong number of arguments to 'insert'");
  if (arguments == 3) {
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 1 && at <= end, 2, "position out of bounds");
  }
  for (lua_Integer i = end; i > at; i--) {
    lua_geti(L, 1, i - 1);
    lua_seti(L, 1, i);
  }
  lua_seti(L, 1, at);
  return 0;
}

/* remove(t, place) -> the element that was there */
static int take_out(lua_State *L) {
  lua_Integer n = length_of(L, "remove"), at = luaL_optinteger(L, 2, n);
  if (at != n) luaL_argcheck(L, at >= 1 && at <= n + 1, 2, "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < n; at++) {
    lua_geti(L, 1, at + 1);
    lua_seti(L, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

/* move(from, first, last, place, to) */
static int move(lua_State *L) {
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  if (last >= first && (lua_Unsigned)last - (lua_Unsigned)first >= (lua_Unsigned)MOST_ELEMENTS)
    return luaL_error(L, "move: %I to %I are more than the %I elements that are moved here", (LUAI_UACINT)first,
                      (LUAI_UACINT)last, (LUAI_UACINT)MOST_ELEMENTS);
  return call_original(L);
}

static int less(lua_State *L) {
  lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
  return 1;
}

/* sort(t, before): a comparison is always a call, before which the clock is looked at */
static int sort(lua_State *L) {
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushcfunction(L, less);
    lua_replace(L, 2);
  }
  return call_original(L);
}

/* ---- texts ------------------------------------------------------------------------------------------------ */

/* rep(s, n, separator): nothing, any number of times, is nothing */
static int rep(lua_State *L) {
  size_t n, between;
  luaL_checklstring(L, 1, &n);
  luaL_optlstring(L, 3, "", &between);
  luaL_checkinteger(L, 2);
  if (n + between > 0) return call_original(L);
  lua_pushliteral(L, "");
  return 1;
}

/* The pieces of a chunk that a function hands out, as one text in place of the function. */
static void gather(lua_State *L) {
  luaL_Buffer b;
  size_t n = 0, all = 0;
  luaL_buffinit(L, &b);
  do {
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_tolstring(L, -1, &n) == NULL && !lua_isnil(L, -1)) luaL_error(L, "reader function must return a string");
    if (lua_isnil(L, -1)) n = 0;
    if (n > 0) luaL_addvalue(&b);
    else lua_pop(L, 1);
    all += n;
  } while (n > 0 && all <= ER_RESTRICTED_SOURCE);
  luaL_pushresult(&b);
  lua_replace(L, 1);
  lua_settop(L, 4);
  if (!lua_isnil(L, 2)) return;
  lua_pushliteral(L, "=(load)");
  lua_replace(L, 2);
}

/* load(chunk, name, mode, env): bytecode is unverified, so that the mode is always "t"; and what is long takes long. */
static int text_load(lua_State *L) {
  int arguments = lua_isnone(L, 4) ? 3 : 4;
  size_t n;
  if (strchr(luaL_optstring(L, 3, "t"), 't') == NULL)
    return luaL_error(L, "load: only text is loaded here, no bytecode");
  lua_settop(L, 4);
  if (lua_type(L, 1) == LUA_TFUNCTION) gather(L);
  luaL_checklstring(L, 1, &n);
  if (n > ER_RESTRICTED_SOURCE)
    return luaL_error(L, "load: a chunk has at most %d bytes here", (int)ER_RESTRICTED_SOURCE);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_settop(L, arguments);
  return call_original(L);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Puts f, which has the function that it replaces as its upvalue, into the table at the top. */
static void wrap(lua_State *L, const char *name, lua_CFunction f) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

void er_restricted_open_bounds(lua_State *L) {
  static const luaL_Reg tables[] = {{"insert", insert}, {"remove", take_out}, {NULL, NULL}};
  lua_pushglobaltable(L);
  wrap(L, "load", text_load);
  lua_getglobal(L, "string");
  wrap(L, "rep", rep);
  lua_getglobal(L, "table");
  luaL_setfuncs(L, tables, 0);
  wrap(L, "move", move);
  wrap(L, "sort", sort);
  lua_pop(L, 3);
}
