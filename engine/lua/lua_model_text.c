/* lua_model_text.c - tokenizers in Lua. */

#include <string.h>

#include "base/mem.h"
#include "lua/fail.h"
#include "lua/model_face.h"
#include "lua/tensor_face.h"
#include "model/tokenizer.h"

#define TOKENIZER_CLASS "erlua.tokenizer"
#define BUFFER_CLASS "erlua.tokenizer.buffer"

enum { MOST_U16 = 65536 };       /* a vocabulary of this size fits u16 */

static er_tokenizer *tokenizer_arg(lua_State *L) { return *(er_tokenizer **)luaL_checkudata(L, 1, TOKENIZER_CLASS); }

/* Bytes that the collector frees if an error comes between. */
static er_buf *new_buffer(lua_State *L) {
  er_buf *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (er_buf){0};
  luaL_setmetatable(L, BUFFER_CLASS);
  return b;
}

static int buffer_free(lua_State *L) {
  er_buf_free(luaL_checkudata(L, 1, BUFFER_CLASS));
  return 0;
}

/* tokenizer(path) -> tokenizer | nil, message, code; without a path that of bytes */
static int tokenizer_open(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  er_tokenizer **t = lua_newuserdatauv(L, sizeof *t, 0);
  er_err err;
  *t = NULL;
  luaL_setmetatable(L, TOKENIZER_CLASS);
  *t = path != NULL ? er_tokenizer_open(path, &err) : er_tokenizer_bytes();
  return *t != NULL ? 1 : er_fail_push(L, &err);
}

static int tokenizer_free(lua_State *L) {
  er_tokenizer **t = luaL_checkudata(L, 1, TOKENIZER_CLASS);
  er_tokenizer_free(*t);
  *t = NULL;
  return 0;
}

/* ---- encoding ------------------------------------------------------------------------------------ */

static er_tensor *tensor_of(lua_State *L, const er_tokenizer *t, const er_buf *ids, er_err *err) {
  int64_t n = (int64_t)(ids->len / sizeof(int32_t));
  bool narrow = er_tokenizer_size(t) <= MOST_U16;
  er_tensor *out = er_tensor_empty(er_face_tensors(L), narrow ? ER_U16 : ER_I32, 1, &n, err);
  const int32_t *from = (const int32_t *)(const void *)ids->ptr;
  void *to = out != NULL ? er_tensor_view_of(out)->data : NULL;
  for (int64_t i = 0; to != NULL && i < n; i++) {
    if (narrow) ((uint16_t *)to)[i] = (uint16_t)from[i];
    else ((int32_t *)to)[i] = from[i];
  }
  return out;
}

/* tokenizer:encode(text, { special = false }) -> ids | nil, message, code */
static int tokenizer_encode(lua_State *L) {
  static const char *const names[] = {"special", NULL};
  er_tokenizer *t = tokenizer_arg(L);
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  er_buf *ids;
  er_err err;
  er_tensor *out;
  er_face_options(L, 3, names);
  ids = new_buffer(L);
  if (er_tokenizer_encode(t, text, n, er_face_bool(L, 3, "special", false), ids, &err) < 0)
    return er_fail_push(L, &err);
  out = tensor_of(L, t, ids, &err);
  er_buf_free(ids);
  return er_face_push(L, out, &err);
}

/* ---- decoding ------------------------------------------------------------------------------------ */

static void add_id(lua_State *L, er_buf *out, lua_Integer id) {
  int32_t narrow = (int32_t)id;
  if (narrow != id) luaL_argerror(L, 2, lua_pushfstring(L, "%I is no token id", (LUAI_UACINT)id));
  er_buf_add(out, &narrow, sizeof narrow);
}

static void add_list(lua_State *L, er_buf *out) {
  for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 2); i++) {
    int whole;
    lua_rawgeti(L, 2, i);
    add_id(L, out, lua_tointegerx(L, -1, &whole));
    if (!whole) luaL_argerror(L, 2, lua_pushfstring(L, "element %I is no whole number", (LUAI_UACINT)i));
    lua_pop(L, 1);
  }
}

static void add_tensor(lua_State *L, er_buf *out) {
  const er_tensor *t = er_face_arg(L, 2);
  const er_view *v = er_tensor_view_of(t);
  if (v->nd > 1 || er_dtype_is_float(v->dtype))
    luaL_argerror(L, 2, "ids are one row of whole numbers; take a row with [i], convert with :to(\"i32\")");
  for (int64_t i = 0; i < er_tensor_count(t); i++) add_id(L, out, (lua_Integer)er_tensor_get(t, &i));
}

/* tokenizer:decode(ids) -> text | nil, message, code; ids: a tensor, a list, or one */
static int tokenizer_decode(lua_State *L) {
  const er_tokenizer *t = tokenizer_arg(L);
  er_buf *ids = new_buffer(L), *text = new_buffer(L);
  er_err err;
  size_t n;
  if (lua_isinteger(L, 2)) add_id(L, ids, lua_tointeger(L, 2));
  else if (lua_istable(L, 2)) add_list(L, ids);
  else add_tensor(L, ids);
  n = ids->len / sizeof(int32_t);
  if (er_tokenizer_decode(t, (const int32_t *)(const void *)er_buf_cstr(ids), n, text, &err) < 0)
    return er_fail_push(L, &err);
  lua_pushlstring(L, er_buf_cstr(text), text->len);
  er_buf_free(ids);
  er_buf_free(text);
  return 1;
}

/* ---- what it is ------------------------------------------------------------------------------------ */

static int push_id(lua_State *L, int32_t id) {
  if (id < 0) lua_pushnil(L);
  else lua_pushinteger(L, id);
  return 1;
}

/* tokenizer:id("<|endoftext|>") -> id | nil */
static int tokenizer_id(lua_State *L) {
  size_t n;
  const char *token = luaL_checklstring(L, 2, &n);
  return push_id(L, er_tokenizer_id(tokenizer_arg(L), token, n));
}

/* vocab_size, eot, or a method (upvalue 1) */
static int tokenizer_index(lua_State *L) {
  const er_tokenizer *t = tokenizer_arg(L);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(name, "vocab_size") == 0) return push_id(L, er_tokenizer_size(t));
  if (strcmp(name, "eot") == 0) return push_id(L, er_tokenizer_end(t));
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

void er_face_add_tokenizers(lua_State *L) {
  static const luaL_Reg functions[] = {{"tokenizer", tokenizer_open}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
    {"encode", tokenizer_encode}, {"decode", tokenizer_decode}, {"id", tokenizer_id}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", tokenizer_free}, {NULL, NULL}};
  static const luaL_Reg buffer_meta[] = {{"__gc", buffer_free}, {NULL, NULL}};
  luaL_newmetatable(L, BUFFER_CLASS);
  luaL_setfuncs(L, buffer_meta, 0);
  luaL_newmetatable(L, TOKENIZER_CLASS);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushcclosure(L, tokenizer_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
}
