/* test_patch_plan.c - every reason to refuse a reply, and what the message says. */

#include "patch_kit.h"

#define SR(old, new) "<<<<<<< SEARCH\n" old "=======\n" new ">>>>>>> REPLACE\n"
#define HEADS(path) "--- a/" path "\n+++ b/" path "\n"

#define REFUSE(text, reply, ...) \
  do { \
    er_patch_file f_ = kit_file("pack.lua", text); \
    kit_refuse_on(&f_, 1, &kit_one, reply, __VA_ARGS__, NULL); \
  } while (0)

static er_patch_file tree[] = {
    {"evaluate.lua", "return 1\n", 9}, {"lib/a.lua", "a1\na2\n", 6}, {"lib/frozen.lua", "f\n", 2}, {"pack.lua", "p1\np2\n", 6}};

#define REFUSE_TREE(reply, ...) kit_refuse_on(tree, 4, &kit_rules, reply, __VA_ARGS__, NULL)

static void a_reply_without_a_change(void **state) {
  (void)state;
  REFUSE(KIT_PACK, "", "no_change_found", "unified diff", "SEARCH", "whole files");
  REFUSE(KIT_PACK, "I would not change anything.\n```lua\nprint(1)\n```\n", "no_change_found");
}

static void a_result_equal_to_the_original(void **state) {
  (void)state;
  REFUSE("a\nb\n", SR("a\n", "a\n"), "no_op");
  REFUSE("a\nb\n", "pack.lua\n```\na\nb\n```\n", "no_op");
  REFUSE("a\nb\n", HEADS("pack.lua") "@@ -1,2 +1,2 @@\n a\n-b\n+b\n", "no_op");
  REFUSE("a\nb", SR("b\n", "b\n"), "no_op");
}

static void frozen_and_unlisted_files(void **state) {
  (void)state;
  REFUSE_TREE("evaluate.lua\n" SR("return 1\n", "return 2\n"), "frozen", "evaluate.lua", "lib/a.lua, pack.lua");
  REFUSE_TREE("lib/frozen.lua\n" SR("f\n", "g\n"), "frozen");
  REFUSE_TREE("new.txt\n```\nx\n```\n", "frozen", "new.txt");
  REFUSE_TREE(HEADS("lib/a.lua") "@@\n-a1\n+A1\n" HEADS("evaluate.lua") "@@\n-return 1\n+return 2\n", "frozen", "block 2 of 2");
  REFUSE_TREE("diff --git a/evaluate.lua b/lib/e.lua\nrename from evaluate.lua\nrename to lib/e.lua\n", "frozen");
  REFUSE_TREE("diff --git a/evaluate.lua b/evaluate.lua\ndeleted file mode 100644\n--- a/evaluate.lua\n+++ /dev/null\n@@ -1 +0,0 @@\n-return 1\n", "frozen");
}

static void paths_that_leave_or_deceive(void **state) {
  static const char *const paths[] = {"../pack.lua", "/etc/passwd", "lib/../pack.lua", "lib//a.lua", "lib\\a.lua", "Pack.lua",
                                      "LIB/a.lua", "Lib/new.lua", "pack.lua/x.lua", "lib/../../x.lua", "lib/./a.lua"};
  char reply[256];
  (void)state;
  for (size_t i = 0; i < KIT_COUNT(paths); i++) {
    snprintf(reply, sizeof reply, "%s\n" SR("p1\n", "x\n"), paths[i]);
    kit_refuse_on(tree, 4, &kit_rules, reply, "bad_path", paths[i], NULL);
    snprintf(reply, sizeof reply, "--- a/%s\n+++ b/%s\n@@ -1 +1 @@\n-p1\n+x\n", paths[i], paths[i]);
    kit_refuse_on(tree, 4, &kit_rules, reply, "bad_path", NULL);
    snprintf(reply, sizeof reply, "%s\n```\nx\n```\n", paths[i]);
    kit_refuse_on(tree, 4, &kit_rules, reply, "bad_path", NULL);
  }
  REFUSE_TREE("--- /etc/passwd\n+++ /etc/passwd\n@@\n-p1\n+x\n", "bad_path");
  REFUSE_TREE("--- \"a/lib/\\001.lua\"\n+++ \"b/lib/\\001.lua\"\n@@\n-p1\n+x\n", "bad_path");
}

