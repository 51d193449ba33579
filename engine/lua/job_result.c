/* job_result.c - how a job ended, its curve and its artifact, as the journal and
 * the study keep them. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "lua/job_op.h"
#include "lua/json.h"

enum { MAX_CURVE = 4 << 20, MAX_CURVE_LINES = 100000, MAX_ARTIFACT_FILES = 10000 };

/* ---- the curve ------------------------------------------------------------------------------ */

static bool number_at(lua_State *L, const char *name, double *x) {
  bool is;
  lua_getfield(L, -1, name);
  is = lua_type(L, -1) == LUA_TNUMBER;
  *x = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return is;
}

static void put_point(er_host *h, int64_t job, int64_t n, const char *name, size_t len, bool has_step, double step,
                      double x) {
  static const char *const cols[] = {"job", "n", "name", "step", "value"};
  er_value vals[] = {{.type = ER_INT, .i = job}, {.type = ER_INT, .i = n}, {.type = ER_TEXT, .s = name, .len = len},
                     {.type = has_step ? ER_REAL : ER_NULL, .r = step}, {.type = ER_REAL, .r = x}};
  er_err err;
  if (er_store_put(h->store, "metrics", 5, cols, vals, &err) < 0) er_host_fatal(h, &err);
}

/* Names go to terminals: one with control characters (C1 in UTF-8 among them) is left out. */
static bool good_name(const char *s, size_t n) {
  if (n > 64) return false;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i], next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
    if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) return false;
  }
  return true;
}

/* One line of the curve: an object of numbers; anything else is left out. */
static void take_line(er_host *h, er_job_op *o, const char *s, size_t n) {
  lua_State *L = h->L;
  double step, x;
  bool has_step;
  if (er_json_decode(L, s, n, NULL) < 0) return;
  if (lua_istable(L, -1)) {
    has_step = number_at(L, "step", &step);
    o->curve_lines++;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      size_t len;
      if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TNUMBER) continue;
      const char *name = lua_tolstring(L, -2, &len);
      if (!good_name(name, len) || strcmp(name, "step") == 0) continue;
      x = lua_tonumber(L, -1);
      put_point(h, o->id, (int64_t)o->curve_lines, name, len, has_step, step, x);
    }
  }
  lua_pop(L, 1);
}

/* Takes the whole lines that were added since the last look. */
void er_job_op_curve(er_host *h, er_job_op *o) {
  char *path;
  struct stat st;
  er_buf b = {0};
  int fd;
  if (!o->spec.curve || h->store == NULL || o->curve_read >= MAX_CURVE) return;
  path = er_path_join(o->spec.dir, "curve");
  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  er_free(path);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size > o->curve_read) {
    size_t want = (size_t)st.st_size - o->curve_read;
    if (want > MAX_CURVE - o->curve_read) want = MAX_CURVE - o->curve_read;
    ssize_t got = pread(fd, er_buf_room(&b, want), want, (off_t)o->curve_read);
    if (got > 0) b.len = (size_t)got;
  }
  close(fd);
  for (const char *p = b.ptr, *end = b.ptr + b.len, *nl; p != NULL && p < end; p = nl + 1) {
    if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL) break;
    if (o->curve_lines < MAX_CURVE_LINES) take_line(h, o, p, (size_t)(nl - p));
    o->curve_read += (size_t)(nl - p) + 1;
  }
  er_buf_free(&b);
}

/* ---- the result -------------------------------------------------------------------------------- */

typedef struct { const char *out; size_t files, bytes; er_buf bad; } artifact_look;

static int refuse(artifact_look *a, const char *rel, const char *what) {
  er_buf_fmt(&a->bad, "%s%s", rel, what);
  return 1;
}

static int look_at(void *ud, const char *rel, char kind, size_t size) {
  artifact_look *a = ud;
  char *full;
  struct stat st;
  bool plain;
  if (kind != 'f') return refuse(a, rel, kind == 'l' ? " is a link" : " is a special file");
  full = er_path_join(a->out, rel);
  plain = lstat(full, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) == 0;
  er_free(full);
  if (!plain) return refuse(a, rel, " is a program that runs as its owner");
  if (++a->files > MAX_ARTIFACT_FILES) return refuse(a, "", "it holds more than 10000 files");
  a->bytes += size;
  return 0;
}

