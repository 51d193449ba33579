/* det.c - pairs, next, tostring, print, format, sort and random numbers that
 * come out the same in every run (DESIGN: "The same Lua twice"). */

#include "lua/det.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/host.h"

/* ---- the order of keys --------------------------------------------------------- */

enum { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_OBJECT, RANK_OTHER };

typedef struct {
  int rank, index;               /* index: where it was found, the last resort */
  double number;
  long long integer;             /* numbers without a fraction, booleans, ids of objects */
  bool is_integer;
  const char *s;
  size_t len;
} sort_key;

/* erlua's own objects name their id by a metafield: __id = function(o) -> integer. */
static bool object_id(lua_State *L, int idx, long long *id) {
  if (luaL_getmetafield(L, idx, "__id") == LUA_TNIL) return false;
  lua_pushvalue(L, idx);
  lua_call(L, 1, 1);
  *id = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return true;
}

static sort_key key_at(lua_State *L, int idx, int found) {
  sort_key k = {.rank = RANK_OTHER, .index = found};
  switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
      k.rank = RANK_NUMBER;
      k.is_integer = lua_isinteger(L, idx);
      k.integer = k.is_integer ? lua_tointeger(L, idx) : 0;
      k.number = lua_tonumber(L, idx);
      break;
    case LUA_TSTRING: k.rank = RANK_STRING; k.s = lua_tolstring(L, idx, &k.len); break;
    case LUA_TBOOLEAN: k.rank = RANK_BOOLEAN; k.integer = lua_toboolean(L, idx); break;
    default:
      if (object_id(L, lua_absindex(L, idx), &k.integer)) k.rank = RANK_OBJECT;
  }
  return k;
}

static int by_key(const void *pa, const void *pb) {
  const sort_key *a = pa, *b = pb;
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  if (a->rank == RANK_STRING) {
    int c = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    return c != 0 ? c : a->len < b->len ? -1 : a->len > b->len;
  }
  if (a->rank == RANK_NUMBER && !(a->is_integer && b->is_integer) && a->number != b->number)
    return a->number < b->number ? -1 : 1;
  if (a->rank != RANK_OTHER && a->integer != b->integer) return a->integer < b->integer ? -1 : 1;
  return a->index - b->index;
}

/* Pushes an array of t's keys in order and returns their number; for a plain
 * sequence pushes nil instead, since 1..n needs no list. */
static int push_keys(lua_State *L, int t) {
  sort_key *ks;
  int n = 0, others = 0, list, sorted;
  bool sequence = true;
  lua_newtable(L);
  list = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, t); ) {
    lua_pop(L, 1);
    n++;
    if (sequence && !(lua_isinteger(L, -1) && lua_tointeger(L, -1) == n)) sequence = false;
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, n);
  }
  if (sequence) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return n;
  }
  ks = lua_newuserdatauv(L, (size_t)n * sizeof *ks, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, list, i + 1);
    ks[i] = key_at(L, -1, i);
    others += ks[i].rank == RANK_OTHER;
    lua_pop(L, 1);                            /* strings stay alive as the table's keys */
  }
  if (others > 1 && er_host_of(L)->mode != ER_JOURNAL_OFF)
    return luaL_error(L, "pairs: %d keys are tables or functions, which have no order that repeats when the study is "
                         "resumed; use numbers or strings as keys, or an array", others);
  qsort(ks, (size_t)n, sizeof *ks, by_key);
  lua_createtable(L, n, 0);
  sorted = lua_gettop(L);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, list, ks[i].index + 1);
    lua_rawseti(L, sorted, i + 1);
  }
  lua_replace(L, list);
  lua_settop(L, list);
  return n;
}

/* ---- pairs and next --------------------------------------------------------------- */

/* upvalues: the keys (or nil), the last position, their number */
static int pairs_step(lua_State *L) {
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2)), n = lua_tointeger(L, lua_upvalueindex(3));
  bool sequence = lua_isnil(L, lua_upvalueindex(1));
  lua_settop(L, 1);
  while (i++ < n) {
    if (sequence) lua_pushinteger(L, i);
    else lua_rawgeti(L, lua_upvalueindex(1), i);
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);
    if (lua_isnil(L, -1)) { lua_settop(L, 1); continue; }
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
  }
  lua_pushnil(L);
  return 1;
}

static int pairs_k(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 3;
}

static int det_pairs(lua_State *L) {
  int n;
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, pairs_k);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  n = push_keys(L, 1);
  lua_pushinteger(L, 0);
  lua_pushinteger(L, n);
  lua_pushcclosure(L, pairs_step, 3);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* The first key in order, without sorting: for `next(t) == nil`. */
static int first_key(lua_State *L) {
  sort_key best = {0};
  bool any = false;
  int n = 0;
  lua_settop(L, 1);
  lua_pushnil(L);                              /* 2: the best so far */
  for (lua_pushnil(L); lua_next(L, 1); ) {
    lua_pop(L, 1);
    sort_key k = key_at(L, -1, n++);
    if (!any || by_key(&k, &best) < 0) {
      any = true;
      best = k;
      lua_pushvalue(L, -1);
      lua_replace(L, 2);
    }
  }
  if (!any) return 1;
  lua_pushvalue(L, 2);
  lua_rawget(L, 1);
  return 2;
}

