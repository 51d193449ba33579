/* test_patch_corrupt.c - true diffs, written down badly: what comes out is the
 * true result or a refusal, never a third text. */

#include "patch_kit.h"

#include "base/path.h"
#include "base/rng.h"
#include "patch/lines.h"

static er_buf source;

/* A real text: this file. */
static int read_source(void **state) {
  (void)state;
  if (er_file_read(__FILE__, 1 << 20, &source, NULL) < 0) er_buf_str(&source, KIT_PACK);
  return 0;
}

static int free_source(void **state) {
  (void)state;
  er_buf_free(&source);
  return 0;
}

/* Changes, removes or adds a few lines somewhere. */
static er_buf edit(er_rng *rng, const er_lines *old) {
  er_buf out = {0};
  size_t near = er_rng_below(rng, old->n), far = er_rng_below(rng, old->n);
  for (size_t i = 0; i < old->n; i++) {
    const er_line *l = &old->v[i];
    uint64_t what = i == near || i == far ? er_rng_below(rng, 3) : 3;
    if (what == 0) er_buf_fmt(&out, "  added(%d);\n", (int)er_rng_below(rng, 100));
    if (what == 1) er_buf_fmt(&out, "  changed(%d);\n", (int)er_rng_below(rng, 100));
    else if (what != 2) er_buf_add(&out, l->s, l->n + l->eol);
  }
  return out;
}

enum { COUNTS, BARE, FAR_NUMBERS, LAST_CONTEXT, FIRST_CONTEXT, BLANKS, CRLF, FENCE, PROSE, TRAILING, DEEPER, NO_PREFIX, KINDS };

static bool starts(const er_line *l, const char *s) { return er_line_starts(l, s); }

/* Context lines that may go: the last of a hunk, or the first. */
static bool drops(const er_lines *d, size_t i, int kind) {
  if (d->v[i].n == 0 || d->v[i].s[0] != ' ') return false;
  if (kind == LAST_CONTEXT) return i + 1 == d->n || starts(&d->v[i + 1], "@@");
  return kind == FIRST_CONTEXT && starts(&d->v[i - 1], "@@");
}

static void corrupt_header(er_rng *rng, const er_line *l, unsigned kinds, er_buf *out) {
  int a = (int)er_rng_below(rng, 50), b = (int)er_rng_below(rng, 50);
  if (kinds & 1u << BARE) er_buf_str(out, er_rng_below(rng, 2) ? "@@" : "@@ ... @@");
  else if (kinds & 1u << FAR_NUMBERS) er_buf_fmt(out, "@@ -%d,%d +%d,%d @@", 100000 + a, b, 7, a);
  else if (kinds & 1u << COUNTS) er_buf_fmt(out, "@@ -%d,%d +1,%d @@", atoi(l->s + 4), a, b);
  else er_buf_add(out, l->s, l->n);
}

static void corrupt_line(er_rng *rng, const er_lines *d, size_t i, unsigned kinds, er_buf *out) {
  const er_line *l = &d->v[i];
  bool body = !starts(l, "diff ") && !starts(l, "--- ") && !starts(l, "+++ ");
  if (starts(l, "@@ ")) corrupt_header(rng, l, kinds, out);
  else if (!body && kinds & 1u << NO_PREFIX && l->n > 6 && !starts(l, "diff")) er_buf_add(out, l->s, 4), er_buf_add(out, l->s + 6, l->n - 6);
  else if (l->n == 1 && l->s[0] == ' ' && kinds & 1u << BLANKS) ;
  else if (body && l->n > 1 && kinds & 1u << DEEPER) er_buf_fmt(out, "%c  %.*s", l->s[0], (int)l->n - 1, l->s + 1);
  else er_buf_add(out, l->s, l->n);
  if (body && l->n > 1 && l->s[0] == ' ' && kinds & 1u << TRAILING && er_rng_below(rng, 3) == 0) er_buf_str(out, "  ");
  er_buf_str(out, kinds & 1u << CRLF ? "\r\n" : "\n");
}

static er_buf corrupt(er_rng *rng, const er_buf *diff, unsigned kinds) {
  er_lines d = {0};
  er_buf out = {0};
  er_lines_split(&d, diff->ptr, diff->len);
  if (kinds & 1u << PROSE) er_buf_str(&out, "Here is the change - as asked:\n\n");
  if (kinds & 1u << FENCE) er_buf_str(&out, kinds & 1u << CRLF ? "```diff\r\n" : "```diff\n");
  for (size_t i = 0; i < d.n; i++) {
    if (kinds & 1u << LAST_CONTEXT && drops(&d, i, LAST_CONTEXT)) continue;
    if (kinds & 1u << FIRST_CONTEXT && drops(&d, i, FIRST_CONTEXT)) continue;
    corrupt_line(rng, &d, i, kinds, &out);
  }
  if (kinds & 1u << FENCE) er_buf_str(&out, "```\n");
  if (kinds & 1u << PROSE) er_buf_str(&out, "\nThis should help.\n- a point\n");
  er_lines_free(&d);
  return out;
}

