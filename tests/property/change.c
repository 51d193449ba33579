/* change.c - true changes: some of the spans of a real commit, or edits as people make them. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "case.h"

static bool same_line(const er_line *a, const er_line *b) { return er_line_same_text(a, b); }

static void insert_line(er_lines *t, size_t at, er_line l) {
  er_lines_push(t, l);
  memmove(&t->v[at + 1], &t->v[at], (t->n - 1 - at) * sizeof *t->v);
  t->v[at] = l;
}

static void remove_lines(er_lines *t, size_t at, size_t n) {
  memmove(&t->v[at], &t->v[at + n], (t->n - at - n) * sizeof *t->v);
  t->n -= n;
}

static er_line make_line(prop_case *c, const char *text, size_t n) {
  return (er_line){keep(c, text, n), (uint32_t)n, ER_EOL_LF, 0};
}

/* ---- one edit each; false if the text offers no place ---- */

static bool is_word(char ch) { return isalnum((unsigned char)ch) || ch == '_'; }

/* A word of three letters or more in line `i`; its length, 0 if there is none. */
static size_t find_word(prop_case *c, const er_line *l, const char **word) {
  size_t from = l->n > 0 ? pick(c, l->n) : 0;
  while (from < l->n && !(isalpha((unsigned char)l->s[from]) && (from == 0 || !is_word(l->s[from - 1])))) from++;
  size_t n = 0;
  while (from + n < l->n && is_word(l->s[from + n])) n++;
  *word = l->s + from;
  return n >= 3 ? n : 0;
}

static void replace_in(prop_case *c, er_line *l, const char *old, size_t n, const char *new) {
  er_buf out = {0};
  for (size_t i = 0; i < l->n;) {
    bool whole = i + n <= l->n && memcmp(l->s + i, old, n) == 0 && (i == 0 || !is_word(l->s[i - 1])) &&
                 (i + n == l->n || !is_word(l->s[i + n]));
    if (whole) er_buf_str(&out, new), i += n;
    else er_buf_char(&out, l->s[i++]);
  }
  *l = make_line(c, er_buf_cstr(&out), out.len);
  er_buf_free(&out);
}

static bool rename_word(prop_case *c, er_lines *t) {
  static const char *const names[] = {"value", "total", "next_item", "count2", "head", "rate", "best_so_far"};
  size_t at = pick(c, t->n), reach = 1 + pick(c, 12);
  const char *word, *to = names[pick(c, sizeof names / sizeof *names)];
  size_t n = find_word(c, &t->v[at], &word);
  char old[64];
  if (n == 0 || n >= sizeof old) return false;
  memcpy(old, word, n);
  for (size_t i = at; i < t->n && i < at + reach; i++)
    if (memmem(t->v[i].s, t->v[i].n, old, n) != NULL) replace_in(c, &t->v[i], old, n, to);
  return true;
}

static bool change_number(prop_case *c, er_lines *t) {
  size_t start = pick(c, t->n);
  for (size_t i = start; i < t->n; i++) {
    const er_line *l = &t->v[i];
    for (size_t k = 0; k < l->n; k++) {
      if (!isdigit((unsigned char)l->s[k])) continue;
      char text[512];
      size_t end = k;
      while (end < l->n && isdigit((unsigned char)l->s[end])) end++;
      int n = snprintf(text, sizeof text, "%.*s%zu%.*s", (int)k, l->s, 1 + pick(c, 997), (int)(l->n - end), l->s + end);
      if (n <= 0 || (size_t)n >= sizeof text) return false;
      t->v[i] = make_line(c, text, (size_t)n);
      return true;
    }
  }
  return false;
}

static bool delete_lines(prop_case *c, er_lines *t) {
  size_t n = 1 + pick(c, 5);
  if (t->n < n + 6) return false;
  remove_lines(t, pick(c, t->n - n), n);
  return true;
}

static bool insert_lines(prop_case *c, er_lines *t) {
  static const char *const texts[] = {"count = count + 1",
                                      "if not ready then return nil end",
                                      "-- checked above",
                                      "seen[key] = true;",
                                      "return M.last(list)",
                                      "local step = %d",
                                      "x = math.max(x, %d)",
                                      "log(\"step %d\")",
                                      "}",
                                      ""};
  size_t at = pick(c, t->n + 1), indent = at > 0 ? er_line_indent(&t->v[at - 1]) : 0;
  for (size_t n = 1 + pick(c, 4); n > 0; n--) {
    char text[256], word[128];
    snprintf(word, sizeof word, texts[pick(c, sizeof texts / sizeof *texts)], (int)pick(c, 100));
    int len = snprintf(text, sizeof text, "%.*s%s", word[0] != '\0' ? (int)(indent < 64 ? indent : 64) : 0,
                       at > 0 ? t->v[at - 1].s : "", word);
    insert_line(t, at++, make_line(c, text, (size_t)len));
  }
  return true;
}

