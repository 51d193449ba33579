/* plan.h - from blocks to edits: all of them, or a refusal.
 * The plan decides for each block which file is meant, whether the rules let it
 * change, and where; nothing is written yet, and the result of all edits is
 * judged (regions, no change at all, size) when it has been put together. */
#ifndef ER_PATCH_PLAN_H
#define ER_PATCH_PLAN_H

#include "patch/explain.h"
#include "patch/locate.h"
#include "patch/parse.h"
#include "patch/patch.h"

/* Takes out `removed` lines from `first` on and puts in the '+' lines of
 * er_parsed.lines[from, to). */
typedef struct {
  size_t first, removed;
  size_t from, to;
  size_t block, order;           /* which block asked for it; order of asking */
  size_t window, window_end;     /* the lines that its hunk quotes; 0, 0: unknown */
  er_shift shift;
  bool as_written;               /* line ends as in the reply, not as in the file */
} er_edit;

typedef enum { ER_END_KEEP, ER_END_WITH, ER_END_WITHOUT } er_end;

/* One file that the reply touches. */
typedef struct {
  const char *path;              /* borrowed; the new name if it is renamed */
  const er_patch_file *file;     /* NULL: it is created */
  er_lines lines;                /* of the file, behind its byte-order mark */
  er_index *index;               /* owned; of lines, made when a search needs it */
  size_t bom;                    /* bytes of that mark, kept as they are */
  er_edit *edits;                /* ascending once the plan is made */
  size_t n_edits, cap_edits;
  er_end end;                    /* whether the last line gets a line end */
  er_buf stage;                  /* owned; the text that lines borrow from once earlier edits are worked in */
  size_t staged;                 /* 1 + the last block whose edits are worked in, or 0 */
  bool deletes, renames, copies; /* renames: file is the old one; copies: and stays */
  bool alone;                    /* no other block may touch it */
} er_target;

typedef struct {
  er_target *targets;
  size_t n_targets, cap_targets;
  er_patch_block_report *reports;
  size_t n_reports;
} er_plan;

/* What placing a block needs to know; private to plan.c and place.c. */
typedef struct {
  const er_parsed *parsed;
  const er_patch_file *files;
  size_t n_files;
  const er_patch_rules *rules;
  er_plan *out;
  er_refusal *why;
  char *where;                   /* "block 2 of 3 (...)", for messages; owned */
  size_t block;                  /* its index */
  size_t work, kept;             /* comparisons made, places remembered so far */
  size_t owner_work;             /* comparisons made to find out which file is meant */
  size_t staged_bytes;           /* bytes of texts that were worked in so far */
  bool keep_bom;                 /* the reply itself writes byte-order marks */
} er_planner;

int er_patch_plan(const er_parsed *parsed, const er_patch_file *files, size_t n_files,
                  const er_patch_rules *rules, er_plan *out, er_refusal *why);
void er_plan_free(er_plan *plan);

/* place.c: puts the hunks of a block onto the file; -1 refuses. */
int er_place_udiff(er_planner *pl, const er_block *b, er_target *t);
int er_place_search(er_planner *pl, const er_block *b, er_target *t);
void er_place_whole(er_planner *pl, const er_block *b, er_target *t);
void er_plan_edit(er_planner *pl, er_target *t, er_edit e);
int er_plan_settle(er_planner *pl, er_target *t);            /* puts its edits in order; -1 if they overlap */

/* The new text of a target (patch.c). */
void er_plan_text(const er_parsed *parsed, const er_target *t, er_buf *out);

#endif
