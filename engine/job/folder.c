/* folder.c - reading a job's folder: claim, started, and files that a job may have touched. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"
#include "job/supervise/codes.h"

/* Without a sandbox a job can put anything in the place of these files: a link
 * is not followed, a pipe not waited for. */
static int open_in(const char *dir, const char *name) {
  char *path = er_path_join(dir, name);
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), eno = errno;
  struct stat st;
  er_free(path);
  if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
    close(fd);
    eno = EINVAL;
    fd = -1;
  }
  errno = eno;
  return fd;
}

static int read_fd(int fd, size_t max, er_buf *out) {
  size_t got = 0;
  while (got < max) {
    size_t chunk = got < 4096 ? 4096 : 65536, want = max - got < chunk ? max - got : chunk;
    ssize_t n = read(fd, er_buf_room(out, want), want);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    out->len += (size_t)n;
    got += (size_t)n;
  }
  if (out->ptr != NULL) out->ptr[out->len] = '\0';
  return 0;
}

int er_folder_read(const char *dir, const char *name, size_t max, er_buf *out) {
  int rc, fd = open_in(dir, name);
  if (fd < 0) return -1;
  rc = read_fd(fd, max, out);
  close(fd);
  return rc;
}

/* Taking the lock for a moment is the only way to ask for it.  A supervisor that
 * comes in that moment ends as if the job were claimed, and whoever started it
 * looks again. */
er_claim er_folder_claim(const char *dir, pid_t *pid, char *gpus, size_t size) {
  int fd = open_in(dir, "claim");
  er_buf text = {0};
  const char *line;
  bool held;
  *pid = 0;
  if (size > 0) gpus[0] = '\0';
  if (fd < 0) return ER_CLAIM_ABSENT;
  held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
  if (read_fd(fd, 1024, &text) == 0 && text.len > 0 && strchr(text.ptr, '\n') != NULL) {
    *pid = (pid_t)atoi(text.ptr);
    line = strstr(text.ptr, "\ngpus ");
    if (line != NULL && size > 0) snprintf(gpus, size, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
  }
  close(fd);
  er_buf_free(&text);
  return held ? ER_CLAIM_HELD : ER_CLAIM_FREE;
}

bool er_folder_guard(const char *dir, int *out) {
  char *path = er_asprintf("%s/claim", dir);
  int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
  er_free(path);
  if (held) close(fd);
  else *out = fd;
  return !held;
}

int er_folder_starts(const char *dir, double *last) {
  er_buf text = {0};
  int n = 0;
  char *p, *nl;
  *last = 0;
  if (er_folder_read(dir, "started", 65536, &text) == 0 && text.len > 0) {
    for (p = text.ptr; (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
      char *space = strchr(p, ' ');
      n++;
      if (space != NULL && space < nl) *last = strtod(space, NULL);
    }
  }
  er_buf_free(&text);
  return n;
}

bool er_folder_disk_full(const char *dir) {
  struct statvfs s;
  return statvfs(dir, &s) == 0 && s.f_blocks > 0 && (uint64_t)s.f_bavail * s.f_frsize < SV_DISK_ROOM;
}
