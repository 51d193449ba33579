/* restricted.c - a Lua state for an idea's model: its life, its bounds, what crosses. */

#include "lua/restricted.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "lua/host.h"
#include "lua/tensor_face.h"

enum { HOOK_EVERY = 100 };

/* Seconds between two looks at the CPU clock, which costs a system call. */
static const double LOOK_EVERY = 0.004;

typedef struct { char name[ER_RESTRICTED_NAME + 1]; int64_t numbers, text; } loaded_file;

struct er_restricted {
  lua_State *L;
  size_t used, max;              /* bytes of Lua's heap */
  double spent, most;            /* CPU seconds: up to the last call, and the bound */
  double began;                  /* of the running call */
  double looked;                 /* when the CPU clock was read last, by a clock that costs nothing */
  bool running;                  /* is what runs now the idea's? */
  int folder, files;
  loaded_file file[ER_RESTRICTED_FILES];
  er_rng rng;
};

static char model_key;           /* the chunk's table in the registry */

/* ---- memory and time ---------------------------------------------------------------------------- */

static void *bounded_alloc(void *ud, void *p, size_t old, size_t n) {
  er_restricted *r = ud;
  void *q;
  if (p == NULL) old = 0;
  if (n == 0) {
    r->used -= old;
    free(p);
    return NULL;
  }
  if (n > old && r->used - old + n > r->max) return NULL;
  if ((q = realloc(p, n)) != NULL) r->used = r->used - old + n;
  return q;
}

er_restricted *er_restricted_of(lua_State *L) {
  void *r;
  lua_getallocf(L, &r);
  return r;
}

static double cpu(void) { return er_clock_read(CLOCK_PROCESS_CPUTIME_ID); }
static bool is_over(const er_restricted *r) { return r->spent + cpu() - r->began > r->most; }

static int raise_over(lua_State *L) {
  return luaL_error(L, "the model used more than the %f seconds of CPU time that it has for the whole evaluation",
                    er_restricted_of(L)->most);
}

int er_restricted_over(lua_State *L) { return is_over(er_restricted_of(L)) ? raise_over(L) : 0; }

static bool is_over_now(void *ud) {
  er_restricted *r = ud;
  double now = er_clock_read(CLOCK_MONOTONIC_COARSE);
  if (!r->running || now - r->looked < LOOK_EVERY) return false;
  if (is_over(r)) return true;                 /* and stays so: looked at again each time */
  r->looked = now;
  return false;
}

static void look_at_clock(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (is_over_now(er_restricted_of(L))) raise_over(L);
}

void er_restricted_watch(er_restricted *r, er_pool *pool, const er_restricted_options *opt) {
  er_pool_set_watch(pool, is_over_now, r);
  er_pool_set_most(pool, (size_t)opt->tensors);
}

/* ---- calls into the state ------------------------------------------------------------------------ */

/* What the error on top says, without running any of its metamethods and without Lua's memory. */
static int failed(er_restricted *r, int status, er_err *err) {
  lua_State *L = r->L;
  const char *code = status == LUA_ERRMEM ? "memory" : is_over(r) ? "time" : "error";
  int type = lua_type(L, -1);
  if (status == LUA_ERRMEM) er_fail(err, code, "the model needs more than %zu MB of Lua's memory", r->max >> 20);
  else if (type == LUA_TSTRING) er_fail(err, code, "%s", lua_tostring(L, -1));
  else if (type == LUA_TNUMBER) er_fail(err, code, "%.14g", lua_tonumber(L, -1));
  else er_fail(err, code, "an error that is no text but a %s", lua_typename(L, type));
  return -1;
}

/* Calls fn(request) protected and on the clock.  What it left on the stack stays until `settle`. */
static int run(er_restricted *r, lua_CFunction fn, void *request, er_err *err) {
  int status, rc = 0;
  r->began = cpu();
  r->running = true;
  lua_pushcfunction(r->L, fn);
  lua_pushlightuserdata(r->L, request);
  status = lua_pcall(r->L, 1, 1, 0);
  r->running = false;
  if (status != LUA_OK) rc = failed(r, status, err);
  else if (is_over(r)) rc = er_fail(err, "time", "the model used more than the %g seconds of CPU time that it has",
                                    r->most);
  r->spent += cpu() - r->began;
  return rc;
}

/* What is dead goes now, so that memory is the same after each call. */
static int settle(er_restricted *r, int rc) {
  lua_settop(r->L, 0);
  r->began = cpu();
  lua_gc(r->L, LUA_GCCOLLECT);
  r->spent += cpu() - r->began;
  return rc;
}

