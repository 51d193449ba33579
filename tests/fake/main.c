/* main.c - erlua-fake: listens, takes requests apart, lets the script answer them. */

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "fake.h"
#include "lua/json.h"
#include "lua/modules.h"

enum { BACKLOG = 4096, MAX_WAITING = 256 << 20 };

/* ---- the log ------------------------------------------------------------------------------ */

void fake_log(fake_server *s, const char *json, size_t n) {
  if (s->log >= 0 && write(s->log, json, n) != (ssize_t)n) perror("erlua-fake: log");
}

static void quote(er_buf *out, const char *name, const char *s, size_t n) {
  er_buf clean = {0};
  er_utf8_clean(&clean, s, n);
  er_buf_fmt(out, ",\"%s\":", name);
  er_text_quote(out, er_buf_cstr(&clean), clean.len);
  er_buf_free(&clean);
}

static void quote_field(lua_State *L, er_buf *out, const char *name) {
  size_t n = 0;
  lua_getfield(L, -1, name);
  const char *s = lua_tolstring(L, -1, &n);
  quote(out, name, s, n);
  lua_pop(L, 1);
}

/* One line for the request on top of the stack, headers in the order of their names. */
static void log_request(lua_State *L, fake_conn *c) {
  er_buf out = {0}, headers = {0};
  er_err err;
  if (c->server->log < 0) return;
  er_buf_fmt(&out, "{\"event\":\"request\",\"n\":%ld,\"connection\":%ld,\"time\":%.6f", c->n, c->id, er_clock_mono());
  quote_field(L, &out, "method");
  quote_field(L, &out, "path");
  quote_field(L, &out, "body");
  lua_getfield(L, -1, "headers");
  if (lua_next(L, (lua_pushnil(L), -2)) == 0) er_buf_str(&headers, "{}");
  else {
    lua_pop(L, 2);
    if (er_json_encode(L, -1, &headers, &err) < 0) { er_buf_clear(&headers); er_buf_str(&headers, "{}"); }
  }
  lua_pop(L, 1);
  er_buf_fmt(&out, ",\"headers\":%s}\n", er_buf_cstr(&headers));
  fake_log(c->server, out.ptr, out.len);
  er_buf_free(&out);
  er_buf_free(&headers);
}

static void log_gone(fake_conn *c) {
  char line[120];
  int n = snprintf(line, sizeof line, "{\"event\":\"gone\",\"n\":%ld,\"connection\":%ld,\"time\":%.6f}\n", c->n, c->id, er_clock_mono());
  c->server->gone++;
  fake_log(c->server, line, (size_t)n);
}

