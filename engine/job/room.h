/* room.h - what the files of the job room share; nothing outside it includes this. */
#ifndef ER_JOB_ROOM_H
#define ER_JOB_ROOM_H

#include <sys/types.h>

#include "job/job.h"
#include "loop/loop.h"

#define ER_GPUS_MAX 64

/* ---- what a job is made of ---- */

/* A growing, NULL-terminated list of words, some of them its own. */
typedef struct { const char **at; size_t n, cap; char **own; size_t owned, own_cap; } er_words;

typedef enum {
  ER_JOB_QUEUED,
  ER_JOB_RUNNING,                      /* holds a slot */
  ER_JOB_ENDED                         /* the result is there; done was or will be called */
} er_job_state;

struct er_job {
  er_jobs *jobs;                       /* NULL once er_jobs_free was called */
  er_job *prev, *next;                 /* in jobs->all, in order of queueing */
  er_job_spec spec;                    /* a copy of its own */
  er_job_prepare prepare;
  er_job_done done;                    /* NULL once the caller has forgotten the job */
  void *ud;
  er_job_state state;
  bool again;                          /* the folder was used by an earlier start: emptied before `prepare` */
  bool cancelled, forgotten;
  int attempts;                        /* supervisors started by this engine */
  uint64_t gpu_mask;                   /* bits of jobs->gpu that it holds */
  double began;                        /* CLOCK_REALTIME; 0 while queued */
  er_job_result result;
  er_timer *timer;                     /* tells the end from the loop, or looks at a claim again */
  int looks;                           /* how often a claim without a pid was looked at */
  pid_t pid;                           /* the supervisor; 0 if none */
  int pidfd;
  bool child;                          /* of this process: to be reaped */
  er_watch *watch;
};

/* One way to get a supervisor to run in a job's folder.  The local one starts it
 * on this machine; one for a cluster would hand it to the cluster's queue.  Each
 * reports a supervisor's end through er_job_supervisor_ended. */
typedef struct {
  const char *name;
  int (*start)(er_job *j, er_err *err);   /* begins; -1: it cannot, and nothing was begun */
  int (*adopt)(er_job *j, er_err *err);   /* takes up one that holds the claim; -1: it is gone */
  void (*cancel)(er_job *j);              /* asks it to end its job; the end is reported as ever */
  void (*forget)(er_job *j);              /* stops watching; the supervisor goes on */
} er_launcher;

extern const er_launcher er_launcher_local;

struct er_jobs {
  er_loop *loop;
  const er_launcher *launcher;
  char *supervise, *self, *bwrap;      /* bwrap is NULL without a sandbox */
  er_words base;                       /* bwrap's arguments that are the same for every job */
  bool sandbox, hold;
  long long allowed;                   /* starts left; negative: any number */
  int slots, running, queued;
  int threads;                         /* a job's share of the CPUs: its OMP_NUM_THREADS unless it says otherwise */
  char *gpu[ER_GPUS_MAX];              /* names for CUDA_VISIBLE_DEVICES */
  int gpus;
  uint64_t gpus_busy;
  er_job *all, *last;                  /* every job not yet freed */
  bool pumping;
};

/* ---- queue.c ---- */
void er_job_supervisor_ended(er_job *j, int code);    /* its exit code; -1: killed, or not our child */
void er_job_enqueue(er_job *j);
void er_job_run(er_job *j);                           /* takes a slot, also beyond the number of slots */
void er_job_end(er_job *j, er_job_ended ended, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void er_job_end_as_found(er_job *j);                  /* j->result is filled */
er_job *er_job_make(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud);

/* ---- resume.c ---- */
void er_job_take(er_job *j);                          /* its result, or what the folder says without one */
void er_job_look(er_job *j);                          /* decides by the folder what becomes of the job */

/* ---- folder.c: reading what a supervisor wrote, without trusting it ---- */
typedef enum { ER_CLAIM_FREE, ER_CLAIM_HELD, ER_CLAIM_ABSENT } er_claim;

er_claim er_folder_claim(const char *dir, pid_t *pid, char *gpus, size_t size);   /* pid 0: not yet written */
bool er_folder_guard(const char *dir, int *fd);   /* holds the claim until fd is closed; false if another does */
int er_folder_starts(const char *dir, double *last);  /* lines in `started`; the time of the last */
bool er_folder_disk_full(const char *dir);        /* the file system that it is on */
int er_folder_read(const char *dir, const char *name, size_t max, er_buf *out);   /* 0, -1 and errno */

/* ---- result.c ---- */
int er_result_read(const char *dir, er_job_result *r);   /* 0 filled, 1 no exit file, -1 damaged (said in reason) */
void er_result_log(const char *dir, er_job_result *r);
void er_result_free(er_job_result *r);

/* ---- spec.c ---- */
void er_spec_copy(er_job_spec *to, const er_job_spec *from);
void er_spec_free(er_job_spec *s);

/* ---- sandbox.c ---- */
void er_words_add(er_words *w, const char *word);        /* borrowed */
void er_words_fmt(er_words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void er_words_free(er_words *w);
void er_sandbox_words(er_words *w, const er_jobs *js, const er_job *j);   /* bwrap's argv up to its -- */
void er_sandbox_base(er_words *w, const char *bwrap);    /* the part that is every job's */
char *er_sandbox_find(void);                             /* the path of bwrap; NULL without it */

/* ---- probe.c ---- */
int er_gpus_list(er_jobs *js, int wanted);

#endif
