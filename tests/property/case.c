/* case.c - builds a case: a small tree before and after, and the hunks between. */

#include "case.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define MOST_CONTEXT 16          /* lines a careful author quotes to make a place plain */

size_t pick(prop_case *c, size_t n) { return n > 0 ? (size_t)er_rng_below(&c->rng, n) : 0; }
bool chance(prop_case *c, size_t one_in) { return pick(c, one_in) == 0; }

const char *keep(prop_case *c, const char *s, size_t n) {
  if (c->n_kept == c->cap_kept) {
    c->cap_kept = c->cap_kept ? c->cap_kept * 2 : 64;
    c->kept = er_realloc(c->kept, c->cap_kept * sizeof *c->kept);
  }
  char *copy = er_malloc(n + 1);
  memcpy(copy, s, n);
  copy[n] = '\0';
  c->kept[c->n_kept++] = copy;
  return copy;
}

static void free_hunks(case_file *f) {
  for (size_t i = 0; i < f->n_hunks; i++) er_free(f->hunks[i].v);
  er_free(f->hunks);
  f->hunks = NULL;
  f->n_hunks = 0;
}

void case_free(prop_case *c) {
  for (size_t i = 0; i < c->n_files; i++) {
    case_file *f = &c->files[i];
    free_hunks(f);
    er_lines_free(&f->a);
    er_lines_free(&f->b);
    er_buf_free(&f->before);
    er_buf_free(&f->after);
  }
  for (size_t i = 0; i < c->n_kept; i++) er_free(c->kept[i]);
  er_free(c->kept);
  er_buf_free(&c->reply);
  *c = (prop_case){0};
}

void case_note(prop_case *c, const char *name) {
  size_t n = strlen(c->notes);
  snprintf(c->notes + n, sizeof c->notes - n, "%s%s", n > 0 ? " + " : "", name);
}

/* ---- hunks ---- */

void hunk_insert(case_hunk *h, size_t at, case_line l) {
  if (h->n == h->cap) {
    h->cap = h->cap ? h->cap * 2 : 32;
    h->v = er_realloc(h->v, h->cap * sizeof *h->v);
  }
  memmove(&h->v[at + 1], &h->v[at], (h->n - at) * sizeof *h->v);
  h->v[at] = l;
  h->n++;
}

void hunk_remove(case_hunk *h, size_t at) {
  memmove(&h->v[at], &h->v[at + 1], (h->n - at - 1) * sizeof *h->v);
  h->n--;
}

bool line_blank(const case_line *l) {
  for (size_t i = 0; i < l->n; i++)
    if (l->s[i] != ' ' && l->s[i] != '\t') return false;
  return true;
}

bool line_old(const case_line *l) { return l->op == ' ' || l->op == '-'; }

static bool is_change(const case_hunk *h, size_t i) { return i < h->n && (h->v[i].op == '-' || h->v[i].op == '+'); }

bool line_touches(const case_hunk *h, size_t i) {
  return is_change(h, i) || is_change(h, i + 1) || (i > 0 && is_change(h, i - 1));
}

size_t hunk_first_change(const case_hunk *h) {
  size_t i = 0;
  while (i < h->n && !is_change(h, i)) i++;
  return i;
}

size_t hunk_last_change(const case_hunk *h) {
  size_t i = h->n;
  while (i > 0 && !is_change(h, i - 1)) i--;
  return i;
}

size_t hunk_context(const case_hunk *h, bool front) {
  size_t first = hunk_first_change(h), last = hunk_last_change(h), solid = 0;
  for (size_t i = front ? 0 : last; i < (front ? first : h->n); i++) solid += !line_blank(&h->v[i]);
  return solid;
}

/* A hash of what is left without white space, 0 for a blank line. */
static uint64_t squeeze(const char *s, size_t n) {
  uint64_t h = 1469598103934665603u;
  bool any = false;
  for (size_t i = 0; i < n; i++) {
    if (s[i] == ' ' || s[i] == '\t' || s[i] == '\r') continue;
    h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    any = true;
  }
  return any ? h | 1 : 0;
}

