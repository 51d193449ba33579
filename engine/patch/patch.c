/* patch.c - parse, plan, put together: the room's front door. */

#include "patch/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "patch/mend.h"
#include "patch/parse.h"
#include "patch/plan.h"
#include "patch/rules.h"

/* ---- a target's new text ---- */

typedef struct {
  const er_target *t;
  er_buf *out;
  size_t ended;                  /* bytes of the line end that out ends with; 0: none */
} writer;

/* The line end that a new line at `line` takes from its neighbours. */
static size_t eol_near(const er_target *t, size_t line) {
  if (line > 0 && line <= t->lines.n && t->lines.v[line - 1].eol != ER_EOL_NONE) return t->lines.v[line - 1].eol;
  if (line < t->lines.n && t->lines.v[line].eol != ER_EOL_NONE) return t->lines.v[line].eol;
  return t->lines.n > 0 && t->lines.v[0].eol == ER_EOL_CRLF ? ER_EOL_CRLF : ER_EOL_LF;
}

static void end_line(writer *w, size_t eol) {
  er_buf_add(w->out, eol == ER_EOL_CRLF ? "\r\n" : "\n", eol == ER_EOL_CRLF ? 2 : 1);
  w->ended = eol;
}

/* The last line of a file may lack a line end that it needs in the middle. */
static void need_end(writer *w, size_t line) {
  if (w->out->len > w->t->bom && w->ended == 0) end_line(w, eol_near(w->t, line));
}

/* Unchanged lines are one run of the file's own bytes. */
static void copy_lines(writer *w, size_t from, size_t to) {
  const er_line *v = w->t->lines.v;
  if (from >= to) return;
  need_end(w, from);
  const char *stop = v[to - 1].s + v[to - 1].n + v[to - 1].eol;
  er_buf_add(w->out, v[from].s, (size_t)(stop - v[from].s));
  w->ended = v[to - 1].eol;
}

/* The line end of the line that new line k of an edit takes the place of. */
static size_t eol_of(const er_target *t, const er_edit *e, size_t k) {
  size_t i = k < e->removed ? e->first + k : e->first + e->removed;
  if (k < e->removed && t->lines.v[i].eol != ER_EOL_NONE) return t->lines.v[i].eol;
  return eol_near(t, i);
}

static void put_line(writer *w, const er_edit *e, size_t k, const er_line *l) {
  need_end(w, e->first);
  er_shift_put(&e->shift, l, w->out);
  w->ended = 0;
  if (l->eol == ER_EOL_NONE) return;
  end_line(w, e->as_written && l->eol != ER_EOL_OPEN ? l->eol : eol_of(w->t, e, k));
}

/* Whether the text ends with a line end: as before, unless a diff says else. */
static void settle_end(writer *w) {
  const er_lines *old = &w->t->lines;
  bool had = old->n == 0 || old->v[old->n - 1].eol != ER_EOL_NONE;
  bool want = w->t->end == ER_END_WITH || (w->t->end == ER_END_KEEP && had);
  if (w->out->len <= w->t->bom) return;
  if (want) need_end(w, old->n);
  else w->out->len -= w->ended;
  w->out->ptr[w->out->len] = '\0';
}

void er_plan_text(const er_parsed *parsed, const er_target *t, er_buf *out) {
  writer w = {t, out, 0};
  size_t at = 0;
  if (t->file != NULL) er_buf_room(out, t->file->len + 256);
  if (t->bom > 0) er_buf_add(out, t->file->bytes, t->bom);
  for (size_t i = 0; i < t->n_edits; i++) {
    const er_edit *e = &t->edits[i];
    copy_lines(&w, at, e->first);
    for (size_t k = e->from, put = 0; k < e->to; k++)
      if (parsed->lines.v[k].op == '+') put_line(&w, e, put++, &parsed->lines.v[k]);
    at = e->first + e->removed;
  }
  copy_lines(&w, at, t->lines.n);
  settle_end(&w);
}

/* ---- judging the result ---- */

