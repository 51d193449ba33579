/* locate.c - finds all windows of a file whose lines have the same tokens as a hunk's. */

#include "patch/locate.h"

#include "base/mem.h"

#define MAX_PLACES 4096
#define FEW_LINES 64
#define FEW_PLACES 16            /* looked at one by one, however long the hunk */

const char *er_locate_rung_name(er_rung r) {
  static const char *const names[ER_RUNGS] = {"exact",       "trailing-space", "line-ends", "blank-lines",
                                              "white-space", "indentation",    "spacing",   "line-numbers",
                                              "elision",     "context",        "similar",   "split"};
  return names[r];
}

/* ---- places ---- */

/* Only those of the strictest rung are kept. */
void er_places_add(er_places *p, const er_place *at) {
  if (p->n > 0 && at->rung != p->rung) p->looser = true;
  if (p->n > 0 && at->rung > p->rung) return;
  if (p->n > 0 && at->rung < p->rung) p->n = 0, p->more = false;
  p->rung = at->rung;
  if (p->n >= MAX_PLACES) {
    p->more = true;
    return;
  }
  if (p->n == p->cap) {
    p->cap = p->cap ? p->cap * 2 : 4;
    p->v = er_realloc(p->v, p->cap * sizeof *p->v);
  }
  p->v[p->n++] = *at;
}

void er_places_free(er_places *p) {
  er_free(p->v);
  *p = (er_places){0};
}

static void try_window(const er_search *s, uint32_t window, er_places *out) {
  er_place place;
  if (er_locate_fit(s, window, NULL, &place, NULL)) er_places_add(out, &place);
}

static bool spent(const er_search *s) { return *s->work >= ER_LOCATE_MAX_WORK; }

/* ---- the windows ---- */

/* Around each of the few places of the hunk's rarest line. */
static void by_rarest(const er_search *s, const uint64_t *q, uint32_t k, uint32_t rare, er_places *out) {
  const er_index *x = s->file;
  for (uint32_t o = er_index_find(x, q[rare])->first; o != ER_NOWHERE && !spent(s); o = x->next[o]) {
    uint32_t i = 0;
    if (o < rare || o - rare + (size_t)k > x->k) continue;
    while (i < k && x->hash[o - rare + i] == q[i]) i++;
    *s->work += i;
    if (i == k) try_window(s, o - rare, out);
  }
}

/* Knuth, Morris and Pratt: repetitive files cost no more than others. */
static void by_run(const er_search *s, const uint64_t *q, uint32_t k, er_places *out) {
  const er_index *x = s->file;
  uint32_t *fail = er_malloc(k * sizeof *fail);
  fail[0] = 0;
  for (uint32_t i = 1, j = 0; i < k; i++) {
    while (j > 0 && q[i] != q[j]) j = fail[j - 1];
    fail[i] = j += q[i] == q[j];
  }
  for (uint32_t i = 0, j = 0; i < x->k && !spent(s); i++) {
    ++*s->work;
    while (j > 0 && x->hash[i] != q[j]) j = fail[j - 1], ++*s->work;
    j += x->hash[i] == q[j];
    if (j < k) continue;
    try_window(s, i + 1 - k, out);
    j = fail[j - 1];
  }
  er_free(fail);
}

/* A hunk of blank lines alone: every run of blank lines that is long enough. */
static void blank_places(const er_search *s, er_places *out) {
  const er_index *x = s->file;
  size_t run = 0, m = s->pattern->m;
  for (size_t i = 0; i < x->n && !spent(s); i++) {
    bool same = true;
    run = er_line_blank(&x->line[i]) ? run + 1 : 0;
    ++*s->work;
    if (run < m) continue;
    for (size_t k = 0; k < m && same; k++) {
      same = er_line_same_text(&x->line[i + 1 - m + k], &s->pattern->old[k]);
      *s->work += 4;
    }
    er_places_add(out, &(er_place){.line = i + 1 - m, .end = i + 1, .window = ER_NOWHERE,
                                   .rung = same ? ER_RUNG_EXACT : ER_RUNG_TRAILING});
  }
}

static uint32_t hash_old(const er_pattern *p, uint64_t *q) {
  uint32_t k = 0;
  for (size_t i = 0; i < p->m; i++)
    if (!er_line_blank(&p->old[i])) q[k++] = er_line_hash(&p->old[i]);
  return k;
}

static uint32_t find_rarest(const er_index *x, const uint64_t *q, uint32_t k, uint32_t *count) {
  uint32_t rare = 0;
  *count = UINT32_MAX;
  for (uint32_t i = 0; i < k && *count > 0; i++) {
    uint32_t n = er_index_find(x, q[i])->count;
    if (n < *count) *count = n, rare = i;
  }
  return rare;
}

void er_locate(const er_search *s, er_places *out) {
  uint64_t few[FEW_LINES], *q = few;
  uint32_t k, rare, count;
  if (s->pattern->m == 0) return;
  if (s->pattern->m > FEW_LINES) q = er_malloc(s->pattern->m * sizeof *q);
  k = hash_old(s->pattern, q);
  *s->work += k;
  if (k == 0) {
    blank_places(s, out);
  } else if (k <= s->file->k) {
    rare = find_rarest(s->file, q, k, &count);
    if (count > 0 && (count <= FEW_PLACES || (uint64_t)count * k <= s->file->k)) by_rarest(s, q, k, rare, out);
    else if (count > 0) by_run(s, q, k, out);
  }
  if (q != few) er_free(q);
}

bool er_locate_here(const er_line *file, size_t n, const er_pattern *p, size_t line) {
  if (p->m == 0 || p->m > n || line > n - p->m) return false;
  for (size_t i = 0; i < p->m; i++) {
    const er_line *a = &file[line + i], *b = &p->old[i];
    bool free_end = a->eol == ER_EOL_NONE || a->eol == ER_EOL_OPEN || b->eol == ER_EOL_NONE || b->eol == ER_EOL_OPEN;
    if (!er_line_same_text(a, b) || (!free_end && (a->eol == ER_EOL_CRLF) != (b->eol == ER_EOL_CRLF))) return false;
  }
  return true;
}