typedef struct { const er_restricted_options *opt; bool loaded; } opening;

static int run_chunk(lua_State *L) {
  opening *o = lua_touserdata(L, 1);
  er_restricted_open_libs(L, o->opt);
  if (o->opt->len > ER_RESTRICTED_SOURCE)
    return luaL_error(L, "%s has more than %d bytes", o->opt->name + (*o->opt->name == '@'), (int)ER_RESTRICTED_SOURCE);
  if (luaL_loadbufferx(L, o->opt->source, o->opt->len, o->opt->name, "t") != LUA_OK) return lua_error(L);
  o->loaded = true;
  lua_sethook(L, look_at_clock, LUA_MASKCOUNT | LUA_MASKCALL, HOOK_EVERY);
  lua_call(L, 0, 1);
  if (!lua_istable(L, -1))
    return luaL_error(L, "%s must return a table with load and logits, not a %s", o->opt->name + (*o->opt->name == '@'),
                      luaL_typename(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &model_key);
  return 0;
}

er_restricted *er_restricted_open(const er_restricted_options *opt, er_err *err) {
  er_restricted *r = er_calloc(1, sizeof *r);
  opening o = {.opt = opt};
  r->max = opt->memory;
  r->most = opt->seconds;
  r->folder = opt->folder;
  er_restricted_reseed(r, opt->seed);
  if ((r->L = lua_newstate(bounded_alloc, r)) == NULL) {
    er_free(r);
    er_fail(err, "memory", "%zu bytes are too few for a Lua state", opt->memory);
    return NULL;
  }
  *(er_host **)lua_getextraspace(r->L) = opt->host;      /* for the repeatable forms of pairs and its like */
  if (settle(r, run(r, run_chunk, &o, err)) == 0) return r;
  if (!o.loaded && strcmp(err->code, "error") == 0) memcpy(err->code, "syntax", sizeof "syntax");
  er_restricted_close(r);
  return NULL;
}

void er_restricted_close(er_restricted *r) {
  if (r == NULL) return;
  lua_close(r->L);
  er_free(r);
}

/* Pushes a function of the model's table; metamethods of that table are not asked. */
static void push_function(lua_State *L, const char *name) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &model_key);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  if (!lua_isfunction(L, -1))
    luaL_error(L, "the model has no function '%s' (it is a %s)", name, luaL_typename(L, -1));
}

typedef struct { const char *name, *text; } call_request;

static int run_call(lua_State *L) {
  call_request *c = lua_touserdata(L, 1);
  push_function(L, c->name);
  lua_pushstring(L, c->text);
  lua_call(L, 1, 2);
  if (!lua_toboolean(L, -2) && lua_type(L, -1) == LUA_TSTRING) return lua_error(L);
  return 0;
}

int er_restricted_call(er_restricted *r, const char *name, const char *text, er_err *err) {
  return settle(r, run(r, run_call, &(call_request){name, text}, err));
}

er_restricted_usage er_restricted_used(const er_restricted *r) {
  er_restricted_usage u = {.seconds = r->spent};
  for (int i = 0; i < r->files; i++) {
    u.numbers += r->file[i].numbers;
    u.text += r->file[i].text;
  }
  return u;
}

/* ---- logits ------------------------------------------------------------------------------------------ */

typedef struct { const int32_t *ids; int64_t b, t; } batch;

/* Gradients are off unless the idea turns them on, in each call anew. */
static int run_logits(lua_State *L) {
  batch *q = lua_touserdata(L, 1);
  er_tensors *ts = er_face_tensors(L);
  er_err err;
  er_tensors_set_grad(ts, false);
  push_function(L, "logits");
  er_face_push(L, er_tensor_from(ts, ER_I32, 2, (int64_t[]){q->b, q->t}, q->ids, &err), &err);
  lua_call(L, 1, 1);
  er_face_test(L, -1);                                   /* raises if it was freed */
  return 1;
}

static int bad_shape(er_tensor *y, const int64_t *want, er_err *err) {
  er_buf text = {0};
  er_tensor_describe(&text, y);
  er_fail(err, "shape", "logits must be f32 or bf16 of exactly (%lld, %lld, %lld), got %s", (long long)want[0],
          (long long)want[1], (long long)want[2], er_buf_cstr(&text));
  er_buf_free(&text);
  return -1;
}