static size_t count_places(const uint64_t *file, size_t n, const uint64_t *want, size_t m) {
  size_t places = 0;
  for (size_t i = 0; m > 0 && i + m <= n; i++) places += memcmp(file + i, want, m * sizeof *want) == 0;
  return places;
}

/* A file and the old lines of a hunk as hashes of their lines that are not blank. */
typedef struct { uint64_t *file, *want; size_t n, m; } squeezed;

static squeezed squeeze_both(const case_file *f, const case_hunk *h, size_t from, size_t to) {
  squeezed q = {er_malloc((f->a.n + 1) * sizeof *q.file), er_malloc((h->n + 1) * sizeof *q.want), 0, 0};
  for (size_t i = 0; i < f->a.n; i++)
    if ((q.file[q.n] = squeeze(f->a.v[i].s, f->a.v[i].n)) != 0) q.n++;
  for (size_t i = from; i < to; i++)
    if (h->v[i].op != '+' && (q.want[q.m] = squeeze(h->v[i].s, h->v[i].n)) != 0) q.m++;
  return q;
}

static void free_squeezed(squeezed *q) {
  er_free(q->file);
  er_free(q->want);
}

size_t hunk_part_places(const case_file *f, const case_hunk *h, size_t from, size_t to) {
  squeezed q = squeeze_both(f, h, from, to);
  size_t places = count_places(q.file, q.n, q.want, q.m);
  free_squeezed(&q);
  return places;
}

size_t hunk_rival(const case_file *f, const case_hunk *h, size_t *lines) {
  squeezed q = squeeze_both(f, h, 0, h->n);
  size_t best = 0;
  for (size_t i = 0; i < q.n; i++) {
    size_t same = 0;
    for (size_t k = 0; k < q.m && i + k < q.n; k++) same += q.file[i + k] == q.want[k];
    if (same > best && same < q.m) best = same;
  }
  *lines = q.m;
  free_squeezed(&q);
  return best;
}

size_t hunk_plain_places(const case_file *f, const case_hunk *h) { return hunk_part_places(f, h, 0, h->n); }

/* ---- the hunks between before and after ---- */

typedef struct { size_t span0, span1, lo, hi; } group;   /* its spans; its old lines, context included */

static bool same_bytes(const er_line *a, const er_line *b) { return a->eol == b->eol && er_line_same_text(a, b); }

static void add_line(case_hunk *h, char op, const er_line *l) {
  hunk_insert(h, h->n, (case_line){l->s, l->n, op, l->eol == ER_EOL_CRLF, l->eol == ER_EOL_NONE});
}

static void fill_hunk(const case_file *f, const er_spans *s, const group *g, case_hunk *h) {
  size_t at = g->lo, b = 0;
  h->n = 0;
  h->at = g->lo;
  h->end = g->hi;
  for (size_t i = g->span0; i < g->span1; i++) {
    const er_span *d = &s->v[i];
    for (; at < d->a0; at++) add_line(h, ' ', &f->a.v[at]);
    for (; at < d->a1; at++) add_line(h, '-', &f->a.v[at]);
    for (b = d->b0; b < d->b1; b++) add_line(h, '+', &f->b.v[b]);
  }
  for (; at < g->hi; at++) add_line(h, ' ', &f->a.v[at]);
}

static size_t melt(group *g, size_t n) {
  size_t kept = 0;
  for (size_t i = 1; i < n; i++) {
    if (g[i].lo < g[kept].hi) g[kept].span1 = g[i].span1, g[kept].hi = g[i].hi;
    else g[++kept] = g[i];
  }
  return n > 0 ? kept + 1 : 0;
}

static size_t first_groups(const case_file *f, const er_spans *s, size_t context, group *g) {
  for (size_t i = 0; i < s->n; i++) {
    size_t a0 = s->v[i].a0, a1 = s->v[i].a1;
    g[i] = (group){i, i + 1, a0 > context ? a0 - context : 0, a1 + context < f->a.n ? a1 + context : f->a.n};
  }
  return melt(g, s->n);
}

