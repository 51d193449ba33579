/* lua_host.c - erlua.core.host and erlua.core.rng: the program, the terminal,
 * generators with a name. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lua/host.h"
#include "lua/modules.h"

/* ---- the program ---------------------------------------------------------------------- */

/* exit(code): ends the program in order, from wherever it is called. */
static int host_exit(lua_State *L) {
  er_host *h = er_host_of(L);
  h->exit_code = (int)luaL_optinteger(L, 1, 0);
  h->exiting = true;
  if (h->current != NULL) h->current->cancelled = h->current->unwinding = true;
  lua_pushliteral(L, "cancelled");
  return lua_error(L);
}

/* stop(why [, "now"]): see er_host_stop. */
static int host_stop(lua_State *L) {
  const char *why = luaL_checkstring(L, 1), *when = luaL_optstring(L, 2, "");
  er_host_stop(er_host_of(L), why, strcmp(when, "now") == 0);
  return 0;
}

/* True once the study is being left: no new request is sent. */
static int host_stopping(lua_State *L) {
  lua_pushboolean(L, er_host_of(L)->leaving);
  return 1;
}

static int host_report(lua_State *L) {
  er_host_report(er_host_of(L), "%s", luaL_checkstring(L, 1));
  return 0;
}

static int host_args(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_createtable(L, h->argc, 0);
  for (int i = 0; i < h->argc; i++) {
    lua_pushstring(L, h->argv[i]);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

static int host_set_script(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_settop(L, 1);
  h->script = luaL_checkstring(L, 1);
  luaL_ref(L, LUA_REGISTRYINDEX);              /* keeps the string */
  return 0;
}

/* at_end(fn): called with the exit code when all tasks are over; returns the final one. */
static int host_at_end(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  er_host_of(L)->at_end = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void time_came(void *ud) { ((er_host *)ud)->due = true; }

/* at_time(seconds, fn): fn is called once then, between two turns of the engine.  It cannot wait, and keeps nothing going. */
static int host_at_time(lua_State *L) {
  er_host *h = er_host_of(L);
  double seconds = luaL_checknumber(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (h->on_time != 0) return luaL_error(L, "at_time: a function waits already");
  h->on_time = luaL_ref(L, LUA_REGISTRYINDEX);
  er_timer_unref(er_timer_start(h->loop, seconds, 0, time_came, h));
  return 0;
}

/* usage() -> CPU seconds of the engine alone, of what it waited for, peak memory in bytes */
static int host_usage(lua_State *L) {
  struct rusage self, children;
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  lua_pushnumber(L, er_clock_seconds(self.ru_utime) + er_clock_seconds(self.ru_stime));
  lua_pushnumber(L, er_clock_seconds(children.ru_utime) + er_clock_seconds(children.ru_stime));
  lua_pushinteger(L, (lua_Integer)self.ru_maxrss * 1024);
  return 3;
}

/* The time of day, for the diary alone: not journaled. */
static int host_time(lua_State *L) {
  lua_pushnumber(L, er_clock_wall());
  return 1;
}

/* getenv(name): in no journal, for what must not be recorded, such as keys. */
static int host_getenv(lua_State *L) {
  lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
  return 1;
}

static int host_pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

static int host_version(lua_State *L) {
  lua_pushliteral(L, ERLUA_VERSION);
  return 1;
}

static int host_self(lua_State *L) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  lua_pushlstring(L, path, n > 0 ? (size_t)n : 0);
  return 1;
}

/* True while the script is handed what the journal holds. */
static int host_replaying(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_pushboolean(L, h->mode == ER_JOURNAL_REPLAY);
  return 1;
}

/* ---- the terminal ------------------------------------------------------------------------ */

static int host_terminal(lua_State *L) {
  struct winsize ws;
  int fd = (int)luaL_optinteger(L, 1, 2);
  if (!isatty(fd)) return 0;
  lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ? ws.ws_col : 80);
  return 1;
}

/* colour([fd]): is it a terminal that shows colours to someone who wants them? */
static int host_colour(lua_State *L) {
  const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
  bool wanted = (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
  lua_pushboolean(L, wanted && isatty((int)luaL_optinteger(L, 1, 1)));
  return 1;
}

/* status(text): one line that the next one, or any other output, takes the place of. */
static int host_status(lua_State *L) {
  er_host *h = er_host_of(L);
  size_t n;
  const char *s = luaL_optlstring(L, 1, "", &n);
  fflush(stdout);
  er_host_clear_status(h);
  fwrite(s, 1, n, stderr);
  fflush(stderr);
  h->status = n;
  return 0;
}

static int host_progress(lua_State *L) {       /* a plain line on stderr */
  er_host_clear_status(er_host_of(L));
  fprintf(stderr, "%s\n", luaL_checkstring(L, 1));
  return 0;
}

/* Plain bytes on standard output, also while replaying: reports and --json. */
static int host_out(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  er_host_clear_status(er_host_of(L));
  fwrite(s, 1, n, stdout);
  fflush(stdout);
  return 0;
}

static int host_stdin(lua_State *L) {
  luaL_Buffer b;
  size_t n;
  luaL_buffinit(L, &b);
  do {
    char *p = luaL_prepbuffer(&b);
    n = fread(p, 1, LUAL_BUFFERSIZE, stdin);
    luaL_addsize(&b, n);
  } while (n == LUAL_BUFFERSIZE);
  luaL_pushresult(&b);
  return 1;
}

static const luaL_Reg hostlib[] = {
  {"exit", host_exit}, {"stop", host_stop}, {"stopping", host_stopping}, {"report", host_report}, {"args", host_args}, {"set_script", host_set_script},
  {"version", host_version}, {"self", host_self}, {"replaying", host_replaying}, {"terminal", host_terminal}, {"colour", host_colour},
  {"status", host_status}, {"progress", host_progress}, {"out", host_out}, {"stdin", host_stdin},
  {"at_end", host_at_end}, {"at_time", host_at_time}, {"pid", host_pid}, {"time", host_time}, {"usage", host_usage}, {"getenv", host_getenv}, {NULL, NULL}
};

int luaopen_erlua_core_host(lua_State *L) {
  luaL_newlib(L, hostlib);
  return 1;
}

/* ---- generators ---------------------------------------------------------------------------- */

#define RNG "erlua.rng"

static int rng_new(lua_State *L) {
  lua_Integer seed = luaL_checkinteger(L, 1);
  const char *path = luaL_checkstring(L, 2);
  er_rng *r = lua_newuserdatauv(L, sizeof *r, 0);
  er_rng_seed(r, seed, path);
  luaL_setmetatable(L, RNG);
  return 1;
}

/* The running task's own generator, or a named one. */
static er_rng *check_rng(lua_State *L) {
  er_host *h = er_host_of(L);
  if (lua_isuserdata(L, 1)) return luaL_checkudata(L, 1, RNG);
  if (h->current == NULL) luaL_error(L, "random: no task is running here");
  return er_task_rng(h->current);
}

static int rng_int(lua_State *L) {
  er_rng *r = check_rng(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 1, 2, "a number from 1 up expected");
  lua_pushinteger(L, (lua_Integer)er_rng_below(r, (uint64_t)n) + 1);
  return 1;
}

static int rng_unit(lua_State *L) {
  lua_pushnumber(L, er_rng_unit(check_rng(L)));
  return 1;
}

static int rng_normal(lua_State *L) {           /* Box and Muller, one value a call */
  er_rng *r = check_rng(L);
  double u = 1.0 - er_rng_unit(r), v = er_rng_unit(r);
  lua_pushnumber(L, sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
  return 1;
}

static const luaL_Reg rng_methods[] = {{"int", rng_int}, {"unit", rng_unit}, {"normal", rng_normal}, {NULL, NULL}};
static const luaL_Reg rng_meta[] = {{NULL, NULL}};

int luaopen_erlua_core_rng(lua_State *L) {
  er_new_class(L, RNG, rng_methods, rng_meta);
  lua_newtable(L);
  lua_pushcfunction(L, rng_new);
  lua_setfield(L, -2, "new");
  luaL_setfuncs(L, rng_methods, 0);            /* rng.int(nil, n): the task's own */
  return 1;
}