static void lines_that_are_not_there(void **state) {
  (void)state;
  REFUSE(KIT_PACK, SR("  local r = 0.1\n  if i > 4 then\n", "  local r = 0.2\n"), "not_found", "block 1 of 1", "if i > 4 then",
         "line 4", "     4 |   local r = 0.1", "line 5 of the file is `  if i > 3 then`, the block has `  if i > 4 then`",
         "Quote the old lines exactly");
  REFUSE(KIT_PACK, HEADS("pack.lua") "@@ -11,2 +11,2 @@\n function M.count()\n-  return 27\n+  return 30\n", "not_found", "line 12 of the file");
  REFUSE(KIT_PACK, SR("nothing like it at all\n", "x\n"), "not_found", "Nothing in the file");
  REFUSE("", SR("a\n", "b\n"), "not_found");
  REFUSE("a\n", SR("a\nb\nc\n", "b\n"), "not_found");
}

static void the_same_line_number_does_not_help_wrong_text(void **state) {
  (void)state;
  REFUSE("a\nb\nc\n", HEADS("pack.lua") "@@ -2 +2 @@\n-B\n+x\n", "not_found");
}

static void places_that_cannot_be_told_apart(void **state) {
  (void)state;
  REFUSE("x\nend\ny\nend\n", SR("end\n", "END\n"), "ambiguous", "2 places", "lines 2, 4", "Add lines above or below");
  REFUSE("x\nend\ny\nend\n", HEADS("pack.lua") "@@ -3 +3 @@\n-end\n+END\n", "ambiguous");
  REFUSE("x\nend\ny\nend\n", HEADS("pack.lua") "@@\n-end\n+END\n", "ambiguous");
  REFUSE("x\nend \ny\nend\t\n", SR("end\n", "END\n"), "ambiguous");
  REFUSE("a\nb\n", SR("", "c\n"), "ambiguous", "quotes no line");
  REFUSE("a\nb\n", HEADS("pack.lua") "@@ -1,0 +2 @@\n+c\n", "ambiguous", "line numbers alone are not trusted");
}

static void files_that_are_missing_or_unnamed(void **state) {
  (void)state;
  REFUSE_TREE("lib/b.lua\n" SR("x\n", "y\n"), "missing_file", "lib/b.lua", "lib/a.lua, pack.lua");
  REFUSE_TREE(SR("q1\n", "y\n"), "missing_file", "names no file", "lib/a.lua, pack.lua");
  REFUSE_TREE(SR("f\n", "y\n"), "missing_file", "none that may be changed has its old lines");
  REFUSE_TREE("diff --git a/lib/x.lua b/lib/y.lua\nrename from lib/x.lua\nrename to lib/y.lua\n", "missing_file");
  REFUSE_TREE("--- a/lib/z.lua\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", "missing_file");
}

static void files_that_exist_already(void **state) {
  (void)state;
  REFUSE_TREE("--- /dev/null\n+++ b/pack.lua\n@@ -0,0 +1 @@\n+x\n", "exists", "pack.lua");
  REFUSE_TREE("diff --git a/lib/a.lua b/pack.lua\nrename from lib/a.lua\nrename to pack.lua\n", "exists");
}

static void binary_files_and_changes(void **state) {
  er_patch_file f = {"pack.lua", "a\0b\n", 4};
  const char nul[] = "<<<<<<< SEARCH\na\n=======\n\0\n>>>>>>> REPLACE\n";
  er_patch_result r;
  (void)state;
  kit_refuse_on(&f, 1, &kit_one, SR("a\n", "b\n"), "binary", NULL);
  REFUSE("a\n", "diff --git a/pack.lua b/pack.lua\nBinary files a/pack.lua and b/pack.lua differ\n", "binary");
  f = kit_file("pack.lua", "a\n");
  er_patch_apply(&f, 1, &kit_one, nul, sizeof nul - 1, &r);
  assert_false(r.applied);
  assert_string_equal(r.code, "binary");
  er_patch_result_free(&r);
}

