/* similar.c - places where a few letters or outer context lines differ.
 *
 * A window of the file is taken although lines differ only if all of this holds:
 *  - it is clearly better than every other window that shares lines with the hunk;
 *  - every line of context beside a change is there, at most with a typo; others
 *    may be plainly wrong, at most two above and two below the changes;
 *  - a removed line has at most a typo in a word that the file nowhere has, with
 *    the same digits and signs, and that no new line repeats;
 *  - no line that differs is to be found a few lines off: then lines were lost
 *    or added in the hunk, and the windows would be out of step;
 *  - the line that the reply ends with is the same: else it may have been cut off;
 *  - no line that differs begins with a copied line number: new lines might, too.
 * So what is removed is what was meant, and what differs stays as the file has it. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "patch/locate.h"

#define MAX_VOTES 100000        /* pairs of equal lines; a file more repetitive than that is not guessed in */
#define MAX_WINDOWS 64
#define MAX_COST 200
#define MAX_WRONG 2              /* wrong context lines above or below the changes */
#define MIN_SAME 12              /* letters on lines that are the same */
#define MIN_HELD 8               /* letters on right lines between a wrong one and the changes */
#define NEARBY 8
#define MAX_READ 2000            /* letters of a line in which typos are looked for */

/* ---- distance ---- */

enum { MOST_EDITS = 12, BAND = 2 * MOST_EDITS + 3 };

static void trim_common(er_line *a, er_line *b) {
  while (a->n > 0 && b->n > 0 && a->s[0] == b->s[0]) a->s++, b->s++, a->n--, b->n--;
  while (a->n > 0 && b->n > 0 && a->s[a->n - 1] == b->s[b->n - 1]) a->n--, b->n--;
}

/* One row of the band around the diagonal: row[d] is for column i + d - most. */
static void next_row(const er_line *a, const er_line *b, uint32_t i, uint32_t most, uint32_t (*rows)[BAND]) {
  uint32_t *cur = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3], far = most + 1;
  for (uint32_t d = 0; d <= 2 * most; d++) {
    uint32_t best = far;
    if (i + d < most || i + d - most > b->n) { cur[d] = far; continue; }
    uint32_t j = i + d - most;
    if (j == 0) { cur[d] = i; continue; }
    if (up[d] + (a->s[i - 1] != b->s[j - 1]) < best) best = up[d] + (a->s[i - 1] != b->s[j - 1]);
    if (d < 2 * most && up[d + 1] + 1 < best) best = up[d + 1] + 1;
    if (d > 0 && cur[d - 1] + 1 < best) best = cur[d - 1] + 1;
    if (i > 1 && j > 1 && a->s[i - 1] == b->s[j - 2] && a->s[i - 2] == b->s[j - 1] && up2[d] + 1 < best)
      best = up2[d] + 1;
    cur[d] = best;
  }
}

uint32_t er_line_distance(const er_line *x, const er_line *y, uint32_t most) {
  er_line a = er_line_trim(*x), b = er_line_trim(*y);
  uint32_t rows[3][BAND];
  if (most > MOST_EDITS) most = MOST_EDITS;
  trim_common(&a, &b);
  if ((a.n > b.n ? a.n - b.n : b.n - a.n) > most) return most + 1;
  if (a.n == 0 || b.n == 0) return a.n + b.n;
  for (uint32_t d = 0; d <= 2 * most; d++) rows[0][d] = d >= most ? d - most : most + 1;
  for (uint32_t i = 1; i <= a.n; i++) {
    uint32_t least = most + 1;
    next_row(&a, &b, i, most, rows);
    for (uint32_t d = 0; d <= 2 * most; d++)
      if (rows[i % 3][d] < least) least = rows[i % 3][d];
    if (least > most) return most + 1;
  }
  uint32_t end = rows[a.n % 3][b.n + most - a.n];
  return end > most ? most + 1 : end;
}

