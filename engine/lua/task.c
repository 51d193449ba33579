/* task.c - coroutines that wait: spawn, wait, cancel, end. */

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lua/det.h"
#include "lua/host.h"

static const double CLOSE_SECONDS = 5;     /* a cancelled task's <close> handlers may wait this long */

/* ---- the table of live tasks, by path ---------------------------------------- */

static size_t hash(const char *s) {
  size_t x = 14695981039346656037u;
  for (; *s; s++) x = (x ^ (unsigned char)*s) * 1099511628211u;
  return x;
}

static void grow(er_host *h) {
  size_t n = h->n_buckets ? h->n_buckets * 2 : 64;
  er_free(h->buckets);
  h->buckets = er_calloc(n, sizeof *h->buckets);
  h->n_buckets = n;
  for (er_task *t = h->live; t != NULL; t = t->next_live) {
    er_task **b = &h->buckets[hash(t->path) & (n - 1)];
    t->bucket = *b;
    *b = t;
  }
}

static void enlist(er_host *h, er_task *t) {
  er_task **b;
  if (h->n_live >= h->n_buckets) grow(h);
  h->n_live++;
  t->next_live = h->live;
  if (h->live != NULL) h->live->prev_live = t;
  h->live = t;
  b = &h->buckets[hash(t->path) & (h->n_buckets - 1)];
  t->bucket = *b;
  *b = t;
}

static void delist(er_host *h, er_task *t) {
  er_task **b = &h->buckets[hash(t->path) & (h->n_buckets - 1)];
  while (*b != t) b = &(*b)->bucket;
  *b = t->bucket;
  if (t->prev_live != NULL) t->prev_live->next_live = t->next_live;
  else h->live = t->next_live;
  if (t->next_live != NULL) t->next_live->prev_live = t->prev_live;
  t->prev_live = t->next_live = NULL;
  h->n_live--;
}

er_task *er_task_find(er_host *h, const char *path) {
  er_task *t = h->n_buckets ? h->buckets[hash(path) & (h->n_buckets - 1)] : NULL;
  while (t != NULL && strcmp(t->path, path) != 0) t = t->bucket;
  return t;
}

/* ---- where the user's code is -------------------------------------------------- */

/* "<head><mark><n>", without the price of printf: every spawn and effect asks. */
static char *with_number(const char *head, char mark, long long n) {
  char digits[24], *p = digits + sizeof digits, *out;
  size_t len = strlen(head), k;
  *--p = '\0';
  do *--p = (char)('0' + n % 10); while ((n /= 10) > 0);
  k = (size_t)(digits + sizeof digits - p);
  out = er_malloc(len + 1 + k);
  memcpy(out, head, len);
  out[len] = mark;
  memcpy(out + len + 1, p, k);
  return out;
}

char *er_task_where(lua_State *L, er_task *t) {
  lua_Debug ar;
  for (int level = 0; level < 64 && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    if (ar.what[0] == 'C' || strncmp(ar.source, "@erlua/", 7) == 0) continue;
    lua_getinfo(L, "l", &ar);
    if (ar.currentline <= 0) continue;
    return with_number(ar.short_src, ':', ar.currentline);
  }
  return er_strdup(t != NULL && t->line != NULL ? t->line : "?");
}

/* ---- birth --------------------------------------------------------------------- */

/* Keeps an error's traceback beside it; errors that are no strings stay as they are. */
static int with_trace(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  if (t == NULL) return 1;
  if (lua_type(L, 1) == LUA_TSTRING && strcmp(lua_tostring(L, 1), "cancelled") == 0) return 1;
  luaL_traceback(L, L, NULL, 1);
  er_buf_clear(&t->trace);
  er_buf_str(&t->trace, lua_tostring(L, -1));
  lua_pop(L, 1);
  return 1;
}

static int body_k(lua_State *L, int status, lua_KContext ctx) {
  er_task *t = (er_task *)ctx;
  t->ok = status == LUA_OK || status == LUA_YIELD;
  return lua_gettop(L) - 1;
}

static int body(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  lua_pushcfunction(L, with_trace);
  lua_insert(L, 1);
  return body_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, (lua_KContext)t, body_k), (lua_KContext)t);
}

