/* http_ask.c - from a request's options to libcurl's, with every refusal made before a byte is sent. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "loop/http_room.h"

enum { MAX_REDIRECTS = 5 };

/* ---- URLs ----------------------------------------------------------------------------- */

static char *part(const er_curl *c, CURLU *u, CURLUPart which, unsigned flags) {
  char *s = NULL, *copy;
  if (c->url_get(u, which, &s, flags) != CURLUE_OK) return NULL;
  copy = er_strdup(s);
  c->free(s);
  return copy;
}

static int bad_url(er_err *err, const char *why) {
  return er_fail(err, "EURL",
                 "this is no URL that can be asked (%s): write it as http://host:port/path or https://host/path", why);
}

/* Takes what the request needs to know of its URL. */
static int take_url(er_http_req *r, CURLU *u, er_err *err) {
  const er_curl *c = &r->http->curl;
  char *scheme = part(c, u, CURLUPART_SCHEME, 0), *host = part(c, u, CURLUPART_HOST, 0);
  char *port = part(c, u, CURLUPART_PORT, CURLU_DEFAULT_PORT), *path = part(c, u, CURLUPART_PATH, 0);
  char *user = part(c, u, CURLUPART_USER, 0);
  int rc = 0;
  if (scheme == NULL || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
    rc = er_fail(err, "EURL", "erlua asks http:// and https:// alone, not %s://", scheme != NULL ? scheme : "");
  else if (host == NULL || port == NULL) rc = bad_url(err, "it names no host");
  if (rc == 0) {
    er_free(r->url);
    er_free(r->origin);
    er_free(r->shown);
    r->url = part(c, u, CURLUPART_URL, 0);
    r->origin = er_asprintf("%s://%s:%s", scheme, host, port);
    r->shown = er_asprintf("%s%s", r->origin, path != NULL ? path : "/");
    if (user != NULL) r->bound = true;
  }
  er_free(scheme);
  er_free(host);
  er_free(port);
  er_free(path);
  er_free(user);
  return rc;
}

static int set_url(er_http_req *r, const char *url, er_err *err) {
  const er_curl *c = &r->http->curl;
  CURLU *u = c->url();
  CURLUcode rc = c->url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
  int ok = rc == CURLUE_OK ? take_url(r, u, err) : bad_url(err, c->url_strerror(rc));
  c->url_cleanup(u);
  return ok;
}

/* ---- headers ------------------------------------------------------------------------------ */

static bool is_token(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] <= ' ' || s[i] == 127 || strchr("()<>@,;:\\\"/[]?={}", s[i]) != NULL) return false;
  return n > 0;
}