static void what_is_too_large(void **state) {
  size_t n = ER_PATCH_MAX_FILE + 1;
  char *big = er_malloc(n + 200);
  er_patch_file f = {"pack.lua", big, n};
  er_patch_result r;
  (void)state;
  memset(big, 'a', n);
  kit_refuse_on(&f, 1, &kit_one, SR("b\n", "c\n"), "too_large", NULL);
  f = kit_file("pack.lua", "a\n");
  er_patch_apply(&f, 1, &kit_one, big, n, &r);
  assert_string_equal(r.code, "too_large");
  er_patch_result_free(&r);
  f = (er_patch_file){"pack.lua", big, ER_PATCH_MAX_FILE};
  big[0] = 'b';
  big[1] = '\n';
  kit_refuse_on(&f, 1, &kit_one, SR("b\n", "b\nccccc\n"), "too_large", NULL);
  er_free(big);
}

static void replies_that_are_cut_off(void **state) {
  (void)state;
  REFUSE(KIT_PACK, "<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n", "truncated", "cut off");
  REFUSE(KIT_PACK, "<<<<<<< SEARCH\n  local r = 0.1\n", "truncated");
  REFUSE(KIT_PACK, SR("  local r = 0.1\n", "  local r = 0.2\n") "\n<<<<<<< SEARCH\n  return 26\n===", "truncated");
  REFUSE(KIT_PACK, "pack.lua\n```lua\nlocal M = {}\n\nfunction M.ra", "truncated", "fence");
  REFUSE(KIT_PACK, "```diff\n" HEADS("pack.lua") "@@ -3,3 +3,3 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n", "truncated");
  REFUSE(KIT_PACK, HEADS("pack.lua") "@@ -3,6 +3,9 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0", "truncated");
  REFUSE(KIT_PACK, HEADS("pack.lua"), "truncated");
}

/* A reply that ends exactly where the counts say that a hunk does is whole as far
 * as anyone can tell; everywhere else the open fence and the counts give it away. */
static void a_fenced_diff_is_refused_when_cut_inside_a_hunk(void **state) {
#define FIRST "Text.\n\n```diff\n" HEADS("pack.lua") "@@ -3,3 +3,3 @@\n function M.radius(i)\n-  local r = 0.1\n+  local r = 0.2\n   if i > 3 then\n"
#define SECOND "@@ -11,2 +11,2 @@\n function M.count()\n-  return 26\n+  return 27\n"
  const char *reply = FIRST SECOND "```\n";
  er_patch_file f = kit_file("pack.lua", KIT_PACK);
  er_patch_result r;
  (void)state;
  for (size_t n = 0; n < strlen(reply); n++) {
    er_patch_apply(&f, 1, &kit_one, reply, n, &r);
    bool whole = n == strlen(FIRST) || n >= strlen(FIRST SECOND);      /* a fence of two signs is as good as none */
    if (r.applied != whole) fail_msg("%s when cut to %.*s|", r.applied ? "applied" : "refused", (int)n, reply);
    er_patch_result_free(&r);
  }
}

static void changes_that_touch_each_other(void **state) {
  (void)state;
  REFUSE("a\nb\nc\n", SR("a\nb\n", "x\ny\n") SR("b\nc\n", "z\n"), "overlap", "blocks 1 and 2", "line 2");
  REFUSE("a\nb\nc\n", SR("a\n", "a\nx\n") SR("a\n", "a\ny\n"), "overlap");
  REFUSE("a\nb\nc\n", "pack.lua\n```\nx\n```\n" SR("b\n", "y\n"), "overlap");
  REFUSE("a\nb\nc\nd\n", HEADS("pack.lua") "@@\n-c\n+C\n d\n@@\n-c\n+D\n d\n", "overlap", "in order");
  REFUSE_TREE("lib/n.lua\n```\nx\n```\nlib/n.lua\n```\ny\n```\n", "overlap");
}