/* An error of the script: the client sees a reset, the test an event. */
static void log_error(fake_conn *c) {
  er_buf out = {0};
  size_t n;
  const char *message = luaL_tolstring(c->co, -1, &n);
  er_buf_fmt(&out, "{\"event\":\"error\",\"n\":%ld", c->n);
  quote(&out, "message", message, n);
  er_buf_str(&out, "}\n");
  fake_log(c->server, out.ptr, out.len);
  fprintf(stderr, "erlua-fake: request %ld: %s\n", c->n, message);
  er_buf_free(&out);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void handle_closed(uv_handle_t *h) {
  fake_conn *c = h->data;
  if (--c->handles > 0) return;
  c->server->open--;
  er_buf_free(&c->in);
  er_buf_free(&c->request.body);
  er_free(c);
}

/* The coroutine, wherever it waits, is not continued any more. */
static void end_answer(fake_conn *c) {
  lua_State *L = c->server->L;
  if (c->co == NULL) return;
  c->co = NULL;
  c->server->active--;
  uv_timer_stop(&c->timer);
  fake_drop_reply(L, c);
  luaL_unref(L, LUA_REGISTRYINDEX, c->co_ref);
}

static bool begin_close(fake_conn *c) {
  if (c->closing) return false;
  c->closing = true;
  end_answer(c);
  uv_close((uv_handle_t *)&c->timer, handle_closed);
  return true;
}

void fake_close(fake_conn *c) {
  if (begin_close(c)) uv_close((uv_handle_t *)&c->tcp, handle_closed);
}

void fake_reset(fake_conn *c) {
  if (begin_close(c) && uv_tcp_close_reset(&c->tcp, handle_closed) < 0) uv_close((uv_handle_t *)&c->tcp, handle_closed);
}

static void shut(uv_shutdown_t *uv, int status) {
  fake_conn *c = uv->data;
  (void)status;
  er_free(uv);
  fake_close(c);
}

/* Closes once everything is sent. */
static void close_after_sending(fake_conn *c) {
  uv_shutdown_t *uv = er_calloc(1, sizeof *uv);
  uv->data = c;
  if (uv_shutdown(uv, (uv_stream_t *)&c->tcp, shut) == 0) return;
  er_free(uv);
  fake_close(c);
}

static void next_request(fake_conn *c);

static void use_up(fake_conn *c) {
  size_t n = c->request.length;
  memmove(c->in.ptr, c->in.ptr + n, c->in.len - n);
  c->in.len -= n;
  if (c->in.len == 0) er_buf_free(&c->in);
  er_buf_free(&c->request.body);
  c->request = (fake_request){0};
}

/* The script's function has returned. */
static void answered(fake_conn *c) {
  bool keep;
  if (fake_finish(c) < 0 || c->gone) {
    log_gone(c);
    fake_close(c);
    return;
  }
  keep = c->request.keep;
  end_answer(c);
  if (!keep) {
    c->leaving = true;
    close_after_sending(c);
    return;
  }
  use_up(c);
  c->headed = c->chunked = c->bodiless = c->raw = c->finished = false;
  next_request(c);
}

void fake_continue(fake_conn *c, int nargs) {
  int n = 0, rc = lua_resume(c->co, NULL, nargs, &n);
  if (c->closing) return;                       /* res:cut, res:close */
  if (rc == LUA_YIELD) return;
  if (rc == LUA_OK) {
    answered(c);
    return;
  }
  if (c->gone) log_gone(c);
  else log_error(c);
  fake_reset(c);
}

static void stats(fake_conn *c) {
  const fake_server *s = c->server;
  er_buf body = {0}, out = {0};
  uv_buf_t buf;
  er_buf_fmt(&body, "{\"requests\":%ld,\"connections\":%ld,\"open\":%ld,\"active\":%ld,\"max_active\":%ld,\"gone\":%ld}",
             s->requests, s->connections, s->open, s->active, s->max_active, s->gone);
  er_buf_fmt(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", body.len, body.ptr);
  buf = uv_buf_init(out.ptr, (unsigned)out.len);
  fake_send(c, &buf, 1);
  er_buf_free(&body);
  er_buf_free(&out);
  use_up(c);
}

static bool asks_stats(const fake_conn *c) {
  static const char line[] = "GET /__stats ";
  return c->request.head > sizeof line && memcmp(c->in.ptr, line, sizeof line - 1) == 0;
}

static void answer(fake_conn *c) {
  fake_server *s = c->server;
  s->active++;
  if (s->active > s->max_active) s->max_active = s->active;
  c->n = ++s->requests;
  c->co = lua_newthread(s->L);
  c->co_ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
  lua_rawgeti(c->co, LUA_REGISTRYINDEX, s->answer);
  fake_push_request(c->co, c);
  log_request(c->co, c);
  fake_push_reply(c->co, c);
  fake_continue(c, 2);
}

static void next_request(fake_conn *c) {
  int rc;
  while (!c->closing && !c->leaving && c->co == NULL && c->in.len > 0 && (rc = fake_parse(&c->in, &c->request)) != 0) {
    if (rc < 0) {
      fprintf(stderr, "erlua-fake: connection %ld: what arrived is no HTTP/1.1 request\n", c->id);
      fake_reset(c);
    } else if (asks_stats(c)) stats(c);
    else answer(c);
  }
}

static void alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
  static char shared[64 << 10];                 /* used up before the next read */
  (void)h;
  (void)suggested;
  *buf = uv_buf_init(shared, sizeof shared);
}

static void arrived(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  fake_conn *c = (fake_conn *)tcp;
  if (n == 0 || c->closing) return;
  if (n < 0 || c->in.len > MAX_WAITING) {
    if (c->co != NULL && !c->finished) log_gone(c);
    fake_close(c);
    return;
  }
  er_buf_add(&c->in, buf->base, (size_t)n);
  if (c->co == NULL) next_request(c);
}

static void connected(uv_stream_t *listener, int status) {
  fake_server *s = listener->data;
  fake_conn *c;
  if (status < 0) return;
  c = er_calloc(1, sizeof *c);
  c->server = s;
  c->id = ++s->connections;
  c->handles = 2;
  s->open++;
  uv_tcp_init(&s->loop, &c->tcp);
  uv_timer_init(&s->loop, &c->timer);
  c->tcp.data = c->timer.data = c;
  if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
    fake_close(c);
    return;
  }
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start((uv_stream_t *)&c->tcp, alloc, arrived);
}

