/* lua_study.c - erlua.core.study: a study's file for the Lua half: open, lock,
 * attach to the journal, put rows, read by name. */

#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "lua/fail.h"
#include "lua/host.h"
#include "lua/modules.h"

#define STORE "erlua.store"

enum { MAX_VALUES = 32 };

typedef struct { er_store *s; bool attached; } store_box;

static store_box *check_box(lua_State *L, int idx) {
  store_box *b = luaL_checkudata(L, idx, STORE);
  if (b->s == NULL) luaL_error(L, "attempt to use a closed store");
  return b;
}

/* ---- values ---------------------------------------------------------------------------- */

static er_value value_at(lua_State *L, int idx) {
  er_value v = {0};
  switch (lua_type(L, idx)) {
    case LUA_TNONE: case LUA_TNIL: break;
    case LUA_TBOOLEAN: v.type = ER_INT; v.i = lua_toboolean(L, idx); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, idx)) { v.type = ER_INT; v.i = lua_tointeger(L, idx); }
      else { v.type = ER_REAL; v.r = lua_tonumber(L, idx); }
      break;
    case LUA_TSTRING: v.type = ER_TEXT; v.s = lua_tolstring(L, idx, &v.len); break;
    case LUA_TLIGHTUSERDATA: break;            /* null */
    default: luaL_error(L, "a study's tables hold no %s", luaL_typename(L, idx));
  }
  return v;
}

static void push_value(lua_State *L, const er_value *v) {
  switch (v->type) {
    case ER_NULL: lua_pushnil(L); break;
    case ER_INT: lua_pushinteger(L, v->i); break;
    case ER_REAL: lua_pushnumber(L, v->r); break;
    default: lua_pushlstring(L, v->s, v->len);
  }
}

/* Columns of type BLOB and REAL want their values as such. */
static void shape(const char *col, er_value *v) {
  static const char *const reals[] = {"reward",  "wall_s", "cpu_s",    "value", "step",
                                      "created", "time",   "baseline", NULL};
  if (v->type == ER_TEXT && strcmp(col, "bytes") == 0) v->type = ER_BLOB;
  for (const char *const *r = reals; *r != NULL && v->type == ER_INT; r++)
    if (strcmp(col, *r) == 0) { v->type = ER_REAL; v->r = (double)v->i; }
}

/* Reads {column = value} at idx, columns in byte order, so that one set of columns
 * is one prepared statement. */
static size_t read_row(lua_State *L, int idx, const char **cols, er_value *vals) {
  size_t n = 0;
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    size_t i;
    er_value v = value_at(L, -1);
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    if (name == NULL) return (size_t)luaL_error(L, "a row is a table of column = value");
    if (n == MAX_VALUES) return (size_t)luaL_error(L, "a row has more than %d columns", MAX_VALUES);
    shape(name, &v);
    for (i = n; i > 0 && strcmp(cols[i - 1], name) > 0; i--) {
      cols[i] = cols[i - 1];
      vals[i] = vals[i - 1];
    }
    cols[i] = name;
    vals[i] = v;
    n++;
    lua_pop(L, 1);                              /* the table still holds the string */
  }
  return n;
}

/* ---- stores -------------------------------------------------------------------------------- */

static int study_open(lua_State *L) {
  static const char *const modes[] = {"read", "write", "create", NULL};
  const char *path = luaL_checkstring(L, 1);
  int mode = luaL_checkoption(L, 2, "read", modes);
  store_box *b = lua_newuserdatauv(L, sizeof *b, 0);
  er_err err;
  *b = (store_box){0};
  luaL_setmetatable(L, STORE);
  if (er_store_open(&b->s, path, (er_store_mode)mode, &err) < 0) return er_fail_push(L, &err);
  return 1;
}

static int store_close(lua_State *L) {
  store_box *b = luaL_checkudata(L, 1, STORE);
  if (b->s != NULL && !b->attached) er_store_close(b->s);
  b->s = NULL;
  return 0;
}

typedef struct { lua_State *L; int list; lua_Integer n; } row_sink;

static int take_row(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  row_sink *k = ud;
  lua_createtable(k->L, 0, (int)n);
  for (size_t i = 0; i < n; i++) {
    push_value(k->L, &vals[i]);
    lua_setfield(k->L, -2, cols[i]);
  }
  lua_rawseti(k->L, k->list, ++k->n);
  return 0;
}

/* The stack holds a store, a query's name, its arguments, and `tables` tables on
 * top that the rows go into. */
