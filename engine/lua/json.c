/* json.c - erlua.core.json: the codec of the journal, metrics and --json. */

#include "lua/json.h"

#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "lua/modules.h"

enum { MAX_DEPTH = 100 };
#define OBJECT_MARK "erlua.json.object"

/* ---- encoding ------------------------------------------------------------------ */

static int encode(lua_State *L, int idx, er_buf *out, int depth, er_err *err);

static int encode_number(lua_State *L, int idx, er_buf *out, er_err *err) {
  if (lua_isinteger(L, idx)) {
    er_buf_fmt(out, "%" PRId64, (int64_t)lua_tointeger(L, idx));
    return 0;
  }
  lua_Number x = lua_tonumber(L, idx);
  if (!isfinite(x))
    return er_fail(err, "json", "a number is %s, which JSON cannot hold", isnan(x) ? "NaN" : "infinite");
  er_text_double(out, x);
  return 0;
}

static int encode_string(lua_State *L, int idx, er_buf *out, er_err *err) {
  size_t n;
  const char *s = lua_tolstring(L, idx, &n);
  if (!er_utf8_valid(s, n)) return er_fail(err, "json", "a string is not valid UTF-8");
  er_text_quote(out, s, n);
  return 0;
}

static int encode_array(lua_State *L, int idx, size_t n, er_buf *out, int depth, er_err *err) {
  er_buf_char(out, '[');
  for (size_t i = 1; i <= n; i++) {
    if (i > 1) er_buf_char(out, ',');
    lua_rawgeti(L, idx, (lua_Integer)i);
    int rc = encode(L, lua_gettop(L), out, depth, err);
    lua_pop(L, 1);
    if (rc < 0) return -1;
  }
  er_buf_char(out, ']');
  return 0;
}

typedef struct { const char *s; size_t n; } key;

static int by_bytes(const void *a, const void *b) {
  const key *x = a, *y = b;
  int c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
  return c != 0 ? c : x->n < y->n ? -1 : x->n > y->n;
}

/* The keys, sorted; they stay alive as the table's own. */
static key *sorted_keys(lua_State *L, int idx, size_t *count, er_err *err) {
  key *keys = NULL;
  size_t n = 0, cap = 0;
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      er_fail(err, "json", "a table has a key that is a %s; JSON wants an array from 1 without holes, or string keys",
              luaL_typename(L, -1));
      lua_pop(L, 1);
      er_free(keys);
      return NULL;
    }
    if (n == cap) keys = er_realloc(keys, (cap = cap ? cap * 2 : 8) * sizeof *keys);
    keys[n].s = lua_tolstring(L, -1, &keys[n].n);
    n++;
  }
  if (n > 1) qsort(keys, n, sizeof *keys, by_bytes);
  *count = n;
  return keys;
}

static int encode_object(lua_State *L, int idx, er_buf *out, int depth, er_err *err) {
  size_t n = 0;
  key *keys = sorted_keys(L, idx, &n, err);
  int rc = keys == NULL ? -1 : 0;
  er_buf_char(out, '{');
  for (size_t i = 0; i < n && rc == 0; i++) {
    if (i > 0) er_buf_char(out, ',');
    if (!er_utf8_valid(keys[i].s, keys[i].n)) { rc = er_fail(err, "json", "a key is not valid UTF-8"); break; }
    er_text_quote(out, keys[i].s, keys[i].n);
    er_buf_char(out, ':');
    lua_pushlstring(L, keys[i].s, keys[i].n);
    lua_rawget(L, idx);
    rc = encode(L, lua_gettop(L), out, depth, err);
    lua_pop(L, 1);
  }
  er_buf_char(out, '}');
  er_free(keys);
  return rc;
}

static size_t count_pairs(lua_State *L, int idx, size_t stop) {
  size_t n = 0;
  lua_pushnil(L);
  while (lua_next(L, idx)) {
    lua_pop(L, 1);
    if (++n > stop) {
      lua_pop(L, 1);
      break;
    }
  }
  return n;
}

static bool marked_object(lua_State *L, int idx) {
  bool yes;
  if (!lua_getmetatable(L, idx)) return false;
  luaL_getmetatable(L, OBJECT_MARK);
  yes = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return yes;
}

static int encode_table(lua_State *L, int idx, er_buf *out, int depth, er_err *err) {
  size_t n = lua_rawlen(L, idx);
  if (depth > MAX_DEPTH || !lua_checkstack(L, 8))
    return er_fail(err, "json", "a table is nested more than %d deep (or contains itself)", MAX_DEPTH);
  if (n == 0) {
    lua_pushnil(L);
    if (!lua_next(L, idx)) {
      er_buf_str(out, marked_object(L, idx) ? "{}" : "[]");
      return 0;
    }
    lua_pop(L, 2);
    return encode_object(L, idx, out, depth + 1, err);
  }
  if (count_pairs(L, idx, n) != n)
    return er_fail(err, "json", "a table has both array items and other keys, or holes");
  return encode_array(L, idx, n, out, depth + 1, err);
}

