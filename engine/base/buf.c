/* buf.c - growable bytes. */

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

char *er_buf_room(er_buf *b, size_t n) {
  if (b->len + n + 1 > b->cap) {
    size_t cap = b->cap ? b->cap * 2 : 64;
    while (cap < b->len + n + 1) cap *= 2;
    b->ptr = er_realloc(b->ptr, cap);
    b->cap = cap;
  }
  b->ptr[b->len + n] = '\0';
  return b->ptr + b->len;
}

void er_buf_add(er_buf *b, const void *bytes, size_t n) {
  char *to = er_buf_room(b, n);
  if (n > 0) memcpy(to, bytes, n);
  b->len += n;
}

void er_buf_str(er_buf *b, const char *s) { er_buf_add(b, s, strlen(s)); }
void er_buf_char(er_buf *b, char c) { er_buf_add(b, &c, 1); }

/* Most fit in what is left of the buffer, and are formatted once. */
void er_buf_fmt(er_buf *b, const char *fmt, ...) {
  size_t left = b->cap - b->len;
  va_list ap, again;
  int n;
  va_start(ap, fmt);
  va_copy(again, ap);
  n = vsnprintf(left > 0 ? b->ptr + b->len : NULL, left, fmt, ap);
  va_end(ap);
  if (n > 0 && (size_t)n >= left) vsnprintf(er_buf_room(b, (size_t)n), (size_t)n + 1, fmt, again);
  if (n > 0) b->len += (size_t)n;
  va_end(again);
}

const char *er_buf_cstr(const er_buf *b) { return b->ptr != NULL ? b->ptr : ""; }

char *er_buf_take(er_buf *b) {
  char *p = b->ptr != NULL ? b->ptr : er_strdup("");
  *b = (er_buf){0};
  return p;
}

void er_buf_clear(er_buf *b) {
  b->len = 0;
  if (b->ptr != NULL) b->ptr[0] = '\0';
}

void er_buf_free(er_buf *b) {
  er_free(b->ptr);
  *b = (er_buf){0};
}