/* ---- votes ---- */

/* A window that shares lines with the hunk, and the letters on them. */
typedef struct { int64_t at; uint32_t votes, cost; } window;

typedef struct {
  const er_search *s;
  const er_index *x;
  uint32_t *old;                 /* owned: the hunk's lines that are not blank */
  uint64_t *hash;                /* owned */
  uint32_t k;
  window *v;                     /* owned: ascending */
  size_t n;
} poll;

static uint32_t letters(const er_line *l) { return er_line_trim(*l).n; }

static void open_poll(poll *p, const er_search *s) {
  *p = (poll){.s = s, .x = s->file};
  p->old = er_malloc((s->pattern->m + 1) * sizeof *p->old);
  p->hash = er_malloc((s->pattern->m + 1) * sizeof *p->hash);
  for (size_t i = 0; i < s->pattern->m; i++) {
    if (er_line_blank(&s->pattern->old[i])) continue;
    p->old[p->k] = (uint32_t)i;
    p->hash[p->k++] = er_line_hash(&s->pattern->old[i]);
  }
  *s->work += 4 * s->pattern->m;
}

static void close_poll(poll *p) {
  er_free(p->old);
  er_free(p->hash);
  er_free(p->v);
}

static int by_place(const void *a, const void *b) {
  const window *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

/* Makes one window of those at the same place. */
static void join_windows(poll *p) {
  size_t n = 0;
  if (p->n == 0) return;
  qsort(p->v, p->n, sizeof *p->v, by_place);
  for (size_t i = 1; i < p->n; i++)
    if (p->v[i].at == p->v[n].at) p->v[n].votes += p->v[i].votes;
    else p->v[++n] = p->v[i];
  p->n = n + 1;
}

/* Every pair of equal lines votes for the window that it implies, with the
 * line's letters.  False if there are too many pairs to count. */
static bool cast_votes(poll *p) {
  size_t pairs = 0;
  for (uint32_t j = 0; j < p->k && pairs <= MAX_VOTES; j++) pairs += er_index_find(p->x, p->hash[j])->count;
  if (pairs > MAX_VOTES) return false;
  p->v = er_malloc((pairs + 1) * sizeof *p->v);
  for (uint32_t j = 0; j < p->k; j++) {
    const er_index_cell *c = er_index_find(p->x, p->hash[j]);
    uint32_t n = letters(&p->s->pattern->old[p->old[j]]), o = c->count > 0 ? c->first : ER_NOWHERE;
    for (; o != ER_NOWHERE; o = p->x->next[o]) p->v[p->n++] = (window){(int64_t)o - j, n < 16 ? n : 16, 0};
  }
  *p->s->work += 32 * pairs;
  join_windows(p);
  return true;
}

static uint32_t best_vote(const poll *p) {
  uint32_t best = 0;
  for (size_t i = 0; i < p->n; i++)
    if (p->v[i].votes > best) best = p->v[i].votes;
  return best;
}

/* ---- one window ---- */

typedef enum { SAME, TYPO, WRONG } likeness;

/* A line of context may differ by more letters than one that is removed. */
static uint32_t most_edits(const er_line *l) {
  uint32_t n = letters(l), most = l->op == '-' ? n / 8 : n * 2 / 5;
  if (n > MAX_READ) return 0;
  if (l->op == '-') return most < 3 ? most : 3;
  return most < MOST_EDITS ? most : MOST_EDITS;
}

static likeness compare(const poll *p, int64_t at, uint32_t j, uint32_t *cost) {
  const er_line *l = &p->s->pattern->old[p->old[j]];
  uint32_t most = most_edits(l), n = letters(l);
  if (at + j >= 0 && (size_t)(at + j) < p->x->k) {
    if (p->x->hash[at + j] == p->hash[j]) return SAME;
    *p->s->work += n + 1;
    uint32_t d = most > 0 ? er_line_distance(&p->x->line[p->x->at[at + j]], l, most) : 1;
    if (d <= most) {
      *cost += d > 0 ? d : 1;
      return TYPO;
    }
  }
  *cost += 4 + (n < 12 ? n : 12);
  return WRONG;
}

static uint32_t cost_of(const poll *p, int64_t at) {
  uint32_t cost = 0;
  for (uint32_t j = 0; j < p->k && cost < MAX_COST; j++) compare(p, at, j, &cost);
  *p->s->work += p->k;
  return cost;
}

/* ---- what a removed line may differ in ---- */

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0; }
static bool is_word(char c) { return is_letter(c) || c == '_' || (c >= '0' && c <= '9'); }
static bool counts(char c) { return !is_letter(c) && c != ' ' && c != '\t' && c != '\r'; }