/* A coroutine for a new task: one that a finished task left, or a fresh one. */
static void take_thread(er_host *h, lua_State *from, er_task *t) {
  if (h->n_idle > 0) {
    er_idle_thread idle = h->idle[--h->n_idle];
    t->co = idle.co;
    t->ref = idle.ref;
    return;
  }
  t->co = lua_newthread(from);
  t->ref = luaL_ref(from, LUA_REGISTRYINDEX);
}

static void give_thread(er_host *h, er_task *t) {
  if (h->n_idle == ER_MAX_IDLE || !t->started || t->expired || lua_status(t->co) != LUA_OK) {
    luaL_unref(h->L, LUA_REGISTRYINDEX, t->ref);
    return;
  }
  lua_settop(t->co, 0);
  lua_sethook(t->co, NULL, 0, 0);
  h->idle[h->n_idle++] = (er_idle_thread){t->co, t->ref};
}

er_task *er_task_spawn(er_host *h, lua_State *from, int nargs, er_task *parent, char *line) {
  er_task *t = er_calloc(1, sizeof *t);
  t->host = h;
  take_thread(h, from, t);
  t->refs = 1;
  t->path = parent != NULL ? with_number(parent->path, '.', ++parent->spawned) : er_strdup("0");
  t->line = line;
  t->quiet = parent != NULL && parent->quiet;
  t->nargs = nargs + 1;
  lua_pushcfunction(t->co, body);
  lua_xmove(from, t->co, nargs + 1);
  enlist(h, t);
  er_task_ready(t);
  return t;
}

er_task *er_host_spawn_chunk(er_host *h) {
  static long long lines;
  er_task *t;
  er_task root = {.path = (char *)"repl", .spawned = lines++};
  t = er_task_spawn(h, h->L, 0, &root, er_strdup("stdin"));
  t->observed = true;
  t->refs++;
  return t;
}

er_rng *er_task_rng(er_task *t) {
  if (!t->seeded) er_rng_seed(&t->rng, t->host->seed, t->path);
  t->seeded = true;
  return &t->rng;
}

/* ---- scheduling ------------------------------------------------------------------ */

void er_task_ready(er_task *t) {
  er_host *h = t->host;
  t->state = ER_TASK_READY;
  t->next = NULL;
  if (h->ready_last != NULL) h->ready_last->next = t;
  else h->ready_first = t;
  h->ready_last = t;
}

static void unready(er_task *t) {
  er_host *h = t->host;
  er_task **p = &h->ready_first, *last = NULL;
  while (*p != NULL && *p != t) { last = *p; p = &(*p)->next; }
  if (*p == NULL) return;
  *p = t->next;
  if (h->ready_last == t) h->ready_last = last;
  t->next = NULL;
}

static bool unseen(const er_task *t) { return t->state == ER_TASK_DONE && !t->ok && !t->observed && !t->cancelled; }

void er_task_observe(er_task *t) {
  if (unseen(t)) t->host->unseen--;
  t->observed = true;
}

void er_task_release(er_task *t) {
  if (--t->refs > 0) return;
  if (!t->ok && !t->observed && !t->cancelled) {
    luaL_tolstring(t->co, -1, NULL);
    er_host_report(t->host, "task %s (%s) failed: %s\n%s", t->path, t->line, lua_tostring(t->co, -1), er_buf_cstr(&t->trace));
    t->host->failed = true;
    er_task_observe(t);
  }
  give_thread(t->host, t);
  er_buf_free(&t->trace);
  er_free(t->path);
  er_free(t->line);
  er_free(t);
}

static void drop_op(er_task *t);
static void drop_expiry(er_task *t);

void er_group_add(er_group *g, er_task *t) {
  t->group = g;
  t->observed = true;
  t->older = g->newest;
  if (g->newest != NULL) g->newest->newer = t;
  g->newest = t;
  g->refs++;
  g->live++;
}

static void leave_group(er_group *g, er_task *t) {
  if (t->newer != NULL) t->newer->older = t->older;
  else g->newest = t->older;
  if (t->older != NULL) t->older->newer = t->newer;
  t->older = t->newer = NULL;
  g->live--;
}