static int encode(lua_State *L, int idx, er_buf *out, int depth, er_err *err) {
  switch (lua_type(L, idx)) {
    case LUA_TNIL: er_buf_str(out, "null"); return 0;
    case LUA_TBOOLEAN: er_buf_str(out, lua_toboolean(L, idx) ? "true" : "false"); return 0;
    case LUA_TNUMBER: return encode_number(L, idx, out, err);
    case LUA_TSTRING: return encode_string(L, idx, out, err);
    case LUA_TTABLE: return encode_table(L, idx, out, depth, err);
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, idx) == NULL) { er_buf_str(out, "null"); return 0; }
      /* fall through */
    default: return er_fail(err, "json", "a %s has no JSON form", luaL_typename(L, idx));
  }
}

int er_json_encode(lua_State *L, int idx, er_buf *out, er_err *err) {
  return encode(L, lua_absindex(L, idx), out, 0, err);
}

/* ---- decoding ------------------------------------------------------------------ */

typedef struct {
  lua_State *L;
  const char *start, *p, *end;
  er_err *err;
  int depth;
  lua_Integer *mended;           /* NULL: nothing is mended */
} reader;

static int bad(reader *r, const char *what) {
  return er_fail(r->err, "json", "bad JSON at byte %zu: %s", (size_t)(r->p - r->start) + 1, what);
}

/* Whether what is wrong here is to be mended; it is counted. */
static bool mends(reader *r) {
  if (r->mended == NULL) return false;
  ++*r->mended;
  return true;
}

static void skip_space(reader *r) {
  while (r->p < r->end && strchr(" \t\n\r", *r->p) != NULL && *r->p != '\0') r->p++;
}

static int hex4(reader *r, unsigned *out) {
  unsigned v = 0;
  if (r->end - r->p < 4) return bad(r, "a \\u escape is cut short");
  for (int i = 0; i < 4; i++) {
    char c = *r->p++;
    unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
               : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
    if (d == 16) return bad(r, "a \\u escape wants four hex digits");
    v = v << 4 | d;
  }
  *out = v;
  return 0;
}

static void add_code(er_buf *b, unsigned c) {
  if (c < 0x80) er_buf_char(b, (char)c);
  else if (c < 0x800) er_buf_char(b, (char)(0xc0 | c >> 6)), er_buf_char(b, (char)(0x80 | (c & 63)));
  else if (c < 0x10000)
    er_buf_char(b, (char)(0xe0 | c >> 12)), er_buf_char(b, (char)(0x80 | (c >> 6 & 63))),
        er_buf_char(b, (char)(0x80 | (c & 63)));
  else
    er_buf_char(b, (char)(0xf0 | c >> 18)), er_buf_char(b, (char)(0x80 | (c >> 12 & 63))),
    er_buf_char(b, (char)(0x80 | (c >> 6 & 63))), er_buf_char(b, (char)(0x80 | (c & 63)));
}

static int lone_surrogate(reader *r, er_buf *b, const char *what) {
  if (!mends(r)) return bad(r, what);
  add_code(b, 0xfffd);
  return 0;
}

static int read_unicode(reader *r, er_buf *b) {
  unsigned c, low;
  if (hex4(r, &c) < 0) return -1;
  if (c >= 0xdc00 && c < 0xe000) return lone_surrogate(r, b, "a lone low surrogate");
  if (c >= 0xd800 && c < 0xdc00) {
    const char *behind = r->p;
    if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u') return lone_surrogate(r, b, "a lone high surrogate");
    r->p += 2;
    if (hex4(r, &low) < 0) return -1;
    if (low < 0xdc00 || low > 0xdfff) {
      if (r->mended != NULL) r->p = behind;
      return lone_surrogate(r, b, "a high surrogate without a low one");
    }
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  add_code(b, c);
  return 0;
}

static int read_escape(reader *r, er_buf *b) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *at;
  char c;
  if (r->p >= r->end) return bad(r, "an escape is cut short");
  c = *r->p++;
  if (c == 'u') return read_unicode(r, b);
  at = c != '\0' ? strchr(from, c) : NULL;
  if (at == NULL && !mends(r)) return bad(r, "an unknown escape");
  er_buf_char(b, at != NULL ? to[at - from] : c);
  return 0;
}