static bool same_signs(const er_line *a, const er_line *b) {
  uint32_t i = 0, j = 0;
  for (;;) {
    while (i < a->n && !counts(a->s[i])) i++;
    while (j < b->n && !counts(b->s[j])) j++;
    if (i == a->n || j == b->n) return i == a->n && j == b->n;
    if (a->s[i++] != b->s[j++]) return false;
  }
}

static bool has_word(const er_index *x, const char *s, size_t n) {
  const char *p = x->line[0].s, *end = x->line[x->n - 1].s + x->line[x->n - 1].n, *begin = p;
  while ((p = memmem(p, (size_t)(end - p), s, n)) != NULL) {
    if ((p == begin || !is_word(p[-1])) && (p + n == end || !is_word(p[n]))) return true;
    p++;
  }
  return false;
}

/* The words of the quoted line that hold the difference are in no line of the
 * file: a word that is there was meant, and so another line. */
static bool misspelt(const poll *p, const er_line *quoted, const er_line *file) {
  er_line q = er_line_trim(*quoted), f = er_line_trim(*file), a = q, b = f;
  trim_common(&a, &b);
  const char *from = a.s, *to = a.s + a.n, *end = q.s + q.n;
  while (from > q.s && is_word(from[-1])) from--;
  while (to < end && is_word(*to)) to++;
  while (from < to) {
    const char *stop = from;
    while (stop < to && is_word(*stop)) stop++;
    if (stop > from && has_word(p->x, from, (size_t)(stop - from))) return false;
    from = stop > from ? stop : from + 1;
  }
  *p->s->work += p->x->n / 4;
  return true;
}

/* A new line that repeats the misquoted letters would carry them into the file. */
static bool carried_over(const poll *p, const er_line *quoted, const er_line *file) {
  er_line q = er_line_trim(*quoted), a = q, b = er_line_trim(*file);
  const er_pattern *t = p->s->pattern;
  trim_common(&a, &b);
  const char *from = a.s - q.s > 3 ? a.s - 3 : q.s, *to = q.s + q.n - (a.s + a.n) > 3 ? a.s + a.n + 3 : q.s + q.n;
  if (memmem(file->s, file->n, from, (size_t)(to - from)) != NULL) return true;
  for (size_t i = 0; i <= t->m; i++)
    for (uint32_t k = t->put[i].from; k < t->put[i].to; k++) {
      *p->s->work += 1;
      if (memmem(t->lines[k].s, t->lines[k].n, from, (size_t)(to - from)) != NULL) return true;
    }
  return false;
}

static bool removable(const poll *p, const er_line *quoted, const er_line *file) {
  return same_signs(quoted, file) && misspelt(p, quoted, file) && !carried_over(p, quoted, file);
}

/* ---- judging a window ---- */

typedef struct {
  uint32_t first, last;          /* of the lines that are not blank, those beside or in a change */
  uint32_t typos, edits, same, weight, all;
  uint32_t wrong[2], held[2];    /* context above and below the changes: wrong lines, letters on right ones */
} verdict;

