/* plan.c - decides for each block which file is meant and whether it may change. */

#include "patch/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "patch/owner.h"
#include "patch/rules.h"

#define MAX_BLOCKS 4096
#define MAX_HUNKS 8192
#define MAX_TOLD 3               /* refused blocks that a message tells of */
#define MAX_STAGED (8u << 20)    /* bytes of changed texts that later blocks are looked for in */

void er_plan_edit(er_planner *pl, er_target *t, er_edit e) {
  if (t->n_edits == t->cap_edits) {
    t->cap_edits = t->cap_edits ? t->cap_edits * 2 : 8;
    t->edits = er_realloc(t->edits, t->cap_edits * sizeof *t->edits);
  }
  e.block = pl->block;
  e.order = t->n_edits;
  t->edits[t->n_edits++] = e;
}

static void set_path(char **slot, const char *path) {
  char *own;
  if (path == *slot) return;
  own = er_strdup(path);                             /* path may lie inside the old one */
  er_free(*slot);
  *slot = own;
}

/* ---- targets ---- */

static er_target *find_target(er_plan *plan, const char *path) {
  for (size_t i = 0; i < plan->n_targets; i++)
    if (strcmp(plan->targets[i].path, path) == 0 ||
        (plan->targets[i].file != NULL && !plan->targets[i].copies && strcmp(plan->targets[i].file->path, path) == 0))
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
  if (t == NULL && b->from_path != NULL && !b->copies) t = find_target(pl->out, b->from_path);
  if (t != NULL && (alone || t->alone)) {
    er_refuse(pl->why, "overlap",
              "%s: another block of the reply gives `%s` too. Give each file either once as a whole, "
              "or as edits that do not overlap.",
              pl->where, b->path);
    return NULL;
  }
  if (t == NULL) t = add_target(pl, b->path, file);
  t->alone = alone;
  t->copies = b->copies;
  return t;
}

static int check_file(er_planner *pl, const er_patch_file *f) {
  if (f->len > ER_PATCH_MAX_FILE)
    return er_refuse(pl->why, "too_large", "%s: `%s` has %zu bytes; files of more than %u cannot be changed.",
                     pl->where, f->path, f->len, ER_PATCH_MAX_FILE);
  if (memchr(f->bytes, '\0', f->len) != NULL)
    return er_refuse(pl->why, "binary", "%s: `%s` is a binary file and cannot be changed by a text.", pl->where,
                     f->path);
  return 0;
}

static int refuse_missing(er_planner *pl, const char *path) {
  er_refuse(pl->why, "missing_file",
            "%s: there is no file `%s`, so there is nothing in it to change. Files that may be changed: ", pl->where,
            path);
  er_explain_editable(&pl->why->text, pl->files, pl->n_files, pl->rules);
  er_buf_str(&pl->why->text, ". To create a file, send it whole in a fence with its path.");
  return -1;
}

static int refuse_exists(er_planner *pl, const char *path) {
  return er_refuse(pl->why, "exists", "%s: the block creates `%s`, but that file exists. Change it with a unified diff "
                   "or search/replace blocks, or send it whole.", pl->where, path);
}

static int refuse_region(er_planner *pl, const char *what, const char *path) {
  return er_refuse(pl->why, "outside_region", "%s: it %s `%s`, but here only the lines between %s-START and %s-END of "
                   "the existing files may change.", pl->where, what, path, pl->rules->region, pl->rules->region);
}

static bool has_region(const er_planner *pl) { return pl->rules->region != NULL && pl->rules->region[0] != '\0'; }

/* ---- what a block does with its file ---- */

static bool is_addition(const er_line *l) { return l->op == '+' || (l->op == ' ' && er_line_blank(l)); }

static bool has_hunks(const er_block *b) { return b->form == ER_PATCH_UDIFF || b->form == ER_PATCH_BEGIN; }

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
    size_t end = hunk->to - hunk->tail;
    for (size_t i = hunk->from; i < end; i++) lines[i].op = '+';
    er_plan_edit(pl, t, (er_edit){.from = hunk->from, .to = hunk->to, .as_written = true});
    if (hunk->says_end && end > hunk->from && lines[end - 1].eol == ER_EOL_NONE) t->end = ER_END_WITHOUT;
  }
  set_report(pl, "whole", 1);
}