static void to_group(er_task *t) {
  er_group *g = t->group;
  if (g == NULL) return;
  leave_group(g, t);
  t->refs++;
  t->next = NULL;
  if (g->last != NULL) g->last->next = t;
  else g->first = t;
  g->last = t;
  if (g->waiter != NULL) {
    er_op *op = g->waiter;
    g->waiter = NULL;
    er_op_done(op);
  }
}

void er_group_release(er_group *g) {
  if (--g->refs > 0) return;
  while (g->first != NULL) {
    er_task *t = g->first;
    g->first = t->next;
    er_task_release(t);
  }
  er_free(g);
}

static void end(er_task *t) {
  er_group *g = t->group;
  t->state = ER_TASK_DONE;
  drop_op(t);
  drop_expiry(t);
  er_timer_stop(t->closing);
  t->closing = NULL;
  if (t->on_end != NULL) t->on_end(t, t->end_ud);
  while (t->joins != NULL) {
    er_op *op = t->joins;
    t->joins = op->next;
    t->observed = true;
    er_op_done(op);
  }
  if (unseen(t)) t->host->unseen++;
  delist(t->host, t);
  to_group(t);
  t->group = NULL;
  if (g != NULL) er_group_release(g);
  er_task_release(t);
}

/* Ends a task that never started or does not end by itself; its <close>
 * handlers run but cannot wait. */
static void force_end(er_task *t) {
  t->ok = false;
  lua_resetthread(t->co);
  lua_settop(t->co, 0);
  lua_pushstring(t->co, "cancelled");
  t->nresults = 1;
  end(t);
}

void er_task_resume(er_host *h, er_task *t) {
  int n = 0, nargs, rc;
  if (t->expired) { force_end(t); return; }
  if (!t->quiet) h->tick++;                 /* quiet ones do not run again in replay */
  h->current = t;
  h->running = t->co;
  h->can_wait = true;
  h->turn_seq++;
  t->state = ER_TASK_RUNNING;
  er_host_watch(h, t->co);
  if (h->leaving) h->signal_at = er_clock_mono();   /* a body that was waited for has its burst, too */
  nargs = t->started ? 0 : t->nargs;
  if (t->started) lua_pop(t->co, 1);        /* the mark of its wait */
  t->started = true;
  rc = lua_resume(t->co, NULL, nargs, &n);
  h->running = NULL;
  h->current = NULL;
  h->turn_seq++;
  if (rc == LUA_YIELD) return;
  if (rc != LUA_OK) t->ok = false, n = 1;
  t->nresults = n;
  end(t);
}

/* At the end of the program: forgets the tasks that still wait, without running
 * any Lua; their effects are in the journal or will be asked for again. */
void er_tasks_drop_all(er_host *h) {
  while (h->live != NULL) {
    er_task *t = h->live;
    er_group *g = t->group;
    t->state = ER_TASK_DONE;
    t->observed = true;
    if (t->op != NULL) er_op_free(t->op);
    if (t->expiry != NULL) er_op_free(t->expiry);
    t->op = t->expiry = NULL;
    t->joins = NULL;
    t->group = NULL;
    er_timer_stop(t->closing);
    t->closing = NULL;
    if (g != NULL) {
      leave_group(g, t);
      er_group_release(g);
    }
    delist(h, t);
    er_task_release(t);
  }
}

/* When the study is being left, what the strategy does next is the next engine's
 * business; bodies of effects that have begun go on, so that what was paid for is
 * not lost. */
static er_task *next_ready(er_host *h) {
  er_task *t = h->ready_first;
  while (h->leaving && t != NULL && !(t->quiet && t->started)) t = t->next;
  if (t != NULL) unready(t);
  return t;
}

void er_tasks_drain(er_host *h) {
  er_task *t;
  while (!h->fatal && !h->exiting && !h->broken && (t = next_ready(h)) != NULL) {
    er_task_resume(h, t);
    if (h->main != NULL && h->main->state == ER_TASK_DONE) return;
  }
}

bool er_task_done(const er_task *t) { return t->state == ER_TASK_DONE; }

