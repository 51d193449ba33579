/* disk.c - how much room a folder takes, without following anything out of it, and what is left. */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

#define ENTRY_COST 512                     /* so that a million empty files are not free */
#define DEPTH_MAX 100                      /* each level holds a descriptor */

static void add_entry(int dir, const char *name, uint64_t max, uint64_t *total, int depth);

static void add_folder(int fd, uint64_t max, uint64_t *total, int depth) {
  DIR *d = fdopendir(fd);
  struct dirent *e;
  if (d == NULL) { close(fd); return; }
  while (*total <= max && (e = readdir(d)) != NULL)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      add_entry(dirfd(d), e->d_name, max, total, depth + 1);
  closedir(d);
}

static void add_entry(int dir, const char *name, uint64_t max, uint64_t *total, int depth) {
  struct stat st;
  int fd;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return;
  *total += ENTRY_COST + (uint64_t)st.st_blocks * 512;
  if (!S_ISDIR(st.st_mode)) return;
  if (depth > DEPTH_MAX) { *total = max + 1; return; }   /* nested to hide: counts as too much */
  fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) add_folder(fd, max, total, depth);
}

void sv_disk_add(int dir, const char *name, uint64_t max, uint64_t *total) {
  add_entry(dir, name, max, total, 0);
}

bool sv_disk_full(int dir) {
  struct statvfs s;
  return fstatvfs(dir, &s) == 0 && s.f_blocks > 0 && (uint64_t)s.f_bavail * s.f_frsize < SV_DISK_ROOM;
}
