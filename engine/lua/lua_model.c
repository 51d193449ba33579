/* lua_model.c - erlua.core.model: checkpoints; the shards and tokenizers beside them come from lua_model_*.c. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lua/fail.h"
#include "lua/model_face.h"
#include "lua/modules.h"
#include "lua/tensor_face.h"

#define FILE_CLASS "erlua.checkpoint"

/* ---- an open file, which the collector closes if an error comes between ------------------------- */

static er_safetensors **new_file(lua_State *L) {
  er_safetensors **s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = NULL;
  luaL_setmetatable(L, FILE_CLASS);
  return s;
}

static int file_close(lua_State *L) {
  er_safetensors **s = luaL_checkudata(L, 1, FILE_CLASS);
  er_safetensors_close(*s);
  *s = NULL;
  return 0;
}

const char *er_face_file(lua_State *L, int arg, int *fd) {
  const char *path;
  *fd = -1;
  if (lua_isinteger(L, arg)) {
    lua_Integer n = lua_tointeger(L, arg);
    *fd = n >= 0 && n < 1 << 20 ? fcntl((int)n, F_DUPFD_CLOEXEC, 3) : -1;
    if (*fd < 0) luaL_argerror(L, arg, lua_pushfstring(L, "%I is no open descriptor", (LUAI_UACINT)n));
    return lua_pushfstring(L, "descriptor %I", (LUAI_UACINT)n);
  }
  path = luaL_checkstring(L, arg);
  if (strlen(path) != lua_rawlen(L, arg)) luaL_argerror(L, arg, "a path without NUL bytes");
  return path;
}

/* The file of argument 1, open; NULL and err. */
static er_safetensors *open_file(lua_State *L, er_err *err) {
  int fd;
  const char *name = er_face_file(L, 1, &fd);
  er_safetensors **s = new_file(L);
  *s = fd >= 0 ? er_safetensors_open_fd(fd, name, err) : er_safetensors_open(name, err);
  return *s;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static void push_metadata(lua_State *L, const er_safetensors *s) {
  er_safetensors_text text;
  lua_newtable(L);
  for (size_t i = 0; er_safetensors_metadata(s, i, &text); i++) {
    lua_pushlstring(L, text.value, text.value_len);
    lua_setfield(L, -2, text.key);
  }
}

/* Adds tensor i to the table at the top; false and err if it cannot be read. */
static bool add_tensor(lua_State *L, er_safetensors *s, size_t i, er_err *err) {
  er_tensor *t = er_safetensors_read(s, i, er_face_tensors(L), err);
  if (t == NULL) return false;
  er_face_push(L, t, err);
  lua_setfield(L, -2, er_safetensors_at(s, i).name);
  return true;
}

static bool add_named(lua_State *L, er_safetensors *s, int names, er_err *err) {
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, names); i++) {
    const char *name;
    int64_t at;
    lua_rawgeti(L, names, i);
    name = luaL_checkstring(L, -1);
    at = er_safetensors_find(s, name);
    if (at < 0) {
      er_fail(err, "ENOENT", "there is no tensor '%.200s' among the %zu of the checkpoint", name,
              er_safetensors_count(s));
      return false;
    }
    lua_pop(L, 1);               /* the list holds it */
    if (!add_tensor(L, s, (size_t)at, err)) return false;
  }
  return true;
}

static bool add_all(lua_State *L, er_safetensors *s, er_err *err) {
  for (size_t i = 0; i < er_safetensors_count(s); i++)
    if (!add_tensor(L, s, i, err)) return false;
  return true;
}

int er_face_push_checkpoint(lua_State *L, er_safetensors *s, int names) {
  er_err err;
  lua_newtable(L);
  if (!(names != 0 ? add_named(L, s, names, &err) : add_all(L, s, &err))) return er_fail_push(L, &err);
  push_metadata(L, s);
  return 2;
}

