/* lua_task.c - erlua.core.task: spawn, wait, cancel, groups, sleep, clocks. */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "lua/host.h"
#include "lua/json.h"
#include "lua/modules.h"
#include "lua/open.h"

#define TASK "erlua.task"
#define GROUP "erlua.group"

/* ---- handles ------------------------------------------------------------------------ */

static er_task *check_task(lua_State *L, int idx) {
  er_task **p = luaL_checkudata(L, idx, TASK);
  if (*p == NULL) luaL_error(L, "attempt to use a closed task");
  return *p;
}

static void push_task(lua_State *L, er_task *t) {
  er_task **p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = NULL;
  luaL_setmetatable(L, TASK);
  *p = t;
  t->refs++;
}

static int task_gc(lua_State *L) {
  er_task **p = luaL_checkudata(L, 1, TASK);
  er_task *t = *p;
  *p = NULL;
  if (t != NULL) er_task_release(t);
  return 0;
}

static int task_tostring(lua_State *L) {
  er_task *t = check_task(L, 1);
  static const char *const names[] = {"ready", "running", "waiting", "done"};
  lua_pushfstring(L, "task %s (%s)", t->path, t->state == ER_TASK_DONE && !t->ok ? "failed" : names[t->state]);
  return 1;
}

/* ---- spawn and wait -------------------------------------------------------------------- */

static er_task *spawn(lua_State *L) {
  er_host *h = er_host_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (h->current == NULL) luaL_error(L, "spawn: no task is running here (a finalizer, or engine code)");
  return er_task_spawn(h, L, lua_gettop(L) - 1, h->current, er_task_where(L, h->current));
}

static int task_spawn(lua_State *L) {
  er_task *t = spawn(L);
  push_task(L, t);
  return 1;
}

typedef struct { er_op op; er_task *target; } join_op;

/* true and the results, or false and the error. */
static int push_outcome(lua_State *L, er_task *t) {
  int n;
  lua_pushboolean(L, t->ok);
  n = er_task_results(t, L);
  return n < 0 ? 2 : n + 1;
}

static int join_push(lua_State *L, er_op *op) { return push_outcome(L, ((join_op *)op)->target); }

static void join_abort(er_op *op) {
  er_op **p = &((join_op *)op)->target->joins;
  while (*p != NULL && *p != op) p = &(*p)->next;
  if (*p != NULL) *p = op->next;
}

static void join_free(er_op *op) { er_task_release(((join_op *)op)->target); }

static const er_op_class join_class = {"task:wait", join_push, NULL, join_abort, join_free};

static int task_wait(lua_State *L) {
  er_task *target = check_task(L, 1), *t;
  join_op *o;
  er_task_observe(target);
  if (target->state == ER_TASK_DONE) return push_outcome(L, target);
  t = er_task_need(L, "task:wait");
  if (t == target) return luaL_error(L, "task:wait: a task cannot wait for itself");
  o = (join_op *)er_op_new(t, &join_class, sizeof *o);
  o->target = target;
  target->refs++;
  o->op.next = target->joins;
  target->joins = &o->op;
  return er_task_wait(L, &o->op);
}

static void nothing(lua_State *L, void *ud, er_buf *out) {
  (void)L;
  (void)ud;
  er_buf_str(out, "[]");
}

ER_LJMP static void cancel(lua_State *L, er_task *t) {
  er_host *h = er_host_of(L);
  int top = lua_gettop(L);
  const char *call;
  size_t len;
  if (t->state == ER_TASK_DONE || t->cancelled) return;
  t->observed = true;
  lua_pushfstring(L, "\"%s\"", t->path);
  call = lua_tolstring(L, -1, &len);
  er_effect_now(L, "cancel", call, len, nothing, NULL);
  lua_settop(L, top);
  er_task_cancel(t);
  if (t == h->current) {
    t->unwinding = true;
    t->raised++;
    lua_pushliteral(L, "cancelled");
    lua_error(L);
  }
}

static int task_cancel(lua_State *L) {
  cancel(L, check_task(L, 1));
  return 0;
}

static int task_done(lua_State *L) {
  lua_pushboolean(L, check_task(L, 1)->state == ER_TASK_DONE);
  return 1;
}

