/* restricted_libs.c - what is in an idea's restricted state, and what has been taken out of it. */

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <sys/types.h>

#include "lua/det.h"
#include "lua/fail.h"
#include "lua/model_face.h"
#include "lua/open.h"
#include "lua/restricted.h"
#include "lua/tensor_face.h"

/* ---- base ------------------------------------------------------------------------------------------ */

/* pcall, through which a state whose time is used up goes on to its end. */
static int timed_pcall(lua_State *L) {
  int status;
  luaL_checkany(L, 1);
  status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  er_restricted_over(L);
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

/* The handler is called behind the error and not within it, where no hook would run. */
static int timed_xpcall(lua_State *L) {
  int status;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 1);
  lua_copy(L, 2, 1);
  lua_replace(L, 2);                            /* handler, function, arguments */
  status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  er_restricted_over(L);
  if (status != LUA_OK) {
    lua_pcall(L, 1, 1, 0);
    er_restricted_over(L);
    lua_pushboolean(L, 0);
    lua_insert(L, 1);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* collectgarbage: the collector can be asked to work and how much there is, and cannot be stopped. */
static int plain_collect(lua_State *L) {
  static const char *const words[] = {"collect", "step", "count", NULL};
  switch (luaL_checkoption(L, 1, "collect", words)) {
    case 0: lua_gc(L, LUA_GCCOLLECT); break;
    case 1: lua_gc(L, LUA_GCSTEP, 0); break;
    default: lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB) / 1024.0); return 1;
  }
  lua_pushinteger(L, 0);
  return 1;
}

static int print_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* ---- math.random: the same in every state ---------------------------------------------------------- */

static int own_random(lua_State *L) {
  er_restricted *r = er_restricted_of(L);
  lua_Integer lo = 1, hi;
  uint64_t draw = er_restricted_random(r), span;
  switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, (double)(draw >> 11) * 0x1p-53); return 1;
    case 1: hi = luaL_checkinteger(L, 1);
      if (hi == 0) { lua_pushinteger(L, (lua_Integer)draw); return 1; }
      break;
    default: lo = luaL_checkinteger(L, 1); hi = luaL_checkinteger(L, 2);
  }
  luaL_argcheck(L, lo <= hi, lua_gettop(L), "interval is empty");
  span = (uint64_t)hi - (uint64_t)lo + 1;
  lua_pushinteger(L, (lua_Integer)((uint64_t)lo + (span == 0 ? draw : draw % span)));
  return 1;
}

static int own_randomseed(lua_State *L) {
  er_restricted_reseed(er_restricted_of(L), lua_isnoneornil(L, 1) ? 0 : (lua_Integer)luaL_checknumber(L, 1));
  return 0;
}

/* ---- erlua's own modules ------------------------------------------------------------------------------- */

/* upvalue: the environment of erlua's own chunks.  Those that may be here come by this require, which
 * the idea never sees; each runs once. */
static int own_require(lua_State *L) {
  static const char *const there[] = {"erlua.tensor", "erlua.nn", "erlua.nn_", NULL};
  const char *name = luaL_checkstring(L, 1);
  char path[128];
  int i = 0;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, name) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  while (there[i] != NULL && strcmp(there[i], name) != 0 && !(i == 2 && strncmp(there[i], name, 9) == 0)) i++;
  if (there[i] == NULL || strlen(name) > 64) return luaL_error(L, "there is no module '%s' in a restricted state", name);
  lua_pushfstring(L, "lua/%s.lua", luaL_gsub(L, name, ".", "/"));
  strncpy(path, lua_tostring(L, -1), sizeof path - 1);
  path[sizeof path - 1] = '\0';
  if (er_load_own(L, path) < 0) return lua_error(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setupvalue(L, -2, 1);
  lua_call(L, 0, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

/* Pushes require as erlua's own modules know it: their globals are the state's, and it. */
static void push_require(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, own_require, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "require");
  lua_remove(L, -2);
}

/* ---- safetensors.load ------------------------------------------------------------------------------------ */

#define FILE_CLASS "erlua.restricted.file"

static int file_close(lua_State *L) {
  er_safetensors **s = luaL_checkudata(L, 1, FILE_CLASS);
  er_safetensors_close(*s);
  *s = NULL;
  return 0;
}

/* A file of the artifact's folder by its plain name: no other folder, no link, nothing to wait for. */
static er_safetensors *open_file(lua_State *L, const char *name, er_err *err) {
  er_safetensors **s;
  int folder = er_restricted_folder(er_restricted_of(L)), fd;
  if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL || strlen(name) != lua_rawlen(L, 1)) {
    er_fail(err, "EINVAL", "'%s' is no name of a file in the artifact's folder; only those can be loaded here", name);
    return NULL;
  }
  s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = NULL;
  luaL_setmetatable(L, FILE_CLASS);
  if (folder < 0 || (fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) < 0) {
    er_fail_errno(err, folder < 0 ? ENOENT : errno, "cannot open the artifact's '%s'", name);
    return NULL;
  }
  return *s = er_safetensors_open_fd(fd, name, err);
}

