/* control.c - pcall, xpcall and coroutines that let waits pass.
 * A wait yields the host's pointer; a user's coroutine that sees it come out of
 * an inner one hands it on to its own resumer, until the scheduler has it, and
 * goes back in when the task is resumed. */

#include <lauxlib.h>
#include <string.h>

#include "lua/det.h"
#include "lua/host.h"

/* ---- protected calls ---------------------------------------------------------------- */

/* A pcall that catches `cancelled` ends the unwinding: the next wait raises again. */
static void caught(lua_State *L, int status) {
  er_task *t = er_host_of(L)->current;
  if (status == LUA_OK || status == LUA_YIELD || t == NULL || !t->unwinding) return;
  if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "cancelled") == 0) t->unwinding = false;
}

static int pcall_k(lua_State *L, int status, lua_KContext extra) {
  if (status != LUA_OK && status != LUA_YIELD) {
    caught(L, status);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)extra;
}

static int control_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return pcall_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcall_k), 0);
}

static int control_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  return pcall_k(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, pcall_k), 2);
}

/* ---- coroutines ------------------------------------------------------------------------ */

static bool is_wait(lua_State *co, int n, const er_host *h) {
  return n == 1 && lua_islightuserdata(co, -1) && lua_touserdata(co, -1) == h;
}

static int resume_k(lua_State *L, int status, lua_KContext ctx);

/* Resumes co with n arguments on its stack.  Returns the number of values it left
 * there, -1 for an error; a wait is passed on to our own resumer. */
ER_LJMP static int resume_inner(lua_State *L, lua_State *co, int n, bool *waits) {
  er_host *h = er_host_of(L);
  lua_State *outer = h->running;
  int rc, nres = 0;
  *waits = false;
  h->running = co;
  er_host_watch(h, co);
  rc = lua_resume(co, L, n, &nres);
  h->running = outer;
  er_host_watch(h, L);
  if (rc == LUA_YIELD && is_wait(co, nres, h)) {
    lua_pop(co, 1);
    *waits = true;
    return 0;
  }
  return rc == LUA_OK || rc == LUA_YIELD ? nres : -1;
}

/* Finishes a resume: pushes what came, in the shape of resume or of wrap. */
ER_LJMP static int finish(lua_State *L, lua_State *co, int n, bool waits, bool wrap) {
  if (waits) {
    if (!lua_isyieldable(L)) return luaL_error(L, "a coroutine cannot wait where its resumer cannot");
    lua_pushlightuserdata(L, er_host_of(L));
    return lua_yieldk(L, 1, wrap, resume_k);
  }
  if (n >= 0) {
    if (!lua_checkstack(L, n + 1)) return luaL_error(L, "too many results to resume");
    if (!wrap) lua_pushboolean(L, 1);
    lua_xmove(co, L, n);
    return wrap ? n : n + 1;
  }
  if (!wrap) {
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    caught(L, LUA_ERRRUN);
    return 2;
  }
  if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
    lua_resetthread(co);                        /* closes its variables; the error stays on top */
  }
  lua_xmove(co, L, 1);
  return lua_error(L);
}

static lua_State *inner_of(lua_State *L, bool wrap) {
  return lua_tothread(L, wrap ? lua_upvalueindex(1) : 1);
}

static int resume_k(lua_State *L, int status, lua_KContext ctx) {
  bool waits, wrap = (bool)ctx;
  lua_State *co = inner_of(L, wrap);
  int n;
  (void)status;
  n = resume_inner(L, co, 0, &waits);
  return finish(L, co, n, waits, wrap);
}

ER_LJMP static int start(lua_State *L, bool wrap) {
  lua_State *co = inner_of(L, wrap);
  int first = wrap ? 1 : 2, n = lua_gettop(L) - first + 1;
  bool waits;
  if (!lua_checkstack(co, n)) return luaL_error(L, "too many arguments to resume");
  if (lua_status(co) == LUA_OK && lua_gettop(co) == 0) {
    if (wrap) return luaL_error(L, "cannot resume dead coroutine");
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "cannot resume dead coroutine");
    return 2;
  }
  lua_xmove(L, co, n);
  n = resume_inner(L, co, n, &waits);
  return finish(L, co, n, waits, wrap);
}

static int control_resume(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTHREAD);
  return start(L, false);
}

static int wrapped(lua_State *L) { return start(L, true); }

static int control_wrap(lua_State *L) {
  lua_State *co;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

static int control_yield(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  if (t != NULL && t->co == L) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

void er_det_open_control(lua_State *L) {
  lua_register(L, "pcall", control_pcall);
  lua_register(L, "xpcall", control_xpcall);
  lua_getglobal(L, "coroutine");
  lua_pushcfunction(L, control_resume);
  lua_setfield(L, -2, "resume");
  lua_pushcfunction(L, control_wrap);
  lua_setfield(L, -2, "wrap");
  lua_pushcfunction(L, control_yield);
  lua_setfield(L, -2, "yield");
  lua_pop(L, 1);
}
