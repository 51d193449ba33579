/* control.c - pcall, xpcall and coroutines that let waits pass.
 * A wait yields the host's pointer; a user's coroutine that sees it come out of
 * an inner one hands it on to its own resumer, until the scheduler has it, and
 * goes back in when the task is resumed. */

#include <lauxlib.h>
#include <string.h>

#include "lua/det.h"
#include "lua/host.h"

/* ---- protected calls ---------------------------------------------------------------- */

/* How often `cancelled` was raised in this task: tells whether a raise came from
 * within a protected call. */
static int raised(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  return t != NULL ? t->raised : 0;
}

/* The error on top of the stack is caught by a call that began at the count `before`.
 * One that a cancel went through ends the unwinding: the next wait raises again.
 * What ends the program is not to be caught at all. */
ER_LJMP static void caught(lua_State *L, int before) {
  er_host *h = er_host_of(L);
  if (h->broken || h->exiting || h->fatal) lua_error(L);
  if (h->current != NULL && h->current->raised != before) h->current->unwinding = false;
}

/* ctx: the count of raises at the start, and how many values stand below the results */
static lua_KContext context(lua_State *L, int extra) { return (lua_KContext)raised(L) * 4 + extra; }

static int pcall_k(lua_State *L, int status, lua_KContext ctx) {
  if (status != LUA_OK && status != LUA_YIELD) {
    caught(L, (int)(ctx / 4));
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)(ctx % 4);
}

static int control_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext ctx = context(L, 0);
  return pcall_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, ctx, pcall_k), ctx);
}

static int control_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  lua_KContext ctx = context(L, 2);
  return pcall_k(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, ctx, pcall_k), ctx);
}

/* ---- coroutines ------------------------------------------------------------------------ */

static int resume_k(lua_State *L, int status, lua_KContext ctx);

/* Resumes co with n arguments on its stack.  Returns the number of values it left
 * there, -1 for an error; a wait is passed on to our own resumer. */
ER_LJMP static int resume_inner(lua_State *L, lua_State *co, int n, bool *waits) {
  er_host *h = er_host_of(L);
  lua_State *outer = h->running;
  bool could = h->can_wait;
  int rc, nres = 0;
  *waits = false;
  h->running = co;
  h->can_wait = could && lua_isyieldable(L);
  er_host_watch(h, co);
  rc = lua_resume(co, L, n, &nres);
  h->running = outer;
  h->can_wait = could;
  er_host_watch(h, L);
  if (rc == LUA_YIELD && er_task_waits_in(co)) {
    *waits = true;
    return 0;
  }
  return rc == LUA_OK || rc == LUA_YIELD ? nres : -1;
}

/* Finishes a resume: pushes what came, in the shape of resume or of wrap. */
ER_LJMP static int finish(lua_State *L, lua_State *co, int n, bool waits, lua_KContext ctx) {
  bool wrap = ctx % 4;
  if (waits) {
    lua_pushlightuserdata(L, er_host_of(L));
    return lua_yieldk(L, 1, ctx, resume_k);
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
    caught(L, (int)(ctx / 4));
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
  bool waits;
  lua_State *co = inner_of(L, ctx % 4);
  int n;
  (void)status;
  lua_pop(co, 1);                               /* the mark of its wait */
  n = resume_inner(L, co, 0, &waits);
  return finish(L, co, n, waits, ctx);
}

#define BUSY "cannot resume a coroutine that waits in another task"

ER_LJMP static int start(lua_State *L, bool wrap) {
  lua_KContext ctx = context(L, wrap);
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
  if (er_task_waits_in(co)) {
    if (wrap) return luaL_error(L, BUSY);
    lua_pushboolean(L, 0);
    lua_pushliteral(L, BUSY);
    return 2;
  }
  lua_xmove(L, co, n);
  n = resume_inner(L, co, n, &waits);
  return finish(L, co, n, waits, ctx);
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

/* upvalue: coroutine.close */
static int control_close(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTHREAD);
  if (er_task_waits_in(lua_tothread(L, 1))) return luaL_error(L, "cannot close a coroutine that waits in another task");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
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
  lua_getfield(L, -1, "close");
  lua_pushcclosure(L, control_close, 1);
  lua_setfield(L, -2, "close");
  lua_pop(L, 1);
}
