/* shift.c - the rule that turns a reply's indentation into the file's. */

#include "patch/shift.h"

#include <stdlib.h>
#include <string.h>

static er_line indent_of(const er_line *l) {
  er_line t = *l;
  t.n = (uint32_t)er_line_indent(l);
  return t;
}

void er_indents_add(er_indents *in, const er_line *reply, const er_line *file) {
  er_line p = indent_of(reply), f = indent_of(file);
  for (size_t i = 0; i < in->n; i++) {
    if (!er_line_same_text(&in->reply[i], &p)) continue;
    in->torn |= !er_line_same_text(&in->file[i], &f);
    return;
  }
  if (in->n == ER_SHIFT_PAIRS) {
    in->torn = true;
    return;
  }
  in->reply[in->n] = p;
  in->file[in->n++] = f;
}

bool er_indents_equal(const er_indents *in) {
  if (in->torn) return false;
  for (size_t i = 0; i < in->n; i++)
    if (!er_line_same_text(&in->reply[i], &in->file[i])) return false;
  return true;
}

static uint32_t width(const er_line *l, uint32_t tab) {
  uint32_t w = 0;
  for (uint32_t i = 0; i < l->n; i++) w = l->s[i] == '\t' ? w - w % tab + tab : w + 1;
  return w;
}

bool er_indents_same_width(const er_indents *in) {
  static const uint32_t tabs[] = {8, 4, 2};
  for (size_t t = 0; t < 3; t++) {
    size_t i = 0;
    while (i < in->n && width(&in->reply[i], tabs[t]) == width(&in->file[i], tabs[t])) i++;
    if (i == in->n) return true;
  }
  return false;
}

/* ---- the same bytes in front of all lines ---- */

static bool ends_with(const er_line *l, const er_line *tail) {
  return l->n >= tail->n && memcmp(l->s + l->n - tail->n, tail->s, tail->n) == 0;
}

static bool learn_front(const er_indents *in, er_shift *out) {
  bool deeper = in->file[0].n > in->reply[0].n;
  const er_line *more = deeper ? in->file : in->reply, *less = deeper ? in->reply : in->file;
  uint32_t n = more[0].n - less[0].n;
  if (n == 0) return false;
  for (size_t i = 0; i < in->n; i++)
    if (more[i].n < n || more[i].n - n != less[i].n || memcmp(more[i].s, more[0].s, n) != 0 ||
        !ends_with(&more[i], &less[i]))
      return false;
  *out = (er_shift){.kind = deeper ? ER_SHIFT_DEEPER : ER_SHIFT_SHALLOWER, .s = more[0].s, .n = n};
  return true;
}

/* ---- another unit ---- */

/* The one byte that all indentations consist of: 0 if they are empty, -1 if mixed. */
static int only_sign(const er_line *v, size_t n) {
  int sign = 0;
  for (size_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < v[i].n; k++) {
      if (sign == 0) sign = v[i].s[k];
      if (v[i].s[k] != sign) return -1;
    }
  return sign;
}

/* Units that people indent by; anything else is an accident. */
static bool sane_ratio(char from, char to, int32_t num, int32_t den) {
  if (num <= 0 || den <= 0) return false;
  if (from == to) return num == den * 2 || den == num * 2;
  int32_t big = from == ' ' ? den : num, small = from == ' ' ? num : den;
  return big % small == 0 && (big / small == 2 || big / small == 3 || big / small == 4 || big / small == 8);
}

/* Tabs for spaces or spaces for tabs, and nothing else. */
static bool same_depth(const er_shift *s) {
  return s->kind == ER_SHIFT_SCALE && s->from != s->to && s->f0 * s->den == s->p0 * s->num;
}

/* Two different indentations give the ratio.  One alone does only between tabs
 * and 2 or 4 spaces: 8 spaces for a tab may as well be one level too many. */
static bool find_ratio(const er_indents *in, er_shift *s) {
  for (size_t i = 1; i < in->n; i++) {
    s->num = (int32_t)in->file[i].n - (int32_t)in->file[0].n;
    s->den = (int32_t)in->reply[i].n - (int32_t)in->reply[0].n;
    if (s->den == 0) continue;
    if (s->den < 0) s->num = -s->num, s->den = -s->den;
    return true;
  }
  if (s->from == s->to) return false;
  s->num = (int32_t)in->file[0].n;
  s->den = (int32_t)in->reply[0].n;
  return s->num == s->den * 2 || s->num == s->den * 4 || s->den == s->num * 2 || s->den == s->num * 4;
}