static void blocks_that_cannot_be_read(void **state) {
  (void)state;
  REFUSE("a\n", "<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "malformed", "=======");
  REFUSE("a\n", "```\n<<<<<<< SEARCH\na\n=======\nb\n```\nthat was it\n", "malformed", "REPLACE");
  REFUSE("a\n", "<<<<<<< SEARCH\na\n=======\nb\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", "malformed");
  REFUSE("a\n", HEADS("pack.lua") "\nnothing more\n", "malformed", "no hunk");
  REFUSE_TREE("--- /dev/null\n+++ b/lib/n.lua\n\nthat is all\n", "malformed", "no hunk");
  REFUSE_TREE("--- a/lib/a.lua\n+++ /dev/null\n\nthat is all\n", "malformed", "no hunk");
  REFUSE("a\nb\nc\n", "pack.lua\n```\na\n-- ... rest of the code unchanged ...\n```\n", "malformed", "leaves something out");
  REFUSE_TREE("--- a/lib/a.lua\n+++ /dev/null\n@@ -1 +0,0 @@\n-a1\n", "malformed", "1 of its 2 lines");
  REFUSE_TREE("--- /dev/null\n+++ b/lib/n.lua\n@@ -1 +1 @@\n+x\n-y\n", "malformed");
  REFUSE("x\n", "pack.lua\n```\na\n```\n\nb\n```\nc\n```\n\n```\n", "malformed", "do not pair up");
}

static void nothing_of_a_partly_good_reply_is_applied(void **state) {
  er_patch_result r;
  const char *reply = SR("a\n", "A\n") SR("missing\n", "B\n");
  (void)state;
  kit_apply_one("a\nb\n", &kit_one, reply, &r);
  assert_false(r.applied);
  assert_int_equal(r.n_changes, 0);
  assert_int_equal(r.n_blocks, 2);
  assert_string_equal(r.code, "not_found");
  assert_non_null(strstr(r.message.ptr, "block 2 of 2"));
  er_patch_result_free(&r);
}

static void messages_are_clean_text_whatever_the_bytes(void **state) {
  const char reply[] = "<<<<<<< SEARCH\n\xff\x01\x1b[31m\0z\n=======\nx\n>>>>>>> REPLACE\n";
  er_patch_file f = kit_file("pack.lua", "a\xff\xfe\n\x1b]0;\n");
  er_patch_result r;
  (void)state;
  er_patch_apply(&f, 1, &kit_one, reply, sizeof reply - 1, &r);
  assert_string_equal(r.code, "not_found");
  assert_int_equal(strlen(r.message.ptr), r.message.len);
  for (size_t i = 0; i < r.message.len; i++) assert_true((unsigned char)r.message.ptr[i] >= 0x20 || r.message.ptr[i] == '\n');
  er_patch_result_free(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reply_without_a_change),
      cmocka_unit_test(a_result_equal_to_the_original),
      cmocka_unit_test(frozen_and_unlisted_files),
      cmocka_unit_test(paths_that_leave_or_deceive),
      cmocka_unit_test(lines_that_are_not_there),
      cmocka_unit_test(the_same_line_number_does_not_help_wrong_text),
      cmocka_unit_test(places_that_cannot_be_told_apart),
      cmocka_unit_test(files_that_are_missing_or_unnamed),
      cmocka_unit_test(files_that_exist_already),
      cmocka_unit_test(binary_files_and_changes),
      cmocka_unit_test(what_is_too_large),
      cmocka_unit_test(replies_that_are_cut_off),
      cmocka_unit_test(a_fenced_diff_is_refused_when_cut_inside_a_hunk),
      cmocka_unit_test(changes_that_touch_each_other),
      cmocka_unit_test(blocks_that_cannot_be_read),
      cmocka_unit_test(nothing_of_a_partly_good_reply_is_applied),
      cmocka_unit_test(messages_are_clean_text_whatever_the_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
