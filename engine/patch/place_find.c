/* place_find.c - the ways to read a hunk, from as it stands to in parts. */

#include <string.h>

#include "base/mem.h"
#include "patch/place.h"

#define MAX_KEPT 60000          /* places remembered for all hunks of a reply */
#define MIN_SAID 12              /* letters that new lines have before "it is there already" is said */

static bool spent(const er_placing *p) { return p->pl->work >= ER_LOCATE_MAX_WORK || p->pl->kept > MAX_KEPT; }

static er_pattern part(const er_placing *p, size_t i, size_t from, size_t to) {
  return er_script_part(&p->scripts[i], p->pl->parsed, from, to);
}

static const er_hunk *hunk(const er_placing *p, size_t i) { return &p->pl->parsed->hunks[p->block->hunk + i]; }

/* Takes the slots from n on away again. */
static bool undo(er_placing *p, size_t n) {
  while (p->n > n) er_places_free(&p->v[--p->n].places);
  return false;
}

static bool fill(er_placing *p, er_slot *s) {
  er_search search = er_place_search_of(p, &s->pattern);
  if (spent(p)) return false;
  er_locate(&search, &s->places);
  p->pl->kept += s->places.n;
  return s->places.n > 0;
}

/* ---- in one piece ---- */

/* Blank lines at its end may be the reply's, not the hunk's: without them if that
 * fits better. */
static void fill_short(er_placing *p, er_slot *s) {
  er_slot other = *s;
  other.places = (er_places){0};
  other.pattern.m -= s->hunk->tail;
  if (other.pattern.m == 0) return;
  if (fill(p, &other) && (s->places.n == 0 || other.places.rung < s->places.rung)) {
    er_places_free(&s->places);
    *s = other;
  } else {
    er_places_free(&other.places);
  }
}

static bool in_one_piece(er_placing *p, size_t i, size_t hint, er_rung rung) {
  const er_hunk *h = hunk(p, i);
  er_slot *s = er_place_slot(p, h, part(p, i, 0, p->scripts[i].old.n), hint, rung);
  fill(p, s);
  if (h->tail > 0 && h->tail <= s->pattern.m && (s->places.n == 0 || s->places.rung >= ER_RUNG_BLANK_LINES))
    fill_short(p, s);
  return s->places.n > 0 || undo(p, p->n - 1);
}

bool er_place_whole_hunk(er_placing *p, size_t i) { return in_one_piece(p, i, hunk(p, i)->old_line, ER_RUNG_EXACT); }

static bool similar(er_placing *p, size_t i, er_pattern pattern, size_t hint, er_rung rung, bool *doubt) {
  er_slot *s = er_place_slot(p, hunk(p, i), pattern, hint, rung);
  er_search search = er_place_search_of(p, &s->pattern);
  if (!spent(p)) er_locate_similar(&search, &s->places, doubt);
  p->pl->kept += s->places.n;
  return s->places.n > 0 || undo(p, p->n - 1);
}

/* ---- lines left out ---- */

static bool holds_elision(const er_script *s) {
  for (size_t i = 0; i < s->old.n; i++)
    if (er_line_elision(&s->old.v[i]) != ER_ELISION_NONE) return true;
  return false;
}

static bool left_out(const er_line *l) { return l->op == ' ' && er_line_elision(l) != ER_ELISION_NONE; }

static bool find_part(er_placing *p, size_t i, er_pattern t, size_t hint, bool *doubt) {
  if (t.m == 0) return er_range_empty(&t, 0);        /* new lines that hang on nothing have no place */
  er_slot *s = er_place_slot(p, hunk(p, i), t, hint, ER_RUNG_ELISION);
  if (fill(p, s)) return true;
  undo(p, p->n - 1);
  return similar(p, i, t, hint, ER_RUNG_ELISION, doubt);
}

/* `...` in the context stands for any run of lines: what is between is looked for
 * in parts, in order.  It must be context, that is, in the new text too and at
 * the same place; else what it stands for would go, unseen. */
static bool elided(er_placing *p, size_t i, size_t hint, bool *doubt) {
  size_t n = p->n, from = 0;
  bool some = false;
  if (!holds_elision(&p->scripts[i])) return false;
  er_place_script(p, i, er_line_same_or_elided);
  for (size_t k = 0; k <= p->scripts[i].old.n; k++) {
    const er_line *l = k < p->scripts[i].old.n ? &p->scripts[i].old.v[k] : NULL;
    if (l != NULL && !left_out(l)) continue;
    some |= l != NULL;
    if (l == NULL && !some) break;
    if (!find_part(p, i, part(p, i, from, k), from == 0 ? hint : 0, doubt)) return undo(p, n);
    from = k + 1;
  }
  return p->n > n || undo(p, n);
}

/* ---- change groups apart ---- */

typedef struct { size_t start, end; } run;           /* context lines between two changes */

/* The context behind the first change from `from` on; false if no change follows it. */
static bool next_run(const er_pattern *t, size_t from, run *r) {
  size_t i = from;
  while (i < t->m && er_range_empty(t, i) && t->old[i].op == ' ') i++;
  while (i < t->m && t->old[i].op == '-') i++;
  r->start = i;                                        /* new lines in front of it belong to the change */
  if (i < t->m) i++;
  while (i < t->m && t->old[i].op == ' ' && er_range_empty(t, i)) i++;
  r->end = i;
  return r->start < t->m && (i < t->m || !er_range_empty(t, i));
}

