/* fit.c - how well the old lines of a hunk fit one window of a file, line by line. */

#include <string.h>

#include "patch/locate.h"

typedef struct {
  const er_search *s;
  const er_index *x;
  const er_pattern *p;
  uint32_t window;
  const bool *differs;
  uint32_t *map;                 /* may be NULL */
  er_rung rung;                  /* the worst so far */
  bool indents;                  /* some line's indentation differs */
  size_t first, last;            /* file lines that are matched */
} fit;

static void worsen(fit *f, er_rung r) {
  if (r > f->rung) f->rung = r;
}

static void settle_line(fit *f, size_t i, size_t line) {
  if (f->map != NULL) f->map[i] = line == SIZE_MAX ? ER_NOWHERE : (uint32_t)line;
  if (line == SIZE_MAX) return;
  if (f->first == SIZE_MAX) f->first = line;
  f->last = line;
}

/* ---- one line ---- */

/* A quoted line without an end of its own takes any.  The last line of a file has
 * the end of the others, else it would seem to fit better than they do. */
static bool same_end(const er_index *x, const er_line *a, const er_line *b) {
  bool crlf = (a->eol == ER_EOL_NONE ? x->line[0].eol : a->eol) == ER_EOL_CRLF;
  return crlf == (b->eol == ER_EOL_CRLF) || b->eol == ER_EOL_NONE || b->eol == ER_EOL_OPEN;
}

/* The same but for the length of runs of white space. */
static bool same_runs(const er_line *a, const er_line *b) {
  uint32_t i = 0, j = 0;
  while (i < a->n && j < b->n) {
    bool gap = er_is_space(a->s[i]);
    if (gap != er_is_space(b->s[j]) || (!gap && a->s[i] != b->s[j])) return false;
    i++, j++;
    while (gap && i < a->n && er_is_space(a->s[i])) i++;
    while (gap && j < b->n && er_is_space(b->s[j])) j++;
  }
  return i == a->n && j == b->n;
}

static bool same_indent(const er_line *a, const er_line *b) {
  size_t n = er_line_indent(a);
  return er_line_indent(b) == n && memcmp(a->s, b->s, n) == 0;
}

/* Wrong context may be indented as it likes; a removed line with a typo is still that line. */
static bool unlike(const fit *f, size_t i) { return f->differs != NULL && f->differs[i] && f->p->old[i].op != '-'; }

/* The tokens of the two lines are the same; what of the rest is not? */
static er_rung rung_of_line(const er_index *x, const er_line *a, const er_line *b, bool *indents) {
  er_line p, q;
  if (er_line_same_text(a, b)) return same_end(x, a, b) ? ER_RUNG_EXACT : ER_RUNG_LINE_ENDS;
  p = er_line_trim_end(*a), q = er_line_trim_end(*b);
  if (er_line_same_text(&p, &q)) return same_end(x, a, b) ? ER_RUNG_TRAILING : ER_RUNG_LINE_ENDS;
  *indents |= !same_indent(&p, &q);
  p = er_line_trim(p), q = er_line_trim(q);
  if (er_line_same_text(&p, &q)) return same_end(x, a, b) ? ER_RUNG_EXACT : ER_RUNG_LINE_ENDS;     /* so far */
  return same_runs(&p, &q) ? ER_RUNG_WHITE_SPACE : ER_RUNG_SPACING;
}

static bool fit_line(fit *f, size_t i, size_t line) {
  const er_line *a = &f->x->line[line], *b = &f->p->old[i];
  *f->s->work += 8;                                  /* dear, beside a step of the search */
  settle_line(f, i, line);
  if (f->differs != NULL && f->differs[i]) {
    f->indents |= !unlike(f, i) && !same_indent(a, b);
    return true;
  }
  if (!er_line_same_text(a, b) && !er_line_same_tokens(a, b)) return false;      /* two texts with one hash */
  worsen(f, rung_of_line(f->x, a, b, &f->indents));
  return true;
}

/* ---- blank lines ---- */

static bool same_op(const er_pattern *p, size_t from, size_t to) {
  for (size_t i = from + 1; i < to; i++)
    if (p->old[i].op != p->old[from].op) return false;
  return true;
}

static bool puts_within(const er_pattern *p, size_t from, size_t to) {
  for (size_t i = from; i <= to; i++)
    if (!er_range_empty(p, i)) return true;
  return false;
}

/* More blank lines than the file has, beside new lines: it does not matter which
 * of them are dropped, unless new lines stand between them, or one lost the sign
 * that made it a new line. */
static bool spare(const er_pattern *p, size_t from, size_t to) {
  if (!puts_within(p, from, to)) return true;
  if (!er_range_empty(p, from) && !er_range_empty(p, to)) return false;
  for (size_t i = from + 1; i < to; i++)
    if (!er_range_empty(p, i)) return false;
  for (size_t i = from; i < to; i++)
    if (p->bare != NULL && p->bare[i]) return false;
  return true;
}

/* A number of blank lines other than the file's is nothing only where nothing
 * hangs on it: those of the file must not stand beside new lines (before or
 * behind them?), nor between two lines that go (do they go too?). */
static bool may_differ(const er_pattern *p, size_t from, size_t to, size_t room) {
  if (!same_op(p, from, to)) return false;
  if (room <= to - from) return spare(p, from, to);
  if (puts_within(p, from, to) || (to > from && p->old[from].op == '-')) return false;
  return p->old[from - 1].op != '-' || p->old[to].op != '-';
}

