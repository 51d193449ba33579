/* test_patch_parse.c - what a reply is read as, before any file is looked at. */

#include "patch_kit.h"

#include "patch/parse.h"

static er_parsed parsed;
static er_refusal why;

static int parse(const char *reply) {
  static const er_patch_file files[] = {{"Makefile", "", 0}, {"lib/a.lua", "a\n", 2}, {"pack.lua", "", 0}, {"with space.lua", "", 0}};
  er_parsed_free(&parsed);
  er_buf_free(&why.text);
  return er_patch_parse(reply, strlen(reply), files, 4, &parsed, &why);
}

static int done(void **state) {
  (void)state;
  er_parsed_free(&parsed);
  er_buf_free(&why.text);
  return 0;
}

static void expect_path(const char *reply, const char *path) {
  if (parse(reply) < 0) fail_msg("%s\n%s", why.text.ptr, reply);
  if (parsed.n_blocks != 1) fail_msg("%zu blocks in\n%s", parsed.n_blocks, reply);
  if (path == NULL) assert_null(parsed.blocks[0].path);
  else if (parsed.blocks[0].path == NULL) fail_msg("no path in\n%s", reply);
  else assert_string_equal(parsed.blocks[0].path, path);
}

#define SR "<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n"

static void a_path_is_found_where_models_write_it(void **state) {
  (void)state;
  expect_path("src/x.c\n" SR, "src/x.c");
  expect_path("src/x.c\n\n" SR, "src/x.c");
  expect_path("src/x.c\n```c\n" SR "```\n", "src/x.c");
  expect_path("```c\nsrc/x.c\n" SR "```\n", "src/x.c");
  expect_path("```c src/x.c\n" SR "```\n", "src/x.c");
  expect_path("```c:src/x.c\n" SR "```\n", "src/x.c");
  expect_path("```c {file=src/x.c}\n" SR "```\n", "src/x.c");
  expect_path("## `src/x.c`\n" SR, "src/x.c");
  expect_path("**File: src/x.c**\n" SR, "src/x.c");
  expect_path("Filename: \"src/x.c\"\n" SR, "src/x.c");
  expect_path("- src/x.c:\n" SR, "src/x.c");
  expect_path("2. src/x.c\n" SR, "src/x.c");
  expect_path("// src/x.c\n" SR, "src/x.c");
  expect_path("/* src/x.c */\n" SR, "src/x.c");
  expect_path("Makefile\n" SR, "Makefile");
  expect_path("with space.lua\n" SR, "with space.lua");
  expect_path("Now change lib/a.lua, please:\n" SR, "lib/a.lua");
  expect_path("In the `Makefile`:\n```\n" SR "```\n", "Makefile");
  expect_path("The `lib/a.lua` calls pack.lua:\n" SR, NULL);
  expect_path("Some words, e.g. these.\n" SR, NULL);
  expect_path("Use math.floor here\n" SR, NULL);
  expect_path(SR, NULL);
}

static void a_block_goes_on_in_the_file_of_the_one_before(void **state) {
  (void)state;
  assert_int_equal(parse("src/x.c\n```\n" SR "\n" SR "```\ntext\n" SR "src/y.c\n" SR), 0);
  assert_int_equal(parsed.n_blocks, 4);
  assert_string_equal(parsed.blocks[1].path, "src/x.c");
  assert_string_equal(parsed.blocks[2].path, "src/x.c");
  assert_string_equal(parsed.blocks[3].path, "src/y.c");
}

#define HUNK "@@ -1 +1 @@\n-x\n+y\n"

static void the_paths_of_diff_headers(void **state) {
  (void)state;
  expect_path("--- a/src/x.c\n+++ b/src/x.c\n" HUNK, "src/x.c");
  expect_path("--- src/x.c\n+++ src/x.c\n" HUNK, "src/x.c");
  expect_path("--- src/x.c.orig\n+++ src/x.c\n" HUNK, "src/x.c");
  expect_path("--- a/src/x.c\t2024-01-01 00:00:00\n+++ b/src/x.c\t2024-01-01 00:00:00\n" HUNK, "src/x.c");
  expect_path("--- `src/x.c`\n+++ `src/x.c`\n" HUNK, "src/x.c");
  expect_path("--- /dev/null\n+++ b/src/x.c\n@@ -0,0 +1 @@\n+y\n", "src/x.c");
  expect_path("--- a/src/x.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n", "src/x.c");
  expect_path("--- a/src/x.c\n" HUNK, "src/x.c");
  expect_path("+++ b/src/x.c\n" HUNK, "src/x.c");
  expect_path("--- a/lib/a.lua\n+++ a/lib/a.lua\n" HUNK, "lib/a.lua");
  expect_path("--- lib/a.lua\n+++ b/lib/a.lua\n" HUNK, "lib/a.lua");
  expect_path("--- one/lib/a.lua\n+++ two/lib/a.lua\n" HUNK, "lib/a.lua");
  expect_path("--- ../lib/a.lua\n+++ ../lib/a.lua\n" HUNK, "../lib/a.lua");
  expect_path("--- \"a/s\\303\\244.c\"\n+++ \"b/s\\303\\244.c\"\n" HUNK, "s\xc3\xa4.c");
  expect_path("diff --git a/src/x.c b/src/x.c\nnew file mode 100644\nindex 000..e69\n", "src/x.c");
  expect_path("src/x.c\n```diff\n" HUNK "```\n", "src/x.c");
  expect_path("```diff src/x.c\n" HUNK "```\n", "src/x.c");
  expect_path("```diff\n" HUNK "```\n", NULL);
}

