/* place_pick.c - which of the places that fit is meant: the order of the hunks
 * decides, then a line number that points exactly at one, then an anchor. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "patch/place.h"

#define MAX_ANCHORED 64          /* places that are looked at for an anchor above them */
#define MIN_REPEATED 12
#define MIN_SAID 10              /* letters that are quoted, for white space to choose between places */
#define MIN_APART 4              /* lines between two parts that nobody forgets to remove */

/* ---- order ---- */

/* With by_core only the lines from the first change to the last count. */
static void core_of(const er_slot *s, size_t *from, size_t *to) {
  const er_pattern *t = &s->pattern;
  size_t a = 0, b = t->m;
  while (a < t->m && er_range_empty(t, a) && t->old[a].op == ' ') a++;
  while (b > a && er_range_empty(t, b) && t->old[b - 1].op == ' ') b--;
  *from = a;
  *to = b;
}

static size_t begin_of(const er_placing *p, const er_slot *s, const er_place *at) {
  size_t from, to;
  if (!p->by_core || at->end - at->line != s->pattern.m) return at->line;
  core_of(s, &from, &to);
  return at->line + from;
}

static size_t end_of(const er_placing *p, const er_slot *s, const er_place *at) {
  size_t from, to;
  if (!p->by_core || at->end - at->line != s->pattern.m) return at->end;
  core_of(s, &from, &to);
  return at->line + to;
}

/* Parts of a hunk that change nothing only show where its other parts are: with
 * by_core they may lie on or behind the changes of other hunks. */
static bool is_free(const er_placing *p, const er_slot *s) { return p->by_core && !er_pattern_changes(&s->pattern); }

/* Fills slot.latest from behind; the index of a slot that finds no room, or n. */
static size_t find_latest(er_placing *p) {
  size_t ceiling = p->t->lines.n + 1, own = ceiling;
  for (size_t i = p->n; i-- > 0;) {
    er_slot *s = &p->v[i];
    size_t k = s->places.n, room;
    if (i + 1 < p->n && s->hunk != s[1].hunk) own = p->t->lines.n + 1;
    room = is_free(p, s) || own < ceiling ? own : ceiling;
    while (k > 0 && end_of(p, s, &s->places.v[k - 1]) > room) k--;
    if (k == 0) return i;
    s->latest = s->places.v[k - 1].line;
    own = begin_of(p, s, &s->places.v[k - 1]);
    if (!is_free(p, s)) ceiling = own;
  }
  return p->n;
}

static int by_place(const void *a, const void *b) {
  const er_slot *x = a, *y = b;
  size_t i = x->places.v[0].line, j = y->places.v[0].line;
  return i < j ? -1 : i > j;
}

/* Hunks that each have one place only may come in any order. */
static bool sort_slots(er_placing *p) {
  for (size_t i = 0; i < p->n; i++)
    if (p->v[i].places.n != 1 || p->v[i].places.more || (i > 0 && p->v[i].hunk == p->v[i - 1].hunk)) return false;
  qsort(p->v, p->n, sizeof *p->v, by_place);
  return true;
}

/* Numbers that do not ascend say that the hunks are not in order. */
static bool order_is_said(const er_placing *p) {
  size_t last = 0;
  for (size_t i = 0; i < p->n; i++) {
    if (p->v[i].hunk->old_line == 0) continue;
    if (p->v[i].hunk->old_line < last) return false;
    last = p->v[i].hunk->old_line;
  }
  return true;
}

/* ---- anchors ---- */

static bool is_anchor(const er_line *file, const er_line *anchor) {
  er_line f = er_line_trim(*file), a = er_line_trim(*anchor);
  return a.n > 0 && f.n >= a.n && memcmp(f.s, a.s, a.n) == 0;       /* git cuts long ones off */
}

/* Lines that open a definition begin like this; those that close one do not count. */
static bool may_open(const er_line *l) {
  er_line t = er_line_trim(*l);
  char c = t.n > 0 ? t.s[0] : 0;
  if (er_line_is(&t, "end") || er_line_starts(&t, "end,") || er_line_starts(&t, "end)") || er_line_starts(&t, "else"))
    return false;
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '@';
}

/* Upwards from the place, the first line that stands as far out as the anchor
 * and may open something is the anchor itself. */
bool er_place_stands_below(er_placing *p, size_t line, const er_line *anchor) {
  const er_line *v = p->t->lines.v;
  size_t deep = SIZE_MAX;
  for (size_t i = line + 1; i-- > 0;) {
    ++p->pl->work;
    if (er_line_blank(&v[i])) continue;
    if (is_anchor(&v[i], anchor)) return er_line_indent(&v[i]) <= deep;
    if (i < line && may_open(&v[i]) && er_line_indent(&v[i]) < deep) deep = er_line_indent(&v[i]);
    if (deep == 0) return false;
  }
  return false;
}

static const er_line *last_anchor(const er_placing *p, const er_slot *s) {
  return &p->pl->parsed->lines.v[s->hunk->anchor + s->hunk->n_anchors - 1];
}

