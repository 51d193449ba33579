/* http.h - HTTP requests as streams: libcurl's multi handle on the one loop.
 * engine/lua makes one er_http at the first request of a program and opens requests
 * on it; connections are kept and shared between them.  libcurl itself is loaded
 * then (http_lib.c).  Nothing here blocks, follows a policy of retries or knows a
 * provider.  The environment decides on proxies (http_proxy, https_proxy, all_proxy,
 * no_proxy; never for this machine itself) and certificates (CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR).
 *
 * Redirects: at most 5.  A request that carries anything of its caller's (a body, a
 * header other than Range, a password in the URL) is only followed on the same scheme, host
 * and port, so that no key ever reaches another host; only GET and HEAD follow 301, 302, 303.
 *
 * Error codes: EURL (bad URL, or a redirect that is not followed), EHEADER, EDNS,
 * ECONNECT, ETLS, ETIMEDOUT, EIDLE, ECUT (the connection ended too early), ETOOBIG,
 * EPROTO (no valid HTTP), ENOCURL.  Messages never hold a header's value, a password
 * or the query of a URL. */
#ifndef ER_LOOP_HTTP_H
#define ER_LOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

typedef struct er_http er_http;
typedef struct er_http_req er_http_req;

typedef struct {
  const char *method;            /* NULL: GET, or POST with a body */
  const char *url;               /* http:// or https:// */
  const char *const *headers;    /* "Name: value" each, NULL behind the last; NULL: none */
  const char *body;              /* NULL: none; stays the caller's and in place until er_http_close */
  size_t body_len;
  double connect_timeout;        /* seconds: name, connection and TLS */
  double idle_timeout;           /* without any byte, either way */
  double timeout;                /* in all */
  size_t max_bytes;              /* of the body that comes back */
} er_http_opts;

er_http *er_http_new(er_loop *l, er_err *err);   /* NULL: no libcurl */
void er_http_free(er_http *h);                   /* its requests are closed before; NULL is fine */

/* Starts a request.  on_event is called from the loop when the head has come, when
 * bytes have come, and at the end; it may only take a note of it.  NULL: refused. */
er_http_req *er_http_open(er_http *h, const er_http_opts *o, er_loop_fn on_event, void *ud, er_err *err);

/* Ends it, wherever it stands: its socket is closed at once unless the reply was
 * whole.  No call of on_event comes after.  NULL is fine. */
void er_http_close(er_http_req *r);

/* The status once the head is there, 0 before, -1 if none will come. */
int er_http_status(const er_http_req *r, er_err *err);

/* The i-th header of the reply, name in lower case; false behind the last. */
bool er_http_header(const er_http_req *r, size_t i, const char **name, const char **value);

/* Moves what has arrived of the body into out (appended).  A reader that falls
 * behind by a megabyte makes the server wait. */
typedef enum { ER_HTTP_FAILED = -1, ER_HTTP_WAIT, ER_HTTP_BYTES, ER_HTTP_END } er_http_got;
er_http_got er_http_read(er_http_req *r, er_buf *out, er_err *err);

#endif
