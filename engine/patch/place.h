/* place.h - what the files of placing share; private to place*.c.
 * Placing takes the hunks of one block.  Each becomes one slot, or several when
 * its parts are looked for apart; a slot is one run of old lines with all the
 * places that it fits, of which one is picked. */
#ifndef ER_PATCH_PLACE_H
#define ER_PATCH_PLACE_H

#include "patch/plan.h"

typedef struct {
  const er_hunk *hunk;
  er_pattern pattern;
  size_t hint;                   /* 1-based line number that the reply gives, or 0 */
  bool by_number;                /* taken as numbered, without a search */
  er_rung rung;                  /* by which the hunk was read: at least this one is reported */
  er_places places;              /* owned */
  er_place pick;
  size_t latest;                 /* the last place that leaves room for the slots behind */
} er_slot;

typedef struct {
  er_planner *pl;
  er_target *t;
  const er_block *block;
  er_script *scripts;            /* owned; one a hunk */
  er_slot *v;                    /* owned; in the order of the reply */
  size_t n, cap;
  bool numbered;                 /* line numbers count: nothing else changes the file */
  bool by_core;                  /* contexts may overlap, changes may not */
} er_placing;

/* place_find.c: the slots of hunk i with all their places, or a refusal. */
int er_place_find(er_placing *p, size_t i);
er_slot *er_place_slot(er_placing *p, const er_hunk *h, er_pattern pattern, size_t hint, er_rung rung);
bool er_place_whole_hunk(er_placing *p, size_t i);            /* white space aside, in one piece */
void er_place_script(er_placing *p, size_t i, er_line_same same);

/* place_pick.c: one place for each slot, or a refusal. */
int er_place_pick(er_placing *p);
bool er_place_stands_below(er_placing *p, size_t line, const er_line *anchor);

/* place_text.c: refusals; each returns -1. */
int er_place_not_found(er_placing *p, const er_hunk *h, const er_pattern *pattern, bool doubt);
int er_place_too_much(er_placing *p);
int er_place_ambiguous(er_placing *p, const er_slot *s);
int er_place_no_anchor(er_placing *p, const char *what);
int er_place_no_order(er_placing *p, size_t slot);
int er_place_not_behind(er_placing *p, const er_slot *s, const er_line *anchor, size_t line);
int er_place_apart(er_placing *p, const er_slot *s);
int er_place_done_already(er_placing *p, const er_hunk *h, size_t line);
int er_place_left_out(er_placing *p, const er_hunk *h, const er_line *l);

er_search er_place_search_of(er_placing *p, const er_pattern *pattern);

#endif