static void hunks_keep_their_hints_and_lines(void **state) {
  (void)state;
  assert_int_equal(parse("--- a/x.c\n+++ b/x.c\n@@ -10,3 +12,4 @@ f()\n a\n-b\n+c\n+d\n\n@@ ... @@\n-e\n\\ No newline at end of file\n+f\n"), 0);
  assert_int_equal(parsed.n_hunks, 2);
  assert_int_equal(parsed.hunks[0].old_line, 10);
  assert_int_equal(parsed.hunks[0].to - parsed.hunks[0].from, 5);
  assert_int_equal(parsed.hunks[0].reply_line, 3);
  assert_int_equal(parsed.hunks[1].old_line, 0);
  assert_true(parsed.hunks[1].says_end);
}

static void creation_deletion_renaming_are_read(void **state) {
  (void)state;
  assert_int_equal(parse("diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n"
                         "diff --git a/d.c b/d.c\ndeleted file mode 100644\n--- a/d.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
                         "diff --git a/b.bin b/b.bin\nGIT binary patch\n"), 0);
  assert_int_equal(parsed.n_blocks, 3);
  assert_string_equal(parsed.blocks[0].from_path, "x.c");
  assert_string_equal(parsed.blocks[0].path, "y.c");
  assert_true(parsed.blocks[1].deletes);
  assert_true(parsed.blocks[2].binary);
}

static void fences_without_a_path_are_illustrations(void **state) {
  (void)state;
  assert_int_equal(parse("```python\nprint(1)\n```\nand `code` and ```inline``` and\n~~~\nmore\n~~~\n```\n"), 0);
  assert_int_equal(parsed.n_blocks, 0);
}

static void whole_files_take_their_path_from_a_clear_place_only(void **state) {
  (void)state;
  expect_path("src/x.c\n```c\nint x;\n```\n", "src/x.c");
  expect_path("```c\n// src/x.c\nint x;\n```\n", "src/x.c");
  expect_path("<!-- x -->\n```html\n<!-- www/x.html -->\n<p>\n```\n", "www/x.html");
  assert_int_equal(parse("In lib/a.lua the old code was:\n```lua\nreturn 1\n```\n"), 0);
  assert_int_equal(parsed.n_blocks, 0);
}

static void several_dividers_make_alternatives(void **state) {
  (void)state;
  assert_int_equal(parse("<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n"), 0);
  assert_int_equal(parsed.n_blocks, 1);
  assert_int_equal(parsed.blocks[0].n_hunks, 2);
  assert_int_equal(parse("<<<<<<< SEARCH\na\n=====\nb\n=======\nc\n  =======\n>>>>>>> REPLACE\n"), 0);
  assert_int_equal(parsed.blocks[0].n_hunks, 1);
}

static void nothing_that_looks_like_a_change_is_passed_over(void **state) {
  static const char *const replies[] = {
      "<<<< SEARCH\na\n====\nb\n>>>> REPLACE\n", "<<<<<<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", "a\n=======\nb\n>>>>>>> REPLACE\n",
      "*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n*** End Patch\n", "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\nlost its sign\n@@\n+a\n",
      "--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n\nno lines\n", "lib/a.lua\n```\n```\n"};
  (void)state;
  for (size_t i = 0; i < KIT_COUNT(replies); i++) {
    bool refused = parse(replies[i]) < 0;
    size_t lines = parsed.lines.n;
    if (!refused && lines < 2) fail_msg("passed over:\n%s", replies[i]);
    if (refused) assert_string_equal(why.code, "malformed");
  }
}

static void expect_lines(const char *reply, size_t lines) {
  if (parse(reply) < 0) fail_msg("%s\n%s", why.text.ptr, reply);
  assert_int_equal(parsed.n_hunks, 1);
  if (parsed.hunks[0].to - parsed.hunks[0].from != lines) fail_msg("%zu lines in\n%s", parsed.hunks[0].to - parsed.hunks[0].from, reply);
}

