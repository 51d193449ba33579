/* restricted_pattern.c - find, match, gmatch and gsub for a restricted state: Lua's patterns, on the clock.
 * A few letters of pattern can ask for more steps than a machine does in a year, and within the library's own
 * matcher no hook runs.  This one counts its steps and looks at the state's time. */

#include <ctype.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>

#include "lua/restricted.h"

enum { MOST_CAPTURES = 32, MOST_DEPTH = 200, LOOK_EVERY = 1 << 15 };
enum { OPEN = -1, PLACE = -2 };               /* lengths of captures that are not closed, or are positions */

typedef struct { const char *at; ptrdiff_t len; } capture;

typedef struct {
  lua_State *L;
  const char *text, *text_end, *pattern_end;
  size_t steps;
  int depth, level;
  capture captures[MOST_CAPTURES];
} matcher;

static const char *match(matcher *m, const char *s, const char *p);

static void spend(matcher *m, ptrdiff_t steps) {
  m->steps += (size_t)steps;
  if (m->steps < LOOK_EVERY) return;
  m->steps = 0;
  er_restricted_over(m->L);
}

/* ---- single characters ---------------------------------------------------------------------------- */

/* The end of the item at p: a character, an escape or a set. */
static const char *item_end(matcher *m, const char *p) {
  const char *from = p;
  if (*p++ == '%') {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (*from != '[') return p;
  if (*p == '^') p++;
  do {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    if (*p++ == '%' && p < m->pattern_end) p++;
  } while (*p != ']');
  spend(m, p - from);
  return p + 1;
}

static bool in_class(int c, int class) {
  bool in;
  switch (tolower(class)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    default: return class == c;
  }
  return isupper(class) ? !in : in;
}

/* p: the '[' of a set, end: behind its ']'. */
static bool in_set(matcher *m, int c, const char *p, const char *end) {
  bool in = *++p != '^';
  spend(m, end - p);
  for (p += !in, end--; p < end; p++) {
    int from = (unsigned char)*p;
    if (from == '%') {
      if (in_class(c, (unsigned char)*++p)) return in;
    } else if (p[1] == '-' && p + 2 < end) {
      p += 2;
      if (from <= c && c <= (unsigned char)*p) return in;
    } else if (from == c) {
      return in;
    }
  }
  return !in;
}

static bool fits(matcher *m, const char *s, const char *p, const char *end) {
  if (s >= m->text_end) return false;
  switch (*p) {
    case '.': return true;
    case '%': return in_class((unsigned char)*s, (unsigned char)p[1]);
    case '[': return in_set(m, (unsigned char)*s, p, end);
    default: return *p == *s;
  }
}

/* ---- what may match at several lengths ------------------------------------------------------------- */

static const char *longest(matcher *m, const char *s, const char *p, const char *end) {
  ptrdiff_t n = 0;
  for (; fits(m, s + n, p, end); n++) spend(m, 1);
  for (; n >= 0; n--) {
    const char *to = match(m, s + n, end + 1);
    if (to != NULL) return to;
  }
  return NULL;
}

static const char *shortest(matcher *m, const char *s, const char *p, const char *end) {
  for (;; s++) {
    const char *to = match(m, s, end + 1);
    if (to != NULL || !fits(m, s, p, end)) return to;
  }
}

static const char *balance(matcher *m, const char *s, const char *p) {
  int open = 1;
  if (m->pattern_end - p < 2) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->text_end || *s != *p) return NULL;
  while (++s < m->text_end) {
    spend(m, 1);
    if (*s == p[1]) {
      if (--open == 0) return s + 1;
    } else if (*s == *p) {
      open++;
    }
  }
  return NULL;
}

/* ---- captures ---------------------------------------------------------------------------------------- */

static const char *open_capture(matcher *m, const char *s, const char *p, ptrdiff_t kind) {
  const char *to;
  if (m->level == MOST_CAPTURES) luaL_error(m->L, "too many captures");
  m->captures[m->level++] = (capture){s, kind};
  if ((to = match(m, s, p)) == NULL) m->level--;
  return to;
}

static const char *close_capture(matcher *m, const char *s, const char *p) {
  int i = m->level - 1;
  const char *to;
  while (i >= 0 && m->captures[i].len != OPEN) i--;
  if (i < 0) luaL_error(m->L, "invalid pattern capture");
  m->captures[i].len = s - m->captures[i].at;
  if ((to = match(m, s, p)) == NULL) m->captures[i].len = OPEN;
  return to;
}

/* What was captured before, once more. */
static const char *again(matcher *m, const char *s, int digit) {
  int i = digit - '1';
  ptrdiff_t n;
  if (i < 0 || i >= m->level || m->captures[i].len == OPEN)
    luaL_error(m->L, "invalid capture index %%%d", i + 1);
  n = m->captures[i].len;
  if (n < 0 || m->text_end - s < n) return NULL;
  spend(m, n / 8);
  return memcmp(m->captures[i].at, s, (size_t)n) == 0 ? s + n : NULL;
}

