/* modules.h - the openers of erlua's C modules, one a binding file; open.c
 * registers them, nobody else calls them. */
#ifndef ER_LUA_MODULES_H
#define ER_LUA_MODULES_H

#include <lua.h>

int luaopen_erlua_core_json(lua_State *L);
int luaopen_erlua_core_task(lua_State *L);
int luaopen_erlua_core_fs(lua_State *L);
int luaopen_erlua_core_host(lua_State *L);
int luaopen_erlua_core_rng(lua_State *L);
int luaopen_erlua_core_study(lua_State *L);
int luaopen_erlua_core_job(lua_State *L);
int luaopen_erlua_core_exec(lua_State *L);
int luaopen_erlua_core_http(lua_State *L);
int luaopen_erlua_core_box(lua_State *L);
int luaopen_erlua_core_restricted(lua_State *L);
int luaopen_erlua_core_patch(lua_State *L);
int luaopen_erlua_core_tensor(lua_State *L);
int luaopen_erlua_core_model(lua_State *L);

#endif
