/* test_patch_region.c - environments whose files may change only between markers. */

#include "patch_kit.h"

static const er_patch_rules region = {kit_one_glob, 1, "EVOLVE-BLOCK", NULL, 0, NULL};

#define TEXT "top\n# EVOLVE-BLOCK-START\nin1\nin2\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  in3\n  /* EVOLVE-BLOCK-END */\nbottom\n"
#define SR(old, new) "<<<<<<< SEARCH\n" old "=======\n" new ">>>>>>> REPLACE\n"
#define DIFF "--- a/pack.lua\n+++ b/pack.lua\n"

#define OK(reply, after) kit_expect(TEXT, &region, reply, after)
#define REFUSE(reply, ...) \
  do { \
    er_patch_file f_ = kit_file("pack.lua", TEXT); \
    kit_refuse_on(&f_, 1, &region, reply, __VA_ARGS__, NULL); \
  } while (0)

static void edits_between_markers_are_accepted(void **state) {
  (void)state;
  OK(SR("in1\n", "IN1\nmore\n"), "top\n# EVOLVE-BLOCK-START\nIN1\nmore\nin2\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  in3\n  /* EVOLVE-BLOCK-END */\nbottom\n");
  OK(SR("in1\nin2\n", ""), "top\n# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  in3\n  /* EVOLVE-BLOCK-END */\nbottom\n");
  OK(SR("  in3\n", "  x\n"), "top\n# EVOLVE-BLOCK-START\nin1\nin2\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  x\n  /* EVOLVE-BLOCK-END */\nbottom\n");
}

static void a_diff_may_show_markers_as_context(void **state) {
  (void)state;
  OK(DIFF "@@ -1,10 +1,10 @@\n top\n # EVOLVE-BLOCK-START\n+in0\n in1\n-in2\n # EVOLVE-BLOCK-END\n mid\n   -- EVOLVE-BLOCK-START --\n-  in3\n+  x\n   /* EVOLVE-BLOCK-END */\n bottom\n",
     "top\n# EVOLVE-BLOCK-START\nin0\nin1\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  x\n  /* EVOLVE-BLOCK-END */\nbottom\n");
}

static void a_whole_file_may_differ_inside_only(void **state) {
  (void)state;
  OK("pack.lua\n```\ntop\n# EVOLVE-BLOCK-START\nnew\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  /* EVOLVE-BLOCK-END */\nbottom\n```\n",
     "top\n# EVOLVE-BLOCK-START\nnew\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  /* EVOLVE-BLOCK-END */\nbottom\n");
  REFUSE("pack.lua\n```\nTOP\n# EVOLVE-BLOCK-START\nin1\nin2\n# EVOLVE-BLOCK-END\nmid\n  -- EVOLVE-BLOCK-START --\n  in3\n  /* EVOLVE-BLOCK-END */\nbottom\n```\n",
         "outside_region", "line 1");
}

static void edits_outside_are_refused(void **state) {
  (void)state;
  REFUSE(SR("mid\n", "MID\n"), "outside_region", "line 6", "block 1 of 1", "EVOLVE-BLOCK-START");
  REFUSE(SR("top\n", "top\nmore\n"), "outside_region");
  REFUSE(SR("bottom\n", "bottom\nmore\n"), "outside_region");
  REFUSE(SR("bottom\n", ""), "outside_region");
  REFUSE(SR("in1\n", "x\n") SR("mid\n", "MID\n"), "outside_region", "block 2 of 2");
  REFUSE(DIFF "@@\n-bottom\n+bottom\n\\ No newline at end of file\n", "outside_region");
}

static void markers_may_not_change(void **state) {
  (void)state;
  REFUSE(DIFF "@@\n in2\n-# EVOLVE-BLOCK-END\n+# EVOLVE-BLOCK-END.\n mid\n", "region_marker");
  REFUSE(DIFF "@@\n in2\n-# EVOLVE-BLOCK-END\n mid\n", "region_marker");
  REFUSE(DIFF "@@\n-# EVOLVE-BLOCK-END\n-mid\n+mid\n+# EVOLVE-BLOCK-END\n", "outside_region");
  REFUSE(SR("in1\n", "in1\n# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\n"), "region_marker");
  REFUSE(DIFF "@@\n-in1\n+# EVOLVE-BLOCK-END\n+free\n+# EVOLVE-BLOCK-START\n", "region_marker");
}

