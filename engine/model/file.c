/* file.c - regular files alone, read at offsets. */

#include "model/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AT_ONCE = 1 << 30 };      /* the kernel moves less than 2 GB a call */

int64_t er_model_size(int fd, const char *name, er_err *err) {
  struct stat st;
  if (fstat(fd, &st) < 0) return er_fail_errno(err, errno, "cannot read %s", name);
  if (!S_ISREG(st.st_mode)) return er_fail(err, "EINVAL", "cannot read %s: not a regular file", name);
  return st.st_size;
}

int er_model_open(const char *path, er_links links, er_err *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (links == ER_LINKS ? 0 : O_NOFOLLOW));
  if (fd < 0 && errno == ELOOP && links == ER_NO_LINKS)
    return er_fail(err, "ELOOP", "cannot read %s: it is a link", path);
  if (fd < 0) return er_fail_errno(err, errno, "cannot read %s", path);
  if (er_model_size(fd, path, err) >= 0) return fd;
  close(fd);
  return -1;
}

int er_model_pread(int fd, const char *name, void *out, size_t n, int64_t at, er_err *err) {
  char *p = out;
  while (n > 0) {
    ssize_t k = pread(fd, p, n < AT_ONCE ? n : AT_ONCE, at);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return er_fail_errno(err, errno, "cannot read %s", name);
    if (k == 0) return er_fail(err, "truncated", "%s ends at byte %lld, %zu bytes too early", name, (long long)at, n);
    p += k;
    at += k;
    n -= (size_t)k;
  }
  return 0;
}
