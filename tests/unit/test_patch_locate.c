/* test_patch_locate.c - the ladder of matchers, rung by rung. */

#include "patch_kit.h"

#include "base/path.h"
#include "patch/locate.h"

/* A hunk of the given old lines that removes them all. */
typedef struct {
  er_lines file, old;
  er_range *none;
  er_pattern pattern;
  er_index *index;
  er_search search;
  size_t work;
} rig;

static void open_rig(rig *r, const char *file, size_t n, const char *pattern, size_t m) {
  *r = (rig){0};
  er_lines_split(&r->file, file, n);
  er_lines_split(&r->old, pattern, m);
  for (size_t i = 0; i < r->old.n; i++) r->old.v[i].op = '-';
  r->none = er_calloc(r->old.n + 1, sizeof *r->none);
  r->pattern = (er_pattern){r->old.v, r->none, NULL, r->old.n, NULL};
  r->index = er_index_new(r->file.v, r->file.n);
  r->search = (er_search){r->index, &r->pattern, &r->work};
}

static void close_rig(rig *r) {
  er_index_free(r->index);
  er_free(r->none);
  er_lines_free(&r->file);
  er_lines_free(&r->old);
}

/* "rung@line,line" (1-based), or "nowhere". */
static void expect(const char *file, const char *pattern, const char *expected) {
  rig r;
  er_places places = {0};
  er_buf text = {0};
  open_rig(&r, file, strlen(file), pattern, strlen(pattern));
  er_locate(&r.search, &places);
  if (places.n == 0) er_buf_str(&text, "nowhere");
  else er_buf_fmt(&text, "%s@", er_locate_rung_name(places.rung));
  for (size_t i = 0; i < places.n; i++) er_buf_fmt(&text, "%s%zu", i > 0 ? "," : "", places.v[i].line + 1);
  assert_string_equal(text.ptr, expected);
  er_buf_free(&text);
  er_places_free(&places);
  close_rig(&r);
}

static void exact_places_are_all_found(void **state) {
  (void)state;
  expect("a\nb\nc\n", "b\n", "exact@2");
  expect("a\nb\nc\n", "a\nb\nc\n", "exact@1");
  expect("a\nb\na\nb\n", "a\nb\n", "exact@1,3");
  expect("a\na\na\na\n", "a\na\n", "exact@1,2,3");
  expect("a\na\nb\na\na\na\nb\n", "a\na\nb\n", "exact@1,5");
  expect("a\nb", "b\n", "exact@2");
  expect("\n\n", "\n", "exact@1,2");
}

static void what_is_not_there_is_nowhere(void **state) {
  (void)state;
  expect("a\nb\n", "c\n", "nowhere");
  expect("a\nb\n", "a\nb\nc\n", "nowhere");
  expect("", "a\n", "nowhere");
  expect("a\n", "", "nowhere");
  expect("a b\n", "ab\n", "nowhere");
  expect("a\n", "A\n", "nowhere");
}

static void an_exact_place_wins_over_tolerant_ones(void **state) {
  (void)state;
  expect("a \na\n", "a\n", "exact@2");
  expect("  a\na\t\n", "a\n", "trailing-space@2");
}

static void trailing_space_may_differ(void **state) {
  (void)state;
  expect("a  \nb\t\nc\n", "a\nb\n", "trailing-space@1");
  expect("a\nb\n", "a \nb \n", "trailing-space@1");
  expect("   \na\n", "\na\n", "trailing-space@1");
}

static void line_ends_may_differ(void **state) {
  (void)state;
  expect("a\r\nb\r\n", "a\nb\n", "line-ends@1");
  expect("a\nb\n", "a\r\nb\r\n", "line-ends@1");
  expect("a \r\nb\n", "a\nb\r\n", "line-ends@1");
  expect("}\r\na\r\n}", "}\n", "line-ends@1,3");
}

static void indentation_may_differ_if_it_does_so_evenly(void **state) {
  (void)state;
  expect("  if a\n    b\n  end\n", "if a\n  b\nend\n", "indentation@1");
  expect("if a\n  b\n", "    if a\n      b\n", "indentation@1");
  expect("\tif a\n\n\t\tb\n", "if a\n\n\tb\n", "indentation@1");
  expect("  if a\n  b\n", "if a\n  b\n", "nowhere");
  expect("\t  if a\n", "  \tif a\n", "nowhere");
  expect("  a\n  b\n", "a\n b\n", "nowhere");
}

/* ---- hunks ---- */

