/* lua_job.c - erlua.core.job: a job as one effect that waits.
 * Builds the job's folder just before it starts, adopts what an earlier engine
 * left, turns the supervisor's result and the curve into the journal's row. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "lua/fail.h"
#include "lua/host.h"
#include "lua/json.h"
#include "lua/modules.h"
#include "lua/open.h"

enum { MAX_CURVE = 4 << 20, MAX_CURVE_LINES = 100000, COPY_BELOW = 10 << 20, MAX_ARTIFACT_FILES = 100000 };

typedef struct { char *path, *from, *bytes; size_t len; } work_file;

/* One job.  Owned by its task's wait; after an abort by the job room's callback. */
typedef struct job_op {
  er_op op;
  er_job *job;
  er_job_spec spec;
  int64_t id;
  char **strings;                /* everything the spec points to */
  size_t n_strings;
  work_file *work;
  size_t n_work;
  bool inspect, ended, orphan, unwanted;
  er_job_bind *binds;
  size_t curve_read, curve_lines;
  struct job_op *next_live;
} job_op;

/* The jobs that run or have just ended; lives in the host's registry of this file. */
typedef struct { job_op *live; double polled; } job_room;
static char room_key;

static job_room *room_of(er_host *h) {
  job_room *r;
  if (lua_rawgetp(h->L, LUA_REGISTRYINDEX, &room_key) == LUA_TNIL) {
    lua_pop(h->L, 1);
    r = lua_newuserdatauv(h->L, sizeof *r, 0);
    *r = (job_room){0};
    lua_pushvalue(h->L, -1);
    lua_rawsetp(h->L, LUA_REGISTRYINDEX, &room_key);
  }
  r = lua_touserdata(h->L, -1);
  lua_pop(h->L, 1);
  return r;
}

static char *keep(job_op *o, char *s) {
  o->strings = er_realloc(o->strings, (o->n_strings + 1) * sizeof *o->strings);
  return o->strings[o->n_strings++] = s;
}

/* ---- filling the workspace ---------------------------------------------------------------- */

static int write_work(const char *work, const work_file *f, er_err *err) {
  char *full = er_path_join(work, f->path), *dir = er_path_dir(full);
  int rc = strchr(f->path, '/') != NULL ? er_mkdirs(dir, 0755, err) : 0;
  if (rc == 0 && f->bytes != NULL) rc = er_file_write(full, f->bytes, f->len, 0755, err);
  else if (rc == 0) {
    struct stat st;
    if (stat(f->from, &st) == 0 && st.st_size > COPY_BELOW) {
      if (symlink(f->from, full) < 0) rc = er_fail_errno(err, errno, "cannot link %s", full);
    } else {
      er_buf b = {0};
      rc = er_file_read(f->from, COPY_BELOW, &b, err);
      if (rc == 0) rc = er_file_write(full, er_buf_cstr(&b), b.len, 0755, err);
      er_buf_free(&b);
    }
  }
  er_free(dir);
  er_free(full);
  return rc;
}

/* The job's folder, closed to others: what a job makes is its user's, which may be
 * root, and a program of root's that anyone may run would be a way to become root. */
static int make_closed(const char *dir, er_err *err) {
  char *above = er_path_dir(dir);
  int rc = er_mkdirs(above, 0700, err);
  er_free(above);
  return rc == 0 ? er_mkdirs(dir, 0700, err) : rc;
}

/* Files with bytes are written; those of the snapshot are bound by the sandbox,
 * and copied only where there is none. */
static int prepare(void *ud, const er_job_spec *spec, er_err *err) {
  job_op *o = ud;
  char *work = er_path_join(spec->dir, "work"), *out = er_path_join(spec->dir, "out");
  int rc;
  rc = make_closed(spec->dir, err);
  if (rc == 0) rc = er_mkdirs(work, 0755, err);
  if (rc == 0 && spec->artifact == NULL) rc = er_mkdirs(out, 0755, err);
  for (size_t i = 0; i < o->n_work && rc == 0; i++)
    if (o->work[i].bytes != NULL || o->op.host->no_sandbox) rc = write_work(work, &o->work[i], err);
  er_free(work);
  er_free(out);
  return rc;
}