static void a_block_that_spans_a_marker_is_refused(void **state) {
  (void)state;
  REFUSE(SR("in2\n# EVOLVE-BLOCK-END\nmid\n", "IN2\n# EVOLVE-BLOCK-END\nmid\n"), "region_marker", "Leave the marker lines out");
}

static void no_file_is_created_deleted_or_renamed(void **state) {
  static const char *const any[] = {"*.lua"};
  const er_patch_rules rules = {any, 1, "EVOLVE-BLOCK", NULL, 0, NULL};
  er_patch_file f = kit_file("pack.lua", "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n");
  (void)state;
  kit_refuse_on(&f, 1, &rules, "new.lua\n```\n# EVOLVE-BLOCK-START\nx\n# EVOLVE-BLOCK-END\n```\n", "outside_region", "creates", NULL);
  kit_refuse_on(&f, 1, &rules, "diff --git a/pack.lua b/pack.lua\ndeleted file mode 100644\n", "outside_region", "deletes", NULL);
  kit_refuse_on(&f, 1, &rules, "diff --git a/pack.lua b/x.lua\nrename from pack.lua\nrename to x.lua\n", "outside_region", "renames", NULL);
}

static void line_ends_outside_may_not_change_either(void **state) {
  er_patch_file f = kit_file("pack.lua", "a\r\n# EVOLVE-BLOCK-START\r\nb\r\n# EVOLVE-BLOCK-END\r\n");
  (void)state;
  kit_refuse_on(&f, 1, &region, DIFF "@@ -1 +1 @@\n-a\r\n+a\n", "outside_region", NULL);
  kit_expect(f.bytes, &region, SR("b\n", "c\n"), "a\r\n# EVOLVE-BLOCK-START\r\nc\r\n# EVOLVE-BLOCK-END\r\n");
}

static int check(const char *text, er_err *err) {
  er_patch_file f[] = {kit_file("frozen.lua", "no markers\n"), kit_file("pack.lua", text)};
  return er_patch_check_regions(f, 2, &region, err);
}

static void an_environment_is_checked_for_its_markers(void **state) {
  er_err err;
  (void)state;
  assert_int_equal(check(TEXT, &err), 0);
  assert_int_equal(check("<!-- EVOLVE-BLOCK-START -->\n--[[ EVOLVE-BLOCK-END ]]\n", &err), 0);
  assert_int_equal(check("\xef\xbb\xbf# EVOLVE-BLOCK-START\r\n# EVOLVE-BLOCK-END", &err), 0);
  assert_int_equal(check("nothing\n", &err), -1);
  assert_string_equal(err.code, "region_marker");
  assert_non_null(strstr(err.msg, "pack.lua"));
  assert_int_equal(check("# EVOLVE-BLOCK-START\n", &err), -1);
  assert_non_null(strstr(err.msg, "pack.lua:1"));
  assert_int_equal(check("# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-START\n", &err), -1);
  assert_int_equal(check("# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-END\n", &err), -1);
  assert_non_null(strstr(err.msg, "nest"));
  assert_int_equal(check("x = \"EVOLVE-BLOCK-START\"\n# see EVOLVE-BLOCK-END\n# EVOLVE-BLOCK-STARTED\n", &err), -1);
  assert_int_equal(er_patch_check_regions(&(er_patch_file){"pack.lua", "x\n", 2}, 1, &kit_one, &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(edits_between_markers_are_accepted),
      cmocka_unit_test(a_diff_may_show_markers_as_context),
      cmocka_unit_test(a_whole_file_may_differ_inside_only),
      cmocka_unit_test(edits_outside_are_refused),
      cmocka_unit_test(markers_may_not_change),
      cmocka_unit_test(a_block_that_spans_a_marker_is_refused),
      cmocka_unit_test(no_file_is_created_deleted_or_renamed),
      cmocka_unit_test(line_ends_outside_may_not_change_either),
      cmocka_unit_test(an_environment_is_checked_for_its_markers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
