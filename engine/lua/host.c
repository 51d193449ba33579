/* host.c - the engine: one Lua state, one loop, one study at most. */

#include "lua/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/http.h"
#include "lua/alloc.h"
#include "lua/det.h"
#include "lua/open.h"

/* For signal handlers alone, which get no argument. */
static er_host *the_host;

er_host *er_host_of(lua_State *L) { return *(er_host **)lua_getextraspace(L); }
lua_State *er_host_state(er_host *h) { return h->L; }
struct er_loop *er_host_loop(er_host *h) { return h->loop; }

/* No memory, or an error in the engine's own Lua calls: nothing is left to unwind. */
static int panic(lua_State *L) {
  const char *s = lua_tostring(L, -1);
  fprintf(stderr, "erlua: cannot go on: %s\n", s != NULL ? s : "an error that is no text");
  return 0;                                    /* and Lua aborts */
}

er_host *er_host_new(int argc, char **argv) {
  er_host *h = er_calloc(1, sizeof *h);
  h->alloc = er_alloc_new();
  h->began = er_clock_mono();
  h->L = lua_newstate(er_alloc_lua, h->alloc);
  lua_atpanic(h->L, panic);
  h->loop = er_loop_new();
  h->lock_fd = -1;
  h->argc = argc;
  h->argv = argv;
  h->seed = 1;
  *(er_host **)lua_getextraspace(h->L) = h;    /* new threads copy it */
  er_open_libs(h->L);
  return h;
}

void er_host_free(er_host *h) {
  if (h == NULL) return;
  if (the_host == h) the_host = NULL;
  if (h->jobs != NULL) er_jobs_drop_all(h);
  er_tasks_drop_all(h);
  er_effects_forget(h);
  lua_close(h->L);
  if (h->jobs != NULL) er_jobs_free(h->jobs);
  er_http_free(h->http);
  if (h->source != h->store) er_store_close(h->source);
  er_store_close(h->store);
  er_study_unlock(h->lock_fd);
  er_loop_free(h->loop);
  er_alloc_free(h->alloc);
  er_free(h->buckets);
  er_buf_free(&h->after_commit);
  er_free(h->study_dir);
  er_free(h->stop);
  er_free(h);
}

void er_host_fatal(er_host *h, const er_err *err) {
  if (h->fatal) return;                        /* the first cause is the one to tell */
  h->fatal = true;
  h->fatal_err = *err;
}

void er_host_report(er_host *h, const char *fmt, ...) {
  va_list ap;
  fflush(stdout);
  er_host_clear_status(h);
  fputs("erlua: ", stderr);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
}

void er_host_clear_status(er_host *h) {
  if (h->status > 0) fputs("\r\033[K", stderr);
  h->status = 0;
}

/* ---- signals -------------------------------------------------------------------- */

/* Runs in a task that has kept the loop waiting when it should stop. */
static void interrupt_hook(lua_State *L, lua_Debug *ar) {
  er_host *h = er_host_of(L);
  (void)ar;
  if (h->sigint == 0 && h->sigterm == 0) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (er_clock_mono() - h->signal_at < 0.3) return;     /* an ordinary burst ends by itself */
  h->broken = true;
  luaL_error(L, "interrupted");
}

/* Called for a coroutine that begins to run while a signal is pending, too. */
void er_host_watch(er_host *h, lua_State *co) {
  if (h->sigint || h->sigterm) lua_sethook(co, interrupt_hook, LUA_MASKCOUNT, 1000);
}

static void on_signal(int sig) {
  er_host *h = the_host;
  if (h == NULL) return;
  if (sig == SIGINT) h->sigint++;
  else h->sigterm = sig;
  h->signal_at = er_clock_mono();
  if (h->running != NULL) er_host_watch(h, h->running);
  er_loop_wake(h->loop);
}

/* Names a task that has kept the loop waiting since the last alarm. */
static void warn_hook(lua_State *L, lua_Debug *ar) {
  er_host *h = er_host_of(L);
  lua_sethook(L, NULL, 0, 0);
  (void)ar;
  if (h->current == NULL) return;
  char *where = er_task_where(L, h->current);
  er_host_report(h, "task %s has not waited for over a second, at %s; everything else stands still meanwhile",
                 h->current->path, where);
  er_free(where);
}

static void on_alarm(int sig) {
  static sig_atomic_t seen = -1;
  static bool warned;
  er_host *h = the_host;
  (void)sig;
  if (h == NULL || h->running == NULL || h->store == NULL) return;
  if (seen != h->turn_seq) { seen = h->turn_seq; warned = false; return; }
  if (warned || h->sigint || h->sigterm) return;
  warned = true;
  lua_sethook(h->running, warn_hook, LUA_MASKCOUNT, 1);
}

void er_host_signals(er_host *h) {
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
  struct itimerval each_second = {{1, 0}, {1, 0}};
  the_host = h;
  sigaction(SIGINT, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
  sigaction(SIGHUP, NULL, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &sa, NULL);   /* nohup is obeyed */
  sa.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &sa, NULL);
  sa.sa_handler = on_alarm;
  sigaction(SIGALRM, &sa, NULL);
  setitimer(ITIMER_REAL, &each_second, NULL);
}

