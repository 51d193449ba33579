/* lines.c - splitting a text into lines and looking at one of them. */

#include "patch/lines.h"

#include <string.h>

#include "base/mem.h"

void er_lines_reserve(er_lines *out) {
  if (out->n < out->cap) return;
  out->cap = out->cap ? out->cap * 2 : 64;
  out->v = er_realloc(out->v, out->cap * sizeof *out->v);
}

void er_lines_push(er_lines *out, er_line line) {
  er_lines_reserve(out);
  out->v[out->n++] = line;
}

void er_lines_split(er_lines *out, const char *bytes, size_t len) {
  const char *p = bytes, *end = bytes + len;
  er_lines_reserve(out);
  while (p < end) {
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    const char *stop = nl != NULL ? nl : end;
    bool cr = nl != NULL && stop > p && stop[-1] == '\r';
    er_line l = {p, (uint32_t)(stop - p - cr), (uint8_t)((nl != NULL) + cr), 0};
    er_lines_push(out, l);
    p = nl != NULL ? nl + 1 : end;
  }
}

void er_lines_free(er_lines *l) {
  er_free(l->v);
  *l = (er_lines){0};
}

bool er_line_same_text(const er_line *a, const er_line *b) {
  return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
}

er_line er_line_trim_end(er_line l) {
  while (l.n > 0 && er_is_space(l.s[l.n - 1])) l.n--;
  return l;
}

size_t er_line_indent(const er_line *l) {
  size_t k = 0;
  while (k < l->n && (l->s[k] == ' ' || l->s[k] == '\t')) k++;
  return k;
}

er_line er_line_trim(er_line l) {
  size_t k;
  l = er_line_trim_end(l);
  k = er_line_indent(&l);
  l.s += k;
  l.n -= (uint32_t)k;
  return l;
}

bool er_line_blank(const er_line *l) { return er_line_trim_end(*l).n == 0; }

bool er_line_starts(const er_line *l, const char *text) {
  size_t n = strlen(text);
  return l->n >= n && memcmp(l->s, text, n) == 0;
}

bool er_line_is(const er_line *l, const char *text) {
  return l->n == strlen(text) && memcmp(l->s, text, l->n) == 0;
}
