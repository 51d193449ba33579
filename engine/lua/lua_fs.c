/* lua_fs.c - erlua.core.fs: files and folders for erlua's own Lua half. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/embed.h"
#include "base/glob.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "lua/fail.h"
#include "lua/host.h"
#include "lua/modules.h"
#include "lua/open.h"

static int done(lua_State *L, int rc, const er_err *err) {
  if (rc < 0) return er_fail_push(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int fs_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t max = (size_t)luaL_optinteger(L, 2, 64 << 20);
  er_buf b = {0};
  er_err err;
  if (er_file_read(path, max, &b, &err) < 0) {
    er_buf_free(&b);
    return er_fail_push(L, &err);
  }
  lua_pushlstring(L, er_buf_cstr(&b), b.len);
  er_buf_free(&b);
  return 1;
}

static int fs_write(lua_State *L) {
  size_t n;
  const char *path = luaL_checkstring(L, 1), *bytes = luaL_checklstring(L, 2, &n);
  er_err err;
  return done(L, er_file_write(path, bytes, n, (unsigned)luaL_optinteger(L, 3, 0644), &err), &err);
}

static int fs_replace(lua_State *L) {
  size_t n;
  const char *path = luaL_checkstring(L, 1), *bytes = luaL_checklstring(L, 2, &n);
  er_err err;
  return done(L, er_file_replace(path, bytes, n, (unsigned)luaL_optinteger(L, 3, 0644), &err), &err);
}

static int fs_mkdirs(lua_State *L) {
  er_err err;
  return done(L, er_mkdirs(luaL_checkstring(L, 1), (unsigned)luaL_optinteger(L, 2, 0755), &err), &err);
}

static int fs_remove(lua_State *L) {
  er_err err;
  return done(L, er_remove_tree(luaL_checkstring(L, 1), &err), &err);
}

static int fs_rename(lua_State *L) {
  er_err err;
  const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
  int rc = rename(from, to);
  if (rc < 0) er_fail(&err, "rename", "cannot move %s to %s", from, to);
  return done(L, rc, &err);
}

static int fs_exists(lua_State *L) {
  lua_pushboolean(L, er_path_exists(luaL_checkstring(L, 1)));
  return 1;
}

static int fs_is_dir(lua_State *L) {
  lua_pushboolean(L, er_path_is_dir(luaL_checkstring(L, 1)));
  return 1;
}

static int fs_realpath(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char *full = realpath(path, NULL);
  er_err err;
  if (full == NULL) {
    er_fail(&err, "ENOENT", "there is no %s", path);
    return er_fail_push(L, &err);
  }
  lua_pushstring(L, full);
  free(full);
  return 1;
}

static int walked(void *ud, const char *rel, char kind, size_t size) {
  lua_State *L = ud;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, rel);
  lua_setfield(L, -2, "path");
  lua_pushinteger(L, (lua_Integer)size);
  lua_setfield(L, -2, "size");
  lua_pushlstring(L, &kind, 1);
  lua_setfield(L, -2, "kind");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

static int fs_walk(lua_State *L) {
  er_err err;
  const char *dir = luaL_checkstring(L, 1);
  lua_newtable(L);
  if (er_walk(dir, walked, L, &err) < 0) return er_fail_push(L, &err);
  return 1;
}

/* The embedded files below a prefix: {path = bytes}, paths relative to it. */
static int fs_embedded(lua_State *L) {
  size_t n;
  const char *prefix = luaL_checklstring(L, 1, &n);
  lua_newtable(L);
  for (const er_embedded_file *f = er_embedded_files; f->path != NULL; f++) {
    if (strncmp(f->path, prefix, n) != 0) continue;
    lua_pushlstring(L, f->bytes, (size_t)(f->end - f->bytes) - 1);
    lua_setfield(L, -2, f->path + n);
  }
  return 1;
}

static int fs_own(lua_State *L) {
  er_buf b = {0};
  er_err err;
  const char *path = luaL_checkstring(L, 1);
  if (er_read_own(path, &b) < 0) {
    er_fail(&err, "ENOENT", "erlua has no file %s", path);
    return er_fail_push(L, &err);
  }
  lua_pushlstring(L, er_buf_cstr(&b), b.len);
  er_buf_free(&b);
  return 1;
}

static int fs_own_dir(lua_State *L) {
  char *dir = er_own_dir();
  if (dir == NULL) return 0;
  lua_pushstring(L, dir);
  er_free(dir);
  return 1;
}

static int fs_sha256(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  char hex[ER_DIGEST_HEX];
  er_sha256_hex(s, n, hex);
  lua_pushstring(L, hex);
  return 1;
}

static int fs_sha256_file(lua_State *L) {
  char hex[ER_DIGEST_HEX];
  er_err err;
  if (er_sha256_file(luaL_checkstring(L, 1), hex, &err) < 0) return er_fail_push(L, &err);
  lua_pushstring(L, hex);
  return 1;
}

