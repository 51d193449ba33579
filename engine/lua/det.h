/* det.h - the standard library as strategies see it: the same every time.
 * pairs, next, tostring, sort, random numbers, clocks, files, coroutines and
 * protected calls in forms that repeat and that let waits through. */
#ifndef ER_LUA_DET_H
#define ER_LUA_DET_H

#include <lua.h>

/* Replaces the library functions in the globals of L. */
void er_det_open(lua_State *L);        /* det.c: order, text, numbers */
void er_det_open_control(lua_State *L); /* control.c: pcall, xpcall, coroutine.* */
void er_det_open_world(lua_State *L);  /* world.c: os, io, collectgarbage, setmetatable */

/* setmetatable for restricted states, which have no finalizers: those run where no
 * hook does.  Upvalue: the library's own. */
int er_det_setmetatable(lua_State *L);

#endif
