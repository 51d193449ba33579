/* plan.c - decides for each block which file is meant and whether it may change. */

#include "patch/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "patch/rules.h"

#define MAX_BLOCKS 4096

void er_plan_edit(er_planner *pl, er_target *t, er_edit e) {
  if (t->n_edits == t->cap_edits) {
    t->cap_edits = t->cap_edits ? t->cap_edits * 2 : 8;
    t->edits = er_realloc(t->edits, t->cap_edits * sizeof *t->edits);
  }
  e.block = pl->block;
  e.order = t->n_edits;
  t->edits[t->n_edits++] = e;
}

/* ---- targets ---- */

static er_target *find_target(er_plan *plan, const char *path) {
  for (size_t i = 0; i < plan->n_targets; i++)
    if (strcmp(plan->targets[i].path, path) == 0 ||
        (plan->targets[i].file != NULL && strcmp(plan->targets[i].file->path, path) == 0))
      return &plan->targets[i];
  return NULL;
}

static er_target *add_target(er_planner *pl, const char *path, const er_patch_file *file) {
  er_plan *plan = pl->out;
  er_target *t;
  if (plan->n_targets == plan->cap_targets) {
    plan->cap_targets = plan->cap_targets ? plan->cap_targets * 2 : 4;
    plan->targets = er_realloc(plan->targets, plan->cap_targets * sizeof *plan->targets);
  }
  t = &plan->targets[plan->n_targets++];
  *t = (er_target){.path = path, .file = file};
  if (file == NULL) return t;
  if (!pl->keep_bom && file->len >= 3 && memcmp(file->bytes, "\xef\xbb\xbf", 3) == 0) t->bom = 3;
  er_lines_split(&t->lines, file->bytes + t->bom, file->len - t->bom);
  return t;
}

/* A file may be touched by several blocks only if all of them are edits. */
static er_target *open_target(er_planner *pl, const er_block *b, const er_patch_file *file, bool alone) {
  er_target *t = find_target(pl->out, b->path);
  if (t == NULL && b->from_path != NULL) t = find_target(pl->out, b->from_path);
  if (t != NULL && (alone || t->alone)) {
    er_refuse(pl->why, "overlap", "%s: another block of the reply gives `%s` too. Give each file either once as a whole, or as "
              "edits that do not overlap.", pl->where, b->path);
    return NULL;
  }
  if (t == NULL) t = add_target(pl, b->path, file);
  t->alone = alone;
  return t;
}

static int check_file(er_planner *pl, const er_patch_file *f) {
  if (f->len > ER_PATCH_MAX_FILE)
    return er_refuse(pl->why, "too_large", "%s: `%s` has %zu bytes; files of more than %u cannot be changed.", pl->where, f->path,
                     f->len, ER_PATCH_MAX_FILE);
  if (memchr(f->bytes, '\0', f->len) != NULL)
    return er_refuse(pl->why, "binary", "%s: `%s` is a binary file and cannot be changed by a text.", pl->where, f->path);
  return 0;
}

static int refuse_missing(er_planner *pl, const char *path) {
  er_refuse(pl->why, "missing_file", "%s: there is no file `%s`, so there is nothing in it to change. Files that may be changed: ",
            pl->where, path);
  er_explain_editable(&pl->why->text, pl->files, pl->n_files, pl->rules);
  er_buf_str(&pl->why->text, ". To create a file, send it whole in a fence with its path.");
  return -1;
}

static int refuse_exists(er_planner *pl, const char *path) {
  return er_refuse(pl->why, "exists", "%s: the block creates `%s`, but that file exists. Change it with a unified diff or "
                   "search/replace blocks, or send it whole.", pl->where, path);
}

static int refuse_region(er_planner *pl, const char *what, const char *path) {
  return er_refuse(pl->why, "outside_region", "%s: it %s `%s`, but here only the lines between %s-START and %s-END of the existing "
                   "files may change.", pl->where, what, path, pl->rules->region, pl->rules->region);
}

