/* lua_restricted.c - erlua.core.restricted: an evaluation's side of the state in which an idea's model runs. */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
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

/* ---- losses: numbers that nobody can change, of which a script asks for sums --------------------------- */

#define LOSSES "erlua.losses"

typedef struct { int64_t windows, positions; double nats[]; } losses;

static losses *push_losses(lua_State *L, int64_t windows, int64_t positions) {
  losses *l = lua_newuserdatauv(L, sizeof *l + (size_t)(windows * positions) * sizeof *l->nats, 0);
  l->windows = windows;
  l->positions = positions;
  luaL_setmetatable(L, LOSSES);
  return l;
}

static int64_t place(lua_State *L, int arg, int64_t least, int64_t most) {
  lua_Integer i = luaL_checkinteger(L, arg);
  luaL_argcheck(L, i >= least && i <= most, arg, "there is no such place");
  return i;
}

/* losses:tolist() -> a list of windows, each a list of nats */
static int losses_tolist(lua_State *L) {
  const losses *l = luaL_checkudata(L, 1, LOSSES);
  lua_createtable(L, (int)l->windows, 0);
  for (int64_t w = 0; w < l->windows; w++) {
    lua_createtable(L, (int)l->positions, 0);
    for (int64_t i = 0; i < l->positions; i++) {
      lua_pushnumber(L, l->nats[w * l->positions + i]);
      lua_rawseti(L, -2, i + 1);
    }
    lua_rawseti(L, -2, w + 1);
  }
  return 1;
}

/* losses:sum() -> nats */
static int losses_sum(lua_State *L) {
  const losses *l = luaL_checkudata(L, 1, LOSSES);
  double sum = 0;
  for (int64_t i = 0; i < l->windows * l->positions; i++) sum += l->nats[i];
  lua_pushnumber(L, sum);
  return 1;
}

/* losses:window(w) -> the losses of that one */
static int losses_window(lua_State *L) {
  const losses *l = luaL_checkudata(L, 1, LOSSES);
  int64_t w = place(L, 2, 1, l->windows) - 1;
  memcpy(push_losses(L, 1, l->positions)->nats, l->nats + w * l->positions, (size_t)l->positions * sizeof *l->nats);
  return 1;
}

/* losses:changes(others, far, first, last) -> the sum of the distances at these positions of every window, and how many
 * of them are above `far` */
static int losses_changes(lua_State *L) {
  const losses *a = luaL_checkudata(L, 1, LOSSES), *b = luaL_checkudata(L, 2, LOSSES);
  double far = luaL_checknumber(L, 3), sum = 0;
  int64_t first = place(L, 4, 1, a->positions), last = place(L, 5, first, a->positions);
  lua_Integer above = 0;
  luaL_argcheck(L, a->windows == b->windows && a->positions == b->positions, 2, "these are losses of other windows");
  for (int64_t w = 0; w < a->windows; w++)
    for (int64_t i = w * a->positions + first - 1; i < w * a->positions + last; i++) {
      double change = fabs(a->nats[i] - b->nats[i]);
      sum += change;
      above += change > far;
    }
  lua_pushnumber(L, sum);
  lua_pushinteger(L, above);
  return 2;
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

/* Ids of the vocabulary, one for each of the logits (windows, positions, vocabulary) of `size`. */
static const int32_t *targets_of(lua_State *L, int arg, const int64_t *size) {
  int64_t own[2];
  const int32_t *target = ids_of(L, arg, own);
  luaL_argcheck(L, own[0] == size[0] && own[1] == size[1], arg, "there is one target for each position");
  for (int64_t i = 0; i < own[0] * own[1]; i++)
    luaL_argcheck(L, target[i] >= 0 && target[i] < size[2], arg, "a target is not in the vocabulary");
  return target;
}

static int64_t vocabulary_of(lua_State *L, int arg) {
  lua_Integer v = luaL_checkinteger(L, arg);
  luaL_argcheck(L, v > 0, arg, "a vocabulary has at least one token");
  return v;
}

/* state:logits(ids, vocabulary) -> f32 tensor of the caller | nil, message, code */
static int state_logits(lua_State *L) {
  er_restricted *r = check_open(L);
  int64_t size[3];
  const int32_t *ids = ids_of(L, 2, size);
  er_tensor *y;
  er_err err;
  size[2] = vocabulary_of(L, 3);
  y = er_tensor_empty(er_face_tensors(L), ER_F32, 3, size, &err);
  er_face_push(L, y, &err);
  if (er_restricted_logits(r, ids, size, er_tensor_view_of(y)->data, &err) < 0) return er_fail_push(L, &err);
  return 1;
}

/* state:losses(ids, targets, vocabulary) -> losses | nil, message, code */
static int state_losses(lua_State *L) {
  er_restricted *r = check_open(L);
  int64_t size[3];
  const int32_t *ids = ids_of(L, 2, size), *targets;
  losses *l;
  er_err err;
  size[2] = vocabulary_of(L, 4);
  targets = targets_of(L, 3, size);
  l = push_losses(L, size[0], size[1]);
  if (er_restricted_losses(r, er_face_tensors(L), ids, targets, size, l->nats, &err) < 0) return er_fail_push(L, &err);
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

/* losses(logits, targets) -> losses: of logits that are here already */
static int losses_of(lua_State *L) {
  const er_view *x = er_tensor_view_of(er_face_arg(L, 1));
  const int32_t *targets;
  losses *l;
  er_err err;
  luaL_argcheck(L, x->nd == 3 && er_dtype_is_float(x->dtype), 1, "logits are floats of (windows, positions, vocabulary)");
  targets = targets_of(L, 2, x->size);
  l = push_losses(L, x->size[0], x->size[1]);
  er_face_check(L, er_tensor_nats(er_face_tensors(L), x, targets, l->nats, &err), &err);
  return 1;
}

int luaopen_erlua_core_restricted(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", state_open}, {"losses", losses_of}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"call", state_call}, {"logits", state_logits}, {"losses", state_losses},
      {"used", state_used}, {"close", state_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", state_close}, {"__close", state_close}, {NULL, NULL}};
  static const luaL_Reg of_losses[] = {{"tolist", losses_tolist}, {"sum", losses_sum}, {"window", losses_window},
      {"changes", losses_changes}, {NULL, NULL}};
  static const luaL_Reg none[] = {{NULL, NULL}};
  er_new_class(L, CLASS, methods, meta);
  er_new_class(L, LOSSES, of_losses, none);
  luaL_newlib(L, functions);
  return 1;
}
