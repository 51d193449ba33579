/* fake.h - erlua-fake: a small HTTP/1.1 server for tests that misbehaves on demand.
 *
 *   erlua-fake [--host ADDRESS] [--port FILE] [--log FILE] [--path FOLDER] SCRIPT [KEY=VALUE...]
 *
 * SCRIPT is Lua: it gets a table of the KEY=VALUE arguments and returns the function that
 * answers each request, in a coroutine of its own: answer(req, res).  README.md in this
 * folder has what req and res offer.  The port is written to FILE once it listens, each
 * request and each client that leaves early as one JSON line to the log.
 *
 * main.c listens and owns the connections, parse.c reads requests, reply.c is `res`.
 * One thread, one libuv loop; Lua runs inside its callbacks. */
#ifndef ERLUA_FAKE_H
#define ERLUA_FAKE_H

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"

typedef struct {
  uv_loop_t loop;
  uv_tcp_t listener;
  lua_State *L;
  int answer;                    /* registry reference of the script's function */
  int log;                       /* descriptor; -1: none */
  long requests, connections, open, active, max_active, gone;
} fake_server;

/* A request that has arrived whole; points into the connection's bytes. */
typedef struct {
  size_t head, length;           /* bytes of its head and of all of it; length 0: not there yet */
  bool chunked, keep;
  er_buf body;
} fake_request;

typedef struct {
  uv_tcp_t tcp;                  /* first: libuv hands it back */
  uv_timer_t timer;              /* of res:sleep */
  fake_server *server;
  long id, n;                    /* of the connection; of the request being answered */
  er_buf in;                     /* bytes that have arrived and are not used up */
  fake_request request;
  lua_State *co;                 /* answers the request; NULL: none is being answered */
  int co_ref;
  int handles;                   /* of libuv that are still open */
  bool headed, chunked, bodiless, raw, finished;   /* what was sent of the reply */
  bool draining;                 /* the coroutine waits until the peer has read */
  bool leaving, closing;         /* closes once all is sent; is being closed */
  bool gone;                     /* the client left before the end */
} fake_conn;

/* parse.c: looks at the bytes so far.  1: a whole request, 0: not yet, -1: no HTTP. */
int fake_parse(const er_buf *in, fake_request *r);
void fake_push_request(lua_State *L, const fake_conn *c);   /* the table `req` */

/* reply.c */
void fake_open_reply(lua_State *L);
void fake_push_reply(lua_State *L, fake_conn *c);
void fake_drop_reply(lua_State *L, fake_conn *c);           /* `res` is dead from now on */
int fake_finish(fake_conn *c);                              /* ends the reply, if the script has not */
int fake_send(fake_conn *c, const uv_buf_t *bufs, unsigned n);   /* -1: the client is gone */
size_t fake_unsent(const fake_conn *c);

/* main.c */
void fake_continue(fake_conn *c, int nargs);   /* resumes the coroutine */
void fake_close(fake_conn *c);
void fake_reset(fake_conn *c);                 /* by RST */
void fake_log(fake_server *s, const char *json, size_t n);

#endif
