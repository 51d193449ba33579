/* open.h - what a fresh Lua state of erlua holds, and erlua's own files. */
#ifndef ER_LUA_OPEN_H
#define ER_LUA_OPEN_H

#include <lua.h>

#include "base/buf.h"

/* Opens the standard library, its repeatable forms, `erlua` and its C modules. */
void er_open_libs(lua_State *L);

/* Pushes the chunk of a file of erlua's own tree, "lua/erlua/init.lua": a directory
 * on disk wins over the embedded copy.  0, or -1 with a message pushed. */
int er_load_own(lua_State *L, const char *path);

/* Appends such a file's bytes; -1 if there is none. */
int er_read_own(const char *path, er_buf *out);

/* The folder on disk whose lua/ and envs/ are in use, or NULL when the embedded
 * copies are; caller frees. */
char *er_own_dir(void);

#endif
