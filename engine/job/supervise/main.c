/* main.c - erlua-supervise: claims a job's folder, runs its command, writes its result. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "job/supervise/supervise.h"

/* Blocked first of all: a SIGTERM that comes early is a cancel, never a lost result. */
static int block_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGQUIT);
  sigaddset(&set, SIGPIPE);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int make_files(const sv_options *o, int dir, int *metrics) {
  int curve;
  *metrics = -1;
  unlinkat(dir, "stdout", 0);
  unlinkat(dir, "stderr", 0);
  if (o->curve) {
    if ((curve = sv_folder_create(dir, "curve")) < 0) return -1;
    close(curve);
  }
  if (o->metrics && (*metrics = sv_folder_create(dir, "metrics")) < 0) return -1;
  return sv_folder_begin(dir);
}

int main(int argc, char **argv) {
  sv_options o;
  sv_outcome out;
  int dir, claim, reserved, metrics, signals;
  syscall(SYS_close_range, 3u, ~0u, 0u);
  signals = block_signals();
  if (sv_options_read(&o, argc, argv) < 0) return SV_EXIT_USAGE;
  dir = open(o.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 || signals < 0) return SV_EXIT_FOLDER;
  er_fault("supervise.before_claim");
  claim = sv_folder_claim(dir, o.gpus);
  if (claim < 0) return -claim;
  er_fault("supervise.after_claim");
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (o.sandbox) sv_fence_devices();
  reserved = sv_outcome_reserve(dir);
  if (reserved < 0 || make_files(&o, dir, &metrics) < 0) return SV_EXIT_FOLDER;
  unsetenv("ERLUA_FAULT");
  sv_run(&o, dir, signals, &out);
  er_fault("supervise.before_exit");
  if (sv_outcome_write(dir, reserved, metrics, &out) < 0) return SV_EXIT_UNWRITTEN;
  er_fault("supervise.after_exit");
  return SV_EXIT_DONE;
}