static bool named(const char *line, const char *name) {
  size_t n = strlen(name);
  return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static void add_line(er_http_req *r, const char *line) {
  r->headers = r->http->curl.slist_append(r->headers, line);
  if (r->headers == NULL) abort();
}

/* The value may be a key: messages name the header alone. */
static int add_header(er_http_req *r, const char *line, er_err *err) {
  const char *colon = strchr(line, ':'), *value = colon;
  if (colon == NULL || !is_token(line, (size_t)(colon - line)))
    return er_fail(err, "EHEADER",
                   "a header has no proper name: write it as \"Name: value\", the name of letters, digits and "
                   "dashes");
  if (strpbrk(line, "\r\n") != NULL)
    return er_fail(err, "EHEADER",
                   "the value of header %.*s holds a line break: a key read from a file often ends with one; "
                   "remove it",
                   (int)(colon - line), line);
  if (named(line, "Content-Length") || named(line, "Transfer-Encoding"))
    return er_fail(err, "EHEADER", "header %.*s is not for the caller to set: it follows from the body",
                   (int)(colon - line), line);
  for (value++; *value == ' ' || *value == '\t'; value++) {}
  if (*value != '\0') {
    add_line(r, line);
  } else {                                     /* libcurl takes "Name:" for an order to leave it out */
    char *empty = er_asprintf("%.*s;", (int)(colon - line), line);
    add_line(r, empty);
    er_free(empty);
  }
  return 0;
}

static int add_headers(er_http_req *r, const char *const *lines, er_err *err) {
  bool typed = false;
  for (; lines != NULL && *lines != NULL; lines++) {
    if (add_header(r, *lines, err) < 0) return -1;
    if (named(*lines, "Content-Type")) typed = true;
    if (!named(*lines, "Range")) r->bound = true;
  }
  add_line(r, "Expect:");                      /* no round trip before a large body */
  if (!typed) add_line(r, "Content-Type:");    /* nor libcurl's guess of a form */
  return 0;
}

/* ---- the request ------------------------------------------------------------------------------ */

int er_http_prepare(er_http_req *r, const er_http_opts *o, er_err *err) {
  const char *method = o->method != NULL ? o->method : o->body != NULL ? "POST" : "GET";
  if (!is_token(method, strlen(method))) return er_fail(err, "EURL", "the method is no word like GET or POST");
  r->method = er_strdup(method);
  r->body = o->body;
  r->body_len = o->body_len;
  r->connect = o->connect_timeout;
  r->idle = o->idle_timeout;
  r->max_bytes = o->max_bytes;
  if (o->body != NULL) r->bound = true;
  if (set_url(r, o->url, err) < 0) return -1;
  return add_headers(r, o->headers, err);
}

static const char *variable(const char *name) {
  const char *s = getenv(name);
  return s != NULL && s[0] != '\0' ? s : NULL;
}

/* Reading the certificates takes some 40 ms.  libcurl keeps them for the next connection,
 * but only while no folder is set: the system's, which is its default and adds nothing
 * to the system's file, is left out. */
static void set_tls(const er_curl *c, CURL *e) {
  static const char system_file[] = "/etc/ssl/certs/ca-certificates.crt", system_dir[] = "/etc/ssl/certs";
  const char *file = variable("CURL_CA_BUNDLE"), *dir = variable("SSL_CERT_DIR");
  if (file == NULL) file = variable("SSL_CERT_FILE");
  if (file != NULL) c->easy_setopt(e, CURLOPT_CAINFO, file);
  if (dir != NULL && strcmp(dir, system_dir) == 0 && (file == NULL || strcmp(file, system_file) == 0)) dir = NULL;
  c->easy_setopt(e, CURLOPT_CAPATH, dir);
}

static void set_method(er_http_req *r) {
  const er_curl *c = &r->http->curl;
  CURL *e = r->easy;
  if (r->body != NULL) {
    c->easy_setopt(e, CURLOPT_POST, 1L);
    c->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    if (r->body_len == 0) c->easy_setopt(e, CURLOPT_POSTFIELDS, "");
    c->easy_setopt(e, CURLOPT_READFUNCTION, er_http_on_send);
    c->easy_setopt(e, CURLOPT_READDATA, r);
    c->easy_setopt(e, CURLOPT_SEEKFUNCTION, er_http_on_seek);
    c->easy_setopt(e, CURLOPT_SEEKDATA, r);
    if (strcmp(r->method, "POST") != 0) c->easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
  } else if (strcmp(r->method, "HEAD") == 0) {
    c->easy_setopt(e, CURLOPT_NOBODY, 1L);
  } else if (strcmp(r->method, "GET") != 0) {
    c->easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
  }
}

/* A proxy of the environment is for the world outside: a server on this machine is
 * asked itself, whatever no_proxy says. */
static bool is_here(const char *origin) {
  const char *host = strstr(origin, "://") + 3;
  return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]:", 6) == 0 || strncasecmp(host, "localhost:", 10) == 0;
}

/* Without TLS nobody can agree on HTTP/2.  With it, requests wait for the first
 * connection to an origin to learn whether they can share it. */
