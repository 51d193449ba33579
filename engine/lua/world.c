/* world.c - os, io and the collector as a strategy may use them.
 * Before a study is open, and in programs without one (a training script), they
 * are Lua's own.  Once it is open, readings are journaled and what would differ in
 * a resumed run is refused with the name of the call to use instead. */

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lua/det.h"
#include "lua/host.h"
#include "lua/json.h"

/* What erlua.once runs may do anything: it does not run again. */
static bool strict(lua_State *L) {
  er_host *h = er_host_of(L);
  return h->mode != ER_JOURNAL_OFF && !(h->current != NULL && h->current->quiet);
}

/* Calls the stock function (upvalue 1) with all arguments. */
ER_LJMP static int stock(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* ---- readings ---------------------------------------------------------------------- */

/* The reading itself: upvalue 1 with the caller's arguments, as a JSON array of the
 * result, or of null and the message of an error. */
static void make_reading(lua_State *L, void *ud, er_buf *out) {
  int n = lua_gettop(L);
  size_t len;
  const char *message;
  er_err err;
  (void)ud;
  lua_pushvalue(L, lua_upvalueindex(1));
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  if (lua_pcall(L, n, 1, 0) != LUA_OK) {
    message = luaL_tolstring(L, -1, &len);
    er_buf_str(out, "[null,");
    er_text_quote(out, message, len);
    er_buf_char(out, ']');
    lua_pop(L, 2);
    return;
  }
  er_buf_char(out, '[');
  if (er_json_encode(L, -1, out, &err) < 0) er_buf_str(out, "null");
  er_buf_char(out, ']');
  lua_pop(L, 1);
}

/* upvalues: the stock function, its name */
static int reading(lua_State *L) {
  er_buf call = {0};
  er_err err;
  const char *name = lua_tostring(L, lua_upvalueindex(2));
  int n;
  if (!strict(L)) return stock(L);
  lua_createtable(L, lua_gettop(L), 0);
  for (int i = 1, top = lua_gettop(L) - 1; i <= top; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  if (er_json_encode(L, -1, &call, &err) < 0) {
    er_buf_free(&call);
    return luaL_error(L, "%s: %s", name, err.msg);
  }
  lua_pop(L, 1);
  n = er_effect_now(L, name, call.ptr, call.len, make_reading, NULL);
  er_buf_free(&call);
  return n == 1 ? 1 : luaL_error(L, "%s: %s", name, lua_tostring(L, -1));
}

/* os.time with a table is arithmetic, not a reading. */
static int os_time(lua_State *L) { return lua_isnoneornil(L, 1) ? reading(L) : stock(L); }

/* ---- refusals ------------------------------------------------------------------------- */

/* upvalues: the stock function, its name, what to use instead */
static int refused(lua_State *L) {
  if (!strict(L)) return stock(L);
  return luaL_error(L,
                    "%s is refused in a strategy: a resumed or replayed study would see it act again or differ; use %s",
                    lua_tostring(L, lua_upvalueindex(2)), lua_tostring(L, lua_upvalueindex(3)));
}

/* Reading files is fine, writing them is not. */
static int io_open(lua_State *L) {
  const char *mode = luaL_optstring(L, 2, "r");
  return strpbrk(mode, "wa+") != NULL ? refused(L) : stock(L);
}

static int io_output(lua_State *L) { return lua_isnoneornil(L, 1) ? stock(L) : refused(L); }

static int io_write(lua_State *L) {
  if (er_host_of(L)->mode == ER_JOURNAL_REPLAY) {
    lua_getglobal(L, "io");
    lua_getfield(L, -1, "stdout");
    return 1;
  }
  er_host_clear_status(er_host_of(L));
  return stock(L);
}

/* file:write; upvalue: the stock function */
static int file_write(lua_State *L) {
  luaL_Stream *f = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  if (f->closef == NULL || (f->f != stdout && f->f != stderr)) return stock(L);
  if (er_host_of(L)->mode != ER_JOURNAL_REPLAY) {
    er_host_clear_status(er_host_of(L));
    return stock(L);
  }
  lua_settop(L, 1);
  return 1;
}

static int det_setmetatable(lua_State *L) {
  if (strict(L) && lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(
          L, "setmetatable: a finalizer (__gc) is refused in a strategy: when it runs is not repeatable; use <close>");
    lua_pushliteral(L, "__mode");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(
          L,
          "setmetatable: a weak table (__mode) is refused in a strategy: what it holds is not repeatable; "
          "use an ordinary table");
    lua_settop(L, 2);
  }
  return stock(L);
}

static int det_collect(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "collect");
  if (strict(L) && strcmp(what, "count") == 0)
    return luaL_error(L,
                      "collectgarbage \"count\" is refused in a strategy: it differs from run to run; use erlua.once");
  return stock(L);
}

/* Ends the program in order: what was done is committed. */
static int os_exit(lua_State *L) {
  er_host *h = er_host_of(L);
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  if (h->current == NULL) {
    fflush(stdout);
    exit(code);
  }
  h->exiting = true;
  h->exit_code = code;
  h->current->quiet = true;
  h->current->cancelled = h->current->unwinding = true;
  lua_pushliteral(L, "cancelled");
  return lua_error(L);
}

/* ---- opening ----------------------------------------------------------------------------- */

typedef struct { const char *table, *name; lua_CFunction f; const char *instead; } wrapper;

static const wrapper wrappers[] = {
  {"os", "time", os_time, NULL}, {"os", "clock", reading, NULL}, {"os", "date", reading, NULL},
  {"os", "getenv", reading, NULL}, {"os", "exit", os_exit, NULL},
  {"os", "execute", refused, "erlua.exec"}, {"os", "remove", refused, "erlua.once"},
  {"os", "rename", refused, "erlua.once"}, {"os", "tmpname", refused, "erlua.once"},
  {"io", "popen", refused, "erlua.exec"}, {"io", "tmpfile", refused, "erlua.once"},
  {"io", "open", io_open, "study:log or erlua.once"}, {"io", "output", io_output, "study:log or erlua.once"},
  {"io", "write", io_write, NULL},
  {"_G", "setmetatable", det_setmetatable, NULL}, {"_G", "collectgarbage", det_collect, NULL},
  {NULL, NULL, NULL, NULL},
};

void er_det_open_world(lua_State *L) {
  for (const wrapper *w = wrappers; w->table != NULL; w++) {
    char name[64];
    lua_getglobal(L, w->table);
    lua_getfield(L, -1, w->name);
    snprintf(name, sizeof name, "%s.%s", w->table, w->name);
    lua_pushstring(L, name);
    lua_pushstring(L, w->instead != NULL ? w->instead : "");
    lua_pushcclosure(L, w->f, 3);
    lua_setfield(L, -2, w->name);
    lua_pop(L, 1);
  }
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  lua_getfield(L, -1, "write");
  lua_pushcclosure(L, file_write, 1);
  lua_setfield(L, -2, "write");
  lua_pop(L, 2);
}