/* The same for a hunk in the form of a diff, also by likeness. */
static void expect_hunk(const char *file, const char *hunk, const char *expected) {
  er_parsed p = {0};
  er_lines f = {0};
  er_hunk h = {0};
  er_script script;
  er_places places = {0};
  er_buf text = {0};
  size_t work = 0;
  bool doubt = false;
  er_lines_split(&f, file, strlen(file));
  er_lines_split(&p.lines, hunk, strlen(hunk));
  p.begin = hunk;
  for (size_t i = 0; i < p.lines.n; i++) {
    er_line *l = &p.lines.v[i];
    l->op = l->n > 0 ? *l->s++ : ' ';
    l->n -= l->n > 0;
  }
  h.to = p.lines.n;
  er_script_diff(&script, &p, &h);
  er_pattern t = er_script_part(&script, &p, 0, script.old.n);
  er_search search = {er_index_new(f.v, f.n), &t, &work};
  er_locate(&search, &places);
  if (places.n == 0) er_locate_similar(&search, &places, &doubt);
  if (places.n == 0) er_buf_str(&text, doubt ? "in doubt" : "nowhere");
  else er_buf_fmt(&text, "%s@", er_locate_rung_name(places.rung));
  for (size_t i = 0; i < places.n; i++) er_buf_fmt(&text, "%s%zu", i > 0 ? "," : "", places.v[i].line + 1);
  assert_string_equal(text.ptr, expected);
  er_buf_free(&text);
  er_places_free(&places);
  er_index_free((er_index *)search.file);
  er_script_free(&script);
  er_lines_free(&f);
  er_lines_free(&p.lines);
}

static void blank_lines_may_differ_where_nothing_hangs_on_them(void **state) {
  (void)state;
  expect_hunk("a\n\nb\nc\n", " a\n b\n-c\n+d\n", "blank-lines@1");
  expect_hunk("a\n\n\n\nb\nc\n", " a\n \n b\n-c\n+d\n", "blank-lines@1");
  expect_hunk("a\nb\nc\n", " a\n \n b\n-c\n+d\n", "blank-lines@1");
  expect_hunk("a\n\nb\n", " a\n-b\n", "blank-lines@1");
  expect_hunk("a\nb\n", " a\n-b\n+c\n \n", "blank-lines@1");
  expect_hunk("a\nb\nc\n", " a\n-b\n-\n c\n", "blank-lines@1");
}

static void blank_lines_beside_changes_must_be_right(void **state) {
  (void)state;
  expect_hunk("a\n\nb\n", " a\n+x\n b\n", "nowhere");
  expect_hunk("a\n\nb\n", "-a\n-b\n", "nowhere");
  expect_hunk("a\n\nb\n", " a\n-b\n+c\n", "blank-lines@1");
  expect_hunk("a\nb\n\nc\n", " a\n-b\n+x\n c\n", "nowhere");
  expect_hunk("a\nb\n", " a\n \n+x\n \n b\n", "nowhere");
  expect_hunk("a\nb\n", " a\n+x\n\n b\n", "nowhere");
  expect_hunk("a\n\nb\n", " a\n-\n \n b\n", "nowhere");
}

static void spaces_that_part_nothing_may_differ(void **state) {
  (void)state;
  expect("x = f(a, b)\n", "x=f( a,b )\n", "spacing@1");
  expect("x  =  1\n", "x = 1\n", "white-space@1");
  expect("x = 1\nx=1\n", "x= 1\n", "spacing@1,2");
  expect("local x\n", "localx\n", "nowhere");
  expect("a b\n", "a  b\n", "white-space@1");
}

/* ---- indentation ---- */

/* What becomes of a new line when the old ones are indented so, or "no". */
static void reindent(const char *reply, const char *file, const char *line, const char *expected) {
  er_lines r = {0}, f = {0}, l = {0};
  er_indents in = {0};
  er_shift shift;
  er_buf out = {0};
  er_lines_split(&r, reply, strlen(reply));
  er_lines_split(&f, file, strlen(file));
  er_lines_split(&l, line, strlen(line));
  for (size_t i = 0; i < r.n; i++) er_indents_add(&in, &r.v[i], &f.v[i]);
  if (er_shift_learn(&in, &shift) && er_shift_covers(&shift, &l.v[0])) er_shift_put(&shift, &l.v[0], &out);
  else er_buf_str(&out, "no");
  assert_string_equal(er_buf_cstr(&out), expected);
  er_buf_free(&out);
  er_lines_free(&r);
  er_lines_free(&f);
  er_lines_free(&l);
}

