/* http.c - HTTP requests as streams, over libcurl's multi handle. */

#include "loop/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/http_room.h"

enum { HIGH_WATER = 1 << 20, MAX_HEAD = 256 << 10, IDLE_CONNECTIONS = 1024 };

/* ---- one request, as libcurl calls back -------------------------------------------------- */

static void notify(er_http_req *r) { r->on_event(r->ud); }

/* The end of a head: of an interim reply, a redirect, or the reply. */
static size_t head_ends(er_http_req *r, size_t n) {
  int rc;
  if (r->status / 100 == 1) return n;
  rc = er_http_redirect(r, &r->err);
  if (rc < 0) {
    r->failed = true;
    return 0;
  }
  if (rc == 1) {
    r->redirected = true;
    return n;
  }
  r->headed = true;
  notify(r);
  return n;
}

static size_t too_big(er_http_req *r, const char *what, size_t limit) {
  er_fail(&r->err, "ETOOBIG", "%s %s failed: %s is larger than %zu bytes", r->method, r->shown, what, limit);
  r->failed = true;
  return 0;                                    /* makes libcurl end the transfer */
}

static void add_header(er_http_req *r, const char *s, size_t n) {
  const char *colon = memchr(s, ':', n), *value = colon, *end = s + n;
  if (colon == NULL || colon == s || s[0] == ' ' || s[0] == '\t' || memchr(s, '\0', n) != NULL) return;
  for (; s < colon; s++) er_buf_char(&r->head, (char)tolower((unsigned char)*s));
  er_buf_char(&r->head, '\0');
  for (value++; value < end && (*value == ' ' || *value == '\t'); value++) {}
  while (end > value && strchr(" \t\r\n", end[-1]) != NULL) end--;
  er_buf_add(&r->head, value, (size_t)(end - value));
  er_buf_char(&r->head, '\0');
}

size_t er_http_on_header(char *s, size_t size, size_t n, void *ud) {
  er_http_req *r = ud;
  (void)size;
  r->last = er_clock_mono();
  if (r->headed || r->redirected) return n;    /* trailers */
  if (n > 5 && memcmp(s, "HTTP/", 5) == 0) {
    const char *space = memchr(s, ' ', n);
    er_buf_clear(&r->head);
    r->status = space != NULL ? atoi(space + 1) : 0;
    return n;
  }
  if (n <= 2 && (s[0] == '\r' || s[0] == '\n')) return head_ends(r, n);
  if (r->head.len + n > MAX_HEAD) return too_big(r, "the head of its reply", MAX_HEAD);
  add_header(r, s, n);
  return n;
}

size_t er_http_on_body(char *s, size_t size, size_t n, void *ud) {
  er_http_req *r = ud;
  (void)size;
  r->last = er_clock_mono();
  if (r->redirected) return n;
  if (n > r->max_bytes - r->received) return too_big(r, "its reply", r->max_bytes);
  if (r->in.len >= HIGH_WATER) {
    r->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  er_buf_add(&r->in, s, n);
  r->received += n;
  notify(r);
  return n;
}

size_t er_http_on_send(char *to, size_t size, size_t n, void *ud) {
  er_http_req *r = ud;
  size_t left = r->body_len - r->body_sent;
  (void)size;
  if (n > left) n = left;
  memcpy(to, r->body + r->body_sent, n);
  r->body_sent += n;
  r->last = er_clock_mono();
  return n;
}

/* libcurl asks to rewind when a kept connection died under a request: by itself it
 * would send the body again.  Whoever sent it may have read it, and has been paid
 * for it: whether it is sent again is for the caller to say. */
int er_http_on_seek(void *ud, curl_off_t offset, int origin) {
  er_http_req *r = ud;
  if (origin == SEEK_SET && offset == 0 && r->body_sent == 0) return CURL_SEEKFUNC_OK;
  r->resend = true;
  return CURL_SEEKFUNC_FAIL;
}

/* ---- its end -------------------------------------------------------------------------------- */

static void leave_multi(er_http_req *r) {
  if (r->added) r->http->curl.multi_remove_handle(r->http->multi, r->easy);
  r->added = false;
}

static void end(er_http_req *r) {
  leave_multi(r);
  er_timer_stop(r->timer);
  r->timer = NULL;
  r->ended = true;
  notify(r);
}

/* Idle and total limit.  The timer is not moved at every byte: it looks, when it
 * fires, at how long ago the last one was. */
static void look_at_limits(void *ud) {
  er_http_req *r = ud;
  double now = er_clock_mono(), next;
  if (r->paused) r->last = now;                /* that silence is ours */
  next = r->last + r->idle;
  if (now < next && now < r->until) {
    er_timer_set(r->timer, (next < r->until ? next : r->until) - now);
    return;
  }
  r->failed = true;
  er_http_explain_limit(r, now < r->until, &r->err);
  end(r);
}

static void add_to_multi(er_http_req *r) {
  if (r->http->curl.multi_add_handle(r->http->multi, r->easy) != CURLM_OK) abort();   /* only without memory */
  r->added = true;
}

static void go_to_new_place(er_http_req *r) {
  leave_multi(r);
  r->redirected = false;
  r->status = 0;
  r->body_sent = 0;
  er_http_set_options(r);
  add_to_multi(r);
}

static void finished(er_http_req *r, CURLcode rc) {
  if (rc == CURLE_OK && r->redirected) {
    go_to_new_place(r);
    return;
  }
  if (!r->failed && (rc != CURLE_OK || !r->headed)) {
    r->failed = true;
    er_http_explain(r, rc != CURLE_OK ? rc : CURLE_GOT_NOTHING, &r->err);
  }
  end(r);
}

/* ---- the multi handle on the loop ---------------------------------------------------------------- */

static void take_finished(er_http *h) {
  const er_curl *c = &h->curl;
  CURLMsg *m;
  int left;
  while ((m = c->multi_info_read(h->multi, &left)) != NULL) {
    er_http_req *r = NULL;
    CURLcode rc = m->data.result;
    if (m->msg != CURLMSG_DONE) continue;
    c->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
    finished(r, rc);
  }
}

static void socket_ready(void *ud, int fd, int events) {
  er_http *h = ud;
  int mask = ((events & ER_READABLE) ? CURL_CSELECT_IN : 0) | ((events & ER_WRITABLE) ? CURL_CSELECT_OUT : 0), running;
  h->curl.multi_socket_action(h->multi, fd, mask, &running);
  take_finished(h);
}

static void timer_fired(void *ud) {
  er_http *h = ud;
  int running;
  h->curl.multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  take_finished(h);
}

static int on_timer(CURLM *m, long ms, void *ud) {
  er_http *h = ud;
  (void)m;
  er_timer_set(h->timer, ms < 0 ? -1 : (double)ms / 1000);
  return 0;
}

/* libcurl wants a socket watched for something else, or no longer. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud) {
  er_http *h = ud;
  er_poll *p = socket_ud;
  (void)easy;
  if (what == CURL_POLL_REMOVE) {
    er_poll_stop(p);
    h->curl.multi_assign(h->multi, fd, NULL);
    return 0;
  }
  if (p == NULL) {
    p = er_poll_start(h->loop, fd, socket_ready, h);
    if (p == NULL) return -1;
    h->curl.multi_assign(h->multi, fd, p);
  }
  er_poll_set(p, (what != CURL_POLL_OUT ? ER_READABLE : 0) | (what != CURL_POLL_IN ? ER_WRITABLE : 0));
  return 0;
}

/* ---- life ----------------------------------------------------------------------------------------- */

/* A request in flight is a descriptor; the usual soft limit of 1,024 is for programs
 * that use select. */
static void allow_many_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= files.rlim_max) return;
  files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
  setrlimit(RLIMIT_NOFILE, &files);
}

