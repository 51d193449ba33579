/* open.c - a fresh Lua state: libraries, the `erlua` table, where sources are found. */

#include "lua/open.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/embed.h"
#include "base/mem.h"
#include "base/path.h"
#include "lua/det.h"
#include "lua/host.h"
#include "lua/modules.h"


static const luaL_Reg modules[] = {
  {"erlua.core.json", luaopen_erlua_core_json},
  {"erlua.core.task", luaopen_erlua_core_task},
  {"erlua.core.fs", luaopen_erlua_core_fs},
  {"erlua.core.host", luaopen_erlua_core_host},
  {"erlua.core.study", luaopen_erlua_core_study},
  {"erlua.core.job", luaopen_erlua_core_job},
  {"erlua.core.exec", luaopen_erlua_core_exec},
  {"erlua.core.http", luaopen_erlua_core_http},
  {"erlua.core.box", luaopen_erlua_core_box},
  {"erlua.core.restricted", luaopen_erlua_core_restricted},
  {"erlua.core.patch", luaopen_erlua_core_patch},
  {"erlua.core.tensor", luaopen_erlua_core_tensor},
  {"erlua.core.model", luaopen_erlua_core_model},
  {"erlua.core.rng", luaopen_erlua_core_rng},
  {NULL, NULL}
};

/* ---- erlua's own files ------------------------------------------------------------- */

/* ERLUA_HOME, else the folder above the binary's: a build tree or an installation
 * with sources beside it. */
char *er_own_dir(void) {
  const char *home = getenv("ERLUA_HOME");
  char *self, *up, *probe;
  bool there;
  if (home != NULL && home[0] != '\0') return er_strdup(home);
  self = er_self_dir();
  up = er_path_dir(self);
  probe = er_path_join(up, "lua/erlua/init.lua");
  there = er_path_exists(probe);
  er_free(self);
  er_free(probe);
  if (there) return up;
  er_free(up);
  return NULL;
}

static const er_embedded_file *embedded(const char *path) {
  for (const er_embedded_file *f = er_embedded_files; f->path != NULL; f++)
    if (strcmp(f->path, path) == 0) return f;
  return NULL;
}

int er_read_own(const char *path, er_buf *out) {
  char *dir = er_own_dir();
  const er_embedded_file *f;
  int rc = -1;
  if (dir != NULL) {
    char *full = er_path_join(dir, path);
    rc = er_file_read(full, 64u << 20, out, NULL);
    er_free(full);
    er_free(dir);
    if (rc == 0) return 0;
    er_buf_clear(out);
  }
  if ((f = embedded(path)) == NULL) return -1;
  er_buf_add(out, f->bytes, (size_t)(f->end - f->bytes) - 1);
  return 0;
}

/* erlua's own chunks are named @erlua/..., which error messages and the search for
 * the user's line rely on. */
int er_load_own(lua_State *L, const char *path) {
  er_buf text = {0};
  char *name;
  int rc;
  if (er_read_own(path, &text) < 0) {
    lua_pushfstring(L, "no file '%s' in erlua itself", path);
    return -1;
  }
  name = er_asprintf("@%s", strncmp(path, "lua/", 4) == 0 ? path + 4 : path);
  rc = luaL_loadbufferx(L, er_buf_cstr(&text), text.len, name, "t");
  er_free(name);
  er_buf_free(&text);
  return rc == LUA_OK ? 0 : -1;
}

/* require "erlua.x.y" -> lua/erlua/x/y.lua or lua/erlua/x/y/init.lua */
static int search_own(lua_State *L) {
  static const char *const forms[] = {"lua/%s.lua", "lua/%s/init.lua"};
  const char *name = luaL_checkstring(L, 1), *stem;
  if (strcmp(name, "erlua") != 0 && strncmp(name, "erlua.", 6) != 0) return 0;
  stem = luaL_gsub(L, name, ".", "/");
  for (int i = 0; i < 2; i++) {
    char path[256];
    snprintf(path, sizeof path, forms[i], stem);
    if (er_load_own(L, path) == 0) {
      lua_pushstring(L, path);
      return 2;
    }
    if (strstr(lua_tostring(L, -1), "no file '") == NULL)
      return luaL_error(L, "error loading module '%s': %s", name, lua_tostring(L, -1));
  }
  return 1;
}

/* Our searcher comes second: after package.preload, before the disk. */
static void add_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (int i = (int)lua_rawlen(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_own);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

/* The global `erlua` loads its Lua half at the first use of a name in it. */
static int first_use(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "erlua");
  lua_call(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_setglobal(L, "erlua");
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

static void add_global(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, first_use);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setglobal(L, "erlua");
}

void er_open_libs(lua_State *L) {
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  for (const luaL_Reg *m = modules; m->name != NULL; m++) {
    lua_pushcfunction(L, m->func);
    lua_setfield(L, -2, m->name);
  }
  lua_pop(L, 2);
  er_det_open(L);
  er_det_open_control(L);
  er_det_open_world(L);
  add_searcher(L);
  add_global(L);
}
