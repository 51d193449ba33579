/* newfile.c - files that are replaced as a whole, and what killed writers left of them. */

#include "base/newfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

enum {
  NAMES = 64,                    /* as many writers of one number, each in a container of its own */
  YOUNG_S = 60                   /* one that was just made may not be locked yet */
};

/* ---- what killed writers left --------------------------------------------------------------- */

static const char *digits(const char *s) { return s + strspn(s, "0123456789"); }

/* NAME.PID.tmp, or NAME.PID.K.tmp */
static bool is_temporary(const char *name, const char *of, size_t len) {
  const char *p, *end;
  if (strncmp(name, of, len) != 0 || name[len] != '.') return false;
  end = digits(p = name + len + 1);
  if (end == p) return false;
  if (end[0] == '.' && digits(end + 1) != end + 1) end = digits(end + 1);
  return strcmp(end, ".tmp") == 0;
}

/* The kernel gave up the lock of a writer that is gone.  Where files know no locks nothing is removed. */
static void remove_abandoned(int dir, const char *name) {
  struct stat st;
  int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && time(NULL) - st.st_mtime > YOUNG_S &&
      flock(fd, LOCK_EX | LOCK_NB) == 0)
    unlinkat(dir, name, 0);
  close(fd);
}

static void sweep(const char *path) {
  char *folder = er_path_dir(path);
  const char *base = er_path_base(path);
  size_t len = strlen(base);
  DIR *d = opendir(folder);
  struct dirent *e;
  er_free(folder);
  if (d == NULL) return;
  while ((e = readdir(d)) != NULL)
    if (is_temporary(e->d_name, base, len)) remove_abandoned(dirfd(d), e->d_name);
  closedir(d);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int refuse(er_new_file *f, int eno, er_err *err) {
  er_fail_errno(err, eno, "cannot write %s", f->path);
  er_new_file_drop(f);
  return -1;
}

/* A process of this number may write the same file in another container, or have been killed over it. */
static int make(er_new_file *f, unsigned mode) {
  for (int k = 0; k < NAMES; k++) {
    er_free(f->tmp);
    f->tmp = k == 0 ? er_asprintf("%s.%d.tmp", f->path, (int)getpid()) : er_asprintf("%s.%d.%d.tmp", f->path, (int)getpid(), k);
    f->fd = open(f->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (f->fd >= 0 || errno != EEXIST) break;
  }
  if (f->fd >= 0) return 0;
  er_free(f->tmp);
  f->tmp = NULL;                 /* not ours to remove */
  return -1;
}

static int open_as(er_new_file *f, const char *path, unsigned mode, er_err *err) {
  *f = (er_new_file){.fd = -1, .path = er_strdup(path)};
  if (er_path_is_dir(path)) return refuse(f, EISDIR, err);
  sweep(path);
  if (make(f, mode) < 0) return refuse(f, errno, err);
  flock(f->fd, LOCK_EX | LOCK_NB);
  return 0;
}

int er_new_file_open(er_new_file *f, const char *path, er_err *err) { return open_as(f, path, 0666, err); }

int er_new_file_write(er_new_file *f, const void *bytes, size_t n, er_err *err) {
  return er_write_all(f->fd, bytes, n) < 0 ? refuse(f, errno, err) : 0;
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
  int eno = fsync(f->fd) < 0 ? errno : 0;
  if (eno == 0 && rename(f->tmp, f->path) < 0) eno = errno;
  if (eno == 0) {
    er_free(f->tmp);
    f->tmp = NULL;
    eno = sync_folder(f->path);
  }
  int closed = close(f->fd);     /* not before it has its name: the lock goes with it */
  f->fd = -1;
  if (eno == 0 && closed < 0) eno = errno;
  if (eno != 0) return refuse(f, eno, err);
  er_new_file_drop(f);
  return 0;
}

void er_new_file_drop(er_new_file *f) {
  if (f->tmp != NULL) unlink(f->tmp);
  if (f->fd >= 0) close(f->fd);
  er_free(f->tmp);
  er_free(f->path);
  *f = (er_new_file){.fd = -1};
}

int er_file_replace(const char *path, const void *bytes, size_t n, unsigned mode, er_err *err) {
  er_new_file f;
  if (open_as(&f, path, mode, err) < 0 || er_new_file_write(&f, bytes, n, err) < 0) return -1;
  if (fchmod(f.fd, mode) < 0) return refuse(&f, errno, err);
  return er_new_file_done(&f, err);
}