/* The line behind the last of the anchors, looked for one after the other. */
static size_t behind_anchors(const er_placing *p, const er_slot *s) {
  size_t at = 0;
  for (size_t k = 0; k < s->hunk->n_anchors; k++) {
    const er_line *a = &p->pl->parsed->lines.v[s->hunk->anchor + k];
    size_t i = at;
    while (i < p->t->lines.n && !is_anchor(&p->t->lines.v[i], a)) i++;
    if (i == p->t->lines.n) return 0;                /* not in the file: no help, and no harm */
    at = i + (k + 1 < s->hunk->n_anchors);
  }
  return at;
}

static void keep(er_slot *s, size_t k) { s->places.v[s->places.n++] = s->places.v[k]; }

/* Anchors that bind leave only the places behind them, and of those the ones
 * in what the last anchor opens, if there are any. */
static int narrow(er_placing *p, er_slot *s) {
  size_t floor, n = s->places.n, below = 0;
  if (s->hunk->n_anchors == 0 || !s->hunk->binds) return 0;
  floor = behind_anchors(p, s);
  s->places.n = 0;
  for (size_t k = 0; k < n; k++)
    if (s->places.v[k].line >= floor) keep(s, k);
  if (s->places.n == 0) {
    s->places.n = n;
    return er_place_not_behind(p, s, last_anchor(p, s), floor);
  }
  n = s->places.n;
  if (n < 2 || n > MAX_ANCHORED) return 0;
  for (size_t k = 0; k < n; k++) below += er_place_stands_below(p, s->places.v[k].line, last_anchor(p, s));
  if (below == 0) return 0;
  s->places.n = 0;
  for (size_t k = 0; k < n; k++)
    if (er_place_stands_below(p, s->places.v[k].line, last_anchor(p, s))) keep(s, k);
  return 0;
}

/* "*** End of File": places at the end go before others. */
static void prefer_end(const er_placing *p, er_slot *s) {
  size_t n = s->places.n, end = p->t->lines.n;
  if (!s->hunk->at_end || n < 2) return;
  while (end > 0 && er_line_blank(&p->t->lines.v[end - 1])) end--;
  if (s->places.v[n - 1].end < end) return;
  s->places.v[0] = s->places.v[n - 1];
  s->places.n = 1;
}

/* ---- one of several ---- */

typedef struct {
  er_slot *s;
  size_t floor;
  size_t fitting, cheapest;      /* how many fit, and the least cost among all places */
  const er_place *first;
} choice;

static bool fits(const er_placing *p, const choice *c, const er_place *at) {
  return begin_of(p, c->s, at) >= c->floor && at->line <= c->s->latest;
}

static void count_fitting(const er_placing *p, choice *c) {
  c->cheapest = UINT32_MAX;
  for (size_t k = 0; k < c->s->places.n; k++) {
    const er_place *at = &c->s->places.v[k];
    if (at->cost < c->cheapest) c->cheapest = at->cost;
    if (fits(p, c, at) && c->fitting++ == 0) c->first = at;
  }
}

/* The place at that line, if it fits as well as any. */
static const er_place *at_number(const er_placing *p, const choice *c, long long line) {
  for (size_t k = 0; k < c->s->places.n && p->numbered && c->s->hint > 0; k++) {
    const er_place *at = &c->s->places.v[k];
    if ((long long)at->line == line) return fits(p, c, at) && at->cost == c->cheapest ? at : NULL;
  }
  return NULL;
}

/* The only place below the text behind a hunk header's second @@. */
static const er_place *at_anchor(er_placing *p, const choice *c) {
  const er_place *only = NULL;
  if (c->s->hunk->n_anchors == 0 || c->fitting > MAX_ANCHORED) return NULL;
  for (size_t k = 0; k < c->s->places.n; k++) {
    const er_place *at = &c->s->places.v[k];
    if (!fits(p, c, at) || at->cost != c->cheapest || !er_place_stands_below(p, at->line, last_anchor(p, c->s)))
      continue;
    if (only != NULL) return NULL;
    only = at;
  }
  return only;
}

/* A few letters that fit one place best by their white space, and others too:
 * white space is what replies get wrong most. */
static bool too_little(const er_slot *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->pattern.m; i++) n += er_line_trim(s->pattern.old[i]).n;
  return s->places.looser && n < MIN_SAID;
}

/* Number and anchor may each decide alone, but not against one another. */
static const er_place *choose(er_placing *p, const choice *c, long long line) {
  const er_place *number, *anchor;
  if (c->fitting == 1 && !c->s->places.more && !too_little(c->s))
    return c->first->cost == c->cheapest ? c->first : NULL;
  number = at_number(p, c, line);
  anchor = at_anchor(p, c);
  if (number != NULL && anchor != NULL && number != anchor) return NULL;
  if (number != NULL || anchor != NULL) return number != NULL ? number : anchor;
  return er_pattern_changes(&c->s->pattern) ? NULL : c->first;      /* context alone: nothing hangs on it */
}

