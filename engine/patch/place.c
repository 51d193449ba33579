/* place.c - settles where each hunk goes: content first, then the order of the
 * hunks, then a line number that points exactly at one of several places. */

#include <string.h>

#include "base/mem.h"
#include "patch/plan.h"
#include "patch/rules.h"

#define SHOWN_LINES 12
#define MAX_KEPT 200000           /* places remembered for all hunks of a reply */

typedef struct {
  const er_hunk *hunk;
  size_t to;                     /* end of its lines; earlier than hunk->to without its tail */
  size_t from, m;                /* its pattern in the scratch lines */
  size_t core0, core1;           /* the part of the pattern from first to last change */
  er_places places;              /* owned */
  er_place pick;
  size_t latest;                 /* the last place that leaves room for the hunks behind */
} slot;

typedef struct {
  er_planner *pl;
  const er_target *t;
  er_lines scratch;              /* the patterns of all hunks */
  slot *v;                       /* owned */
  size_t n;
  bool by_core;                  /* contexts may overlap, changes may not */
  bool numbered;                 /* line numbers count: nothing else changes the file */
} placing;

/* ---- messages ---- */

static void add_wanted(er_planner *pl, const er_line *pattern, size_t m) {
  er_buf_str(&pl->why->text, "Looked for:\n");
  er_explain_lines(&pl->why->text, pattern, m, 0, SHOWN_LINES);
}

static void add_first_difference(er_planner *pl, const er_target *t, size_t line, const er_line *pattern, size_t m) {
  for (size_t i = 0; i < m; i++) {
    er_buf *text = &pl->why->text;
    if (line + i < t->lines.n && er_line_same_text(&t->lines.v[line + i], &pattern[i])) continue;
    if (line + i < t->lines.n) {
      er_buf_fmt(text, "First difference: line %zu of the file is ", line + i + 1);
      er_explain_quote(text, t->lines.v[line + i].s, t->lines.v[line + i].n);
    } else {
      er_buf_fmt(text, "First difference: the file ends after line %zu", t->lines.n);
    }
    er_buf_str(text, ", the block has ");
    er_explain_quote(text, pattern[i].s, pattern[i].n);
    er_buf_str(text, ".\n");
    return;
  }
}

static int refuse_not_found(er_planner *pl, const er_target *t, const er_line *pattern, size_t m, size_t reply_line) {
  size_t line = 0, shown = m < SHOWN_LINES ? m : SHOWN_LINES;
  if (pl->work >= ER_LOCATE_MAX_WORK)
    return er_refuse(pl->why, "too_large", "%s: the reply has too many blocks for so long a file. Send fewer or larger ones.",
                     pl->where);
  er_refuse(pl->why, "not_found", "%s: the lines to change (from line %zu of the reply) are not in `%s`.\n", pl->where,
            reply_line, t->file->path);
  add_wanted(pl, pattern, m);
  if (er_locate_nearest(t->lines.v, t->lines.n, pattern, m, &line)) {
    if (line + shown > t->lines.n) shown = t->lines.n - line;
    er_buf_fmt(&pl->why->text, "The nearest place in the file is line %zu:\n", line + 1);
    er_explain_lines(&pl->why->text, t->lines.v + line, shown, line + 1, SHOWN_LINES);
    add_first_difference(pl, t, line, pattern, m);
  } else {
    er_buf_fmt(&pl->why->text, "Nothing in the file (%zu lines) resembles them.\n", t->lines.n);
  }
  er_buf_str(&pl->why->text, "Quote the old lines exactly as the file has them, or send the whole file in a fence with its path.");
  return -1;
}

static int refuse_ambiguous(er_planner *pl, const er_target *t, const er_line *pattern, size_t m, const er_places *places) {
  size_t shown = places->n < 8 ? places->n : 8;
  er_refuse(pl->why, "ambiguous", "%s: the lines to change fit %s%zu places in `%s`, at lines ", pl->where,
            places->more ? "more than " : "", places->n, t->file->path);
  for (size_t i = 0; i < shown; i++) er_buf_fmt(&pl->why->text, "%s%zu", i > 0 ? ", " : "", places->v[i].line + 1);
  er_buf_fmt(&pl->why->text, "%s.\n", shown < places->n ? ", ..." : "");
  add_wanted(pl, pattern, m);
  er_buf_str(&pl->why->text, "Add lines above or below them, unchanged, until only the place that is meant fits.");
  return -1;
}

static int refuse_no_anchor(er_planner *pl, const er_target *t, const char *what) {
  return er_refuse(pl->why, "ambiguous", "%s: %s says which lines to add but quotes no line of `%s`, so the place is not known. Quote at "
                   "least one unchanged line above or below (line numbers alone are not trusted).", pl->where, what,
                   t->file->path);
}