/* load(path or descriptor, names?) -> { name = tensor }, metadata | nil, message, code */
static int checkpoint_load(lua_State *L) {
  er_err err;
  er_safetensors *s;
  bool some = !lua_isnoneornil(L, 2);
  if (some) luaL_checktype(L, 2, LUA_TTABLE);
  s = open_file(L, &err);
  return s != NULL ? er_face_push_checkpoint(L, s, some ? 2 : 0) : er_fail_push(L, &err);
}

static void push_entry(lua_State *L, const er_safetensors_entry *e) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, e->name);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, e->dtype);
  lua_setfield(L, -2, "dtype");
  lua_createtable(L, e->nd, 0);
  for (int i = 0; i < e->nd; i++) {
    lua_pushinteger(L, e->size[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "shape");
}

/* header(path or descriptor) -> { { name, dtype, shape }, ... }, metadata, numbers, bytes | nil, message, code */
static int checkpoint_header(lua_State *L) {
  er_err err;
  er_safetensors *s = open_file(L, &err);
  if (s == NULL) return er_fail_push(L, &err);
  lua_newtable(L);
  for (size_t i = 0; i < er_safetensors_count(s); i++) {
    er_safetensors_entry e = er_safetensors_at(s, i);
    push_entry(L, &e);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  push_metadata(L, s);
  lua_pushinteger(L, er_safetensors_numbers(s));
  lua_pushinteger(L, er_safetensors_header(s));
  return 4;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static size_t members(lua_State *L, int arg) {
  size_t n = 0;
  if (lua_isnoneornil(L, arg)) return 0;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_argerror(L, arg, "the keys are names, and so texts");
    if (strlen(lua_tostring(L, -2)) != lua_rawlen(L, -2)) luaL_argerror(L, arg, "a name holds a NUL byte");
    n++;
  }
  return n;
}

/* The members of a table as an array in a userdata that is pushed; the table holds what they point to. */
static er_named_tensor *tensors_of(lua_State *L, int arg, size_t n) {
  er_named_tensor *list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0), *to = list;
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1), to++) {
    *to = (er_named_tensor){lua_tostring(L, -2), er_face_test(L, -1)};
    if (to->t == NULL)
      luaL_argerror(L, arg, lua_pushfstring(L, "'%s' is no tensor, but %s", to->name, luaL_typename(L, -1)));
  }
  return list;
}

static er_safetensors_text *texts_of(lua_State *L, int arg, size_t n) {
  er_safetensors_text *list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0), *to = list;
  if (n == 0) return list;
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1), to++) {
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_argerror(L, arg, lua_pushfstring(L, "the value of '%s' must be a text, got %s; tostring() makes one",
                                            lua_tostring(L, -2), luaL_typename(L, -1)));
    to->key = lua_tostring(L, -2);
    to->value = lua_tolstring(L, -1, &to->value_len);
  }
  return list;
}

/* save(path, { name = tensor }, { key = text }?) -> true | nil, message, code */
static int checkpoint_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t n, n_texts;
  er_named_tensor *list;
  er_safetensors_text *texts;
  er_err err;
  if (strlen(path) != lua_rawlen(L, 1)) return luaL_argerror(L, 1, "a path without NUL bytes");
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  n = members(L, 2);
  n_texts = members(L, 3);
  list = tensors_of(L, 2, n);
  texts = texts_of(L, 3, n_texts);
  if (er_safetensors_save(path, list, n, texts, n_texts, &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_erlua_core_model(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"load", checkpoint_load}, {"header", checkpoint_header}, {"save", checkpoint_save}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", file_close}, {NULL, NULL}};
  luaL_requiref(L, "erlua.core.tensor", luaopen_erlua_core_tensor, 0);      /* the engine that tensors are read into */
  lua_pop(L, 1);
  luaL_newmetatable(L, FILE_CLASS);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  er_face_add_data(L);
  er_face_add_tokenizers(L);
  return 1;
}
