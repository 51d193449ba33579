/* fuzz_apply.c - any reply onto any files: applied it keeps the rules, refused it says why.
 *
 *   applied   something differs; only editable paths changed; nothing outside the
 *             region markers did; the diff of both trees makes the same again
 *   refused   nothing changed; a documented code; a message in valid UTF-8 */

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "patch/lines.h"

static const char *const editable[] = {"*.lua", "lib/**", "new/*"};
static const char *const frozen[] = {"frozen.lua"};
#define REGION "EVOLVE-BLOCK"

static const er_patch_file *find(const er_patch_file *files, size_t n, const char *path) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(files[i].path, path) == 0) return &files[i];
  return NULL;
}

static bool may_change(const char *path) {
  bool inside = strncmp(path, "lib/", 4) == 0 || (strncmp(path, "new/", 4) == 0 && strchr(path + 4, '/') == NULL);
  size_t n = strlen(path);
  bool lua = n >= 4 && strchr(path, '/') == NULL && strcmp(path + n - 4, ".lua") == 0;
  return (inside || lua) && strcmp(path, "frozen.lua") != 0;
}

/* ---- a refusal ---- */

static void check_refusal(const er_patch_result *r) {
  static const char *const codes[] = {"no_change_found", "no_op",     "frozen",    "outside_region", "region_marker",
                                      "bad_path",        "not_found", "ambiguous", "missing_file",   "exists",
                                      "binary",          "too_large", "truncated", "overlap",        "malformed"};
  bool known = false;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) known = known || strcmp(r->code, codes[i]) == 0;
  assert(known);
  assert(r->n_changes == 0 && r->message.len > 0);
  assert(er_utf8_valid(r->message.ptr, r->message.len));
}

/* ---- a change ---- */

/* The marker lines and all lines outside of them, one after the other. */
static void outside(const char *bytes, size_t len, er_buf *out) {
  er_lines t = {0};
  bool inside = false;
  er_lines_split(&t, bytes, len);
  for (size_t i = 0; i < t.n; i++) {
    bool end = memmem(t.v[i].s, t.v[i].n, REGION "-END", sizeof REGION + 3) != NULL;
    if (end) inside = false;
    if (!inside) er_buf_add(out, t.v[i].s, t.v[i].n + t.v[i].eol);
    if (!end && memmem(t.v[i].s, t.v[i].n, REGION "-START", sizeof REGION + 5) != NULL) inside = true;
  }
  er_lines_free(&t);
}

/* Only where the markers stand alone in their lines, so that both readings agree. */
static void check_region(const er_patch_file *before, const er_buf *after) {
  er_buf a = {0}, b = {0};
  outside(before->bytes, before->len, &a);
  outside(er_buf_cstr(after), after->len, &b);
  assert(a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0));
  er_buf_free(&a);
  er_buf_free(&b);
}

static void check_change(const fuzz_input *in, const er_patch_change *c, bool region) {
  const er_patch_file *f = find(in->files, in->n_files, c->path);
  assert(er_path_inside(c->path) && may_change(c->path));
  assert((c->kind == ER_CHANGE_CREATE) == (f == NULL));
  if (c->kind == ER_CHANGE_MODIFY)
    assert(c->after.len != f->len || memcmp(er_buf_cstr(&c->after), f->bytes, f->len) != 0);
  assert(c->after.len == 0 || memchr(c->after.ptr, '\0', c->after.len) == NULL);
  if (!region) return;
  assert(c->kind == ER_CHANGE_MODIFY);
  check_region(f, &c->after);
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const er_patch_file *)a)->path, ((const er_patch_file *)b)->path);
}

/* The tree with the changes made, sorted; room for all of both. */
static size_t tree_after(const fuzz_input *in, const er_patch_result *r, er_patch_file *out) {
  size_t n = 0;
  for (size_t i = 0; i < in->n_files; i++) {
    bool changed = false;
    for (size_t k = 0; k < r->n_changes; k++) changed = changed || strcmp(r->changes[k].path, in->files[i].path) == 0;
    if (!changed) out[n++] = in->files[i];
  }
  for (size_t k = 0; k < r->n_changes; k++)
    if (r->changes[k].kind != ER_CHANGE_DELETE)
      out[n++] = (er_patch_file){r->changes[k].path, er_buf_cstr(&r->changes[k].after), r->changes[k].after.len};
  qsort(out, n, sizeof *out, by_path);
  return n;
}

/* diff(a, b) applied to a gives b. */
static void check_diff(const fuzz_input *in, const er_patch_result *r) {
  static const char *const all[] = {"**"};
  const er_patch_rules rules = {.editable = all, .n_editable = 1};
  er_patch_file *after = calloc(in->n_files + r->n_changes + 1, sizeof *after);
  size_t n = tree_after(in, r, after);
  er_buf diff = {0};
  er_patch_result again;
  er_patch_diff(in->files, in->n_files, after, n, &diff);
  er_patch_apply(in->files, in->n_files, &rules, er_buf_cstr(&diff), diff.len, &again);
  assert(again.applied && again.n_changes == r->n_changes);
  for (size_t i = 0; i < r->n_changes; i++) {
    const er_patch_change *x = &r->changes[i], *y = &again.changes[i];
    assert(x->kind == y->kind && strcmp(x->path, y->path) == 0 && x->after.len == y->after.len);
    assert(x->after.len == 0 || memcmp(x->after.ptr, y->after.ptr, x->after.len) == 0);
  }
  er_patch_result_free(&again);
  er_buf_free(&diff);
  free(after);
}

static void check_applied(const fuzz_input *in, const er_patch_result *r, bool region) {
  assert(r->n_changes > 0 && r->code[0] == '\0');
  for (size_t i = 0; i < r->n_changes; i++) {
    if (i > 0) assert(strcmp(r->changes[i - 1].path, r->changes[i].path) < 0);
    check_change(in, &r->changes[i], region);
  }
  for (size_t i = 0; i < r->n_blocks; i++)
    assert(r->blocks[i].similarity >= 0 && r->blocks[i].similarity <= 1 && r->blocks[i].rung != NULL);
  check_diff(in, r);
}

/* Both readings of the markers agree if every mention is a marker line. */
static bool plain_markers(const fuzz_input *in) {
  static const char *const forms[] = {"# " REGION "-START", "# " REGION "-END"};
  for (size_t i = 0; i < in->n_files; i++) {
    er_lines t = {0};
    bool plain = true;
    er_lines_split(&t, in->files[i].bytes, in->files[i].len);
    for (size_t k = 0; k < t.n; k++)
      if (memmem(t.v[k].s, t.v[k].n, REGION, sizeof REGION - 1) != NULL)
        plain = plain && (er_line_is(&t.v[k], forms[0]) || er_line_is(&t.v[k], forms[1]));
    er_lines_free(&t);
    if (!plain) return false;
  }
  return memmem(in->reply, in->len, REGION, sizeof REGION - 1) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in;
  er_patch_result r;
  er_patch_rules rules = {.editable = editable, .n_editable = 3, .region = REGION, .frozen = frozen, .n_frozen = 1};
  fuzz_read(&in, data, size);
  bool region = er_patch_check_regions(in.files, in.n_files, &rules, NULL) == 0 && plain_markers(&in);
  if (!region) rules.region = NULL;
  er_patch_apply(in.files, in.n_files, &rules, in.reply, in.len, &r);
  if (r.applied) check_applied(&in, &r, region);
  else check_refusal(&r);
  er_patch_result_free(&r);
  return 0;
}