/* What the model gives for the ids, if it is of that shape.  It is the model's, and stays until `settle`. */
static er_tensor *ask(er_restricted *r, const int32_t *ids, const int64_t *size, er_err *err) {
  const er_view *v;
  er_tensor *y;
  if (run(r, run_logits, &(batch){ids, size[0], size[1]}, err) < 0) return NULL;
  if ((y = er_face_test(r->L, -1)) == NULL) {
    er_fail(err, "shape", "logits must return one tensor, got a %s", luaL_typename(r->L, -1));
    return NULL;
  }
  v = er_tensor_view_of(y);
  if ((v->dtype == ER_F32 || v->dtype == ER_BF16) && v->nd == 3 && memcmp(v->size, size, 3 * sizeof *size) == 0) return y;
  bad_shape(y, size, err);
  return NULL;
}

/* Says where in the row of y that begins at `at` the first number is that is not finite. */
static int bad_number(const er_tensor *y, int64_t *at, er_err *err) {
  double v;
  while (isfinite(v = er_tensor_get(y, at))) at[2]++;
  return er_fail(err, "value", "the logits hold %s (window %lld, position %lld, column %lld); to rule a token out "
                 "use a large negative number", isnan(v) ? "a NaN" : "an infinity", (long long)at[0] + 1,
                 (long long)at[1] + 1, (long long)at[2] + 1);
}

/* Copies the elements of y, whose shape is known to be `size`, and refuses what is not finite. */
static int read_numbers(const er_tensor *y, const int64_t *size, float *out, er_err *err) {
  const float *p = er_tensor_view_of(y)->data;
  for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
    if (!isfinite(p[i])) return bad_number(y, (int64_t[]){i / size[2] / size[1], i / size[2] % size[1], 0}, err);
    out[i] = p[i];
  }
  return 0;
}

static int take(er_tensor *y, const int64_t *size, float *out, er_err *err) {
  er_tensor *wide, *packed;
  int rc;
  er_tensors_set_grad(er_tensor_home(y), false);
  if ((wide = er_tensor_to(y, ER_F32, err)) == NULL) return -1;
  packed = er_tensor_contiguous_of(wide, err);
  er_tensor_unref(wide);
  if (packed == NULL) return -1;
  rc = er_tensors_broken(er_tensor_home(y), "logits", err) ? -1 : read_numbers(packed, size, out, err);
  er_tensor_unref(packed);
  return rc;
}

int er_restricted_logits(er_restricted *r, const int32_t *ids, const int64_t *size, float *out, er_err *err) {
  er_tensor *y = ask(r, ids, size, err);
  return settle(r, y != NULL ? take(y, size, out, err) : -1);
}

static int read_losses(er_tensors *by, const er_tensor *y, const int32_t *targets, const int64_t *size, double *nats,
                       er_err *err) {
  if (er_tensor_nats(by, er_tensor_view_of(y), targets, nats, err) < 0) return -1;
  for (int64_t i = 0; i < size[0] * size[1]; i++)
    if (isnan(nats[i])) return bad_number(y, (int64_t[]){i / size[1], i % size[1], 0}, err);
  return 0;
}

int er_restricted_losses(er_restricted *r, er_tensors *by, const int32_t *ids, const int32_t *targets,
                         const int64_t *size, double *nats, er_err *err) {
  er_tensor *y = ask(r, ids, size, err);
  return settle(r, y != NULL ? read_losses(by, y, targets, size, nats, err) : -1);
}

/* ---- what the libraries ask ----------------------------------------------------------------------------- */

int er_restricted_folder(const er_restricted *r) { return r->folder; }
uint64_t er_restricted_random(er_restricted *r) { return er_rng_next(&r->rng); }
void er_restricted_reseed(er_restricted *r, int64_t seed) { er_rng_seed(&r->rng, seed, "restricted"); }

/* A file that is loaded again counts once, as the largest that it was. */
int er_restricted_loaded(er_restricted *r, const char *name, int64_t numbers, int64_t text) {
  int i = 0;
  while (i < r->files && strcmp(r->file[i].name, name) != 0) i++;
  if (i == ER_RESTRICTED_FILES || strlen(name) > ER_RESTRICTED_NAME) return -1;
  if (i == r->files) strcpy(r->file[r->files++].name, name);
  if (numbers > r->file[i].numbers) r->file[i].numbers = numbers;
  if (text > r->file[i].text) r->file[i].text = text;
  return 0;
}
