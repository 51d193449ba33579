/* lock.c - one engine a study. */

#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/store.h"

int er_study_lock(const char *dir, int *out, er_err *err) {
  char *path = er_path_join(dir, "lock");
  int fd = er_lock_take(path, ER_LOCK_ALONE, "the study is in use", err);
  er_free(path);
  if (fd < 0) return -1;
  *out = fd;
  return 0;
}

void er_study_unlock(int fd) {
  if (fd >= 0) close(fd);
}