/* The line is in the file within reach of where it should be. */
static bool out_of_step(const poll *p, int64_t at, uint32_t j, const verdict *v) {
  int64_t here = at + j, from = here - NEARBY, to = here + NEARBY;
  if (j < v->first && at + v->last > to) to = at + v->last;
  if (j > v->last && at + v->first < from) from = at + v->first;
  for (int64_t i = from < 0 ? 0 : from; i <= to && (size_t)i < p->x->k; i++)
    if (i != here && p->x->hash[i] == p->hash[j]) return true;
  return false;
}

static bool beside_change(const poll *p, uint32_t j) {
  size_t from = j > 0 ? p->old[j - 1] + (size_t)1 : 0, to = j + 1 < p->k ? p->old[j + 1] : p->s->pattern->m;
  return er_pattern_touches(p->s->pattern, from, to) && p->s->pattern->old[p->old[j]].op != '-';
}

static void find_core(const poll *p, verdict *v) {
  v->first = UINT32_MAX;
  for (uint32_t j = 0; j < p->k; j++) {
    if (!beside_change(p, j) && p->s->pattern->old[p->old[j]].op != '-') continue;
    if (v->first == UINT32_MAX) v->first = j;
    v->last = j;
  }
}

/* 0 for context above the changes, 1 below, 2 for what is between or changed. */
static int side_of(const er_line *l, uint32_t j, const verdict *v) {
  return l->op != ' ' ? 2 : j <= v->first ? 0 : j >= v->last ? 1 : 2;
}

static bool take_line(const poll *p, int64_t at, uint32_t j, bool *differs, verdict *v) {
  const er_line *l = &p->s->pattern->old[p->old[j]];
  uint32_t cost = 0;
  likeness how = compare(p, at, j, &cost);
  int side = side_of(l, j, v);
  differs[p->old[j]] = how != SAME;
  if (how != WRONG) v->all += letters(l);
  if (how == SAME) {
    v->same++;
    v->weight += letters(l);
    if (side < 2) v->held[side] += letters(l);
    return true;
  }
  if (l->eol == ER_EOL_OPEN || er_line_numbered(l) || out_of_step(p, at, j, v)) return false;
  if (how == TYPO) {
    v->typos++;
    v->edits += cost;
    return l->op != '-' || removable(p, l, &p->x->line[p->x->at[at + j]]);
  }
  if (j >= v->first && j <= v->last) return false;
  v->wrong[side]++;
  return true;
}

/* Wrong lines need right ones between them and the changes that are more than an "end". */
static bool few_wrong(const verdict *v) {
  for (int i = 0; i < 2; i++)
    if (v->wrong[i] > MAX_WRONG || (v->wrong[i] > 0 && v->held[i] < MIN_HELD)) return false;
  return v->wrong[0] + v->wrong[1] <= v->same;
}

/* True if the window may be taken; fills place. */
static bool judge(const poll *p, const window *w, bool *differs, er_place *place) {
  verdict v = {0};
  memset(differs, 0, p->s->pattern->m * sizeof *differs);
  if (w->at < 0 || (size_t)w->at + p->k > p->x->k || w->cost * 2 + 4 > MAX_COST) return false;
  find_core(p, &v);
  for (uint32_t j = 0; j < p->k; j++)
    if (!take_line(p, w->at, j, differs, &v)) return false;
  if (v.weight < MIN_SAME || v.edits * 6 > v.all || !few_wrong(&v)) return false;
  if (!er_locate_fit(p->s, (uint32_t)w->at, differs, place, NULL)) return false;
  place->rung = v.typos > 0 ? ER_RUNG_SIMILAR : ER_RUNG_CONTEXT;
  place->cost = w->cost;
  return true;
}

/* ---- all windows ---- */