static bool has_region(const er_planner *pl) { return pl->rules->region != NULL && pl->rules->region[0] != '\0'; }

/* ---- what a block does with its file ---- */

static bool is_addition(const er_line *l) { return l->op == '+' || (l->op == ' ' && er_line_blank(l)); }

/* All its lines are new ones (blank ones may have lost their sign). */
static bool only_adds(const er_parsed *p, const er_block *b) {
  for (size_t h = b->hunk; h < b->hunk + b->n_hunks; h++)
    for (size_t i = p->hunks[h].from; i < p->hunks[h].to; i++)
      if (!is_addition(&p->lines.v[i])) return false;
  return true;
}

static void set_report(er_planner *pl, const char *rung, size_t line) {
  er_patch_block_report *r = &pl->out->reports[pl->block];
  r->rung = rung;
  r->line = line;
  r->similarity = 1;
}

/* The '+' lines of a hunk as the new file's.  Blank lines that lost their sign
 * count, those behind the end do not. */
static void fill_new(er_planner *pl, const er_block *b, er_target *t) {
  er_line *lines = pl->parsed->lines.v;
  for (size_t h = b->hunk; h < b->hunk + b->n_hunks; h++) {
    const er_hunk *hunk = &pl->parsed->hunks[h];
    for (size_t i = hunk->from; i < hunk->to - hunk->tail; i++) lines[i].op = '+';
    er_plan_edit(pl, t, (er_edit){.from = hunk->from, .to = hunk->to, .as_written = true});
    if (hunk->says_end && hunk->to > hunk->from && lines[hunk->to - 1].eol == ER_EOL_NONE) t->end = ER_END_WITHOUT;
  }
  set_report(pl, "whole", 1);
}

static int plan_create(er_planner *pl, const er_block *b) {
  er_target *t;
  if (has_region(pl)) return refuse_region(pl, "creates", b->path);
  if (b->form == ER_PATCH_UDIFF && !only_adds(pl->parsed, b))
    return er_refuse(pl->why, "malformed", "%s: the diff of the new file `%s` has lines that do not begin with `+`.", pl->where, b->path);
  t = open_target(pl, b, NULL, true);
  if (t == NULL) return -1;
  fill_new(pl, b, t);
  return 0;
}

/* A deletion that shows lines must show them all. */
static int plan_delete(er_planner *pl, const er_block *b, const er_patch_file *file) {
  er_target *t;
  size_t removed = 0;
  if (has_region(pl)) return refuse_region(pl, "deletes", b->path);
  t = open_target(pl, b, file, true);
  if (t == NULL) return -1;
  t->deletes = true;
  set_report(pl, "whole", 1);
  if (b->n_hunks == 0) return 0;
  if (er_place_udiff(pl, b, t) < 0) return -1;
  for (size_t i = 0; i < t->n_edits; i++) removed += t->edits[i].removed;
  if (removed == t->lines.n) return 0;
  return er_refuse(pl->why, "malformed", "%s: the block deletes `%s` but removes only %zu of its %zu lines. To delete the file remove every "
                   "line of it.", pl->where, b->path, removed, t->lines.n);
}

static int plan_rename(er_planner *pl, const er_block *b, const er_patch_file *file) {
  er_target *t;
  if (has_region(pl)) return refuse_region(pl, "renames", b->from_path);
  t = open_target(pl, b, file, true);
  if (t == NULL) return -1;
  t->renames = true;
  set_report(pl, "whole", 1);
  return b->n_hunks > 0 ? er_place_udiff(pl, b, t) : 0;
}

static int plan_edits(er_planner *pl, const er_block *b, const er_patch_file *file) {
  er_target *t = open_target(pl, b, file, b->form == ER_PATCH_WHOLE);
  if (t == NULL) return -1;
  if (b->form == ER_PATCH_UDIFF) return er_place_udiff(pl, b, t);
  if (b->form == ER_PATCH_SEARCH) return er_place_search(pl, b, t);
  set_report(pl, "whole", 0);
  er_place_whole(pl, b, t);
  return 0;
}

