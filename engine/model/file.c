/* file.c - regular files alone, read at offsets, replaced as a whole. */

#include "model/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

enum { AT_ONCE = 1 << 30 };      /* the kernel moves less than 2 GB a call */

/* ---- reading ---------------------------------------------------------------------------- */

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

/* ---- writing ---------------------------------------------------------------------------- */

static int refuse(er_new_file *f, int eno, er_err *err) {
  er_fail_errno(err, eno, "cannot write %s", f->path);
  er_new_file_drop(f);
  return -1;
}

int er_new_file_open(er_new_file *f, const char *path, er_err *err) {
  *f = (er_new_file){.fd = -1, .path = er_strdup(path), .tmp = er_asprintf("%s.%d.tmp", path, (int)getpid())};
  if (er_path_is_dir(path)) return refuse(f, EISDIR, err);
  unlink(f->tmp);                /* of a process of this number that was killed */
  f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  return f->fd < 0 ? refuse(f, errno, err) : 0;
}

int er_new_file_write(er_new_file *f, const void *bytes, size_t n, er_err *err) {
  const char *p = bytes;
  while (n > 0) {
    ssize_t k = write(f->fd, p, n < AT_ONCE ? n : AT_ONCE);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return refuse(f, errno, err);
    p += k;
    n -= (size_t)k;
  }
  return 0;
}

/* Some file systems cannot sync a folder; then the rename is as safe as it gets. */
static int sync_folder(const char *path) {
  char *dir = er_path_dir(path);
  int eno = 0, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  er_free(dir);
  if (fd < 0) return errno;
  if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS) eno = errno;
  close(fd);
  return eno;
}

int er_new_file_done(er_new_file *f, er_err *err) {
  int eno = fsync(f->fd) < 0 ? errno : 0, closed = close(f->fd);
  f->fd = -1;
  if (eno == 0 && closed < 0) eno = errno;
  if (eno == 0 && rename(f->tmp, f->path) < 0) eno = errno;
  if (eno == 0) eno = sync_folder(f->path);
  if (eno != 0) return refuse(f, eno, err);
  er_new_file_drop(f);
  return 0;
}

void er_new_file_drop(er_new_file *f) {
  if (f->fd >= 0) close(f->fd);
  if (f->tmp != NULL) unlink(f->tmp);
  er_free(f->tmp);
  er_free(f->path);
  *f = (er_new_file){.fd = -1};
}
