/* elide.c - what models write into quoted code that is not code: copied line
 * numbers, and lines that stand for lines left out. */

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/pattern.h"

/* ---- line numbers ---- */

/* What one line would be without its number; false if it has none.  spaced: a
 * space behind `:` or `|` parts them; behind a tab or an arrow it is the line's own. */
static bool read_number(const er_line *l, size_t *number, er_line *rest, bool *spaced) {
  size_t k = er_line_indent(l), digits = 0;
  *number = 0;
  if (k + 3 <= l->n && memcmp(l->s + k, "\xe2\x86\x92", 3) == 0) k += 3;
  while (k < l->n && l->s[k] == ' ') k++;
  for (; k < l->n && l->s[k] >= '0' && l->s[k] <= '9' && digits < 7; k++, digits++)
    *number = *number * 10 + (size_t)(l->s[k] - '0');
  if (digits == 0) return false;
  while (k < l->n && l->s[k] == ' ') k++;
  if (k < l->n && (l->s[k] == ':' || l->s[k] == '|' || l->s[k] == '\t')) k++;
  else if (k + 3 <= l->n && (memcmp(l->s + k, "\xe2\x94\x82", 3) == 0 || memcmp(l->s + k, "\xe2\x86\x92", 3) == 0))
    k += 3;
  else return false;
  *rest = *l;
  rest->s += k;
  rest->n -= (uint32_t)k;
  *spaced = (rest->s[-1] == ':' || rest->s[-1] == '|') && (rest->n == 0 || rest->s[0] == ' ');
  return true;
}

bool er_line_numbered(const er_line *l) {
  er_line rest;
  size_t number;
  bool spaced;
  return read_number(l, &number, &rest, &spaced);
}

typedef struct {
  size_t old, old_numbered, new, new_numbered;
  size_t last, first;
  bool ascending, spaced;
} tally;

static void count_line(tally *t, const er_line *l) {
  er_line rest;
  size_t number;
  bool spaced = true, numbered = read_number(l, &number, &rest, &spaced);
  if (!numbered && (er_line_blank(l) || er_line_elision(l) != ER_ELISION_NONE)) return;
  if (l->op == '+') t->new++, t->new_numbered += numbered;
  else t->old++, t->old_numbered += numbered;
  if (!numbered) return;
  t->spaced &= spaced;
  if (l->op == '+') return;
  if (t->old_numbered == 1) t->first = number;
  else t->ascending &= number > t->last;
  t->last = number;
}

/* One number alone may well be a part of the text; two in ascending order, each
 * on a line that the file does not have, are not.  New lines are numbered all
 * or not at all: a mixture would put some number into the file. */
bool er_hunk_unnumber(er_line *lines, const er_hunk *h, size_t *first) {
  tally t = {.ascending = true, .spaced = true};
  er_line rest;
  size_t number;
  bool spaced;
  for (size_t i = h->from; i < h->to; i++) count_line(&t, &lines[i]);
  if (t.old_numbered == 0 || t.old_numbered != t.old || !t.ascending || (t.new_numbered > 0 && t.new_numbered != t.new))
    return false;
  if (t.old == 1 && t.new_numbered == 0) return false;
  *first = t.first;
  for (size_t i = h->from; i < h->to; i++) {
    er_line *l = &lines[i];
    if (!read_number(l, &number, &rest, &spaced)) continue;
    if (l->op == '+' && t.new_numbered == 0) continue;
    if (t.spaced && rest.n > 0) rest.s++, rest.n--;
    *l = rest;
  }
  return true;
}

/* ---- lines left out ---- */

static size_t dots_at(const char *s, size_t n) {
  if (n >= 3 && memcmp(s, "...", 3) == 0) return 3;
  return n >= 3 && memcmp(s, "\xe2\x80\xa6", 3) == 0 ? 3 : 0;
}

static bool holds_word(const char *s, size_t n, const char *const *words) {
  char text[160];
  if (n >= sizeof text || memchr(s, '\0', n) != NULL) return false;
  memcpy(text, s, n);
  text[n] = '\0';
  for (; *words != NULL; words++)
    if (strcasestr(text, *words) != NULL) return true;
  return false;
}

static const char *const left_out[] = {"rest",    "existing", "unchanged", "same as", "remain", "previous", "as before",
                                       "omitted", "other",    "no change", "keep",    "snip",   NULL};
static const char *const parts[] = {"code",  "function", "method", "implementation", "file",      "class",
                                    "lines", "logic",    "body",   "unchanged",      "as before", NULL};

static bool ends_with_dots(const char *s, size_t n) {
  while (n > 0 && s[n - 1] != '\0' && strchr("*/->)]} ", s[n - 1]) != NULL) n--;
  return n >= 3 && dots_at(s + n - 3, 3) > 0;
}

static bool only_closers(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] == '\0' || strchr(".*/-> )]}", s[i]) == NULL) return false;
  return true;
}

/* "# ... existing code ..." and "# rest of the function ..." are sure; so that
 * "# Sort the rest ..." is not, what does not begin with dots must begin with
 * such a word and name a part of the code. */
er_elision er_line_elision(const er_line *line) {
  er_line l = er_line_trim(*line);
  size_t k = 0, dots, n;
  while (k < l.n && l.s[k] != '\0' && strchr("#/*-;%<!([{ \t", l.s[k]) != NULL) k++;
  n = l.n - k;
  dots = dots_at(l.s + k, n);
  if (dots > 0 && only_closers(l.s + k + dots, n - dots)) return ER_ELISION_DOTS;
  if (dots > 0 && holds_word(l.s + k, n, left_out)) return k > 0 ? ER_ELISION_SURE : ER_ELISION_DOTS;
  if (k == 0 || !ends_with_dots(l.s + k, n) || !holds_word(l.s + k, n, parts)) return ER_ELISION_NONE;
  return holds_word(l.s + k, n < 12 ? n : 12, left_out) ? ER_ELISION_SURE : ER_ELISION_NONE;
}

bool er_line_same_or_elided(const er_line *a, const er_line *b) {
  return er_line_same_text(a, b) || (er_line_elision(a) != ER_ELISION_NONE && er_line_elision(b) != ER_ELISION_NONE);
}
