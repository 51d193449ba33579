/* lua_effect.c - effects whose body is Lua (once, effect, record), and what such a
 * body may use: places to wait in that no journal knows, and words to the engine
 * about requests in flight and calls that are held. */

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "lua/host.h"
#include "lua/json.h"
#include "lua/modules.h"

#define PARKING "erlua.parking"
#define COUNT "erlua.count"

/* ---- effects with a body -------------------------------------------------------------------- */

/* fn runs in a task of its own whose effects are not journaled; on replay it does
 * not run at all. */
typedef struct { er_op op; int fn; er_task *child; } body_op;

static void body_ended(er_task *t, void *ud) {
  body_op *o = ud;
  er_buf *out = &o->op.result;
  er_err err;
  int n = t->nresults, base = lua_gettop(t->co) - n;
  o->child = NULL;
  t->observed = true;
  if (t->host->broken || t->host->exiting) return;   /* no result: it will run again */
  er_buf_str(out, t->ok ? "[true" : "[false");
  for (int i = 1; i <= n; i++) {
    er_buf_char(out, ',');
    if (er_json_encode(t->co, base + i, out, &err) == 0) continue;
    er_buf_clear(out);
    er_buf_str(out, "[false,");
    er_text_quote(out, err.msg, strlen(err.msg));
    break;
  }
  er_buf_char(out, ']');
  er_op_done(&o->op);
}

static void body_start(er_op *op) {
  body_op *o = (body_op *)op;
  er_host *h = op->host;
  char *path = er_asprintf("%s.b%lld", op->task->path, (long long)op->task->seq);
  er_task root = {.path = path, .quiet = true};
  lua_rawgeti(h->L, LUA_REGISTRYINDEX, o->fn);
  o->child = er_task_spawn(h, h->L, 0, &root, er_strdup(op->task->line));
  o->child->on_end = body_ended;
  o->child->end_ud = o;
  er_free(path);
}

static void body_abort(er_op *op) {
  body_op *o = (body_op *)op;
  if (o->child == NULL) return;
  o->child->on_end = NULL;
  er_task_cancel(o->child);
}

static int body_push(lua_State *L, er_op *op) {
  int top = lua_gettop(L), n = er_effect_push(L, &op->result);
  bool ok = lua_toboolean(L, top + 2);        /* behind the array itself */
  if (!ok) {
    lua_settop(L, top + 3);
    return lua_error(L);
  }
  return n - 1;
}

static void body_free(er_op *op) { luaL_unref(op->host->L, LUA_REGISTRYINDEX, ((body_op *)op)->fn); }

static const er_op_class body_class = {"effect", body_push, body_start, body_abort, body_free};

static int wait_for_body(lua_State *L, const char *kind, int fn, const char *call, size_t len) {
  er_task *t = er_task_need(L, kind);
  body_op *o;
  luaL_checktype(L, fn, LUA_TFUNCTION);
  o = (body_op *)er_op_new(t, &body_class, sizeof *o);
  lua_pushvalue(L, fn);
  o->fn = luaL_ref(L, LUA_REGISTRYINDEX);
  return er_effect_wait(L, &o->op, kind, call, len);
}

static int task_once(lua_State *L) { return wait_for_body(L, "once", 1, "[]", 2); }

/* effect(kind, call, fn) -> what fn returned, now or when it was first called.  fn may
 * wait; `call` tells this effect from another and stands in the journal. */
static int task_effect(lua_State *L) {
  size_t n;
  const char *kind = luaL_checkstring(L, 1), *call = luaL_checklstring(L, 2, &n);
  luaL_argcheck(L, strchr(kind, ' ') == NULL, 1, "a word expected");
  return wait_for_body(L, kind, 3, call, n);
}

/* ---- record ---------------------------------------------------------------------------------- */

/* Calls fn (stack index 3): [result], or [null, message] of its error. */
static void make_record(lua_State *L, void *ud, er_buf *out) {
  er_buf clean = {0};
  er_err err;
  size_t n;
  const char *s;
  (void)ud;
  lua_pushvalue(L, 3);
  bool ok = lua_pcall(L, 0, 1, 0) == LUA_OK;
  if (!ok && er_host_of(L)->broken) lua_error(L);          /* interrupted: it will run again */
  er_buf_char(out, '[');
  if (ok && er_json_encode(L, -1, out, &err) == 0) {
    er_buf_char(out, ']');
    return;
  }
  s = ok ? (n = strlen(err.msg), err.msg) : luaL_tolstring(L, -1, &n);
  er_utf8_clean(&clean, s, n);
  er_buf_clear(out);
  er_buf_str(out, "[null,");
  er_text_quote(out, er_buf_cstr(&clean), clean.len);
  er_buf_char(out, ']');
  er_buf_free(&clean);
}

/* record(kind, call, fn) -> what fn returned, now or when it was first called; fn
 * computes and cannot wait. */