/* 1 applied and right, 0 refused; anything else fails the test. */
static int judge(const er_buf *before, const er_buf *after, const char *reply, size_t len) {
  er_patch_file f = {"pack.lua", before->ptr, before->len};
  er_patch_result r;
  int ok;
  er_patch_apply(&f, 1, &kit_one, reply, len, &r);
  ok = r.applied;
  if (ok && (r.changes[0].after.len != after->len || memcmp(r.changes[0].after.ptr, after->ptr, after->len) != 0))
    fail_msg("a third text came out of\n%.*s", (int)len, reply);
  er_patch_result_free(&r);
  return ok;
}

static int run(const char *name, unsigned kinds, int cases) {
  er_lines old = {0};
  er_rng rng;
  int applied = 0;
  er_rng_seed(&rng, 7, name);
  er_lines_split(&old, source.ptr, source.len);
  for (int i = 0; i < cases; i++) {
    er_buf after = edit(&rng, &old), diff = {0};
    er_patch_file a = {"pack.lua", source.ptr, source.len}, b = {"pack.lua", after.ptr, after.len};
    unsigned k = kinds != 0 ? kinds : (unsigned)er_rng_below(&rng, 1u << KINDS) & (unsigned)er_rng_below(&rng, 1u << KINDS);
    er_patch_diff(&a, 1, &b, 1, &diff);
    er_buf reply = corrupt(&rng, &diff, k);
    if (diff.len == 0) applied++;
    else applied += judge(&source, &after, reply.ptr, reply.len);
    er_buf_free(&reply);
    er_buf_free(&diff);
    er_buf_free(&after);
  }
  er_lines_free(&old);
  return applied;
}

static void single_corruptions_are_seen_through(void **state) {
  static const char *const names[] = {"counts", "bare", "far", "last", "first", "blanks", "crlf", "fence", "prose", "trailing", "deeper", "prefix"};
  (void)state;
  for (int k = 0; k < KINDS; k++) {
    int applied = run(names[k], 1u << k, 200);
    if (applied < 190) fail_msg("%s: only %d of 200 recovered", names[k], applied);
  }
}

static void many_corruptions_at_once_never_give_a_third_text(void **state) {
  (void)state;
  assert_true(run("mixed", 0, 3000) > 2000);
}

static void a_fenced_diff_cut_in_its_last_hunk_is_refused_or_whole(void **state) {
  er_lines old = {0};
  er_rng rng;
  int whole = 0;
  (void)state;
  er_rng_seed(&rng, 3, "cut");
  er_lines_split(&old, source.ptr, source.len);
  for (int i = 0; i < 300; i++) {
    er_buf after = edit(&rng, &old), diff = {0}, reply;
    er_patch_file a = {"pack.lua", source.ptr, source.len}, b = {"pack.lua", after.ptr, after.len};
    er_patch_diff(&a, 1, &b, 1, &diff);
    if (diff.len > 0) {
      reply = corrupt(&rng, &diff, 1u << FENCE | 1u << PROSE);
      size_t end = (size_t)((char *)memmem(reply.ptr, reply.len, "\n```\n\n", 6) - reply.ptr) + 3;
      size_t from = end;                                 /* behind the header of the last hunk; in front of it a cut shows nothing */
      while (memcmp(reply.ptr + from, "\n@@ ", 4) != 0) from--;
      whole += judge(&source, &after, reply.ptr, from + 4 + er_rng_below(&rng, end - from - 4));
      er_buf_free(&reply);
    }
    er_buf_free(&diff);
    er_buf_free(&after);
  }
  er_lines_free(&old);
  assert_in_range(whole, 0, 20);                     /* cut behind the last line of the last hunk */
}

/* A '-' line that says something else: the diff is of another file.  Context may
 * be wrong at a hunk's edges, but then the true text comes out. */
static void a_diff_of_another_text_is_refused(void **state) {
  er_lines old = {0};
  er_rng rng;
  (void)state;
  er_rng_seed(&rng, 4, "other");
  er_lines_split(&old, source.ptr, source.len);
  for (int i = 0; i < 300; i++) {
    er_buf after = edit(&rng, &old), diff = {0}, reply = {0};
    er_lines d = {0};
    er_patch_file a = {"pack.lua", source.ptr, source.len}, b = {"pack.lua", after.ptr, after.len};
    er_patch_diff(&a, 1, &b, 1, &diff);
    er_lines_split(&d, er_buf_cstr(&diff), diff.len);
    size_t hit = d.n;
    while (d.n > 4 && (hit == d.n || hit < 4 || d.v[hit].s[0] == '+' || d.v[hit].s[0] == '@')) hit = er_rng_below(&rng, d.n);
    for (size_t k = 0; k < d.n; k++) er_buf_fmt(&reply, "%.*s%s\n", (int)d.v[k].n, d.v[k].s, k == hit ? " other" : "");
    bool applied = d.n > 4 && judge(&source, &after, reply.ptr, reply.len);
    if (applied) assert_int_equal(d.v[hit].s[0], ' ');
    er_lines_free(&d);
    er_buf_free(&reply);
    er_buf_free(&diff);
    er_buf_free(&after);
  }
  er_lines_free(&old);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(single_corruptions_are_seen_through),
      cmocka_unit_test(many_corruptions_at_once_never_give_a_third_text),
      cmocka_unit_test(a_fenced_diff_cut_in_its_last_hunk_is_refused_or_whole),
      cmocka_unit_test(a_diff_of_another_text_is_refused),
  };
  return cmocka_run_group_tests(tests, read_source, free_source);
}
