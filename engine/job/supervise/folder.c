/* folder.c - claiming a job's folder and making the files of a start in it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

double sv_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int sv_write_all(int fd, const void *bytes, size_t n) {
  const char *p = bytes;
  while (n > 0) {
    ssize_t k = write(fd, p, n);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return -1;
    p += k;
    n -= (size_t)k;
  }
  return 0;
}

/* The lock is held until this process is gone, however it goes: that is what an
 * engine asks for when it wants to know whether the job still runs. */
int sv_folder_claim(int dir, const char *gpus) {
  char line[512];
  struct stat st;
  int n, fd = openat(dir, "claim", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (fd < 0) return -SV_EXIT_FOLDER;
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) return -SV_EXIT_CLAIMED;
  if (fstatat(dir, "exit", &st, AT_SYMLINK_NOFOLLOW) == 0) return -SV_EXIT_ALREADY;
  n = snprintf(line, sizeof line, "%d\ngpus %s\n", (int)getpid(), gpus);
  if (n < 0 || (size_t)n >= sizeof line || sv_write_all(fd, line, (size_t)n) < 0 || ftruncate(fd, n) < 0)
    return -SV_EXIT_FOLDER;
  return fd;
}

int sv_folder_begin(int dir) {
  char line[64];
  struct timespec t;
  int n, rc, fd = openat(dir, "started", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  clock_gettime(CLOCK_REALTIME, &t);
  n = snprintf(line, sizeof line, "%d %lld.%03ld\n", (int)getpid(), (long long)t.tv_sec, t.tv_nsec / 1000000);
  rc = sv_write_all(fd, line, (size_t)n);
  close(fd);
  return rc;
}

/* A second start finds the files of the first, and in a job without a sandbox
 * they may have become links: the name is removed, never opened. */
int sv_folder_create(int dir, const char *name) {
  if (unlinkat(dir, name, 0) < 0 && errno != ENOENT) return -1;
  return openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}