static void set_numbers(case_file *f) {
  long shift = 0;
  for (size_t i = 0; i < f->n_hunks; i++) {
    case_hunk *h = &f->hunks[i];
    h->old_count = h->new_count = 0;
    for (size_t k = 0; k < h->n; k++) h->old_count += h->v[k].op != '+', h->new_count += h->v[k].op != '-';
    h->old_line = h->at + (h->old_count > 0);
    h->new_line = (size_t)((long)h->at + shift) + (h->new_count > 0);
    shift += (long)h->new_count - (long)h->old_count;
  }
}

/* Quotes more and more context until every place is plain; what never gets
 * plain (the same lines over and over) is told by its number alone. */
static bool make_hunks(prop_case *c, case_file *f, size_t context) {
  er_spans s = {0};
  er_lines_compare(f->a.v, f->a.n, f->b.v, f->b.n, same_bytes, &s);
  group *g = er_calloc(s.n + 1, sizeof *g);
  size_t n = first_groups(f, &s, context, g);
  bool plain = false;
  f->hunks = er_calloc(s.n + 1, sizeof *f->hunks);
  f->n_hunks = s.n;
  for (size_t grown = 0; grown <= MOST_CONTEXT && !plain; grown++) {
    plain = true;
    for (size_t i = 0; i < n; i++) {
      fill_hunk(f, &s, &g[i], &f->hunks[i]);
      if (f->kind == FILE_CREATED || hunk_plain_places(f, &f->hunks[i]) == 1) continue;
      plain = false;
      if (grown == MOST_CONTEXT) continue;
      g[i].lo -= g[i].lo > 0;
      g[i].hi += g[i].hi < f->a.n;
    }
    if (!plain) n = melt(g, n);
  }
  for (size_t i = 0; i < n; i++) fill_hunk(f, &s, &g[i], &f->hunks[i]);
  while (f->n_hunks > n) er_free(f->hunks[--f->n_hunks].v);
  set_numbers(f);
  er_free(g);
  er_spans_free(&s);
  c->numbers_alone = c->numbers_alone || !plain;
  return n > 0 && n <= 24;
}

/* ---- texts ---- */

typedef struct { bool tabs, crlf, open, trailing; size_t unit; } variety;

/* The same text as another author's editor would have saved it. */
static void vary(const variety *v, er_buf *text) {
  er_lines t = {0};
  er_buf out = {0};
  er_lines_split(&t, text->ptr, text->len);
  for (size_t i = 0; i < t.n; i++) {
    const er_line *l = &t.v[i];
    size_t spaces = 0;
    while (v->tabs && spaces < l->n && l->s[spaces] == ' ') spaces++;
    for (size_t k = 0; k < spaces / v->unit; k++) er_buf_char(&out, '\t');
    size_t skip = spaces / v->unit * v->unit;
    er_buf_add(&out, l->s + skip, l->n - skip);
    if (v->trailing && squeeze(l->s, l->n) % 9 == 1) er_buf_str(&out, "  ");
    if (i + 1 < t.n || !v->open) er_buf_str(&out, v->crlf ? "\r\n" : "\n");
  }
  er_lines_free(&t);
  er_buf_free(text);
  *text = out;
}

static void set_texts(prop_case *c, case_file *f, const text_pair *pair) {
  variety v = {chance(c, 8), chance(c, 8), chance(c, 8), chance(c, 8), chance(c, 2) ? 2 : 4};
  er_buf_add(&f->before, pair->before.ptr, pair->before.len);
  if (f->kind == FILE_SAME || f->kind == FILE_DELETED) er_buf_add(&f->after, f->before.ptr, f->before.len);
  else change_text(c, pair, &f->before, &f->after);
  vary(&v, &f->before);
  v.open = chance(c, 12) ? !v.open : v.open;
  if (f->kind == FILE_SAME) er_buf_clear(&f->after), er_buf_add(&f->after, f->before.ptr, f->before.len);
  else vary(&v, &f->after);
  if (f->kind == FILE_CREATED) er_buf_clear(&f->before);
  if (f->kind == FILE_DELETED) er_buf_clear(&f->after);
  er_lines_split(&f->a, er_buf_cstr(&f->before), f->before.len);
  er_lines_split(&f->b, er_buf_cstr(&f->after), f->after.len);
}

