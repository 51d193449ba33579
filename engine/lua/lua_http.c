/* lua_http.c - erlua.core.http: requests as calls that wait.
 * Plain waits, no effects: a study calls them inside the body of an effect alone. */

#include <string.h>

#include "loop/http.h"
#include "lua/fail.h"
#include "lua/host.h"
#include "lua/modules.h"

#define RESPONSE "erlua.response"

enum { MAX_HEADERS = 200, VALUE_BODY = 1, VALUE_HEAD = 2 };
static const double CONNECT_SECONDS = 30, IDLE_SECONDS = 600, TOTAL_SECONDS = 3600;
static const size_t MAX_BYTES = 64u << 20;

/* The reply: a userdata whose values are the request's body, which libcurl reads
 * where it is, and the table of status and headers. */
typedef struct response {
  er_http_req *req;              /* NULL: closed, or read to its end */
  bool whole;                    /* was read to its end */
  struct http_op *waiter;
} response;

typedef struct http_op {
  er_op op;
  response *r;                   /* NULL once the reply is closed */
  bool head;                     /* waits for the head, else for bytes */
} http_op;

/* Whoever still waits is woken; a wait that was cancelled is not (er_op_done). */
static void close_response(response *r) {
  http_op *o = r->waiter;
  r->waiter = NULL;
  er_http_close(r->req);
  r->req = NULL;
  if (o == NULL) return;
  o->r = NULL;
  er_op_done(&o->op);
}

/* From the loop: what somebody waits for is there. */
static void on_event(void *ud) {
  response *r = ud;
  http_op *o = r->waiter;
  r->waiter = NULL;
  if (o != NULL) er_op_done(&o->op);
}

/* ---- waiting -------------------------------------------------------------------------- */

static void push_headers(lua_State *L, const er_http_req *req) {
  const char *name, *value;
  lua_newtable(L);
  for (size_t i = 0; er_http_header(req, i, &name, &value); i++) {
    if (lua_getfield(L, -1, name) == LUA_TSTRING) {       /* comes twice */
      lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), value);
      lua_replace(L, -2);
    } else {
      lua_pop(L, 1);
      lua_pushstring(L, value);
    }
    lua_setfield(L, -2, name);
  }
}

/* The reply (stack index 2) once its head is there, or why not. */
static int push_head(lua_State *L, response *r) {
  er_err err;
  int status = er_http_status(r->req, &err);
  if (status < 0) {
    close_response(r);
    return er_fail_push(L, &err);
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  push_headers(L, r->req);
  lua_setfield(L, -2, "headers");
  lua_setiuservalue(L, 2, VALUE_HEAD);
  lua_pushvalue(L, 2);
  return 1;
}

/* Bytes | nil at the end | nil, message, code; nothing if there is nothing yet. */
static int push_bytes(lua_State *L, response *r) {
  er_buf bytes = {0};
  er_err err;
  switch (er_http_read(r->req, &bytes, &err)) {
    case ER_HTTP_WAIT: return 0;
    case ER_HTTP_FAILED: return er_fail_push(L, &err);
    case ER_HTTP_BYTES:
      lua_pushlstring(L, bytes.ptr, bytes.len);
      er_buf_free(&bytes);
      return 1;
    case ER_HTTP_END: break;
  }
  r->whole = true;
  close_response(r);
  lua_pushnil(L);
  return 1;
}

static int http_push(lua_State *L, er_op *op) {
  http_op *o = (http_op *)op;
  if (o->r == NULL) return luaL_error(L, "response:read: the reply was closed");
  return o->head ? push_head(L, o->r) : push_bytes(L, o->r);
}

/* A task that is cancelled wants nothing more of its request: the socket goes now. */
static void http_abort(er_op *op) {
  http_op *o = (http_op *)op;
  if (o->r != NULL) close_response(o->r);
}

static void http_free(er_op *op) {
  http_op *o = (http_op *)op;
  if (o->r != NULL && o->r->waiter == o) o->r->waiter = NULL;
}

static const er_op_class http_class = {"http", http_push, NULL, http_abort, http_free};

ER_LJMP static er_task *need_unjournaled(lua_State *L, const char *what) {
  er_task *t = er_task_need(L, what);
  if (t->host->mode != ER_JOURNAL_OFF && !t->quiet)
    luaL_error(L, "%s: a study would not find its answer again; use erlua.http, or call it inside erlua.once", what);
  return t;
}

ER_LJMP static int wait_for(lua_State *L, er_task *t, response *r, bool head) {
  http_op *o = (http_op *)er_op_new(t, &http_class, sizeof *o);
  o->head = head;
  o->r = r;
  r->waiter = o;
  return er_task_wait(L, &o->op);
}

/* ---- the request -------------------------------------------------------------------------- */

/* A text field of the options (index 1), left on the stack; NULL if absent. */
static const char *text_field(lua_State *L, const char *name, size_t *len) {
  size_t n;
  const char *s;
  int type = lua_getfield(L, 1, name);
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING) luaL_error(L, "http.request: field '%s' must be a text, got %s", name, luaL_typename(L, -1));
  s = lua_tolstring(L, -1, &n);
  if (len != NULL) *len = n;
  else if (strlen(s) != n) luaL_error(L, "http.request: field '%s' holds a NUL byte", name);
  return s;
}