static void push_capture(matcher *m, int i, const char *s, const char *end) {
  if (i >= m->level) {
    if (i != 0) luaL_error(m->L, "invalid capture index %%%d", i + 1);
    lua_pushlstring(m->L, s, (size_t)(end - s));
    return;
  }
  if (m->captures[i].len == OPEN) luaL_error(m->L, "unfinished capture");
  if (m->captures[i].len == PLACE) lua_pushinteger(m->L, m->captures[i].at - m->text + 1);
  else lua_pushlstring(m->L, m->captures[i].at, (size_t)m->captures[i].len);
}

/* All captures, or the whole match (if there is one: s) where the pattern has none. */
static int push_captures(matcher *m, const char *s, const char *end) {
  int n = m->level == 0 && s != NULL ? 1 : m->level;
  luaL_checkstack(m->L, n, "too many captures");
  for (int i = 0; i < n; i++) push_capture(m, i, s, end);
  return n;
}

/* ---- the match ----------------------------------------------------------------------------------------- */

/* %b, %f and %1 at p, which do not repeat: where s goes on, *p behind them; other escapes leave *p as it is. */
static const char *special(matcher *m, const char *s, const char **p) {
  const char *at = *p, *end;
  switch (at[1]) {
    case 'b': *p += 4; return balance(m, s, at + 2);
    case 'f':
      if (at[2] != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
      *p = end = item_end(m, at + 2);
      if (in_set(m, s == m->text ? 0 : (unsigned char)s[-1], at + 2, end)) return NULL;
      return in_set(m, s < m->text_end ? (unsigned char)*s : 0, at + 2, end) ? s : NULL;
    default:
      if (!isdigit((unsigned char)at[1])) return s;
      *p += 2;
      return again(m, s, at[1]);
  }
}

/* The item at *p: the end of the whole match where *done, else where to go on (NULL: nowhere). */
static const char *item(matcher *m, const char *s, const char **p, bool *done) {
  const char *at = *p, *end = item_end(m, at), *to;
  *done = true;
  switch (end < m->pattern_end ? *end : '\0') {
    case '+': return fits(m, s, at, end) ? longest(m, s + 1, at, end) : NULL;
    case '*': return longest(m, s, at, end);
    case '-': return shortest(m, s, at, end);
    case '?':
      if (fits(m, s, at, end) && (to = match(m, s + 1, end + 1)) != NULL) return to;
      end++;
      break;
    default:
      if (!fits(m, s, at, end)) return NULL;
      s++;
  }
  *done = false;
  *p = end;
  return s;
}

static const char *match_here(matcher *m, const char *s, const char *p) {
  bool done = false;
  while (s != NULL && !done && p < m->pattern_end) {
    const char *before = p;
    spend(m, 1);
    if (*p == '(') return p[1] == ')' ? open_capture(m, s, p + 2, PLACE) : open_capture(m, s, p + 1, OPEN);
    if (*p == ')') return close_capture(m, s, p + 1);
    if (*p == '$' && p + 1 == m->pattern_end) return s == m->text_end ? s : NULL;
    if (*p == '%') s = special(m, s, &p);
    if (p == before) s = item(m, s, &p, &done);
  }
  return s;
}

/* The end of what p matches at s; NULL: nothing. */
static const char *match(matcher *m, const char *s, const char *p) {
  const char *to;
  if (m->depth++ == MOST_DEPTH) luaL_error(m->L, "pattern too complex");
  to = match_here(m, s, p);
  m->depth--;
  return to;
}

static const char *match_anew(matcher *m, const char *s, const char *p) {
  m->level = 0;
  m->depth = 0;
  spend(m, 1);
  return match(m, s, p);
}

/* ---- find and match --------------------------------------------------------------------------------------- */

static matcher matcher_of(lua_State *L, int text, int pattern) {
  size_t n, np;
  matcher m = {.L = L};
  m.text = luaL_checklstring(L, text, &n);
  m.pattern_end = luaL_checklstring(L, pattern, &np) + np;
  m.text_end = m.text + n;
  return m;
}

/* Where to begin, from 0, for a number from 1 or from the end. */
static size_t start_of(lua_State *L, int arg, size_t n) {
  lua_Integer i = luaL_optinteger(L, arg, 1);
  if (i > 0) return (size_t)i - 1;
  return i == 0 || i < -(lua_Integer)n ? 0 : n + (size_t)i;
}

static bool is_plain(const char *p, const char *end) {
  for (; p < end; p++)
    if (*p != '\0' && strchr("^$*+?.([%-", *p) != NULL) return false;
  return true;
}

static int find_plain(const matcher *m, const char *s, const char *p) {
  size_t n = (size_t)(m->pattern_end - p);
  const char *at = memmem(s, (size_t)(m->text_end - s), p, n);
  if (at == NULL) {
    lua_pushnil(m->L);
    return 1;
  }
  lua_pushinteger(m->L, at - m->text + 1);
  lua_pushinteger(m->L, at - m->text + (ptrdiff_t)n);
  return 2;
}

/* find(s, pattern, init, plain), match(s, pattern, init); upvalue: is it find? */
static int find(lua_State *L) {
  matcher m = matcher_of(L, 1, 2);
  bool places = lua_toboolean(L, lua_upvalueindex(1)), anchored;
  const char *p = lua_tostring(L, 2), *s, *to;
  size_t init = start_of(L, 3, (size_t)(m.text_end - m.text));
  if (init > (size_t)(m.text_end - m.text)) {
    lua_pushnil(L);
    return 1;
  }
  s = m.text + init;
  if (places && (lua_toboolean(L, 4) || is_plain(p, m.pattern_end))) return find_plain(&m, s, p);
  anchored = *p == '^';
  for (p += anchored; (to = match_anew(&m, s, p)) == NULL; s++)
    if (anchored || s == m.text_end) {
      lua_pushnil(L);
      return 1;
    }
  if (!places) return push_captures(&m, s, to);
  lua_pushinteger(L, s - m.text + 1);
  lua_pushinteger(L, to - m.text);
  return push_captures(&m, NULL, NULL) + 2;
}

/* ---- gmatch ---------------------------------------------------------------------------------------------------- */

/* upvalues: text, pattern, where to look, the end of the last match (-1: none yet), both from 0 */
static int next_match(lua_State *L) {
  matcher m = matcher_of(L, lua_upvalueindex(1), lua_upvalueindex(2));
  const char *p = lua_tostring(L, lua_upvalueindex(2)), *to;
  const char *s = m.text + lua_tointeger(L, lua_upvalueindex(3));
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  for (; s <= m.text_end; s++) {
    if ((to = match_anew(&m, s, p)) == NULL || to - m.text == last) continue;
    lua_pushinteger(L, to - m.text);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return push_captures(&m, s, to);
  }
  return 0;
}

static int gmatch(lua_State *L) {
  matcher m = matcher_of(L, 1, 2);
  size_t n = (size_t)(m.text_end - m.text), init = start_of(L, 3, n);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)(init > n ? n + 1 : init));
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 4);
  return 1;
}

