/* history.c - $XDG_STATE_HOME/erlua/history, read once and appended to. */

#include "lua/history.h"

#include <fcntl.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"

#define KEPT 1000                            /* entries; the file may hold twice as many */
#define MAX_FILE ((size_t)8 << 20)

struct er_history {
  History *events;
  char *path;                    /* NULL: there is no place for it */
  char *last;
};

/* The file's path, its folder made; NULL where that cannot be. */
static char *history_path(void) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  char *dir, *path = NULL;
  if (state != NULL && state[0] == '/') dir = er_path_join(state, "erlua");
  else if (home != NULL && home[0] == '/') dir = er_path_join(home, ".local/state/erlua");
  else return NULL;
  if (er_mkdirs(dir, 0700, NULL) == 0) path = er_path_join(dir, "history");
  er_free(dir);
  return path;
}

static void enter(er_history *h, const char *line) {
  HistEvent ev;
  history(h->events, &ev, H_ENTER, line);
}

static size_t count_lines(const er_buf *b) {
  size_t n = 0;
  for (size_t i = 0; i < b->len; i++) n += b->ptr[i] == '\n';
  return n;
}

/* Enters the last KEPT lines; a file that has grown past twice that is cut. */
static void load(er_history *h) {
  er_buf b = {0};
  char *s, *end;
  size_t n;
  if (h->path == NULL || er_file_read(h->path, MAX_FILE, &b, NULL) < 0 || b.len == 0) {
    er_buf_free(&b);
    return;
  }
  n = count_lines(&b);
  for (s = b.ptr; n > KEPT; n--) s = strchr(s, '\n') != NULL ? strchr(s, '\n') + 1 : s;
  if (count_lines(&b) > 2 * KEPT) er_file_replace(h->path, s, b.len - (size_t)(s - b.ptr), 0600, NULL);
  for (; (end = strchr(s, '\n')) != NULL; s = end + 1) {
    *end = '\0';
    if (*s != '\0') enter(h, s);
  }
  er_buf_free(&b);
}

er_history *er_history_open(void) {
  er_history *h = er_calloc(1, sizeof *h);
  HistEvent ev;
  h->events = history_init();
  if (h->events == NULL) abort();
  history(h->events, &ev, H_SETSIZE, KEPT);
  history(h->events, &ev, H_SETUNIQUE, 1);
  h->path = history_path();
  load(h);
  return h;
}

void er_history_close(er_history *h) {
  if (h == NULL) return;
  history_end(h->events);
  er_free(h->path);
  er_free(h->last);
  er_free(h);
}

struct history *er_history_events(er_history *h) { return h->events; }

static void append(const char *path, const char *line) {
  er_buf b = {0};
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  er_buf_str(&b, line);
  er_buf_char(&b, '\n');
  if (write(fd, b.ptr, b.len) < 0) { /* a full disk costs the entry, not the session */ }
  close(fd);
  er_buf_free(&b);
}

void er_history_add(er_history *h, const char *line) {
  if (line[strspn(line, " \t")] == '\0' || line[0] == ' ') return;
  if (h->last != NULL && strcmp(h->last, line) == 0) return;
  er_free(h->last);
  h->last = er_strdup(line);
  enter(h, line);
  if (h->path != NULL) append(h->path, line);
}