static int check_regions(const er_parsed *parsed, const er_plan *plan, const er_target *t, const er_buf *text,
                         const char *region, er_refusal *why) {
  er_lines before = {0}, after = {0};
  er_refusal inner = {0};
  size_t line = 0, block = t->staged > 0 ? t->staged - 1 : 0;
  int rc;
  er_lines_split(&before, t->file->bytes + t->bom, t->file->len - t->bom);
  er_lines_split(&after, er_buf_cstr(text) + t->bom, text->len - t->bom);
  rc = er_region_check(&before, &after, region, t->path, &line, &inner);
  if (rc < 0) {
    for (size_t i = 0; i < t->n_edits; i++)
      if (t->edits[i].first <= line) block = t->edits[i].block;
    er_refuse(why, inner.code, "block %zu of %zu (%s): ",
              block + 1, plan->n_reports, er_patch_form_name(parsed->blocks[block].form));
    er_buf_add(&why->text, inner.text.ptr, inner.text.len);
  }
  er_buf_free(&inner.text);
  er_lines_free(&before);
  er_lines_free(&after);
  return rc;
}

static int check_text(const er_target *t, const er_buf *text, er_refusal *why) {
  if (text->len > ER_PATCH_MAX_FILE)
    return er_refuse(why, "too_large", "`%s` would have %zu bytes; at most %u are accepted.",
                     t->path, text->len, ER_PATCH_MAX_FILE);
  if (text->len > 0 && memchr(text->ptr, '\0', text->len) != NULL)
    return er_refuse(why, "binary", "`%s` would hold NUL bytes; only text is accepted.", t->path);
  return 0;
}

/* ---- the result ---- */

static void add_change(er_patch_result *r, er_change_kind kind, const char *path, er_buf after) {
  r->changes[r->n_changes++] = (er_patch_change){kind, er_strdup(path), after};
}

static bool same_as_before(const er_target *t, const er_buf *text) {
  return t->file != NULL && !t->renames && !t->copies && text->len == t->file->len &&
         (text->len == 0 || memcmp(text->ptr, t->file->bytes, text->len) == 0);
}

static int build_target(const er_parsed *parsed, const er_plan *plan, const er_target *t, const er_patch_rules *rules,
                        er_patch_result *out, er_refusal *why) {
  bool region = rules->region != NULL && rules->region[0] != '\0';
  er_buf text = {0};
  if (t->deletes) {
    add_change(out, ER_CHANGE_DELETE, t->path, text);
    return 0;
  }
  er_plan_text(parsed, t, &text);
  if (check_text(t, &text, why) < 0 || (region && check_regions(parsed, plan, t, &text, rules->region, why) < 0)) {
    er_buf_free(&text);
    return -1;
  }
  if (same_as_before(t, &text)) {
    er_buf_free(&text);
    return 0;
  }
  if (t->renames) add_change(out, ER_CHANGE_DELETE, t->file->path, (er_buf){0});
  add_change(out, t->file == NULL || t->renames || t->copies ? ER_CHANGE_CREATE : ER_CHANGE_MODIFY, t->path, text);
  return 0;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const er_patch_change *)a)->path, ((const er_patch_change *)b)->path);
}

static int build(const er_parsed *parsed, const er_plan *plan, const er_patch_rules *rules, er_patch_result *out,
                 er_refusal *why) {
  out->changes = er_calloc(plan->n_targets * 2 + 1, sizeof *out->changes);
  for (size_t i = 0; i < plan->n_targets; i++)
    if (build_target(parsed, plan, &plan->targets[i], rules, out, why) < 0) return -1;
  if (out->n_changes == 0)
    return er_refuse(why, "no_op",
                     "the reply changes nothing: with it applied every file is what it was. Send a change, "
                     "or say that there is none.");
  qsort(out->changes, out->n_changes, sizeof *out->changes, by_path);
  for (size_t i = 1; i < out->n_changes; i++)
    if (strcmp(out->changes[i - 1].path, out->changes[i].path) == 0)
      return er_refuse(why, "overlap", "two blocks of the reply give `%s`. Give each file once.", out->changes[i].path);
  return 0;
}

static void drop_changes(er_patch_result *r) {
  for (size_t i = 0; i < r->n_changes; i++) {
    er_free(r->changes[i].path);
    er_buf_free(&r->changes[i].after);
  }
  er_free(r->changes);
  r->changes = NULL;
  r->n_changes = 0;
}

static int apply(const er_patch_file *files, size_t n, const er_patch_rules *rules, const char *reply, size_t len,
                 er_parsed *parsed, er_plan *plan, er_patch_result *out, er_refusal *why) {
  if (er_patch_parse(reply, len, files, n, parsed, why) < 0) return -1;
  if (er_patch_plan(parsed, files, n, rules, plan, why) < 0) return -1;
  return build(parsed, plan, rules, out, why);
}