/* ---- start ------------------------------------------------------------------------------------ */

typedef struct { const char *host, *port_file, *log, *path, *script; int first_arg; } options;

static void die(const char *what, const char *why) {
  fprintf(stderr, "erlua-fake: %s: %s\n", what, why);
  exit(1);
}

static options read_options(int argc, char **argv) {
  options o = {.host = "127.0.0.1"};
  int i = 1;
  for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
    if (strcmp(argv[i], "--host") == 0) o.host = argv[i + 1];
    else if (strcmp(argv[i], "--port") == 0) o.port_file = argv[i + 1];
    else if (strcmp(argv[i], "--log") == 0) o.log = argv[i + 1];
    else if (strcmp(argv[i], "--path") == 0) o.path = argv[i + 1];
    else die("unknown option", argv[i]);
  }
  if (i >= argc) die("usage", "erlua-fake [--host A] [--port FILE] [--log FILE] [--path FOLDER] SCRIPT [KEY=VALUE...]");
  o.script = argv[i];
  o.first_arg = i + 1;
  return o;
}

static int lua_clock(lua_State *L) {
  lua_pushnumber(L, er_clock_mono());
  return 1;
}

/* The script gets json (encode, decode), clock() and the modules of --path. */
static void load_script(fake_server *s, const options *o, int argc, char **argv) {
  lua_State *L = s->L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "erlua.core.json", luaopen_erlua_core_json, 0);
  lua_setglobal(L, "json");
  lua_register(L, "clock", lua_clock);
  if (o->path != NULL) {
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua", o->path);
    lua_setfield(L, -2, "path");
    lua_pop(L, 1);
  }
  fake_open_reply(L);
  if (luaL_loadfile(L, o->script) != LUA_OK) die("script", lua_tostring(L, -1));
  lua_newtable(L);
  for (int i = o->first_arg; i < argc; i++) {
    const char *eq = strchr(argv[i], '=');
    if (eq == NULL) die("an argument without '='", argv[i]);
    lua_pushlstring(L, argv[i], (size_t)(eq - argv[i]));
    lua_pushstring(L, eq + 1);
    lua_settable(L, -3);
  }
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) die("script", lua_tostring(L, -1));
  if (!lua_isfunction(L, -1)) die("script", "it must return a function of the request and the reply");
  s->answer = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void listen_on(fake_server *s, const options *o) {
  struct sockaddr_storage at;
  int n = sizeof at, rc;
  char port[16];
  er_err err;
  if (strchr(o->host, ':') != NULL) rc = uv_ip6_addr(o->host, 0, (struct sockaddr_in6 *)&at);
  else rc = uv_ip4_addr(o->host, 0, (struct sockaddr_in *)&at);
  if (rc < 0) die(o->host, uv_strerror(rc));
  uv_tcp_init(&s->loop, &s->listener);
  s->listener.data = s;
  rc = uv_tcp_bind(&s->listener, (struct sockaddr *)&at, strchr(o->host, ':') != NULL ? UV_TCP_IPV6ONLY : 0);
  if (rc == 0) rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, connected);
  if (rc == 0) rc = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&at, &n);
  if (rc < 0) die(o->host, uv_strerror(rc));
  snprintf(port, sizeof port, "%d\n", ntohs(((struct sockaddr_in *)&at)->sin_port));   /* both families have it there */
  fputs(port, stdout);
  fflush(stdout);
  if (o->port_file != NULL && er_file_replace(o->port_file, port, strlen(port), 0644, &err) < 0) die("port", err.msg);
}

int main(int argc, char **argv) {
  options o = read_options(argc, argv);
  fake_server s = {.log = -1};
  struct rlimit files;
  prctl(PR_SET_PDEATHSIG, SIGKILL);             /* a test that is killed leaves no server */
  signal(SIGPIPE, SIG_IGN);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (o.log != NULL && (s.log = open(o.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0) die(o.log, "cannot be opened");
  uv_loop_init(&s.loop);
  load_script(&s, &o, argc, argv);
  listen_on(&s, &o);
  return uv_run(&s.loop, UV_RUN_DEFAULT);
}