static bool swap_lines(prop_case *c, er_lines *t) {
  size_t at = pick(c, t->n - 1);
  er_line l = t->v[at];
  if (same_line(&l, &t->v[at + 1])) return false;
  t->v[at] = t->v[at + 1];
  t->v[at + 1] = l;
  return true;
}

static bool move_lines(prop_case *c, er_lines *t) {
  size_t n = 1 + pick(c, 6);
  if (t->n < n + 10) return false;
  size_t from = pick(c, t->n - n), to;
  er_line cut[8];
  memcpy(cut, &t->v[from], n * sizeof *cut);
  remove_lines(t, from, n);
  to = pick(c, t->n + 1);
  for (size_t i = 0; i < n; i++) insert_line(t, to + i, cut[i]);
  return true;
}

/* A copy of some lines further down, with one word renamed, as a new function is written. */
static bool copy_lines(prop_case *c, er_lines *t) {
  size_t n = 3 + pick(c, 10);
  if (t->n < n + 4) return false;
  size_t from = pick(c, t->n - n), to = pick(c, t->n + 1);
  er_line copy[16];
  const char *word;
  memcpy(copy, &t->v[from], n * sizeof *copy);
  size_t len = find_word(c, &copy[0], &word);
  for (size_t i = 0; i < n; i++) {
    er_line l = copy[i];
    if (len > 0) replace_in(c, &l, word, len, "other");
    insert_line(t, to + i, l);
  }
  return true;
}

static bool wrap_lines(prop_case *c, er_lines *t) {
  size_t n = 1 + pick(c, 6);
  if (t->n < n + 2) return false;
  size_t at = pick(c, t->n - n), indent = er_line_indent(&t->v[at]);
  if (er_line_blank(&t->v[at]) || indent > 40) return false;
  for (size_t i = at; i < at + n; i++) {
    er_buf text = {0};
    if (er_line_blank(&t->v[i])) continue;
    er_buf_str(&text, "  ");
    er_buf_add(&text, t->v[i].s, t->v[i].n);
    t->v[i] = make_line(c, er_buf_cstr(&text), text.len);
    er_buf_free(&text);
  }
  char text[96];
  int len = snprintf(text, sizeof text, "%.*sif limit > %zu then", (int)indent, t->v[at].s, pick(c, 50));
  insert_line(t, at + n, make_line(c, text, 0));
  t->v[at + n] = make_line(c, text, indent);
  er_buf end = {0};
  er_buf_add(&end, text, indent);
  er_buf_str(&end, "end");
  t->v[at + n] = make_line(c, er_buf_cstr(&end), end.len);
  er_buf_free(&end);
  insert_line(t, at, make_line(c, text, (size_t)len));
  return true;
}

/* ---- the change ---- */

typedef bool (*edit)(prop_case *c, er_lines *t);

static const edit edits[] = {rename_word, change_number, change_number, delete_lines, insert_lines, insert_lines,
                             swap_lines,  move_lines,    copy_lines,    wrap_lines};

static void make_up(prop_case *c, er_lines *t) {
  size_t wanted = 1 + pick(c, 4);
  for (size_t tries = 0; wanted > 0 && tries < 20 && t->n > 8; tries++)
    if (edits[pick(c, sizeof edits / sizeof *edits)](c, t)) wanted--;
}

/* Takes over one to four of the spans in which the two texts differ. */
static void take_spans(prop_case *c, const er_lines *a, const er_lines *b, er_lines *out) {
  er_spans spans = {0};
  er_lines_compare(a->v, a->n, b->v, b->n, same_line, &spans);
  size_t at = 0, want = 1 + pick(c, 4), left = spans.n;
  for (size_t i = 0; i < spans.n; i++, left--) {
    const er_span *d = &spans.v[i];
    if (pick(c, left) >= want) continue;
    want--;
    for (; at < d->a0; at++) er_lines_push(out, a->v[at]);
    for (size_t k = d->b0; k < d->b1; k++) er_lines_push(out, b->v[k]);
    at = d->a1;
  }
  for (; at < a->n; at++) er_lines_push(out, a->v[at]);
  er_spans_free(&spans);
}

static void join(const er_lines *t, er_buf *out) {
  for (size_t i = 0; i < t->n; i++) {
    er_buf_add(out, t->v[i].s, t->v[i].n);
    er_buf_char(out, '\n');
  }
}

void change_text(prop_case *c, const text_pair *pair, const er_buf *before, er_buf *after) {
  er_lines a = {0}, b = {0}, out = {0};
  er_lines_split(&a, before->ptr, before->len);
  er_lines_split(&b, pair->after.ptr, pair->after.len);
  er_lines_reserve(&out);
  bool real =
      !chance(c, 3) && before->len == pair->before.len && memcmp(before->ptr, pair->before.ptr, before->len) == 0;
  if (real) take_spans(c, &a, &b, &out);
  else for (size_t i = 0; i < a.n; i++) er_lines_push(&out, a.v[i]);
  if (!real) make_up(c, &out);
  join(&out, after);
  er_lines_free(&a);
  er_lines_free(&b);
  er_lines_free(&out);
}