static void a_bare_hunk_ends_where_prose_begins(void **state) {
#define H "--- a/x.c\n+++ b/x.c\n"
  (void)state;
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\nProse.\n", 3);
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\nProse.\n- a list\n", 3);
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\n- a list\n- goes on\n", 3);
  expect_lines(H "@@\n a\n-b\n+c\nProse.\n", 3);
  expect_lines(H "@@ -1,4 +1,5 @@\n a\n-b\n+c\nd\n+e\n", 5);
  expect_lines(H "@@\n a\n-b\n+c\nd\n+e\n", 5);
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\nd\n+e\n", 5);
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\n+e\n d\n", 6);
  expect_lines(H "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\n-  e\n d\n", 6);
}

static void a_hunk_without_a_header_goes_on_in_the_same_file(void **state) {
  (void)state;
  assert_int_equal(parse("```diff\n" H "@@\n-a\n+b\n```\nand further down\n```diff\n@@\n-c\n+d\n```\n"), 0);
  assert_int_equal(parsed.n_blocks, 2);
  assert_string_equal(parsed.blocks[1].path, "x.c");
}

static void a_copy_without_its_target_is_no_copy(void **state) {
  (void)state;
  assert_int_equal(parse("diff --git a/pack.lua b/pack.lua\ncopy from x.lua\n--- a/pack.lua\n+++ b/pack.lua\n@@\n-a\n+b\n"), 0);
  assert_string_equal(parsed.blocks[0].path, "pack.lua");
  assert_false(parsed.blocks[0].copies);
}

/* In a buffer of its own size, so that a byte read behind it is seen. */
static void a_reply_that_ends_in_a_label_is_read_to_its_end(void **state) {
  static const char text[] = "```\n--- a/x.c\n+++ b/x.c\n@@\n-a\n+b\nfile path `";
  char *reply = er_malloc(sizeof text - 1);
  (void)state;
  memcpy(reply, text, sizeof text - 1);
  er_patch_parse(reply, sizeof text - 1, NULL, 0, &parsed, &why);
  er_parsed_free(&parsed);
  er_free(reply);
}

static void the_names_of_a_renaming_may_have_prefixes(void **state) {
  (void)state;
  assert_int_equal(parse("diff --git a/pack.lua b/new.lua\nrename from a/pack.lua\nrename to b/new.lua\n"), 0);
  assert_string_equal(parsed.blocks[0].from_path, "pack.lua");
  assert_string_equal(parsed.blocks[0].path, "new.lua");
}

static void a_nul_byte_is_no_sign(void **state) {
  static const char reply[] = "```diff\n" H "@@\n a\n\0b\n+c\n```\n";
  (void)state;
  assert_int_equal(er_patch_parse(reply, sizeof reply - 1, NULL, 0, &parsed, &why), 0);
  assert_int_equal(parsed.lines.n, 3);
  assert_int_equal(parsed.lines.v[1].op, ' ');
  assert_int_equal(parsed.lines.v[1].n, 2);
}

static void many_unbalanced_fences_take_bounded_time(void **state) {
  er_buf reply = {0};
  (void)state;
  for (int i = 0; i < 40000; i++) er_buf_str(&reply, "```a\n```b\n@@\n+x\n```\n");
  parse(reply.ptr);
  er_buf_free(&reply);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_path_is_found_where_models_write_it, done),
      cmocka_unit_test_teardown(a_block_goes_on_in_the_file_of_the_one_before, done),
      cmocka_unit_test_teardown(the_paths_of_diff_headers, done),
      cmocka_unit_test_teardown(hunks_keep_their_hints_and_lines, done),
      cmocka_unit_test_teardown(creation_deletion_renaming_are_read, done),
      cmocka_unit_test_teardown(fences_without_a_path_are_illustrations, done),
      cmocka_unit_test_teardown(whole_files_take_their_path_from_a_clear_place_only, done),
      cmocka_unit_test_teardown(several_dividers_make_alternatives, done),
      cmocka_unit_test_teardown(nothing_that_looks_like_a_change_is_passed_over, done),
      cmocka_unit_test_teardown(a_bare_hunk_ends_where_prose_begins, done),
      cmocka_unit_test_teardown(a_hunk_without_a_header_goes_on_in_the_same_file, done),
      cmocka_unit_test_teardown(a_copy_without_its_target_is_no_copy, done),
      cmocka_unit_test_teardown(a_reply_that_ends_in_a_label_is_read_to_its_end, done),
      cmocka_unit_test_teardown(the_names_of_a_renaming_may_have_prefixes, done),
      cmocka_unit_test_teardown(a_nul_byte_is_no_sign, done),
      cmocka_unit_test_teardown(many_unbalanced_fences_take_bounded_time, done),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
