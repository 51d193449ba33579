/* write.c - puts changes on the disk: every file is written beside its place
 * and synced before the first one is moved into it, and what was moved is moved
 * back if a later one fails.  Folders are opened one by one without following
 * links, so that nothing lands outside. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "patch/patch.h"

typedef enum { WAITING, SWAPPED, LINKED, MOVED_AWAY } step_state;

typedef struct {
  const er_patch_change *change;
  int dir;                       /* its folder, -1 while closed */
  const char *name;              /* in that folder, borrowed from the change */
  char temp[64];                 /* the new text; after a swap the old file */
  bool has_temp, creates;
  step_state state;
} step;

typedef struct {
  int root;
  const char *dir;
  step *v;                       /* owned */
  size_t n;
  char **made;                   /* folders that were made, owned, outermost first */
  size_t n_made;
} job;

static int fail(er_err *err, const job *j, const char *path, const char *what) {
  return er_fail_errno(err, errno, "cannot %s %s/%s", what, j->dir, path);
}

/* Opens one folder below at; makes it if `make` allows. */
static int open_folder(job *j, int at, const char *name, const char *path, bool make) {
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT || !make) return fd;
  if (mkdirat(at, name, 0777) < 0 || fsync(at) < 0) return -1;
  j->made = er_realloc(j->made, (j->n_made + 1) * sizeof *j->made);
  j->made[j->n_made++] = er_strdup(path);
  return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens the folder of a relative path, component by component. */
static int open_parent(job *j, step *s) {
  char *path = er_strdup(s->change->path), *p = path, *slash;
  int fd = dup(j->root);
  while (fd >= 0 && (slash = strchr(p, '/')) != NULL) {
    *slash = '\0';
    int next = open_folder(j, fd, p, path, s->change->kind != ER_CHANGE_DELETE);
    int eno = errno;
    close(fd);
    errno = eno;
    fd = next;
    *slash = '/';
    p = slash + 1;
  }
  er_free(path);
  s->dir = fd;
  s->name = er_path_base(s->change->path);
  return fd < 0 ? -1 : 0;
}

/* The new text in a file of its own, with the mode of the one it replaces. */
static int write_temp(step *s, size_t number, mode_t mode) {
  int fd, rc, eno;
  snprintf(s->temp, sizeof s->temp, ".erlua-%ld-%zu.tmp", (long)getpid(), number);
  fd = openat(s->dir, s->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) return -1;
  s->has_temp = true;
  rc = er_write_all(fd, s->change->after.ptr, s->change->after.len);
  if (rc == 0 && mode != 0) rc = fchmod(fd, mode & 07777);
  if (rc == 0) rc = fsync(fd);
  eno = errno;
  close(fd);
  errno = eno;
  return rc;
}

/* Everything that can fail for lack of room or rights happens here. */
static int prepare(job *j, step *s, size_t number, er_err *err) {
  struct stat st = {0};
  const char *path = s->change->path;
  if (!er_path_inside(path)) return er_fail(err, "bad_path", "the path %s leaves the folder %s", path, j->dir);
  if (open_parent(j, s) < 0) return fail(err, j, path, "open the folder of");
  s->creates = s->change->kind == ER_CHANGE_CREATE;
  if (!s->creates && fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno != ENOENT || s->change->kind == ER_CHANGE_DELETE) return fail(err, j, path, "change");
    s->creates = true;
  }
  if (!s->creates && !S_ISREG(st.st_mode))
    return er_fail(err, "bad_path", "%s/%s is not a regular file (links are not followed)", j->dir, path);
  if (s->change->kind == ER_CHANGE_DELETE) {
    snprintf(s->temp, sizeof s->temp, ".erlua-%ld-%zu.tmp", (long)getpid(), number);
    return 0;
  }
  return write_temp(s, number, st.st_mode) < 0 ? fail(err, j, path, "write") : 0;
}

/* Exchanges the two names in one step; where the file system cannot, the old
 * file is kept under a second name while the new one takes its place. */
static int swap_in(step *s) {
  char old[72];
  if (renameat2(s->dir, s->temp, s->dir, s->name, RENAME_EXCHANGE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  snprintf(old, sizeof old, "%s.old", s->temp);
  if (linkat(s->dir, s->name, s->dir, old, 0) < 0) return -1;
  if (renameat(s->dir, s->temp, s->dir, s->name) < 0) {
    unlinkat(s->dir, old, 0);
    return -1;
  }
  return renameat(s->dir, old, s->dir, s->temp);
}

/* Neither way ever replaces a file that is there. */
static int link_in(step *s) {
  if (renameat2(s->dir, s->temp, s->dir, s->name, RENAME_NOREPLACE) == 0) {
    s->has_temp = false;
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) return -1;
  return linkat(s->dir, s->temp, s->dir, s->name, 0);
}

static int commit(job *j, step *s, er_err *err) {
  const char *path = s->change->path;
  if (s->change->kind == ER_CHANGE_DELETE) {
    if (renameat(s->dir, s->name, s->dir, s->temp) < 0) return fail(err, j, path, "delete");
    s->has_temp = true;
    s->state = MOVED_AWAY;
  } else if (s->creates) {
    if (link_in(s) < 0) return fail(err, j, path, "create");
    s->state = LINKED;
  } else {
    if (swap_in(s) < 0) return fail(err, j, path, "replace");
    s->state = SWAPPED;
  }
  return 0;
}

static void undo(step *s) {
  if (s->state == SWAPPED || s->state == MOVED_AWAY) {
    renameat(s->dir, s->temp, s->dir, s->name);
    s->has_temp = false;
  }
  if (s->state == LINKED) unlinkat(s->dir, s->name, 0);
}

static void finish(job *j, bool failed) {
  for (size_t i = j->n; i-- > 0;) {
    step *s = &j->v[i];
    if (s->dir < 0) continue;
    if (failed) undo(s);
    if (s->has_temp) unlinkat(s->dir, s->temp, 0);
    fsync(s->dir);
    close(s->dir);
  }
  while (j->n_made > 0) {
    if (failed) unlinkat(j->root, j->made[j->n_made - 1], AT_REMOVEDIR);
    er_free(j->made[--j->n_made]);
  }
  er_free(j->made);
  er_free(j->v);
  close(j->root);
}

int er_patch_write(const char *dir, const er_patch_result *r, er_err *err) {
  job j = {.dir = dir, .n = r->n_changes};
  int rc = 0;
  j.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (j.root < 0) return er_fail_errno(err, errno, "cannot open folder %s", dir);
  j.v = er_calloc(j.n + 1, sizeof *j.v);
  for (size_t i = 0; i < j.n; i++) j.v[i] = (step){.change = &r->changes[i], .dir = -1};
  for (size_t i = 0; i < j.n && rc == 0; i++) rc = prepare(&j, &j.v[i], i, err);
  er_fault("patch_prepared");
  for (size_t i = 0; i < j.n && rc == 0; i++) {
    rc = commit(&j, &j.v[i], err);
    er_fault("patch_renamed");
  }
  finish(&j, rc < 0);
  return rc;
}