er_http *er_http_new(er_loop *l, er_err *err) {
  er_http *h = er_calloc(1, sizeof *h);
  const er_curl *c = &h->curl;
  if (er_curl_load(&h->curl, err) < 0) {
    er_free(h);
    return NULL;
  }
  allow_many_files();
  c->global_init(CURL_GLOBAL_DEFAULT);
  h->loop = l;
  h->multi = c->multi_init();
  h->timer = er_timer_start(l, 0, 0, timer_fired, h);
  er_timer_set(h->timer, -1);
  er_timer_unref(h->timer);                    /* requests keep the loop going by their own timers */
  c->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  c->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
  c->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  c->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
  c->multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
  return h;
}

void er_http_free(er_http *h) {
  if (h == NULL) return;
  h->curl.multi_cleanup(h->multi);
  h->curl.global_cleanup();
  er_timer_stop(h->timer);
  er_free(h);
}

er_http_req *er_http_open(er_http *h, const er_http_opts *o, er_loop_fn on_event, void *ud, er_err *err) {
  er_http_req *r = er_calloc(1, sizeof *r);
  double now = er_clock_mono();
  r->http = h;
  r->on_event = on_event;
  r->ud = ud;
  if (er_http_prepare(r, o, err) < 0) {
    er_http_close(r);
    return NULL;
  }
  r->last = now;
  r->until = now + o->timeout;
  r->easy = h->curl.easy_init();
  if (r->easy == NULL) abort();
  er_http_set_options(r);
  r->timer = er_timer_start(h->loop, r->idle < o->timeout ? r->idle : o->timeout, 0, look_at_limits, r);
  add_to_multi(r);
  return r;
}

void er_http_close(er_http_req *r) {
  if (r == NULL) return;
  leave_multi(r);
  er_timer_stop(r->timer);
  if (r->easy != NULL) r->http->curl.easy_cleanup(r->easy);
  r->http->curl.slist_free_all(r->headers);
  er_buf_free(&r->head);
  er_buf_free(&r->in);
  er_free(r->method);
  er_free(r->url);
  er_free(r->origin);
  er_free(r->shown);
  er_free(r);
}

/* ---- what has come back ------------------------------------------------------------------------------ */

int er_http_status(const er_http_req *r, er_err *err) {
  if (r->headed) return r->status;
  if (!r->ended) return 0;
  *err = r->err;
  return -1;
}

bool er_http_header(const er_http_req *r, size_t i, const char **name, const char **value) {
  const char *p = r->head.ptr, *end = p + r->head.len;
  for (; p != NULL && p < end; i--) {
    *name = p;
    *value = p + strlen(p) + 1;
    if (i == 0) return true;
    p = *value + strlen(*value) + 1;
  }
  return false;
}

static void take(er_http_req *r, er_buf *out) {
  if (out->len == 0) {
    er_buf_free(out);
    *out = r->in;
    r->in = (er_buf){0};
    return;
  }
  er_buf_add(out, r->in.ptr, r->in.len);
  er_buf_clear(&r->in);
}

er_http_got er_http_read(er_http_req *r, er_buf *out, er_err *err) {
  if (r->in.len > 0) {
    take(r, out);
    if (r->paused && r->added) {
      r->paused = false;
      r->last = er_clock_mono();
      r->http->curl.easy_pause(r->easy, CURLPAUSE_CONT);   /* may hand over bytes at once */
    }
    return ER_HTTP_BYTES;
  }
  if (!r->ended) return ER_HTTP_WAIT;
  if (!r->failed) return ER_HTTP_END;
  *err = r->err;
  return ER_HTTP_FAILED;
}