/* New lines at the hunk's edge that the file has right there already. */
static bool repeats(const er_placing *p, const er_slot *s) {
  const er_pattern *t = &s->pattern;
  const er_lines *f = &p->t->lines;
  size_t said = 0, edge, n, at;
  for (size_t i = 0; i < t->m; i++)
    if (t->old[i].op == '-' || (i > 0 && !er_range_empty(t, i))) return false;
  if (t->m == 0 || er_range_empty(t, 0) == er_range_empty(t, t->m)) return false;
  edge = er_range_empty(t, 0) ? t->m : 0;
  n = t->put[edge].to - t->put[edge].from;
  if (edge == 0 && n > s->pick.line) return false;
  at = edge == 0 ? s->pick.line - n : s->pick.end;
  if (at + n > f->n) return false;
  for (size_t i = 0; i < n; i++) {
    const er_line *l = &t->lines[t->put[edge].from + i];
    if (!er_line_same_text(l, &f->v[at + i])) return false;
    said += er_line_trim(*l).n;
  }
  return said >= MIN_REPEATED;
}

static size_t new_count(const er_pattern *t) {
  size_t n = 0;
  for (size_t i = 0; i < t->m; i++) n += t->old[i].op == ' ';
  for (size_t i = 0; i <= t->m; i++)
    for (uint32_t k = t->put[i].from; k < t->put[i].to; k++) n += t->lines[k].op == '+';
  return n;
}

static size_t solid_lines(const er_lines *f, size_t from, size_t to) {
  size_t n = 0;
  for (; from < to; from++) n += !er_line_blank(&f->v[from]);
  return n;
}

/* Between parts of one hunk the reply skipped lines of the file: context, or
 * lines that were to go?  The header's counts tell, when they are what they would
 * be with that context, or those of the first part alone (then it is the headers
 * of the others that are missing).  Else it takes more lines than anyone forgets
 * to remove. */
static bool may_be_apart(const er_placing *p, const er_slot *first, size_t parts) {
  const er_hunk *h = first->hunk;
  size_t skipped = 0, old = first->pattern.m, new = new_count(&first->pattern);
  bool headless = h->old_count == old && h->new_count == new, far = true;
  for (size_t i = 1; i < parts; i++) {
    size_t from = first[i - 1].pick.end, to = first[i].pick.line;
    skipped += to - from;
    old += first[i].pattern.m;
    new += new_count(&first[i].pattern);
    far = far && solid_lines(&p->t->lines, from, to) >= MIN_APART;
  }
  return headless || far || (h->old_count == old + skipped && h->new_count == new + skipped);
}

/* The slot behind the first gap that may hide a removal, or n. */
static size_t check_gaps(const er_placing *p) {
  for (size_t i = 0, parts; i < p->n; i += parts) {
    for (parts = 1; i + parts < p->n && p->v[i + parts].hunk == p->v[i].hunk; parts++) {}
    if (parts > 1 && p->v[i].rung == ER_RUNG_SPLIT && !may_be_apart(p, &p->v[i], parts)) return i + 1;
  }
  return p->n;
}

/* Takes the slots in order; each gets the only place between the one before it
 * and its latest, or one of several that something else points at. */
static int pick_places(er_placing *p) {
  size_t floor = 0, own = 0, gap;
  long long shift = 0;
  bool ordered = order_is_said(p);
  for (size_t i = 0; i < p->n; i++) {
    er_slot *s = &p->v[i];
    if (i > 0 && s->hunk != s[-1].hunk) own = 0;
    choice c = {.s = s, .floor = is_free(p, s) || own > floor ? own : floor};
    count_fitting(p, &c);
    if (c.fitting == 0) return er_place_no_order(p, i);
    const er_place *pick = choose(p, &c, (long long)s->hint - 1 + shift);
    if (pick == NULL || (!ordered && s->places.n > 1)) return er_place_ambiguous(p, s);
    s->pick = *pick;
    if (repeats(p, s)) return er_place_done_already(p, s->hunk, s->pick.end);
    own = end_of(p, s, &s->pick);
    if (!is_free(p, s)) floor = own;
    if (s->hint > 0) shift = (long long)s->pick.line - ((long long)s->hint - 1);
  }
  gap = check_gaps(p);
  return gap == p->n ? 0 : er_place_apart(p, &p->v[gap]);
}

int er_place_pick(er_placing *p) {
  size_t stuck;
  for (size_t i = 0; i < p->n; i++) {
    if (narrow(p, &p->v[i]) < 0) return -1;
    prefer_end(p, &p->v[i]);
  }
  stuck = find_latest(p);
  if (stuck < p->n) {
    p->by_core = true;
    stuck = find_latest(p);
  }
  if (stuck < p->n && sort_slots(p)) {
    p->by_core = false;
    if (find_latest(p) < p->n) p->by_core = true, find_latest(p);
    stuck = find_latest(p);
  }
  if (stuck < p->n) return er_place_no_order(p, stuck + 1 < p->n ? stuck + 1 : stuck);
  return pick_places(p);
}
