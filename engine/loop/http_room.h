/* http_room.h - what the parts of the HTTP room share: http.c owns requests and the
 * multi handle, http_ask.c makes libcurl's options of a request and judges redirects,
 * http_fail.c puts failures into words.  Private to engine/loop/http*.c. */
#ifndef ER_LOOP_HTTP_ROOM_H
#define ER_LOOP_HTTP_ROOM_H

#include <stdint.h>

#include "loop/http.h"
#include "loop/http_lib.h"

struct er_http {
  er_loop *loop;
  er_curl curl;
  CURLM *multi;
  er_timer *timer;               /* the one that libcurl asks for */
};

struct er_http_req {
  er_http *http;
  CURL *easy;
  bool added;                    /* the multi handle has it */
  er_loop_fn on_event;
  void *ud;

  /* what is asked */
  char *method, *url;
  char *origin;                  /* "https://host:443" */
  char *shown;                   /* the URL without password and query, for messages */
  struct curl_slist *headers;
  const char *body;              /* the caller's */
  size_t body_len, body_sent;
  bool bound;                    /* carries something of its caller's: stays at its origin */
  int redirects;

  /* limits */
  double connect, idle, until, last;   /* seconds; the clock at the end and at the last byte */
  size_t max_bytes, received;
  er_timer *timer;               /* idle and total, in one */

  /* what has come back */
  int status;                    /* of the head being read */
  bool headed, redirected, ended, failed, paused, notified;
  bool resend;                   /* libcurl wanted to send the body a second time */
  er_buf head;                   /* name NUL value NUL ... */
  er_buf in;                     /* bytes that nobody has read yet */
  er_err err;
  char detail[CURL_ERROR_SIZE];
};

/* http_ask.c */
int er_http_prepare(er_http_req *r, const er_http_opts *o, er_err *err);
void er_http_set_options(er_http_req *r);

/* The head says 3xx.  1: r->url is the new one, 0: it is an ordinary reply, -1: not followed. */
int er_http_redirect(er_http_req *r, er_err *err);

/* http_fail.c */
void er_http_explain(const er_http_req *r, CURLcode rc, er_err *err);
void er_http_explain_limit(const er_http_req *r, bool idle, er_err *err);

/* http.c: libcurl's callbacks */
size_t er_http_on_header(char *s, size_t size, size_t n, void *ud);
size_t er_http_on_body(char *s, size_t size, size_t n, void *ud);
size_t er_http_on_send(char *to, size_t size, size_t n, void *ud);
int er_http_on_seek(void *ud, curl_off_t offset, int origin);

#endif