/* ---- the curve ------------------------------------------------------------------------------ */

static bool number_at(lua_State *L, const char *name, double *x) {
  bool is;
  lua_getfield(L, -1, name);
  is = lua_type(L, -1) == LUA_TNUMBER;
  *x = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return is;
}

static void put_point(er_host *h, int64_t job, int64_t n, const char *name, size_t len, bool has_step, double step, double x) {
  static const char *const cols[] = {"job", "n", "name", "step", "value"};
  er_value vals[] = {{.type = ER_INT, .i = job}, {.type = ER_INT, .i = n}, {.type = ER_TEXT, .s = name, .len = len},
                     {.type = has_step ? ER_REAL : ER_NULL, .r = step}, {.type = ER_REAL, .r = x}};
  er_err err;
  if (er_store_put(h->store, "metrics", 5, cols, vals, &err) < 0) er_host_fatal(h, &err);
}

/* One line of the curve: an object of numbers; anything else is left out. */
static void take_line(er_host *h, job_op *o, const char *s, size_t n) {
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
      if (len > 64 || strcmp(name, "step") == 0) continue;
      x = lua_tonumber(L, -1);
      put_point(h, o->id, (int64_t)o->curve_lines, name, len, has_step, step, x);
    }
  }
  lua_pop(L, 1);
}

/* Takes the whole lines that were added since the last look. */
static void read_curve(er_host *h, job_op *o) {
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
  if (++a->files > MAX_ARTIFACT_FILES) return refuse(a, "", "it holds more than 100000 files");
  a->bytes += size;
  return 0;
}

/* Training may leave regular files and folders only. */
static void look_at_artifact(artifact_look *a) {
  struct stat st;
  er_err err;
  if (lstat(a->out, &st) < 0 || !S_ISDIR(st.st_mode)) refuse(a, "", "it is a folder no more");
  else if (er_walk(a->out, look_at, a, &err) < 0)
    refuse(a, "", strcmp(err.code, "ELOOP") == 0 ? "its folders are nested too deep" : "a folder in it cannot be read");
}

static void add_artifact(er_buf *b, const job_op *o) {
  artifact_look a = {0};
  char *out = er_path_join(o->spec.dir, "out");
  a.out = out;
  look_at_artifact(&a);
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
  if (r->metrics_too_big) er_buf_str(b, "\"metrics_error\":\"the metrics file is larger than 1 MB\",");
  else if (r->has_metrics && !er_utf8_valid(er_buf_cstr(&r->metrics), r->metrics.len))
    er_buf_str(b, "\"metrics_error\":\"the metrics file is not UTF-8\",");
  else if (r->has_metrics) add_string(b, "metrics", er_buf_cstr(&r->metrics), r->metrics.len);
}

/* The one JSON value that stands for the job from now on. */
static void make_result(job_op *o, const er_job_result *r) {
  er_buf *b = &o->op.result;
  er_buf_str(b, "[{");
  if (o->inspect && r->ended != ER_ENDED_LAUNCH && r->ended != ER_ENDED_LOST) add_artifact(b, o);
  er_buf_fmt(b, "\"cpu_s\":%.3f,\"ended\":\"%s\",\"exit_code\":%d,", r->cpu_s, er_job_ended_name(r->ended), r->exit_code);
  add_string(b, "log", er_buf_cstr(&r->log), r->log.len);
  add_metrics(b, r);
  er_buf_fmt(b, "\"peak_memory\":%llu,", (unsigned long long)r->peak_memory);
  add_string(b, "reason", r->reason, strlen(r->reason));
  er_buf_fmt(b, "\"signal\":%d,\"starts\":%d,\"wall_s\":%.3f}]", r->signal, r->starts, r->wall_s);
}

static void free_op(job_op *o) {
  for (size_t i = 0; i < o->n_strings; i++) er_free(o->strings[i]);
  er_free(o->strings);
  er_free(o->work);
  er_free(o->binds);
  er_free((void *)o->spec.argv);
  er_free((void *)o->spec.env);
}

static void unlive(er_host *h, job_op *o) {
  job_op **p = &room_of(h)->live;
  while (*p != NULL && *p != o) p = &(*p)->next_live;
  if (*p != NULL) *p = o->next_live;
}

