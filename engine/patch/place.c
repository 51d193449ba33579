/* place.c - puts the hunks of a block onto a file: finds, picks, and turns what
 * was picked into edits. */

#include "patch/place.h"

#include <string.h>

#include "base/mem.h"
#include "patch/rules.h"

er_search er_place_search_of(er_placing *p, const er_pattern *pattern) {
  er_target *t = p->t;
  if (t->index == NULL) t->index = er_index_new(t->lines.v, t->lines.n);
  return (er_search){t->index, pattern, &p->pl->work};
}

er_slot *er_place_slot(er_placing *p, const er_hunk *h, er_pattern pattern, size_t hint, er_rung rung) {
  if (p->n == p->cap) {
    p->cap = p->cap ? p->cap * 2 : 4;
    p->v = er_realloc(p->v, p->cap * sizeof *p->v);
  }
  p->v[p->n] = (er_slot){.hunk = h, .pattern = pattern, .hint = hint, .rung = rung};
  return &p->v[p->n++];
}

void er_place_script(er_placing *p, size_t i, er_line_same same) {
  const er_parsed *parsed = p->pl->parsed;
  const er_hunk *h = &parsed->hunks[p->block->hunk + i];
  er_script_free(&p->scripts[i]);
  if (p->block->form == ER_PATCH_SEARCH) er_script_search(&p->scripts[i], parsed, h, same);
  else er_script_diff(&p->scripts[i], parsed, h);
}

/* ---- edits ---- */

/* The file's line for each old line of a placed slot. */
static void map_lines(er_placing *p, const er_slot *s, uint32_t *map) {
  size_t m = s->pattern.m;
  if (s->by_number || s->pick.window == ER_NOWHERE) {
    for (size_t i = 0; i < m; i++) map[i] = (uint32_t)(s->pick.line + i);
    return;
  }
  er_search search = er_place_search_of(p, &s->pattern);
  bool *any = er_malloc(m + 1);
  er_place ignored;
  memset(any, 1, m + 1);
  er_locate_fit(&search, s->pick.window, any, &ignored, map);
  er_free(any);
}

/* Where in the file old[i] begins; `behind` is the file's line behind the last old
 * line that it has.  Blank lines of the reply may be nowhere in the file. */
static size_t begins_at(const er_slot *s, const uint32_t *map, size_t i, size_t behind) {
  if (i > 0 && map[i - 1] != ER_NOWHERE) return behind;
  return i < s->pattern.m && map[i] != ER_NOWHERE ? map[i] : behind;
}

/* A run of removed and new lines from old[i] on; returns the line behind it. */
static size_t add_edit(er_placing *p, const er_slot *s, const uint32_t *map, size_t i, size_t behind) {
  const er_pattern *t = &s->pattern;
  bool exact = s->by_number || (s->places.rung == ER_RUNG_EXACT && s->rung == ER_RUNG_EXACT);
  er_edit e = {.first = begins_at(s, map, i, behind), .window = s->pick.line, .window_end = s->pick.end,
               .shift = s->pick.shift, .as_written = exact};
  size_t last = SIZE_MAX;
  for (;; i++) {
    if (!er_range_empty(t, i)) {
      if (e.to == 0) e.from = t->put[i].from;
      e.to = t->put[i].to;
    }
    if (i == t->m || t->old[i].op != '-') break;
    if (map[i] == ER_NOWHERE) continue;
    if (last == SIZE_MAX) e.first = map[i];
    last = map[i];
  }
  if (last != SIZE_MAX) e.removed = last - e.first + 1;
  if (e.removed > 0 || e.to > e.from) er_plan_edit(p->pl, p->t, e);
  return i;
}

/* "\ No newline at end of file" speaks of the hunk's last old or new line. */
static void settle_end(er_placing *p, const er_slot *s) {
  const er_line *lines = p->pl->parsed->lines.v;
  if (!s->hunk->says_end || s->pick.end != p->t->lines.n) return;
  p->t->end = ER_END_WITH;
  for (size_t i = s->hunk->from; i < s->hunk->to; i++)
    if (lines[i].op != '-' && lines[i].eol == ER_EOL_NONE) p->t->end = ER_END_WITHOUT;
}

static double likeness(er_placing *p, const er_slot *s, const uint32_t *map) {
  size_t all = 0, differ = 0;
  for (size_t i = 0; i < s->pattern.m; i++) {
    const er_line *a = &s->pattern.old[i], *b = map[i] == ER_NOWHERE ? NULL : &p->t->lines.v[map[i]];
    all += a->n + (size_t)1;
    if (b == NULL) differ += a->n + (size_t)1;
    else if (!er_line_same_text(a, b))
      differ += er_line_distance(a, b, 12) + (a->n > b->n ? a->n - b->n : b->n - a->n) / 4 + 1;
    else differ += (a->eol == ER_EOL_CRLF) != (b->eol == ER_EOL_CRLF);
  }
  return all > differ ? 1.0 - (double)differ / (double)all : 0;
}