/* Keeps those with at least half of the best window's votes; false if too many. */
static bool keep_windows(poll *p) {
  uint32_t best = best_vote(p);
  size_t n = 0;
  for (size_t i = 0; i < p->n; i++)
    if (p->v[i].votes * 2 >= best) p->v[n++] = p->v[i];
  p->n = n;
  for (size_t i = 0; i < n && n <= MAX_WINDOWS; i++) p->v[i].cost = cost_of(p, p->v[i].at);
  return n > 0 && n <= MAX_WINDOWS;
}

static void judge_all(const poll *p, er_places *out, bool *doubt) {
  const window *w = p->v;
  size_t n = p->n;
  bool *differs = er_malloc(p->s->pattern->m + 1);
  uint32_t least = MAX_COST;
  size_t near = 0;
  er_place place;
  for (size_t i = 0; i < n; i++)
    if (w[i].cost < least) least = w[i].cost;
  for (size_t i = 0; i < n; i++) {
    if (w[i].cost > least * 2 + 4 || w[i].cost >= MAX_COST) continue;
    near++;
    if (!judge(p, &w[i], differs, &place)) continue;
    place.rung = ER_RUNG_SIMILAR;                    /* of one rung, so that all are kept */
    er_places_add(out, &place);
  }
  if (out->n < near) *doubt |= near > 1, out->n = 0;  /* one about as good cannot be taken */
  if (out->n == 1 && judge(p, &(window){out->v[0].window, 0, out->v[0].cost}, differs, &place))
    out->rung = out->v[0].rung = place.rung;
  er_free(differs);
}

void er_locate_similar(const er_search *s, er_places *out, bool *doubt) {
  poll p;
  if (s->pattern->m == 0 || s->file->k == 0) return;
  open_poll(&p, s);
  if (p.k > 0 && cast_votes(&p) && keep_windows(&p)) judge_all(&p, out, doubt);
  close_poll(&p);
}

/* ---- for messages ---- */

/* When not one line is equal: the file's line most like the hunk's first. */
static bool most_like_first(const poll *p, size_t *line) {
  const er_line *first = &p->s->pattern->old[p->old[0]];
  size_t end = p->x->k < 4000 ? p->x->k : 4000;
  uint32_t best = letters(first) / 2 + 1;
  for (size_t i = 0; i < end; i++) {
    uint32_t d = er_line_distance(&p->x->line[p->x->at[i]], first, best);
    if (d < best && d <= MOST_EDITS) best = d, *line = p->x->at[i];
  }
  return best <= letters(first) / 2;
}

/* When none is like it: the file's line that begins most like it, as one does
 * whose comment at the end was left out. */
static bool most_like_start(const poll *p, size_t *line) {
  er_line first = er_line_trim(p->s->pattern->old[p->old[0]]);
  size_t end = p->x->k < 4000 ? p->x->k : 4000;
  uint32_t best = first.n / 2 > 4 ? first.n / 2 : 4;
  bool found = false;
  for (size_t i = 0; i < end; i++) {
    er_line l = er_line_trim(p->x->line[p->x->at[i]]);
    uint32_t n = 0;
    while (n < l.n && n < first.n && l.s[n] == first.s[n]) n++;
    if (n > best) best = n, *line = p->x->at[i], found = true;
  }
  return found;
}

bool er_locate_nearest(const er_search *s, size_t *line) {
  poll p;
  bool found = false;
  open_poll(&p, s);
  if (p.k > 0 && p.x->k > 0) {
    cast_votes(&p);
    uint32_t best = best_vote(&p);
    for (size_t i = 0; i < p.n && best > 1 && !found; i++) {
      if (p.v[i].votes != best) continue;
      *line = p.x->at[p.v[i].at < 0 ? 0 : p.v[i].at];
      found = true;
    }
    if (!found) found = most_like_first(&p, line) || most_like_start(&p, line);
    if (found) *line -= p.old[0] < *line ? p.old[0] : *line;          /* the hunk may begin with blank lines */
  }
  close_poll(&p);
  return found;
}