static int refuse_order(placing *p, size_t i) {
  const slot *s = &p->v[i];
  er_refuse(p->pl->why, "overlap", "%s: hunk %zu (line %zu of the reply) fits `%s` only at line %zu, which is not behind the place "
            "of the hunk before it.\n", p->pl->where, i + 1, s->hunk->reply_line, p->t->file->path,
            s->places.v[s->places.n - 1].line + 1);
  add_wanted(p->pl, p->scratch.v + s->from, s->m);
  er_buf_str(&p->pl->why->text, "Give the hunks of a file in order, without overlap; join hunks that touch the same lines.");
  return -1;
}

/* ---- unified diffs ---- */

static void make_slot(placing *p, slot *s, const er_hunk *h) {
  const er_line *lines = p->pl->parsed->lines.v;
  bool changed = false;
  *s = (slot){.hunk = h, .to = h->to, .from = p->scratch.n};
  for (size_t i = h->from; i < h->to; i++) {
    size_t at = p->scratch.n - s->from;
    if (lines[i].op != ' ') {
      if (!changed) s->core0 = at;
      s->core1 = at + (lines[i].op == '-');
      changed = true;
    }
    if (lines[i].op != '+') er_lines_push(&p->scratch, lines[i]);
  }
  s->m = p->scratch.n - s->from;
}

static void drop_tail(slot *s) {
  s->to -= s->hunk->tail;
  s->m -= s->hunk->tail;
}

static size_t begin_of(const placing *p, const slot *s, size_t line) { return p->by_core ? line + s->core0 : line; }
static size_t end_of(const placing *p, const slot *s, size_t line) { return line + (p->by_core ? s->core1 : s->m); }

/* Right diffs, which most are, need no search: every hunk is where its header
 * says.  (Were there another place, the number would decide all the same.) */
static bool place_by_number(placing *p) {
  size_t floor = 0;
  for (size_t i = 0; i < p->n; i++) {
    slot *s = &p->v[i];
    if (s->hunk->old_line == 0 || !p->numbered) return false;
    size_t line = s->hunk->old_line - 1;
    if (line < floor || !er_locate_here(p->t->lines.v, p->t->lines.n, p->scratch.v + s->from, s->m, line)) return false;
    s->pick = (er_place){line, {NULL, 0, true}};
    s->places.rung = ER_RUNG_EXACT;
    floor = line + s->m;
  }
  return true;
}

/* Places a re-indented hunk only where its new lines can lose what they must. */
static bool can_shift(const er_parsed *parsed, const slot *s, const er_shift *shift) {
  if (shift->n == 0 || shift->deeper) return true;
  for (size_t i = s->hunk->from; i < s->to; i++) {
    const er_line *l = &parsed->lines.v[i];
    if (l->op != '+' || er_line_blank(l)) continue;
    if (l->n < shift->n || memcmp(l->s, shift->s, shift->n) != 0) return false;
  }
  return true;
}

static void keep_shiftable(const er_parsed *parsed, const slot *s, er_places *places) {
  size_t kept = 0;
  for (size_t i = 0; i < places->n; i++)
    if (can_shift(parsed, s, &places->v[i].shift)) places->v[kept++] = places->v[i];
  places->n = kept;
}

static int find_places(placing *p, slot *s) {
  const er_target *t = p->t;
  const er_line *pattern = p->scratch.v + s->from;
  if (s->m == 0) return refuse_no_anchor(p->pl, t, "a hunk");
  er_locate(t->lines.v, t->lines.n, pattern, s->m, &p->pl->work, &s->places);
  if (s->places.n == 0 && s->hunk->tail > 0) {
    drop_tail(s);
    if (s->m == 0) return refuse_no_anchor(p->pl, t, "a hunk");
    er_locate(t->lines.v, t->lines.n, pattern, s->m, &p->pl->work, &s->places);
  }
  keep_shiftable(p->pl->parsed, s, &s->places);
  if (s->places.n == 0) return refuse_not_found(p->pl, t, pattern, s->m, s->hunk->reply_line);
  p->pl->kept += s->places.n;
  return p->pl->kept > MAX_KEPT ? refuse_ambiguous(p->pl, t, pattern, s->m, &s->places) : 0;
}

/* Fills slot.latest from behind; the index of a hunk that finds no room, or n. */
static size_t find_latest(placing *p) {
  size_t ceiling = p->t->lines.n + 1;
  for (size_t i = p->n; i-- > 0;) {
    slot *s = &p->v[i];
    size_t k = s->places.n;
    while (k > 0 && end_of(p, s, s->places.v[k - 1].line) > ceiling) k--;
    if (k == 0) return i;
    s->latest = s->places.v[k - 1].line;
    ceiling = begin_of(p, s, s->latest);
  }
  return p->n;
}

