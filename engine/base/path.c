/* path.c - files and folders. */

#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

char *er_path_join(const char *dir, const char *name) {
  size_t n = strlen(dir), m = strlen(name) + 1;
  char *path;
  if (name[0] == '/' || n == 0) return er_strdup(name);
  path = er_malloc(n + 1 + m);
  memcpy(path, dir, n);
  if (path[n - 1] != '/') path[n++] = '/';
  memcpy(path + n, name, m);
  return path;
}

const char *er_path_base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

char *er_path_dir(const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return er_strdup(".");
  return er_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

bool er_path_inside(const char *path) {
  const char *p = path;
  if (*p == '\0' || *p == '/' || strlen(path) >= PATH_MAX) return false;
  while (*p != '\0') {
    size_t n = strcspn(p, "/");
    if (n == 0 || n > NAME_MAX) return false;
    if (n == 1 && p[0] == '.') return false;
    if (n == 2 && p[0] == '.' && p[1] == '.') return false;
    if (memchr(p, '\\', n) != NULL) return false;
    p += n;
    if (*p == '/' && *++p == '\0') return false;
  }
  return true;
}

bool er_path_exists(const char *path) { return access(path, F_OK) == 0; }

bool er_path_is_dir(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int read_all(int fd, const char *path, size_t max, er_buf *out, er_err *err) {
  size_t got = 0;
  for (;;) {
    char *to = er_buf_room(out, 16384);
    ssize_t n = read(fd, to, 16384);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return er_fail_errno(err, errno, "cannot read %s", path);
    if (n == 0) return 0;
    got += (size_t)n;
    if (got > max) return er_fail(err, "EFBIG", "%s is larger than %zu bytes", path, max);
    out->len += (size_t)n;
    out->ptr[out->len] = '\0';
  }
}

int er_file_read(const char *path, size_t max, er_buf *out, er_err *err) {
  struct stat st;
  int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return er_fail_errno(err, errno, "cannot read %s", path);
  if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
    rc = er_fail(err, "EINVAL", "cannot read %s: not a regular file", path);
  else
    rc = read_all(fd, path, max, out, err);
  close(fd);
  return rc;
}

int er_write_all(int fd, const void *bytes, size_t n) {
  const char *p = bytes;
  while (n > 0) {
    ssize_t k = write(fd, p, n);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return -1;
    p += k;
    n -= (size_t)k;
  }
  return 0;
}

int er_file_write(const char *path, const void *bytes, size_t n, unsigned mode, er_err *err) {
  int eno = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return er_fail_errno(err, errno, "cannot write %s", path);
  if (er_write_all(fd, bytes, n) < 0) eno = errno;
  if (close(fd) < 0 && eno == 0) eno = errno;
  return eno != 0 ? er_fail_errno(err, eno, "cannot write %s", path) : 0;
}

/* Tries the folder itself first and its parents only when they are missing: the
 * usual call costs one system call. */
int er_mkdirs(const char *path, unsigned mode, er_err *err) {
  char *parent;
  int rc, eno;
  if (mkdir(path, mode) == 0) return 0;
  eno = errno;
  if (eno == EEXIST && er_path_is_dir(path)) return 0;
  parent = er_path_dir(path);
  rc = eno == ENOENT && strcmp(parent, path) != 0 ? er_mkdirs(parent, mode, err) : er_fail_errno(err, eno, "cannot make folder %s", path);
  er_free(parent);
  if (rc < 0 || mkdir(path, mode) == 0 || errno == EEXIST) return rc;
  return er_fail_errno(err, errno, "cannot make folder %s", path);
}

static int remove_at(int at, const char *name, bool folder);

/* Empties the folder open as fd; folders that a job made unreadable are
 * opened up first.  Takes fd over. */
static int empty_dir(int fd) {
  DIR *d = fdopendir(fd);
  struct dirent *e;
  int rc = 0;
  if (d == NULL) { close(fd); return -1; }
  while ((e = readdir(d)) != NULL) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (remove_at(dirfd(d), e->d_name, e->d_type == DT_DIR) < 0) rc = -1;
  }
  closedir(d);
  return rc;
}

/* `folder` says what the caller expects; it is only tried first. */
static int remove_at(int at, const char *name, bool folder) {
  int fd;
  if (!folder) {
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
  } else if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return 0;
  }
  fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) return unlinkat(at, name, 0);
  if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  if (empty_dir(fd) < 0) {                     /* a folder that nothing may be taken out of: once more, opened up */
    if (fchmodat(at, name, 0700, 0) < 0) return -1;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || empty_dir(fd) < 0) return -1;
  }
  return unlinkat(at, name, AT_REMOVEDIR);
}

int er_remove_tree(const char *path, er_err *err) {
  if (remove_at(AT_FDCWD, path, true) == 0) return 0;
  return er_fail_errno(err, errno, "cannot remove %s", path);
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted; a folder's name carries a trailing '/', so
 * that the whole walk comes out in byte order of the paths. */
static char **sorted_names(const char *dir, size_t *count) {
  DIR *d = opendir(dir);
  char **names = NULL;
  struct dirent *e;
  size_t n = 0, cap = 0;
  if (d == NULL) return NULL;
  while ((e = readdir(d)) != NULL) {
    struct stat st;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (n == cap) names = er_realloc(names, (cap = cap ? cap * 2 : 16) * sizeof *names);
    bool is_dir = fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    names[n++] = er_asprintf("%s%s", e->d_name, is_dir ? "/" : "");
  }
  closedir(d);
  if (n > 1) qsort(names, n, sizeof *names, by_name);
  *count = n;
  return names != NULL ? names : er_calloc(1, sizeof *names);
}

typedef struct { er_walk_fn fn; void *ud; const char *root; er_err *err; int depth; } walk_state;

static int walk_dir(walk_state *w, const char *rel);

static int walk_entry(walk_state *w, const char *rel) {
  char *full = er_path_join(w->root, rel);
  struct stat st;
  int rc = 0;
  if (lstat(full, &st) == 0) {
    char kind = S_ISREG(st.st_mode) ? 'f' : S_ISLNK(st.st_mode) ? 'l' : 's';
    rc = w->fn(w->ud, rel, kind, (size_t)st.st_size);
  }
  er_free(full);
  return rc;
}

static int walk_dir(walk_state *w, const char *rel) {
  char *dir = rel[0] ? er_path_join(w->root, rel) : er_strdup(w->root);
  size_t i, n = 0;
  char **names;
  int rc = 0;
  if (++w->depth > 64) rc = er_fail(w->err, "ELOOP", "folder %s is nested more than 64 deep", dir);
  names = rc == 0 ? sorted_names(dir, &n) : NULL;
  if (names == NULL && rc == 0) rc = er_fail_errno(w->err, errno, "cannot read folder %s", dir);
  for (i = 0; i < n; i++) {
    char *sub = er_asprintf("%s%s", rel, names[i]);
    size_t len = strlen(sub);
    if (rc == 0) rc = sub[len - 1] == '/' ? walk_dir(w, sub) : walk_entry(w, sub);
    er_free(sub);
    er_free(names[i]);
  }
  er_free(names);
  er_free(dir);
  w->depth--;
  return rc;
}

int er_walk(const char *dir, er_walk_fn fn, void *ud, er_err *err) {
  walk_state w = {fn, ud, dir, err, 0};
  return walk_dir(&w, "");
}

char *er_self_dir(void) {
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n < 0) return er_strdup(".");
  self[n] = '\0';
  return er_path_dir(self);
}
