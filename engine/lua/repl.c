/* repl.c - the prompt: reads a statement, runs it as a task, shows its results. */

#include "lua/repl.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lua/host.h"
#include "lua/repl_line.h"

typedef struct {
  er_host *h;
  lua_State *L;                  /* the host's own state, never a task's */
  er_line *line;
  int module;                    /* registry reference of erlua.repl */
  bool failed, interrupted;      /* a line of a pipe ended in an error; ctrl-C ended the pipe */
} repl;

/* ---- calls into erlua.repl ------------------------------------------------------ */

/* Pushes a function of the module, below its nargs arguments. */
static void function_below(repl *r, const char *name, int nargs) {
  lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->module);
  lua_getfield(r->L, -1, name);
  lua_remove(r->L, -2);
  lua_insert(r->L, -nargs - 1);
}

/* Calls a function of the module with the nargs values on top; on an error the
 * message takes the place of the results and false is returned. */
static bool call(repl *r, const char *name, int nargs, int nresults) {
  function_below(r, name, nargs);
  if (lua_pcall(r->L, nargs, nresults, 0) == LUA_OK) return true;
  luaL_tolstring(r->L, -1, NULL);
  lua_remove(r->L, -2);
  return false;
}

static void complete(void *ud, const char *text, size_t n, int width, er_buf *insert, er_buf *list) {
  repl *r = ud;
  int top = lua_gettop(r->L);
  size_t len;
  const char *s;
  lua_pushlstring(r->L, text, n);
  lua_pushinteger(r->L, width);
  if (call(r, "complete", 2, 2)) {
    if ((s = lua_tolstring(r->L, -2, &len)) != NULL) er_buf_add(insert, s, len);
    if ((s = lua_tolstring(r->L, -1, &len)) != NULL) er_buf_add(list, s, len);
  }
  lua_settop(r->L, top);
}

static void prompt(repl *r, bool continued, er_buf *out) {
  lua_pushboolean(r->L, continued);
  er_buf_clear(out);
  if (call(r, "prompt", 1, 1) && lua_isstring(r->L, -1)) er_buf_str(out, lua_tostring(r->L, -1));
  lua_pop(r->L, 1);
}

static void write_line(repl *r, FILE *to) {
  size_t n;
  const char *s = lua_tolstring(r->L, -1, &n);
  if (s != NULL && n > 0) {
    fflush(stdout);
    fwrite(s, 1, n, to);
    fputc('\n', to);
    fflush(to);
  }
}

/* ---- one statement ---------------------------------------------------------------- */

/* Prints the n results on top of the stack and drops them. */
static void show_results(repl *r, int n) {
  int top = lua_gettop(r->L) - n;
  lua_pushinteger(r->L, er_line_width(r->line));
  lua_pushinteger(r->L, n);
  lua_rotate(r->L, top + 1, 2);
  call(r, "results", n + 2, 1);
  write_line(r, stdout);
  lua_settop(r->L, top);
}

/* Prints the error object on top of the stack and drops it. */
static void show_failure(repl *r, const char *trace) {
  int top = lua_gettop(r->L) - 1;
  r->failed = true;
  lua_pushstring(r->L, trace);
  call(r, "failure", 2, 1);
  write_line(r, stderr);
  lua_settop(r->L, top);
}

/* Was ctrl-C pressed?  On a terminal what follows starts below its ^C. */
static bool take_interrupt(repl *r) {
  if (er_host_interrupted(r->h) == 0) return false;
  er_host_interrupt_clear(r->h);
  if (er_line_terminal(r->line)) fputc('\n', stderr);
  return true;
}

/* Turns the host until the task has ended.  A wait that nothing can end is
 * cancelled; a task that outlives even that is left to the host. */
static bool wait_for(repl *r, er_task *t) {
  bool stuck = false;
  while (!er_task_done(t)) {
    if (er_line_must_stop(r->h)) return false;
    if (take_interrupt(r)) er_task_cancel(t);
    if (er_host_turn(r->h, true) || er_task_done(t)) continue;
    if (er_line_must_stop(r->h) || stuck) return false;
    stuck = true;
    fputs("this line waits for something that can never happen; it is cancelled\n", stderr);
    er_task_cancel(t);
  }
  return true;
}

/* Runs the function on top of the stack. */
static void run(repl *r) {
  er_task *t = er_host_spawn_chunk(r->h);
  int n;
  if (wait_for(r, t) && !r->h->exiting) {
    take_interrupt(r);                       /* one that broke into an endless loop, or came too late */
    n = er_task_results(t, r->L);
    if (n >= 0) show_results(r, n);
    else show_failure(r, er_buf_cstr(&t->trace));
  }
  er_task_release(t);
}