static void set_version(er_http_req *r) {
  const er_curl *c = &r->http->curl;
  bool tls = strncmp(r->origin, "https:", 6) == 0;
  c->easy_setopt(r->easy, CURLOPT_HTTP_VERSION, tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
  c->easy_setopt(r->easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
}

/* Programs that the engine starts do not inherit the connection. */
static int close_on_exec(void *ud, curl_socket_t fd, curlsocktype what) {
  (void)ud;
  (void)what;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

static void set_callbacks(er_http_req *r) {
  const er_curl *c = &r->http->curl;
  CURL *e = r->easy;
  c->easy_setopt(e, CURLOPT_PRIVATE, r);
  c->easy_setopt(e, CURLOPT_ERRORBUFFER, r->detail);
  c->easy_setopt(e, CURLOPT_HEADERFUNCTION, er_http_on_header);
  c->easy_setopt(e, CURLOPT_HEADERDATA, r);
  c->easy_setopt(e, CURLOPT_WRITEFUNCTION, er_http_on_body);
  c->easy_setopt(e, CURLOPT_WRITEDATA, r);
  c->easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);   /* a proxy's head is not the reply's */
}

static void set_connection(er_http_req *r) {
  const er_curl *c = &r->http->curl;
  CURL *e = r->easy;
  c->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect * 1000) + 1);
  c->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  c->easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);   /* a cancel does not wait for the name to be found */
  c->easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, close_on_exec);
  c->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  c->easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 60L);
  c->easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 30L);
  c->easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);             /* one of each a request in flight */
  c->easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
  c->easy_setopt(e, CURLOPT_NOPROXY, is_here(r->origin) ? "*" : NULL);
}

void er_http_set_options(er_http_req *r) {
  const er_curl *c = &r->http->curl;
  CURL *e = r->easy;
  c->easy_setopt(e, CURLOPT_URL, r->url);
  c->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  c->easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
  c->easy_setopt(e, CURLOPT_USERAGENT, "erlua/" ERLUA_VERSION);
  set_callbacks(r);
  set_connection(r);
  set_tls(c, e);
  set_version(r);
  set_method(r);
}

/* ---- redirects ------------------------------------------------------------------------------------ */

static const char *header(const er_http_req *r, const char *wanted) {
  const char *name, *value;
  for (size_t i = 0; er_http_header(r, i, &name, &value); i++)
    if (strcmp(name, wanted) == 0) return value;
  return NULL;
}

static int refuse(const er_http_req *r, const char *from, const char *why, er_err *err) {
  return er_fail(err, "EURL", "%s answers %d and points to %s, which is not followed: %s", from, r->status, r->shown,
                 why);
}

/* The rules, once r->url is the new place. */
static int judge(er_http_req *r, const char *from, const char *origin, er_err *err) {
  bool repeatable = r->body == NULL && (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0);
  if (++r->redirects > MAX_REDIRECTS) return refuse(r, from, "more than 5 redirects", err);
  if (r->bound && strcmp(origin, r->origin) != 0)
    return refuse(r, from,
                  "a request with headers or a body stays at its host, so that no key leaves it; if this is the "
                  "right place, use its URL",
                  err);
  if (!repeatable && r->status != 307 && r->status != 308)
    return refuse(r, from, "only 307 and 308 repeat a request that is no GET; use that URL itself", err);
  return 0;
}

int er_http_redirect(er_http_req *r, er_err *err) {
  const er_curl *c = &r->http->curl;
  const char *location = header(r, "location");
  bool asks = (r->status >= 301 && r->status <= 303) || r->status == 307 || r->status == 308;
  char *from, *origin;
  CURLU *u;
  int rc;
  if (!asks || location == NULL) return 0;
  from = er_strdup(r->shown);
  origin = er_strdup(r->origin);
  u = c->url();
  c->url_set(u, CURLUPART_URL, r->url, 0);
  if (c->url_set(u, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    rc = er_fail(err, "EURL", "%s answers %d with a Location that is no URL", from, r->status);
  else if ((rc = take_url(r, u, err)) == 0) rc = judge(r, from, origin, err);
  c->url_cleanup(u);
  er_free(from);
  er_free(origin);
  return rc < 0 ? -1 : 1;
}
