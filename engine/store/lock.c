/* lock.c - one engine a study. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/store.h"

static int busy(int fd, const char *path, er_err *err) {
  char owner[256] = "";
  ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
  if (n > 0) owner[strcspn(owner, "\n")] = '\0';
  return er_fail(err, "EBUSY", "the study is in use by another erlua (%s), says %s; wait for it or stop it",
                 owner[0] != '\0' ? owner : "unknown", path);
}

int er_study_lock(const char *dir, int *out, er_err *err) {
  char *path = er_path_join(dir, "lock"), host[128] = "", owner[256];
  int n, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), rc = 0;
  if (fd < 0) {
    rc = er_fail_errno(err, errno, "cannot lock the study: %s", path);
  } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    rc = busy(fd, path, err);
    close(fd);
  } else {
    gethostname(host, sizeof host - 1);
    n = snprintf(owner, sizeof owner, "pid %d on %s since %.0f\n", (int)getpid(), host, er_clock_wall());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, owner, (size_t)n, 0) != n) {
      rc = er_fail_errno(err, errno, "cannot write %s", path);
      close(fd);
    } else {
      *out = fd;
    }
  }
  er_free(path);
  return rc;
}

void er_study_unlock(int fd) {
  if (fd >= 0) close(fd);
}