static double number_field(lua_State *L, const char *name, double otherwise) {
  double x = otherwise;
  int is_number = 1;
  if (lua_getfield(L, 1, name) != LUA_TNIL) x = lua_tonumberx(L, -1, &is_number);
  if (!is_number || !(x > 0 && x < 1e15)) luaL_error(L, "http.request: field '%s' must be a number above 0", name);
  lua_pop(L, 1);
  return x;
}

/* The headers as libcurl's room wants them: an array in a userdata, left on the stack. */
static const char *const *read_headers(lua_State *L) {
  const char **lines;
  int type = lua_getfield(L, 1, "headers"), list = lua_gettop(L);
  lua_Integer n = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, list) : 0;
  if (type != LUA_TNIL && type != LUA_TTABLE)
    luaL_error(L, "http.request: field 'headers' must be a list of \"Name: value\"");
  if (n > MAX_HEADERS) luaL_error(L, "http.request: over %d headers", MAX_HEADERS);
  lines = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *lines, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    if (lua_rawgeti(L, list, i) != LUA_TSTRING) luaL_error(L, "http.request: header %d is no text", (int)i);
    lines[i - 1] = lua_tolstring(L, -1, &len);
    if (strlen(lines[i - 1]) != len) luaL_error(L, "http.request: header %d holds a NUL byte", (int)i);
    lua_pop(L, 1);
  }
  lines[n] = NULL;
  return lines;
}

static er_http *need_http(er_host *h, er_err *err) {
  if (h->http == NULL) h->http = er_http_new(h->loop, err);
  return h->http;
}

static response *new_response(lua_State *L) {
  response *r = lua_newuserdatauv(L, sizeof *r, 2);
  *r = (response){0};
  luaL_setmetatable(L, RESPONSE);
  return r;
}

/* request{url=, method=, headers={"Name: value", ...}, body=, connect_timeout=,
 * idle_timeout=, timeout=, max_bytes=} -> response | nil, message, code */
static int http_request(lua_State *L) {
  er_task *t = need_unjournaled(L, "http.request");
  er_host *h = t->host;
  er_http_opts o = {0};
  er_err err;
  response *r;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  r = new_response(L);
  o.url = text_field(L, "url", NULL);
  if (o.url == NULL) return luaL_error(L, "http.request: field 'url' is missing");
  o.method = text_field(L, "method", NULL);
  o.headers = read_headers(L);
  o.connect_timeout = number_field(L, "connect_timeout", CONNECT_SECONDS);
  o.idle_timeout = number_field(L, "idle_timeout", IDLE_SECONDS);
  o.timeout = number_field(L, "timeout", TOTAL_SECONDS);
  o.max_bytes = (size_t)number_field(L, "max_bytes", (double)MAX_BYTES);
  o.body = text_field(L, "body", &o.body_len);
  lua_setiuservalue(L, 2, VALUE_BODY);
  if (need_http(h, &err) == NULL) return er_fail_push(L, &err);
  r->req = er_http_open(h->http, &o, on_event, r, &err);
  if (r->req == NULL) return er_fail_push(L, &err);
  lua_settop(L, 2);
  return wait_for(L, t, r, true);
}

/* ---- the reply ------------------------------------------------------------------------------ */

/* response:read() -> bytes | nil at the end | nil, message, code */
static int response_read(lua_State *L) {
  response *r = luaL_checkudata(L, 1, RESPONSE);
  er_task *t = need_unjournaled(L, "response:read");
  int n;
  if (r->req == NULL) {
    if (!r->whole) return luaL_error(L, "response:read: the reply was closed");
    lua_pushnil(L);
    return 1;
  }
  if (r->waiter != NULL) return luaL_error(L, "response:read: another task already waits for this reply");
  n = push_bytes(L, r);
  return n > 0 ? n : wait_for(L, t, r, false);
}

/* response:close(): ends it wherever it stands; also by <close> and the collector. */
static int response_close(lua_State *L) {
  close_response(luaL_checkudata(L, 1, RESPONSE));
  return 0;
}

/* status, headers, or a method (upvalue 1). */
static int response_index(lua_State *L) {
  luaL_checkudata(L, 1, RESPONSE);
  if (lua_getiuservalue(L, 1, VALUE_HEAD) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  }
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

static int response_tostring(lua_State *L) {
  luaL_checkudata(L, 1, RESPONSE);
  lua_pushliteral(L, "response");
  return 1;
}

static const luaL_Reg httplib[] = {{"request", http_request}, {NULL, NULL}};
static const luaL_Reg response_methods[] = {{"read", response_read}, {"close", response_close}, {NULL, NULL}};
static const luaL_Reg response_meta[] = {
  {"__gc", response_close}, {"__close", response_close}, {"__tostring", response_tostring}, {NULL, NULL}
};

int luaopen_erlua_core_http(lua_State *L) {
  luaL_newmetatable(L, RESPONSE);
  luaL_setfuncs(L, response_meta, 0);
  luaL_newlib(L, response_methods);
  lua_pushcclosure(L, response_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, httplib);
  return 1;
}
