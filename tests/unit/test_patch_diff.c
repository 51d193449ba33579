/* test_patch_diff.c - diffs of two trees, and that applying one gives the other. */

#include "patch_kit.h"

#include "base/rng.h"

static er_buf diff_texts(const char *a, size_t n_a, const char *b, size_t n_b) {
  er_patch_file x = {"pack.lua", a, n_a}, y = {"pack.lua", b, n_b};
  er_buf out = {0};
  er_patch_diff(&x, 1, &y, 1, &out);
  return out;
}

static void expect_diff(const char *a, const char *b, const char *expected) {
  er_buf out = diff_texts(a, strlen(a), b, strlen(b));
  assert_string_equal(er_buf_cstr(&out), expected);
  er_buf_free(&out);
}

#define HEAD "diff --git a/pack.lua b/pack.lua\n--- a/pack.lua\n+++ b/pack.lua\n"

static void equal_trees_have_an_empty_diff(void **state) {
  (void)state;
  expect_diff("a\nb\n", "a\nb\n", "");
  expect_diff("", "", "");
}

static void a_change_has_three_lines_of_context(void **state) {
  (void)state;
  expect_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
              HEAD "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  expect_diff("1\n", "", HEAD "@@ -1 +0,0 @@\n-1\n");
  expect_diff("", "1\n2\n", HEAD "@@ -0,0 +1,2 @@\n+1\n+2\n");
}

static void near_changes_share_a_hunk_and_far_ones_do_not(void **state) {
  (void)state;
  expect_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "x\n2\n3\n4\n5\n6\n7\ny\n",
              HEAD "@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n");
  expect_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
              HEAD "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n");
}

