/* mend.c - HTML escapes, no-break spaces and typographic quotes, taken back. */

#include "patch/mend.h"

#include <string.h>

typedef struct { const char *from, *to; } pair;

static const pair html[] = {{"&lt;", "<"},  {"&gt;", ">"},   {"&amp;", "&"},  {"&quot;", "\""},
                            {"&#39;", "'"}, {"&#x27;", "'"}, {"&apos;", "'"}, {"&nbsp;", " "}};

/* No-break, narrow and zero-width spaces; double and single quotes. */
static const pair signs[] = {{"\xc2\xa0", " "}, {"\xe2\x80\xaf", " "}, {"\xe2\x80\x8b", ""}, {"\xe2\x80\x9c", "\""},
                             {"\xe2\x80\x9d", "\""}, {"\xe2\x80\x98", "'"}, {"\xe2\x80\x99", "'"}};

static const pair *find(const pair *v, size_t n, const char *s, size_t len) {
  for (size_t i = 0; i < n; i++) {
    size_t m = strlen(v[i].from);
    if (m <= len && memcmp(s, v[i].from, m) == 0) return &v[i];
  }
  return NULL;
}

bool er_mend(const char *reply, size_t len, er_mend_kind kind, er_buf *out) {
  size_t kept = 0;
  bool any = false;
  for (size_t i = 0; i < len;) {
    unsigned char c = (unsigned char)reply[i];
    const pair *p = NULL;
    if (c == '&') p = find(html, sizeof html / sizeof *html, reply + i, len - i);
    else if (c >= 0xc2 && kind == ER_MEND_ALL) p = find(signs, sizeof signs / sizeof *signs, reply + i, len - i);
    if (p == NULL) { i++; continue; }
    er_buf_add(out, reply + kept, i - kept);
    er_buf_str(out, p->to);
    kept = i += strlen(p->from);
    any = true;
  }
  if (any) er_buf_add(out, reply + kept, len - kept);
  return any;
}

bool er_mend_escaped(const char *reply, size_t len) {
  bool any = false;
  for (size_t i = 0; i < len; i++) {
    if (reply[i] == '<' || reply[i] == '>') return false;
    if (reply[i] != '&') continue;
    if (find(html, sizeof html / sizeof *html, reply + i, len - i) == NULL) return false;
    any = true;
  }
  return any;
}

const char *er_mend_name(er_mend_kind kind) { return kind == ER_MEND_HTML ? "html-escapes" : "typography"; }