static void new_lines_are_indented_as_the_file_is(void **state) {
  (void)state;
  reindent("a\n  b\n", "a\n  b\n", "\tx\n", "\tx");
  reindent("a\n  b\n", "  a\n    b\n", "  x\n", "    x");
  reindent("    a\n", "\t    a\n", "    x\n", "no");
  reindent("  a\n    b\n", "a\n  b\n", "      x\n", "    x");
  reindent("    a\n        b\n", "\ta\n\t\tb\n", "            x\n", "\t\t\tx");
  reindent("    a\n", "\ta\n", "        x\n", "\t\tx");
  reindent("\ta\n\t\tb\n", "  a\n    b\n", "x\n", "x");
  reindent("  a\n    b\n", "    a\n        b\n", "      x\n", "            x");
  reindent("a\n    b\n", "\ta\n\t\tb\n", "        x\n", "\t\t\tx");
  reindent("\ta\n", "    a\n", "    x\n", "    x");
}

static void an_indentation_that_no_rule_covers_is_not_guessed(void **state) {
  (void)state;
  reindent("  a\n  b\n", "  a\n    b\n", "x\n", "no");
  reindent("a\n  b\n", "  a\n  b\n", "x\n", "no");
  reindent("        a\n", "\ta\n", "    x\n", "no");
  reindent("        a\n", "\ta\n", "        x\n", "no");
  reindent("    a\n        b\n", "\ta\n\t\tb\n", "      x\n", "no");
  reindent("    a\n", "  a\n", "x\n", "no");
  reindent("  a\n    b\n", "   a\n       b\n", "x\n", "no");
}

/* ---- likeness ---- */

static void differ(const char *a, const char *b, uint32_t expected) {
  er_line x = {a, (uint32_t)strlen(a), ER_EOL_LF, 0}, y = {b, (uint32_t)strlen(b), ER_EOL_LF, 0};
  assert_int_equal(er_line_distance(&x, &y, 4), expected);
  assert_int_equal(er_line_distance(&y, &x, 4), expected);
}

static void letters_are_counted_that_differ(void **state) {
  (void)state;
  differ("same", "  same  ", 0);
  differ("", "", 0);
  differ("abc", "abd", 1);
  differ("abcdef", "abdcef", 1);
  differ("abcdef", "abcef", 1);
  differ("kitten", "sitting", 3);
  differ("abcd", "", 4);
  differ("abcde", "", 5);
  differ("completely", "different", 5);
  differ("abcdefgh", "badcfehg", 4);
}

#define SUM "local function total(list)\n  local sum = 0\n  for _, value in ipairs(list) do\n    sum = sum + value\n  end\n  return sum\nend\n"

static void a_typo_in_context_is_overlooked(void **state) {
  (void)state;
  expect_hunk(SUM, "   for _, vlaue in ipairs(list) do\n-    sum = sum + value\n+    sum = sum + 2 * value\n   end\n", "similar@3");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum + value\n+    sum = sum + 2 * value\n   edn\n", "similar@3");
  expect_hunk(SUM, "   for _, value in pairs(things) do\n-    sum = sum + value\n+    sum = sum + 2 * value\n   end\n", "similar@3");
  expect_hunk(SUM, "   while true do\n-    sum = sum + value\n+    sum = sum + 2 * value\n   end\n", "nowhere");
}

static void a_typo_in_a_removed_line_must_be_one_of_letters_alone(void **state) {
  (void)state;
  expect_hunk(SUM, "   local sum = 0\n-  for _, value in iparis(list) do\n+  for _, value in pairs(list) do\n     sum = sum + value\n", "similar@2");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum + valeu\n+    sum = sum + 2 * valeu\n   end\n", "nowhere");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum - value\n+    sum = sum + 2 * value\n   end\n", "nowhere");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum + total\n+    sum = sum + 2 * value\n   end\n", "nowhere");
  expect_hunk(SUM, " local function total(list)\n-  local sum = 1\n+  local sum = 2\n   for _, value in ipairs(list) do\n", "nowhere");
}

static void wrong_context_must_be_far_from_the_change(void **state) {
  (void)state;
  expect_hunk(SUM, " -- adds them all up, slowly\n   local sum = 0\n   for _, value in ipairs(list) do\n-    sum = sum + value\n+    sum = value\n   end\n", "context@1");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum + value\n+    sum = value\n   print(\"the sum goes on\")\n", "nowhere");
  expect_hunk(SUM, "   for _, value in ipairs(list) do\n-    sum = sum + value\n+    sum = value\n   end\n   print(\"the sum goes on\")\n", "nowhere");
  expect_hunk(SUM, " -- one\n -- two\n -- three\n   for _, value in ipairs(list) do\n-    sum = sum + value\n+    sum = value\n   end\n", "nowhere");
}

