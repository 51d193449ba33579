/* job.h - one command as a job: slots, the supervisor, its folder, its end.
 * Called by engine/lua/lua_job.c and by tests; knows neither Lua nor the study.
 * A job lives in a folder of its own that its caller names.  The engine only
 * starts erlua-supervise and reads files; the supervisor owns the pipes and all
 * limits, and goes on when the engine is gone.
 *
 * The folder, all written below `dir`:
 *   claim     the supervisor's exclusive flock; holds its pid
 *   started   one line a start (pid and time)
 *   work/     the workspace, the command's working folder
 *   out/      ERLUA_OUT, training's artifact
 *   curve     ERLUA_CURVE
 *   metrics   ERLUA_METRICS (the evaluation alone)
 *   data/     ERLUA_DATA, without a sandbox
 *   stdout stderr   made at the first byte; head, then a note, then the tail
 *   exit      the result, written beside and renamed when the tree is gone
 */
#ifndef ER_JOB_JOB_H
#define ER_JOB_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct er_loop;
typedef struct er_jobs er_jobs;      /* the slots of one machine and the queue before them */
typedef struct er_job er_job;

typedef struct {
  int slots;                         /* jobs at once; 0: one a CPU, or a GPU if any are listed */
  int gpus;                          /* GPUs to hand out by CUDA_VISIBLE_DEVICES; -1: ask nvidia-smi, 0: none */
  const char *supervise;             /* path of erlua-supervise */
  bool sandbox;                      /* false: --no-sandbox */
} er_jobs_opts;

/* Limits of a whole job; 0 means none. */
typedef struct {
  double wall_s, cpu_s;
  uint64_t memory, disk, output;     /* bytes */
  uint64_t processes;
  bool processes_watched;            /* counted every 100 ms only: joining a cgroup takes some 10 ms */
  double grace_s;                    /* between SIGTERM and SIGKILL; default 0.5 */
  double budget_s;                   /* when used up the command is ended, and that is no failure */
  bool budget_is_cpu;
} er_job_limits;

/* What a job sees of the machine besides its folder.  `data`: for this job alone, below ER_JOB_DATA.  Without a
 * sandbox it is not there by any path: the command inherits it as an open descriptor, and dir/data has links to
 * /proc/self/fd, which lead to it in the command's processes and nowhere in others. */
#define ER_JOB_DATA "/erlua/data"
enum { ER_JOB_DATA_FD = 10, ER_JOB_DATA_MAX = 64 };      /* the first descriptor; how many there may be */
typedef struct { const char *host, *inside; bool writable, data; } er_job_bind;

typedef struct {
  const char *dir;                   /* the job's folder, absolute; exists, with work/ (and out/) in it */
  const char *const *argv;           /* the command, NULL-terminated */
  const char *const *env;            /* "NAME=value", NULL-terminated: all the command sees besides the fixed ones */
  const er_job_bind *binds;          /* into the sandbox, in order, after the fixed ones; without one only data counts */
  size_t n_binds;
  const char *artifact;              /* folder bound read-only as ERLUA_OUT, or NULL: dir/out, writable */
  bool curve, metrics;               /* makes the file and sets the variable */
  int gpus;                          /* how many it needs */
  er_job_limits limits;
} er_job_spec;

typedef enum {
  ER_ENDED_EXIT,                     /* by itself: exit_code */
  ER_ENDED_SIGNAL,                   /* by a signal of its own making: signal */
  ER_ENDED_BUDGET,                   /* its budget was used up */
  ER_ENDED_TIMEOUT, ER_ENDED_CPU, ER_ENDED_OOM, ER_ENDED_DISK, ER_ENDED_FLOOD, ER_ENDED_PROCESSES,
  ER_ENDED_LAUNCH,                   /* never ran: no such command, no sandbox */
  ER_ENDED_CANCELLED,                /* by er_job_cancel */
  ER_ENDED_LOST                      /* the supervisor is gone without a result */
} er_job_ended;

typedef struct {
  er_job_ended ended;
  int exit_code, signal;
  double wall_s, cpu_s;
  uint64_t peak_memory;              /* bytes */
  int starts;                        /* lines in `started` */
  char reason[256];                  /* one line for people: "wall limit of 3 s reached" */
  er_buf log;                        /* last 4 KB of stderr, or of stdout if stderr is empty; clean UTF-8 */
  er_buf metrics;                    /* what the evaluation wrote, 1 MB at most */
  bool has_metrics, metrics_too_big;
  bool survivors;                    /* some of its processes could not be ended, and may still write */
  bool disk_full;                    /* while it ran, or at its end: what it left may be half of what it wrote */
} er_job_result;

/* Called from the loop, once, when the job has ended; the result is borrowed
 * until er_job_free.  Must not free the job from within. */
typedef void (*er_job_done)(void *ud, const er_job_result *r);

er_jobs *er_jobs_new(struct er_loop *loop, const er_jobs_opts *opts, er_err *err);
void er_jobs_free(er_jobs *js);               /* jobs that run go on; nothing is waited for */

/* Queues a job and returns at once; it starts when a slot (and its GPUs) are free,
 * strictly in order of queueing.  The spec is copied.  `prepare` (may be NULL) is
 * called just before it starts, maybe from within this call, to fill dir/work; a
 * failure there ends the job as ER_ENDED_LAUNCH.  Before a second start work/ and
 * out/ are emptied and prepare is called again (without prepare they stay as they
 * are); the curve begins anew as well. */
typedef int (*er_job_prepare)(void *ud, const er_job_spec *spec, er_err *err);
er_job *er_job_queue(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud);

/* Takes up a job whose folder is there from an earlier engine: takes its result,
 * adopts it while its claim is held, starts it if it never started, starts it once
 * more if it was started once without a result, else ends it as lost. */
er_job *er_job_resume(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud);

void er_job_cancel(er_job *j);                /* ends it; done is called with ER_ENDED_CANCELLED */
/* The same for a job of another engine, by its folder: asks its supervisor to end
 * it and does not wait.  0 asked, 1 nothing runs there, -1 may not. */
int er_job_cancel_folder(const char *dir, er_err *err);

void er_job_free(er_job *j);                  /* after done, or to forget a job that goes on */

void er_jobs_hold(er_jobs *js, bool hold);    /* true: nothing new starts (Ctrl-C once) */
void er_jobs_allow(er_jobs *js, long long n); /* only so many more jobs start (a budget); negative: any number */
int er_jobs_barred(const er_jobs *js);        /* queued jobs that wait for a larger allowance */
int er_jobs_running(const er_jobs *js);
int er_jobs_queued(const er_jobs *js);
int er_jobs_slots(const er_jobs *js);
double er_jobs_longest_left(const er_jobs *js);  /* seconds until the last running job must have ended; -1: no limit */

/* Ends every running job now, waits for their ends and removes their folders, as if
 * they had never started (Ctrl-C twice); done is not called. */
void er_jobs_kill_all(er_jobs *js);

/* Can the sandbox work here?  0, or -1 with the reason and what to do. */
int er_sandbox_probe(er_err *err);

/* How each limit is held here, for doctor: "cgroup v2", "cgroup v1", "supervisor", "none". */
typedef struct { const char *memory, *processes, *cpu, *wall, *disk, *output; } er_limit_means;
void er_limits_probe(er_limit_means *out);

const char *er_job_ended_name(er_job_ended e);   /* "exit", "timeout", ... */

#endif