/* Training may leave regular files and folders only. */
static void look_at_artifact(artifact_look *a, bool survivors) {
  struct stat st;
  er_err err;
  if (survivors) refuse(a, "", "a process that could not be ended may still write to it");
  else if (lstat(a->out, &st) < 0 || !S_ISDIR(st.st_mode)) refuse(a, "", "it is a folder no more");
  else if (er_walk(a->out, look_at, a, &err) < 0)
    refuse(a, "", strcmp(err.code, "ELOOP") == 0 ? "its folders are nested too deep" : "a folder in it cannot be read");
}

static void add_artifact(er_buf *b, const er_job_op *o, bool survivors) {
  artifact_look a = {0};
  char *out = er_path_join(o->spec.dir, "out");
  a.out = out;
  look_at_artifact(&a, survivors);
  er_free(out);
  er_buf_str(b, "\"artifact\":{");
  if (a.bad.len > 0) {
    er_buf clean = {0};
    er_utf8_clean(&clean, a.bad.ptr, a.bad.len);
    er_buf_str(b, "\"bad\":");
    er_text_quote(b, clean.ptr, clean.len);
    er_buf_char(b, ',');
    er_buf_free(&clean);
  }
  er_buf_fmt(b, "\"bytes\":%zu,\"files\":%zu},", a.bytes, a.files);
  er_buf_free(&a.bad);
}

static void add_string(er_buf *b, const char *name, const char *s, size_t n) {
  er_buf clean = {0};
  er_buf_fmt(b, "\"%s\":", name);
  er_utf8_clean(&clean, s, n);
  er_text_quote(b, er_buf_cstr(&clean), clean.len);
  er_buf_char(b, ',');
  er_buf_free(&clean);
}

static void add_metrics(er_buf *b, const er_job_result *r) {
  if (r->survivors) er_buf_str(b, "\"metrics_error\":\"a process of the evaluation could not be ended\",");
  else if (r->metrics_too_big) er_buf_str(b, "\"metrics_error\":\"the metrics file is larger than 1 MB\",");
  else if (r->has_metrics && !er_utf8_valid(er_buf_cstr(&r->metrics), r->metrics.len))
    er_buf_str(b, "\"metrics_error\":\"the metrics file is not UTF-8\",");
  else if (r->has_metrics) add_string(b, "metrics", er_buf_cstr(&r->metrics), r->metrics.len);
}

/* Which machine this is, as a study records it: $ERLUA_HOST, else its own name. */
static void add_host(er_buf *b) {
  const char *given = getenv("ERLUA_HOST");
  char own[256] = "";
  if (given == NULL || *given == '\0') gethostname(own, sizeof own - 1);
  const char *name = *own != '\0' ? own : given != NULL && *given != '\0' ? given : "unknown";
  add_string(b, "host", name, strlen(name));
}

/* The one JSON value that stands for the job from now on. */
void er_job_op_result(er_job_op *o, const er_job_result *r) {
  er_buf *b = &o->op.result;
  er_buf_str(b, "[{");
  if (o->inspect && r->ended != ER_ENDED_LAUNCH && r->ended != ER_ENDED_LOST) add_artifact(b, o, r->survivors);
  er_buf_fmt(b, "\"cpu_s\":%.3f,\"ended\":\"%s\",\"exit_code\":%d,", r->cpu_s, er_job_ended_name(r->ended),
             r->exit_code);
  add_host(b);
  add_string(b, "log", er_buf_cstr(&r->log), r->log.len);
  add_metrics(b, r);
  er_buf_fmt(b, "\"peak_memory\":%llu,", (unsigned long long)r->peak_memory);
  add_string(b, "reason", r->reason, strlen(r->reason));
  if (o->op.host->no_sandbox) er_buf_str(b, "\"sandbox\":false,");
  er_buf_fmt(b, "\"signal\":%d,\"starts\":%d,\"wall_s\":%.3f}]", r->signal, r->starts, r->wall_s);
}
typedef struct { er_host *h; int64_t job; } copy_state;

static int copy_point(void *ud, size_t n, const char *const *cols, const er_value *v) {
  copy_state *c = ud;
  (void)n;
  (void)cols;
  put_point(c->h, c->job, v[0].i, v[1].s, v[1].len, v[2].type == ER_REAL, v[2].r, v[3].r);
  return 0;
}

void er_job_op_copy_curve(er_host *h, int64_t job) {
  copy_state c = {h, job};
  er_value id = {.type = ER_INT, .i = job};
  er_err err;
  if (er_store_query(h->source, "job_curve", 1, &id, copy_point, &c, &err) < 0) er_host_fatal(h, &err);
}
