/* lua_patch.c - erlua.core.patch: replies applied to tables of files, diffs. */

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/fail.h"
#include "lua/modules.h"
#include "patch/patch.h"

/* Whatever the engine allocates lives in one userdata on the stack, so that it
 * is freed also when Lua raises an error half-way. */
#define SCRATCH "erlua.core.patch scratch"

typedef struct {
  er_patch_result result;
  er_buf buf;
} scratch;

static int scratch_gc(lua_State *L) {
  scratch *s = luaL_checkudata(L, 1, SCRATCH);
  er_patch_result_free(&s->result);
  er_buf_free(&s->buf);
  return 0;
}

static scratch *new_scratch(lua_State *L) {
  scratch *s = lua_newuserdatauv(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  luaL_setmetatable(L, SCRATCH);
  return s;
}

/* ---- arguments ---- */

/* A key of a table of files; the string stays alive in that table. */
static const char *check_path(lua_State *L, int arg, int idx) {
  size_t n;
  const char *path;
  if (lua_type(L, idx) != LUA_TSTRING) luaL_argerror(L, arg, "file names must be strings");
  path = lua_tolstring(L, idx, &n);
  if (strlen(path) != n) luaL_argerror(L, arg, "a file name contains a NUL byte");
  return path;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const er_patch_file *)a)->path, ((const er_patch_file *)b)->path);
}

/* {path = bytes, ...} as a sorted array in a userdata that is pushed; the bytes
 * are borrowed from the table. */
static er_patch_file *check_files(lua_State *L, int arg, size_t *n) {
  size_t count = 0, i = 0;
  er_patch_file *files;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) count++;
  files = lua_newuserdatauv(L, (count + 1) * sizeof *files, 0);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1), i++) {
    files[i].path = check_path(L, arg, -2);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_argerror(
          L, arg, lua_pushfstring(L, "the text of '%s' must be a string, got %s", files[i].path, luaL_typename(L, -1)));
    files[i].bytes = lua_tolstring(L, -1, &files[i].len);
  }
  if (count > 1) qsort(files, count, sizeof *files, by_path);
  *n = count;
  return files;
}

/* A list of globs, NULL when the field is absent; the array is pushed. */
static const char **check_globs(lua_State *L, int arg, const char *field, size_t *n) {
  const char **globs;
  *n = 0;
  if (lua_getfield(L, arg, field) == LUA_TNIL) return NULL;
  if (!lua_istable(L, -1)) luaL_argerror(L, arg, lua_pushfstring(L, "'%s' must be a list of globs", field));
  *n = lua_rawlen(L, -1);
  globs = lua_newuserdatauv(L, (*n + 1) * sizeof *globs, 0);
  for (size_t i = 0; i < *n; i++) {
    if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING)
      luaL_argerror(L, arg, lua_pushfstring(L, "'%s' must hold only strings", field));
    globs[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return globs;
}

static er_patch_rules check_rules(lua_State *L, int arg) {
  er_patch_rules r = {0};
  luaL_checktype(L, arg, LUA_TTABLE);
  r.editable = check_globs(L, arg, "editable", &r.n_editable);
  if (r.editable == NULL) luaL_argerror(L, arg, "'editable' is missing");
  r.frozen = check_globs(L, arg, "frozen", &r.n_frozen);
  if (lua_getfield(L, arg, "region") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, arg, "'region' must be a string");
    r.region = lua_tostring(L, -1);
  }
  if (lua_getfield(L, arg, "folder") != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, arg, "'folder' must be a string");
    r.folder = lua_tostring(L, -1);
  }
  return r;
}

/* {path = bytes or false, ...} as the result that er_patch_write takes. */
static void check_changes(lua_State *L, int arg, scratch *s) {
  size_t count = 0;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) count++;
  s->result.changes = er_calloc(count + 1, sizeof *s->result.changes);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    const char *path = check_path(L, arg, -2);
    bool gone = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    if (!gone && lua_type(L, -1) != LUA_TSTRING)
      luaL_argerror(L, arg, lua_pushfstring(L, "the change of '%s' must be a string, or false to delete it", path));
    er_patch_change *c = &s->result.changes[s->result.n_changes++];
    c->kind = gone ? ER_CHANGE_DELETE : ER_CHANGE_MODIFY;
    c->path = er_strdup(path);
    if (!gone) {
      size_t n;
      const char *text = lua_tolstring(L, -1, &n);
      er_buf_add(&c->after, text, n);
    }
  }
}

