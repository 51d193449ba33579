/* lock.c - files that are held by one process, or by several that only read. */

#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { TRIES = 100 };            /* a file that is replaced so often in so short a time is somebody's mistake */

static int refuse(int fd, const char *path, const char *busy, er_err *err) {
  char owner[256] = "";
  ssize_t n = pread(fd, owner, sizeof owner - 1, 0);
  if (n > 0) owner[strcspn(owner, "\n")] = '\0';
  return er_fail(err, "EBUSY", "%s by another erlua (%s), says %s; wait for it or stop it", busy,
                 strncmp(owner, "pid ", 4) == 0 ? owner : "unknown", path);
}

static int sign(int fd) {
  char host[128] = "", owner[256];
  gethostname(host, sizeof host - 1);
  int n = snprintf(owner, sizeof owner, "pid %d on %s since %.0f\n", (int)getpid(), host, er_clock_wall());
  return ftruncate(fd, 0) < 0 || pwrite(fd, owner, (size_t)n, 0) != n ? -1 : 0;
}

static bool still_there(int fd, const char *path) {
  struct stat mine, there;
  return fstat(fd, &mine) == 0 && lstat(path, &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

int er_lock_take(const char *path, er_lock_kind kind, const char *busy, er_err *err) {
  bool alone = kind == ER_LOCK_ALONE;
  for (int i = 0; i < TRIES; i++) {
    int rc, fd = open(path, (alone ? O_RDWR | O_CREAT : O_RDONLY | O_NONBLOCK) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
    if (fd < 0) return er_fail_errno(err, errno, "cannot lock %s", path);
    if (flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
      rc = errno == EWOULDBLOCK ? refuse(fd, path, busy, err) : er_fail_errno(err, errno, "cannot lock %s", path);
    else if (!still_there(fd, path)) rc = 0;
    else if (!alone || sign(fd) == 0) return fd;
    else rc = er_fail_errno(err, errno, "cannot write %s", path);
    close(fd);
    if (rc < 0) return -1;
  }
  return er_fail(err, "EBUSY", "cannot lock %s: it is replaced all the time", path);
}
