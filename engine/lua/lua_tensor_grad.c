/* lua_tensor_grad.c - gradients, recomputation, optimisers, randomness and memory from Lua. */

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "lua/tensor_face.h"

/* ---- backward --------------------------------------------------------------------------------------- */

static char running_key;         /* the coroutine that is inside backward: recomputation runs in it */

static int grad_backward(lua_State *L) {
  er_tensor *t = er_face_arg(L, 1), *dy = er_face_opt(L, 2);
  er_err err;
  int rc;
  lua_settop(L, 2);
  er_face_hold(L, t);                                        /* recomputation may end the scopes that they are in */
  if (dy != NULL) er_face_hold(L, dy);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);           /* a checkpoint's backward is inside another one */
  lua_pushthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
  rc = er_tensor_backward(t, dy, &err);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
  er_face_let_go(L, 3);
  return er_face_check(L, rc, &err);
}

static int grad_requires_grad_(lua_State *L) {
  er_err err;
  er_face_check(L, er_tensor_set_requires_grad(er_face_arg(L, 1), lua_isnone(L, 2) || lua_toboolean(L, 2), &err), &err);
  lua_settop(L, 1);
  return 1;
}

static int grad_is_leaf(lua_State *L) {
  lua_pushboolean(L, er_tensor_is_leaf(er_face_arg(L, 1)));
  return 1;
}

/* set_grad_enabled(on) -> what it was */
static int grad_set_enabled(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, er_tensors_set_grad(er_face_tensors(L), lua_toboolean(L, 1)));
  return 1;
}

static int grad_is_enabled(lua_State *L) {
  lua_pushboolean(L, er_tensors_grad(er_face_tensors(L)));
  return 1;
}

static int grad_keep(lua_State *L) {
  er_face_arg(L, 1);
  lua_settop(L, 1);
  return er_face_keep(L, 1);
}

/* ---- recomputation ------------------------------------------------------------------------------------ */

typedef struct { lua_State *L; int fn; } recompute;          /* L: the main coroutine, which lives as long as the state */

static lua_State *running(lua_State *L) {
  lua_State *now;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
  now = lua_tothread(L, -1);
  lua_pop(L, 1);
  return now != NULL ? now : L;
}

typedef struct { const recompute *r; er_tensor **xs, *y; int n; } request;

static int call_protected(lua_State *L) {
  request *q = lua_touserdata(L, 1);
  er_err err;
  er_tensor *y;
  luaL_checkstack(L, q->n + 4, "checkpoint");
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->r->fn);
  for (int i = 0; i < q->n; i++) er_face_push(L, er_tensor_ref(q->xs[i]), &err);
  lua_call(L, q->n, 1);
  if ((y = er_face_test(L, -1)) == NULL)
    return luaL_error(L, "checkpoint: the function must return one tensor, got %s", luaL_typename(L, -1));
  q->y = er_tensor_ref(y);
  return 0;
}

/* Nothing here may raise, not even the text of an error: the walk of a backward is waiting. */
static er_tensor *call_fn(lua_State *L, const recompute *r, er_tensor **xs, int n, er_err *err) {
  request q = {.r = r, .xs = xs, .n = n};
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 4)) {
    er_fail(err, "lua", "checkpoint: no room on Lua's stack");
    return NULL;
  }
  lua_pushcfunction(L, call_protected);
  lua_pushlightuserdata(L, &q);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    if (lua_type(L, -1) == LUA_TSTRING) er_fail(err, "lua", "%s", lua_tostring(L, -1));
    else er_fail(err, "lua", "checkpoint: the function raised a %s", luaL_typename(L, -1));
  }
  lua_settop(L, top);
  return q.y;
}

static er_tensor *run_fn(void *ud, er_tensor **xs, int n, er_err *err) {
  recompute *r = ud;
  return call_fn(running(r->L), r, xs, n, err);
}

static void free_fn(void *ud) {
  recompute *r = ud;
  luaL_unref(r->L, LUA_REGISTRYINDEX, r->fn);
  er_free(r);
}

static lua_State *main_of(lua_State *L) {
  lua_State *main;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

/* checkpoint(fn, x, ...) -> fn(x, ...): nothing inside is kept, backward computes it again */
static int grad_checkpoint(lua_State *L) {
  int n = lua_gettop(L) - 1;
  er_tensor *xs[16], *y;
  recompute *r;
  er_err err;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (n > 16) return luaL_error(L, "checkpoint: at most 16 inputs");
  luaL_checkstack(L, n + 8, "checkpoint");
  for (int i = 0; i < n; i++) xs[i] = er_face_arg(L, i + 2);
  for (int i = 0; i < n; i++) er_face_hold(L, xs[i]);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &running_key);
  lua_pushthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
  r = er_malloc(sizeof *r);
  lua_pushvalue(L, 1);
  *r = (recompute){main_of(L), luaL_ref(L, LUA_REGISTRYINDEX)};
  y = er_tensor_checkpoint(er_face_tensors(L), run_fn, free_fn, r, xs, n, &err);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &running_key);
  er_face_let_go(L, n + 2);
  return er_face_push(L, y, &err);
}

