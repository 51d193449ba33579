/* fail.h - how a binding hands on that the world said no: nil, message, code. */
#ifndef ER_LUA_FAIL_H
#define ER_LUA_FAIL_H

#include <lua.h>

#include "base/err.h"

static inline int er_fail_push(lua_State *L, const er_err *err) {
  lua_pushnil(L);
  lua_pushstring(L, err->msg);
  lua_pushstring(L, err->code);
  return 3;
}

#endif
