/* job_spec.c - a job's table in Lua becomes the job room's specification, and its
 * workspace becomes files. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "lua/job_op.h"
#include "lua/open.h"

enum { COPY_BELOW = 10 << 20 };

static char *keep(er_job_op *o, char *s) {
  o->strings = er_realloc(o->strings, (o->n_strings + 1) * sizeof *o->strings);
  return o->strings[o->n_strings++] = s;
}

void er_job_op_free(er_job_op *o) {
  for (size_t i = 0; i < o->n_strings; i++) er_free(o->strings[i]);
  er_free(o->strings);
  er_free(o->work);
  er_free(o->binds);
  er_free((void *)o->spec.argv);
  er_free((void *)o->spec.env);
}

/* ---- the workspace ---- */

static int write_work(const char *work, const er_work_file *f, er_err *err) {
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

/* dir/data, with a link for each of the job's data files to the descriptor by which it inherits it. */
static int link_data(const er_job_spec *spec, er_err *err) {
  int fd = ER_JOB_DATA_FD, rc = 0;
  for (size_t i = 0; i < spec->n_binds && rc == 0; i++) {
    const er_job_bind *b = &spec->binds[i];
    if (!b->data) continue;
    if (fd == ER_JOB_DATA_FD + ER_JOB_DATA_MAX)
      return er_fail(err, "EINVAL", "without a sandbox a job has at most %d files of data", ER_JOB_DATA_MAX);
    char *target = er_asprintf("/proc/self/fd/%d", fd++), *dir;
    char *link = er_asprintf("%s/data%s", spec->dir, b->inside + strlen(ER_JOB_DATA));
    dir = er_path_dir(link);
    rc = er_mkdirs(dir, 0700, err);
    if (rc == 0 && symlink(target, link) < 0 && errno != EEXIST) rc = er_fail_errno(err, errno, "cannot link %s", link);
    er_free(dir);
    er_free(link);
    er_free(target);
  }
  return rc;
}

/* Files with bytes are written; those of the snapshot are bound by the sandbox,
 * and copied only where there is none. */
int er_job_op_prepare(void *ud, const er_job_spec *spec, er_err *err) {
  er_job_op *o = ud;
  char *work = er_path_join(spec->dir, "work"), *out = er_path_join(spec->dir, "out");
  int rc;
  rc = make_closed(spec->dir, err);
  if (rc == 0) rc = er_mkdirs(work, 0755, err);
  if (rc == 0 && spec->artifact == NULL) rc = er_mkdirs(out, 0755, err);
  for (size_t i = 0; i < o->n_work && rc == 0; i++)
    if (o->work[i].bytes != NULL || o->op.host->no_sandbox) rc = write_work(work, &o->work[i], err);
  if (rc == 0 && o->op.host->no_sandbox) rc = link_data(spec, err);
  er_free(work);
  er_free(out);
  return rc;
}

/* ---- reading the spec ---- */

static const char **string_list(lua_State *L, int idx, er_job_op *o, const char *field) {
  const char **list;
  size_t n = 0;
  lua_getfield(L, idx, field);
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

static char *string_field(lua_State *L, int idx, er_job_op *o, const char *field) {
  char *s = NULL;
  lua_getfield(L, idx, field);
  if (lua_isstring(L, -1)) s = keep(o, er_strdup(lua_tostring(L, -1)));
  lua_pop(L, 1);
  return s;
}

bool er_field_flag(lua_State *L, int idx, const char *field) {
  bool yes;
  lua_getfield(L, idx, field);
  yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

double er_field_number(lua_State *L, int idx, const char *field) {
  double x;
  lua_getfield(L, idx, field);
  x = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return x;
}

static void read_limits(lua_State *L, int idx, er_job_limits *m) {
  lua_getfield(L, idx, "limits");
  if (lua_istable(L, -1)) {
    int i = lua_gettop(L);
    m->wall_s = er_field_number(L, i, "wall");
    m->cpu_s = er_field_number(L, i, "cpu");
    m->memory = (uint64_t)er_field_number(L, i, "memory");
    m->disk = (uint64_t)er_field_number(L, i, "disk");
    m->output = (uint64_t)er_field_number(L, i, "output");
    m->processes = (uint64_t)er_field_number(L, i, "processes");
    m->processes_watched = er_field_flag(L, i, "processes_watched");
    m->grace_s = er_field_number(L, i, "grace");
    m->budget_s = er_field_number(L, i, "budget");
    m->budget_is_cpu = er_field_flag(L, i, "budget_is_cpu");
  }
  lua_pop(L, 1);
}

static void add_bind(er_job_op *o, const char *host, const char *inside, bool writable, bool data) {
  o->binds = er_realloc(o->binds, (o->spec.n_binds + 1) * sizeof *o->binds);
  o->binds[o->spec.n_binds++] = (er_job_bind){host, inside, writable, data};
}

/* work = { {path=, bytes=} | {path=, from=}, ... } */
static void read_work(lua_State *L, int idx, er_job_op *o) {
  lua_getfield(L, idx, "work");
  o->n_work = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  o->work = er_calloc(o->n_work + 1, sizeof *o->work);
  for (size_t i = 0; i < o->n_work; i++) {
    er_work_file *f = &o->work[i];
    size_t n;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    f->path = string_field(L, -1, o, "path");
    f->from = string_field(L, -1, o, "from");
    lua_getfield(L, -1, "bytes");
    const char *s = lua_tolstring(L, -1, &n);
    if (s != NULL) f->bytes = keep(o, er_strndup(s, n)), f->len = n;
    lua_pop(L, 2);
    if (f->from != NULL && f->path != NULL) add_bind(o, f->from, keep(o, er_path_join("/work", f->path)), false, false);
  }
  lua_pop(L, 1);
}

static void read_binds(lua_State *L, int idx, er_job_op *o) {
  lua_getfield(L, idx, "binds");
  for (size_t i = 1; lua_istable(L, -1) && i <= lua_rawlen(L, -1); i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    char *host = string_field(L, -1, o, "host"), *inside = string_field(L, -1, o, "inside");
    if (host != NULL && inside != NULL)
      add_bind(o, host, inside, er_field_flag(L, -1, "writable"), er_field_flag(L, -1, "data"));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* A tree of sources on disk wins inside the sandbox too. */
static void bind_own(er_job_op *o) {
  char *dir;
  if (o->spec.argv[0] == NULL || strcmp(o->spec.argv[0], "erlua") != 0 || (dir = er_own_dir()) == NULL) return;
  add_bind(o, keep(o, er_path_join(dir, "lua")), "/erlua/lua", false, false);
  er_free(dir);
}

void er_job_op_read(lua_State *L, int idx, er_job_op *o) {
  o->spec.argv = string_list(L, idx, o, "argv");
  o->spec.env = string_list(L, idx, o, "env");
  o->spec.dir = string_field(L, idx, o, "dir");
  o->spec.artifact = string_field(L, idx, o, "artifact");
  o->spec.curve = er_field_flag(L, idx, "curve");
  o->spec.metrics = er_field_flag(L, idx, "metrics");
  o->inspect = er_field_flag(L, idx, "inspect");
  o->spec.gpus = (int)er_field_number(L, idx, "gpus");
  read_limits(L, idx, &o->spec.limits);
  bind_own(o);
  read_work(L, idx, o);
  read_binds(L, idx, o);
  o->spec.binds = o->binds;
}