/* ---- optimisers ------------------------------------------------------------------------------------------ */

/* Lists of the same length: parameters, moments, and further state that may be absent. */
static er_state *states(lua_State *L, int *n, int lists) {
  er_tensor **p = er_face_list(L, 1, n);
  er_state *out = lua_newuserdatauv(L, ((size_t)*n + 1) * sizeof *out, 0);
  for (int i = 0; i < *n; i++) out[i] = (er_state){.p = p[i]};
  for (int list = 0; list < lists; list++) {
    int count;
    er_tensor **s;
    if (lua_isnoneornil(L, 2 + list)) continue;
    s = er_face_list(L, 2 + list, &count);
    if (count != *n) luaL_argerror(L, 2 + list, lua_pushfstring(L, "%d tensors of state for %d parameters", count, *n));
    for (int i = 0; i < *n; i++) {
      if (list == 0) out[i].m = s[i];
      else if (lists == 3 && list == 1) out[i].v = s[i];
      else out[i].master = s[i];
    }
  }
  return out;
}

/* adamw_step(params, m, v, master | nil, { lr, beta1, beta2, eps, weight_decay, step, grad_scale }) */
static int optim_adamw(lua_State *L) {
  static const char *const names[] = {"lr", "beta1", "beta2", "eps", "weight_decay", "step", "grad_scale", NULL};
  er_adamw h;
  er_err err;
  int n;
  double step;
  er_state *list;
  lua_settop(L, 5);
  er_face_options(L, 5, names);
  step = er_face_number(L, 5, "step", 1);
  h = (er_adamw){.lr = er_face_number(L, 5, "lr", 1e-3),
                 .beta1 = er_face_number(L, 5, "beta1", 0.9),
                 .beta2 = er_face_number(L, 5, "beta2", 0.999),
                 .eps = er_face_number(L, 5, "eps", 1e-8),
                 .decay = er_face_number(L, 5, "weight_decay", 0.01),
                 .grad_scale = er_face_number(L, 5, "grad_scale", 1)};
  if (!(step >= 1)) return luaL_argerror(L, 5, "steps count from 1");
  h.correction1 = 1 - pow(h.beta1, step);
  h.correction2 = 1 - pow(h.beta2, step);
  list = states(L, &n, 3);
  return er_face_check(L, er_tensor_adamw(list, n, &h, &err), &err);
}

/* sgd_step(params, m | nil, master | nil, { lr, momentum, dampening, weight_decay, nesterov, first, grad_scale }) */
static int optim_sgd(lua_State *L) {
  static const char *const names[] = {"lr", "momentum", "dampening", "weight_decay", "nesterov", "first",
      "grad_scale", NULL};
  er_sgd h;
  er_err err;
  int n;
  er_state *list;
  lua_settop(L, 4);
  er_face_options(L, 4, names);
  h = (er_sgd){.lr = er_face_number(L, 4, "lr", 1e-3),
               .momentum = er_face_number(L, 4, "momentum", 0),
               .dampening = er_face_number(L, 4, "dampening", 0),
               .decay = er_face_number(L, 4, "weight_decay", 0),
               .grad_scale = er_face_number(L, 4, "grad_scale", 1),
               .nesterov = er_face_bool(L, 4, "nesterov", false),
               .first = er_face_bool(L, 4, "first", false)};
  list = states(L, &n, 2);
  return er_face_check(L, er_tensor_sgd(list, n, &h, &err), &err);
}

static int steps_of(lua_State *L, int arg, int64_t steps) {
  luaL_argcheck(L, steps >= 0 && steps <= 100, arg, "0 to 100 steps");
  return (int)steps;
}

/* muon_step(params, m, master | nil, { lr, momentum, weight_decay, nesterov, steps, grad_scale }) */
static int optim_muon(lua_State *L) {
  static const char *const names[] = {"lr", "momentum", "weight_decay", "nesterov", "steps", "grad_scale", NULL};
  er_muon h;
  er_err err;
  int n;
  er_state *list;
  lua_settop(L, 4);
  er_face_options(L, 4, names);
  h = (er_muon){.lr = er_face_number(L, 4, "lr", 0.02),
                .momentum = er_face_number(L, 4, "momentum", 0.95),
                .decay = er_face_number(L, 4, "weight_decay", 0),
                .grad_scale = er_face_number(L, 4, "grad_scale", 1),
                .nesterov = er_face_bool(L, 4, "nesterov", true),
                .steps = steps_of(L, 4, er_face_whole(L, 4, "steps", 5))};
  list = states(L, &n, 2);
  return er_face_check(L, er_tensor_muon(list, n, &h, &err), &err);
}

