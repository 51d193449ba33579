/* parse.c - reading an HTTP/1.1 request: strict enough to notice a client's mistakes. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "fake.h"

enum { MAX_HEAD = 256 << 10, MAX_BODY = 256 << 20 };

/* The value of a header in the head, or NULL; *n is its length. */
static const char *header(const char *head, size_t len, const char *name, size_t *n) {
  const char *p = memchr(head, '\n', len), *end = head + len;
  size_t k = strlen(name);
  while (p != NULL && ++p < end) {
    const char *eol = memchr(p, '\r', (size_t)(end - p));
    if (eol == NULL) return NULL;
    if ((size_t)(eol - p) > k && p[k] == ':' && strncasecmp(p, name, k) == 0) {
      for (p += k + 1; p < eol && (*p == ' ' || *p == '\t'); p++) {}
      *n = (size_t)(eol - p);
      return p;
    }
    p = memchr(p, '\n', (size_t)(end - p));
  }
  return NULL;
}

static bool header_is(const char *head, size_t len, const char *name, const char *value) {
  size_t n = 0;
  const char *v = header(head, len, name, &n);
  return v != NULL && n == strlen(value) && strncasecmp(v, value, n) == 0;
}

/* Decodes a chunked body from `at`.  1 and its end, 0 not whole yet, -1 wrong. */
static int unchunk(const char *s, size_t len, size_t at, er_buf *body, size_t *end) {
  er_buf_clear(body);
  for (;;) {
    const char *eol = at < len ? memchr(s + at, '\n', len - at) : NULL;
    char *stop;
    size_t n;
    if (eol == NULL) return 0;
    n = strtoul(s + at, &stop, 16);
    if (stop == s + at || (*stop != '\r' && *stop != ';') || n > MAX_BODY) return -1;
    at = (size_t)(eol - s) + 1;
    if (len < at + n + 2) return 0;
    if (memcmp(s + at + n, "\r\n", 2) != 0) return -1;
    er_buf_add(body, s + at, n);
    at += n + 2;
    if (n > 0) continue;
    *end = at;
    return 1;
  }
}

static int find_head(const er_buf *in, fake_request *r) {
  const char *end = in->len > 0 ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;
  if (end == NULL) return in->len > MAX_HEAD ? -1 : 0;
  r->head = (size_t)(end - in->ptr) + 4;
  r->chunked = header_is(in->ptr, r->head, "transfer-encoding", "chunked");
  r->keep = !header_is(in->ptr, r->head, "connection", "close");
  return 1;
}

int fake_parse(const er_buf *in, fake_request *r) {
  size_t n = 0;
  const char *length;
  int rc;
  if (r->head == 0 && (rc = find_head(in, r)) <= 0) return rc;
  if (r->chunked) return unchunk(in->ptr, in->len, r->head, &r->body, &r->length);
  length = header(in->ptr, r->head, "content-length", &n);
  n = length != NULL ? strtoul(length, NULL, 10) : 0;
  if (n > MAX_BODY) return -1;
  if (in->len < r->head + n) return 0;
  r->length = r->head + n;
  er_buf_clear(&r->body);
  er_buf_add(&r->body, in->ptr + r->head, n);
  return 1;
}

/* Adds one header to the table on top; one that comes twice is joined by ", ". */
static void push_header(lua_State *L, const char *line, const char *eol) {
  const char *colon = memchr(line, ':', (size_t)(eol - line)), *value = colon;
  char *name;
  if (colon == NULL) return;
  name = er_strndup(line, (size_t)(colon - line));
  for (char *p = name; *p; p++) *p = (char)tolower((unsigned char)*p);
  for (value++; value < eol && (*value == ' ' || *value == '\t'); value++) {}
  if (lua_getfield(L, -1, name) == LUA_TSTRING) {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, value, (size_t)(eol - value));
    lua_concat(L, 3);
  } else {
    lua_pop(L, 1);
    lua_pushlstring(L, value, (size_t)(eol - value));
  }
  lua_setfield(L, -2, name);
  er_free(name);
}

/* "METHOD target HTTP/1.1" -> fields of the table on top. */
static void push_line(lua_State *L, const char *line, const char *eol) {
  const char *a = memchr(line, ' ', (size_t)(eol - line)), *b;
  if (a == NULL) a = eol;
  lua_pushlstring(L, line, (size_t)(a - line));
  lua_setfield(L, -2, "method");
  if (a < eol) a++;
  b = memchr(a, ' ', (size_t)(eol - a));
  lua_pushlstring(L, a, (size_t)((b != NULL ? b : eol) - a));
  lua_setfield(L, -2, "path");
}

void fake_push_request(lua_State *L, const fake_conn *c) {
  const char *p = c->in.ptr, *end = p + c->request.head - 2;
  const char *eol = memchr(p, '\r', c->request.head);
  lua_createtable(L, 0, 6);
  push_line(L, p, eol);
  lua_newtable(L);
  for (p = eol + 2; p < end; p = eol + 2) {
    eol = memchr(p, '\r', (size_t)(end - p));
    if (eol == NULL) break;
    push_header(L, p, eol);
  }
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, er_buf_cstr(&c->request.body), c->request.body.len);
  lua_setfield(L, -2, "body");
  lua_pushinteger(L, c->n);
  lua_setfield(L, -2, "n");
  lua_pushinteger(L, c->id);
  lua_setfield(L, -2, "connection");
}
