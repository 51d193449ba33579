/* lua_exec.c - erlua.core.exec: one program, its input and its output, as an effect.
 * Output goes to memory files, so that a grandchild that holds them open delays
 * nothing; the whole session is killed at the time limit. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "lua/host.h"
#include "lua/modules.h"

enum { MAX_ARGS = 1024, MAX_OUTPUT = 64 << 20 };

typedef struct {
  er_op op;
  char **argv, *cwd;
  int in, out, err;              /* memory files */
  pid_t pid;
  int pidfd;
  double timeout;
  er_timer *timer;
  er_watch *watch;
  bool timed_out;
} exec_op;

/* ---- the end ------------------------------------------------------------------------- */

static void add_output(er_buf *b, const char *name, int fd) {
  er_buf raw = {0}, clean = {0};
  struct stat st;
  size_t n = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
  if (n > MAX_OUTPUT) n = MAX_OUTPUT;
  char *to = er_buf_room(&raw, n);
  ssize_t got = pread(fd, to, n, 0);
  if (got > 0) raw.len = (size_t)got;
  er_utf8_clean(&clean, er_buf_cstr(&raw), raw.len);
  er_buf_fmt(b, ",\"%s\":", name);
  er_text_quote(b, er_buf_cstr(&clean), clean.len);
  er_buf_free(&raw);
  er_buf_free(&clean);
}

static void exec_ended(void *ud) {
  exec_op *o = ud;
  er_buf *b = &o->op.result;
  int status = 0;
  er_watch_stop(o->watch);
  er_timer_stop(o->timer);
  o->watch = NULL;
  o->timer = NULL;
  while (waitpid(o->pid, &status, 0) < 0 && errno == EINTR) {}
  close(o->pidfd);
  kill(-o->pid, SIGKILL);                      /* what it left behind in its session */
  er_buf_fmt(b, "[{\"code\":%d,\"signal\":%d,\"timed_out\":%s", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
             WIFSIGNALED(status) ? WTERMSIG(status) : 0, o->timed_out ? "true" : "false");
  add_output(b, "stderr", o->err);
  add_output(b, "stdout", o->out);
  er_buf_str(b, "}]");
  o->pid = 0;
  er_op_done(&o->op);
}

static void exec_timeout(void *ud) {
  exec_op *o = ud;
  er_timer_stop(o->timer);
  o->timer = NULL;
  o->timed_out = true;
  kill(-o->pid, SIGKILL);
}

/* ---- the start -------------------------------------------------------------------------- */

static void fail_result(er_op *op, const er_err *err) {
  er_buf_str(&op->result, "[null,");
  er_text_quote(&op->result, err->msg, strlen(err->msg));
  er_buf_char(&op->result, ',');
  er_text_quote(&op->result, err->code, strlen(err->code));
  er_buf_char(&op->result, ']');
  er_op_done(op);
}

static void exec_start(er_op *op) {
  exec_op *o = (exec_op *)op;
  er_spawn_opts so = {.argv = (const char *const *)o->argv, .fd0 = o->in, .fd1 = o->out, .fd2 = o->err,
                      .session = true, .cwd = o->cwd};
  er_err err;
  if (er_spawn(&so, &o->pid, &o->pidfd, &err) < 0) {
    o->pid = 0;
    fail_result(op, &err);
    return;
  }
  o->watch = er_watch_fd(op->host->loop, o->pidfd, exec_ended, o);
  o->timer = er_timer_start(op->host->loop, o->timeout, 0, exec_timeout, o);
}

static void exec_abort(er_op *op) {
  exec_op *o = (exec_op *)op;
  if (o->pid == 0) return;
  kill(-o->pid, SIGKILL);
  er_watch_stop(o->watch);
  er_timer_stop(o->timer);
  o->watch = NULL;
  o->timer = NULL;
  while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR) {}
  close(o->pidfd);
  o->pid = 0;
}

static void exec_free(er_op *op) {
  exec_op *o = (exec_op *)op;
  exec_abort(op);
  for (char **p = o->argv; p != NULL && *p != NULL; p++) er_free(*p);
  er_free(o->argv);
  er_free(o->cwd);
  close(o->in);
  close(o->out);
  close(o->err);
}

static int exec_push(lua_State *L, er_op *op) { return er_effect_push(L, &op->result); }
static const er_op_class exec_class = {"exec", exec_push, exec_start, exec_abort, exec_free};

static void read_argv(lua_State *L, exec_op *o) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  o->argv = er_calloc((size_t)n + 1, sizeof *o->argv);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    const char *s = lua_tostring(L, -1);
    o->argv[i - 1] = er_strdup(s != NULL ? s : "");
    lua_pop(L, 1);
  }
}

/* What tells this call from another: program and arguments, NUL after each. */
ER_LJMP static int wait_for(lua_State *L, exec_op *o) {
  luaL_Buffer b;
  size_t n;
  luaL_buffinit(L, &b);
  for (char **p = o->argv; *p != NULL; p++) luaL_addlstring(&b, *p, strlen(*p) + 1);
  luaL_pushresult(&b);
  const char *key = lua_tolstring(L, -1, &n);
  return er_effect_wait(L, &o->op, "exec", key, n);
}

/* exec{program, args..., stdin=, cwd=, timeout=} -> {code, signal, stdout, stderr,
 * timed_out} | nil, message, code.  timeout in seconds, 60 unless told. */
static int core_exec(lua_State *L) {
  er_task *t = er_task_need(L, "exec");
  exec_op *o;
  const char *in;
  size_t n = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, 1) > 0 && lua_rawlen(L, 1) < MAX_ARGS, 1,
                "a table with the program and its arguments expected");
  o = (exec_op *)er_op_new(t, &exec_class, sizeof *o);
  o->pidfd = -1;
  o->in = memfd_create("stdin", MFD_CLOEXEC);
  o->out = memfd_create("stdout", MFD_CLOEXEC);
  o->err = memfd_create("stderr", MFD_CLOEXEC);
  read_argv(L, o);
  lua_getfield(L, 1, "cwd");
  if (lua_isstring(L, -1)) o->cwd = er_strdup(lua_tostring(L, -1));
  lua_getfield(L, 1, "timeout");
  o->timeout = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : 60;
  lua_getfield(L, 1, "stdin");
  in = lua_tolstring(L, -1, &n);
  if (in != NULL && pwrite(o->in, in, n, 0) != (ssize_t)n)
    return luaL_error(L, "exec: cannot hand over %d bytes of input", (int)n);
  lua_settop(L, 1);
  return wait_for(L, o);
}

int luaopen_erlua_core_exec(lua_State *L) {
  lua_pushcfunction(L, core_exec);
  return 1;
}
