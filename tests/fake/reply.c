/* reply.c - `res`: what a script answers with, well-behaved or not. */

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "fake.h"

#define REPLY "fake.reply"
enum { MAX_UNSENT = 1 << 20 };

/* ---- sending --------------------------------------------------------------------------- */

typedef struct { uv_write_t uv; char *bytes; } pending;

size_t fake_unsent(const fake_conn *c) { return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp); }

static void written(uv_write_t *uv, int status) {
  pending *p = (pending *)uv;
  fake_conn *c = uv->data;
  er_free(p->bytes);
  er_free(p);
  if (status == 0 && c->draining && !c->closing && fake_unsent(c) < MAX_UNSENT / 2) {
    c->draining = false;
    fake_continue(c, 0);
  }
}

/* What the socket does not take at once is copied and queued. */
int fake_send(fake_conn *c, const uv_buf_t *bufs, unsigned n) {
  uv_stream_t *tcp = (uv_stream_t *)&c->tcp;
  size_t sent = 0;
  int rc = fake_unsent(c) > 0 ? UV_EAGAIN : uv_try_write(tcp, bufs, n);
  er_buf rest = {0};
  pending *p;
  uv_buf_t whole;
  if (rc < 0 && rc != UV_EAGAIN) return -1;
  if (rc > 0) sent = (size_t)rc;
  for (unsigned i = 0; i < n; i++) {
    size_t skip = sent < bufs[i].len ? sent : bufs[i].len;
    er_buf_add(&rest, bufs[i].base + skip, bufs[i].len - skip);
    sent -= skip;
  }
  if (rest.len == 0) return 0;
  p = er_calloc(1, sizeof *p);
  whole = uv_buf_init(rest.ptr, (unsigned)rest.len);
  p->bytes = rest.ptr;
  p->uv.data = c;
  return uv_write(&p->uv, tcp, &whole, 1, written);
}

static fake_conn *check_conn(lua_State *L) {
  fake_conn **p = luaL_checkudata(L, 1, REPLY);
  if (*p == NULL) luaL_error(L, "the client has gone, or the reply is over");
  return *p;
}

static void send_or_raise(lua_State *L, fake_conn *c, const uv_buf_t *bufs, unsigned n) {
  if (fake_send(c, bufs, n) == 0) return;
  c->gone = true;
  luaL_error(L, "the client has gone");
}

static uv_buf_t bytes_of(const char *s, size_t n) { return uv_buf_init((char *)(uintptr_t)s, (unsigned)n); }

/* ---- the head --------------------------------------------------------------------------- */

