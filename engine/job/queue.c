/* queue.c - slots, GPUs and the line of jobs before them; how a job ends for its caller. */

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"
#include "job/supervise/supervise.h"

#define ATTEMPTS 3                         /* supervisors started for a job that never gets to its `started` line */

/* ---- the slots ---- */

static int cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* The running program, also when its file was replaced since it started. */
static char *self_path(void) {
  static const char deleted[] = " (deleted)";
  char text[4096];
  ssize_t n = readlink("/proc/self/exe", text, sizeof text - 1);
  size_t d = sizeof deleted - 1;
  if (n <= 0) return NULL;
  text[n] = '\0';
  if ((size_t)n > d && strcmp(text + n - d, deleted) == 0) text[(size_t)n - d] = '\0';
  return er_path_exists(text) ? er_strdup(text) : NULL;
}

er_jobs *er_jobs_new(struct er_loop *loop, const er_jobs_opts *o, er_err *err) {
  er_jobs *js;
  char *bwrap = o->sandbox ? er_sandbox_find() : NULL;
  if (o->sandbox && bwrap == NULL) {
    er_fail(err, "sandbox",
            "bwrap is not there: install the package bubblewrap, or pass --no-sandbox to run foreign code unprotected");
    return NULL;
  }
  if (o->supervise == NULL || access(o->supervise, X_OK) < 0) {
    er_fail(err, "ENOENT", "cannot run the supervisor %s: is erlua installed whole?",
            o->supervise ? o->supervise : "(none)");
    er_free(bwrap);
    return NULL;
  }
  js = er_calloc(1, sizeof *js);
  js->loop = loop;
  js->launcher = &er_launcher_local;
  js->supervise = er_strdup(o->supervise);
  js->self = self_path();
  js->bwrap = bwrap;
  js->sandbox = o->sandbox;
  js->allowed = -1;
  if (js->sandbox) er_sandbox_base(&js->base, bwrap);
  js->gpus = er_gpus_list(js, o->gpus);
  js->slots = o->slots > 0 ? o->slots : js->gpus > 0 ? js->gpus : cpus();
  js->threads = cpus() > js->slots ? cpus() / js->slots : 1;
  sv_cgroup_sweep();
  return js;
}

static void unlink_job(er_job *j) {
  er_jobs *js = j->jobs;
  if (js == NULL) return;
  if (j->prev != NULL) j->prev->next = j->next;
  else js->all = j->next;
  if (j->next != NULL) j->next->prev = j->prev;
  else js->last = j->prev;
  j->prev = j->next = NULL;
  j->jobs = NULL;
}

static void destroy(er_job *j) {
  unlink_job(j);
  er_timer_stop(j->timer);
  er_spec_free(&j->spec);
  er_result_free(&j->result);
  er_free(j);
}

/* A job that its caller still holds lives on without its queue, until it is freed. */
void er_jobs_free(er_jobs *js) {
  int i;
  if (js == NULL) return;
  while (js->all != NULL) {
    er_job *j = js->all;
    js->launcher->forget(j);
    er_timer_stop(j->timer);
    j->timer = NULL;
    unlink_job(j);
    if (j->forgotten) destroy(j);
  }
  for (i = 0; i < js->gpus; i++) er_free(js->gpu[i]);
  er_free(js->supervise);
  er_free(js->self);
  er_free(js->bwrap);
  er_words_free(&js->base);
  er_free(js);
}

/* ---- the line ---- */

static int count_bits(uint64_t m) { return __builtin_popcountll(m); }

static bool take_gpus(er_jobs *js, er_job *j) {
  uint64_t mask = 0;
  int i, need = j->spec.gpus;
  if (js->gpus - count_bits(js->gpus_busy) < need) return false;
  for (i = 0; i < js->gpus && need > 0; i++)
    if ((js->gpus_busy >> i & 1) == 0) {
      mask |= (uint64_t)1 << i;
      need--;
    }
  j->gpu_mask |= mask;
  js->gpus_busy |= mask;
  return true;
}