/* Loop callback: keep what the supervisor said; Lua comes later. */
static void job_done(void *ud, const er_job_result *r) {
  job_op *o = ud;
  er_fault("job.exited");
  if (!o->orphan) make_result(o, r);
  o->ended = true;
}

/* Not before the cancel is in the file: a resumed strategy might not ask for it. */
static void end_unwanted(job_op *o) {
  er_host *h = o->op.host;
  if (!o->unwanted || o->ended || (h->store != NULL && er_store_dirty(h->store))) return;
  o->unwanted = false;
  er_job_cancel(o->job);
}

/* Each turn of the loop: curves once a second, and jobs that have ended. */
static void harvest(er_host *h) {
  job_room *room = room_of(h);
  job_op *o, *next;
  for (o = room->live; o != NULL; o = next) {
    next = o->next_live;
    end_unwanted(o);
    if (!o->ended) continue;
    unlive(h, o);
    er_job_free(o->job);
    o->job = NULL;
    if (o->orphan) {
      er_remove_tree(o->spec.dir, NULL);
      o->op.keep = false;
      er_op_free(&o->op);
      continue;
    }
    read_curve(h, o);
    er_op_done(&o->op);
  }
}

static void poll_curves(void *ud) {
  er_host *h = ud;
  for (job_op *o = room_of(h)->live; o != NULL; o = o->next_live)
    if (!o->ended) read_curve(h, o);
}

/* ---- the operation --------------------------------------------------------------------------------- */

static void job_start(er_op *op) {
  job_op *o = (job_op *)op;
  er_host *h = op->host;
  job_room *room = room_of(h);
  o->next_live = room->live;
  room->live = o;
  er_fault("job.before_spawn");
  if (er_path_exists(o->spec.dir)) o->job = er_job_resume(h->jobs, &o->spec, prepare, job_done, o);
  else o->job = er_job_queue(h->jobs, &o->spec, prepare, job_done, o);
  er_fault("job.after_spawn");
}

void er_jobs_drop_all(er_host *h) {
  job_room *room = room_of(h);
  while (room->live != NULL) {
    job_op *o = room->live;
    room->live = o->next_live;
    end_unwanted(o);
    if (o->job != NULL) er_job_free(o->job);
    o->job = NULL;
    if (!o->orphan) continue;                   /* its task frees it */
    o->op.keep = false;
    er_op_free(&o->op);
  }
}

/* The task no longer wants it; the folder goes when the last process is gone. */
static void job_abort(er_op *op) {
  job_op *o = (job_op *)op;
  if (o->job == NULL) return;
  o->orphan = o->unwanted = true;
  op->keep = true;
}

static void job_free(er_op *op) { free_op((job_op *)op); }

typedef struct { er_host *h; int64_t job; } copy_state;

static int copy_point(void *ud, size_t n, const char *const *cols, const er_value *v) {
  copy_state *c = ud;
  (void)n;
  (void)cols;
  put_point(c->h, c->job, v[0].i, v[1].s, v[1].len, v[2].type == ER_REAL, v[2].r, v[3].r);
  return 0;
}

static int job_push(lua_State *L, er_op *op) {
  er_host *h = op->host;
  if (h->offline) {                             /* the curve is the world's, like the result */
    copy_state c = {h, ((job_op *)op)->id};
    er_value id = {.type = ER_INT, .i = c.job};
    er_err err;
    if (er_store_query(h->source, "job_curve", 1, &id, copy_point, &c, &err) < 0) er_host_fatal(h, &err);
  }
  return er_effect_push(L, &op->result);
}

static const er_op_class job_class = {"job", job_push, job_start, job_abort, job_free};

/* ---- reading the spec --------------------------------------------------------------------------------- */

static const char **string_list(lua_State *L, job_op *o, const char *field) {
  const char **list;
  size_t n = 0;
  lua_getfield(L, 1, field);
  if (lua_istable(L, -1)) n = lua_rawlen(L, -1);
  list = er_calloc(n + 1, sizeof *list);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    const char *s = lua_tostring(L, -1);
    list[i] = keep(o, er_strdup(s != NULL ? s : ""));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return list;
}