int er_task_results(er_task *t, lua_State *to) {
  int n = t->nresults, base = lua_gettop(t->co) - n;
  er_task_observe(t);
  luaL_checkstack(t->co, n, "too many results");
  luaL_checkstack(to, n + 1, "too many results");
  for (int i = 1; i <= n; i++) lua_pushvalue(t->co, base + i);
  lua_xmove(t->co, to, n);
  return t->ok ? n : -1;
}

/* ---- operations -------------------------------------------------------------------- */

ER_LJMP static int raise_cancelled(lua_State *L, er_task *t) {
  t->unwinding = true;
  t->raised++;
  lua_pushstring(L, "cancelled");
  return lua_error(L);
}

er_task *er_task_need(lua_State *L, const char *what) {
  er_host *h = er_host_of(L);
  if (h->broken) luaL_error(L, "interrupted");
  if (h->current == NULL || !h->can_wait || !lua_isyieldable(L))
    luaL_error(L, "%s cannot wait here: inside a sort or gsub callback, a metamethod called from C, a finalizer, "
                  "or while a module loads; call it from the script itself or a task", what);
  if (h->current->cancelled && !er_task_closing(L, h->current)) raise_cancelled(L, h->current);
  return h->current;
}

er_op *er_op_new(er_task *t, const er_op_class *class, size_t size) {
  er_op *op = er_calloc(1, size);
  op->class = class;
  op->host = t->host;
  op->task = t;
  drop_op(t);                               /* left by an error between making and waiting */
  t->op = op;
  return op;
}

void er_op_free(er_op *op) {
  if (op->keep) {
    op->task = NULL;
    return;
  }
  if (op->class->free != NULL) op->class->free(op);
  er_free(op->call);
  er_free(op->line);
  er_buf_free(&op->result);
  er_free(op);
}

/* Those of bodies are not counted: the effect that they are part of is. */
static bool counts(const er_op *op) { return op->effect && op->task != NULL && !op->task->quiet; }

void er_op_begin(er_op *op) {
  op->state = ER_OP_STARTED;
  if (counts(op)) op->host->n_running++;
}

static void op_over(const er_op *op) {
  if (op->state == ER_OP_STARTED && counts(op)) op->host->n_running--;
}

void er_op_done(er_op *op) {
  er_host *h = op->host;
  if (op->state == ER_OP_CANCELLED || op->state == ER_OP_DONE) return;
  op_over(op);
  op->state = ER_OP_DONE;
  if (!op->effect) {                        /* a join or a group: woken in this very drain */
    op->state = ER_OP_DELIVERED;
    er_task_ready(op->task);
    return;
  }
  op->next = NULL;
  if (h->done_last != NULL) h->done_last->next = op;
  else h->done_first = op;
  h->done_last = op;
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  er_op *op = (er_op *)ctx;
  er_task *t = er_host_of(L)->current;
  int n;
  (void)status;
  if (op->state == ER_OP_CANCELLED) {
    t->op = NULL;
    er_op_free(op);
    return raise_cancelled(L, t);
  }
  n = op->class->push(L, op);
  t->op = NULL;
  er_op_free(op);
  return n;
}

/* What tells a wait from a user's own yield stays on the coroutine's stack until
 * the scheduler goes back in. */
bool er_task_waits_in(lua_State *co) {
  return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 && lua_touserdata(co, -1) == er_host_of(co);
}

int er_task_wait(lua_State *L, er_op *op) {
  er_task *t = op->task;
  t->waits = L;
  t->state = ER_TASK_WAITING;
  lua_pushlightuserdata(L, t->host);
  return lua_yieldk(L, 1, (lua_KContext)op, wait_k);
}

static int pause_k(lua_State *L, int status, lua_KContext ctx) {
  er_task *t = (er_task *)ctx;
  (void)status;
  if (t->cancelled && !er_task_closing(L, t)) return raise_cancelled(L, t);
  return 0;
}

int er_task_pause(lua_State *L) {
  er_task *t = er_task_need(L, "pause");
  if (t->cancelled && !er_task_closing(L, t)) return raise_cancelled(L, t);
  er_task_ready(t);
  lua_pushlightuserdata(L, t->host);
  return lua_yieldk(L, 1, (lua_KContext)t, pause_k);
}

/* While a cancel unwinds the task only <close> handlers run; after a pcall has
 * caught it, a handler is known by the name under which Lua calls it. */