static bool makes_file(const er_planner *pl, const er_block *b) {
  const er_parsed *p = pl->parsed;
  if (b->form == ER_PATCH_WHOLE) return true;
  if (b->form == ER_PATCH_UDIFF) return b->creates || (b->n_hunks > 0 && !b->deletes && only_adds(p, b));
  const er_hunk *h = &p->hunks[b->hunk];
  return h->from == h->to || p->lines.v[h->from].op == '+';
}

static int plan_file(er_planner *pl, const er_block *b) {
  const er_patch_file *file = er_rules_file(pl->files, pl->n_files, b->path), *from;
  if (b->from_path != NULL) {
    from = er_rules_file(pl->files, pl->n_files, b->from_path);
    if (file != NULL) return refuse_exists(pl, b->path);
    if (from == NULL) return refuse_missing(pl, b->from_path);
    if (er_rules_path(pl->files, pl->n_files, pl->rules, b->from_path, pl->where, pl->why) < 0) return -1;
    return check_file(pl, from) < 0 ? -1 : plan_rename(pl, b, from);
  }
  if (file == NULL) return makes_file(pl, b) ? plan_create(pl, b) : refuse_missing(pl, b->path);
  if (b->creates) return refuse_exists(pl, b->path);
  if (check_file(pl, file) < 0) return -1;
  return b->deletes ? plan_delete(pl, b, file) : plan_edits(pl, b, file);
}

/* ---- blocks ---- */

/* A reply need not name the file if there is only one that may change. */
static int name_only_file(er_planner *pl, er_block *b) {
  const char *only = NULL;
  size_t n = 0;
  for (size_t i = 0; i < pl->n_files; i++)
    if (er_rules_editable(pl->rules, pl->files[i].path)) only = pl->files[i].path, n++;
  if (n == 1) {
    b->path = er_strdup(only);
    return 0;
  }
  er_refuse(pl->why, "missing_file", "%s: the block names no file. Put the file's path on the line before it. Files that may be "
            "changed: ", pl->where);
  er_explain_editable(&pl->why->text, pl->files, pl->n_files, pl->rules);
  er_buf_str(&pl->why->text, ".");
  return -1;
}

static char *describe(const er_parsed *p, size_t i) {
  const er_block *b = &p->blocks[i];
  if (b->path == NULL)
    return er_asprintf("block %zu of %zu (%s, line %zu of the reply)", i + 1, p->n_blocks, er_patch_form_name(b->form), b->reply_line);
  return er_asprintf("block %zu of %zu (%s for `%s`, line %zu of the reply)", i + 1, p->n_blocks, er_patch_form_name(b->form), b->path,
                     b->reply_line);
}

static int plan_block(er_planner *pl, er_block *b) {
  er_patch_block_report *r = &pl->out->reports[pl->block];
  pl->out->n_reports = pl->block + 1;
  *r = (er_patch_block_report){.form = b->form, .rung = ""};
  if (b->path == NULL && name_only_file(pl, b) < 0) return -1;
  r->path = er_strdup(b->path);
  if (er_rules_path(pl->files, pl->n_files, pl->rules, b->path, pl->where, pl->why) < 0) return -1;
  if (b->binary) return er_refuse(pl->why, "binary", "%s: binary changes are not accepted.", pl->where);
  return plan_file(pl, b);
}

/* ---- overlaps ---- */

static int by_place(const void *x, const void *y) {
  const er_edit *a = x, *b = y;
  if (a->first != b->first) return a->first < b->first ? -1 : 1;
  if ((a->removed == 0) != (b->removed == 0)) return a->removed == 0 ? -1 : 1;     /* what is put in front comes first */
  return a->order < b->order ? -1 : a->order > b->order;
}

static bool collide(const er_edit *a, const er_edit *b) {
  if (b->first < a->first + a->removed) return true;
  return a->first == b->first && a->removed == 0 && b->removed == 0 && a->block != b->block;
}

