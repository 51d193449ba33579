/* lua_model_data.c - shards of tokens in Lua, and batches read from them. */

#include <string.h>

#include "base/mem.h"
#include "lua/fail.h"
#include "lua/model_face.h"
#include "lua/tensor_face.h"
#include "model/shard.h"

#define SHARD_CLASS "erlua.shard"

enum { MOST_ROWS = 1 << 20 };

static er_shard *shard_arg(lua_State *L, int arg) {
  er_shard *s = *(er_shard **)luaL_checkudata(L, arg, SHARD_CLASS);
  if (s == NULL) luaL_argerror(L, arg, "the shard was closed");
  return s;
}

/* shard(path or descriptor) -> shard | nil, message, code */
static int shard_open(lua_State *L) {
  int fd;
  const char *name = er_face_file(L, 1, &fd);
  er_shard **s = lua_newuserdatauv(L, sizeof *s, 0);
  er_err err;
  *s = NULL;
  luaL_setmetatable(L, SHARD_CLASS);
  *s = fd >= 0 ? er_shard_open_fd(fd, name, &err) : er_shard_open(name, &err);
  return *s != NULL ? 1 : er_fail_push(L, &err);
}

static int shard_close(lua_State *L) {
  er_shard **s = luaL_checkudata(L, 1, SHARD_CLASS);
  er_shard_close(*s);
  *s = NULL;
  return 0;
}

static int shard_len(lua_State *L) {
  lua_pushinteger(L, er_shard_count(shard_arg(L, 1)));
  return 1;
}

/* shard:read(at, n, vocab) -> u16 tensor | nil, message, code; at counts from 0 */
static int shard_read(lua_State *L) {
  er_shard *s = shard_arg(L, 1);
  int64_t at = luaL_optinteger(L, 2, 0), n = luaL_optinteger(L, 3, er_shard_count(s) - at);
  er_err err;
  er_tensor *t = er_shard_read(s, at, n, luaL_optinteger(L, 4, 0), er_face_tensors(L), &err);
  return t != NULL ? er_face_push(L, t, &err) : er_fail_push(L, &err);
}

/* write_shard(path, ids) -> true | nil, message, code */
static int shard_write(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  er_err err;
  if (strlen(path) != lua_rawlen(L, 1)) return luaL_argerror(L, 1, "a path without NUL bytes");
  if (er_shard_write(path, er_face_arg(L, 2), &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- batches ------------------------------------------------------------------------------------ */

static er_tensor *new_batch(lua_State *L, int64_t rows, int64_t length) {
  er_err err;
  er_tensor *t = er_tensor_empty(er_face_tensors(L), ER_I32, 2, (int64_t[]){rows, length}, &err);
  er_face_push(L, t, &err);
  return t;
}

/* Row `row` from the pair (number of a shard, place in it) in the list at index 2. */
static int read_row(lua_State *L, int64_t row, int64_t length, int64_t vocab, er_tensor *x, er_tensor *y, er_err *err) {
  int32_t *inputs = er_tensor_view_of(x)->data, *targets = er_tensor_view_of(y)->data;
  er_shard *s;
  lua_Integer at;
  lua_rawgeti(L, 2, 2 * row + 1);
  lua_rawget(L, 1);
  s = shard_arg(L, -1);
  lua_rawgeti(L, 2, 2 * row + 2);
  at = luaL_checkinteger(L, -1);
  lua_pop(L, 2);                 /* the list holds the shard */
  return er_shard_row(s, at, length, vocab, inputs + row * length, targets + row * length, err);
}

/* batch(shards, { shard, at, shard, at, ... }, length, vocab) -> inputs, targets | nil, message, code */
static int batch(lua_State *L) {
  int64_t rows, length = luaL_checkinteger(L, 3), vocab = luaL_optinteger(L, 4, 0);
  er_tensor *x, *y;
  er_err err;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  rows = (int64_t)lua_rawlen(L, 2) / 2;
  if (rows > MOST_ROWS || length < 1 || length > INT32_MAX) return luaL_error(L, "a batch of impossible size");
  x = new_batch(L, rows, length);
  y = new_batch(L, rows, length);
  for (int64_t i = 0; i < rows; i++)
    if (read_row(L, i, length, vocab, x, y, &err) < 0) return er_fail_push(L, &err);
  return 2;
}

/* draw(seed, index, n) -> 0..n-1 */
static int draw(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n > 0, 3, "a number above 0");
  lua_pushinteger(L, er_shard_draw((uint64_t)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2), n));
  return 1;
}

void er_face_add_data(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"shard", shard_open}, {"write_shard", shard_write}, {"batch", batch}, {"draw", draw}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"read", shard_read}, {"close", shard_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", shard_close}, {"__close", shard_close}, {"__len", shard_len}, {NULL, NULL}};
  luaL_newmetatable(L, SHARD_CLASS);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