static const er_place *place_at(const slot *s, size_t line) {
  for (size_t i = 0; i < s->places.n; i++)
    if (s->places.v[i].line == line) return &s->places.v[i];
  return NULL;
}

/* Takes the hunks in order; each gets the only place between the one before it
 * and its latest, or the one that its number, moved like the last, points at. */
static int pick_places(placing *p) {
  size_t floor = 0;
  long long shift = 0;
  for (size_t i = 0; i < p->n; i++) {
    slot *s = &p->v[i];
    const er_place *first = NULL, *by_number = NULL;
    size_t fitting = 0;
    for (size_t k = 0; k < s->places.n; k++) {
      const er_place *c = &s->places.v[k];
      if (begin_of(p, s, c->line) < floor || c->line > s->latest) continue;
      if (fitting++ == 0) first = c;
    }
    if (fitting == 0) return refuse_order(p, i);
    long long want = (long long)s->hunk->old_line - 1 + shift;
    if (p->numbered && s->hunk->old_line > 0 && want >= 0) by_number = place_at(s, (size_t)want);
    if (by_number != NULL && (begin_of(p, s, by_number->line) < floor || by_number->line > s->latest)) by_number = NULL;
    if (fitting > 1 && by_number == NULL) return refuse_ambiguous(p->pl, p->t, p->scratch.v + s->from, s->m, &s->places);
    s->pick = fitting > 1 ? *by_number : *first;
    floor = end_of(p, s, s->pick.line);
    if (s->hunk->old_line > 0) shift = (long long)s->pick.line - ((long long)s->hunk->old_line - 1);
  }
  return 0;
}

static int search_places(placing *p) {
  size_t stuck;
  for (size_t i = 0; i < p->n; i++)
    if (find_places(p, &p->v[i]) < 0) return -1;
  stuck = find_latest(p);
  if (stuck < p->n) {
    p->by_core = true;
    stuck = find_latest(p);
  }
  if (stuck < p->n) return refuse_order(p, stuck + 1 < p->n ? stuck + 1 : stuck);
  return pick_places(p);
}

/* Turns a placed hunk into edits, one for each run of changed lines; context
 * stays as the file has it. */
static void add_edits(placing *p, const slot *s, er_target *t) {
  const er_line *lines = p->pl->parsed->lines.v;
  size_t at = s->pick.line, i = s->hunk->from;
  while (i < s->to) {
    er_edit e = {.first = at, .from = i, .shift = s->pick.shift, .as_written = s->places.rung == ER_RUNG_EXACT};
    if (lines[i].op == ' ') { at++; i++; continue; }
    for (; i < s->to && lines[i].op != ' '; i++) e.removed += lines[i].op == '-';
    e.to = i;
    at += e.removed;
    er_plan_edit(p->pl, t, e);
  }
  if (!s->hunk->says_end || at != t->lines.n) return;
  t->end = ER_END_WITH;
  for (i = s->hunk->from; i < s->to; i++)
    if (lines[i].op != '-') t->end = lines[i].eol == ER_EOL_NONE ? ER_END_WITHOUT : ER_END_WITH;
}

static void report_slots(placing *p) {
  er_patch_block_report *r = &p->pl->out->reports[p->pl->block];
  size_t worst = 0;
  r->similarity = 1;
  r->line = p->v[0].pick.line + 1;
  for (size_t i = 0; i < p->n; i++) {
    const slot *s = &p->v[i];
    double like = 1;
    if (s->places.rung != ER_RUNG_EXACT)
      like = er_locate_similarity(p->t->lines.v + s->pick.line, p->scratch.v + s->from, s->m);
    if (like < r->similarity) r->similarity = like;
    if (s->places.rung > worst) worst = s->places.rung;
  }
  r->rung = er_locate_rung_name(worst);
}

static int place_all(placing *p, er_target *t) {
  if (t->lines.n == 0 && p->n == 1 && p->v[0].m == p->v[0].hunk->tail) {
    if (p->v[0].m > 0) drop_tail(&p->v[0]);
    p->v[0].pick = (er_place){0};
  } else if (!place_by_number(p) && search_places(p) < 0) {
    return -1;
  }
  for (size_t i = 0; i < p->n; i++) add_edits(p, &p->v[i], t);
  report_slots(p);
  return 0;
}

int er_place_udiff(er_planner *pl, const er_block *b, er_target *t) {
  placing p = {.pl = pl, .t = t, .n = b->n_hunks, .numbered = t->n_edits == 0};
  int rc = 0;
  p.v = er_calloc(p.n + 1, sizeof *p.v);
  er_lines_reserve(&p.scratch);
  for (size_t i = 0; i < p.n; i++) make_slot(&p, &p.v[i], &pl->parsed->hunks[b->hunk + i]);
  if (p.n > 0) rc = place_all(&p, t);
  for (size_t i = 0; i < p.n; i++) er_places_free(&p.v[i].places);
  er_free(p.v);
  er_lines_free(&p.scratch);
  return rc;
}

