/* host.h - the one engine struct, and tasks: pieces of user Lua that wait.
 * Private to engine/lua/ and main.c.  Every piece of user Lua (main script, REPL
 * line, spawn) runs in a task, a coroutine that this room owns.  A primitive that
 * waits makes an operation (er_op), hands it to er_task_wait and is continued
 * when the operation is done.  Loop callbacks only mark operations done; Lua runs
 * in er_host_turn and nowhere else.
 *
 * Effects are operations with a row in the journal.  Their results are JSON, an
 * array of return values, and the strategy sees the decoded text both live and in
 * replay, so that the two cannot differ.  See docs/architecture.md, "Journal". */
#ifndef ER_LUA_HOST_H
#define ER_LUA_HOST_H

#include <lua.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "job/job.h"
#include "loop/loop.h"
#include "store/store.h"

typedef struct er_host er_host;
typedef struct er_task er_task;
typedef struct er_op er_op;
typedef struct er_group er_group;

/* Marks a function that may raise or yield: it must own nothing across the call. */
#define ER_LJMP

typedef struct {
  const char *name;
  int (*push)(lua_State *L, er_op *op);   /* the call's results, in the task; may raise */
  void (*start)(er_op *op);               /* effects: act on the world, after the commit; may be NULL */
  void (*abort)(er_op *op);               /* was started and is no longer wanted; may be NULL */
  void (*free)(er_op *op);                /* what it owns, not op itself; may be NULL */
} er_op_class;

typedef enum { ER_OP_NEW, ER_OP_STARTED, ER_OP_DONE, ER_OP_DELIVERED, ER_OP_CANCELLED } er_op_state;

/* One wait of one task.  Owned by the task until its continuation has run; an
 * aborted one is owned by whoever will still call back (see keep). */
struct er_op {
  const er_op_class *class;
  er_host *host;
  er_task *task;
  er_op_state state;
  bool keep;                     /* not freed by the task: its owner frees it */
  er_op *next;                   /* in host->to_start or host->done */
  bool effect;                   /* has a row */
  int64_t seq, ord;
  uint8_t digest[16];
  char *call, *line;
  er_buf result;                 /* JSON array, once done */
};

typedef enum { ER_TASK_READY, ER_TASK_RUNNING, ER_TASK_WAITING, ER_TASK_DONE } er_task_state;

struct er_task {
  er_host *host;
  lua_State *co;
  int ref;                       /* keeps co from the collector */
  int refs;                      /* host while live, Lua handles, group lists */
  char *path, *line;             /* "0.3.1"; where it was spawned */
  int nargs, nresults;
  int64_t spawned, seq;          /* children and effects so far */
  er_rng rng;                    /* by er_task_rng, which seeds it at its first use */
  bool seeded;
  er_task_state state;
  er_op *op;
  lua_State *waits;              /* the coroutine of its last wait */
  int raised;                    /* how often `cancelled` was raised in it */
  bool ok, observed, quiet;      /* quiet: effects of it and its children are not journaled (once) */
  bool started, cancelled, unwinding, expired;
  er_timer *closing;             /* after a cancel: its end is forced */
  er_op *expiry;                 /* the effect of that; its row stands under "<path>!" */
  er_buf trace;                  /* of the error it ended with */
  void (*on_end)(er_task *t, void *ud);   /* told of its end before anyone who waits */
  void *end_ud;
  er_group *group;
  er_task *older, *newer;        /* in group->newest, while it lives */
  er_op *joins;                  /* operations that wait for it, by next */
  er_task *next;                 /* in host->ready, or in group->done */
  er_task *prev_live, *next_live;
  er_task *bucket;
};

/* Tasks that one waiter takes up as they finish. */
struct er_group {
  int refs, live;
  er_task *newest;               /* those that live */
  er_task *first, *last;         /* those that have finished */
  er_op *waiter;
};

typedef enum { ER_JOURNAL_OFF, ER_JOURNAL_REPLAY, ER_JOURNAL_LIVE } er_journal_mode;

/* Coroutines of finished tasks, kept for new ones: making one costs a microsecond
 * and three allocations. */
