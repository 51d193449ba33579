/* test_patch_apply.c - whole replies: what is found, where it goes, what is kept. */

#include "patch_kit.h"

/* KIT_PACK with 0.1 made 0.2. */
#define PACK_02 \
  "local M = {}\n\nfunction M.radius(i)\n  local r = 0.2\n  if i > 3 then\n    r = r / 2\n  end\n  return r\nend\n\n" \
  "function M.count()\n  return 26\nend\n\nreturn M\n"

#define OK(reply) kit_expect(KIT_PACK, &kit_one, reply, PACK_02)

#define HUNK "@@ -3,4 +3,4 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n     r = r / 2\n"

static void a_git_diff_is_applied(void **state) {
  (void)state;
  OK("diff --git a/pack.lua b/pack.lua\nindex 123..456 100644\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK);
}

static void a_plain_diff_is_applied(void **state) {
  (void)state;
  OK("--- pack.lua\n+++ pack.lua\n" HUNK);
  OK("--- pack.lua\t2024-01-01 10:00:00.000 +0000\n+++ pack.lua\t2024-01-01 10:00:01.000 +0000\n" HUNK);
  OK("--- pack.lua 2024-01-01 10:00:00\n+++ pack.lua 2024-01-01 10:00:01\n" HUNK);
  OK("--- ./pack.lua\n+++ ./pack.lua\n" HUNK);
  OK("--- old/pack.lua\n+++ new/pack.lua\n" HUNK);
  OK("--- \"a/pack.lua\"\n+++ \"b/pack.lua\"\n" HUNK);
}

static void prose_and_fences_around_a_diff_are_ignored(void **state) {
  (void)state;
  OK("Sure! I will raise the radius.\n\n```diff\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "```\n\nThis should - help.\n");
  OK("- first a list\n- of points\n\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "\nThat is all.\n- really\n");
  OK("~~~patch\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "~~~");
  OK("Run it so:\n```sh\nerlua pack.lua\n```\nand\n````diff\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "````\n");
}

static void bare_hunk_headers_are_enough(void **state) {
  (void)state;
  OK("```diff\n@@\n-  local r = 0.1\n+  local r = 0.2\n```\n");
  OK("```diff\n--- a/pack.lua\n+++ b/pack.lua\n@@ ... @@\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n```\n");
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n");
  OK("```diff\n-  local r = 0.1\n+  local r = 0.2\n```\n");
}

static void wrong_numbers_and_counts_do_not_matter(void **state) {
  (void)state;
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -100,2 +7,99 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n");
  OK("```diff\n--- a/pack.lua\n+++ b/pack.lua\n@@ -1,1 +1,1 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n```\n");
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -99999999999999999999999999,1 +18446744073709551615,1 @@\n-  local r = 0.1\n+  local r = 0.2\n");
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -0,0 +0,0 @@\n-  local r = 0.1\n+  local r = 0.2\n");
}

static void blank_context_lines_may_have_lost_their_space(void **state) {
  (void)state;
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -1,5 +1,5 @@\n local M = {}\n\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n");
}

static void blank_lines_behind_a_hunk_are_not_context(void **state) {
  (void)state;
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -3,2 +3,2 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n\n\nDone.\n");
  OK("```diff\n--- a/pack.lua\n+++ b/pack.lua\n@@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n\n\n```\n");
}

static void search_replace_blocks_are_applied(void **state) {
  (void)state;
#define SR(open, mid, close) open "\n  local r = 0.1\n" mid "\n  local r = 0.2\n" close "\n"
  OK("pack.lua\n```lua\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE") "```\n");
  OK("```lua\npack.lua\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE") "```\n");
  OK("```lua pack.lua\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE") "```\n");
  OK(SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"));
  OK(SR("<<<<< SEARCH", "=====", ">>>>> REPLACE"));
  OK(SR("<<<<<<<<< SEARCH", "=========", ">>>>>>>>> REPLACE"));
  OK(SR("<<<<<<< ORIGINAL", "=======", ">>>>>>> UPDATED"));
  OK(SR("<<<<<<< SEARCH pack.lua", "=======", ">>>>>>> REPLACE"));
  OK(SR("<<<<<<< search", "======", ">>>>>>> replace"));
  OK(SR("------- SEARCH", "=======", "+++++++ REPLACE"));
  OK("### File: `pack.lua`\n\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"));
  OK("**1. pack.lua** (changed):\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"));
  OK("In `pack.lua` I would write:\n" SR("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"));
}

static void dividers_inside_code_do_not_confuse(void **state) {
  (void)state;
  kit_expect("Title\n=======\ntext\n", &kit_one, "<<<<<<< SEARCH\nTitle\n=======\ntext\n=======\nTitle\n=======\nmore\n>>>>>>> REPLACE\n",
             "Title\n=======\nmore\n");
  kit_expect("Title\n=====\ntext\n", &kit_one, "<<<<<<< SEARCH\nTitle\n=====\ntext\n=======\nTitle\n=====\nmore\n>>>>>>> REPLACE\n",
             "Title\n=====\nmore\n");
  kit_expect("a\nb\n", &kit_one, "<<<<<<< SEARCH\na\n=======\nTitle\n=======\n\nc\n>>>>>>> REPLACE\n", "Title\n=======\n\nc\nb\n");
  kit_expect("T\n=====\nb\n", &kit_one, "<<<<<<< SEARCH\nb\n=======\nTitle\n=======\n>>>>>>> REPLACE\n", "T\n=====\nTitle\n=======\n");
  kit_expect("a\n@@ -1 +1 @@\nb\n", &kit_one, "<<<<<<< SEARCH\n@@ -1 +1 @@\nb\n=======\n@@ -1 +1 @@\nc\n>>>>>>> REPLACE\n", "a\n@@ -1 +1 @@\nc\n");
}

static void an_empty_replacement_deletes(void **state) {
  (void)state;
  kit_expect("a\nb\nc\n", &kit_one, "<<<<<<< SEARCH\nb\n=======\n>>>>>>> REPLACE\n", "a\nc\n");
}

static void whole_files_are_applied(void **state) {
  (void)state;
  OK("```lua pack.lua\n" PACK_02 "```\n");
  OK("```lua:pack.lua\n" PACK_02 "```\n");
  OK("```lua title=\"pack.lua\"\n" PACK_02 "```\n");
  OK("Here it is.\n\n**pack.lua**\n\n```lua\n" PACK_02 "```\nDone.\n");
  OK("### `pack.lua`:\n```lua\n" PACK_02 "```\n");
  OK("```lua\n-- pack.lua\n" PACK_02 "```\n");
  OK("```lua\n-- File: pack.lua\n" PACK_02 "```\n");
  OK("1. `pack.lua`\n   ```lua\n   local M = {}\n\n   function M.radius(i)\n     local r = 0.2\n     if i > 3 then\n       r = r / 2\n     end\n"
     "     return r\n   end\n\n   function M.count()\n     return 26\n   end\n\n   return M\n   ```\n");
}

static void a_first_comment_that_the_file_has_is_kept(void **state) {
  (void)state;
  kit_expect("-- pack.lua\nreturn 1\n", &kit_one, "```lua\n-- pack.lua\nreturn 2\n```\n", "-- pack.lua\nreturn 2\n");
}

static void a_file_with_fences_inside_is_taken_whole(void **state) {
  (void)state;
  kit_expect("x\n", &kit_one, "pack.lua\n````\na\n```lua\nb\n```\nc\n````\n", "a\n```lua\nb\n```\nc\n");
  kit_expect("x\n", &kit_one, "pack.lua\n```\na\n```lua\nb\n```\nc\n```\n", "a\n```lua\nb\n```\nc\n");
}

static void an_unchanged_quotation_beside_an_edit_is_no_change(void **state) {
  (void)state;
  OK("pack.lua\n```lua\n" KIT_PACK "```\nbecomes\n<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> REPLACE\n");
}

static void several_files_and_forms_in_one_reply(void **state) {
  er_patch_file files[] = {kit_file("lib/a.lua", "a1\na2\na3\n"), kit_file("lib/b.lua", "b1\nb2\n"), kit_file("pack.lua", KIT_PACK)};
  const char *reply =
      "lib/b.lua\n```\nb1\nB2\n```\n"
      "--- a/pack.lua\n+++ b/pack.lua\n" HUNK
      "--- /dev/null\n+++ b/lib/new.lua\n@@ -0,0 +1,2 @@\n+n1\n+n2\n\n"
      "lib/a.lua\n<<<<<<< SEARCH\na1\n=======\nA1\n>>>>>>> REPLACE\n\nand\n\n<<<<<<< SEARCH\na3\n=======\nA3\n>>>>>>> REPLACE\n";
  er_patch_result r;
  (void)state;
  er_patch_apply(files, 3, &kit_rules, reply, strlen(reply), &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_int_equal(r.n_changes, 4);
  assert_int_equal(r.n_blocks, 5);
  assert_string_equal(r.changes[0].path, "lib/a.lua");
  assert_string_equal(r.changes[0].after.ptr, "A1\na2\nA3\n");
  assert_string_equal(r.changes[1].after.ptr, "b1\nB2\n");
  assert_string_equal(r.changes[2].path, "lib/new.lua");
  assert_int_equal(r.changes[2].kind, ER_CHANGE_CREATE);
  assert_string_equal(r.changes[2].after.ptr, "n1\nn2\n");
  assert_string_equal(r.changes[3].after.ptr, PACK_02);
  assert_string_equal(r.blocks[1].path, "pack.lua");
  assert_string_equal(r.blocks[1].rung, "exact");
  assert_int_equal(r.blocks[1].line, 3);
  er_patch_result_free(&r);
}

static void files_are_created_deleted_and_renamed(void **state) {
  er_patch_file files[] = {kit_file("lib/a.lua", "a1\na2\n"), kit_file("lib/b.lua", "b1\nb2\n"), kit_file("pack.lua", "")};
  const char *reply =
      "diff --git a/lib/a.lua b/lib/a.lua\ndeleted file mode 100644\n--- a/lib/a.lua\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a1\n-a2\n"
      "diff --git a/lib/b.lua b/lib/c.lua\nsimilarity index 50%\nrename from lib/b.lua\nrename to lib/c.lua\n--- a/lib/b.lua\n+++ b/lib/c.lua\n@@ -1,2 +1,2 @@\n b1\n-b2\n+c2\n"
      "diff --git a/lib/e.lua b/lib/e.lua\nnew file mode 100644\n"
      "diff --git a/pack.lua b/pack.lua\n--- a/pack.lua\n+++ b/pack.lua\n@@ -0,0 +1 @@\n+was empty\n";
  er_patch_result r;
  (void)state;
  er_patch_apply(files, 3, &kit_rules, reply, strlen(reply), &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_int_equal(r.n_changes, 5);
  assert_int_equal(r.changes[0].kind, ER_CHANGE_DELETE);
  assert_string_equal(r.changes[0].path, "lib/a.lua");
  assert_int_equal(r.changes[1].kind, ER_CHANGE_DELETE);
  assert_string_equal(r.changes[2].path, "lib/c.lua");
  assert_string_equal(r.changes[2].after.ptr, "b1\nc2\n");
  assert_string_equal(r.changes[3].path, "lib/e.lua");
  assert_int_equal(r.changes[3].after.len, 0);
  assert_string_equal(r.changes[4].after.ptr, "was empty\n");
  er_patch_result_free(&r);
}

static void a_new_file_may_end_without_a_newline(void **state) {
  er_patch_file f = kit_file("pack.lua", "x\n");
  const char *reply = "--- /dev/null\n+++ b/lib/new.lua\n@@\n+hello\n\\ No newline at end of file\n\nThat is all.\n";
  er_patch_result r;
  (void)state;
  er_patch_apply(&f, 1, &kit_rules, reply, strlen(reply), &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_string_equal(r.changes[0].after.ptr, "hello");
  er_patch_result_free(&r);
}

static void an_empty_search_creates_a_file(void **state) {
  er_patch_file f = kit_file("pack.lua", "x\n");
  const char *reply = "lib/new.lua\n<<<<<<< SEARCH\n=======\nhello\n>>>>>>> REPLACE\n";
  er_patch_result r;
  (void)state;
  er_patch_apply(&f, 1, &kit_rules, reply, strlen(reply), &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_int_equal(r.changes[0].kind, ER_CHANGE_CREATE);
  assert_string_equal(r.changes[0].after.ptr, "hello\n");
  er_patch_result_free(&r);
}

static void trailing_space_of_the_file_is_kept(void **state) {
  (void)state;
  kit_expect("a  \nb\t\nc\n", &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@\n a\n b\n-c\n+d\n", "a  \nb\t\nd\n");
  kit_expect("a  \nb\t\nc\n", &kit_one, "<<<<<<< SEARCH\na\nb\nc\n=======\na\nb\nd\n>>>>>>> REPLACE\n", "a  \nb\t\nd\n");
  kit_expect("a\nb\nc\n", &kit_one, "<<<<<<< SEARCH\na  \nb \n=======\na\nB\n>>>>>>> REPLACE\n", "a\nB\nc\n");
}

static void line_ends_of_the_file_are_kept(void **state) {
  (void)state;
  kit_expect("a\r\nb\r\nc\r\n", &kit_one, "<<<<<<< SEARCH\nb\n=======\nx\ny\n>>>>>>> REPLACE\n", "a\r\nx\r\ny\r\nc\r\n");
  kit_expect("a\r\nb\r\nc\r\n", &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n", "a\r\nx\r\nc\r\n");
  kit_expect("a\nb\nc\n", &kit_one, "<<<<<<< SEARCH\r\nb\r\n=======\r\nx\r\n>>>>>>> REPLACE\r\n", "a\nx\nc\n");
  kit_expect("a\nb\nc\n", &kit_one, "--- a/pack.lua\r\n+++ b/pack.lua\r\n@@ -1,3 +1,3 @@\r\n a\r\n-b\r\n+x\r\n c\r\n", "a\nx\nc\n");
  kit_expect("a\r\nb\r\n", &kit_one, "pack.lua\n```\na\nx\nb\n```\n", "a\r\nx\r\nb\r\n");
  kit_expect("a\r\nb\nc\r\nd\n", &kit_one, "<<<<<<< SEARCH\nb\n=======\nx\n>>>>>>> REPLACE\n", "a\r\nx\nc\r\nd\n");
}

static void a_missing_last_newline_stays_missing(void **state) {
  (void)state;
  kit_expect("a\nb", &kit_one, "<<<<<<< SEARCH\nb\n=======\nx\ny\n>>>>>>> REPLACE\n", "a\nx\ny");
  kit_expect("a\nb", &kit_one, "<<<<<<< SEARCH\na\n=======\nx\n>>>>>>> REPLACE\n", "x\nb");
  kit_expect("a\nb", &kit_one, "pack.lua\n```\na\nb\nc\n```\n", "a\nb\nc");
  kit_expect("a\nb", &kit_one, "@@ -1,2 +1,3 @@\n a\n b\n+c\n", "a\nb\nc");
  kit_expect("a\nb", &kit_one, "@@ -1,2 +1 @@\n a\n-b\n", "a");
  kit_expect("a\r\nb", &kit_one, "@@ -1,2 +1,3 @@\n a\n b\n+c\n", "a\r\nb\r\nc");
}

static void a_diff_may_say_how_the_file_ends(void **state) {
  (void)state;
  kit_expect("a\nb", &kit_one, "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n", "a\nb\n");
  kit_expect("a\nb\n", &kit_one, "@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n", "a\nb");
  kit_expect("a\nb", &kit_one, "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n", "a\nc");
}

static void a_byte_order_mark_is_kept(void **state) {
  (void)state;
  kit_expect("\xef\xbb\xbf" "a\nb\n", &kit_one, "<<<<<<< SEARCH\na\n=======\nx\n>>>>>>> REPLACE\n", "\xef\xbb\xbf" "x\nb\n");
  kit_expect("\xef\xbb\xbf" "a\nb\n", &kit_one, "pack.lua\n```\nc\n```\n", "\xef\xbb\xbf" "c\n");
  kit_expect("\xef\xbb\xbf" "a\nb\n", &kit_one, "@@ -1,2 +1,3 @@\n+0\n a\n b\n", "\xef\xbb\xbf" "0\na\nb\n");
  kit_expect("\xef\xbb\xbf" "a\nb\n", &kit_one, "@@ -1,2 +1,2 @@\n-\xef\xbb\xbf" "a\n+\xef\xbb\xbf" "x\n b\n", "\xef\xbb\xbf" "x\nb\n");
}

static void a_uniform_shift_of_indentation_is_made_good(void **state) {
  (void)state;
  OK("<<<<<<< SEARCH\nlocal r = 0.1\nif i > 3 then\n  r = r / 2\n=======\nlocal r = 0.2\nif i > 3 then\n  r = r / 2\n>>>>>>> REPLACE\n");
  OK("<<<<<<< SEARCH\n      local r = 0.1\n      if i > 3 then\n=======\n      local r = 0.2\n      if i > 3 then\n>>>>>>> REPLACE\n");
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@\n-local r = 0.1\n+local r = 0.2\n if i > 3 then\n");
}

static void order_and_numbers_choose_between_equal_places(void **state) {
  const char *text = "x\nsame\ny\nz\nsame\ny\nend\n";
  (void)state;
  kit_expect(text, &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@ -5,2 +5,2 @@\n-same\n+SAME\n y\n", "x\nsame\ny\nz\nSAME\ny\nend\n");
  kit_expect(text, &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@\n-z\n+Z\n@@\n-same\n+SAME\n y\n", "x\nsame\ny\nZ\nSAME\ny\nend\n");
  kit_expect(text, &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@\n-same\n+SAME\n y\n@@\n-z\n+Z\n", "x\nSAME\ny\nZ\nsame\ny\nend\n");
  kit_expect(text, &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@\n-same\n+ONE\n y\n@@\n-same\n+TWO\n y\n", "x\nONE\ny\nz\nTWO\ny\nend\n");
  kit_expect(text, &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@ -11 +11 @@\n-x\n+X\n@@ -15,2 +15,2 @@\n-same\n+SAME\n y\n", "X\nsame\ny\nz\nSAME\ny\nend\n");
}

static void several_hunks_land_in_order(void **state) {
  (void)state;
  kit_expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", &kit_one,
             "--- a/pack.lua\n+++ b/pack.lua\n@@ -1,2 +1,3 @@\n 1\n+1.5\n 2\n@@ -8,2 +9,1 @@\n 8\n-9\n", "1\n1.5\n2\n3\n4\n5\n6\n7\n8\n");
}

static void contexts_of_two_hunks_may_overlap(void **state) {
  (void)state;
  kit_expect("1\n2\n3\n4\n", &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@\n-1\n+one\n 2\n 3\n@@\n 2\n 3\n-4\n+four\n", "one\n2\n3\nfour\n");
}

static void removed_and_added_lines_may_look_like_headers(void **state) {
  (void)state;
  kit_expect("-- x\n-- y\nz\n", &kit_one, "--- a/pack.lua\n+++ b/pack.lua\n@@ -1,3 +1,3 @@\n--- x\n+++ x\n -- y\n z\n", "++ x\n-- y\nz\n");
  kit_expect("a\n-- x\nb\nc\nd\ne\nf\ng\nh\n", &kit_one,
             "--- a/pack.lua\n+++ b/pack.lua\n@@ -1,2 +1,2 @@\n a\n--- x\n+++ y\n@@ -8,2 +8,2 @@\n g\n-h\n+H\n", "a\n++ y\nb\nc\nd\ne\nf\ng\nH\n");
}

static void a_mail_signature_is_not_a_change(void **state) {
  (void)state;
  OK("From: me\nSubject: [PATCH] more\n\n---\n pack.lua | 2 +-\n\ndiff --git a/pack.lua b/pack.lua\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "-- \n2.39.2\n\n");
}

static void a_reply_without_a_last_newline_is_complete(void **state) {
  (void)state;
  OK("--- a/pack.lua\n+++ b/pack.lua\n@@ -3,2 +3,2 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2");
  OK("<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> REPLACE");
}

static void bad_utf8_in_prose_is_harmless(void **state) {
  const char reply[] = "\xff\xfe\0 prose \0\n--- a/pack.lua\n+++ b/pack.lua\n" HUNK "\0\xc3\n";
  er_patch_file f = kit_file("pack.lua", KIT_PACK);
  er_patch_result r;
  (void)state;
  er_patch_apply(&f, 1, &kit_one, reply, sizeof reply - 1, &r);
  if (!r.applied) kit_fail_with(&r, reply);
  assert_string_equal(r.changes[0].after.ptr, PACK_02);
  er_patch_result_free(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_git_diff_is_applied),
      cmocka_unit_test(a_plain_diff_is_applied),
      cmocka_unit_test(prose_and_fences_around_a_diff_are_ignored),
      cmocka_unit_test(bare_hunk_headers_are_enough),
      cmocka_unit_test(wrong_numbers_and_counts_do_not_matter),
      cmocka_unit_test(blank_context_lines_may_have_lost_their_space),
      cmocka_unit_test(blank_lines_behind_a_hunk_are_not_context),
      cmocka_unit_test(search_replace_blocks_are_applied),
      cmocka_unit_test(dividers_inside_code_do_not_confuse),
      cmocka_unit_test(an_empty_replacement_deletes),
      cmocka_unit_test(whole_files_are_applied),
      cmocka_unit_test(a_first_comment_that_the_file_has_is_kept),
      cmocka_unit_test(a_file_with_fences_inside_is_taken_whole),
      cmocka_unit_test(an_unchanged_quotation_beside_an_edit_is_no_change),
      cmocka_unit_test(several_files_and_forms_in_one_reply),
      cmocka_unit_test(files_are_created_deleted_and_renamed),
      cmocka_unit_test(a_new_file_may_end_without_a_newline),
      cmocka_unit_test(an_empty_search_creates_a_file),
      cmocka_unit_test(trailing_space_of_the_file_is_kept),
      cmocka_unit_test(line_ends_of_the_file_are_kept),
      cmocka_unit_test(a_missing_last_newline_stays_missing),
      cmocka_unit_test(a_diff_may_say_how_the_file_ends),
      cmocka_unit_test(a_byte_order_mark_is_kept),
      cmocka_unit_test(a_uniform_shift_of_indentation_is_made_good),
      cmocka_unit_test(order_and_numbers_choose_between_equal_places),
      cmocka_unit_test(several_hunks_land_in_order),
      cmocka_unit_test(contexts_of_two_hunks_may_overlap),
      cmocka_unit_test(removed_and_added_lines_may_look_like_headers),
      cmocka_unit_test(a_mail_signature_is_not_a_change),
      cmocka_unit_test(a_reply_without_a_last_newline_is_complete),
      cmocka_unit_test(bad_utf8_in_prose_is_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