static bool learn_scale(const er_indents *in, er_shift *out) {
  int from = only_sign(in->reply, in->n), to = only_sign(in->file, in->n);
  er_shift s = {.kind = ER_SHIFT_SCALE, .from = (char)from, .to = (char)to};
  if (from <= 0 || to <= 0) return false;
  for (size_t i = 0; i < in->n; i++)
    if (in->reply[i].n > 4096 || in->file[i].n > 4096) return false;
  s.p0 = (int32_t)in->reply[0].n;
  s.f0 = (int32_t)in->file[0].n;
  if (!find_ratio(in, &s) || !sane_ratio(s.from, s.to, s.num, s.den)) return false;
  for (size_t i = 0; i < in->n; i++)
    if (((int32_t)in->file[i].n - s.f0) * s.den != ((int32_t)in->reply[i].n - s.p0) * s.num) return false;
  *out = s;
  return true;
}

/* Some lines are indented as the file is and some with the other sign, but as
 * deep: those are scaled, and the others left alone. */
static bool learn_mixture(const er_indents *in, er_shift *out) {
  er_indents differ = {0};
  for (size_t i = 0; i < in->n; i++)
    if (!er_line_same_text(&in->reply[i], &in->file[i])) er_indents_add(&differ, &in->reply[i], &in->file[i]);
  if (differ.n == in->n || !learn_scale(&differ, out) || !same_depth(out)) return false;
  for (size_t i = 0; i < in->n; i++) {
    const er_line *l = &in->reply[i];
    if (er_line_same_text(l, &in->file[i]) && l->n > 0 && only_sign(l, 1) != out->to) return false;
  }
  return true;
}

bool er_shift_learn(const er_indents *in, er_shift *out) {
  *out = (er_shift){0};
  if (in->torn) return false;
  return er_indents_equal(in) || learn_front(in, out) || learn_scale(in, out) || learn_mixture(in, out);
}

/* ---- applying it ---- */

static bool mixes(const er_shift *s, const er_line *indent) {
  for (uint32_t i = 0; i < s->n; i++)
    if (indent->n > 0 && s->s[i] != indent->s[0]) return true;
  return false;
}

static bool scaled(const er_shift *s, const er_line *indent, int32_t *out) {
  int32_t steps = ((int32_t)indent->n - s->p0) * s->num;
  *out = s->f0 + steps / s->den;
  return steps % s->den == 0 && *out >= 0;
}

/* A new line that is indented with the file's sign, where all old lines of the
 * reply have the other one in the same depth, is as the file would have it. */
static bool as_the_file(const er_shift *s, const er_line *indent) {
  return same_depth(s) && indent->n > 0 && only_sign(indent, 1) == s->to;
}

bool er_shift_covers(const er_shift *s, const er_line *l) {
  er_line in = indent_of(l);
  int32_t n;
  if (as_the_file(s, &in)) return true;
  if (s->kind == ER_SHIFT_NONE || er_line_blank(l)) return true;
  if (s->kind == ER_SHIFT_DEEPER) return !mixes(s, &in);
  if (s->kind == ER_SHIFT_SHALLOWER) return in.n >= s->n && memcmp(in.s, s->s, s->n) == 0;
  return in.n <= 4096 && (in.n == 0 || only_sign(&in, 1) == s->from) && scaled(s, &in, &n);
}

void er_shift_put(const er_shift *s, const er_line *l, er_buf *out) {
  er_line in = indent_of(l);
  int32_t n = 0;
  uint32_t skip = 0;
  if (s->kind != ER_SHIFT_NONE && !er_line_blank(l) && !as_the_file(s, &in) && er_shift_covers(s, l)) {
    if (s->kind == ER_SHIFT_DEEPER) er_buf_add(out, s->s, s->n);
    if (s->kind == ER_SHIFT_SHALLOWER) skip = s->n;
    if (s->kind == ER_SHIFT_SCALE) {
      skip = in.n;
      scaled(s, &in, &n);
      while (n-- > 0) er_buf_char(out, s->to);
    }
  }
  er_buf_add(out, l->s + skip, l->n - skip);
}