int er_host_interrupted(er_host *h) { return h->sigint; }

void er_host_interrupt_clear(er_host *h) {
  h->sigint = 0;
  h->broken = false;
}

/* ---- stopping before the end ------------------------------------------------------- */

static int jobs_running(const er_host *h) { return h->jobs != NULL ? er_jobs_running(h->jobs) : 0; }

static void count_text(er_buf *b, int n, const char *what) {
  if (n > 0) er_buf_fmt(b, "%s%d %s%s", b->len > 0 ? " and " : "", n, what, n == 1 ? "" : "s");
}

static void say_waiting(er_host *h) {
  double left = er_jobs_longest_left(h->jobs);
  int jobs = jobs_running(h), n = jobs + h->n_calling;
  er_buf who = {0}, until = {0};
  count_text(&who, jobs, "running job");
  count_text(&who, h->n_calling, "model call");
  if (jobs > 0 && left >= 0) er_buf_fmt(&until, "for up to %.0f s more", left);
  else er_buf_str(&until, jobs > 0 ? "without a time limit" : "in flight");
  er_host_report(h, "stopping: nothing new starts; waiting for %s %s (Ctrl-C again ends %s now)", er_buf_cstr(&who), er_buf_cstr(&until),
                 n == 1 ? "it" : "them");
  er_buf_free(&who);
  er_buf_free(&until);
}

static void leave(er_host *h) {
  h->leaving = true;
  if (h->jobs != NULL) er_jobs_hold(h->jobs, true);
}

/* What a signal asks of a program with a study.  The jobs that run are waited for,
 * ended, or left to be adopted; what is done is in the journal either way. */
static bool keep_running(er_host *h) {
  if (h->sigterm) {
    h->leaving = true;
    er_host_report(h, "%s: leaving; running jobs go on and are adopted when the same command is started again",
                   h->sigterm == SIGHUP ? "hang-up" : "terminated");
    return false;
  }
  if (jobs_running(h) == 0 && h->n_calling == 0) return false;
  if (h->sigint >= 2) {
    if (jobs_running(h) > 0) {
      er_host_report(h, "ending %d running job%s; their trials stay open", jobs_running(h), jobs_running(h) == 1 ? "" : "s");
      er_jobs_kill_all(h->jobs);
    }
    return false;
  }
  if (!h->leaving) say_waiting(h);
  leave(h);
  return true;
}

/* Everything that lives waits for more budget, for a model that does not answer, or for the clock. */
static bool is_idle(const er_host *h) {
  int barred = h->jobs != NULL ? er_jobs_barred(h->jobs) : 0;
  return h->start_first == NULL && h->ready_first == NULL && h->done_first == NULL && h->n_running <= h->n_held + barred;
}

void er_host_stop(er_host *h, const char *why, bool now) {
  if (h->stop == NULL) h->stop = er_strdup(why);
  if (now) leave(h);
}

/* ---- the scheduler -------------------------------------------------------------------- */

static bool main_done(const er_host *h) { return h->main != NULL && h->main->state == ER_TASK_DONE; }

/* What was to be done at a certain time: not in the loop's callback, which runs no Lua. */
static void call_due(er_host *h) {
  lua_State *L = h->L;
  if (!h->due || h->mode == ER_JOURNAL_REPLAY) return;
  h->due = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->on_time);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return;
  er_host_report(h, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

bool er_host_turn(er_host *h, bool wait) {
  bool more;
  call_due(h);
  er_tasks_drain(h);
  if (h->fatal || h->exiting || main_done(h)) return false;
  if (h->mode == ER_JOURNAL_REPLAY) {
    er_replay_step(h);
    return !h->fatal;
  }
  if (h->offline) return false;
  er_effects_settle(h);
  if (h->fatal || h->exiting || main_done(h)) return false;
  if (h->mode == ER_JOURNAL_REPLAY) return true;        /* a study was opened in this turn */
  if (h->ready_first != NULL && !h->leaving) return true;
  er_effects_start(h);
  if (h->stop != NULL && !h->leaving && is_idle(h)) {
    leave(h);
    return true;
  }
  if (h->ready_first != NULL && !h->leaving) return true;   /* a body was started */
  if (h->on_jobs != NULL) h->on_jobs(h);
  if (h->done_first != NULL) wait = false;
  more = er_loop_turn(h->loop, wait);
  if (h->on_jobs != NULL) h->on_jobs(h);
  return more || h->done_first != NULL || h->ready_first != NULL;
}

/* After the main task: the others are cancelled, newest first, and may close
 * what they hold. */
static void end_others(er_host *h) {
  h->main = NULL;
  er_tasks_cancel_all(h, NULL);
  double until = er_clock_mono() + 6;
  while (h->live != NULL && !h->fatal && er_clock_mono() < until && er_host_turn(h, true)) {}
}

/* The script has ended and its journal has not: what is left woke nobody the first
 * time either, or the script is another one. */
static void replay_rest(er_host *h) {
  h->main = NULL;
  while (h->mode == ER_JOURNAL_REPLAY && !h->fatal && !h->leaving && (h->offline || !h->exiting)) er_replay_step(h);
}

static void report_main_error(er_host *h, er_task *t) {
  if (t->ok || h->exiting || h->fatal) return;
  lua_State *co = t->co;
  const char *msg = luaL_tolstring(co, -1, NULL);
  er_host_report(h, "%s%s%s", msg, t->trace.len > 0 ? "\n" : "", er_buf_cstr(&t->trace));
  h->failed = true;
}

/* -e shows what the code returned; a sub-command returns its exit code. */
static void use_result(er_host *h, er_task *t) {
  lua_State *L = h->L;
  int n;
  if (!t->ok || (!h->show_result && !h->result_is_code)) return;
  n = er_task_results(t, L);
  if (h->result_is_code) {
    h->exit_code = n > 0 ? (int)lua_tointeger(L, -n) : 0;
    h->exiting = true;
  } else if (n > 0) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "erlua.show");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "print");
    lua_insert(L, -n - 2);
    lua_pop(L, 1);
    if (lua_pcall(L, n, 0, 0) != LUA_OK) er_host_report(h, "%s", lua_tostring(L, -1));
  }
  lua_settop(L, 0);
}