/* Pushes the string; p stands behind the opening quote. */
static int read_string(reader *r) {
  const char *from = r->p;
  er_buf b = {0};
  int rc = 0;
  for (;;) {
    if (r->p >= r->end) { rc = bad(r, "a string is not closed"); break; }
    unsigned char c = (unsigned char)*r->p;
    if (c == '"') break;
    if (c < 0x20 && !mends(r)) { rc = bad(r, "a control character in a string"); break; }
    if (c == '\\') {
      er_buf_add(&b, from, (size_t)(r->p++ - from));
      if ((rc = read_escape(r, &b)) < 0) break;
      from = r->p;
      continue;
    }
    size_t k = c < 0x80 ? 1 : er_utf8_char(r->p, (size_t)(r->end - r->p));
    if (k == 0) {
      if (!mends(r)) { rc = bad(r, "bad UTF-8 in a string"); break; }
      er_buf_add(&b, from, (size_t)(r->p++ - from));
      add_code(&b, 0xfffd);
      from = r->p;
    }
    r->p += k;
  }
  if (rc == 0) {
    if (b.ptr == NULL) {
      lua_pushlstring(r->L, from, (size_t)(r->p - from));
    } else {
      er_buf_add(&b, from, (size_t)(r->p - from));
      lua_pushlstring(r->L, b.ptr, b.len);
    }
    r->p++;
  }
  er_buf_free(&b);
  return rc;
}

static size_t digits(reader *r) {
  const char *from = r->p;
  while (r->p < r->end && *r->p >= '0' && *r->p <= '9') r->p++;
  return (size_t)(r->p - from);
}

/* A number that no Lua number can stand for is null when mended. */
static int no_number(reader *r, const char *what) {
  if (!mends(r)) return bad(r, what);
  lua_pushlightuserdata(r->L, NULL);
  return 0;
}

static int read_number(reader *r) {
  const char *from = r->p;
  char text[64];
  bool whole = true;
  if (r->p < r->end && *r->p == '-') r->p++;
  if (r->p < r->end && *r->p == '0') r->p++;
  else if (digits(r) == 0) return bad(r, "a number has no digits");
  if (r->p < r->end && *r->p == '.') {
    r->p++;
    whole = false;
    if (digits(r) == 0) return bad(r, "a number has no digits after its point");
  }
  if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
    r->p++;
    whole = false;
    if (r->p < r->end && (*r->p == '+' || *r->p == '-')) r->p++;
    if (digits(r) == 0) return bad(r, "a number has no digits in its exponent");
  }
  size_t n = (size_t)(r->p - from);
  if (n >= sizeof text) return no_number(r, "a number is longer than 63 characters");
  memcpy(text, from, n);
  text[n] = '\0';
  if (whole) {
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno == 0) { lua_pushinteger(r->L, v); return 0; }
  }
  double x = strtod(text, NULL);
  if (!isfinite(x)) return no_number(r, "a number is too large");
  lua_pushnumber(r->L, x);
  return 0;
}

static int read_value(reader *r);

static int read_array(reader *r) {
  lua_Integer n = 0;
  lua_newtable(r->L);
  skip_space(r);
  if (r->p < r->end && *r->p == ']') { r->p++; return 0; }
  for (;;) {
    if (read_value(r) < 0) return -1;
    lua_rawseti(r->L, -2, ++n);
    skip_space(r);
    if (r->p < r->end && *r->p == ',') { r->p++; continue; }
    if (r->p < r->end && *r->p == ']') { r->p++; return 0; }
    return bad(r, "an array wants ',' or ']'");
  }
}

static int read_pair(reader *r) {
  skip_space(r);
  if (r->p >= r->end || *r->p != '"') return bad(r, "an object wants a key in quotes");
  r->p++;
  if (read_string(r) < 0) return -1;
  lua_pushvalue(r->L, -1);
  if (lua_rawget(r->L, -3) != LUA_TNIL && !mends(r)) return bad(r, "a key stands twice in an object");
  lua_pop(r->L, 1);
  skip_space(r);
  if (r->p >= r->end || *r->p != ':') return bad(r, "a key wants ':' after it");
  r->p++;
  if (read_value(r) < 0) return -1;
  lua_rawset(r->L, -3);
  return 0;
}

enum { FIELDS = 4 };             /* of an object, to begin with: a table that grows to them is made anew twice */