static int task_id(lua_State *L) {            /* for pairs: the order of spawning, deepest number last */
  er_task *t = check_task(L, 1);
  long long id = 0;
  for (const char *p = t->path; *p; p++) id = (id * 131 + (unsigned char)*p) & 0x7fffffffffffLL;
  lua_pushinteger(L, id);
  return 1;
}

/* ---- groups ------------------------------------------------------------------------------ */

static er_group *check_group(lua_State *L, int idx) {
  er_group **p = luaL_checkudata(L, idx, GROUP);
  if (*p == NULL) luaL_error(L, "attempt to use a closed group");
  return *p;
}

static int task_group(lua_State *L) {
  er_group **p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = NULL;
  luaL_setmetatable(L, GROUP);
  *p = er_calloc(1, sizeof **p);
  (*p)->refs = 1;
  return 1;
}

static int group_gc(lua_State *L) {
  er_group **p = luaL_checkudata(L, 1, GROUP);
  er_group *g = *p;
  *p = NULL;
  if (g != NULL) er_group_release(g);
  return 0;
}

static er_task *spawn_in_group(lua_State *L) {
  er_group *g = check_group(L, 1);
  er_task *t;
  lua_remove(L, 1);
  t = spawn(L);
  er_group_add(g, t);
  return t;
}

/* group:spawn(fn, ...): a task whose end group:next tells. */
static int group_spawn(lua_State *L) {
  push_task(L, spawn_in_group(L));
  return 1;
}

/* group:start(fn, ...): the same without a handle for the collector to end. */
static int group_start(lua_State *L) {
  spawn_in_group(L);
  return 0;
}

/* group:cancel(): all that live, newest first.  No Lua runs meanwhile, and what a cancel
 * ends besides its task is newer. */
static int group_cancel(lua_State *L) {
  er_task *t, *older;
  for (t = check_group(L, 1)->newest; t != NULL; t = older) {
    older = t->older;
    cancel(L, t);
  }
  return 0;
}

typedef struct { er_op op; er_group *group; } group_op;

/* ok and the results or the error of the next finished task; nothing when none is left. */
static int push_finished(lua_State *L, er_group *g) {
  er_task *t = g->first;
  int n;
  if (t == NULL) return 0;
  g->first = t->next;
  if (g->first == NULL) g->last = NULL;
  n = push_outcome(L, t);
  er_task_release(t);
  return n;
}

static int next_push(lua_State *L, er_op *op) { return push_finished(L, ((group_op *)op)->group); }
static void next_abort(er_op *op) { ((group_op *)op)->group->waiter = NULL; }
static void next_free(er_op *op) { er_group_release(((group_op *)op)->group); }
static const er_op_class next_class = {"group:next", next_push, NULL, next_abort, next_free};

static int group_next(lua_State *L) {
  er_group *g = check_group(L, 1);
  er_task *t;
  group_op *o;
  if (g->first != NULL) return push_finished(L, g);
  if (g->live == 0) return 0;
  t = er_task_need(L, "group:next");
  if (g->waiter != NULL) return luaL_error(L, "group:next: another task already waits for this group");
  o = (group_op *)er_op_new(t, &next_class, sizeof *o);
  o->group = g;
  g->refs++;
  g->waiter = &o->op;
  return er_task_wait(L, &o->op);
}

/* ---- sleep and clocks ------------------------------------------------------------------------ */

/* held: a study that has to end does not wait for it. */
typedef struct { er_op op; er_timer *timer; double seconds; bool held; } sleep_op;

static void sleep_stop(er_op *op) {
  sleep_op *o = (sleep_op *)op;
  er_timer_stop(o->timer);
  o->timer = NULL;
  if (o->held) op->host->n_held--;
  o->held = false;
}

static void sleep_fired(void *ud) {
  sleep_op *o = ud;
  sleep_stop(&o->op);
  er_buf_str(&o->op.result, "[]");
  er_op_done(&o->op);
}

static void sleep_start(er_op *op) {
  sleep_op *o = (sleep_op *)op;
  o->timer = er_timer_start(op->host->loop, o->seconds, 0, sleep_fired, o);
  o->held = op->task != NULL && !op->task->quiet;
  if (o->held) op->host->n_held++;
}

static int sleep_push(lua_State *L, er_op *op) {
  (void)L;
  (void)op;
  return 0;
}

