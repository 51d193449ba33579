/* test_patch_locate.c - the ladder of matchers, rung by rung. */

#include "patch_kit.h"

#include "patch/locate.h"

/* "rung@line,line" (1-based), or "nowhere". */
static void expect(const char *file, const char *pattern, const char *expected) {
  er_lines f = {0}, p = {0};
  er_places places = {0};
  er_buf text = {0};
  size_t work = 0;
  er_lines_split(&f, file, strlen(file));
  er_lines_split(&p, pattern, strlen(pattern));
  er_locate(f.v, f.n, p.v, p.n, &work, &places);
  if (places.n == 0) er_buf_str(&text, "nowhere");
  else er_buf_fmt(&text, "%s@", er_locate_rung_name(places.rung));
  for (size_t i = 0; i < places.n; i++) er_buf_fmt(&text, "%s%zu", i > 0 ? "," : "", places.v[i].line + 1);
  assert_string_equal(text.ptr, expected);
  er_buf_free(&text);
  er_places_free(&places);
  er_lines_free(&f);
  er_lines_free(&p);
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
}

static void indentation_may_differ_if_it_does_so_evenly(void **state) {
  (void)state;
  expect("  if a\n    b\n  end\n", "if a\n  b\nend\n", "indentation@1");
  expect("if a\n  b\n", "    if a\n      b\n", "indentation@1");
  expect("\tif a\n\n\t\tb\n", "if a\n\n\tb\n", "indentation@1");
  expect("  if a\n  b\n", "if a\n  b\n", "nowhere");
  expect("\tif a\n", "  if a\n", "nowhere");
  expect("  a\n  b\n", "a\n b\n", "nowhere");
}

static void repetitive_texts_take_bounded_time(void **state) {
  er_buf f = {0}, p = {0};
  er_lines fl = {0}, pl = {0};
  er_places places = {0};
  size_t work = 0;
  (void)state;
  for (int i = 0; i < 400000; i++) er_buf_str(&f, " x\n");
  for (int i = 0; i < 100000; i++) er_buf_str(&p, "x\n");
  er_buf_str(&p, "y\n");
  er_lines_split(&fl, f.ptr, f.len);
  er_lines_split(&pl, p.ptr, p.len);
  er_locate(fl.v, fl.n, pl.v, pl.n, &work, &places);
  assert_int_equal(places.n, 0);
  pl.n--;
  er_locate(fl.v, fl.n, pl.v, pl.n, &work, &places);
  assert_true(places.n > 0 && work <= ER_LOCATE_MAX_WORK + pl.n);
  er_places_free(&places);
  er_lines_free(&fl);
  er_lines_free(&pl);
  er_buf_free(&f);
  er_buf_free(&p);
}

static void the_nearest_place_is_shown(void **state) {
  const char *file = "a\nb\nfunction f(x)\n  return x\nend\nfunction g(y)\n  return y\nend\n", *wrong = "function g(z)\n  return y\nend\n";
  er_lines f = {0}, p = {0};
  size_t line = 0;
  (void)state;
  er_lines_split(&f, file, strlen(file));
  er_lines_split(&p, wrong, strlen(wrong));
  assert_true(er_locate_nearest(f.v, f.n, p.v, p.n, &line));
  assert_int_equal(line, 5);
  p.n = 1;
  assert_true(er_locate_nearest(f.v, f.n, p.v, p.n, &line));
  assert_int_equal(line, 5);
  assert_false(er_locate_nearest(f.v, 0, p.v, p.n, &line));
  er_lines_free(&f);
  er_lines_free(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_places_are_all_found),
      cmocka_unit_test(what_is_not_there_is_nowhere),
      cmocka_unit_test(an_exact_place_wins_over_tolerant_ones),
      cmocka_unit_test(trailing_space_may_differ),
      cmocka_unit_test(line_ends_may_differ),
      cmocka_unit_test(indentation_may_differ_if_it_does_so_evenly),
      cmocka_unit_test(repetitive_texts_take_bounded_time),
      cmocka_unit_test(the_nearest_place_is_shown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