/* The blank lines old[from, to) in front of the j-th line of the window, or behind
 * its last.  At the hunk's edges the file may have more of them. */
static bool fit_blanks(fit *f, size_t from, size_t to, uint32_t j) {
  const er_index *x = f->x;
  uint32_t w = f->window + j;
  size_t have = to - from, floor = w > 0 ? x->at[w - 1] + (size_t)1 : 0, ceiling = w < x->k ? x->at[w] : x->n;
  size_t room = ceiling - floor, n = have < room ? have : room, skip = 0;
  bool top = from == 0, bottom = to == f->p->m;
  if (have > room || (have < room && !top && !bottom)) {
    if (!may_differ(f->p, from, to, room)) return false;
    worsen(f, ER_RUNG_BLANK_LINES);
  }
  if (top) floor = ceiling - n, skip = have - n;
  for (size_t i = 0; i < have; i++) settle_line(f, from + i, i >= skip && i < skip + n ? floor + i - skip : SIZE_MAX);
  for (size_t i = 0; i < n; i++) {
    bool ignored = false;
    worsen(f, rung_of_line(x, &x->line[floor + i], &f->p->old[from + skip + i], &ignored));
  }
  *f->s->work += have;
  return true;
}

/* ---- indentation ---- */

static void collect(const fit *f, char op, er_indents *out) {
  uint32_t w = f->window;
  for (size_t i = 0; i < f->p->m; i++) {
    const er_line *l = &f->p->old[i];
    if (er_line_blank(l)) continue;
    if ((op == 0 || l->op == op) && !unlike(f, i)) er_indents_add(out, l, &f->x->line[f->x->at[w]]);
    w++;
  }
  *f->s->work += 8 * f->p->m;
}

static bool each_new_line(const fit *f, bool (*ok)(const er_shift *s, const er_line *l), const er_shift *s) {
  for (size_t i = 0; i <= f->p->m; i++)
    for (uint32_t k = f->p->put[i].from; k < f->p->put[i].to; k++) {
      const er_line *l = &f->p->lines[k];
      ++*f->s->work;
      if (l->op == '+' && !er_line_blank(l) && !ok(s, l)) return false;
    }
  return true;
}

/* One space less on every line of context may be a shift, or the sign that those
 * lines lost while the new lines kept theirs.  New lines that stand as deep as
 * the context is quoted speak for the former, as deep as the file for the latter. */
static bool settle_lost_sign(const fit *f, const er_indents *all, er_shift *shift) {
  bool as_quoted = false, as_file = false;
  for (size_t i = 0; i <= f->p->m; i++)
    for (uint32_t k = f->p->put[i].from; k < f->p->put[i].to; k++) {
      const er_line *l = &f->p->lines[k];
      size_t n = er_line_indent(l);
      if (l->op != '+' || er_line_blank(l)) continue;
      for (size_t j = 0; j < all->n; j++) as_quoted |= n == all->reply[j].n, as_file |= n == all->file[j].n;
    }
  if (as_quoted == as_file) return false;
  if (as_file) *shift = (er_shift){0};
  return true;
}

/* Some of them have an indentation, and it is the file's: at the margin every
 * way to indent looks right. */
static bool indents_rightly(const er_indents *in) {
  for (size_t i = 0; i < in->n; i++)
    if (in->reply[i].n > 0) return er_indents_equal(in);
  return false;
}

/* Removed lines with the right indentation say that the new ones have it too;
 * without any, all lines must differ by one rule. */
static bool settle_shift(fit *f, er_shift *shift) {
  er_indents all = {0}, removed = {0};
  collect(f, 0, &all);
  collect(f, '-', &removed);
  *shift = (er_shift){0};
  if (indents_rightly(&removed)) {
    worsen(f, ER_RUNG_WHITE_SPACE);
    return true;
  }
  if (!er_shift_learn(&all, shift)) return false;
  worsen(f, er_indents_same_width(&all) ? ER_RUNG_WHITE_SPACE : ER_RUNG_INDENTATION);
  bool one_space = shift->kind == ER_SHIFT_DEEPER && shift->n == 1 && shift->s[0] == ' ';
  if (removed.n == 0 && one_space && !settle_lost_sign(f, &all, shift)) return false;
  return each_new_line(f, er_shift_covers, shift);
}

/* ---- the whole ---- */

bool er_locate_fit(const er_search *s, uint32_t window, const bool *differs, er_place *place, uint32_t *map) {
  fit f = {.s = s, .x = s->file, .p = s->pattern, .window = window, .differs = differs, .map = map, .first = SIZE_MAX};
  size_t i = 0;
  for (uint32_t j = 0;; j++, i++) {
    size_t from = i;
    while (i < f.p->m && er_line_blank(&f.p->old[i])) i++;
    if (!fit_blanks(&f, from, i, j)) return false;
    if (i == f.p->m) break;
    if (!fit_line(&f, i, f.x->at[window + j])) return false;
  }
  *place = (er_place){.line = f.first, .end = f.last + 1, .window = window};
  if (f.indents && !settle_shift(&f, &place->shift)) return false;
  place->rung = f.rung;
  return true;
}
