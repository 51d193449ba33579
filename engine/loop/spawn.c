/* spawn.c - starting a program without forking the engine's heap. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/loop.h"

extern char **environ;

int er_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static void set_fd(posix_spawn_file_actions_t *fa, int fd, int to) {
  if (fd >= 0) posix_spawn_file_actions_adddup2(fa, fd, to);
  else posix_spawn_file_actions_addopen(fa, to, "/dev/null", to == 0 ? O_RDONLY : O_WRONLY, 0);
}

int er_spawn(const er_spawn_opts *o, pid_t *pid, int *pidfd, er_err *err) {
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t at;
  sigset_t none, all;
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  char *const *env = o->env != NULL ? (char *const *)o->env : environ;
  int rc;
  posix_spawn_file_actions_init(&fa);
  set_fd(&fa, o->fd0, 0);
  set_fd(&fa, o->fd1, 1);
  set_fd(&fa, o->fd2, 2);
  posix_spawn_file_actions_addclosefrom_np(&fa, 3);
  if (o->cwd != NULL) posix_spawn_file_actions_addchdir_np(&fa, o->cwd);
  posix_spawnattr_init(&at);
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&at, &none);
  posix_spawnattr_setsigdefault(&at, &all);
  if (o->session) flags |= POSIX_SPAWN_SETSID;
  posix_spawnattr_setflags(&at, flags);
  rc = posix_spawnp(pid, o->argv[0], &fa, &at, (char *const *)o->argv, env);
  posix_spawnattr_destroy(&at);
  posix_spawn_file_actions_destroy(&fa);
  if (rc != 0) return er_fail_errno(err, rc, "cannot start %s", o->argv[0]);
  *pidfd = er_pidfd_open(*pid);
  return 0;
}