static int exit_code(er_host *h) {
  if (h->fatal) {
    er_host_report(h, "%s", h->fatal_err.msg);
    return 1;
  }
  if (h->exiting) return h->exit_code;
  if (h->leaving && !h->offline) {
    er_host_report(h, "%s; go on with: erlua resume %s", h->stop != NULL ? h->stop : "stopped before the end", h->study_dir);
    return 3;
  }
  return h->failed || h->unseen > 0 ? 1 : 0;
}

static int run_at_end(er_host *h, int code) {
  lua_State *L = h->L;
  if (h->at_end == 0) return code;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->at_end);
  lua_pushinteger(L, code);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    er_host_report(h, "%s", lua_tostring(L, -1));
    return 1;
  }
  return (int)lua_tointeger(L, -1);
}

/* The last commit: what was written since the last wake. */
static void commit_rest(er_host *h) {
  er_err err;
  if (h->store == NULL || h->fatal) return;
  if (h->mode == ER_JOURNAL_REPLAY && !h->offline) h->mode = ER_JOURNAL_LIVE;   /* it ended within its journal */
  if (!h->offline) er_effects_settle(h);
  else if (er_store_commit(h->store, &err) < 0) er_host_fatal(h, &err);
}

/* Ctrl-C in a script that has no study: there is nothing to resume. */
static bool stop_plain(er_host *h) {
  if (h->store != NULL || (h->sigint == 0 && h->sigterm == 0)) return false;
  h->exiting = true;
  h->exit_code = 128 + (h->sigterm ? (int)h->sigterm : SIGINT);
  return true;
}

/* A script that came to its end has finished its study, report or not.  Written
 * past the tick's rule: opening a finished study again has set it to running. */
static void finish_study(er_host *h, const er_task *t) {
  static const char *const cols[] = {"id", "state"};
  er_value vals[] = {{.type = ER_INT, .i = 1}, {.type = ER_TEXT, .s = "finished", .len = 8}};
  er_err err;
  if (h->store == NULL || h->mode == ER_JOURNAL_OFF || h->offline || !t->ok || h->exiting || h->fatal || h->leaving) return;
  if (er_store_update(h->store, "studies", 2, cols, vals, &err) < 0) er_host_fatal(h, &err);
}

int er_host_main(er_host *h, int nargs) {
  er_task *t = er_task_spawn(h, h->L, nargs, NULL, er_strdup(h->script != NULL ? h->script : "main"));
  int seen = 0;
  h->main = t;
  t->refs++;
  t->observed = true;
  for (;;) {
    bool more = er_host_turn(h, true);
    if ((h->sigint != seen || h->sigterm) && !stop_plain(h)) {
      seen = h->sigint;
      if (!keep_running(h)) { h->leaving = true; break; }
    }
    if (h->exiting || h->fatal || main_done(h)) break;
    if (h->leaving && (h->offline || (jobs_running(h) == 0 && h->n_calling == 0))) break;
    if (more) continue;
    er_err err;
    er_fail(&err, "deadlock", "the script waits for something that can never happen: every task waits for another");
    er_host_fatal(h, &err);
    break;
  }
  if (main_done(h)) {
    report_main_error(h, t);
    if (!h->exiting && !h->fatal && !h->leaving) end_others(h);
    replay_rest(h);
    finish_study(h, t);
    use_result(h, t);
  }
  h->main = NULL;
  er_task_release(t);
  commit_rest(h);
  return run_at_end(h, exit_code(h));
}

/* ---- writes to the study ------------------------------------------------------------------ */

/* On resume the file holds what was written up to the tick `applied`; offline the
 * copy gets just that, since the rest of the study was never written. */
bool er_host_put_known(er_host *h) {
  if (h->broken) return true;
  h->put_tick = ++h->tick;
  return h->offline ? h->tick > h->applied : h->mode == ER_JOURNAL_REPLAY && h->tick <= h->applied;
}