static char *string_field(lua_State *L, int idx, job_op *o, const char *field) {
  char *s = NULL;
  lua_getfield(L, idx, field);
  if (lua_isstring(L, -1)) s = keep(o, er_strdup(lua_tostring(L, -1)));
  lua_pop(L, 1);
  return s;
}

static bool flag(lua_State *L, int idx, const char *field) {
  bool yes;
  lua_getfield(L, idx, field);
  yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

static double number(lua_State *L, int idx, const char *field) {
  double x;
  lua_getfield(L, idx, field);
  x = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return x;
}

static void read_limits(lua_State *L, er_job_limits *m) {
  lua_getfield(L, 1, "limits");
  if (lua_istable(L, -1)) {
    int i = lua_gettop(L);
    m->wall_s = number(L, i, "wall");
    m->cpu_s = number(L, i, "cpu");
    m->memory = (uint64_t)number(L, i, "memory");
    m->disk = (uint64_t)number(L, i, "disk");
    m->output = (uint64_t)number(L, i, "output");
    m->processes = (uint64_t)number(L, i, "processes");
    m->grace_s = number(L, i, "grace");
    m->budget_s = number(L, i, "budget");
    m->budget_is_cpu = flag(L, i, "budget_is_cpu");
  }
  lua_pop(L, 1);
}

static void add_bind(job_op *o, const char *host, const char *inside, bool writable) {
  o->binds = er_realloc(o->binds, (o->spec.n_binds + 1) * sizeof *o->binds);
  o->binds[o->spec.n_binds++] = (er_job_bind){host, inside, writable};
}

/* work = { {path=, bytes=} | {path=, from=}, ... } */
static void read_work(lua_State *L, job_op *o) {
  lua_getfield(L, 1, "work");
  o->n_work = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  o->work = er_calloc(o->n_work + 1, sizeof *o->work);
  for (size_t i = 0; i < o->n_work; i++) {
    work_file *f = &o->work[i];
    size_t n;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    f->path = string_field(L, -1, o, "path");
    f->from = string_field(L, -1, o, "from");
    lua_getfield(L, -1, "bytes");
    const char *s = lua_tolstring(L, -1, &n);
    if (s != NULL) f->bytes = keep(o, er_strndup(s, n)), f->len = n;
    lua_pop(L, 2);
    if (f->from != NULL && f->path != NULL) add_bind(o, f->from, keep(o, er_path_join("/work", f->path)), false);
  }
  lua_pop(L, 1);
}

static void read_binds(lua_State *L, job_op *o) {
  lua_getfield(L, 1, "binds");
  for (size_t i = 1; lua_istable(L, -1) && i <= lua_rawlen(L, -1); i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    char *host = string_field(L, -1, o, "host"), *inside = string_field(L, -1, o, "inside");
    if (host != NULL && inside != NULL) add_bind(o, host, inside, flag(L, -1, "writable"));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* A tree of sources on disk wins inside the sandbox too. */
static void bind_own(job_op *o) {
  char *dir;
  if (o->spec.argv[0] == NULL || strcmp(o->spec.argv[0], "erlua") != 0 || (dir = er_own_dir()) == NULL) return;
  add_bind(o, keep(o, er_path_join(dir, "lua")), "/erlua/lua", false);
  er_free(dir);
}

static void read_spec(lua_State *L, job_op *o) {
  o->spec.argv = string_list(L, o, "argv");
  o->spec.env = string_list(L, o, "env");
  o->spec.dir = string_field(L, 1, o, "dir");
  o->spec.artifact = string_field(L, 1, o, "artifact");
  o->spec.curve = flag(L, 1, "curve");
  o->spec.metrics = flag(L, 1, "metrics");
  o->inspect = flag(L, 1, "inspect");
  o->spec.gpus = (int)number(L, 1, "gpus");
  o->id = (int64_t)number(L, 1, "id");
  read_limits(L, &o->spec.limits);
  bind_own(o);
  read_work(L, o);
  read_binds(L, o);
  o->spec.binds = o->binds;
}

/* run(spec) -> result | nil, message, code.  spec.key tells the call from others
 * and holds no paths of this machine. */
static int job_run(lua_State *L) {
  er_task *t = er_task_need(L, "job");
  er_host *h = er_host_of(L);
  job_op *o;
  size_t n;
  const char *key;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (h->jobs == NULL && !h->offline) return luaL_error(L, "job.run: call job.setup first");
  lua_settop(L, 1);
  o = (job_op *)er_op_new(t, &job_class, sizeof *o);
  read_spec(L, o);
  if (o->spec.dir == NULL || o->spec.argv[0] == NULL) return luaL_error(L, "job.run: dir and argv are needed");
  lua_getfield(L, 1, "key");
  key = luaL_checklstring(L, -1, &n);
  return er_effect_wait(L, &o->op, "job", key, n);
}

/* ---- the room ---------------------------------------------------------------------------------------------- */

static char *supervise_path(void) {
  char *self = er_self_dir(), *beside = er_path_join(self, "erlua-supervise"), *lib;
  if (er_path_exists(beside)) {
    er_free(self);
    return beside;
  }
  lib = er_path_join(self, "../libexec/erlua/erlua-supervise");
  er_free(self);
  er_free(beside);
  return lib;
}

/* setup{slots=, gpus=, sandbox=} -> slots | nil, message, code: once a program */
static int job_setup(lua_State *L) {
  er_host *h = er_host_of(L);
  char *supervise;
  er_err err;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (h->jobs == NULL) {
    er_jobs_opts opts = {.slots = (int)number(L, 1, "slots"), .gpus = -1, .sandbox = flag(L, 1, "sandbox")};
    if (opts.sandbox && er_sandbox_probe(&err) < 0) return er_fail_push(L, &err);
    supervise = supervise_path();
    opts.supervise = supervise;
    h->no_sandbox = !opts.sandbox;
    h->jobs = er_jobs_new(h->loop, &opts, &err);
    er_free(supervise);
    if (h->jobs == NULL) return er_fail_push(L, &err);
    h->on_jobs = harvest;
    er_timer_unref(er_timer_start(h->loop, 1, 1, poll_curves, h));
  }
  lua_pushinteger(L, er_jobs_slots(h->jobs));
  return 1;
}

static int job_slots(lua_State *L) {            /* running, slots, queued: for display */
  er_host *h = er_host_of(L);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_running(h->jobs) : 0);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_slots(h->jobs) : 0);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_queued(h->jobs) : 0);
  return 3;
}

