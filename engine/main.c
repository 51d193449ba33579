/* main.c - argv: a script, -e CODE, a sub-command, or the REPL; exit codes. */

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "lua/host.h"
#include "lua/open.h"
#include "lua/repl.h"

static const char usage[] =
  "erlua " ERLUA_VERSION " - execution-grounded research: ideas become patches, patches become jobs, frozen code scores them\n"
  "\n"
  "  erlua SCRIPT.lua [args]     run a script or a strategy (strategies/evolve.lua works anywhere)\n"
  "  erlua -e CODE               run code and print what it returns\n"
  "  erlua                       explore at a prompt\n"
  "\n"
  "  erlua run STRATEGY [args]   the same by the strategy's name: erlua run evolve\n"
  "  erlua resume STUDY          go on with a study that was stopped\n"
  "  erlua replay STUDY          run it again from its journal and compare every byte\n"
  "  erlua report STUDY          funnel, best and mean by epoch, the best trial\n"
  "  erlua trials STUDY          list, sort and show trials\n"
  "  erlua cancel STUDY          end the jobs that a stopped engine left running\n"
  "  erlua apply DIR REPLY       apply a model's reply to a folder\n"
  "  erlua env NAME|DIR          check an environment and run its baseline\n"
  "  erlua doctor                what this machine offers\n"
  "\n"
  "Each takes --help. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped and can be resumed.\n";

static const char *const commands[] = {
  "run", "resume", "replay", "report", "trials", "cancel", "apply", "env", "doctor", NULL
};

static bool is_command(const char *word) {
  for (const char *const *c = commands; *c != NULL; c++)
    if (strcmp(*c, word) == 0) return true;
  return false;
}

static int fail(er_host *h, int code) {
  er_host_report(h, "%s", lua_tostring(h->L, -1));
  return code;
}

/* Sets the global `arg` and pushes the arguments from `from` on. */
static int push_args(er_host *h, int from) {
  lua_State *L = h->L;
  lua_newtable(L);
  for (int i = 0; i < h->argc; i++) {
    lua_pushstring(L, h->argv[i]);
    lua_rawseti(L, -2, i - from + 1);
  }
  lua_setglobal(L, "arg");
  for (int i = from; i < h->argc; i++) lua_pushstring(L, h->argv[i]);
  return h->argc > from ? h->argc - from : 0;
}

/* A script by its path, else below lua/ of erlua itself. */
static int load_script(lua_State *L, const char *name) {
  char *own;
  int rc;
  if (er_path_exists(name) && !er_path_is_dir(name)) return luaL_loadfile(L, name) == LUA_OK ? 0 : -1;
  own = er_path_join("lua", name);
  rc = er_load_own(L, own);
  er_free(own);
  if (rc < 0 && strncmp(lua_tostring(L, -1), "no file", 7) == 0) {
    lua_pushfstring(L, "there is no script '%s' here, nor in erlua's own lua/ (see erlua --help)", name);
  }
  return rc;
}

static int run_script(er_host *h, int at) {
  if (load_script(h->L, h->argv[at]) < 0) return fail(h, 1);
  h->script = h->argv[at];
  return er_host_main(h, push_args(h, at + 1));
}

/* A sub-command is a function of its arguments that returns the exit code. */
static int run_command(er_host *h, const char *word) {
  if (er_load_own(h->L, "lua/erlua/cli/main.lua") < 0) return fail(h, 1);
  push_args(h, h->argc);
  lua_pushstring(h->L, word);
  for (int i = 2; i < h->argc; i++) lua_pushstring(h->L, h->argv[i]);
  h->result_is_code = true;
  return er_host_main(h, h->argc - 1);
}

/* -e: as an expression first, so that its value is shown. */
static int run_code(er_host *h) {
  lua_State *L = h->L;
  if (h->argc < 3) {
    fputs("erlua: -e wants the code to run\n", stderr);
    return 2;
  }
  lua_pushfstring(L, "return %s", h->argv[2]);
  if (luaL_loadbufferx(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=-e", "t") != LUA_OK) {
    lua_pop(L, 1);
    if (luaL_loadbufferx(L, h->argv[2], strlen(h->argv[2]), "=-e", "t") != LUA_OK) return fail(h, 1);
  }
  h->show_result = true;
  return er_host_main(h, push_args(h, 3));
}

static int dispatch(er_host *h) {
  const char *word = h->argc > 1 ? h->argv[1] : NULL;
  if (word == NULL) return er_repl_run(h);
  if (strcmp(word, "-e") == 0) return run_code(h);
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return fputs(usage, stdout) < 0;
  if (strcmp(word, "--version") == 0) return puts("erlua " ERLUA_VERSION) < 0;
  if (word[0] == '-') {
    fprintf(stderr, "erlua: unknown option %s (see erlua --help)\n", word);
    return 2;
  }
  if (is_command(word)) return run_command(h, word);
  return run_script(h, 1);
}

int main(int argc, char **argv) {
  er_host *h = er_host_new(argc, argv);
  int code;
  er_host_signals(h);
  code = dispatch(h);
  er_host_free(h);
  return code;
}