ER_LJMP static int run_query(lua_State *L, int tables, er_row_fn take, void *sink) {
  store_box *b = check_box(L, 1);
  const char *name = luaL_checkstring(L, 2);
  er_value args[MAX_VALUES];
  int n = lua_gettop(L) - 2 - tables;
  er_err err;
  luaL_argcheck(L, n <= MAX_VALUES, 3, "too many arguments");
  for (int i = 0; i < n; i++) args[i] = value_at(L, i + 3);
  if (er_store_query(b->s, name, (size_t)n, args, take, sink, &err) < 0) return er_fail_push(L, &err);
  return tables;
}

/* store:query(name, ...) -> { {column = value}, ... } | nil, message, code */
static int store_query(lua_State *L) {
  lua_newtable(L);
  row_sink k = {L, lua_gettop(L), 0};
  return run_query(L, 1, take_row, &k);
}

typedef struct { lua_State *L; lua_Integer n; } column_sink;

static int take_pair(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  column_sink *k = ud;
  (void)cols;
  k->n++;
  for (size_t i = 0; i < 2 && i < n; i++) {
    push_value(k->L, &vals[i]);
    lua_rawseti(k->L, -3 + (int)i, k->n);
  }
  return 0;
}

/* store:columns(name, ...) -> the first two columns as two arrays: for long lists */
static int store_columns(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  column_sink k = {L, 0};
  return run_query(L, 2, take_pair, &k);
}

static int store_dump(lua_State *L) {
  store_box *b = check_box(L, 1);
  er_buf out = {0};
  er_err err;
  if (er_store_dump(b->s, &out, &err) < 0) {
    er_buf_free(&out);
    return er_fail_push(L, &err);
  }
  lua_pushlstring(L, er_buf_cstr(&out), out.len);
  er_buf_free(&out);
  return 1;
}