static int plan_create(er_planner *pl, const er_block *b) {
  er_target *t;
  if (has_region(pl)) return refuse_region(pl, "creates", b->path);
  if (has_hunks(b) && !only_adds(pl->parsed, b))
    return er_refuse(pl->why, "malformed", "%s: the diff of the new file `%s` has lines that do not begin with `+`.",
                     pl->where, b->path);
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
  return er_refuse(pl->why, "malformed", "%s: the block deletes `%s` but removes only %zu of its %zu lines. To delete "
                   "the file remove every line of it.", pl->where, b->path, removed, t->lines.n);
}

static int plan_rename(er_planner *pl, const er_block *b, const er_patch_file *file) {
  er_target *t;
  if (has_region(pl)) return refuse_region(pl, b->copies ? "copies" : "renames", b->from_path);
  t = open_target(pl, b, file, true);
  if (t == NULL) return -1;
  t->renames = !b->copies;
  set_report(pl, "whole", 1);
  return b->n_hunks > 0 ? er_place_udiff(pl, b, t) : 0;
}

/* Whether the file as the reply has changed it so far holds the block's old
 * lines; its text goes to *out unless that is NULL. */
static bool changed_has(er_planner *pl, const er_block *b, er_target *t, er_buf *out) {
  er_buf text = {0};
  er_lines lines = {0};
  bool has;
  if (t->n_edits == 0 || pl->staged_bytes > MAX_STAGED || er_plan_settle(pl, t) < 0) return false;
  er_plan_text(pl->parsed, t, &text);
  pl->staged_bytes += text.len;
  er_lines_split(&lines, er_buf_cstr(&text) + t->bom, text.len - t->bom);
  has = er_owner_holds(pl->parsed, b, &lines, &pl->owner_work);
  er_lines_free(&lines);
  if (has && out != NULL) *out = text;
  else er_buf_free(&text);
  return has;
}

/* Works the edits made so far into the lines of the target, so that what comes
 * next is looked for in the file as the reply has changed it. */
static void take_stage(er_planner *pl, er_target *t, er_buf *text) {
  er_index_free(t->index);
  t->index = NULL;
  er_lines_free(&t->lines);
  er_buf_free(&t->stage);
  t->stage = *text;
  *text = (er_buf){0};
  er_lines_split(&t->lines, er_buf_cstr(&t->stage) + t->bom, t->stage.len - t->bom);
  t->n_edits = 0;
  t->end = ER_END_KEEP;
  t->staged = pl->block;
}

/* A block may search for what an earlier one of the reply produced.  The file
 * as it was comes first; the changed one counts only if it alone has the lines. */
static int place_search(er_planner *pl, const er_block *b, er_target *t) {
  er_buf text = {0};
  if (!er_owner_holds(pl->parsed, b, &t->lines, &pl->owner_work) && changed_has(pl, b, t, &text))
    take_stage(pl, t, &text);
  er_buf_free(&text);
  return er_place_search(pl, b, t);
}

static int plan_edits(er_planner *pl, const er_block *b, const er_patch_file *file) {
  er_target *t = open_target(pl, b, file, b->form == ER_PATCH_WHOLE);
  if (t == NULL) return -1;
  if (has_hunks(b)) return er_place_udiff(pl, b, t);
  if (b->form == ER_PATCH_SEARCH) return place_search(pl, b, t);
  set_report(pl, "whole", 0);
  er_place_whole(pl, b, t);
  return 0;
}