static int job_probe(lua_State *L) {
  er_limit_means m;
  er_err err;
  lua_newtable(L);
  if (er_sandbox_probe(&err) < 0) {
    lua_pushstring(L, err.msg);
    lua_setfield(L, -2, "sandbox_error");
  }
  er_limits_probe(&m);
  const char *pairs[][2] = {{"memory", m.memory}, {"processes", m.processes}, {"cpu", m.cpu}, {"wall", m.wall},
                            {"disk", m.disk}, {"output", m.output}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    lua_pushstring(L, pairs[i][1]);
    lua_setfield(L, -2, pairs[i][0]);
  }
  char *s = supervise_path();
  lua_pushstring(L, er_path_exists(s) ? s : NULL);
  lua_setfield(L, -2, "supervise");
  er_free(s);
  return 1;
}

/* cancel(dir) -> true if a job ran in that folder and was asked to end, false if
 * none runs there | nil, message, code.  For jobs of another engine. */
static int job_cancel(lua_State *L) {
  er_err err;
  int rc = er_job_cancel_folder(luaL_checkstring(L, 1), &err);
  if (rc < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, rc == 0);
  return 1;
}

static int job_next_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)++er_host_of(L)->job_id);
  return 1;
}

/* The running task's path and the number of its last effect: the name of a job's row. */
static int job_path(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  lua_pushstring(L, t != NULL ? t->path : "");
  return 1;
}

static int job_seq(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  lua_pushinteger(L, t != NULL ? (lua_Integer)t->seq : 0);
  return 1;
}

static const luaL_Reg joblib[] = {
  {"path", job_path}, {"seq", job_seq},
  {"setup", job_setup}, {"run", job_run}, {"slots", job_slots}, {"probe", job_probe}, {"cancel", job_cancel}, {"next_id", job_next_id}, {NULL, NULL}
};

int luaopen_erlua_core_job(lua_State *L) {
  luaL_newlib(L, joblib);
  return 1;
}