/* ---- gsub -------------------------------------------------------------------------------------------------------- */

/* The replacement text, in which %0 to %9 stand for what was captured. */
static void add_text(matcher *m, luaL_Buffer *b, const char *s, const char *end) {
  size_t n;
  const char *r = lua_tolstring(m->L, 3, &n), *r_end = r + n, *escape;
  for (; (escape = memchr(r, '%', (size_t)(r_end - r))) != NULL; r = escape + 2) {
    char c = escape[1];
    luaL_addlstring(b, r, (size_t)(escape - r));
    if (c == '%') {
      luaL_addchar(b, c);
    } else if (c == '0') {
      luaL_addlstring(b, s, (size_t)(end - s));
    } else if (isdigit((unsigned char)c)) {
      push_capture(m, c - '1', s, end);
      luaL_tolstring(m->L, -1, NULL);
      lua_remove(m->L, -2);
      luaL_addvalue(b);
    } else {
      luaL_error(m->L, "invalid use of '%%' in replacement string");
    }
  }
  luaL_addlstring(b, r, (size_t)(r_end - r));
}

static void add_replacement(matcher *m, luaL_Buffer *b, const char *s, const char *end) {
  lua_State *L = m->L;
  int type = lua_type(L, 3);
  if (type != LUA_TFUNCTION && type != LUA_TTABLE) {
    add_text(m, b, s, end);
    return;
  }
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, end), 1);
  } else {
    push_capture(m, 0, s, end);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(b, s, (size_t)(end - s));
    return;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(b);
}

/* gsub(s, pattern, replacement, most) -> text, how many */
static int gsub(lua_State *L) {
  matcher m = matcher_of(L, 1, 2);
  const char *p = lua_tostring(L, 2), *s = m.text, *last = NULL, *to;
  lua_Integer most = luaL_optinteger(L, 4, m.text_end - m.text + 1), n = 0;
  int type = lua_type(L, 3);
  bool anchored = *p == '^';
  luaL_Buffer b;
  luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                   "string/function/table");
  lua_settop(L, 3);
  luaL_buffinit(L, &b);
  p += anchored;
  while (n < most) {
    if ((to = match_anew(&m, s, p)) != NULL && to != last) {
      n++;
      add_replacement(&m, &b, s, to);
      s = last = to;
    } else if (s < m.text_end) {
      luaL_addchar(&b, *s++);
    } else {
      break;
    }
    if (anchored) break;
  }
  luaL_addlstring(&b, s, (size_t)(m.text_end - s));
  luaL_pushresult(&b);
  lua_pushinteger(L, n);
  return 2;
}

void er_restricted_open_patterns(lua_State *L) {
  static const luaL_Reg functions[] = {{"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
  lua_getglobal(L, "string");
  luaL_setfuncs(L, functions, 0);
  for (int i = 0; i < 2; i++) {
    lua_pushboolean(L, i);
    lua_pushcclosure(L, find, 1);
    lua_setfield(L, -2, i ? "find" : "match");
  }
  lua_pop(L, 1);
}