static const er_op_class sleep_class = {"sleep", sleep_push, sleep_start, sleep_stop, sleep_stop};

/* sleep(seconds [, kind]): kind "timeout" names it in the journal. */
static int task_sleep(lua_State *L) {
  double s = luaL_checknumber(L, 1);
  const char *kind = luaL_optstring(L, 2, "sleep");
  er_task *t = er_task_need(L, "sleep");
  sleep_op *o;
  char call[40] = "";
  luaL_argcheck(L, s >= 0 && s < 1e9, 1, "seconds from 0 to 1e9 expected");
  o = (sleep_op *)er_op_new(t, &sleep_class, sizeof *o);
  o->seconds = s;
  if (t->host->mode != ER_JOURNAL_OFF) snprintf(call, sizeof call, "[%.17g]", s);
  return er_effect_wait(L, &o->op, kind, call, strlen(call));
}

static void read_clock(lua_State *L, void *ud, er_buf *out) {
  (void)L;
  (void)ud;
  er_buf_char(out, '[');
  er_text_double(out, er_clock_wall());
  er_buf_char(out, ']');
}

static int task_now(lua_State *L) {
  lua_settop(L, 0);
  return er_effect_now(L, "now", "[]", 2, read_clock, NULL);
}

/* What this process has used of its job's budget: CPU seconds, also of children it has
 * waited for, or seconds since it began. */
static double used_of_budget(const er_host *h) {
  const char *clock = getenv("ERLUA_BUDGET_CLOCK");
  struct rusage own, children;
  if (clock == NULL || strcmp(clock, "cpu") != 0) return er_clock_mono() - h->began;
  getrusage(RUSAGE_SELF, &own);
  getrusage(RUSAGE_CHILDREN, &children);
  return er_clock_seconds(own.ru_utime) + er_clock_seconds(own.ru_stime) + er_clock_seconds(children.ru_utime) +
         er_clock_seconds(children.ru_stime);
}

/* ud: the budget in seconds */
static void read_budget(lua_State *L, void *ud, er_buf *out) {
  er_buf_fmt(out, "[%.17g]", *(double *)ud - used_of_budget(er_host_of(L)));
}

/* time_left() -> seconds of the job's budget, below 0 when it is used up; math.huge where there is none. */
static int task_time_left(lua_State *L) {
  const char *text = getenv("ERLUA_BUDGET");
  char *end;
  double budget = text != NULL ? strtod(text, &end) : 0;
  lua_settop(L, 0);
  if (text == NULL || end == text || *end != '\0' || !isfinite(budget)) {
    lua_pushnumber(L, HUGE_VAL);
    return 1;
  }
  return er_effect_now(L, "time_left", "[]", 2, read_budget, &budget);
}

/* For what is only shown: not journaled, never let it decide anything. */
static int task_clock(lua_State *L) {
  lua_pushnumber(L, er_clock_mono());
  return 1;
}

static int task_path(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_pushstring(L, h->current != NULL ? h->current->path : "");
  return 1;
}

static int task_live(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_pushinteger(L, (lua_Integer)h->n_live);
  return 1;
}

static const luaL_Reg tasklib[] = {
  {"spawn", task_spawn}, {"group", task_group}, {"sleep", task_sleep}, {"now", task_now}, {"time_left", task_time_left},
  {"pause", er_task_pause},
  {"clock", task_clock}, {"path", task_path}, {"live", task_live}, {NULL, NULL}
};
static const luaL_Reg task_methods[] = {
  {"wait", task_wait}, {"cancel", task_cancel}, {"done", task_done}, {NULL, NULL}
};
static const luaL_Reg task_meta[] = {
  {"__gc", task_gc}, {"__tostring", task_tostring}, {"__id", task_id}, {NULL, NULL}
};
static const luaL_Reg group_methods[] = {
  {"spawn", group_spawn}, {"start", group_start}, {"next", group_next}, {"cancel", group_cancel}, {NULL, NULL}
};
static const luaL_Reg group_meta[] = {{"__gc", group_gc}, {"__close", group_gc}, {NULL, NULL}};

void er_new_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_erlua_core_task(lua_State *L) {
  er_new_class(L, TASK, task_methods, task_meta);
  er_new_class(L, GROUP, group_methods, group_meta);
  luaL_newlib(L, tasklib);
  er_open_effects(L);
  return 1;
}
