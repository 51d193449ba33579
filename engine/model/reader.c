/* reader.c - a strict pull reader for JSON. */

#include "model/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

er_reader er_reader_of(const char *bytes, size_t n, const char *name, er_err *err) {
  return (er_reader){.start = bytes, .p = bytes, .end = bytes + n, .name = name, .err = err};
}

int er_reader_fail(er_reader *r, const char *fmt, ...) {
  char why[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(why, sizeof why, fmt, ap);
  va_end(ap);
  return er_fail(r->err, "format", "%s, byte %zu: %s", r->name, (size_t)(r->p - r->start), why);
}

/* Cut at the end of a character, so that what is shown stays UTF-8. */
const char *er_reader_show(const char *s, size_t n, char out[64]) {
  size_t len = 0, k;
  for (size_t i = 0; i < n && len < 56; i += k > 0 ? k : 1) {
    k = er_utf8_char(s + i, n - i);
    if (k == 0 || (unsigned char)s[i] < 32 || s[i] == 127) out[len++] = '?';
    else memcpy(out + len, s + i, k), len += k;
  }
  memcpy(out + len, n > len ? "..." : "", n > len ? 4 : 1);
  return out;
}

/* ---- bytes ---------------------------------------------------------------------------- */

char er_reader_peek(er_reader *r) {
  while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) r->p++;
  return r->p < r->end ? *r->p : '\0';
}

static int expect(er_reader *r, char c, const char *what) {
  char found = er_reader_peek(r), shown[64];
  if (found == c && r->p < r->end) return r->p++, 0;
  if (r->p == r->end) return er_reader_fail(r, "%s was expected, but the text ends", what);
  return er_reader_fail(r, "%s was expected, not '%s'", what, er_reader_show(r->p, 1, shown));
}

static int word(er_reader *r, const char *s) {
  size_t n = strlen(s);
  if ((size_t)(r->end - r->p) < n || memcmp(r->p, s, n) != 0) return er_reader_fail(r, "no JSON value");
  r->p += n;
  return 0;
}

/* ---- objects and lists ------------------------------------------------------------------ */

static int into(er_reader *r, char open, const char *what) {
  if (expect(r, open, what) < 0) return -1;
  if (++r->depth > ER_READER_DEPTH) return er_reader_fail(r, "nested more than %d deep", ER_READER_DEPTH);
  r->first = true;
  return 0;
}

int er_reader_object(er_reader *r) { return into(r, '{', "an object"); }
int er_reader_list(er_reader *r) { return into(r, '[', "a list"); }

/* Past the comma; 0 where `close` follows, which is read. */
static int next_member(er_reader *r, char close) {
  if (er_reader_peek(r) == close) {
    r->p++;
    r->depth--;
    r->first = false;            /* the outer one has this as a member */
    return 0;
  }
  if (!r->first && expect(r, ',', "a comma") < 0) return -1;
  r->first = false;
  return 1;
}

int er_reader_item(er_reader *r) { return next_member(r, ']'); }

int er_reader_key(er_reader *r, er_buf *key) {
  int rc = next_member(r, '}');
  if (rc <= 0) return rc;
  if (er_reader_string(r, key) < 0 || expect(r, ':', "a colon") < 0) return -1;
  return 1;
}

/* ---- strings ------------------------------------------------------------------------------ */

static int hex4(er_reader *r, unsigned *out) {
  *out = 0;
  if (r->end - r->p < 4) return er_reader_fail(r, "the text ends in a \\u");
  for (int i = 0; i < 4; i++) {
    char c = *r->p++;
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                   : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10) : 16;
    if (digit == 16) return er_reader_fail(r, "a \\u needs four hexadecimal digits");
    *out = *out << 4 | digit;
  }
  return 0;
}

static void add_utf8(er_buf *out, unsigned c) {
  if (c < 0x80) {
    er_buf_char(out, (char)c);
  } else if (c < 0x800) {
    er_buf_char(out, (char)(0xC0 | c >> 6));
  } else {
    if (c < 0x10000) {
      er_buf_char(out, (char)(0xE0 | c >> 12));
    } else {
      er_buf_char(out, (char)(0xF0 | c >> 18));
      er_buf_char(out, (char)(0x80 | (c >> 12 & 63)));
    }
    er_buf_char(out, (char)(0x80 | (c >> 6 & 63)));
  }
  if (c >= 0x80) er_buf_char(out, (char)(0x80 | (c & 63)));
}