static bool makes_file(const er_planner *pl, const er_block *b) {
  const er_parsed *p = pl->parsed;
  if (b->form == ER_PATCH_WHOLE) return true;
  if (b->form == ER_PATCH_BEGIN) return b->creates;
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

/* A reply need not name the file if there is only one that may change, or only
 * one that has the lines. */
static int name_only_file(er_planner *pl, er_block *b) {
  const er_patch_file *only = NULL;
  size_t n = 0;
  for (size_t i = 0; i < pl->n_files; i++)
    if (er_rules_editable(pl->rules, pl->files[i].path)) only = &pl->files[i], n++;
  if (n != 1) only = er_owner_find(pl->parsed, b, pl->files, pl->n_files, pl->rules, &pl->owner_work, &n);
  if (only != NULL) {
    b->path = er_strdup(only->path);
    return 0;
  }
  er_refuse(pl->why, n > 1 ? "ambiguous" : "missing_file",
            "%s: the block names no file, and %s. Put the file's path on "
            "the line before it. Files that may be changed: ",
            pl->where,
            n > 1 ? "more than one has the lines to change"
                  : "none that may be changed has its old lines as they are written");
  er_explain_editable(&pl->why->text, pl->files, pl->n_files, pl->rules);
  er_buf_str(&pl->why->text, ".");
  return -1;
}

/* A block that goes on in the file of the one before, as it seems, may be meant
 * for the only other file that has its lines. */
static void settle_path(er_planner *pl, er_block *b) {
  const er_patch_file *other;
  er_target *t = b->inherits ? find_target(pl->out, b->path) : NULL;
  size_t n = 0;
  if (t == NULL || t->file == NULL || er_owner_holds(pl->parsed, b, &t->lines, &pl->owner_work)) return;
  if (b->form == ER_PATCH_SEARCH && changed_has(pl, b, t, NULL)) return;
  other = er_owner_find(pl->parsed, b, pl->files, pl->n_files, pl->rules, &pl->owner_work, &n);
  if (other != NULL) set_path(&b->path, other->path);
}

static char *describe(const er_parsed *p, size_t i) {
  const er_block *b = &p->blocks[i];
  const char *form = er_patch_form_name(b->form);
  if (b->path == NULL)
    return er_asprintf("block %zu of %zu (%s, line %zu of the reply)", i + 1, p->n_blocks, form, b->reply_line);
  return er_asprintf("block %zu of %zu (%s for `%s`, line %zu of the reply)", i + 1, p->n_blocks, form, b->path,
                     b->reply_line);
}

static void drop_prefixes(er_planner *pl, er_block *b) {
  if (b->path != NULL) set_path(&b->path, er_owner_path(b->path, pl->files, pl->n_files, pl->rules));
  if (b->from_path != NULL) set_path(&b->from_path, er_owner_path(b->from_path, pl->files, pl->n_files, pl->rules));
}

/* Beside changes of other files a text without a name may be a change or a
 * misquotation. */
static int check_shown(er_planner *pl, const er_block *b) {
  for (size_t i = 0; i < pl->parsed->n_blocks && b->shown; i++)
    if (!pl->parsed->blocks[i].shown)
      return er_refuse(pl->why, "ambiguous", "%s: the fence in line %zu of the reply looks like `%s` but does not name "
                       "it, beside changes of other files that do. If it is to replace the file, put the path on the "
                       "line before the fence; else leave it out.", pl->where, b->reply_line, b->path);
  return 0;
}

static int plan_block(er_planner *pl, er_block *b) {
  er_patch_block_report *r = &pl->out->reports[pl->block];
  pl->out->n_reports = pl->block + 1;
  *r = (er_patch_block_report){.form = b->form, .rung = ""};
  if (b->path == NULL && name_only_file(pl, b) < 0) return -1;
  settle_path(pl, b);
  r->path = er_strdup(b->path);
  if (er_rules_path(pl->files, pl->n_files, pl->rules, b->path, pl->where, pl->why) < 0) return -1;
  if (b->mode_only)
    return er_refuse(pl->why, "no_op", "%s: the diff changes only the mode of `%s`; modes stay as they are.",
                     pl->where, b->path);
  if (check_shown(pl, b) < 0) return -1;
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

/* Two blocks that quote the same lines and make something else of them contradict
 * each other, wherever in those lines their changes are. */
static bool same_window(const er_edit *a, const er_edit *b) {
  return a->block != b->block && a->window_end > a->window && a->window == b->window && a->window_end == b->window_end;
}

static bool collide(const er_edit *a, const er_edit *b) {
  if (b->first < a->first + a->removed || same_window(a, b)) return true;
  return a->first == b->first && a->removed == 0 && b->removed == 0 && a->block != b->block;
}

/* The same change asked for twice is that change. */
static bool same_edit(const er_parsed *p, const er_edit *a, const er_edit *b) {
  size_t i = a->from, k = b->from;
  if (a->first != b->first || a->removed != b->removed || a->removed == 0) return false;
  if (a->shift.kind != ER_SHIFT_NONE || b->shift.kind != ER_SHIFT_NONE) return false;
  for (;; i++, k++) {
    while (i < a->to && p->lines.v[i].op != '+') i++;
    while (k < b->to && p->lines.v[k].op != '+') k++;
    if (i >= a->to || k >= b->to) return i >= a->to && k >= b->to;
    if (!er_line_same_text(&p->lines.v[i], &p->lines.v[k])) return false;
  }
}

static void drop_repeated(er_planner *pl, er_target *t) {
  size_t kept = 0;
  for (size_t i = 0; i < t->n_edits; i++) {
    const er_edit *last = kept > 0 ? &t->edits[kept - 1] : NULL;
    if (last == NULL || last->block == t->edits[i].block || !same_edit(pl->parsed, last, &t->edits[i]))
      t->edits[kept++] = t->edits[i];
  }
  t->n_edits = kept;
}

static int refuse_overlap(er_planner *pl, const er_target *t, const er_edit *a, const er_edit *b) {
  size_t one = (a->block < b->block ? a->block : b->block) + 1, other = (a->block < b->block ? b->block : a->block) + 1;
  size_t shown = b->first < t->lines.n ? b->first : t->lines.n - 1;
  if (one == other)
    er_refuse(pl->why, "overlap", "block %zu of the reply changes `%s` twice at line %zu:\n", one, t->path,
              b->first + 1);
  else
    er_refuse(pl->why, "overlap", "blocks %zu and %zu of the reply both change `%s` at line %zu:\n",
              one, other, t->path, b->first + 1);
  if (t->lines.n > 0) er_explain_lines(&pl->why->text, &t->lines.v[shown], 1, shown + 1, 1);
  er_buf_str(&pl->why->text, "Send each change once: leave out a first attempt that a later block corrects, and join "
             "changes that touch the same lines into one block.");
  return -1;
}

int er_plan_settle(er_planner *pl, er_target *t) {
  bool sorted = true;
  for (size_t i = 1; i < t->n_edits && sorted; i++) sorted = by_place(&t->edits[i - 1], &t->edits[i]) < 0;
  if (!sorted) qsort(t->edits, t->n_edits, sizeof *t->edits, by_place);
  if (t->file == NULL) return 0;
  drop_repeated(pl, t);
  for (size_t i = 1; i < t->n_edits; i++)
    if (collide(&t->edits[i - 1], &t->edits[i])) return refuse_overlap(pl, t, &t->edits[i - 1], &t->edits[i]);
  return 0;
}

/* A text that the reply only quotes, unchanged, beside real edits of the same
 * file is no change: models like to show what they start from. */
static bool only_quotes(const er_planner *pl, const er_block *b) {
  const er_patch_file *f = b->form == ER_PATCH_WHOLE ? er_rules_file(pl->files, pl->n_files, b->path) : NULL;
  const er_hunk *h;
  size_t at = 0;
  if (f == NULL || pl->parsed->n_blocks == 1) return false;
  h = &pl->parsed->hunks[b->hunk];
  for (size_t i = h->from; i < h->to; i++) {
    const er_line *l = &pl->parsed->lines.v[i];
    if (f->len - at < l->n || memcmp(f->bytes + at, l->s, l->n) != 0) return false;
    at += l->n;
    if (at < f->len && f->bytes[at] == '\r') at++;
    if (at < f->len && f->bytes[at++] != '\n') return false;
  }
  return at == f->len;
}

/* What the file looks like before or after, shown beside blocks that change it. */
static bool only_shows(const er_planner *pl, const er_block *b) {
  const er_parsed *p = pl->parsed;
  if (!b->shown) return false;
  for (size_t i = 0; i < p->n_blocks; i++)
    if (!p->blocks[i].shown && (p->blocks[i].path == NULL || strcmp(p->blocks[i].path, b->path) == 0)) return true;
  return false;
}

static int refuse_empty(const er_parsed *p, er_refusal *why) {
  er_refuse(
      why, "no_change_found",
      "no change was found in the reply. Send it as a unified diff (---, +++, @@), as "
      "search/replace blocks (<<<<<<< SEARCH, =======, >>>>>>> REPLACE), or as whole files in fences, each with its "
      "path on the line before.");
  if (p->nameless > 0)
    er_buf_fmt(&why->text,
               " The fence in line %zu of the reply names no file: if it holds one, put its path on the line "
               "before.",
               p->nameless);
  return -1;
}

static int plan_one(er_planner *pl, size_t i) {
  er_block *b = &pl->parsed->blocks[i];
  int rc = 0;
  pl->block = i;
  if (only_quotes(pl, b) || only_shows(pl, b)) {
    pl->out->n_reports = i + 1;
    pl->out->reports[i] = (er_patch_block_report){ER_PATCH_WHOLE, er_strdup(b->path), "quoted", 0, 1, ""};
    return 0;
  }
  pl->where = describe(pl->parsed, i);
  rc = plan_block(pl, b);
  er_free(pl->where);
  if (rc < 0) memcpy(pl->out->reports[i].code, pl->why->code, sizeof pl->why->code);
  return rc;
}

/* Tells of the first few blocks that are refused and not only of one, so that
 * one answer can mend them all; the first refusal gives the code. */
static int plan_all(er_planner *pl) {
  er_refusal *all = pl->why, one = {0};
  size_t refused = 0;
  for (size_t i = 0; i < pl->parsed->n_blocks; i++) {
    pl->why = refused == 0 ? all : &one;
    if (plan_one(pl, i) == 0) continue;
    if (refused > 0) {
      er_buf_str(&all->text, "\n\nAlso, ");
      er_buf_add(&all->text, one.text.ptr, one.text.len);
    }
    if (++refused == MAX_TOLD && i + 1 < pl->parsed->n_blocks)
      er_buf_str(&all->text, "\n\nThe blocks behind that one were not looked at.");
    if (refused == MAX_TOLD || strcmp(pl->why->code, "too_large") == 0) break;
  }
  er_buf_free(&one.text);
  pl->why = all;
  return refused > 0 ? -1 : 0;
}

int er_patch_plan(const er_parsed *parsed, const er_patch_file *files, size_t n_files, const er_patch_rules *rules,
                  er_plan *out, er_refusal *why) {
  er_planner pl = {.parsed = parsed, .files = files, .n_files = n_files, .rules = rules, .out = out, .why = why};
  int rc = 0;
  if (parsed->n_blocks == 0) return refuse_empty(parsed, why);
  if (parsed->n_blocks > MAX_BLOCKS || parsed->n_hunks > MAX_HUNKS)
    return er_refuse(why, "too_large",
                     "the reply has %zu blocks with %zu hunks; at most %d and %d are read. Join them, or send whole "
                     "files.",
                     parsed->n_blocks, parsed->n_hunks, MAX_BLOCKS, MAX_HUNKS);
  pl.keep_bom = memmem(parsed->begin, (size_t)(parsed->end - parsed->begin), "\xef\xbb\xbf", 3) != NULL;
  out->reports = er_calloc(parsed->n_blocks, sizeof *out->reports);
  for (size_t i = 0; i < parsed->n_blocks; i++) drop_prefixes(&pl, &parsed->blocks[i]);
  rc = plan_all(&pl);
  for (size_t i = 0; i < out->n_targets && rc == 0; i++) rc = er_plan_settle(&pl, &out->targets[i]);
  return rc;
}

void er_plan_free(er_plan *plan) {
  for (size_t i = 0; i < plan->n_targets; i++) {
    er_index_free(plan->targets[i].index);
    er_lines_free(&plan->targets[i].lines);
    er_buf_free(&plan->targets[i].stage);
    er_free(plan->targets[i].edits);
  }
  for (size_t i = 0; i < plan->n_reports; i++) er_free(plan->reports[i].path);
  er_free(plan->targets);
  er_free(plan->reports);
  *plan = (er_plan){0};
}