static int check_overlap(er_planner *pl, er_target *t) {
  bool sorted = true;
  for (size_t i = 1; i < t->n_edits && sorted; i++) sorted = by_place(&t->edits[i - 1], &t->edits[i]) < 0;
  if (!sorted) qsort(t->edits, t->n_edits, sizeof *t->edits, by_place);
  for (size_t i = 1; i < t->n_edits; i++) {
    const er_edit *a = &t->edits[i - 1], *b = &t->edits[i];
    if (t->file == NULL || !collide(a, b)) continue;
    return er_refuse(pl->why, "overlap", "blocks %zu and %zu of the reply both change `%s` at line %zu. Join changes that touch the "
                     "same lines into one block.", (a->block < b->block ? a->block : b->block) + 1,
                     (a->block < b->block ? b->block : a->block) + 1, t->path, b->first + 1);
  }
  return 0;
}

/* A text that the reply only quotes, unchanged, beside real edits of the same
 * file is no change: models like to show what they start from. */
static bool only_quotes(const er_planner *pl, const er_block *b) {
  const er_patch_file *f = b->form == ER_PATCH_WHOLE ? er_rules_file(pl->files, pl->n_files, b->path) : NULL;
  const er_hunk *h;
  er_lines lines = {0};
  bool same;
  if (f == NULL || pl->parsed->n_blocks == 1) return false;
  h = &pl->parsed->hunks[b->hunk];
  er_lines_split(&lines, f->bytes, f->len);
  same = lines.n == h->to - h->from;
  for (size_t i = 0; i < lines.n && same; i++) same = er_line_same_text(&lines.v[i], &pl->parsed->lines.v[h->from + i]);
  er_lines_free(&lines);
  return same;
}

static int refuse_empty(er_refusal *why) {
  return er_refuse(why, "no_change_found", "no change was found in the reply. Send it as a unified diff (---, +++, @@), as "
                   "search/replace blocks (<<<<<<< SEARCH, =======, >>>>>>> REPLACE), or as whole files in fences, each with its path "
                   "on the line before.");
}

int er_patch_plan(const er_parsed *parsed, const er_patch_file *files, size_t n_files, const er_patch_rules *rules, er_plan *out,
                  er_refusal *why) {
  const er_lines *r = &parsed->reply;
  er_planner pl = {.parsed = parsed, .files = files, .n_files = n_files, .rules = rules, .out = out, .why = why};
  int rc = 0;
  if (parsed->n_blocks == 0) return refuse_empty(why);
  if (parsed->n_blocks > MAX_BLOCKS)
    return er_refuse(why, "too_large", "the reply has %zu blocks; at most %d are read. Join blocks, or send whole files.", parsed->n_blocks,
                     MAX_BLOCKS);
  if (r->n > 0) pl.keep_bom = memmem(r->v[0].s, (size_t)(r->v[r->n - 1].s - r->v[0].s) + r->v[r->n - 1].n, "\xef\xbb\xbf", 3) != NULL;
  out->reports = er_calloc(parsed->n_blocks, sizeof *out->reports);
  for (size_t i = 0; i < parsed->n_blocks && rc == 0; i++) {
    pl.block = i;
    if (only_quotes(&pl, &parsed->blocks[i])) {
      out->n_reports = i + 1;
      out->reports[i] = (er_patch_block_report){ER_PATCH_WHOLE, er_strdup(parsed->blocks[i].path), "quoted", 0, 1};
      continue;
    }
    pl.where = describe(parsed, i);
    rc = plan_block(&pl, &parsed->blocks[i]);
    er_free(pl.where);
  }
  for (size_t i = 0; i < out->n_targets && rc == 0; i++) rc = check_overlap(&pl, &out->targets[i]);
  return rc;
}

void er_plan_free(er_plan *plan) {
  for (size_t i = 0; i < plan->n_targets; i++) {
    er_lines_free(&plan->targets[i].lines);
    er_free(plan->targets[i].edits);
  }
  for (size_t i = 0; i < plan->n_reports; i++) er_free(plan->reports[i].path);
  er_free(plan->targets);
  er_free(plan->reports);
  *plan = (er_plan){0};
}
