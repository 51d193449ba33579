/* locate.c - the ladder of matchers. */

#include "patch/locate.h"

#include <string.h>

#include "base/mem.h"

#define MAX_PLACES 4096

/* ---- when two lines are the same; each is an equivalence ---- */

/* A line without an end of its own (the last of a file) takes any. */
static bool takes_any(const er_line *l) { return l->eol == ER_EOL_NONE || l->eol == ER_EOL_OPEN; }

static bool same_exact(const er_line *a, const er_line *b) {
  bool ends = (a->eol == ER_EOL_CRLF) == (b->eol == ER_EOL_CRLF) || takes_any(a) || takes_any(b);
  return ends && er_line_same_text(a, b);
}

static er_line trim_blanks(er_line l) {
  while (l.n > 0 && (l.s[l.n - 1] == ' ' || l.s[l.n - 1] == '\t')) l.n--;
  return l;
}

static bool same_trailing(const er_line *a, const er_line *b) {
  er_line x = trim_blanks(*a), y = trim_blanks(*b);
  return (a->eol == ER_EOL_CRLF) == (b->eol == ER_EOL_CRLF) && er_line_same_text(&x, &y);
}

static bool same_but_end(const er_line *a, const er_line *b) {
  er_line x = er_line_trim_end(*a), y = er_line_trim_end(*b);
  return er_line_same_text(&x, &y);
}

static bool same_inner(const er_line *a, const er_line *b) {
  er_line x = er_line_trim(*a), y = er_line_trim(*b);
  return er_line_same_text(&x, &y);
}

/* ---- the ladder ---- */

typedef struct {
  const er_line *file, *pattern;
  size_t n, m;
  size_t *work;
} job;

/* Decides on a place where all lines are the same; may set its shift. */
typedef bool (*place_check)(job *j, er_place *p);

static bool uniform_indent(job *j, er_place *p);

typedef struct {
  const char *name;
  er_line_same same;
  place_check check;             /* NULL: none needed */
} rung;

static const rung ladder[] = {
  {"exact",          same_exact,    NULL},
  {"trailing-space", same_trailing, NULL},
  {"line-ends",      same_but_end,  NULL},
  {"indentation",    same_inner,    uniform_indent},
};

enum { RUNGS = sizeof ladder / sizeof *ladder };

const char *er_locate_rung_name(size_t r) { return r < RUNGS ? ladder[r].name : ""; }

/* One line's indentation against the pattern's; sets *shift by the first line
 * that is not blank and compares all others with it. */
static bool indent_step(const er_line *f, const er_line *p, er_shift *shift, bool *set) {
  size_t a = er_line_indent(f), b = er_line_indent(p);
  bool deeper = a >= b;
  size_t n = deeper ? a - b : b - a;
  const char *extra = deeper ? f->s : p->s;
  if (memcmp(deeper ? f->s + n : f->s, deeper ? p->s : p->s + n, deeper ? b : a) != 0) return false;
  if (!*set) {
    *shift = (er_shift){extra, (uint32_t)n, deeper};
    *set = true;
    return true;
  }
  return shift->n == n && (n == 0 || (shift->deeper == deeper && memcmp(shift->s, extra, n) == 0));
}

static bool uniform_indent(job *j, er_place *p) {
  bool set = false;
  for (size_t i = 0; i < j->m; i++) {
    const er_line *f = &j->file[p->line + i];
    ++*j->work;
    if (!er_line_blank(f) && !indent_step(f, &j->pattern[i], &p->shift, &set)) return false;
  }
  return set && p->shift.n > 0;
}

static void add_place(job *j, const rung *r, size_t line, er_places *out) {
  er_place p = {line, {NULL, 0, true}};
  if (r->check != NULL && !r->check(j, &p)) return;
  if (out->n >= MAX_PLACES) {
    out->more = true;
    return;
  }
  if (out->n == out->cap) {
    out->cap = out->cap ? out->cap * 2 : 8;
    out->v = er_realloc(out->v, out->cap * sizeof *out->v);
  }
  out->v[out->n++] = p;
}

/* Knuth, Morris and Pratt on lines: repetitive files cost no more than others. */
static void failure_table(const job *j, er_line_same same, size_t *fail) {
  fail[0] = 0;
  for (size_t i = 1, k = 0; i < j->m; i++) {
    while (k > 0 && !same(&j->pattern[i], &j->pattern[k])) k = fail[k - 1];
    if (same(&j->pattern[i], &j->pattern[k])) k++;
    fail[i] = k;
  }
}

static void find_all(job *j, const rung *r, size_t *fail, er_places *out) {
  failure_table(j, r->same, fail);
  for (size_t i = 0, k = 0; i < j->n && !out->more && *j->work < ER_LOCATE_MAX_WORK; i++) {
    ++*j->work;
    while (k > 0 && !r->same(&j->file[i], &j->pattern[k])) k = fail[k - 1], ++*j->work;
    if (r->same(&j->file[i], &j->pattern[k])) k++;
    if (k < j->m) continue;
    add_place(j, r, i + 1 - j->m, out);
    k = fail[k - 1];
  }
}

void er_locate(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t *work, er_places *out) {
  job j = {file, pattern, n, m, work};
  size_t small[64], *fail = small;
  if (m == 0 || m > n) return;
  if (m > 64) fail = er_malloc(m * sizeof *fail);
  for (size_t r = 0; r < RUNGS && out->n == 0; r++) {
    out->rung = r;
    find_all(&j, &ladder[r], fail, out);
  }
  if (fail != small) er_free(fail);
}

void er_places_free(er_places *p) {
  er_free(p->v);
  *p = (er_places){0};
}

bool er_locate_here(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t line) {
  if (m == 0 || m > n || line > n - m) return false;
  for (size_t i = 0; i < m; i++)
    if (!same_exact(&file[line + i], &pattern[i])) return false;
  return true;
}

double er_locate_similarity(const er_line *file, const er_line *pattern, size_t m) {
  size_t all = 0, differ = 0;
  for (size_t i = 0; i < m; i++) {
    size_t a = file[i].n, b = pattern[i].n;
    all += (a > b ? a : b) + 1;
    if (!er_line_same_text(&file[i], &pattern[i])) differ += a > b ? a - b : b > a ? b - a : 1;
    else differ += (file[i].eol == ER_EOL_CRLF) != (pattern[i].eol == ER_EOL_CRLF);
  }
  return all > 0 ? 1.0 - (double)differ / (double)all : 1.0;
}
