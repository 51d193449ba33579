/* json.h - JSON (RFC 8259) between Lua values and text: sorted keys, shortest
 * numbers that read back the same, integers and floats kept apart.  Duplicate
 * keys, NaN, infinities and bad UTF-8 are refused.  null is a light userdata
 * (erlua.json.null); an empty table is [] unless marked by json.object. */
#ifndef ER_LUA_JSON_H
#define ER_LUA_JSON_H

#include <lua.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the value at idx; -1 (and nothing useful in out) if it has no JSON. */
int er_json_encode(lua_State *L, int idx, er_buf *out, er_err *err);

/* Pushes the value; -1 and nothing pushed if the text is not one JSON value. */
int er_json_decode(lua_State *L, const char *s, size_t n, er_err *err);

/* As decode, for what others wrote carelessly: bad UTF-8 and lone surrogates become
 * U+FFFD, of a key that stands twice the last counts, control characters and unknown
 * escapes stand for themselves, NaN, infinities and giants are null.  Each is counted. */
int er_json_mend(lua_State *L, const char *s, size_t n, lua_Integer *mended, er_err *err);

#endif