static int fs_glob(lua_State *L) {
  lua_pushboolean(L, er_glob_match(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 1;
}

static int fs_inside(lua_State *L) {
  lua_pushboolean(L, er_path_inside(luaL_checkstring(L, 1)));
  return 1;
}

static int fs_clean(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  er_buf b = {0};
  er_utf8_clean(&b, s, n);
  lua_pushlstring(L, er_buf_cstr(&b), b.len);
  er_buf_free(&b);
  return 1;
}

/* The names in a folder, sorted. */
static int fs_list(lua_State *L) {
  const char *dir = luaL_checkstring(L, 1);
  struct dirent **names;
  int n = scandir(dir, &names, NULL, alphasort);
  er_err err;
  if (n < 0) {
    er_fail_errno(&err, errno, "cannot read folder %s", dir);
    return er_fail_push(L, &err);
  }
  lua_newtable(L);
  for (int i = 0; i < n; i++) {
    if (names[i]->d_name[0] != '.') {
      lua_pushstring(L, names[i]->d_name);
      lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    free(names[i]);
  }
  free(names);
  return 1;
}

static int fs_cwd(lua_State *L) {
  char *cwd = getcwd(NULL, 0);
  lua_pushstring(L, cwd != NULL ? cwd : ".");
  free(cwd);
  return 1;
}

/* chmod(path, mode) */
static int fs_chmod(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int rc = chmod(path, (mode_t)luaL_checkinteger(L, 2));
  er_err err;
  if (rc < 0) er_fail_errno(&err, errno, "cannot change %s", path);
  return done(L, rc, &err);
}

/* touch(path): it was used now. */
static int fs_touch(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int rc = utimensat(AT_FDCWD, path, NULL, 0);
  er_err err;
  if (rc < 0) er_fail_errno(&err, errno, "cannot change %s", path);
  return done(L, rc, &err);
}

/* stamp(path) -> which file it is and when it was written, as a text that is another one after any write;
 * and when, in seconds | nil, message, code */
static int fs_stamp(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat st;
  char text[160];
  er_err err;
  if (stat(path, &st) < 0) {
    er_fail_errno(&err, errno, "cannot look at %s", path);
    return er_fail_push(L, &err);
  }
  snprintf(text, sizeof text, "%llx:%llx %lld %lld.%09ld %lld.%09ld", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
           (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
  lua_pushstring(L, text);
  lua_pushnumber(L, (lua_Number)st.st_mtim.tv_sec + (lua_Number)st.st_mtim.tv_nsec * 1e-9);
  return 2;
}

/* ---- locks -------------------------------------------------------------------------- */

#define LOCK "erlua.lock"

/* lock(path, kind, busy) -> what holds it until it is closed or the program ends | nil, message, code: lock.h.
 * kind "shared", or "alone". */
static int fs_lock(lua_State *L) {
  static const char *const kinds[] = {"alone", "shared", NULL};
  const char *path = luaL_checkstring(L, 1);
  er_lock_kind kind = luaL_checkoption(L, 2, NULL, kinds) == 0 ? ER_LOCK_ALONE : ER_LOCK_SHARED;
  er_err err;
  int *held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = -1;
  luaL_setmetatable(L, LOCK);
  *held = er_lock_take(path, kind, luaL_checkstring(L, 3), &err);
  return *held >= 0 ? 1 : er_fail_push(L, &err);
}

static int lock_close(lua_State *L) {
  int *held = luaL_checkudata(L, 1, LOCK);
  if (*held >= 0) close(*held);
  *held = -1;
  return 0;
}

static const luaL_Reg lock_methods[] = {{"close", lock_close}, {NULL, NULL}};
static const luaL_Reg lock_meta[] = {{"__gc", lock_close}, {"__close", lock_close}, {NULL, NULL}};

static const luaL_Reg fslib[] = {
  {"read", fs_read}, {"write", fs_write}, {"replace", fs_replace}, {"mkdirs", fs_mkdirs},
  {"remove", fs_remove}, {"rename", fs_rename}, {"exists", fs_exists}, {"is_dir", fs_is_dir},
  {"realpath", fs_realpath}, {"walk", fs_walk}, {"embedded", fs_embedded}, {"own", fs_own},
  {"own_dir", fs_own_dir}, {"sha256", fs_sha256}, {"sha256_file", fs_sha256_file}, {"glob", fs_glob},
  {"inside", fs_inside}, {"clean", fs_clean}, {"cwd", fs_cwd}, {"list", fs_list},
  {"chmod", fs_chmod}, {"touch", fs_touch}, {"stamp", fs_stamp}, {"lock", fs_lock}, {NULL, NULL}
};

int luaopen_erlua_core_fs(lua_State *L) {
  er_new_class(L, LOCK, lock_methods, lock_meta);
  luaL_newlib(L, fslib);
  return 1;
}