static void report_slot(er_placing *p, const er_slot *s, const uint32_t *map) {
  er_patch_block_report *r = &p->pl->out->reports[p->pl->block];
  er_rung rung = s->places.rung > s->rung ? s->places.rung : s->rung;
  double like = rung == ER_RUNG_EXACT ? 1 : likeness(p, s, map);
  if (s == p->v) r->line = s->pick.line + 1, r->similarity = 1;
  if (like < r->similarity) r->similarity = like;
}

static void add_edits(er_placing *p, const er_slot *s) {
  uint32_t few[128], *map = s->pattern.m > 128 ? er_malloc(s->pattern.m * sizeof *map) : few;
  size_t behind = s->pick.line, seen = 0;
  map_lines(p, s, map);
  report_slot(p, s, map);
  for (size_t i = 0; i <= s->pattern.m; i++) {
    if (er_range_empty(&s->pattern, i) && (i == s->pattern.m || s->pattern.old[i].op != '-')) continue;
    for (; seen < i; seen++)
      if (map[seen] != ER_NOWHERE) behind = map[seen] + (size_t)1;
    i = add_edit(p, s, map, i, behind);
  }
  settle_end(p, s);
  if (map != few) er_free(map);
}

/* ---- new lines that are no code ---- */

static bool file_has(er_placing *p, const er_line *l) {
  return er_index_find(er_place_search_of(p, NULL).file, er_line_hash(l))->count > 0;
}

/* "# ... rest of the code ..." as a new line would be written into the file. */
static const er_line *find_left_out(er_placing *p, const er_slot *s) {
  for (size_t i = 0; i <= s->pattern.m; i++)
    for (uint32_t k = s->pattern.put[i].from; k < s->pattern.put[i].to; k++) {
      const er_line *l = &s->pattern.lines[k];
      if (l->op == '+' && er_line_elision(l) == ER_ELISION_SURE && !file_has(p, l)) return l;
    }
  return NULL;
}

/* ---- blocks ---- */

static const er_hunk *hunk(const er_placing *p, size_t i) { return &p->pl->parsed->hunks[p->block->hunk + i]; }

static er_pattern all_of(const er_placing *p, size_t i) {
  return er_script_part(&p->scripts[i], p->pl->parsed, 0, p->scripts[i].old.n);
}

/* Right diffs, which most are, need no search: every hunk is where its header
 * says.  (Were there another place, the number would decide all the same.) */
static bool place_by_number(er_placing *p) {
  size_t floor = 0;
  for (size_t i = 0; i < p->block->n_hunks; i++) {
    const er_hunk *h = hunk(p, i);
    er_pattern t = all_of(p, i);
    size_t line = h->old_line - 1;
    if (!p->numbered || h->old_line == 0 || h->binds || line < floor) return false;
    if (!er_locate_here(p->t->lines.v, p->t->lines.n, &t, line)) return false;
    if (h->n_anchors > 0 && !er_place_stands_below(p, line, &p->pl->parsed->lines.v[h->anchor])) return false;
    floor = line + t.m;
  }
  for (size_t i = 0; i < p->block->n_hunks; i++) {
    const er_hunk *h = hunk(p, i);
    er_slot *s = er_place_slot(p, h, all_of(p, i), h->old_line, ER_RUNG_EXACT);
    s->by_number = true;
    s->pick = (er_place){.line = h->old_line - 1, .end = h->old_line - 1 + s->pattern.m, .window = ER_NOWHERE};
  }
  return true;
}

/* An empty file has one place for a hunk that only adds, and so has the end of any. */
static bool place_at_end(er_placing *p) {
  const er_hunk *h = &p->pl->parsed->hunks[p->block->hunk];
  size_t n = p->t->lines.n;
  if ((n > 0 && !h->at_end) || p->block->n_hunks != 1 || p->scripts[0].old.n != h->tail) return false;
  er_slot *s = er_place_slot(p, h, er_script_part(&p->scripts[0], p->pl->parsed, 0, 0), 0, ER_RUNG_EXACT);
  s->by_number = true;
  s->pick = (er_place){.line = n, .end = n, .window = ER_NOWHERE};
  return true;
}

static int place_hunks(er_placing *p) {
  if (place_by_number(p) || place_at_end(p)) return 0;
  for (size_t i = 0; i < p->block->n_hunks; i++)
    if (er_place_find(p, i) < 0) return -1;
  return er_place_pick(p);
}

static bool is_rule(const er_line *line) {
  er_line l = er_line_trim(*line);
  size_t k = 0;
  while (k < l.n && l.s[k] == '=') k++;
  return k >= 5 && k == l.n;
}

/* Whether the file underlines with equal signs anywhere; asks the index, for there may be many blocks. */
static bool file_has_rules(er_placing *p) {
  char signs[80];
  memset(signs, '=', sizeof signs);
  for (uint32_t n = 5; n <= sizeof signs; n++)
    if (file_has(p, &(er_line){.s = signs, .n = n, .eol = ER_EOL_LF})) return true;
  return false;
}