static void a_line_that_lost_its_sign_is_noticed(void **state) {
  (void)state;
  expect_hunk(SUM, " local function total(list)\n   print(list)\n   local sum = 0\n-  for _, value in ipairs(list) do\n+  for _, value in pairs(list) do\n     sum = sum + value\n", "nowhere");
  expect_hunk(SUM, "   local sum = 0\n   for _, value in ipairs(list) do\n-    sum = sum + value\n     sum = sum + 2 * value\n   end\n   return sum\n", "nowhere");
}

static void two_similar_places_are_both_returned_or_none(void **state) {
  const char *file = "function first(list)\n  check_all(list)\n  return list[1]\nend\nfunction lasts(list)\n  check_all(list)\n  return list[9]\nend\n";
  (void)state;
  expect_hunk(file, " function fasts(list)\n-  check_all(list)\n+  verify(list)\n", "similar@1,5");
  expect_hunk(file, " function frist(list)\n   check_all(list)\n-  return list[1]\n+  return list[2]\n", "in doubt");
}

static void a_real_file_with_one_misquoted_line(void **state) {
  er_buf text = {0}, hunk = {0};
  er_lines lines = {0};
  (void)state;
  assert_int_equal(er_file_read(__FILE__, 1 << 20, &text, NULL), 0);
  er_lines_split(&lines, text.ptr, text.len);
  for (size_t at = 0; at + 7 < lines.n; at += 13) {
    char expected[64];
    size_t wrong = at + 1;
    while (wrong < at + 3 && er_line_trim(lines.v[wrong]).n < 20) wrong++;
    if (er_line_trim(lines.v[wrong]).n < 20 || er_line_blank(&lines.v[at + 3]) || er_line_blank(&lines.v[at])) continue;
    er_buf_clear(&hunk);
    for (size_t i = at; i < at + 7; i++) {
      const er_line *l = &lines.v[i];
      if (i == wrong) er_buf_fmt(&hunk, " %.*sx%.*s\n", (int)l->n - 6, l->s, 6, l->s + l->n - 6);
      else er_buf_fmt(&hunk, "%c%.*s\n", i == at + 3 ? '-' : ' ', (int)l->n, l->s);
    }
    snprintf(expected, sizeof expected, "similar@%zu", at + 1);
    expect_hunk(text.ptr, hunk.ptr, expected);
  }
  er_lines_free(&lines);
  er_buf_free(&hunk);
  er_buf_free(&text);
}

/* ---- what is not code ---- */

static er_elision elision(const char *s) { return er_line_elision(&(er_line){s, (uint32_t)strlen(s), ER_EOL_LF, 0}); }

static void lines_left_out_are_told_from_code(void **state) {
  static const char *const sure[] = {"# ... existing code ...", "  // ... rest of the function ...", "-- ... (unchanged)", "/* ... same as before ... */",
                                     "# rest of the code ...", "// existing methods...", "<!-- ... rest ... -->", "# \xe2\x80\xa6 existing code \xe2\x80\xa6"};
  static const char *const dots[] = {"...", "    ...", "# ...", "// ...", "/* ... */", "[...]", "\xe2\x80\xa6", "... (unchanged) ...", "....."};
  static const char *const code[] = {"x = ...", "print(...)", "local a, b = ...", "# Sort the rest ...", "# wait ...", "return ...", "# see the existing code", "", "#",
                                     "function f(...)", "# We keep the previous value and add one ..."};
  (void)state;
  for (size_t i = 0; i < KIT_COUNT(sure); i++)
    if (elision(sure[i]) != ER_ELISION_SURE) fail_msg("%s", sure[i]);
  for (size_t i = 0; i < KIT_COUNT(dots); i++)
    if (elision(dots[i]) != ER_ELISION_DOTS) fail_msg("%s", dots[i]);
  for (size_t i = 0; i < KIT_COUNT(code); i++)
    if (elision(code[i]) != ER_ELISION_NONE) fail_msg("%s", code[i]);
}

/* The lines of a hunk with their signs, without numbers; or "no". */
static void unnumber(const char *hunk, const char *expected) {
  er_lines l = {0};
  er_hunk h = {0};
  er_buf out = {0};
  size_t first = 0;
  er_lines_split(&l, hunk, strlen(hunk));
  for (size_t i = 0; i < l.n; i++) l.v[i].op = *l.v[i].s++, l.v[i].n--;
  h.to = l.n;
  if (!er_hunk_unnumber(l.v, &h, &first)) er_buf_str(&out, "no");
  else er_buf_fmt(&out, "%zu|", first);
  for (size_t i = 0; i < l.n && first > 0; i++) er_buf_fmt(&out, "%c%.*s|", l.v[i].op, (int)l.v[i].n, l.v[i].s);
  assert_string_equal(out.ptr, expected);
  er_buf_free(&out);
  er_lines_free(&l);
}