static void attempt(const er_patch_file *files, size_t n_files, const er_patch_rules *rules, const char *reply,
                    size_t len, er_patch_result *out) {
  er_parsed parsed = {0};
  er_plan plan = {0};
  er_refusal why = {0};
  *out = (er_patch_result){0};
  out->applied = apply(files, n_files, rules, reply, len, &parsed, &plan, out, &why) == 0;
  out->blocks = plan.reports;                        /* handed over */
  out->n_blocks = plan.n_reports;
  plan.reports = NULL;
  plan.n_reports = 0;
  if (out->applied) {
    er_buf_free(&why.text);
  } else {
    drop_changes(out);
    memcpy(out->code, why.code, sizeof out->code);
    out->message = why.text;
  }
  er_plan_free(&plan);
  er_parsed_free(&parsed);
}

/* ---- replies whose bytes were changed on their way ---- */

/* How well the least certain block fits: 1 for exact, 0 for a refusal. */
static double fit(const er_patch_result *r) {
  double least = r->applied ? 1 : 0;
  for (size_t i = 0; i < r->n_blocks && r->applied; i++)
    if (r->blocks[i].similarity < least) least = r->blocks[i].similarity;
  return least;
}

/* Refusals that say that the text does not fit, and not that it may not. */
static bool may_be_mended(const er_patch_result *r) {
  static const char *const codes[] = {"not_found", "no_change_found", "malformed", "truncated", "missing_file"};
  if (r->applied) return fit(r) < 1;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(r->code, codes[i]) == 0) return true;
  return false;
}

static void keep_better(er_patch_result *best, er_patch_result *other, const char *name) {
  if (fit(other) <= fit(best)) {
    er_patch_result_free(other);
    return;
  }
  er_patch_result_free(best);
  *best = *other;
  for (size_t i = 0; i < best->n_blocks; i++) best->blocks[i].rung = name;
}

static bool has_escape(const char *s, size_t n) {
  return memmem(s, n, "&lt;", 4) != NULL || memmem(s, n, "&gt;", 4) != NULL || memmem(s, n, "&amp;", 5) != NULL;
}

/* A reply that is a diff from its first byte on was written by a program. */
static bool is_git_diff(const char *reply, size_t len) { return len > 11 && memcmp(reply, "diff --git ", 11) == 0; }

/* New lines with escapes in a reply that is escaped as a whole, for a file that
 * has none: written by a page on the way, or by the model?  Nothing tells. */
static void doubt_escapes(const er_patch_file *files, size_t n_files, const char *reply, size_t len,
                          er_patch_result *r) {
  er_refusal why = {0};
  if (!r->applied || is_git_diff(reply, len) || !has_escape(reply, len) || !er_mend_escaped(reply, len)) return;
  for (size_t i = 0; i < r->n_changes; i++) {
    const er_patch_change *c = &r->changes[i];
    const er_patch_file *f = er_rules_file(files, n_files, c->path);
    if (c->after.len == 0 || !has_escape(c->after.ptr, c->after.len)) continue;
    if (f != NULL && has_escape(f->bytes, f->len)) continue;
    er_refuse(
        &why, "malformed",
        "the new lines for `%s` hold HTML escapes such as `&lt;`, and the reply has no plain "
        "`<`, `>` or `&`, so it cannot be told whether they are meant. Send plain signs; if the escapes are meant, "
        "send search/replace blocks with plain `<<<<<<<` and `>>>>>>>` markers.",
        c->path);
    r->applied = false;
    drop_changes(r);
    memcpy(r->code, why.code, sizeof r->code);
    r->message = why.text;
    return;
  }
}

void er_patch_apply(const er_patch_file *files, size_t n_files, const er_patch_rules *rules, const char *reply,
                    size_t len, er_patch_result *out) {
  size_t seen = 0;
  attempt(files, n_files, rules, reply, len, out);
  for (er_mend_kind kind = 0; kind < ER_MENDS && may_be_mended(out); kind++) {
    er_buf text = {0};
    er_patch_result other;
    if (er_mend(reply, len, kind, &text) && text.len != seen) {
      attempt(files, n_files, rules, er_buf_cstr(&text), text.len, &other);
      keep_better(out, &other, er_mend_name(kind));
      seen = text.len;                               /* the wider mend found no more than this one */
    }
    er_buf_free(&text);
  }
  doubt_escapes(files, n_files, reply, len, out);
}

void er_patch_result_free(er_patch_result *r) {
  drop_changes(r);
  for (size_t i = 0; i < r->n_blocks; i++) er_free(r->blocks[i].path);
  er_free(r->blocks);
  er_buf_free(&r->message);
  *r = (er_patch_result){0};
}
