/* outcome.c - the exit file: lines of "key value", an empty line, the metrics.
 * Its first block is reserved before the command starts, so that a job that
 * fills the disk cannot take its own result away. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

#define RESERVED 4096

typedef struct { const char *word; char *bytes; size_t n; } metrics_found;

int sv_outcome_reserve(int dir) {
  int fd = sv_folder_create(dir, "exit.tmp");
  if (fd >= 0 && fallocate(fd, 0, 0, RESERVED) < 0) {
    char zeros[RESERVED] = {0};            /* a file system without fallocate */
    if (pwrite(fd, zeros, sizeof zeros, 0) != (ssize_t)sizeof zeros) {
      close(fd);
      return -1;
    }
  }
  return fd;
}

/* Only the file that was made before the start counts: one that the job put in
 * its place, or a link, is not looked at. */
static metrics_found read_metrics(int dir, int fd, const sv_outcome *out) {
  metrics_found m = {"none", NULL, 0};
  struct stat made, named;
  ssize_t n = 0;
  if (fd < 0 || out->survivors || fstat(fd, &made) < 0) return m;
  if (fstatat(dir, "metrics", &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != made.st_ino ||
      named.st_dev != made.st_dev || !S_ISREG(made.st_mode)) {
    m.word = "replaced";
    return m;
  }
  if (made.st_size == 0) return m;
  if ((uint64_t)made.st_size > SV_METRICS_MAX) { m.word = "too_big"; return m; }
  if ((m.bytes = malloc((size_t)made.st_size)) == NULL) return m;
  while (m.n < (size_t)made.st_size && (n = pread(fd, m.bytes + m.n, (size_t)made.st_size - m.n, (off_t)m.n)) > 0)
    m.n += (size_t)n;
  m.word = "read";
  return m;
}

/* The reason may quote what a program printed: one line, printable. */
static void clean(char *s) {
  for (; *s != '\0'; s++)
    if ((unsigned char)*s < 32 || *s == 127) *s = ' ';
}

static int header(char *text, size_t size, const sv_outcome *out, const metrics_found *m) {
  char reason[sizeof out->reason];
  memcpy(reason, out->reason, sizeof reason);
  clean(reason);
  return snprintf(text, size,
                  "erlua-exit 1\nended %s\nexit_code %d\nsignal %d\nwall %.6f\ncpu %.6f\nmemory %llu\n"
                  "survivors %d\ndisk_full %d\nreason %s\nmetrics %s %zu\n\n",
                  out->ended, out->exit_code, out->signal, out->wall, out->cpu,
                  (unsigned long long)out->peak, out->survivors ? 1 : 0, out->disk_full ? 1 : 0, reason, m->word, m->n);
}

static int put(int fd, const char *text, size_t n, const metrics_found *m) {
  if (lseek(fd, 0, SEEK_SET) < 0 || sv_write_all(fd, text, n) < 0) return -1;
  if (m->n > 0 && sv_write_all(fd, m->bytes, m->n) < 0) return -1;
  return ftruncate(fd, (off_t)(n + m->n));
}

int sv_outcome_write(int dir, int reserved, int metrics, const sv_outcome *out) {
  metrics_found m = read_metrics(dir, metrics, out);
  char text[1024];
  struct stat st;
  int n = header(text, sizeof text, out, &m);
  if (fstat(reserved, &st) < 0 || st.st_nlink == 0) reserved = sv_folder_create(dir, "exit.tmp");
  if (put(reserved, text, (size_t)n, &m) < 0) {
    m = (metrics_found){"unwritten", NULL, 0};           /* the disk is full: the head still fits */
    n = header(text, sizeof text, out, &m);
    if (put(reserved, text, (size_t)n, &m) < 0) return -1;
  }
  return renameat(dir, "exit.tmp", dir, "exit");
}