void er_job_run(er_job *j) {
  if (j->state == ER_JOB_QUEUED) j->jobs->queued--;
  j->state = ER_JOB_RUNNING;
  j->jobs->running++;
  if (j->began <= 0) j->began = er_clock_wall();
}

static void release(er_job *j) {
  er_jobs *js = j->jobs;
  if (j->state == ER_JOB_RUNNING) js->running--;
  if (j->state == ER_JOB_QUEUED) js->queued--;
  js->gpus_busy &= ~j->gpu_mask;
  j->gpu_mask = 0;
  j->state = ER_JOB_ENDED;
}

/* What an earlier start left in the folder is not what `prepare` expects to find. */
static int empty_folder(const er_job *j, er_err *err) {
  char *work = er_path_join(j->spec.dir, "work"), *out = er_path_join(j->spec.dir, "out");
  int rc = 0;
  if (j->prepare != NULL) rc = er_remove_tree(work, err);
  if (rc == 0 && j->prepare != NULL && j->spec.artifact == NULL) rc = er_remove_tree(out, err);
  if (rc == 0) rc = er_mkdirs(work, 0700, err);
  if (rc == 0 && j->spec.artifact == NULL) rc = er_mkdirs(out, 0700, err);
  er_free(work);
  er_free(out);
  return rc;
}

/* A supervisor of an engine that died between spawn and claim may come yet: it must
 * not claim a folder that is being filled. */
static void begin(er_job *j) {
  er_err err = {{0}, {0}};
  int rc = 0, guard = -1;
  if (j->attempts == 0 && j->jobs->allowed > 0) j->jobs->allowed--;
  er_job_run(j);
  if (j->again && !er_folder_guard(j->spec.dir, &guard)) {
    er_job_look(j);
    return;
  }
  if (j->again) rc = empty_folder(j, &err);
  if (rc == 0 && j->prepare != NULL) rc = j->prepare(j->ud, &j->spec, &err);
  j->attempts++;
  if (guard >= 0) close(guard);
  if (rc == 0) rc = j->jobs->launcher->start(j, &err);
  if (rc < 0) er_job_end(j, ER_ENDED_LAUNCH, "%s", err.msg);
}

static er_job *first_queued(er_jobs *js) {
  er_job *j;
  for (j = js->all; j != NULL; j = j->next)
    if (j->state == ER_JOB_QUEUED) return j;
  return NULL;
}

/* Strictly in order: a job that waits for GPUs is not overtaken for ever. */
static void pump(er_jobs *js) {
  er_job *j;
  if (js->pumping) return;
  js->pumping = true;
  while (!js->hold && js->allowed != 0 && js->running < js->slots && (j = first_queued(js)) != NULL) {
    if (j->spec.gpus > js->gpus) {
      er_job_end(j, ER_ENDED_LAUNCH, "the job needs %d GPUs and this machine has %d", j->spec.gpus, js->gpus);
      continue;
    }
    if (!take_gpus(js, j)) break;
    begin(j);
  }
  js->pumping = false;
}

void er_job_enqueue(er_job *j) {
  if (j->state == ER_JOB_RUNNING) {        /* back in line: its supervisor did not get to run it */
    release(j);
    j->jobs->queued++;
    j->state = ER_JOB_QUEUED;
    j->began = 0;
  }
  pump(j->jobs);
}

/* ---- the end ---- */

static void tell(void *ud) {
  er_job *j = ud;
  er_jobs *js = j->jobs;
  er_job_done done = j->done;
  er_timer_stop(j->timer);
  j->timer = NULL;
  j->done = NULL;
  unlink_job(j);
  if (j->forgotten) destroy(j);
  else if (done != NULL) done(j->ud, &j->result);
  pump(js);
}

/* From the loop and not from within the call that found it out, so that a caller
 * is never called back before it has the job in its hands. */
void er_job_end_as_found(er_job *j) {
  double last;
  release(j);
  j->result.starts = er_folder_starts(j->spec.dir, &last);
  er_result_log(j->spec.dir, &j->result);
  er_timer_stop(j->timer);
  j->timer = er_timer_start(j->jobs->loop, 0, 0, tell, j);
}

