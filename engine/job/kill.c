/* kill.c - the second Ctrl-C: running jobs end now and leave no trace, so that a
 * resumed study starts them as if they never had been. */

#include <poll.h>

#include "base/clock.h"
#include "base/path.h"
#include "job/room.h"

static void wait_for_end(const er_job *j, double until) {
  struct pollfd p = {.fd = j->pidfd, .events = POLLIN};
  double left = until - er_clock_mono();
  if (j->pidfd >= 0 && left > 0) poll(&p, 1, (int)(left * 1000) + 1);
}

void er_jobs_kill_all(er_jobs *js) {
  double grace = 0, until;
  for (er_job *j = js->all; j != NULL; j = j->next) {
    if (j->state != ER_JOB_RUNNING) continue;
    if (j->spec.limits.grace_s > grace) grace = j->spec.limits.grace_s;
    js->launcher->cancel(j);
  }
  until = er_clock_mono() + grace + 10;           /* a busy machine; each goes as soon as it can */
  for (er_job *j = js->all; j != NULL; j = j->next) {
    if (j->state != ER_JOB_RUNNING) continue;
    wait_for_end(j, until);
    er_remove_tree(j->spec.dir, NULL);
  }
}