/* det_next keeps the last table's keys from one call to the next.  upvalues: */
enum { NEXT_TABLE = 1, NEXT_KEYS, NEXT_AT, NEXT_COUNT };

static void push_kept_key(lua_State *L, lua_Integer i) {
  if (lua_isnil(L, lua_upvalueindex(NEXT_KEYS))) lua_pushinteger(L, i);
  else lua_rawgeti(L, lua_upvalueindex(NEXT_KEYS), i);
}

static bool kept_key_is(lua_State *L, lua_Integer i, int key) {
  push_kept_key(L, i);
  bool same = lua_rawequal(L, -1, key);
  lua_pop(L, 1);
  return same;
}

static void keep_keys(lua_State *L) {
  int n = push_keys(L, 1);
  lua_replace(L, lua_upvalueindex(NEXT_KEYS));
  lua_pushvalue(L, 1);
  lua_replace(L, lua_upvalueindex(NEXT_TABLE));
  lua_pushinteger(L, 0);
  lua_replace(L, lua_upvalueindex(NEXT_AT));
  lua_pushinteger(L, n);
  lua_replace(L, lua_upvalueindex(NEXT_COUNT));
}

/* How many of the kept keys come before one that was cleared since: a traversal
 * may clear what it visits. */
static lua_Integer place_before(lua_State *L, int key) {
  sort_key k = key_at(L, key, 0);
  lua_Integer low = 0, high = lua_tointeger(L, lua_upvalueindex(NEXT_COUNT));
  if (k.rank == RANK_OTHER) return -1;
  while (low < high) {
    lua_Integer mid = (low + high) / 2;
    push_kept_key(L, mid + 1);
    sort_key m = key_at(L, -1, 0);
    lua_pop(L, 1);
    if (by_key(&m, &k) < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

/* Where the key stands in the kept list: usually one further than last time. */
static lua_Integer place_of(lua_State *L, int key) {
  lua_Integer n = lua_tointeger(L, lua_upvalueindex(NEXT_COUNT)), i = lua_tointeger(L, lua_upvalueindex(NEXT_AT));
  for (lua_Integer near = i; near <= i + 1; near++)
    if (near >= 1 && near <= n && kept_key_is(L, near, key)) return near;
  for (i = 1; i <= n; i++)
    if (kept_key_is(L, i, key)) return i;
  return 0;
}

static int det_next(lua_State *L) {
  lua_Integer i, n;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) return first_key(L);
  if (!lua_rawequal(L, 1, lua_upvalueindex(NEXT_TABLE))) keep_keys(L);
  i = place_of(L, 2);
  if (i == 0) {
    keep_keys(L);
    i = place_of(L, 2);
    if (i == 0) i = place_before(L, 2);
    if (i < 0) return luaL_error(L, "next: the key is not in the table");
  }
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(NEXT_AT));
  for (n = lua_tointeger(L, lua_upvalueindex(NEXT_COUNT)); ++i <= n; lua_pop(L, 2)) {
    push_kept_key(L, i);
    lua_pushvalue(L, -1);
    lua_rawget(L, 1);
    if (!lua_isnil(L, -1)) return 2;
  }
  lua_pushnil(L);
  lua_replace(L, lua_upvalueindex(NEXT_TABLE));    /* let the table go */
  lua_pushnil(L);
  return 1;
}

/* ---- text without addresses --------------------------------------------------------- */

static void push_text(lua_State *L, int idx) {
  luaL_Stream *file = luaL_testudata(L, idx, LUA_FILEHANDLE);
  if (file != NULL) {
    lua_pushstring(L, file->closef != NULL ? "file" : "file (closed)");
    return;
  }
  idx = lua_absindex(L, idx);
  switch (lua_type(L, idx)) {
    case LUA_TTABLE: case LUA_TFUNCTION: case LUA_TUSERDATA: case LUA_TLIGHTUSERDATA: case LUA_TTHREAD:
      if (luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL) { lua_pop(L, 1); break; }
      if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) return;
      lua_pushstring(L, luaL_typename(L, idx));
      return;
    default: break;
  }
  luaL_tolstring(L, idx, NULL);
}

static int det_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  push_text(L, 1);
  return 1;
}

/* What a script prints while it is replayed was printed the first time. */
static bool silent(lua_State *L) { return er_host_of(L)->mode == ER_JOURNAL_REPLAY; }

static int det_print(lua_State *L) {
  int n = lua_gettop(L);
  if (silent(L)) return 0;
  er_host_clear_status(er_host_of(L));
  for (int i = 1; i <= n; i++) {
    size_t len;
    push_text(L, i);
    const char *s = lua_tolstring(L, -1, &len);
    if (i > 1) fputc('\t', stdout);
    fwrite(s, 1, len, stdout);
    lua_pop(L, 1);
  }
  fputc('\n', stdout);
  fflush(stdout);
  return 0;
}