typedef enum { COMPILED, MORE, WRONG } compiled;

/* Leaves the function or the message on the stack. */
static compiled compile(repl *r, const er_buf *source) {
  bool more;
  lua_pushlstring(r->L, er_buf_cstr(source), source->len);
  if (!call(r, "compile", 1, 3)) return WRONG;
  more = lua_toboolean(r->L, -1);
  if (lua_isfunction(r->L, -3)) {
    lua_pop(r->L, 2);
    return COMPILED;
  }
  lua_pop(r->L, 1);
  lua_remove(r->L, -2);
  return more ? MORE : WRONG;
}

/* Reads lines until they make a statement; ER_LINE_READ leaves it compiled on the
 * stack, or the message why it is none.  One that the input's end leaves
 * unfinished is an error like any other. */
static er_line_result read_statement(repl *r, er_buf *source) {
  er_buf line = {0}, ask = {0};
  er_line_result got;
  compiled c = MORE;
  er_buf_clear(source);
  while (c == MORE) {
    prompt(r, source->len > 0, &ask);
    got = er_line_read(r->line, er_buf_cstr(&ask), &line);
    if (got == ER_LINE_END && source->len > 0) {
      compile(r, source);
      got = ER_LINE_READ;
      break;
    }
    if (got != ER_LINE_READ) break;
    er_line_remember(r->line, er_buf_cstr(&line));
    if (source->len > 0) er_buf_char(source, '\n');
    er_buf_add(source, er_buf_cstr(&line), line.len);
    c = compile(r, source);
    if (c == MORE) lua_pop(r->L, 1);
  }
  er_buf_free(&line);
  er_buf_free(&ask);
  return got;
}

/* ---- the session --------------------------------------------------------------------- */

static bool open_module(repl *r) {
  lua_getglobal(r->L, "require");
  lua_pushliteral(r->L, "erlua.repl");
  if (lua_pcall(r->L, 1, 1, 0) != LUA_OK) {
    fprintf(stderr, "erlua: the prompt cannot start: %s\n", luaL_tolstring(r->L, -1, NULL));
    lua_pop(r->L, 2);
    return false;
  }
  r->module = luaL_ref(r->L, LUA_REGISTRYINDEX);
  call(r, "open", 0, 0);
  return true;
}

static void session(repl *r) {
  er_buf source = {0};
  int top = lua_gettop(r->L);
  while (!er_line_must_stop(r->h)) {
    er_line_result got = read_statement(r, &source);
    if (got == ER_LINE_READ) {
      if (lua_isfunction(r->L, -1)) run(r);
      else show_failure(r, "");
    } else if (got == ER_LINE_INTERRUPTED && er_line_terminal(r->line)) {
      continue;
    } else {
      r->interrupted = got == ER_LINE_INTERRUPTED;
      break;
    }
    lua_settop(r->L, top);
  }
  lua_settop(r->L, top);
  er_buf_free(&source);
}

/* The tasks that still go on are cancelled; their <close> handlers may wait. */
static void end_tasks(er_host *h) {
  double until = er_clock_mono() + 6;
  er_tasks_cancel_all(h, NULL);
  while (h->live != NULL && er_clock_mono() < until && !h->fatal && er_host_turn(h, true)) {}
}

static int exit_code(const repl *r) {
  const er_host *h = r->h;
  if (h->fatal) {
    er_host_report(r->h, "%s", h->fatal_err.msg);
    return 1;
  }
  if (h->exiting) return h->exit_code;
  if (h->sigterm) return h->store != NULL ? 3 : 128 + (int)h->sigterm;
  if (r->interrupted) return 128 + SIGINT;
  return !er_line_terminal(r->line) && (r->failed || h->failed) ? 1 : 0;
}

int er_repl_run(struct er_host *h) {
  repl r = {.h = h, .L = er_host_state(h)};
  int code;
  if (!open_module(&r)) return 1;
  r.line = er_line_open(h, complete, &r);
  if (er_line_terminal(r.line))
    printf("erlua %s, on %s.  help() says where to begin; ctrl-D leaves.\n", ERLUA_VERSION, LUA_RELEASE);
  er_host_interrupt_clear(h);
  session(&r);
  if (!h->exiting) end_tasks(h);
  code = exit_code(&r);
  er_line_close(r.line);
  luaL_unref(r.L, LUA_REGISTRYINDEX, r.module);
  return code;
}