/* ---- search/replace blocks ---- */

static size_t old_lines(const er_parsed *parsed, const er_hunk *h) {
  size_t m = 0;
  while (h->from + m < h->to && parsed->lines.v[h->from + m].op == '-') m++;
  return m;
}

/* Only the lines that differ are edited; the others stay as the file has them. */
static void add_search_edits(er_planner *pl, const slot *s, er_target *t) {
  const er_line *old = pl->parsed->lines.v + s->hunk->from, *new = old + s->m;
  er_spans spans = {0};
  er_lines_compare(old, s->m, new, s->to - s->hunk->from - s->m, er_line_same_text, &spans);
  for (size_t i = 0; i < spans.n; i++) {
    const er_span *d = &spans.v[i];
    size_t base = s->hunk->from + s->m;
    er_plan_edit(pl, t, (er_edit){.first = s->pick.line + d->a0, .removed = d->a1 - d->a0, .from = base + d->b0,
                                  .to = base + d->b1, .shift = s->pick.shift,
                                  .as_written = s->places.rung == ER_RUNG_EXACT});
  }
  er_spans_free(&spans);
}

static int check_span(er_planner *pl, const slot *s) {
  const er_line *lines = pl->parsed->lines.v;
  for (size_t i = s->hunk->from; i < s->to; i++)
    if (er_region_marker(&lines[i], pl->rules->region) != 0)
      return er_refuse(pl->why, "region_marker", "%s: the block holds a %s marker line. Leave the marker lines out of SEARCH and "
                       "REPLACE and change only lines between them.", pl->where, pl->rules->region);
  return 0;
}

static int take_search(er_planner *pl, slot *s, er_target *t) {
  er_patch_block_report *r = &pl->out->reports[pl->block];
  const er_line *old = pl->parsed->lines.v + s->hunk->from;
  if (s->places.n > 1) return refuse_ambiguous(pl, t, old, s->m, &s->places);
  if (check_span(pl, s) < 0) return -1;
  s->pick = s->places.v[0];
  r->rung = er_locate_rung_name(s->places.rung);
  r->line = s->pick.line + 1;
  r->similarity = s->places.rung == ER_RUNG_EXACT ? 1 : er_locate_similarity(t->lines.v + s->pick.line, old, s->m);
  add_search_edits(pl, s, t);
  return 0;
}

/* An empty SEARCH is the whole of an empty file, and nowhere in any other. */
static int fill_empty(er_planner *pl, const slot *s, er_target *t) {
  er_patch_block_report *r = &pl->out->reports[pl->block];
  if (t->lines.n > 0) return refuse_no_anchor(pl, t, "an empty SEARCH");
  r->rung = er_locate_rung_name(ER_RUNG_EXACT);
  r->line = 1;
  r->similarity = 1;
  add_search_edits(pl, s, t);
  return 0;
}

/* The alternatives go from the shortest SEARCH to the longest; the longest that
 * the file has is meant, because the others are only its beginning. */
int er_place_search(er_planner *pl, const er_block *b, er_target *t) {
  const er_hunk *h = &pl->parsed->hunks[b->hunk];
  slot s = {0};
  int rc;
  for (size_t i = b->n_hunks; i-- > 0 && s.places.n == 0;) {
    h = &pl->parsed->hunks[b->hunk + i];
    s = (slot){.hunk = h, .to = h->to, .m = old_lines(pl->parsed, h)};
    er_locate(t->lines.v, t->lines.n, pl->parsed->lines.v + h->from, s.m, &pl->work, &s.places);
    keep_shiftable(pl->parsed, &s, &s.places);
    if (s.places.n == 0) er_places_free(&s.places);
  }
  if (s.places.n > 0) rc = take_search(pl, &s, t);
  else if (s.m > 0) rc = refuse_not_found(pl, t, pl->parsed->lines.v + h->from, s.m, b->reply_line + 1);
  else rc = fill_empty(pl, &s, t);
  er_places_free(&s.places);
  return rc;
}

void er_place_whole(er_planner *pl, const er_block *b, er_target *t) {
  const er_hunk *h = &pl->parsed->hunks[b->hunk];
  er_spans spans = {0};
  er_lines_compare(t->lines.v, t->lines.n, pl->parsed->lines.v + h->from, h->to - h->from, er_line_same_text, &spans);
  for (size_t i = 0; i < spans.n; i++) {
    const er_span *d = &spans.v[i];
    er_plan_edit(pl, t, (er_edit){.first = d->a0, .removed = d->a1 - d->a0, .from = h->from + d->b0, .to = h->from + d->b1});
  }
  pl->out->reports[pl->block].line = spans.n > 0 ? spans.v[0].a0 + 1 : 0;
  er_spans_free(&spans);
}
