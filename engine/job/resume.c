/* resume.c - what a job's folder says about it, and what follows from that.
 *
 *   a result                         taken
 *   the result of a full disk        started once more, if there is room again
 *   the claim is held                adopted: its supervisor is watched
 *   never started                    started
 *   started once, and gone           started once more
 *   started twice, and gone          lost
 *
 * The same rules hold for a folder from an earlier engine and for a supervisor
 * of our own that ended without a result. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"

#define STARTS_MAX 2

/* The GPUs that an adopted job holds, from the names in its claim. */
static void hold_gpus(er_job *j, const char *names) {
  er_jobs *js = j->jobs;
  const char *p;
  int i;
  for (p = names; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
    for (i = 0; i < js->gpus; i++) {
      size_t n = strcspn(p, ",");
      if (strlen(js->gpu[i]) == n && memcmp(js->gpu[i], p, n) == 0) j->gpu_mask |= (uint64_t)1 << i;
    }
  js->gpus_busy |= j->gpu_mask;
}

static void look_again(void *ud) {
  er_job *j = ud;
  er_timer_stop(j->timer);
  j->timer = NULL;
  er_job_look(j);
}

/* The holder has no pid in its claim yet, or ended while we looked. */
static void look_later(er_job *j) {
  double wait = j->looks < 20 ? 0.005 : 0.25;
  j->looks++;
  j->timer = er_timer_start(j->jobs->loop, wait, 0, look_again, j);
}

static void adopt(er_job *j, const char *gpus) {
  er_err err;
  double began;
  if (er_folder_starts(j->spec.dir, &began) > 0 && began > 0) j->began = began;
  if (j->state == ER_JOB_QUEUED) er_job_run(j);
  hold_gpus(j, gpus);
  if (j->jobs->launcher->adopt(j, &err) < 0) look_later(j);
  else if (j->cancelled) j->jobs->launcher->cancel(j);
}

static void start_again(er_job *j) {
  j->again = true;
  er_job_enqueue(j);
}

/* Half of what the job wrote may be missing, which is no fault of its own. */
static bool start_with_room(er_job *j) {
  double last;
  char *path;
  if (!j->result.disk_full || j->cancelled || er_folder_disk_full(j->spec.dir)) return false;
  if (er_folder_starts(j->spec.dir, &last) >= STARTS_MAX) return false;
  er_result_free(&j->result);
  path = er_path_join(j->spec.dir, "exit");
  unlink(path);
  er_free(path);
  start_again(j);
  return true;
}

void er_job_take(er_job *j) {
  double last;
  int starts;
  if (er_result_read(j->spec.dir, &j->result) <= 0) {
    if (start_with_room(j)) return;
    if (j->cancelled) {                    /* the caller was told that it would be */
      j->result.ended = ER_ENDED_CANCELLED;
      snprintf(j->result.reason, sizeof j->result.reason, "cancelled");
    }
    er_job_end_as_found(j);
    return;
  }
  starts = er_folder_starts(j->spec.dir, &last);
  if (j->cancelled) er_job_end(j, ER_ENDED_CANCELLED, "cancelled");
  else if (starts >= STARTS_MAX)
    er_job_end(j, ER_ENDED_LOST, "the supervisor was gone without a result, %d times", starts);
  else start_again(j);
}

/* In this order: a supervisor writes its result before it lets the claim go. */
void er_job_look(er_job *j) {
  char gpus[1024];
  pid_t pid;
  if (er_folder_claim(j->spec.dir, &pid, gpus, sizeof gpus) == ER_CLAIM_HELD) adopt(j, gpus);
  else er_job_take(j);
}

er_job *er_job_resume(er_jobs *js, const er_job_spec *spec, er_job_prepare prepare, er_job_done done, void *ud) {
  er_job *j = er_job_make(js, spec, prepare, done, ud);
  er_job_look(j);
  return j;
}
