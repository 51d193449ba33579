/* text.c - shortest numbers, JSON strings, UTF-8. */

#include "base/text.h"

#include <stdio.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void er_text_double(er_buf *out, double x) {
  char s[40];
  if (fabs(x) < 1e15 && x == trunc(x)) {
    er_buf_fmt(out, "%.1f", x);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    if (digits < 15 && digits > 1) digits = 15;      /* 1 digit, then 15, 16, 17 */
    snprintf(s, sizeof s, "%.*g", digits, x);
    if (strtod(s, NULL) == x) break;
  }
  er_buf_str(out, s);
  if (strpbrk(s, ".eEni") == NULL) er_buf_str(out, ".0");
}

/* Eight bytes at a time: the high bit of a byte tells what is looked for in it. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static uint64_t load8(const char *s) {
  uint64_t v;
  memcpy(&v, s, sizeof v);
  return v;
}

static uint64_t below(uint64_t v, unsigned byte) { return (v - EACH(byte)) & ~v & EACH(0x80); }
static uint64_t equal(uint64_t v, unsigned byte) { return below(v ^ EACH(byte), 1); }

/* How many of the bytes at s stand for themselves in a JSON string. */
static size_t plain_run(const char *s, size_t n) {
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    uint64_t v = load8(s + i);
    if ((below(v, 0x20) | equal(v, '"') | equal(v, '\\') | equal(v, 0x7f)) != 0) break;
  }
  for (; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) break;
  }
  return i;
}

void er_text_quote(er_buf *out, const char *s, size_t n) {
  static const char hex[] = "0123456789abcdef";
  size_t i, from = 0;
  er_buf_char(out, '"');
  for (i = 0; (i += plain_run(s + i, n - i)) < n; i++) {
    unsigned char c = (unsigned char)s[i];
    er_buf_add(out, s + from, i - from);
    from = i + 1;
    switch (c) {
      case '"': er_buf_str(out, "\\\""); break;
      case '\\': er_buf_str(out, "\\\\"); break;
      case '\n': er_buf_str(out, "\\n"); break;
      case '\t': er_buf_str(out, "\\t"); break;
      case '\r': er_buf_str(out, "\\r"); break;
      default: {
        char u[7] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], 0};
        er_buf_add(out, u, 6);
      }
    }
  }
  er_buf_add(out, s + from, n - from);
  er_buf_char(out, '"');
}

size_t er_utf8_char(const char *str, size_t n) {
  const unsigned char *s = (const unsigned char *)str;
  unsigned c, code;
  size_t len, i;
  if (n == 0) return 0;
  c = s[0];
  if (c < 0x80) return 1;
  if (c < 0xc2 || c > 0xf4) return 0;
  len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  if (n < len) return 0;
  code = c & (0xffu >> (len + 1));
  for (i = 1; i < len; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3f);
  }
  if (len == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return 0;
  if (len == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
  return len;
}

/* How many of the bytes at s are ASCII without a doubt. */
static size_t ascii_run(const char *s, size_t n) {
  size_t i = 0;
  while (n - i >= 8 && (load8(s + i) & EACH(0x80)) == 0) i += 8;
  return i;
}

bool er_utf8_valid(const char *s, size_t n) {
  while (n > 0) {
    size_t k = ascii_run(s, n);
    if (k == 0) k = er_utf8_char(s, n);
    if (k == 0) return false;
    s += k;
    n -= k;
  }
  return true;
}

void er_utf8_clean(er_buf *out, const char *s, size_t n) {
  if (er_utf8_valid(s, n)) {
    er_buf_add(out, s, n);
    return;
  }
  while (n > 0) {
    size_t k = er_utf8_char(s, n);
    if (k > 0) er_buf_add(out, s, k);
    else er_buf_str(out, "\xef\xbf\xbd"), k = 1;
    s += k;
    n -= k;
  }
}