static int optim_orthogonal(lua_State *L) {
  er_err err;
  int steps = steps_of(L, 2, luaL_optinteger(L, 2, 5));
  er_tensor *y = er_tensor_orthogonal(er_face_arg(L, 1), steps, &err);
  return er_face_push(L, y, &err);
}

static int optim_grad_norm(lua_State *L) {
  int n;
  er_tensor **list = er_face_list(L, 1, &n);
  double norm;
  er_err err;
  er_face_check(L, er_tensor_grad_norm(list, n, &norm, &err), &err);
  lua_pushnumber(L, norm);
  return 1;
}

/* clip_grad_norm_(params, max) -> the norm before; a norm that is no number scales nothing */
static int optim_clip(lua_State *L) {
  int n;
  er_tensor **list = er_face_list(L, 1, &n);
  double most = luaL_checknumber(L, 2), norm;
  er_err err;
  er_face_check(L, er_tensor_grad_norm(list, n, &norm, &err), &err);
  if (norm > most) er_face_check(L, er_tensor_scale_grads(list, n, most / (norm + 1e-6), &err), &err);
  lua_pushnumber(L, norm);
  return 1;
}

static int optim_zero_grad(lua_State *L) {
  int n;
  er_tensor **list = er_face_list(L, 1, &n);
  er_err err;
  for (int i = 0; i < n; i++) er_face_check(L, er_tensor_set_grad(list[i], NULL, &err), &err);
  return 0;
}

/* ---- randomness, threads, memory ----------------------------------------------------------------------------- */

static int rng_manual_seed(lua_State *L) {
  er_tensors_set_random(er_face_tensors(L), (er_key){(uint64_t)luaL_checkinteger(L, 1), 0});
  return 0;
}

/* get_rng_state() -> seed, call: the whole state */
static int rng_get(lua_State *L) {
  er_key k = er_tensors_random(er_face_tensors(L));
  lua_pushinteger(L, (lua_Integer)k.seed);
  lua_pushinteger(L, (lua_Integer)k.call);
  return 2;
}

static int rng_set(lua_State *L) {
  er_key k = {(uint64_t)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2)};
  er_tensors_set_random(er_face_tensors(L), k);
  return 0;
}

/* threads() -> how many; threads(n) sets it */
static int engine_threads(lua_State *L) {
  er_pool *p = er_tensors_pool(er_face_tensors(L));
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= 1024, 1, "1 to 1024 threads");
    er_pool_set_threads(p, (int)n);
  }
  lua_pushinteger(L, er_pool_threads(p));
  return 1;
}

static void set_bytes(lua_State *L, const char *name, int64_t n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

static int engine_memory(lua_State *L) {
  er_tensors_memory m = er_tensors_memory_of(er_face_tensors(L));
  lua_createtable(L, 0, 4);
  set_bytes(L, "live", m.live);
  set_bytes(L, "cached", m.cached);
  set_bytes(L, "peak", m.peak);
  set_bytes(L, "tensors", m.tensors);
  return 1;
}

static int engine_trim(lua_State *L) {
  er_tensors_trim(er_face_tensors(L));
  return 0;
}

/* backend() -> "avx2", "oneDNN 2 (f32)": the kernels, and who multiplies large matrices */
static int engine_backend(lua_State *L) {
  er_tensors *ts = er_face_tensors(L);
  lua_pushstring(L, er_tensors_backend(ts)->name);
  lua_pushstring(L, er_tensors_gemm(ts));
  return 2;
}

void er_face_add_grad(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"backward", grad_backward}, {"requires_grad_", grad_requires_grad_}, {"is_leaf", grad_is_leaf},
    {"set_grad_enabled", grad_set_enabled}, {"is_grad_enabled", grad_is_enabled}, {"keep", grad_keep},
    {"checkpoint", grad_checkpoint}, {"adamw_step", optim_adamw}, {"sgd_step", optim_sgd}, {"muon_step", optim_muon},
    {"orthogonal", optim_orthogonal}, {"grad_norm", optim_grad_norm}, {"clip_grad_norm_", optim_clip},
    {"zero_grad", optim_zero_grad}, {"manual_seed", rng_manual_seed}, {"get_rng_state", rng_get},
    {"set_rng_state", rng_set}, {"threads", engine_threads}, {"memory", engine_memory}, {"trim", engine_trim},
    {"backend", engine_backend}, {NULL, NULL}
  };
  luaL_setfuncs(L, functions, 0);
}