static bool in_handler(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; level < 200 && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "n", &ar);
    if (ar.name != NULL && strcmp(ar.namewhat, "metamethod") == 0 && strcmp(ar.name, "close") == 0) return true;
  }
  return false;
}

bool er_task_closing(lua_State *L, const er_task *t) {
  return t->unwinding || in_handler(L) || (L != t->co && in_handler(t->co));
}

/* ---- cancel -------------------------------------------------------------------------- */

static void detach(er_op *op);

void er_task_expire(er_task *t) {
  t->expired = true;
  if (t->state != ER_TASK_WAITING) return;
  detach(t->op);
  er_task_ready(t);
}

static const er_op_class expiry_class = {"expired", NULL, NULL, NULL, NULL};

er_op *er_task_expiry(er_task *t) {
  if (t->expiry == NULL) {
    er_op *op = t->expiry = er_calloc(1, sizeof *op);
    op->class = &expiry_class;
    op->host = t->host;
    op->task = t;
    op->effect = true;
    op->seq = 1;
    op->call = er_strdup("expired []");
    op->line = er_strdup(t->line);
    er_buf_str(&op->result, "[]");
  }
  return t->expiry;
}

static void closing_expired(void *ud) {
  er_task *t = ud;
  er_timer_stop(t->closing);
  t->closing = NULL;
  if (t->host->mode == ER_JOURNAL_REPLAY)   /* then the journal says when */
    t->closing = er_timer_start(t->host->loop, CLOSE_SECONDS, 0, closing_expired, t);
  else if (t->expiry == NULL)
    er_op_done(er_task_expiry(t));
}

/* Remembers that the strategy itself gave this effect up, so that a row which
 * came too late for it is passed over. */
static void note_late(er_host *h, const er_op *op) {
  er_op *note = er_calloc(1, sizeof *note);
  note->seq = op->seq;
  note->call = er_strdup(op->task->path);
  note->next = h->late;
  h->late = note;
}

void er_op_unlist(er_op *op, er_op **first, er_op **end) {
  er_op **p = first, *last = NULL;
  while (*p != NULL && *p != op) { last = *p; p = &(*p)->next; }
  if (*p == NULL) return;
  *p = op->next;
  if (*end == op) *end = last;
}

/* Takes an operation out of whatever would still wake its task. */
static void detach(er_op *op) {
  er_host *h = op->host;
  er_op_state was = op->state;
  op_over(op);
  op->state = ER_OP_CANCELLED;
  if (op->effect && h->mode == ER_JOURNAL_REPLAY && op->seq > 0) note_late(h, op);
  if (was == ER_OP_NEW) er_op_unlist(op, &h->start_first, &h->start_last);
  if (was == ER_OP_DONE) er_op_unlist(op, &h->done_first, &h->done_last);
  if (op->class->abort != NULL) op->class->abort(op);
}

/* The task's operation goes, wherever it stands. */
static void drop_expiry(er_task *t) {
  if (t->expiry == NULL) return;
  er_op_unlist(t->expiry, &t->host->done_first, &t->host->done_last);
  er_op_free(t->expiry);
  t->expiry = NULL;
}

static void drop_op(er_task *t) {
  er_op *op = t->op;
  if (op == NULL) return;
  t->op = NULL;
  if (op->state != ER_OP_DELIVERED && op->state != ER_OP_CANCELLED) detach(op);
  er_op_free(op);
}

void er_task_cancel(er_task *t) {
  er_host *h = t->host;
  if (t->state == ER_TASK_DONE || t->cancelled || h->exiting || h->broken) return;
  t->cancelled = true;
  if (!t->started) {
    unready(t);
    force_end(t);
    return;
  }
  if (t->closing == NULL) t->closing = er_timer_start(h->loop, CLOSE_SECONDS, 0, closing_expired, t);
  if (t->state != ER_TASK_WAITING || t->op == NULL || er_task_closing(t->waits, t)) return;
  detach(t->op);
  er_task_ready(t);
}

void er_tasks_cancel_all(er_host *h, er_task *but) {
  er_task *t, *next;
  for (t = h->live; t != NULL; t = next) {      /* newest first */
    next = t->next_live;
    if (t != but) er_task_cancel(t);
  }
}
