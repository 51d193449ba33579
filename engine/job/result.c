/* result.c - the exit file as a result.  It is parsed as if a stranger had
 * written it: without a sandbox the job could have. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/room.h"

#define METRICS_MAX ((size_t)1 << 20)
#define HEADER_MAX ((size_t)4096)
#define LOG_BYTES 4096

static const char *const ended_names[] = {
  [ER_ENDED_EXIT] = "exit", [ER_ENDED_SIGNAL] = "signal", [ER_ENDED_BUDGET] = "budget",
  [ER_ENDED_TIMEOUT] = "timeout", [ER_ENDED_CPU] = "cpu", [ER_ENDED_OOM] = "oom", [ER_ENDED_DISK] = "disk",
  [ER_ENDED_FLOOD] = "flood", [ER_ENDED_PROCESSES] = "processes", [ER_ENDED_LAUNCH] = "launch",
  [ER_ENDED_CANCELLED] = "cancelled", [ER_ENDED_LOST] = "lost"
};
#define N_ENDED ((int)(sizeof ended_names / sizeof *ended_names))

const char *er_job_ended_name(er_job_ended e) {
  return (int)e >= 0 && (int)e < N_ENDED ? ended_names[e] : "unknown";
}

static int ended_of(const char *name) {
  int i;
  for (i = 0; i < N_ENDED; i++)
    if (strcmp(ended_names[i], name) == 0) return i;
  return -1;
}

/* One number, within bounds, and nothing behind it. */
static int number(const char *s, double low, double high, double *out) {
  char *end;
  double x = strtod(s, &end);
  if (end == s || *end != '\0' || !(x >= low && x <= high)) return -1;
  *out = x;
  return 0;
}

static int take_metrics(er_job_result *r, const char *value, size_t *n) {
  char word[16];
  unsigned long long bytes;
  if (sscanf(value, "%15s %llu", word, &bytes) != 2 || bytes > METRICS_MAX) return -1;
  *n = (size_t)bytes;
  r->has_metrics = strcmp(word, "read") == 0;
  r->metrics_too_big = strcmp(word, "too_big") == 0;
  return r->has_metrics || bytes == 0 ? 0 : -1;
}

static int take_line(er_job_result *r, const char *key, const char *value, size_t *metrics) {
  double x;
  int e;
  if (strcmp(key, "ended") == 0) {
    if ((e = ended_of(value)) < 0) return -1;
    r->ended = (er_job_ended)e;
    return 0;
  }
  if (strcmp(key, "reason") == 0) {
    snprintf(r->reason, sizeof r->reason, "%s", value);
    return 0;
  }
  if (strcmp(key, "metrics") == 0) return take_metrics(r, value, metrics);
  if (number(value, -1, 1e18, &x) < 0) return -1;
  if (strcmp(key, "exit_code") == 0) r->exit_code = x > 255 ? 255 : (int)x;
  else if (strcmp(key, "signal") == 0) r->signal = x > 128 ? 128 : (int)x;
  else if (strcmp(key, "wall") == 0) r->wall_s = x;
  else if (strcmp(key, "cpu") == 0) r->cpu_s = x;
  else if (strcmp(key, "memory") == 0) r->peak_memory = x > 0 ? (uint64_t)x : 0;
  else if (strcmp(key, "survivors") == 0) r->survivors = x > 0;
  else if (strcmp(key, "disk_full") == 0) r->disk_full = x > 0;
  return 0;                                /* a key of a newer supervisor is passed over */
}

static int parse_header(er_job_result *r, char *text, size_t *metrics) {
  char *line, *save = NULL, *space;
  bool ended = false;
  line = strtok_r(text, "\n", &save);
  if (line == NULL || strcmp(line, "erlua-exit 1") != 0) return -1;
  while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
    if ((space = strchr(line, ' ')) == NULL) return -1;
    *space = '\0';
    if (take_line(r, line, space + 1, metrics) < 0) return -1;
    if (strcmp(line, "ended") == 0) ended = true;
  }
  return ended ? 0 : -1;
}

static int parse(er_job_result *r, const er_buf *b) {
  char header[HEADER_MAX];
  const char *blank = b->len > 0 ? memmem(b->ptr, b->len, "\n\n", 2) : NULL;
  size_t metrics = 0, n;
  if (blank == NULL || (n = (size_t)(blank - b->ptr)) >= sizeof header) return -1;
  if (memchr(b->ptr, '\0', n) != NULL) return -1;
  memcpy(header, b->ptr, n);
  header[n] = '\0';
  if (parse_header(r, header, &metrics) < 0 || b->len - n - 2 != metrics) return -1;
  if (metrics > 0) er_buf_add(&r->metrics, blank + 2, metrics);
  return 0;
}

static void clean_reason(er_job_result *r) {
  er_buf clean = {0};
  size_t n;
  er_utf8_clean(&clean, r->reason, strlen(r->reason));
  n = clean.len < sizeof r->reason - 1 ? clean.len : sizeof r->reason - 1;
  while (n > 0 && n < clean.len && ((unsigned char)clean.ptr[n] & 0xc0) == 0x80) n--;   /* not within a character */
  if (n > 0) memcpy(r->reason, clean.ptr, n);
  r->reason[n] = '\0';
  er_buf_free(&clean);
}

int er_result_read(const char *dir, er_job_result *r) {
  er_buf b = {0};
  int rc, eno = er_folder_read(dir, "exit", METRICS_MAX + HEADER_MAX + 1, &b) < 0 ? errno : 0;
  if (eno == ENOENT) {
    er_buf_free(&b);
    return 1;
  }
  rc = eno != 0 ? -1 : parse(r, &b);
  er_buf_free(&b);
  if (rc == 0) {
    clean_reason(r);
    return 0;
  }
  er_result_free(r);
  r->ended = ER_ENDED_LOST;
  r->exit_code = -1;
  snprintf(r->reason, sizeof r->reason, "the result file of the job is damaged");
  return -1;
}

/* The last bytes of a file, from the beginning of a character. */
static void read_tail(const char *dir, const char *name, er_buf *out) {
  char *path = er_asprintf("%s/%s", dir, name), bytes[LOG_BYTES];
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  ssize_t i = 0, n = -1;
  er_free(path);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
    n = pread(fd, bytes, sizeof bytes, st.st_size > LOG_BYTES ? st.st_size - LOG_BYTES : 0);
  close(fd);
  if (n <= 0) return;
  if (st.st_size > LOG_BYTES)
    while (i < n && i < 3 && ((unsigned char)bytes[i] & 0xc0) == 0x80) i++;
  er_utf8_clean(out, bytes + i, (size_t)(n - i));
}

void er_result_log(const char *dir, er_job_result *r) {
  er_buf_clear(&r->log);
  read_tail(dir, "stderr", &r->log);
  if (r->log.len == 0) read_tail(dir, "stdout", &r->log);
}

void er_result_free(er_job_result *r) {
  er_buf_free(&r->log);
  er_buf_free(&r->metrics);
  memset(r, 0, sizeof *r);
}