void er_job_end(er_job *j, er_job_ended ended, const char *fmt, ...) {
  va_list args;
  er_result_free(&j->result);
  j->result.ended = ended;
  j->result.exit_code = -1;
  va_start(args, fmt);
  vsnprintf(j->result.reason, sizeof j->result.reason, fmt, args);
  va_end(args);
  j->result.disk_full = er_folder_disk_full(j->spec.dir);
  er_job_end_as_found(j);
}

void er_job_supervisor_ended(er_job *j, int code) {
  double last;
  if (code == SV_EXIT_USAGE)
    er_job_end(j, ER_ENDED_LAUNCH, "erlua-supervise does not understand this erlua: are both of one version?");
  else if (code == SV_EXIT_FOLDER)
    er_job_end(j, ER_ENDED_LAUNCH, "the job's folder %s cannot be written: is the disk full?", j->spec.dir);
  else if (code == SV_EXIT_UNWRITTEN)
    er_job_end(j, ER_ENDED_LOST, "the job's result could not be written to %s: is the disk full?", j->spec.dir);
  else if (j->attempts >= ATTEMPTS && code != SV_EXIT_CLAIMED && er_folder_starts(j->spec.dir, &last) == 0)
    er_job_end(j, ER_ENDED_LOST, "the supervisor ended %d times before the job began", j->attempts);
  else if (code == SV_EXIT_DONE)
    er_job_take(j);
  else
    er_job_look(j);
}

/* ---- what callers do ---- */

er_job *er_job_make(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud) {
  er_job *j = er_calloc(1, sizeof *j);
  j->jobs = js;
  er_spec_copy(&j->spec, spec);
  j->prepare = prepare;
  j->done = done;
  j->ud = ud;
  j->pidfd = -1;
  j->prev = js->last;
  if (js->last != NULL) js->last->next = j;
  else js->all = j;
  js->last = j;
  js->queued++;
  return j;
}

er_job *er_job_queue(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud) {
  er_job *j = er_job_make(js, spec, prepare, done, ud);
  pump(js);
  return j;
}

void er_job_cancel(er_job *j) {
  if (j->jobs == NULL || j->state == ER_JOB_ENDED) return;
  j->cancelled = true;
  if (j->state == ER_JOB_QUEUED) er_job_end(j, ER_ENDED_CANCELLED, "cancelled before it began");
  else j->jobs->launcher->cancel(j);
}

/* A job that runs keeps its slot until its supervisor ends, whoever still cares;
 * its end, or the telling of it, then frees it. */
void er_job_free(er_job *j) {
  if (j == NULL) return;
  j->done = NULL;
  j->forgotten = true;
  if (j->jobs == NULL) destroy(j);
  else if (j->state == ER_JOB_QUEUED) {
    er_jobs *js = j->jobs;
    release(j);
    destroy(j);
    pump(js);                              /* it may have stood before others */
  }
}

void er_jobs_hold(er_jobs *js, bool hold) {
  js->hold = hold;
  pump(js);
}

void er_jobs_allow(er_jobs *js, long long n) {
  js->allowed = n;
  pump(js);
}

int er_jobs_barred(const er_jobs *js) { return js->allowed == 0 ? js->queued : 0; }
int er_jobs_running(const er_jobs *js) { return js->running; }
int er_jobs_queued(const er_jobs *js) { return js->queued; }
int er_jobs_slots(const er_jobs *js) { return js->slots; }

static double must_end_after(const er_job_limits *l) {
  double s = l->wall_s;
  if (l->budget_s > 0 && !l->budget_is_cpu && (s <= 0 || l->budget_s < s)) s = l->budget_s;
  return s > 0 ? s + (l->grace_s > 0 ? l->grace_s : 0.5) : -1;
}

double er_jobs_longest_left(const er_jobs *js) {
  const er_job *j;
  double longest = 0, now = er_clock_wall();
  for (j = js->all; j != NULL; j = j->next) {
    double s;
    if (j->state != ER_JOB_RUNNING) continue;
    if ((s = must_end_after(&j->spec.limits)) < 0) return -1;
    if (j->began + s - now > longest) longest = j->began + s - now;
  }
  return longest;
}
