/* run.c - watches one command until the last process of its job is gone. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "job/supervise/supervise.h"

#define SAMPLE_EVERY 0.1                   /* seconds between two looks at what nobody reports to us */
#define SAMPLE_SHARE 20                    /* and at least this many times the CPU time that a look takes */
#define GIVE_UP_AFTER 30.0                 /* seconds a killed process may take to go */
#define FOREVER 1e18
#define ASK_EVERY 0.02                     /* seconds between two tries to find whom to ask to end */

typedef struct {
  const sv_options *o;
  int dir, signals;
  sv_cgroup cg;
  sv_child c;
  sv_stream *out, *err;
  char status[1024];                       /* what bwrap said on its status descriptor */
  size_t status_len;
  bool gone;                               /* the command (or bwrap) was reaped */
  int wait_status;
  double began, finished, next_sample, kill_at;
  bool killed, unasked;                    /* unasked: nobody was there yet to get the SIGTERM */
  const char *verdict;                     /* why the supervisor ended it; NULL if it did not */
  char reason[256];
  uint64_t peak;
  sv_ledger ledger;
  double cpu;                              /* the most that was ever counted */
  bool disk_full;                          /* once seen, kept: what was written then may be half */
} run;

/* ---- counting ---- */

static double own_children_cpu(uint64_t *peak) {
  struct rusage u;
  getrusage(RUSAGE_CHILDREN, &u);
  if ((uint64_t)u.ru_maxrss * 1024 > *peak) *peak = (uint64_t)u.ru_maxrss * 1024;
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double cpu_so_far(run *r, double living) {
  double counted = sv_cgroup_cpu(&r->cg), waited = own_children_cpu(&r->peak) + living;
  if (counted >= 0) waited = counted;
  if (waited > r->cpu) r->cpu = waited;
  return r->cpu;
}

static void look_at_tree(run *r, sv_usage *u) {
  sv_tree_usage(getpid(), &r->ledger, u);
  if (u->seen > r->cpu) r->cpu = u->seen;
}

/* ---- ending ---- */

/* What dies with the init of its sandbox is waited for by nobody, and its time
 * would be lost: it is counted before. */
static void kill_all(run *r) {
  sv_usage u;
  look_at_tree(r, &u);
  cpu_so_far(r, u.cpu);
  r->killed = true;
  sv_tree_signal(getpid(), SIGKILL);
}

/* bwrap's child is the init of the sandbox; the job's processes are below it. */
static pid_t sandbox_init(const run *r) {
  const char *at = strstr(r->status, "\"child-pid\":");
  return at != NULL ? (pid_t)atoi(at + strlen("\"child-pid\":")) : 0;
}

/* SIGTERM for bwrap would be SIGKILL for what runs in it, so it goes past bwrap. While a sandbox is being
 * built the command is not there: it is asked as soon as it is. */
static void ask_to_end(run *r) {
  pid_t root = r->o->sandbox ? sandbox_init(r) : getpid();
  r->unasked = root <= 0 || sv_tree_signal(root, SIGTERM) == 0;
}

static void judge(run *r, const char *verdict, const char *fmt, va_list args) {
  if (r->verdict != NULL) return;          /* the first cause is the one that is told */
  r->verdict = verdict;
  vsnprintf(r->reason, sizeof r->reason, fmt, args);
}

/* For what goes on doing harm: memory, disk, output, processes. */
__attribute__((format(printf, 3, 4)))
static void end_now(run *r, const char *verdict, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  judge(r, verdict, fmt, args);
  va_end(args);
  if (!r->killed && !r->gone) kill_all(r);
}

/* For clocks and requests: the command may still write down where it is. */
__attribute__((format(printf, 3, 4)))
static void end_gently(run *r, const char *verdict, const char *fmt, ...) {
  va_list args;
  if (r->verdict != NULL) return;
  va_start(args, fmt);
  judge(r, verdict, fmt, args);
  va_end(args);
  if (r->killed || r->gone) return;
  ask_to_end(r);
  r->kill_at = sv_now() + r->o->grace;
}

/* ---- looking ---- */

static bool counts_cpu(const sv_options *o) { return o->cpu > 0 || (o->budget > 0 && o->budget_is_cpu); }

static const char *size_text(uint64_t n, char *out, size_t size) {
  if (n >= (uint64_t)1 << 30) snprintf(out, size, "%.4g GiB", (double)n / (1 << 30));
  else if (n >= 1 << 20) snprintf(out, size, "%.4g MiB", (double)n / (1 << 20));
  else snprintf(out, size, "%llu bytes", (unsigned long long)n);
  return out;
}

static void check_memory(run *r, const sv_usage *u) {
  uint64_t limit = r->o->memory;
  char text[32];
  bool over = false;
  if (r->cg.dir[SV_CG_MEMORY][0] != '\0') {
    over = sv_cgroup_oom(&r->cg);
  } else if (u->memory > limit) {
    bool unread = false;
    uint64_t exact = sv_tree_memory(getpid(), &unread);   /* slower, so only asked when it matters */
    over = exact > limit || (exact == 0 && unread);
  }
  if (over) end_now(r, "oom", "memory limit of %s reached", size_text(limit, text, sizeof text));
}

static void check_processes(run *r, const sv_usage *u) {
  uint64_t limit = r->o->processes, allowed = limit + (r->o->sandbox ? 2 : 0);
  bool over = r->cg.dir[SV_CG_PIDS][0] != '\0' ? sv_cgroup_forks_refused(&r->cg) : u->tasks > allowed;
  if (over) end_now(r, "processes", "limit of %llu processes reached", (unsigned long long)limit);
}

static void check_disk(run *r) {
  uint64_t total = 0, limit = r->o->disk;
  char text[32];
  sv_disk_add(r->dir, "work", limit, &total);
  sv_disk_add(r->dir, "out", limit, &total);
  sv_disk_add(r->dir, "curve", limit, &total);
  sv_disk_add(r->dir, "metrics", limit, &total);
  if (total > limit) end_now(r, "disk", "disk limit of %s reached", size_text(limit, text, sizeof text));
}

static void check_cpu(run *r, double used) {
  const sv_options *o = r->o;
  if (o->budget > 0 && o->budget_is_cpu && used >= o->budget)
    end_gently(r, "budget", "CPU budget of %g s used up", o->budget);
  if (o->cpu > 0 && used >= o->cpu) end_gently(r, "cpu", "CPU limit of %g s reached", o->cpu);
}

/* With n processors a job uses up to n seconds of CPU a second: near the end, look sooner. */
static double cpu_interval(const sv_options *o, double used) {
  double left = o->cpu > 0 ? o->cpu - used : FOREVER, step;
  long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  if (o->budget > 0 && o->budget_is_cpu && o->budget - used < left) left = o->budget - used;
  step = left / (double)(cpus > 0 ? cpus : 1);
  return step < 0.01 ? 0.01 : step;
}

/* Of this process alone: on a busy machine a look may stand still for a second and have cost nothing. */
static double own_cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sample(run *r) {
  const sv_options *o = r->o;
  double before = own_cpu(), wait = SAMPLE_EVERY, took;
  sv_usage u = {0};
  bool walk = (o->memory > 0 && r->cg.dir[SV_CG_MEMORY][0] == '\0') ||
              (o->processes > 0 && r->cg.dir[SV_CG_PIDS][0] == '\0') ||
              (counts_cpu(o) && r->cg.dir[SV_CG_CPU][0] == '\0');
  if (walk) look_at_tree(r, &u);
  if (u.memory > r->peak) r->peak = u.memory;
  if (o->memory > 0) check_memory(r, &u);
  if (o->processes > 0) check_processes(r, &u);
  if (o->disk > 0) check_disk(r);
  if (sv_disk_full(r->dir)) r->disk_full = true;
  if (counts_cpu(o)) {
    double used = cpu_so_far(r, u.cpu), soon = cpu_interval(o, used);
    check_cpu(r, used);
    if (soon < wait) wait = soon;
  }
  took = own_cpu() - before;
  if (took * SAMPLE_SHARE > wait) wait = took * SAMPLE_SHARE;
  r->next_sample = sv_now() + wait;
}

static void check_clocks(run *r) {
  const sv_options *o = r->o;
  double now = sv_now(), used = now - r->began;
  if (o->budget > 0 && !o->budget_is_cpu && used >= o->budget)
    end_gently(r, "budget", "budget of %g s used up", o->budget);
  if (o->wall > 0 && used >= o->wall) end_gently(r, "timeout", "wall limit of %g s reached", o->wall);
  if (!r->killed && r->unasked) ask_to_end(r);
  if (!r->killed && now >= r->next_sample) sample(r);
  if (!r->killed && now >= r->kill_at) kill_all(r);
}

static double next_event(const run *r) {
  const sv_options *o = r->o;
  double at = r->next_sample < r->kill_at ? r->next_sample : r->kill_at;
  if (r->killed) return sv_now() + 0.05;   /* and again, for what was being forked meanwhile */
  if (r->unasked && sv_now() + ASK_EVERY < at) return sv_now() + ASK_EVERY;
  if (r->verdict != NULL) return at;
  if (o->wall > 0 && r->began + o->wall < at) at = r->began + o->wall;
  if (o->budget > 0 && !o->budget_is_cpu && r->began + o->budget < at) at = r->began + o->budget;
  return at;
}

/* ---- events ---- */

/* False once no child of any kind is left. */
static bool reap(run *r) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != r->c.pid) continue;
    r->gone = true;
    r->wait_status = status;
    r->finished = sv_now();
  }
  return !(pid < 0 && errno == ECHILD);
}