enum { ER_MAX_IDLE = 1024 };
typedef struct { lua_State *co; int ref; } er_idle_thread;

struct er_host {
  lua_State *L;
  struct er_alloc *alloc;        /* its memory */
  double began;                  /* on the monotonic clock */
  er_loop *loop;
  er_store *store;               /* the study's file; NULL before a study is opened */
  er_store *source;              /* where replay reads: store, or another file offline */
  int lock_fd;
  er_jobs *jobs;
  struct er_http *http;          /* made at the first request */
  struct er_job_op *live_jobs;   /* that run or have just ended */
  int job_news;                  /* how many of them want a look */
  int n_unseen;                  /* jobs that have ended and whose tasks do not know it yet */
  er_journal_mode mode;
  bool offline, resumed;         /* erlua replay; the study was there before */
  int64_t ord, next_ord;         /* last wake delivered; next to give */
  int64_t tick, applied;         /* logical clock; writes up to applied are in the file */
  int64_t put_tick;              /* of the last write */
  int64_t seed;
  int64_t job_id;
  er_task *main, *current, *ready_first, *ready_last, *live;
  er_task **buckets;
  size_t n_buckets, n_live, n_idle;
  er_idle_thread idle[ER_MAX_IDLE];
  lua_State *running;            /* the coroutine that Lua runs in right now */
  bool can_wait;                 /* every coroutine below it could yield when it resumed the next */
  bool broken;                   /* a signal broke into Lua: what runs only unwinds and leaves no trace */
  int unseen;                    /* failed tasks that nobody has waited for yet */
  er_op *start_first, *start_last, *done_first, *done_last;
  er_op *late;                   /* cancelled in replay: their rows are passed over */
  bool fatal, leaving;           /* stop the program: with fatal_err, or in order */
  char *stop;                    /* why the study ends as soon as all that lives is held; NULL: it does not */
  int n_running, n_held;         /* effects under way; those of them that a study which has to end does not wait for */
  int n_calling;                 /* requests in flight, which a stop waits for */
  er_err fatal_err;
  int exit_code;
  bool exiting, failed;          /* exit was asked for; a task's error was reported */
  void (*on_jobs)(er_host *);    /* reads running jobs' curves */
  volatile sig_atomic_t sigint, sigterm;
  volatile sig_atomic_t turn_seq;
  double signal_at;              /* when the last signal came */
  er_buf after_commit;           /* folders to remove, NUL after each */
  char *study_dir;               /* for messages: how to resume */
  size_t status;                 /* a progress line of this many bytes stands on the terminal */
  int argc;
  char **argv;
  const char *script;
  bool no_sandbox;
  int at_end;                    /* registry reference of a function of the exit code; 0: none */
  int on_time;                   /* of one that is called once, between turns, when it is due; 0: none */
  bool due;
  bool show_result, result_is_code;   /* of the main task: -e, sub-commands */
};

/* ---- host.c ----------------------------------------------------------------- */

er_host *er_host_new(int argc, char **argv);
void er_host_free(er_host *h);
er_host *er_host_of(lua_State *L);
lua_State *er_host_state(er_host *h);
struct er_loop *er_host_loop(er_host *h);

/* Runs ready tasks, settles finished operations, takes one turn of the loop.
 * Returns false when nothing can ever happen again or the program must stop. */
bool er_host_turn(er_host *h, bool wait);

/* Runs the function on top of L's stack (nargs below it as arguments) as the main
 * task to its end; returns the program's exit code. */
int er_host_main(er_host *h, int nargs);

void er_host_fatal(er_host *h, const er_err *err);

/* Ends the study before its end, resumable (exit code 3): as soon as every effect
 * that lives is held, or now, as one Ctrl-C does.  `why` is told at the end. */