/* upvalue: string.format */
static int det_format(lua_State *L) {
  const char *f = luaL_checkstring(L, 1);
  for (const char *p = strchr(f, '%'); p != NULL; p = strchr(p + 1, '%')) {
    if (p[1] == '%') { p++; continue; }
    if (p[1 + strspn(p + 1, "-+ #0123456789.")] == 'p')
      return luaL_error(L, "string.format: %%p shows an address, which differs from run to run");
  }
  for (int i = 2; i <= lua_gettop(L); i++) {
    int type = lua_type(L, i);
    if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TTHREAD) {
      push_text(L, i);
      lua_replace(L, i);
    }
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* ---- a stable sort --------------------------------------------------------------------- */

/* Is the value at stack index b strictly before the one at a? */
static bool before(lua_State *L, int b, int a, bool has_fn) {
  bool yes;
  if (!has_fn) return lua_compare(L, b, a, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, b - (b < 0 ? 1 : 0));
  lua_pushvalue(L, a - (a < 0 ? 2 : 0));
  lua_call(L, 2, 1);
  yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

/* Merges [lo,mid) and [mid,hi) of table `from` into table `to`, ties to the left. */
static void merge(lua_State *L, int from, int to, lua_Integer lo, lua_Integer mid, lua_Integer hi, bool has_fn) {
  lua_Integer i = lo, j = mid;
  for (lua_Integer k = lo; k < hi; k++) {
    bool right = i >= mid;
    if (i < mid && j < hi) {
      lua_rawgeti(L, from, i);
      lua_rawgeti(L, from, j);
      right = before(L, lua_gettop(L), lua_gettop(L) - 1, has_fn);
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, right ? j++ : i++);
    lua_rawseti(L, to, k);
  }
}

static int det_sort(lua_State *L) {
  lua_Integer n, width;
  bool has_fn;
  int from = 3, to = 4;
  luaL_checktype(L, 1, LUA_TTABLE);
  has_fn = !lua_isnoneornil(L, 2);
  if (has_fn) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  n = luaL_len(L, 1);
  luaL_argcheck(L, n < 1 << 30, 1, "array too big");
  lua_createtable(L, (int)n, 0);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, 1, i);
    lua_rawseti(L, from, i);
  }
  for (width = 1; width < n; width *= 2) {
    for (lua_Integer lo = 1; lo <= n; lo += 2 * width) {
      lua_Integer mid = lo + width < n + 1 ? lo + width : n + 1;
      lua_Integer hi = lo + 2 * width < n + 1 ? lo + 2 * width : n + 1;
      merge(L, from, to, lo, mid, hi, has_fn);
    }
    from = 7 - from;
    to = 7 - to;
  }
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, from, i);
    lua_seti(L, 1, i);
  }
  return 0;
}

/* ---- random numbers ---------------------------------------------------------------------- */

static er_rng *generator(lua_State *L) {
  er_host *h = er_host_of(L);
  static er_rng none;                          /* outside any task: module loading before main */
  if (h->current != NULL) return er_task_rng(h->current);
  if (none.s[0] == 0) er_rng_seed(&none, h->seed, "");
  return &none;
}

static int det_random(lua_State *L) {
  er_rng *r = generator(L);
  lua_Integer lo = 1, hi;
  switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, er_rng_unit(r)); return 1;
    case 1: hi = luaL_checkinteger(L, 1);
      if (hi == 0) { lua_pushinteger(L, (lua_Integer)er_rng_next(r)); return 1; }
      break;
    default: lo = luaL_checkinteger(L, 1); hi = luaL_checkinteger(L, 2);
  }
  luaL_argcheck(L, lo <= hi, lua_gettop(L), "interval is empty");
  lua_pushinteger(L, (lua_Integer)((uint64_t)lo + er_rng_below(r, (uint64_t)hi - (uint64_t)lo + 1)));
  return 1;
}

static int det_randomseed(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_Integer seed = lua_isnoneornil(L, 1) ? h->seed : (lua_Integer)luaL_checknumber(L, 1);
  er_rng_seed(generator(L), seed, h->current != NULL ? h->current->path : "");
  return 0;
}

/* ---- opening ------------------------------------------------------------------------------- */

static void set_field(lua_State *L, const char *table, const char *name, lua_CFunction f, int upvalues) {
  lua_pushcclosure(L, f, upvalues);
  lua_getglobal(L, table);
  lua_insert(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void er_det_open(lua_State *L) {
  lua_register(L, "pairs", det_pairs);
  for (int i = 0; i < 4; i++) lua_pushnil(L);
  lua_pushcclosure(L, det_next, 4);
  lua_setglobal(L, "next");
  lua_register(L, "tostring", det_tostring);
  lua_register(L, "print", det_print);
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_remove(L, -2);
  set_field(L, "string", "format", det_format, 1);
  set_field(L, "table", "sort", det_sort, 0);
  set_field(L, "math", "random", det_random, 0);
  set_field(L, "math", "randomseed", det_randomseed, 0);
}

int er_det_setmetatable(lua_State *L) {
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "setmetatable: there are no finalizers (__gc) here");
    lua_pop(L, 1);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}