static void take_signals(run *r) {
  struct signalfd_siginfo s;
  while (read(r->signals, &s, sizeof s) == (ssize_t)sizeof s) {
    if (s.ssi_signo != SIGTERM) continue;
    if (r->verdict == NULL) end_gently(r, "cancelled", "cancelled");
    else if (!r->killed && !r->gone) kill_all(r);   /* asked twice */
  }
}

static void take_status(run *r) {
  size_t room = sizeof r->status - 1 - r->status_len;
  ssize_t n = read(r->c.status, r->status + r->status_len, room);
  if (n > 0) {
    r->status_len += (size_t)n;
    return;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  close(r->c.status);
  r->c.status = -1;
}

static void take_output(run *r) {
  uint64_t limit = r->o->output;
  char text[32];
  sv_stream_read(r->out);
  sv_stream_read(r->err);
  if (limit > 0 && r->out->total + r->err->total > limit)
    end_now(r, "flood", "wrote more than %s of output", size_text(limit, text, sizeof text));
}

static void wait_for_events(run *r, double until) {
  struct pollfd p[4] = {{r->signals, POLLIN, 0}, {r->c.status, POLLIN, 0},
                        {r->out->fd, POLLIN, 0}, {r->err->fd, POLLIN, 0}};
  double left = until - sv_now();
  struct timespec t;
  if (left < 0) left = 0;
  t.tv_sec = left > 1e6 ? 1000000 : (time_t)left;
  t.tv_nsec = left > 1e6 ? 0 : (long)((left - (double)t.tv_sec) * 1e9);
  if (ppoll(p, 4, &t, NULL) < 0) return;
  if (p[1].revents != 0) take_status(r);   /* first: a SIGTERM needs to know where to go */
  if (p[0].revents != 0) take_signals(r);
  if (p[2].revents != 0 || p[3].revents != 0) take_output(r);
}

static void watch(run *r) {
  while (reap(r) && !r->gone) {
    wait_for_events(r, next_event(r));
    if (r->killed) sv_tree_signal(getpid(), SIGKILL);
    else check_clocks(r);
  }
}

/* The command is gone: so is everything else it left, before anything is read. */
static bool end_rest(run *r) {
  double began = sv_now(), pause = 0.001;
  while (reap(r)) {
    if (sv_now() - began > GIVE_UP_AFTER) return false;
    sv_tree_signal(getpid(), SIGKILL);
    wait_for_events(r, sv_now() + pause);
    if (pause < 0.05) pause *= 2;
  }
  return true;
}

/* ---- the outcome ---- */

static void first_line(const sv_stream *s, char *out, size_t size) {
  size_t i, n = s->first_len < size - 1 ? s->first_len : size - 1;
  for (i = 0; i < n && s->first[i] != '\n' && s->first[i] != '\0'; i++) out[i] = s->first[i];
  out[i] = '\0';
}

static void tell_exit(sv_outcome *out, int code) {
  out->ended = "exit";
  out->exit_code = code;
  snprintf(out->reason, sizeof out->reason, "exit code %d", code);
}

static void tell_signal(sv_outcome *out, int sig) {
  const char *name = sigabbrev_np(sig);
  out->ended = "signal";
  out->signal = sig;
  snprintf(out->reason, sizeof out->reason, "ended by signal %d%s%s", sig, name ? " SIG" : "", name ? name : "");
}

/* bwrap ends like a shell does: 128 and the signal.  It reports an exit code on
 * its status descriptor only if the command was really started. */
static void tell_sandboxed(const run *r, sv_outcome *out) {
  const char *at = strstr(r->status, "\"exit-code\":");
  int code;
  if (at == NULL) {
    static const char said[] = "bwrap: execvp ";
    size_t n = sizeof said - 1;
    out->ended = "launch";
    first_line(r->err, out->reason, sizeof out->reason);
    if (strncmp(out->reason, said, n) == 0) memmove(out->reason, out->reason + n, strlen(out->reason + n) + 1);
    if (out->reason[0] == '\0') snprintf(out->reason, sizeof out->reason, "the sandbox ended before the command began");
    return;
  }
  code = atoi(at + strlen("\"exit-code\":"));
  if (code > 128 && code <= 128 + 64) tell_signal(out, code - 128);
  else tell_exit(out, code);
}

static void tell_own_end(const run *r, sv_outcome *out) {
  if (WIFSIGNALED(r->wait_status)) tell_signal(out, WTERMSIG(r->wait_status));
  else if (r->o->sandbox) tell_sandboxed(r, out);
  else tell_exit(out, WEXITSTATUS(r->wait_status));
}

/* What a short job did between two looks still counts. */
static void last_look(run *r, double cpu) {
  sv_usage none = {0};
  if (r->verdict != NULL) return;
  if (r->o->memory > 0) check_memory(r, &none);
  if (r->o->processes > 0 && r->cg.dir[SV_CG_PIDS][0] != '\0') check_processes(r, &none);
  if (r->o->disk > 0) check_disk(r);
  if (r->o->cpu > 0 && cpu >= r->o->cpu) end_gently(r, "cpu", "CPU limit of %g s reached", r->o->cpu);
}

static void conclude(run *r, sv_outcome *out) {
  uint64_t peak = sv_cgroup_peak(&r->cg);
  out->wall = r->finished - r->began;
  out->cpu = cpu_so_far(r, 0);
  out->peak = peak > 0 ? peak : r->peak;
  last_look(r, out->cpu);
  out->disk_full = r->disk_full || sv_disk_full(r->dir);
  tell_own_end(r, out);
  if (r->verdict != NULL) {
    out->ended = r->verdict;
    snprintf(out->reason, sizeof out->reason, "%s", r->reason);
  }
  if (out->survivors) {
    size_t n = strlen(out->reason);
    snprintf(out->reason + n, sizeof out->reason - n, "; some of its processes could not be ended");
  }
}

static bool start(run *r) {
  sv_cgroup_make(&r->cg, r->o);
  if (sv_start(r->o, r->dir, &r->cg, &r->c) == 0) return true;
  if (r->c.exec_errno == SV_NO_CGROUP) {
    reap(r);
    sv_cgroup_remove(&r->cg);
    memset(&r->cg, 0, sizeof r->cg);
    if (sv_start(r->o, r->dir, &r->cg, &r->c) == 0) return true;
  }
  return false;
}

static sv_stream *stream(int dir, const char *name) {
  sv_stream *s = calloc(1, sizeof *s);
  if (s == NULL) abort();
  s->dir = dir;
  s->file = s->fd = -1;
  s->name = name;
  return s;
}

void sv_run(const sv_options *o, int dir, int signals, sv_outcome *out) {
  run r;
  memset(&r, 0, sizeof r);
  memset(out, 0, sizeof *out);
  r.o = o;
  r.dir = dir;
  r.signals = signals;
  r.kill_at = FOREVER;
  r.out = stream(dir, "stdout");
  r.err = stream(dir, "stderr");
  out->exit_code = -1;
  if (!start(&r)) {
    out->ended = "launch";
    snprintf(out->reason, sizeof out->reason, "%s: %s", o->argv[0], strerror(r.c.exec_errno));
    end_rest(&r);
  } else {
    r.out->fd = r.c.out;
    r.err->fd = r.c.err;
    r.began = sv_now();
    r.next_sample = r.began + SAMPLE_EVERY;
    er_fault("supervise.running");
    watch(&r);
    out->survivors = !end_rest(&r);
    if (r.c.status >= 0) take_status(&r);
    take_output(&r);
    sv_stream_end(r.out);
    sv_stream_end(r.err);
    conclude(&r, out);
  }
  free(r.ledger.list);
  sv_cgroup_remove(&r.cg);
}