void er_host_stop(er_host *h, const char *why, bool now);
void er_host_report(er_host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* SIGINTs since er_host_interrupt_clear. */
int er_host_interrupted(er_host *h);
void er_host_interrupt_clear(er_host *h);
void er_host_signals(er_host *h);
void er_host_watch(er_host *h, lua_State *co);   /* lets a pending signal break into co */
void er_host_clear_status(er_host *h);           /* before anything else is printed */

/* Counts a write to the study on the logical clock.  True if it must not be made:
 * it is in the file already. */
bool er_host_put_known(er_host *h);

/* ---- task.c ----------------------------------------------------------------- */

/* Takes the function and nargs arguments from the top of `from`, and `line` over. */
er_task *er_task_spawn(er_host *h, lua_State *from, int nargs, er_task *parent, char *line);
er_task *er_host_spawn_chunk(er_host *h);        /* a REPL line: function on top of the state's stack */
void er_task_resume(er_host *h, er_task *t);
void er_task_ready(er_task *t);
void er_task_cancel(er_task *t);
void er_task_release(er_task *t);
void er_group_add(er_group *g, er_task *t);
void er_group_release(er_group *g);
bool er_task_done(const er_task *t);
int er_task_results(er_task *t, lua_State *to);  /* count, or -1 with the error object pushed */
void er_task_observe(er_task *t);                /* somebody took notice of how it ended */
er_task *er_task_find(er_host *h, const char *path);
void er_tasks_cancel_all(er_host *h, er_task *but);
/* Runs the tasks that are ready, and those they make ready, until all wait or the
 * main task has ended.  When the study is being left only bodies of effects run. */
void er_tasks_drain(er_host *h);
void er_tasks_drop_all(er_host *h);
void er_jobs_end_orphans(er_host *h);            /* lua_job.c: at the end of replay */
void er_jobs_drop_all(er_host *h);               /* lua_job.c: running jobs go on without us */

/* The task's own generator: seeded by the study's seed and the task's path. */
er_rng *er_task_rng(er_task *t);

/* Raises unless the running code can wait; returns its task. */
ER_LJMP er_task *er_task_need(lua_State *L, const char *what);

/* Makes an operation of `size` bytes (an er_op first), owned by the task. */
er_op *er_op_new(er_task *t, const er_op_class *class, size_t size);
void er_op_free(er_op *op);

/* Takes op out of one of the host's lists, if it is there. */
void er_op_unlist(er_op *op, er_op **first, er_op **last);
ER_LJMP int er_task_wait(lua_State *L, er_op *op);

/* Is the coroutine suspended by a wait, and not by its user? */
bool er_task_waits_in(lua_State *co);

/* Lets the other ready tasks run first. */
ER_LJMP int er_task_pause(lua_State *L);

/* The effect of a cancelled task whose handlers took too long. */
er_op *er_task_expiry(er_task *t);
void er_task_expire(er_task *t);

void er_op_begin(er_op *op);                     /* an effect that now acts on the world */

/* Done: to be called from loop callbacks; Lua runs later. */
void er_op_done(er_op *op);

/* The user's line that is running, "evolve.lua:12"; caller frees. */
char *er_task_where(lua_State *L, er_task *t);

/* Can the running code be in a __close handler? */
bool er_task_closing(lua_State *L, const er_task *t);

/* A userdata class: methods behind __index, metamethods beside it. */
void er_new_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);

/* ---- effect.c --------------------------------------------------------------- */

/* Makes op an effect of the running task: numbers it, looks it up.  In replay it
 * then waits for its turn; live it is started after the next commit.  Raises when
 * the journal holds another call at this place. */
ER_LJMP int er_effect_wait(lua_State *L, er_op *op, const char *kind, const char *call, size_t len);

/* An effect that needs no wait (a clock reading).  `make` fills the result. */
typedef void (*er_effect_make)(lua_State *L, void *ud, er_buf *result);
ER_LJMP int er_effect_now(lua_State *L, const char *kind, const char *call, size_t len,
                          er_effect_make make, void *ud);

/* Pushes the values of a JSON array of results. */
int er_effect_push(lua_State *L, const er_buf *result);

/* One step of replay: wakes the next task of the journal.  False at its end. */
bool er_replay_step(er_host *h);

/* lua_effect.c: adds its functions to the library table on top of the stack. */
void er_open_effects(lua_State *L);

/* Commits and wakes what is done, each drained before the next. */
void er_effects_settle(er_host *h);
void er_effects_start(er_host *h);
void er_effects_forget(er_host *h);              /* the notes on effects that replay saw cancelled */

#endif