static int unicode_escape(er_reader *r, er_buf *out) {
  unsigned c, low;
  if (hex4(r, &c) < 0) return -1;
  if (c >= 0xDC00 && c < 0xE000) return er_reader_fail(r, "a \\u of the second half of a pair without the first");
  if (c >= 0xD800 && c < 0xDC00) {
    if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
      return er_reader_fail(r, "a \\u of the first half of a pair without the second");
    r->p += 2;
    if (hex4(r, &low) < 0) return -1;
    if (low < 0xDC00 || low > 0xDFFF) return er_reader_fail(r, "a pair of \\u that does not fit");
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  add_utf8(out, c);
  return 0;
}

static int escape(er_reader *r, er_buf *out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *at;
  char c;
  if (r->p == r->end) return er_reader_fail(r, "the text ends in a string");
  c = *r->p++;
  if (c == 'u') return unicode_escape(r, out);
  if (c == '\0' || (at = strchr(from, c)) == NULL) return er_reader_fail(r, "an escape that JSON does not have");
  er_buf_char(out, to[at - from]);
  return 0;
}

/* Runs of plain characters are copied as one piece. */
int er_reader_string(er_reader *r, er_buf *out) {
  er_buf_clear(out);
  if (expect(r, '"', "a string") < 0) return -1;
  for (;;) {
    const char *from = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 32) {
      size_t k = (unsigned char)*r->p < 128 ? 1 : er_utf8_char(r->p, (size_t)(r->end - r->p));
      if (k == 0) return er_reader_fail(r, "a byte that is no UTF-8");
      r->p += k;
    }
    er_buf_add(out, from, (size_t)(r->p - from));
    if (r->p == r->end) return er_reader_fail(r, "the text ends in a string");
    if (*r->p == '"') return r->p++, 0;
    if (*r->p != '\\') return er_reader_fail(r, "a control character in a string");
    r->p++;
    if (escape(r, out) < 0) return -1;
  }
}

/* ---- numbers and the rest -------------------------------------------------------------------- */

static bool digit(const er_reader *r) { return r->p < r->end && *r->p >= '0' && *r->p <= '9'; }

static int digits(er_reader *r) {
  if (!digit(r)) return er_reader_fail(r, "a digit was expected");
  while (digit(r)) r->p++;
  return 0;
}

static int number(er_reader *r) {
  if (*r->p == '-') r->p++;
  if (digit(r) && *r->p == '0') r->p++;
  else if (digits(r) < 0) return -1;
  if (r->p < r->end && *r->p == '.' && (r->p++, digits(r)) < 0) return -1;
  if (r->p < r->end && (*r->p | 32) == 'e') {
    r->p++;
    if (r->p < r->end && (*r->p == '+' || *r->p == '-')) r->p++;
    return digits(r);
  }
  return 0;
}

int er_reader_count(er_reader *r, uint64_t *out) {
  char c = er_reader_peek(r);
  const char *from = r->p;
  *out = 0;
  if (c < '0' || c > '9') return er_reader_fail(r, "a whole number of at least 0 was expected");
  if (number(r) < 0) return -1;
  for (const char *p = from; p < r->p; p++) {
    if (*p < '0' || *p > '9') return r->p = from, er_reader_fail(r, "a whole number was expected, not a fraction");
    if ((*out = *out * 10 + (uint64_t)(*p - '0')) > (uint64_t)1 << 53)
      return r->p = from, er_reader_fail(r, "a number above 2^53");
  }
  return 0;
}

int er_reader_bool(er_reader *r, bool *out) {
  char c = er_reader_peek(r);
  *out = c == 't';
  if (c != 't' && c != 'f' && c != 'n') return er_reader_fail(r, "true or false was expected");
  return word(r, c == 't' ? "true" : c == 'f' ? "false" : "null");
}

/* One value, or the beginning of an object or a list (1). */
static int skip_one(er_reader *r, er_buf *scratch) {
  switch (er_reader_peek(r)) {
    case '{': return er_reader_object(r) < 0 ? -1 : 1;
    case '[': return er_reader_list(r) < 0 ? -1 : 1;
    case '"': return er_reader_string(r, scratch);
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    case '\0': return er_reader_fail(r, "a value was expected, but the text ends");
    default: return number(r);
  }
}

/* What is open is remembered in one bit a level, so that no depth of nesting costs stack. */
static int skip_rest(er_reader *r, er_buf *scratch) {
  uint64_t lists = 0;
  int from = r->depth, rc;
  do {
    if ((rc = skip_one(r, scratch)) < 0) return -1;
    if (rc > 0) lists = lists << 1 | (r->p[-1] == '[');
    while (r->depth > from) {
      rc = (lists & 1) != 0 ? er_reader_item(r) : er_reader_key(r, scratch);
      if (rc < 0) return -1;
      if (rc > 0) break;
      lists >>= 1;
    }
  } while (r->depth > from);
  return 0;
}

int er_reader_skip(er_reader *r) {
  er_buf scratch = {0};
  int rc = skip_rest(r, &scratch);
  er_buf_free(&scratch);
  return rc;
}

int er_reader_slice(er_reader *r, const char **bytes, size_t *n) {
  (void)er_reader_peek(r);
  *bytes = r->p;
  if (er_reader_skip(r) < 0) return -1;
  *n = (size_t)(r->p - *bytes);
  return 0;
}

int er_reader_end(er_reader *r) {
  (void)er_reader_peek(r);
  return r->p == r->end ? 0 : er_reader_fail(r, "more text behind the value");
}
