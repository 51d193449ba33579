/* place_text.c - why a hunk has no place, in words that help to send it again. */

#include "patch/place.h"

#define SHOWN_LINES 12

static void add_wanted(er_placing *p, const er_pattern *t) {
  er_buf_str(&p->pl->why->text, "Looked for:\n");
  er_explain_lines(&p->pl->why->text, t->old, t->m, 0, SHOWN_LINES);
}

static void add_first_difference(er_placing *p, size_t line, const er_pattern *t) {
  const er_lines *f = &p->t->lines;
  er_buf *text = &p->pl->why->text;
  for (size_t i = 0; i < t->m; i++) {
    if (line + i < f->n && er_line_same_text(&f->v[line + i], &t->old[i])) continue;
    if (line + i < f->n) {
      er_buf_fmt(text, "First difference: line %zu of the file is ", line + i + 1);
      er_explain_quote(text, f->v[line + i].s, f->v[line + i].n);
    } else {
      er_buf_fmt(text, "First difference: the file ends after line %zu", f->n);
    }
    er_buf_str(text, ", the block has ");
    er_explain_quote(text, t->old[i].s, t->old[i].n);
    er_buf_str(text, ".\n");
    return;
  }
}

static void add_nearest(er_placing *p, const er_pattern *t) {
  const er_lines *f = &p->t->lines;
  er_search search = er_place_search_of(p, t);
  size_t line = 0, shown = t->m < SHOWN_LINES ? t->m : SHOWN_LINES;
  if (!er_locate_nearest(&search, &line)) {
    er_buf_fmt(&p->pl->why->text, "Nothing in the file (%zu lines) resembles them.\n", f->n);
    return;
  }
  if (line + shown > f->n) shown = f->n - line;
  er_buf_fmt(&p->pl->why->text, "The nearest place in the file is line %zu:\n", line + 1);
  er_explain_lines(&p->pl->why->text, f->v + line, shown, line + 1, SHOWN_LINES);
  add_first_difference(p, line, t);
}

static bool has_elision(const er_pattern *t) {
  for (size_t i = 0; i < t->m; i++)
    if (er_line_elision(&t->old[i]) != ER_ELISION_NONE) return true;
  return false;
}

int er_place_too_much(er_placing *p) {
  return er_refuse(p->pl->why, "too_large", "%s: the reply has too many blocks for so long or so repetitive a file. "
                   "Send fewer of them, or the whole file.", p->pl->where);
}

int er_place_not_found(er_placing *p, const er_hunk *h, const er_pattern *t, bool doubt) {
  er_planner *pl = p->pl;
  er_refuse(pl->why, "not_found", "%s: the lines to change (from line %zu of the reply) are not in `%s`.\n", pl->where,
            h->reply_line + (p->block->form == ER_PATCH_SEARCH), p->t->file->path);
  add_wanted(p, t);
  add_nearest(p, t);
  if (doubt) er_buf_str(&pl->why->text, "Other places resemble them about as much, so none was taken.\n");
  if (has_elision(t))
    er_buf_str(&pl->why->text,
               "A line `...` stands for lines left out only if it is in the old and in the new text, at the "
               "same place.\n");
  er_buf_str(&pl->why->text,
             "Quote the old lines exactly as the file has them, or send the whole file in a fence with its path.");
  return -1;
}

int er_place_ambiguous(er_placing *p, const er_slot *s) {
  er_planner *pl = p->pl;
  const er_places *places = &s->places;
  size_t shown = places->n < 8 ? places->n : 8;
  er_refuse(pl->why, "ambiguous", "%s: the lines to change fit %s%zu places in `%s`, at lines ", pl->where,
            places->more ? "more than " : "", places->n, p->t->file->path);
  for (size_t i = 0; i < shown; i++) er_buf_fmt(&pl->why->text, "%s%zu", i > 0 ? ", " : "", places->v[i].line + 1);
  er_buf_fmt(&pl->why->text, "%s.\n", shown < places->n ? ", ..." : "");
  add_wanted(p, &s->pattern);
  er_buf_str(&pl->why->text, "Add lines above or below them, unchanged, until only the place that is meant fits.");
  return -1;
}

int er_place_no_anchor(er_placing *p, const char *what) {
  return er_refuse(p->pl->why, "ambiguous",
                   "%s: %s says which lines to add but quotes no line of `%s`, so the place is not "
                   "known. Quote at least one unchanged line above or below (line numbers alone are not trusted).",
                   p->pl->where, what, p->t->file->path);
}

int er_place_no_order(er_placing *p, size_t i) {
  const er_slot *s = &p->v[i];
  size_t number = (size_t)(s->hunk - &p->pl->parsed->hunks[p->block->hunk]) + 1;
  er_refuse(p->pl->why, "overlap",
            "%s: hunk %zu (line %zu of the reply) fits `%s` only at line %zu, which is not behind the "
            "place of the hunk before it.\n",
            p->pl->where, number, s->hunk->reply_line, p->t->file->path, s->places.v[s->places.n - 1].line + 1);
  add_wanted(p, &s->pattern);
  er_buf_str(&p->pl->why->text,
             "Give the hunks of a file in order, without overlap; join hunks that touch the same lines.");
  return -1;
}

int er_place_not_behind(er_placing *p, const er_slot *s, const er_line *anchor, size_t line) {
  er_refuse(p->pl->why, "not_found", "%s: the hunk in line %zu of the reply stands below ", p->pl->where,
            s->hunk->reply_line);
  er_explain_quote(&p->pl->why->text, anchor->s, anchor->n);
  er_buf_fmt(&p->pl->why->text, ", but its lines are only at line %zu of `%s`, above that (line %zu).\n",
             s->places.v[0].line + 1, p->t->file->path, line + 1);
  add_wanted(p, &s->pattern);
  er_buf_str(&p->pl->why->text, "Write the line behind `@@` that the change stands below, or leave it out.");
  return -1;
}

int er_place_apart(er_placing *p, const er_slot *s) {
  const er_lines *f = &p->t->lines;
  er_refuse(p->pl->why, "not_found",
            "%s: the hunk in line %zu of the reply leaves out lines of `%s` between others that it "
            "quotes:\n",
            p->pl->where, s->hunk->reply_line, p->t->file->path);
  er_explain_lines(&p->pl->why->text, f->v + s[-1].pick.end, s->pick.line - s[-1].pick.end, s[-1].pick.end + 1,
                   SHOWN_LINES);
  er_buf_str(&p->pl->why->text, "Whether they are to stay or to go is not said. Quote them too, or make two hunks.");
  return -1;
}

int er_place_done_already(er_placing *p, const er_hunk *h, size_t line) {
  return er_refuse(p->pl->why, "no_op",
                   "%s: the change in line %zu of the reply is in `%s` already (line %zu has the new "
                   "lines). Start from the file as it is now, or leave this change out.",
                   p->pl->where, h->reply_line, p->t->file->path, line + 1);
}

int er_place_left_out(er_placing *p, const er_hunk *h, const er_line *l) {
  er_refuse(p->pl->why, "malformed",
            "%s: the change in line %zu of the reply would write a line into `%s` that only says "
            "that lines are left out: ",
            p->pl->where, h->reply_line, p->t->file->path);
  er_explain_quote(&p->pl->why->text, l->s, l->n);
  er_buf_str(&p->pl->why->text,
             ". Write all new lines, or quote that line among the old lines too, at the same place.");
  return -1;
}