static int read_object(reader *r) {
  skip_space(r);
  if (r->p < r->end && *r->p == '}') {
    r->p++;
    lua_newtable(r->L);
    luaL_setmetatable(r->L, OBJECT_MARK);     /* so that {} is written as {} again */
    return 0;
  }
  lua_createtable(r->L, 0, FIELDS);
  for (;;) {
    if (read_pair(r) < 0) return -1;
    skip_space(r);
    if (r->p < r->end && *r->p == ',') { r->p++; continue; }
    if (r->p < r->end && *r->p == '}') { r->p++; return 0; }
    return bad(r, "an object wants ',' or '}'");
  }
}

static int read_word(reader *r, const char *word) {
  size_t n = strlen(word);
  if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) return bad(r, "an unknown word");
  r->p += n;
  return 0;
}

/* NaN and the infinities, which some writers of JSON know. */
static int read_odd_number(reader *r) {
  static const char *const odd[] = {"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"};
  bool digit = *r->p >= '0' && *r->p <= '9';
  for (size_t i = 0; r->mended != NULL && !digit && i < sizeof odd / sizeof *odd; i++) {
    size_t n = strlen(odd[i]);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, odd[i], n) != 0) continue;
    r->p += n;
    return no_number(r, odd[i]);
  }
  return read_number(r);
}

static int read_value(reader *r) {
  int rc;
  skip_space(r);
  if (r->p >= r->end) return bad(r, "the text ends where a value should be");
  if (r->depth >= MAX_DEPTH) return bad(r, "nested too deeply");
  if (!lua_checkstack(r->L, 8)) return bad(r, "no stack left");
  switch (*r->p) {
    case '"': r->p++; return read_string(r);
    case '[': r->p++; r->depth++; rc = read_array(r); r->depth--; return rc;
    case '{': r->p++; r->depth++; rc = read_object(r); r->depth--; return rc;
    case 't': lua_pushboolean(r->L, 1); return read_word(r, "true");
    case 'f': lua_pushboolean(r->L, 0); return read_word(r, "false");
    case 'n':
      if (r->end - r->p > 1 && r->p[1] == 'a') return read_odd_number(r);
      lua_pushlightuserdata(r->L, NULL);
      return read_word(r, "null");
    default: return read_odd_number(r);
  }
}

static int decode(reader *r) {
  int top = lua_gettop(r->L), rc = read_value(r);
  if (rc == 0) {
    skip_space(r);
    if (r->p != r->end) rc = bad(r, "something follows the value");
  }
  if (rc < 0) lua_settop(r->L, top);
  return rc;
}

int er_json_decode(lua_State *L, const char *s, size_t n, er_err *err) {
  reader r = {L, s, s, s + n, err, 0, NULL};
  return decode(&r);
}

int er_json_mend(lua_State *L, const char *s, size_t n, lua_Integer *mended, er_err *err) {
  reader r = {L, s, s, s + n, err, 0, mended};
  *mended = 0;
  return decode(&r);
}

/* ---- erlua.core.json ------------------------------------------------------------- */

static int json_encode(lua_State *L) {
  er_err err;
  er_buf out = {0};
  luaL_checkany(L, 1);
  if (er_json_encode(L, 1, &out, &err) < 0) {
    er_buf_free(&out);
    return luaL_error(L, "json.encode: %s", err.msg);
  }
  lua_pushlstring(L, out.ptr, out.len);
  er_buf_free(&out);
  return 1;
}

static int refused(lua_State *L, const er_err *err) {
  lua_pushnil(L);
  lua_pushstring(L, err->msg);
  lua_pushstring(L, err->code);
  return 3;
}

static int json_decode(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  er_err err;
  return er_json_decode(L, s, n, &err) == 0 ? 1 : refused(L, &err);
}

/* mend(text) -> value, how many places were mended */
static int json_mend(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  lua_Integer mended;
  er_err err;
  if (er_json_mend(L, s, n, &mended, &err) < 0) return refused(L, &err);
  lua_pushinteger(L, mended);
  return 2;
}

/* utf8(text) -> the text with each bad byte as U+FFFD, which every encoder takes */
static int json_utf8(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  er_buf clean = {0};
  lua_settop(L, 1);
  if (er_utf8_valid(s, n)) return 1;
  er_utf8_clean(&clean, s, n);
  lua_pushlstring(L, er_buf_cstr(&clean), clean.len);
  er_buf_free(&clean);
  return 1;
}

static int json_object(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, OBJECT_MARK);
  return 1;
}

static const luaL_Reg jsonlib[] = {
  {"encode", json_encode}, {"decode", json_decode}, {"mend", json_mend}, {"utf8", json_utf8},
  {"object", json_object}, {NULL, NULL}
};

int luaopen_erlua_core_json(lua_State *L) {
  luaL_newmetatable(L, OBJECT_MARK);
  lua_pop(L, 1);
  luaL_newlib(L, jsonlib);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
