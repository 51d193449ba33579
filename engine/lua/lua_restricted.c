/* lua_restricted.c - erlua.core.restricted: an evaluation's side of the state in which an idea's model runs. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lua/fail.h"
#include "lua/host.h"
#include "lua/modules.h"
#include "lua/restricted.h"
#include "lua/tensor_face.h"

#define CLASS "erlua.model_state"

typedef struct { er_restricted *r; int folder; } handle;

static er_restricted *check_open(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, CLASS);
  if (h->r == NULL) luaL_error(L, "attempt to use a restricted state that was closed");
  return h->r;
}

static int state_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, CLASS);
  er_restricted_close(h->r);
  if (h->folder >= 0) close(h->folder);
  *h = (handle){NULL, -1};
  return 0;
}

/* ---- open ------------------------------------------------------------------------------------------- */

static double number_field(lua_State *L, const char *name, double fallback) {
  double v = fallback;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    if (!lua_isnumber(L, -1) || !(lua_tonumber(L, -1) > 0) || lua_tonumber(L, -1) > 0x1p53)
      luaL_error(L, "restricted: field '%s' must be a number above 0", name);
    v = lua_tonumber(L, -1);
  }
  lua_pop(L, 1);
  return v;
}

/* Stays on the stack, which keeps it alive. */
static const char *text_field(lua_State *L, const char *name, size_t *n) {
  int type = lua_getfield(L, 1, name);
  if (type != LUA_TSTRING && type != LUA_TNIL) luaL_error(L, "restricted: field '%s' must be a text", name);
  return lua_tolstring(L, -1, n);
}

static int open_folder(const char *path, er_err *err) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  return fd >= 0 ? fd : er_fail_errno(err, errno, "cannot open the artifact's folder %s", path);
}

/* open{ source, name, folder, memory, tensors, seconds, seed } -> state | nil, message, code */
static int state_open(lua_State *L) {
  er_restricted_options o = {.host = er_host_of(L), .folder = -1};
  const char *folder;
  handle *h;
  er_err err;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  o.source = text_field(L, "source", &o.len);
  o.name = text_field(L, "name", NULL);
  folder = text_field(L, "folder", NULL);
  luaL_argcheck(L, o.source != NULL && o.name != NULL, 1, "the fields 'source' and 'name' are needed");
  o.memory = (size_t)number_field(L, "memory", 256 << 20);
  o.tensors = (int64_t)number_field(L, "tensors", 0x1p33);
  o.seconds = number_field(L, "seconds", 600);
  o.seed = (int64_t)number_field(L, "seed", 1);
  h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){NULL, -1};
  luaL_setmetatable(L, CLASS);
  if (folder != NULL && (h->folder = open_folder(folder, &err)) < 0) return er_fail_push(L, &err);
  o.folder = h->folder;
  return (h->r = er_restricted_open(&o, &err)) != NULL ? 1 : er_fail_push(L, &err);
}

/* ---- calls -------------------------------------------------------------------------------------------- */

/* state:call(name, text) -> true | nil, message, code */
static int state_call(lua_State *L) {
  er_err err;
  if (er_restricted_call(check_open(L), luaL_checkstring(L, 2), luaL_checkstring(L, 3), &err) < 0)
    return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* A tensor of ids (windows, positions) as it is read here: i32, its elements in a row. */
static const int32_t *ids_of(lua_State *L, int arg, int64_t *size) {
  const er_view *v = er_tensor_view_of(er_face_arg(L, arg));
  luaL_argcheck(L, v->nd == 2 && v->dtype == ER_I32 && er_tensor_contiguous(er_face_arg(L, arg)), arg,
                "ids are a contiguous i32 tensor of (windows, positions)");
  size[0] = v->size[0];
  size[1] = v->size[1];
  return v->data;
}

/* state:logits(ids, vocabulary) -> f32 tensor of the caller | nil, message, code */
static int state_logits(lua_State *L) {
  er_restricted *r = check_open(L);
  int64_t size[3];
  const int32_t *ids = ids_of(L, 2, size);
  er_tensor *y;
  er_err err;
  size[2] = luaL_checkinteger(L, 3);
  luaL_argcheck(L, size[2] > 0, 3, "a vocabulary has at least one token");
  y = er_tensor_empty(er_face_tensors(L), ER_F32, 3, size, &err);
  er_face_push(L, y, &err);
  if (er_restricted_logits(r, ids, size[0], size[1], size[2], er_tensor_view_of(y)->data, &err) < 0)
    return er_fail_push(L, &err);
  return 1;
}

/* state:used() -> { seconds, numbers, text } */
static int state_used(lua_State *L) {
  er_restricted_usage u = er_restricted_used(check_open(L));
  lua_createtable(L, 0, 3);
  lua_pushnumber(L, u.seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushinteger(L, u.numbers);
  lua_setfield(L, -2, "numbers");
  lua_pushinteger(L, u.text);
  lua_setfield(L, -2, "text");
  return 1;
}

/* ---- losses ---------------------------------------------------------------------------------------------- */

/* losses(logits, targets) -> a list of windows, each a list of nats */
static int losses(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1);
  const er_view *x = er_tensor_view_of(t);
  int64_t size[2], v;
  const int32_t *target = ids_of(L, 2, size);
  luaL_argcheck(L, x->nd == 3 && x->dtype == ER_F32 && er_tensor_contiguous(t) && x->size[0] == size[0]
                && x->size[1] == size[1], 1, "logits are a contiguous f32 tensor of (windows, positions, vocabulary)");
  v = x->size[2];
  lua_createtable(L, (int)size[0], 0);
  for (int64_t b = 0; b < size[0]; b++) {
    lua_createtable(L, (int)size[1], 0);
    for (int64_t i = 0; i < size[1]; i++) {
      int64_t at = b * size[1] + i;
      luaL_argcheck(L, target[at] >= 0 && target[at] < v, 2, "a target is not in the vocabulary");
      lua_pushnumber(L, er_row_nats((const float *)x->data + at * v, v, target[at]));
      lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, b + 1);
  }
  return 1;
}

int luaopen_erlua_core_restricted(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", state_open}, {"losses", losses}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"call", state_call}, {"logits", state_logits}, {"used", state_used},
      {"close", state_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", state_close}, {"__close", state_close}, {NULL, NULL}};
  er_new_class(L, CLASS, methods, meta);
  luaL_newlib(L, functions);
  return 1;
}