static const char *status_text(int status) {
  static const struct { int status; const char *text; } known[] = {
    {200, "OK"}, {204, "No Content"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {307, "Temporary Redirect"},
    {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"}, {404, "Not Found"}, {429, "Too Many Requests"},
    {500, "Internal Server Error"}, {503, "Service Unavailable"}, {529, "Overloaded"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].status == status) return known[i].text;
  return "Status";
}

static bool named(const char *line, const char *name) {
  return strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
}

static void note_header(fake_conn *c, const char *line) {
  if (named(line, "content-length") || named(line, "transfer-encoding")) c->chunked = false;
  if (named(line, "connection") && strcasestr(line, "close") != NULL) c->request.keep = false;
}

/* The headers table at idx: a list of "Name: value", or name = value, or both. */
static void add_headers(lua_State *L, int idx, fake_conn *c, er_buf *out) {
  if (lua_isnoneornil(L, idx)) return;
  lua_pushnil(L);
  while (lua_next(L, idx) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING) lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
    else lua_pushvalue(L, -1);
    const char *line = lua_tostring(L, -1);
    if (line != NULL) {
      note_header(c, line);
      er_buf_fmt(out, "%s\r\n", line);
    }
    lua_pop(L, 2);
  }
}

static void send_head(lua_State *L, fake_conn *c, int status, int headers) {
  er_buf out = {0};
  uv_buf_t buf;
  int rc;
  c->headed = true;
  c->bodiless = status == 204 || status == 304 || status / 100 == 1;
  c->chunked = !c->bodiless;
  er_buf_fmt(&out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
  if (headers != 0) add_headers(L, headers, c, &out);
  if (c->chunked) er_buf_str(&out, "Transfer-Encoding: chunked\r\n");
  er_buf_str(&out, "\r\n");
  buf = uv_buf_init(out.ptr, (unsigned)out.len);
  rc = fake_send(c, &buf, 1);
  er_buf_free(&out);
  if (rc < 0) c->gone = true;
}

/* res:head(status, headers) */
static int reply_head(lua_State *L) {
  fake_conn *c = check_conn(L);
  int status = (int)luaL_optinteger(L, 2, 200);
  if (c->headed) return luaL_error(L, "res:head: the head was sent already");
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  send_head(L, c, status, 3);
  return 0;
}

/* ---- the body --------------------------------------------------------------------------- */

static int drained(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

static int wait_for_room(lua_State *L, fake_conn *c) {
  if (fake_unsent(c) < MAX_UNSENT) return 0;
  c->draining = true;
  return lua_yieldk(L, 0, 0, drained);
}

static void send_body(lua_State *L, fake_conn *c, const char *s, size_t n) {
  char size[24];
  uv_buf_t bufs[3];
  if (!c->headed) send_head(L, c, 200, 0);
  if (n == 0) return;
  if (!c->chunked) {
    bufs[0] = bytes_of(s, n);
    send_or_raise(L, c, bufs, 1);
    return;
  }
  bufs[0] = bytes_of(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n));
  bufs[1] = bytes_of(s, n);
  bufs[2] = bytes_of("\r\n", 2);
  send_or_raise(L, c, bufs, 3);
}

/* res:write(bytes): one chunk; waits while the client does not read. */
static int reply_write(lua_State *L) {
  fake_conn *c = check_conn(L);
  size_t n;
  const char *s = luaL_checklstring(L, 2, &n);
  send_body(L, c, s, n);
  return wait_for_room(L, c);
}

int fake_finish(fake_conn *c) {
  uv_buf_t last = bytes_of("0\r\n\r\n", 5);
  if (c->finished) return 0;
  c->finished = true;
  if (c->raw) return 0;
  if (!c->headed) send_head(c->server->L, c, 200, 0);
  return c->chunked ? fake_send(c, &last, 1) : 0;
}

/* res:finish([bytes]) */
static int reply_finish(lua_State *L) {
  fake_conn *c = check_conn(L);
  size_t n = 0;
  const char *s = luaL_optlstring(L, 2, "", &n);
  send_body(L, c, s, n);
  if (fake_finish(c) < 0) c->gone = true;
  return 0;
}

/* res:reply(status, headers, body): the whole of it, with its length. */
static int reply_reply(lua_State *L) {
  fake_conn *c = check_conn(L);
  size_t n = 0;
  const char *s = luaL_optlstring(L, 4, "", &n);
  lua_settop(L, 4);
  if (lua_isnil(L, 3)) {
    lua_newtable(L);
    lua_replace(L, 3);
  }
  lua_pushfstring(L, "%I", (LUAI_UACINT)n);
  lua_setfield(L, 3, "Content-Length");
  send_head(L, c, (int)luaL_checkinteger(L, 2), 3);
  send_body(L, c, s, n);
  c->finished = true;
  return wait_for_room(L, c);
}

/* ---- misbehaving ------------------------------------------------------------------------- */

/* res:raw(bytes): as they are, instead of head and body; the connection ends with the reply. */
static int reply_raw(lua_State *L) {
  fake_conn *c = check_conn(L);
  size_t n;
  const char *s = luaL_checklstring(L, 2, &n);
  uv_buf_t buf = bytes_of(s, n);
  c->raw = c->headed = true;
  c->request.keep = false;
  if (n > 0) send_or_raise(L, c, &buf, 1);
  return wait_for_room(L, c);
}

static void slept(uv_timer_t *timer) { fake_continue(timer->data, 0); }

/* res:sleep(seconds) */
static int reply_sleep(lua_State *L) {
  fake_conn *c = check_conn(L);
  uv_timer_start(&c->timer, slept, (uint64_t)(luaL_checknumber(L, 2) * 1000 + 0.5), 0);
  return lua_yieldk(L, 0, 0, drained);
}

/* res:hang(): says nothing more until the client leaves. */
static int reply_hang(lua_State *L) {
  check_conn(L);
  return lua_yieldk(L, 0, 0, drained);
}

/* res:cut(): by RST.  res:close(): by FIN, wherever the reply stands. */
static int reply_cut(lua_State *L) {
  fake_reset(check_conn(L));
  return lua_yieldk(L, 0, 0, drained);
}

static int reply_close(lua_State *L) {
  fake_close(check_conn(L));
  return lua_yieldk(L, 0, 0, drained);
}

static void shut(uv_shutdown_t *uv, int status) {
  (void)status;
  er_free(uv);
}

/* res:half_close(): sends FIN and goes on reading. */
static int reply_half_close(lua_State *L) {
  fake_conn *c = check_conn(L);
  c->request.keep = false;
  c->raw = c->headed = true;
  uv_shutdown(er_calloc(1, sizeof(uv_shutdown_t)), (uv_stream_t *)&c->tcp, shut);
  return 0;
}

static const luaL_Reg methods[] = {
  {"head", reply_head}, {"write", reply_write}, {"finish", reply_finish}, {"reply", reply_reply}, {"raw", reply_raw},
  {"sleep", reply_sleep}, {"hang", reply_hang}, {"cut", reply_cut}, {"close", reply_close}, {"half_close", reply_half_close},
  {NULL, NULL}
};

void fake_open_reply(lua_State *L) {
  luaL_newmetatable(L, REPLY);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void fake_push_reply(lua_State *L, fake_conn *c) {
  fake_conn **p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = c;
  luaL_setmetatable(L, REPLY);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, c);
}

void fake_drop_reply(lua_State *L, fake_conn *c) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, c) == LUA_TUSERDATA) *(fake_conn **)lua_touserdata(L, -1) = NULL;
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, c);
}