static void a_missing_last_newline_is_said(void **state) {
  (void)state;
  expect_diff("a\nb", "a\nb\n", HEAD "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
  expect_diff("a\nb", "c\nb", HEAD "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n");
}

static void created_deleted_binary_and_odd_names(void **state) {
  er_patch_file a[] = {kit_file("a b.lua", "1\n"), {"bin", "x\0y", 3}, kit_file("gone", "g\n"), kit_file("q\"t", "1\n")};
  er_patch_file b[] = {kit_file("a b.lua", "2\n"), {"bin", "x\0z", 3}, kit_file("new", "n\n"), kit_file("q\"t", "2\n")};
  er_buf out = {0};
  size_t added, removed;
  (void)state;
  er_patch_diff(a, 4, b, 4, &out);
  assert_string_equal(er_buf_cstr(&out),
      "diff --git a/a b.lua b/a b.lua\n--- a/a b.lua\t\n+++ b/a b.lua\t\n@@ -1 +1 @@\n-1\n+2\n"
      "diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n"
      "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-g\n"
      "diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+n\n"
      "diff --git \"a/q\\\"t\" \"b/q\\\"t\"\n--- \"a/q\\\"t\"\n+++ \"b/q\\\"t\"\n@@ -1 +1 @@\n-1\n+2\n");
  er_patch_diff_stat(out.ptr, out.len, &added, &removed);
  assert_int_equal(added, 3);
  assert_int_equal(removed, 3);
  er_buf_free(&out);
}

static void the_stat_counts_lines_that_look_like_headers(void **state) {
  er_buf out = diff_texts("-- x\ny\n", 7, "++ x\ny\n+\n", 9);
  size_t added, removed;
  (void)state;
  er_patch_diff_stat(out.ptr, out.len, &added, &removed);
  assert_int_equal(added, 2);
  assert_int_equal(removed, 1);
  er_buf_free(&out);
}

static void the_edit_script_is_the_shortest(void **state) {
  er_buf out = diff_texts("a\nb\nc\na\nb\nb\na\n", 14, "c\nb\na\nb\na\nc\n", 12);
  size_t added, removed;
  (void)state;
  er_patch_diff_stat(out.ptr, out.len, &added, &removed);
  assert_int_equal(added + removed, 5);                /* the example of Myers' paper */
  er_buf_free(&out);
}

/* ---- round trips ---- */

static void round_trip(const char *a, size_t n_a, const char *b, size_t n_b) {
  er_buf diff = diff_texts(a, n_a, b, n_b);
  er_patch_file f = {"pack.lua", a, n_a};
  er_patch_result r;
  er_patch_apply(&f, 1, &kit_one, er_buf_cstr(&diff), diff.len, &r);
  if (n_a == n_b && memcmp(a, b, n_a) == 0) {
    assert_string_equal(r.code, "no_change_found");
  } else {
    if (!r.applied) kit_fail_with(&r, er_buf_cstr(&diff));
    if (r.changes[0].after.len != n_b || (n_b > 0 && memcmp(r.changes[0].after.ptr, b, n_b) != 0))
      fail_msg("another text came out of\n%s\n--- it was\n%s\n--- not\n%.*s", er_buf_cstr(&diff),
               er_buf_cstr(&r.changes[0].after), (int)n_b, b);
  }
  er_patch_result_free(&r);
  er_buf_free(&diff);
}

/* A line of a small alphabet, so that repetitions abound, or of signs that a
 * diff itself is made of. */
static void add_random_line(er_rng *rng, er_buf *out) {
  static const char *const lines[] = {"", "a", "b", "  a", "end", "-- x", "++ y", "@@ -1 +1 @@", "--- a/pack.lua", "+++ b/pack.lua",
      "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "```", "\\ No newline at end of file", "diff --git a/x b/x", "\t", "a\r", "-", "+",
      "*** Begin Patch", "\xff\xfe", "rename from x"};
  er_buf_str(out, lines[er_rng_below(rng, er_rng_below(rng, 3) == 0 ? KIT_COUNT(lines) : 5)]);
  er_buf_str(out, er_rng_below(rng, 12) == 0 ? "\r\n" : "\n");
}

static er_buf random_text(er_rng *rng) {
  er_buf t = {0};
  for (size_t n = er_rng_below(rng, 40); n > 0; n--) add_random_line(rng, &t);
  if (t.len > 0 && er_rng_below(rng, 3) == 0) t.len--;
  return t;
}

/* Deletes, inserts or replaces a few runs of whole lines. */
static er_buf random_edit(er_rng *rng, const char *s, size_t n) {
  er_buf out = {0};
  size_t at = 0;
  while (at < n) {
    const char *nl = memchr(s + at, '\n', n - at);
    size_t len = nl != NULL ? (size_t)(nl - s) + 1 - at : n - at;
    uint64_t what = er_rng_below(rng, 20);
    if (what != 0) er_buf_add(&out, s + at, len);
    if (what <= 1) add_random_line(rng, &out);
    at += len;
  }
  if (er_rng_below(rng, 8) == 0) add_random_line(rng, &out);
  if (out.len > 0 && er_rng_below(rng, 8) == 0) out.len--;
  return out;
}

static void applying_a_diff_gives_the_other_text(void **state) {
  er_rng rng;
  (void)state;
  er_rng_seed(&rng, 1, "diff");
  for (int i = 0; i < 6000; i++) {
    er_buf a = random_text(&rng);
    er_buf b = i % 4 == 0 ? random_text(&rng) : random_edit(&rng, er_buf_cstr(&a), a.len);
    round_trip(er_buf_cstr(&a), a.len, er_buf_cstr(&b), b.len);
    er_buf_free(&a);
    er_buf_free(&b);
  }
}

static void a_real_text_survives_random_edits(void **state) {
  er_rng rng;
  (void)state;
  er_rng_seed(&rng, 2, "diff");
  for (int i = 0; i < 3000; i++) {
    er_buf b = random_edit(&rng, KIT_PACK, strlen(KIT_PACK));
    round_trip(KIT_PACK, strlen(KIT_PACK), er_buf_cstr(&b), b.len);
    er_buf_free(&b);
  }
}

static void a_diff_with_escapes_means_them(void **state) {
  static const char b[] = "# Signs\n\nWrite `&lt;` and `&amp;`.\n";
  (void)state;
  round_trip("# Signs\n", 8, b, sizeof b - 1);
}

static void large_different_texts_are_bounded(void **state) {
  er_buf a = {0}, b = {0};
  (void)state;
  for (int i = 0; i < 60000; i++) er_buf_fmt(&a, "left %d\n", i), er_buf_fmt(&b, "%s %d\n", i % 7 ? "right" : "left", i * 3);
  round_trip(a.ptr, a.len, b.ptr, b.len);
  er_buf_clear(&b);
  for (int i = 0; i < 200000; i++) er_buf_str(&b, "same\n");
  er_buf_clear(&a);
  for (int i = 0; i < 199000; i++) er_buf_str(&a, i % 1000 ? "same\n" : "other\n");
  round_trip(a.ptr, a.len, b.ptr, b.len);
  er_buf_free(&a);
  er_buf_free(&b);
}

static void a_tree_is_rebuilt_from_its_diff(void **state) {
  er_patch_file a[] = {kit_file("lib/a.lua", "1\n2\n"), kit_file("lib/b c.lua", "x\ny"), kit_file("lib/e.lua", ""), kit_file("pack.lua", KIT_PACK)};
  er_patch_file b[] = {kit_file("lib/b c.lua", "x\nz"), kit_file("lib/n.lua", ""), kit_file("lib/o.lua", "no end"), kit_file("pack.lua", "")};
  er_buf diff = {0};
  er_patch_result r;
  (void)state;
  er_patch_diff(a, 4, b, 4, &diff);
  er_patch_apply(a, 4, &kit_rules, diff.ptr, diff.len, &r);
  if (!r.applied) kit_fail_with(&r, diff.ptr);
  assert_int_equal(r.n_changes, 6);
  assert_int_equal(r.changes[0].kind, ER_CHANGE_DELETE);
  assert_string_equal(r.changes[1].after.ptr, "x\nz");
  assert_int_equal(r.changes[2].kind, ER_CHANGE_DELETE);
  assert_int_equal(r.changes[3].kind, ER_CHANGE_CREATE);
  assert_string_equal(r.changes[4].after.ptr, "no end");
  assert_int_equal(r.changes[5].after.len, 0);
  er_patch_result_free(&r);
  er_buf_free(&diff);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_trees_have_an_empty_diff),
      cmocka_unit_test(a_change_has_three_lines_of_context),
      cmocka_unit_test(near_changes_share_a_hunk_and_far_ones_do_not),
      cmocka_unit_test(a_missing_last_newline_is_said),
      cmocka_unit_test(created_deleted_binary_and_odd_names),
      cmocka_unit_test(the_stat_counts_lines_that_look_like_headers),
      cmocka_unit_test(the_edit_script_is_the_shortest),
      cmocka_unit_test(applying_a_diff_gives_the_other_text),
      cmocka_unit_test(a_real_text_survives_random_edits),
      cmocka_unit_test(a_diff_with_escapes_means_them),
      cmocka_unit_test(large_different_texts_are_bounded),
      cmocka_unit_test(a_tree_is_rebuilt_from_its_diff),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