static void line_numbers_are_taken_off_all_or_none(void **state) {
  (void)state;
  unnumber(" 7: a\n-8:   b\n+8:   c\n", "7| a|-  b|+  c|");
  unnumber(" 7:a\n-8:  b\n+  c\n", "7| a|-  b|+  c|");
  unnumber("     9\ta\n-   10\t  b\n+   10\tc\n", "9| a|-  b|+c|");
  unnumber(" 9 | a\n 10 |\n-11 | b\n", "9| a| |-b|");
  unnumber(" 9\xe2\x86\x92" "a\n-10\xe2\x86\x92 b\n", "9| a|- b|");
  unnumber(" 7: a\n ...\n-18: b\n", "7| a| ...|-b|");
  unnumber(" 7: a\n-b\n", "no");
  unnumber(" 8: a\n-7: b\n", "no");
  unnumber(" 7: a\n-8: b\n+8: c\n+d\n", "no");
  unnumber("-7: a\n+8: b\n", "7|-a|+b|");
  unnumber("-7: a\n+b\n", "no");
  unnumber(" a\n-b\n", "no");
}

static void repetitive_texts_take_bounded_time(void **state) {
  er_buf f = {0}, p = {0};
  er_places places = {0};
  rig r;
  (void)state;
  for (int i = 0; i < 400000; i++) er_buf_str(&f, " x\n");
  for (int i = 0; i < 100000; i++) er_buf_str(&p, "x\n");
  open_rig(&r, f.ptr, f.len, p.ptr, p.len);
  er_locate(&r.search, &places);
  assert_true(places.n > 0 && r.work <= ER_LOCATE_MAX_WORK + 32 * r.old.n);
  er_places_free(&places);
  close_rig(&r);
  er_buf_str(&p, "y\n");
  open_rig(&r, f.ptr, f.len, p.ptr, p.len);
  er_locate(&r.search, &places);
  assert_int_equal(places.n, 0);
  assert_true(r.work < 1000000);
  close_rig(&r);
  er_buf_free(&f);
  er_buf_free(&p);
}

static void nearest(const char *file, const char *pattern, int expected) {
  rig r;
  size_t line = 0;
  bool found;
  open_rig(&r, file, strlen(file), pattern, strlen(pattern));
  found = er_locate_nearest(&r.search, &line);
  assert_int_equal(found ? (int)line + 1 : 0, expected);
  close_rig(&r);
}

static void the_nearest_place_is_shown(void **state) {
  const char *file = "a\nb\nfunction f(x)\n  return x\nend\nfunction g(y)\n  return y\nend\n";
  (void)state;
  nearest(file, "function g(z)\n  return y\nend\n", 6);
  nearest(file, "function g(z)\n", 6);
  nearest(file, "\n\nfunction g(z)\n", 4);
  nearest(file, "something else\n", 0);
  nearest("", "function g(z)\n", 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_places_are_all_found),
      cmocka_unit_test(what_is_not_there_is_nowhere),
      cmocka_unit_test(an_exact_place_wins_over_tolerant_ones),
      cmocka_unit_test(trailing_space_may_differ),
      cmocka_unit_test(line_ends_may_differ),
      cmocka_unit_test(blank_lines_may_differ_where_nothing_hangs_on_them),
      cmocka_unit_test(blank_lines_beside_changes_must_be_right),
      cmocka_unit_test(indentation_may_differ_if_it_does_so_evenly),
      cmocka_unit_test(spaces_that_part_nothing_may_differ),
      cmocka_unit_test(new_lines_are_indented_as_the_file_is),
      cmocka_unit_test(an_indentation_that_no_rule_covers_is_not_guessed),
      cmocka_unit_test(letters_are_counted_that_differ),
      cmocka_unit_test(a_typo_in_context_is_overlooked),
      cmocka_unit_test(a_typo_in_a_removed_line_must_be_one_of_letters_alone),
      cmocka_unit_test(wrong_context_must_be_far_from_the_change),
      cmocka_unit_test(a_line_that_lost_its_sign_is_noticed),
      cmocka_unit_test(two_similar_places_are_both_returned_or_none),
      cmocka_unit_test(a_real_file_with_one_misquoted_line),
      cmocka_unit_test(lines_left_out_are_told_from_code),
      cmocka_unit_test(line_numbers_are_taken_off_all_or_none),
      cmocka_unit_test(repetitive_texts_take_bounded_time),
      cmocka_unit_test(the_nearest_place_is_shown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