/* A file that cannot be read counts as well: that it is there, and what is wrong with it, are a message too. */
static void count_file(lua_State *L, const char *name, int64_t numbers, int64_t text) {
  if (er_restricted_loaded(er_restricted_of(L), name, numbers, text) < 0)
    luaL_error(L, "safetensors.load: an artifact is read as at most %d files with names of at most %d bytes",
               ER_RESTRICTED_FILES, ER_RESTRICTED_NAME);
}

/* safetensors.load(name, { names = }) -> { name = tensor }, metadata | nil, message, code */
static int own_safetensors_load(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool some = lua_istable(L, 2);
  er_safetensors *s;
  er_err err;
  lua_settop(L, 2);
  count_file(L, name, 0, 0);
  if ((s = open_file(L, name, &err)) == NULL) return er_fail_push(L, &err);
  count_file(L, name, er_safetensors_numbers(s), er_safetensors_header(s));
  if (some) {
    lua_pushliteral(L, "names");
    lua_rawget(L, 2);
    some = lua_istable(L, -1);
  }
  return er_face_push_checkpoint(L, s, some ? lua_gettop(L) : 0);
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static void remove_names(lua_State *L, const char *table, const char *const *names) {
  lua_getglobal(L, table);
  for (; *names != NULL; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
  lua_pop(L, 1);
}

static void open_base(lua_State *L) {
  static const char *const base[] = {"dofile", "loadfile", "warn", NULL};
  static const char *const strings[] = {"dump", NULL};
  static const luaL_Reg own[] = {{"pcall", timed_pcall}, {"xpcall", timed_xpcall}, {"collectgarbage", plain_collect},
      {"print", print_nothing}, {NULL, NULL}};
  static const luaL_Reg maths[] = {{"random", own_random}, {"randomseed", own_randomseed}, {NULL, NULL}};
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  er_det_open(L);                               /* pairs, tostring, sort: the same in each state */
  remove_names(L, LUA_GNAME, base);
  remove_names(L, LUA_STRLIBNAME, strings);
  lua_pushglobaltable(L);
  luaL_setfuncs(L, own, 0);
  lua_getglobal(L, LUA_MATHLIBNAME);
  luaL_setfuncs(L, maths, 0);
  lua_getglobal(L, "setmetatable");
  lua_pushcclosure(L, er_det_setmetatable, 1);
  lua_setglobal(L, "setmetatable");
  er_restricted_open_bounds(L);
  er_restricted_open_patterns(L);
}

static void open_tensors(lua_State *L, const er_restricted_options *opt) {
  static const char *const hidden[] = {"threads", NULL};
  static const luaL_Reg file_meta[] = {{"__gc", file_close}, {NULL, NULL}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  er_face_open(L, &(er_tensors_options){.seed = opt->seed, .zeroed = true, .most = opt->tensors});
  for (int i = 0; hidden[i] != NULL; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, hidden[i]);
  }
  lua_setfield(L, -2, "erlua.core.tensor");
  er_restricted_watch(er_restricted_of(L), er_tensors_pool(er_face_tensors(L)), opt);
  luaL_newmetatable(L, FILE_CLASS);
  luaL_setfuncs(L, file_meta, 0);
}

/* erlua = { tensor, nn, safetensors = { load } } */
static void open_erlua(lua_State *L) {
  static const char *const parts[] = {"tensor", "nn"};
  lua_newtable(L);
  push_require(L);
  for (int i = 0; i < 2; i++) {
    lua_pushvalue(L, -1);
    lua_pushfstring(L, "erlua.%s", parts[i]);
    lua_call(L, 1, 1);
    lua_setfield(L, -3, parts[i]);
  }
  lua_pop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, own_safetensors_load);
  lua_setfield(L, -2, "load");
  lua_setfield(L, -2, "safetensors");
  lua_setglobal(L, "erlua");
}

/* The metatables of all classes, and the strings', cannot be had: a finalizer put there would run. */
static void seal(lua_State *L) {
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_istable(L, -1) || lua_type(L, -2) != LUA_TSTRING) continue;
    lua_pushliteral(L, "__name");
    if (lua_rawget(L, -2) != LUA_TNIL) {
      lua_pushboolean(L, 0);
      lua_setfield(L, -3, "__metatable");
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

void er_restricted_open_libs(lua_State *L, const er_restricted_options *opt) {
  int top = lua_gettop(L);
  open_base(L);
  open_tensors(L, opt);
  open_erlua(L);
  seal(L);
  lua_settop(L, top);
}