static int task_record(lua_State *L) {
  const char *kind = luaL_checkstring(L, 1);
  size_t n;
  const char *call = luaL_checklstring(L, 2, &n);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  int results = er_effect_now(L, kind, call, n, make_record, NULL);
  return results == 1 ? 1 : lua_error(L);
}

/* ---- parking -------------------------------------------------------------------------------- */

/* A place where tasks wait for each other.  The order of such wakes is in no
 * journal, so only bodies of effects, and programs without a study, may use it. */
typedef struct { struct park_op *first; } parking;

typedef struct park_op {
  er_op op;
  parking *at;                   /* NULL once it has left */
  struct park_op *next_parked;
  er_timer *timer;
  bool woken;
} park_op;

static void leave(park_op *o) {
  park_op **p = o->at != NULL ? &o->at->first : NULL;
  while (p != NULL && *p != o) p = &(*p)->next_parked;
  if (p != NULL) *p = o->next_parked;
  o->at = NULL;
  er_timer_stop(o->timer);
  o->timer = NULL;
}

static void park_late(void *ud) {
  park_op *o = ud;
  leave(o);
  er_op_done(&o->op);
}

static int park_push(lua_State *L, er_op *op) {
  lua_pushboolean(L, ((park_op *)op)->woken);
  return 1;
}

static void park_leave(er_op *op) { leave((park_op *)op); }
static const er_op_class park_class = {"parking:wait", park_push, NULL, park_leave, park_leave};

static er_task *need_body(lua_State *L, const char *what) {
  er_task *t = er_task_need(L, what);
  if (t->host->mode != ER_JOURNAL_OFF && !t->quiet)
    luaL_error(L, "%s: in a study only the function of an effect (erlua.once) may wait here", what);
  return t;
}

/* parking:wait([seconds]) -> true if woken, false when the time is over */
static int park_wait(lua_State *L) {
  parking *p = luaL_checkudata(L, 1, PARKING);
  double s = luaL_optnumber(L, 2, -1);
  er_task *t = need_body(L, "parking:wait");
  park_op *o = (park_op *)er_op_new(t, &park_class, sizeof *o), **last = &p->first;
  while (*last != NULL) last = &(*last)->next_parked;
  *last = o;
  o->at = p;
  if (s >= 0) o->timer = er_timer_start(t->host->loop, s, 0, park_late, o);
  return er_task_wait(L, &o->op);
}

/* parking:wake([n]): the n that have waited longest, or all -> how many */
static int park_wake(lua_State *L) {
  parking *p = luaL_checkudata(L, 1, PARKING);
  lua_Integer n = luaL_optinteger(L, 2, LUA_MAXINTEGER), done = 0;
  for (park_op *o; done < n && (o = p->first) != NULL; done++) {
    leave(o);
    o->woken = true;
    er_op_done(&o->op);
  }
  lua_pushinteger(L, done);
  return 1;
}

static int park_gc(lua_State *L) {
  parking *p = luaL_checkudata(L, 1, PARKING);
  while (p->first != NULL) leave(p->first);
  return 0;
}

static int new_parking(lua_State *L) {
  parking *p = lua_newuserdatauv(L, sizeof *p, 0);
  p->first = NULL;
  luaL_setmetatable(L, PARKING);
  return 1;
}

/* ---- what the engine counts ------------------------------------------------------------------- */

/* One of a number that the engine keeps, until it is closed. */
static int push_count(lua_State *L, int *counter) {
  int **c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = counter;
  ++*counter;
  luaL_setmetatable(L, COUNT);
  return 1;
}

static int count_close(lua_State *L) {
  int **c = luaL_checkudata(L, 1, COUNT);
  if (*c != NULL) --**c;
  *c = NULL;
  return 0;
}

/* local flight <close> = task.calling(): a request that a stop waits for. */
static int task_calling(lua_State *L) { return push_count(L, &er_host_of(L)->n_calling); }

/* local held <close> = task.hold(): this effect waits for what may never come. */
static int task_hold(lua_State *L) { return push_count(L, &er_host_of(L)->n_held); }

static const luaL_Reg effectlib[] = {{"once", task_once},
                                     {"effect", task_effect},
                                     {"record", task_record},
                                     {"parking", new_parking},
                                     {"calling", task_calling},
                                     {"hold", task_hold},
                                     {NULL, NULL}};
static const luaL_Reg park_methods[] = {{"wait", park_wait}, {"wake", park_wake}, {NULL, NULL}};
static const luaL_Reg park_meta[] = {{"__gc", park_gc}, {NULL, NULL}};
static const luaL_Reg count_methods[] = {{"close", count_close}, {NULL, NULL}};
static const luaL_Reg count_meta[] = {{"__gc", count_close}, {"__close", count_close}, {NULL, NULL}};

void er_open_effects(lua_State *L) {
  er_new_class(L, PARKING, park_methods, park_meta);
  er_new_class(L, COUNT, count_methods, count_meta);
  luaL_setfuncs(L, effectlib, 0);
}
