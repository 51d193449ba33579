/* http_fail.c - what went wrong with a request, in a stable code and in words that help. */

#include <string.h>

#include "loop/http_room.h"

typedef struct { CURLcode rc; const char *code, *advice; } failure;

#define CUT "ECUT", "the connection ended before the reply did; asking again may help"

static const failure failures[] = {
  {CURLE_COULDNT_RESOLVE_HOST, "EDNS", "check the name of the host, and that this machine has a network"},
  {CURLE_COULDNT_RESOLVE_PROXY, "EDNS", "check the proxy that http_proxy, https_proxy or all_proxy names"},
  {CURLE_COULDNT_CONNECT, "ECONNECT", "check that a server listens at this host and port"},
  {CURLE_PROXY, "ECONNECT", "check the proxy that http_proxy, https_proxy or all_proxy names"},
  {CURLE_PEER_FAILED_VERIFICATION, "ETLS",
   "its certificate is not trusted here: name the right ones in SSL_CERT_FILE, or correct the host's name"},
  {CURLE_SSL_CACERT_BADFILE, "ETLS",
   "check CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR; without them apt-get install ca-certificates"},
  {CURLE_SSL_CONNECT_ERROR, "ETLS", "check that this port speaks TLS; if it does not, the URL begins with http://"},
  {CURLE_SSL_ISSUER_ERROR, "ETLS", "its certificate is not trusted here"},
  {CURLE_SSL_INVALIDCERTSTATUS, "ETLS", "its certificate was withdrawn"},
  {CURLE_SSL_CIPHER, "ETLS", "both sides have no cipher in common"},
  {CURLE_SSL_CERTPROBLEM, "ETLS", "its certificate cannot be used"},
  {CURLE_URL_MALFORMAT, "EURL", "write it as http://host:port/path or https://host/path"},
  {CURLE_UNSUPPORTED_PROTOCOL, "EPROTO", "the server does not speak HTTP/1.1 or HTTP/2: check host and port"},
  {CURLE_OUT_OF_MEMORY, "ETOOBIG", "most likely its head has a line of over 100 KB, which libcurl does not take"},
  {CURLE_OPERATION_TIMEDOUT, "ETIMEDOUT", "no connection within connect_timeout: check host and port, or allow more"},
  {CURLE_GOT_NOTHING, CUT},
  {CURLE_PARTIAL_FILE, CUT},
  {CURLE_RECV_ERROR, CUT},
  {CURLE_SEND_ERROR, CUT},
  {CURLE_SEND_FAIL_REWIND, CUT},
  {CURLE_HTTP2, CUT},
  {CURLE_HTTP2_STREAM, CUT},
};

static const failure *find(const er_http_req *r, CURLcode rc) {
  static const failure chunks = {CURLE_OK, "EPROTO", "the parts of its reply do not fit together"};
  static const failure tunnel = {CURLE_OK, "ECONNECT",
                                 "the proxy refused; check the one that https_proxy or all_proxy names"};
  static const failure other = {CURLE_OK, "EPROTO", "the server does not speak HTTP as it should: check host and port"};
  /* libcurl has one code for these and for a cut; only its words differ. */
  if (strstr(r->detail, "chunked-encoding") != NULL) return &chunks;
  if (strstr(r->detail, "CONNECT tunnel") != NULL) return &tunnel;
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
    if (failures[i].rc == rc) return &failures[i];
  return &other;
}

void er_http_explain(const er_http_req *r, CURLcode rc, er_err *err) {
  const char *detail = r->detail;
  const failure *f;
  size_t n;
  if (r->resend) rc = CURLE_GOT_NOTHING;       /* what happened before libcurl wished to send again */
  f = find(r, rc);
  if (r->resend || detail[0] == '\0') detail = r->http->curl.easy_strerror(rc);
  n = strlen(detail);
  if (n > 0 && detail[n - 1] == '.') n--;
  er_fail(err, f->code, "%s %s failed: %.*s; %s", r->method, r->shown, (int)n, detail, f->advice);
}

void er_http_explain_limit(const er_http_req *r, bool idle, er_err *err) {
  const char *where = r->headed ? "its reply has begun and not ended" : "there is no reply";
  if (idle)
    er_fail(err, "EIDLE", "%s %s failed: no byte for %g s (idle_timeout), %s", r->method, r->shown, r->idle, where);
  else
    er_fail(err, "ETIMEDOUT", "%s %s failed: not done within its time limit (timeout), %s", r->method, r->shown, where);
}