static bool taken(const prop_case *c, const char *path) {
  for (size_t i = 0; i < c->n_files; i++)
    if (strcmp(c->files[i].path, path) == 0) return true;
  return false;
}

static case_kind pick_kind(prop_case *c) {
  bool any = c->form == FORM_UDIFF || c->form == FORM_PATCH;
  if (!chance(c, 12)) return FILE_CHANGED;
  if (!any) return FILE_CREATED;
  return (case_kind)(FILE_CREATED + pick(c, 3));
}

static bool ends_open(const er_lines *t) { return t->n > 0 && t->v[t->n - 1].eol == ER_EOL_NONE; }

/* Only a unified diff can say that the last line gains or loses its line end. */
static bool can_say(const prop_case *c, const case_file *f) {
  if (f->kind != FILE_DELETED && f->b.n == 0) return false;
  if (c->form == FORM_UDIFF || f->kind == FILE_DELETED) return true;
  if (f->kind == FILE_CREATED) return !ends_open(&f->b);
  return ends_open(&f->a) == ends_open(&f->b) && f->a.n > 0;
}

/* A text with marker lines of its own has no search/replace blocks that could be
 * told from them. */
static bool marker_free(const case_file *f) {
  for (size_t i = 0; i < f->n_hunks; i++)
    for (size_t k = 0; k < f->hunks[i].n; k++) {
      er_line l = {f->hunks[i].v[k].s, (uint32_t)f->hunks[i].v[k].n, ER_EOL_LF, 0};
      l = er_line_trim(l);
      if (er_line_starts(&l, "<<<<<") || er_line_starts(&l, ">>>>>") || er_line_starts(&l, "=====")) return false;
    }
  return true;
}

static bool add_file(prop_case *c, const text_pairs *texts, bool changed) {
  const text_pair *pair = &texts->v[pick(c, texts->n)];
  size_t context = c->form == FORM_SEARCH ? pick(c, 6) : 3;
  case_file *f = &c->files[c->n_files];
  if (taken(c, pair->path)) return !changed;
  *f = (case_file){.kind = changed ? pick_kind(c) : FILE_SAME, .path = pair->path, .said = pair->path};
  if (f->kind == FILE_RENAMED) {
    char name[600];
    snprintf(name, sizeof name, "moved/%s", pair->path);
    f->new_path = keep(c, name, strlen(name));
  }
  c->n_files++;
  set_texts(c, f, pair);
  if (!changed) return true;
  c->n_changed++;
  return can_say(c, f) && make_hunks(c, f, context) && (c->form != FORM_SEARCH || marker_free(f));
}

bool case_build(prop_case *c, uint64_t seed, const text_pairs *texts, case_form form, size_t most_files) {
  *c = (prop_case){.seed = seed, .form = form};
  er_rng_seed(&c->rng, (int64_t)seed, "patches");
  c->style = (case_style){.fence = form == FORM_UDIFF || form == FORM_PATCH ? FENCE_NONE : FENCE_PLAIN,
                          .group = form == FORM_SEARCH ? GROUP_FILE : GROUP_ALL};
  size_t changed = chance(c, 3) ? 1 + pick(c, most_files) : 1, same = pick(c, 3);
  for (size_t i = 0; i < changed; i++)
    if (!add_file(c, texts, true)) return false;
  for (size_t i = 0; i < same; i++) add_file(c, texts, false);
  return form == FORM_UDIFF || form == FORM_WHOLE || !c->numbers_alone;
}