static bool add_part(er_placing *p, size_t i, size_t from, size_t to, size_t hint) {
  return fill(p, er_place_slot(p, hunk(p, i), part(p, i, from, to), hint, ER_RUNG_SPLIT)) || undo(p, p->n - 1);
}

/* Cuts the part that begins at `from` within the run, as late as it still fits. */
static size_t cut_within(er_placing *p, size_t i, size_t from, const run *r, size_t hint) {
  for (size_t cut = r->end; --cut > r->start && !spent(p);)
    if (add_part(p, i, from, cut, hint)) return cut;
  return 0;
}

/* Old lines that the reply skipped without a word: the hunk falls into parts at
 * the context between its changes, each as long as it fits, and with at least
 * one line of context on both sides of a cut.  Every line must be in one of the
 * parts, so no line that was meant to be new can be lost.  That no line which
 * was meant to go is lost is seen to when the places are known (place_pick.c). */
static bool split(er_placing *p, size_t i, size_t hint) {
  er_pattern all = part(p, i, 0, p->scripts[i].old.n);
  size_t n = p->n, from = 0;
  run r;
  for (size_t at = 0; next_run(&all, at, &r); at = r.end) {
    if (add_part(p, i, from, r.end, 0)) {              /* it need not end here */
      undo(p, p->n - 1);
      continue;
    }
    size_t cut = r.end > 0 ? cut_within(p, i, from, &r, from == 0 ? hint : 0) : 0;
    if (cut == 0) return undo(p, n);
    from = cut;
  }
  return (from > 0 && add_part(p, i, from, all.m, 0)) || undo(p, n);
}

/* ---- done already ---- */

/* Where the file has the new text as one run, if only there. */
static bool done_already(er_placing *p, size_t i, size_t *line) {
  const er_line *lines = p->pl->parsed->lines.v;
  const er_hunk *h = hunk(p, i);
  er_lines new = {0};
  er_places places = {0};
  size_t said = 0;
  for (size_t k = h->from; k < h->to; k++) {
    if (lines[k].op == '-') continue;
    er_lines_push(&new, lines[k]);
    if (lines[k].op == '+') said += er_line_trim(lines[k]).n;
  }
  er_range *none = er_calloc(new.n + 1, sizeof *none);
  er_pattern t = {new.v, none, NULL, new.n, lines};
  er_search search = er_place_search_of(p, &t);
  if (said >= MIN_SAID) er_locate(&search, &places);
  bool found = places.n == 1 && places.rung <= ER_RUNG_INDENTATION;
  if (found) *line = places.v[0].line;
  er_places_free(&places);
  er_lines_free(&new);
  er_free(none);
  return found;
}

/* ---- all of it ---- */

static bool in_any_way(er_placing *p, size_t i, size_t hint, er_rung rung, bool *doubt) {
  return elided(p, i, hint, doubt) || similar(p, i, part(p, i, 0, p->scripts[i].old.n), hint, rung, doubt) ||
         split(p, i, hint);
}

/* The hunk without copied line numbers; its lines are put back if that is no help. */
static bool unnumbered(er_placing *p, size_t i, bool *doubt) {
  const er_hunk *h = hunk(p, i);
  er_line *lines = p->pl->parsed->lines.v, *saved = er_malloc((h->to - h->from + 1) * sizeof *saved);
  size_t first = 0, hint;
  bool found = false;
  memcpy(saved, lines + h->from, (h->to - h->from) * sizeof *saved);
  if (er_hunk_unnumber(lines, h, &first)) {
    hint = h->old_line > 0 ? h->old_line : first;
    er_place_script(p, i, er_line_same_text);
    found = in_one_piece(p, i, hint, ER_RUNG_LINE_NUMBERS) || in_any_way(p, i, hint, ER_RUNG_LINE_NUMBERS, doubt);
    if (!found) {
      memcpy(lines + h->from, saved, (h->to - h->from) * sizeof *saved);
      er_place_script(p, i, er_line_same_text);      /* of the lines as they are again */
    }
  }
  er_free(saved);
  return found;
}

int er_place_find(er_placing *p, size_t i) {
  const er_hunk *h = hunk(p, i);
  size_t m = p->scripts[i].old.n, line = 0;
  bool doubt = false, found;
  if (m == 0) return er_place_no_anchor(p, p->block->form == ER_PATCH_SEARCH ? "an empty SEARCH" : "a hunk");
  found = er_place_whole_hunk(p, i) || unnumbered(p, i, &doubt) || in_any_way(p, i, h->old_line, ER_RUNG_EXACT, &doubt);
  if (spent(p)) return er_place_too_much(p);
  if (found) return 0;
  if (m == h->tail) return er_place_no_anchor(p, "a hunk");
  er_place_script(p, i, er_line_same_text);
  if (done_already(p, i, &line)) return er_place_done_already(p, h, line);
  er_pattern all = part(p, i, 0, p->scripts[i].old.n);
  return er_place_not_found(p, h, &all, doubt);
}
