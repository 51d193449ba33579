/* test_http.c - the HTTP room without Lua: refusals, callbacks, and what is left on the loop. */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/http.h"

/* A server on the same loop: takes one connection after the other, waits for a whole
 * head, answers with `reply`. */
typedef struct {
  er_loop *loop;
  er_http *http;
  int listener, fd;
  er_watch *accepting, *reading;
  char url[64];
  const char *reply;             /* NULL: none */
  int requests;
  bool left;                     /* the client closed its side */
} rig;

static void rig_read(void *ud) {
  rig *g = ud;
  char bytes[4096];
  ssize_t n = read(g->fd, bytes, sizeof bytes);
  if (n <= 0) {
    g->left = true;
    er_watch_stop(g->reading);
    g->reading = NULL;
    close(g->fd);
    return;
  }
  g->requests++;
  if (g->reply != NULL) assert_int_equal(write(g->fd, g->reply, strlen(g->reply)), (ssize_t)strlen(g->reply));
}

static void rig_accept(void *ud) {
  rig *g = ud;
  g->fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  g->left = false;
  g->reading = er_watch_fd(g->loop, g->fd, rig_read, g);
}

static int setup(void **state) {
  rig *g = er_calloc(1, sizeof *g);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof at;
  er_err err;
  g->loop = er_loop_new();
  g->http = er_http_new(g->loop, &err);
  assert_non_null(g->http);
  g->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(g->listener, (struct sockaddr *)&at, n), 0);
  assert_int_equal(listen(g->listener, 10), 0);
  assert_int_equal(getsockname(g->listener, (struct sockaddr *)&at, &n), 0);
  snprintf(g->url, sizeof g->url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
  g->accepting = er_watch_fd(g->loop, g->listener, rig_accept, g);
  *state = g;
  return 0;
}

static int teardown(void **state) {
  rig *g = *state;
  er_watch_stop(g->accepting);
  if (g->reading != NULL) close(g->fd);
  er_watch_stop(g->reading);
  er_http_free(g->http);
  er_loop_free(g->loop);
  close(g->listener);
  er_free(g);
  return 0;
}

static void count(void *ud) { ++*(int *)ud; }

static er_http_opts options(const rig *g) {
  return (er_http_opts){.url = g->url, .connect_timeout = 20, .idle_timeout = 20, .timeout = 20, .max_bytes = 1000};
}

static void refused(rig *g, er_http_opts o, const char *code) {
  er_err err = {0};
  int events = 0;
  assert_null(er_http_open(g->http, &o, count, &events, &err));
  assert_string_equal(err.code, code);
  assert_int_equal(events, 0);
}

static void what_cannot_be_a_request_is_refused(void **state) {
  rig *g = *state;
  const char *const broken[] = {"A: b\nC: d", NULL}, *const nameless[] = {": b", NULL}, *const lengths[] = {"content-length: 9", NULL};
  static const char *const urls[] = {"", "x", "http://", "ftp://h/", "http://h:99999/", "http://a b/", "http://h/\x01", "//h/", "unix:///x"};
  er_http_opts o = options(g);
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    o.url = urls[i];
    refused(g, o, "EURL");
  }
  o = options(g);
  o.method = "A B";
  refused(g, o, "EURL");
  o.method = NULL;
  o.headers = broken;
  refused(g, o, "EHEADER");
  o.headers = nameless;
  refused(g, o, "EHEADER");
  o.headers = lengths;
  refused(g, o, "EHEADER");
}

/* Turns the loop until the request has ended. */
static er_http_got finish(rig *g, er_http_req *r, er_buf *body, er_err *err) {
  for (;;) {
    er_http_got got = ER_HTTP_WAIT;
    int status = er_http_status(r, err);
    if (status < 0) return ER_HTTP_FAILED;
    if (status > 0) got = er_http_read(r, body, err);
    if (got == ER_HTTP_END || got == ER_HTTP_FAILED) return got;
    if (got == ER_HTTP_WAIT) assert_true(er_loop_turn(g->loop, true));
  }
}

static void a_reply_comes_whole_and_its_connection_is_kept(void **state) {
  rig *g = *state;
  er_http_opts o = options(g);
  er_buf body = {0};
  er_err err;
  int events = 0;
  const char *name, *value;
  g->reply = "HTTP/1.1 200 OK\r\nX-One:  1 \r\nContent-Length: 5\r\n\r\nhello";
  for (int i = 1; i <= 3; i++) {
    er_http_req *r = er_http_open(g->http, &o, count, &events, &err);
    assert_non_null(r);
    assert_int_equal(er_http_status(r, &err), 0);
    assert_int_equal(finish(g, r, &body, &err), ER_HTTP_END);
    assert_true(er_http_header(r, 0, &name, &value));
    assert_string_equal(name, "x-one");
    assert_string_equal(value, "1");
    assert_false(er_http_header(r, 2, &name, &value));
    assert_int_equal(g->requests, i);
    er_http_close(r);
  }
  assert_int_equal(body.len, 15);
  assert_true(events >= 3);
  assert_false(g->left);
  er_buf_free(&body);
}

static void a_kept_connection_does_not_keep_the_loop_going(void **state) {
  rig *g = *state;
  er_http_opts o = options(g);
  er_buf body = {0};
  er_err err;
  int events = 0;
  g->reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  er_http_req *r = er_http_open(g->http, &o, count, &events, &err);
  assert_int_equal(finish(g, r, &body, &err), ER_HTTP_END);
  er_watch_stop(g->accepting);
  er_watch_stop(g->reading);
  g->accepting = g->reading = NULL;
  for (int i = 0; i < 100 && er_loop_turn(g->loop, false); i++) {}
  assert_false(er_loop_turn(g->loop, false));   /* although its connection is kept */
  er_http_close(r);
  close(g->fd);
}

static void nothing_is_called_after_a_close(void **state) {
  rig *g = *state;
  er_http_opts o = options(g);
  er_err err;
  int events = 0, at_close;
  er_http_req *r = er_http_open(g->http, &o, count, &events, &err);
  while (g->requests == 0) er_loop_turn(g->loop, true);
  at_close = events;
  er_http_close(r);
  while (!g->left) er_loop_turn(g->loop, true);
  assert_int_equal(events, at_close);
  er_http_close(NULL);
}

static void limits_end_a_request(void **state) {
  rig *g = *state;
  er_http_opts o = options(g);
  er_buf body = {0};
  er_err err;
  int events = 0;
  o.idle_timeout = 0.05;
  er_http_req *r = er_http_open(g->http, &o, count, &events, &err);
  assert_int_equal(finish(g, r, &body, &err), ER_HTTP_FAILED);
  assert_string_equal(err.code, "EIDLE");
  er_http_close(r);
  g->reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  o = options(g);
  o.max_bytes = 4;
  r = er_http_open(g->http, &o, count, &events, &err);
  assert_int_equal(finish(g, r, &body, &err), ER_HTTP_FAILED);
  assert_string_equal(err.code, "ETOOBIG");
  er_http_close(r);
  er_buf_free(&body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(what_cannot_be_a_request_is_refused, setup, teardown),
    cmocka_unit_test_setup_teardown(a_reply_comes_whole_and_its_connection_is_kept, setup, teardown),
    cmocka_unit_test_setup_teardown(a_kept_connection_does_not_keep_the_loop_going, setup, teardown),
    cmocka_unit_test_setup_teardown(nothing_is_called_after_a_close, setup, teardown),
    cmocka_unit_test_setup_teardown(limits_end_a_request, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