static int store_check(lua_State *L) {
  er_err err;
  if (er_store_check(check_box(L, 1)->s, &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

ER_LJMP static int write_row(lua_State *L, bool update) {
  store_box *b = check_box(L, 1);
  const char *table = luaL_checkstring(L, 2), *cols[MAX_VALUES];
  er_value vals[MAX_VALUES];
  er_err err;
  size_t n;
  luaL_checktype(L, 3, LUA_TTABLE);
  n = read_row(L, 3, cols, vals);
  int rc = update ? er_store_update(b->s, table, n, cols, vals, &err) : er_store_put(b->s, table, n, cols, vals, &err);
  if (rc < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* store:write(table, row), store:change(table, row): straight into the file, for
 * what no strategy reads: snapshots, events, the study's state. */
static int store_write(lua_State *L) { return write_row(L, false); }
static int store_change(lua_State *L) { return write_row(L, true); }

static int store_commit(lua_State *L) {
  er_err err;
  if (er_store_commit(check_box(L, 1)->s, &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static int store_copy_given(lua_State *L) {
  er_err err;
  if (er_store_copy_given(check_box(L, 1)->s, luaL_checkstring(L, 2), &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- the study of this program ---------------------------------------------------------------- */

static int study_lock(lua_State *L) {
  er_host *h = er_host_of(L);
  er_err err;
  int fd;
  if (er_study_lock(luaL_checkstring(L, 1), &fd, &err) < 0) return er_fail_push(L, &err);
  h->lock_fd = fd;
  lua_pushboolean(L, 1);
  return 1;
}

static int study_unlock(lua_State *L) {
  er_host *h = er_host_of(L);
  er_study_unlock(h->lock_fd);
  h->lock_fd = -1;
  return 0;
}

/* At the prompt and under -e nothing is replayed: the study goes on behind what the
 * file holds. */
static void go_on(lua_State *L, er_host *h) {
  h->mode = ER_JOURNAL_OFF;
  h->tick = h->applied;
  lua_getfield(L, 1, "query");
  lua_pushvalue(L, 1);
  lua_pushliteral(L, "max_ids");
  lua_call(L, 2, 1);
  lua_rawgeti(L, -1, 1);
  lua_getfield(L, -1, "job");
  h->job_id = (int64_t)lua_tointeger(L, -1);
  lua_pop(L, 3);
}

/* attach(store, dir, seed [, source [, unjournaled]]) -> resumed: from here on the
 * program's effects are the study's.  With a source the study is replayed offline
 * into store. */
static int study_attach(lua_State *L) {
  er_host *h = er_host_of(L);
  store_box *b = check_box(L, 1), *source = lua_isnoneornil(L, 4) ? NULL : check_box(L, 4);
  er_value applied = {0};
  if (h->store != NULL) return luaL_error(L, "a program has one study, and it has been opened already");
  if (h->n_live > 1 && !lua_toboolean(L, 5))
    return luaL_error(
        L, "erlua.study: open the study before other tasks are started, so that they can be replayed with it");
  h->study_dir = er_strdup(luaL_checkstring(L, 2));
  h->seed = luaL_checkinteger(L, 3);
  h->store = b->s;
  b->attached = true;
  h->source = source != NULL ? source->s : b->s;
  if (source != NULL) source->attached = true;
  h->offline = source != NULL;
  h->mode = ER_JOURNAL_REPLAY;
  h->tick = 0;
  h->next_ord = 1;
  int from = source != NULL ? 4 : 1;            /* whose writes are known */
  lua_getfield(L, from, "query");
  lua_pushvalue(L, from);
  lua_pushliteral(L, "applied");
  lua_call(L, 2, 1);
  if (lua_rawgeti(L, -1, 1) == LUA_TTABLE) {
    lua_getfield(L, -1, "applied");
    applied = value_at(L, -1);
  }
  h->applied = h->put_tick = applied.i;
  h->resumed = applied.type == ER_INT;          /* something was committed before */
  if (!h->resumed && !h->offline) h->mode = ER_JOURNAL_LIVE;
  if (h->current != NULL) {                     /* draws from here on are the study's */
    h->current->seeded = false;
    h->current->seq = 0;
    h->current->spawned = 0;
  }
  if (lua_toboolean(L, 5)) go_on(L, h);
  lua_pushboolean(L, h->resumed);
  return 1;
}

static int put(lua_State *L, bool update) {
  er_host *h = er_host_of(L);
  const char *table = luaL_checkstring(L, 1), *cols[MAX_VALUES];
  er_value vals[MAX_VALUES];
  er_err err;
  size_t n;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (h->store == NULL) return luaL_error(L, "put: no study is open");
  if (er_host_put_known(h)) return 0;
  if (h->mode != ER_JOURNAL_OFF && h->current != NULL && h->current->quiet)
    return luaL_error(
        L, "the study cannot be changed inside erlua.once, whose function does not run again; do it outside");
  n = read_row(L, 2, cols, vals);
  int rc = update ? er_store_update(h->store, table, n, cols, vals, &err)
                  : er_store_put(h->store, table, n, cols, vals, &err);
  if (rc == 0) return 0;
  er_host_fatal(h, &err);                       /* a study that cannot be written must not go on */
  return luaL_error(L, "%s", err.msg);
}

static int study_put(lua_State *L) { return put(L, false); }
static int study_update(lua_State *L) { return put(L, true); }

/* The logical clock: what a read by this task may see is below it. */
static int study_tick(lua_State *L) {
  er_host *h = er_host_of(L);
  if (!h->broken && (h->current == NULL || !h->current->quiet)) h->tick++;
  lua_pushinteger(L, h->tick);
  return 1;
}

/* after_commit(path): remove it once what was put so far is in the file. */
static int study_after_commit(lua_State *L) {
  er_host *h = er_host_of(L);
  size_t n;
  const char *path = luaL_checklstring(L, 1, &n);
  if (!h->offline) er_buf_add(&h->after_commit, path, n + 1);
  return 0;
}

/* dir() -> the folder of the study that is open, or nothing */
static int study_dir(lua_State *L) {
  er_host *h = er_host_of(L);
  if (h->store == NULL) return 0;
  lua_pushstring(L, h->study_dir);
  return 1;
}

static int study_state(lua_State *L) {
  static const char *const names[] = {"off", "replay", "live"};
  er_host *h = er_host_of(L);
  lua_pushstring(L, names[h->mode]);
  lua_pushboolean(L, h->offline);
  lua_pushinteger(L, (lua_Integer)h->ord);
  return 3;
}

static const luaL_Reg studylib[] = {
  {"open", study_open}, {"lock", study_lock}, {"unlock", study_unlock}, {"attach", study_attach},
  {"put", study_put}, {"update", study_update}, {"tick", study_tick}, {"after_commit", study_after_commit},
  {"state", study_state}, {"dir", study_dir}, {NULL, NULL}
};
static const luaL_Reg store_methods[] = {{"query", store_query},   {"columns", store_columns},
                                         {"dump", store_dump},     {"check", store_check},
                                         {"write", store_write},   {"change", store_change},
                                         {"commit", store_commit}, {"copy_given", store_copy_given},
                                         {"close", store_close},   {NULL, NULL}};
static const luaL_Reg store_meta[] = {{"__gc", store_close}, {"__close", store_close}, {NULL, NULL}};

int luaopen_erlua_core_study(lua_State *L) {
  er_new_class(L, STORE, store_methods, store_meta);
  luaL_newlib(L, studylib);
  return 1;
}