/* A line of equal signs that underlines a heading: one line above, none right below. */
static bool is_underline(const er_line *v, size_t from, size_t at, size_t to) {
  if (at == from || er_line_blank(&v[at - 1]) || at + 1 >= to || !er_line_blank(&v[at + 1])) return false;
  return at - 1 == from || v[at - 2].op != '+' || er_line_blank(&v[at - 2]);
}

/* A second divider among the new lines of a file that has no such lines is a slip,
 * and would be written into the code. */
static int check_dividers(er_placing *p, size_t reading) {
  const er_hunk *h = &p->pl->parsed->hunks[p->block->hunk + reading];
  const er_line *v = p->pl->parsed->lines.v;
  size_t from = h->from;
  if (reading + 1 == p->block->n_hunks || file_has_rules(p)) return 0;
  while (from < h->to && v[from].op != '+') from++;
  for (size_t i = from; i < h->to; i++)
    if (is_rule(&v[i]) && !is_underline(v, from, i, h->to))
      return er_refuse(
          p->pl->why, "malformed",
          "%s: the new lines hold a second line of equal signs, and `%s` has no such line. "
          "Divide SEARCH from REPLACE by one `=======` line; if the other is to be in the file, send a unified diff.",
          p->pl->where, p->t->path);
  return 0;
}

/* Several divider lines make several readings of one block, from the shortest
 * SEARCH to the longest; the longest that the file has is meant, because the
 * others are only its beginning. */
static int place_readings(er_placing *p) {
  for (size_t i = p->block->n_hunks; i-- > 0;)
    if (er_place_whole_hunk(p, i)) return check_dividers(p, i) < 0 ? -1 : er_place_pick(p);
  if (er_place_find(p, 0) < 0) return -1;
  return er_refuse(p->pl->why, "malformed",
                   "%s: the block has several lines of equal signs, and with none of them as the divider are the lines "
                   "to find in `%s` as they are written. Divide SEARCH from REPLACE by one `=======` line.",
                   p->pl->where, p->t->path);
}

static int take_all(er_placing *p) {
  er_rung worst = ER_RUNG_EXACT;
  for (size_t i = 0; i < p->n; i++) {
    const er_slot *s = &p->v[i];
    const er_line *left_out = find_left_out(p, s);
    if (left_out != NULL) return er_place_left_out(p, s->hunk, left_out);
    if (s->rung > worst) worst = s->rung;
    if (s->places.rung > worst) worst = s->places.rung;
  }
  for (size_t i = 0; i < p->n; i++) add_edits(p, &p->v[i]);
  p->pl->out->reports[p->pl->block].rung = er_locate_rung_name(worst);
  return 0;
}

static int check_markers(er_placing *p) {
  const er_planner *pl = p->pl;
  for (size_t k = 0; k < p->n; k++)
    for (size_t i = p->v[k].hunk->from; i < p->v[k].hunk->to; i++)
      if (er_region_marker(&pl->parsed->lines.v[i], pl->rules->region) != 0)
        return er_refuse(pl->why, "region_marker",
                         "%s: the block holds a %s marker line. Leave the marker lines out of SEARCH and "
                         "REPLACE and change only lines between them.",
                         pl->where, pl->rules->region);
  return 0;
}

static int place_block(er_planner *pl, const er_block *b, er_target *t, int (*place)(er_placing *p)) {
  er_placing p = {.pl = pl, .t = t, .block = b, .numbered = t->n_edits == 0 && t->staged == 0};
  int rc = 0;
  if (b->n_hunks == 0) return 0;
  p.scripts = er_calloc(b->n_hunks, sizeof *p.scripts);
  for (size_t i = 0; i < b->n_hunks; i++) er_place_script(&p, i, er_line_same_text);
  rc = place(&p);
  if (rc == 0 && b->form == ER_PATCH_SEARCH) rc = check_markers(&p);
  if (rc == 0) rc = take_all(&p);
  for (size_t i = 0; i < p.n; i++) er_places_free(&p.v[i].places);
  for (size_t i = 0; i < b->n_hunks; i++) er_script_free(&p.scripts[i]);
  er_free(p.v);
  er_free(p.scripts);
  return rc;
}

int er_place_udiff(er_planner *pl, const er_block *b, er_target *t) { return place_block(pl, b, t, place_hunks); }

int er_place_search(er_planner *pl, const er_block *b, er_target *t) {
  return place_block(pl, b, t, b->n_hunks > 1 ? place_readings : place_hunks);
}

void er_place_whole(er_planner *pl, const er_block *b, er_target *t) {
  const er_hunk *h = &pl->parsed->hunks[b->hunk];
  er_spans spans = {0};
  er_lines_compare(t->lines.v, t->lines.n, pl->parsed->lines.v + h->from, h->to - h->from, er_line_same_text, &spans);
  for (size_t i = 0; i < spans.n; i++) {
    const er_span *d = &spans.v[i];
    er_plan_edit(pl, t,
                 (er_edit){.first = d->a0, .removed = d->a1 - d->a0, .from = h->from + d->b0, .to = h->from + d->b1});
  }
  pl->out->reports[pl->block].line = spans.n > 0 ? spans.v[0].a0 + 1 : 0;
  er_spans_free(&spans);
}