/* ---- functions ---- */

static void push_changes(lua_State *L, const er_patch_result *r) {
  lua_createtable(L, 0, (int)r->n_changes);
  for (size_t i = 0; i < r->n_changes; i++) {
    const er_patch_change *c = &r->changes[i];
    if (c->kind == ER_CHANGE_DELETE) lua_pushboolean(L, 0);
    else lua_pushlstring(L, er_buf_cstr(&c->after), c->after.len);
    lua_setfield(L, -2, c->path);
  }
}

static void push_refusal(lua_State *L, const er_patch_result *r) {
  lua_pushnil(L);
  lua_pushlstring(L, er_buf_cstr(&r->message), r->message.len);
  lua_pushstring(L, r->code);
}

static void push_blocks(lua_State *L, const er_patch_result *r) {
  static const char *const forms[] = {"udiff", "search", "whole", "begin_patch"};
  lua_createtable(L, (int)r->n_blocks, 0);
  for (size_t i = 0; i < r->n_blocks; i++) {
    const er_patch_block_report *b = &r->blocks[i];
    lua_createtable(L, 0, 6);
    lua_pushstring(L, forms[b->form]);
    lua_setfield(L, -2, "form");
    lua_pushstring(L, b->path);                      /* nil if the block named no file */
    lua_setfield(L, -2, "path");
    lua_pushstring(L, b->rung);
    lua_setfield(L, -2, "rung");
    lua_pushinteger(L, (lua_Integer)b->line);
    lua_setfield(L, -2, "line");
    lua_pushnumber(L, b->similarity);
    lua_setfield(L, -2, "similarity");
    if (b->code[0] != '\0') {
      lua_pushstring(L, b->code);
      lua_setfield(L, -2, "refused");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* apply(files, rules, reply) -> changes, blocks | nil, message, code, blocks */
static int patch_apply(lua_State *L) {
  size_t len, n;
  const char *reply = luaL_checklstring(L, 3, &len);
  er_patch_file *files = check_files(L, 1, &n);
  er_patch_rules rules = check_rules(L, 2);
  scratch *s = new_scratch(L);
  er_patch_apply(files, n, &rules, reply, len, &s->result);
  if (s->result.applied) push_changes(L, &s->result);
  else push_refusal(L, &s->result);
  push_blocks(L, &s->result);
  n = s->result.applied ? 2 : 4;
  er_patch_result_free(&s->result);
  return (int)n;
}

/* diff(a, b) -> text, lines added, lines removed */
static int patch_diff(lua_State *L) {
  size_t n_a, n_b, added, removed;
  er_patch_file *a = check_files(L, 1, &n_a), *b = check_files(L, 2, &n_b);
  scratch *s = new_scratch(L);
  er_patch_diff(a, n_a, b, n_b, &s->buf);
  er_patch_diff_stat(er_buf_cstr(&s->buf), s->buf.len, &added, &removed);
  lua_pushlstring(L, er_buf_cstr(&s->buf), s->buf.len);
  lua_pushinteger(L, (lua_Integer)added);
  lua_pushinteger(L, (lua_Integer)removed);
  er_buf_free(&s->buf);
  return 3;
}

/* check(files, rules) -> true | nil, message, code */
static int patch_check(lua_State *L) {
  size_t n;
  er_patch_file *files = check_files(L, 1, &n);
  er_patch_rules rules = check_rules(L, 2);
  er_err err;
  if (er_patch_check_regions(files, n, &rules, &err) < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* write(dir, changes) -> true | nil, message, code */
static int patch_write(lua_State *L) {
  const char *dir = luaL_checkstring(L, 1);
  scratch *s = new_scratch(L);
  er_err err;
  int rc;
  check_changes(L, 2, s);
  rc = er_patch_write(dir, &s->result, &err);
  er_patch_result_free(&s->result);
  if (rc < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg patchlib[] = {
  {"apply", patch_apply},
  {"diff", patch_diff},
  {"check", patch_check},
  {"write", patch_write},
  {NULL, NULL}
};

int luaopen_erlua_core_patch(lua_State *L) {
  luaL_newmetatable(L, SCRATCH);
  lua_pushcfunction(L, scratch_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, patchlib);
  return 1;
}
