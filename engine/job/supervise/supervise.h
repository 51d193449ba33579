/* supervise.h - the parts of erlua-supervise, one static program a job.
 * It is started by the engine with everything on its command line, in a session
 * of its own and without descriptors, and goes on when the engine is gone:
 *
 *   claim the folder -> start the command -> watch pipes, clocks and limits
 *   -> end every process -> read metrics -> write `exit`
 *
 * It never waits on a pipe, never follows a link out of the job's folder, and
 * asks libc alone.  What it finds out is in `exit`; its own exit code only says
 * whether there is one. */
#ifndef ER_JOB_SUPERVISE_H
#define ER_JOB_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "job/supervise/codes.h"

#define SV_METRICS_MAX ((size_t)1 << 20)
enum { SV_DATA_FD = 10, SV_DATA_MAX = 64 };          /* as engine/job/job.h has them */

/* ---- options.c: the command line ---- */
typedef struct {
  const char *dir;                 /* the job's folder */
  const char *gpus;                /* noted in the claim for an engine that adopts; "" for none */
  char **argv;                     /* the command, or bwrap and its arguments */
  bool sandbox;                    /* argv is bwrap's: descriptor 3 carries its status */
  const char *data[SV_DATA_MAX];   /* files that the command inherits, open for reading, from SV_DATA_FD on */
  int n_data;
  bool curve, metrics;             /* files to make before the start */
  bool no_cgroup;                  /* hold limits by adding up, for tests */
  bool watch_processes;            /* count them now and then instead of joining a cgroup */
  bool budget_is_cpu;
  double wall, cpu, grace, budget; /* seconds; 0 is no limit */
  uint64_t memory, disk, output, processes;
} sv_options;

int sv_options_read(sv_options *o, int argc, char **argv);   /* -1: not understood */

/* ---- folder.c: the job's folder ---- */
int sv_folder_claim(int dir, const char *gpus);   /* the held descriptor, or -SV_EXIT_... */
int sv_folder_begin(int dir);                     /* adds the line to `started` */
int sv_folder_create(int dir, const char *name);  /* a new empty file in place of whatever was there */
int sv_write_all(int fd, const void *bytes, size_t n);
double sv_now(void);                              /* CLOCK_MONOTONIC in seconds */

/* ---- capture.c: one output stream into its file ---- */
#define SV_HEAD ((uint64_t)256 << 10)
#define SV_TAIL ((size_t)64 << 10)
#define SV_FIRST 512

typedef struct {
  int fd;                          /* the pipe's read end, -1 once it ended */
  int dir, file;                   /* file is -1 until the first byte */
  const char *name;
  uint64_t total;
  size_t first_len;
  char first[SV_FIRST];            /* the beginning, to recognise bwrap's own complaints */
  char ring[SV_TAIL];              /* the newest bytes behind the head, at total modulo its size */
} sv_stream;

void sv_stream_read(sv_stream *s);                /* takes what is there, never waits */
void sv_stream_end(sv_stream *s);                 /* the last bytes, the note and the tail */

/* ---- ledger.c: what processes used that nobody waited for ---- */
typedef struct { pid_t pid; unsigned long long began; double cpu; bool noted; } sv_seen;

typedef struct {
  sv_seen *list;                   /* the living */
  size_t n, cap, next;
  double gone;                     /* CPU seconds of the others, as far as they were seen */
} sv_ledger;

void sv_ledger_note(sv_ledger *l, pid_t pid, unsigned long long began, double cpu);
double sv_ledger_sum(sv_ledger *l);               /* after all of a look are noted: of all that were ever seen */

/* ---- tree.c: the processes of the job ---- */
typedef struct {
  uint64_t tasks;                  /* threads and processes alive */
  uint64_t memory;                 /* anonymous and shared memory, bytes; an upper bound */
  double cpu;                      /* of the living and of the children they waited for */
  double seen;                     /* of all that the ledger has seen, also of those that nobody waited for */
} sv_usage;

size_t sv_tree_signal(pid_t root, int sig);       /* every descendant of root, parents first; how many there were */
void sv_tree_usage(pid_t root, sv_ledger *l, sv_usage *u);
unsigned long long sv_tree_began(pid_t pid);      /* when a process began, in ticks; 0 if there is none */
uint64_t sv_tree_memory(pid_t root, bool *unread);   /* exact: shared pages by their share; unread: of some it is not told */

/* ---- disk.c ---- */
/* Adds the size of a folder below dir; stops counting above max. */
void sv_disk_add(int dir, const char *name, uint64_t max, uint64_t *total);
bool sv_disk_full(int dir);                       /* the file system that dir is on */

/* ---- cgroup.c: limits held by the kernel, where it lets us ---- */
enum { SV_CG_MEMORY, SV_CG_PIDS, SV_CG_CPU, SV_CG_COUNT };

typedef struct {
  char dir[SV_CG_COUNT][256];      /* "" where that resource is not held by a cgroup */
  int procs[SV_CG_COUNT];          /* open cgroup.procs of each */
  bool v2;
} sv_cgroup;

void sv_cgroup_make(sv_cgroup *cg, const sv_options *o);
void sv_cgroup_remove(sv_cgroup *cg);
void sv_cgroup_sweep(void);                       /* removes what killed supervisors left */
bool sv_cgroup_join(const sv_cgroup *cg);         /* in the child, after vfork */
bool sv_cgroup_oom(const sv_cgroup *cg);          /* the kernel ended something of it for memory */
bool sv_cgroup_forks_refused(const sv_cgroup *cg);
double sv_cgroup_cpu(const sv_cgroup *cg);        /* seconds; -1 where it does not count */
uint64_t sv_cgroup_peak(const sv_cgroup *cg);     /* bytes; 0 where it does not count */

/* ---- start.c, fence.c ---- */
#define SV_NO_CGROUP (-1)

typedef struct {
  pid_t pid;
  int out, err, status;            /* read ends; status is -1 without a sandbox */
  int exec_errno;                  /* why the command could not be started; SV_NO_CGROUP: try without */
} sv_child;

int sv_start(const sv_options *o, int dir, const sv_cgroup *cg, sv_child *c);
void sv_fence(void);                              /* in the child: no sockets but unix and inet, no keyrings */
void sv_fence_devices(void);                      /* in the supervisor: modes of device files cannot be changed */

/* ---- run.c: from the start to the end of the last process ---- */
typedef struct {
  const char *ended;               /* the name in the exit file */
  char reason[256];
  int exit_code, signal;
  double wall, cpu;
  uint64_t peak;
  bool survivors;                  /* something could not be ended: no metrics are trusted */
  bool disk_full;                  /* at some look, or at the end: it may have left half of what it wrote */
} sv_outcome;

void sv_run(const sv_options *o, int dir, int signals, sv_outcome *out);

/* ---- outcome.c: the exit file ---- */
int sv_outcome_reserve(int dir);                  /* makes exit.tmp with room for a result */
int sv_outcome_write(int dir, int reserved, int metrics, const sv_outcome *out);

#endif
