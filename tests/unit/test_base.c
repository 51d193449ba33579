/* test_base.c - bytes, paths, globs, digests, random numbers, text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/glob.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/text.h"

static char *fresh_dir(void) {
  char *dir = er_strdup("/tmp/erlua-base-XXXXXX");
  assert_non_null(mkdtemp(dir));
  return dir;
}

static void a_buffer_keeps_nuls_and_is_always_terminated(void **s) {
  er_buf b = {0};
  (void)s;
  er_buf_add(&b, "a\0b", 3);
  er_buf_fmt(&b, "%d", 42);
  assert_int_equal(b.len, 5);
  assert_memory_equal(b.ptr, "a\0b42", 6);
  er_buf_free(&b);
  assert_string_equal(er_buf_cstr(&b), "");
}

static void only_paths_that_stay_inside_are_inside(void **s) {
  static const char *const good[] = {"a", "a/b.lua", "..a", "a..", "a/...b", NULL};
  static const char *const bad[] = {"", "/a", "..", "a/..", "../a", "a//b", "a/", "./a", "a/./b", "a\\b", NULL};
  (void)s;
  for (int i = 0; good[i] != NULL; i++) assert_true(er_path_inside(good[i]));
  for (int i = 0; bad[i] != NULL; i++) assert_false(er_path_inside(bad[i]));
}

static void globs_match_as_documented(void **s) {
  static const struct { const char *glob, *path; int match; } t[] = {
    {"*.lua", "a.lua", 1}, {"*.lua", "d/a.lua", 0}, {"**/*.lua", "d/e/a.lua", 1}, {"**/*.lua", "a.lua", 1},
    {"src/**", "src/a/b", 1}, {"src/**", "srcs/a", 0}, {"a?c", "abc", 1}, {"a?c", "a/c", 0}, {"[a-c]x", "bx", 1},
    {"[!a]x", "ax", 0}, {"[!a]x", "bx", 1}, {"model.lua", "model.lua", 1}, {"model.lua", "Model.lua", 0},
    {"a*b*c", "aXbYc", 1}, {"a*b*c", "aXbY", 0}, {"[", "[", 1}, {"", "", 1}, {"*", "", 1}, {"d/**/x", "d/x", 1},
    {"d/**/x", "d/e/f/x", 1}, {"**", "a/b/c", 1},
  };
  (void)s;
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    if (er_glob_match(t[i].glob, t[i].path) != t[i].match) fail_msg("%s on %s", t[i].glob, t[i].path);
  }
}

static void a_hostile_glob_ends_soon(void **s) {
  char path[201];
  (void)s;
  memset(path, 'a', 200);
  path[200] = '\0';
  assert_false(er_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
  assert_false(er_glob_match("**a**a**a**a**a**a**a**a**a**b", path));
}

static void the_digest_is_that_of_sha256sum(void **s) {
  char hex[ER_DIGEST_HEX];
  (void)s;
  er_sha256_hex("abc", 3, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  er_sha256_hex("", 0, hex);
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void the_same_seed_and_path_draw_the_same(void **s) {
  er_rng a, b, c;
  (void)s;
  er_rng_seed(&a, 1, "0.1");
  er_rng_seed(&b, 1, "0.1");
  er_rng_seed(&c, 1, "0.2");
  assert_true(er_rng_next(&a) == er_rng_next(&b));
  assert_false(er_rng_next(&a) == er_rng_next(&c));
}

static void draws_below_n_are_below_n_and_reach_all(void **s) {
  er_rng r;
  int seen[7] = {0};
  (void)s;
  er_rng_seed(&r, 3, "x");
  for (int i = 0; i < 1000; i++) {
    uint64_t v = er_rng_below(&r, 7);
    double u = er_rng_unit(&r);
    assert_true(v < 7);
    assert_true(u >= 0 && u < 1);
    seen[v]++;
  }
  for (int i = 0; i < 7; i++) assert_true(seen[i] > 50);
}

static void doubles_read_back_the_same_and_stay_floats(void **s) {
  static const double x[] = {0.1, 1.0, -0.0, 1e300, 5e-324, DBL_MAX, 1.0 / 3, 2.5, 1e15, 123456789.123, 9007199254740993.0};
  (void)s;
  for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
    er_buf b = {0};
    er_text_double(&b, x[i]);
    double back = strtod(b.ptr, NULL);
    assert_memory_equal(&back, &x[i], sizeof back);
    assert_non_null(strpbrk(b.ptr, ".e"));
    er_buf_free(&b);
  }
}

static void bad_utf8_is_found_and_cleaned(void **s) {
  er_buf b = {0};
  (void)s;
  assert_true(er_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
  assert_false(er_utf8_valid("\xc0\x80", 2));
  assert_false(er_utf8_valid("\xed\xa0\x80", 3));
  assert_false(er_utf8_valid("\xf4\x90\x80\x80", 4));
  assert_false(er_utf8_valid("\xe2\x82", 2));
  er_utf8_clean(&b, "a\xff\0b", 4);
  assert_int_equal(b.len, 6);
  assert_memory_equal(b.ptr, "a\xef\xbf\xbd\0b", 6);
  er_buf_free(&b);
}

static void a_tree_is_removed_without_following_links(void **s) {
  char *dir = fresh_dir(), *in = er_path_join(dir, "in"), *deep = er_path_join(in, "a/b"), *out = er_path_join(dir, "out");
  char *file = er_path_join(deep, "f"), *link = er_path_join(in, "link"), *kept = er_path_join(out, "kept");
  er_err err;
  (void)s;
  assert_int_equal(er_mkdirs(deep, 0755, &err), 0);
  assert_int_equal(er_mkdirs(out, 0755, &err), 0);
  assert_int_equal(er_file_write(file, "x", 1, 0644, &err), 0);
  assert_int_equal(er_file_write(kept, "x", 1, 0644, &err), 0);
  assert_int_equal(symlink(out, link), 0);
  chmod(deep, 0);
  assert_int_equal(er_remove_tree(in, &err), 0);
  assert_false(er_path_exists(in));
  assert_true(er_path_exists(kept));
  assert_int_equal(er_remove_tree(in, &err), 0);
  assert_int_equal(er_remove_tree(dir, &err), 0);
  char *all[] = {dir, in, deep, out, file, link, kept};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) er_free(all[i]);
}

static void a_replaced_file_has_the_new_bytes_and_mode(void **s) {
  char *dir = fresh_dir(), *file = er_path_join(dir, "f");
  er_buf b = {0};
  struct stat st;
  er_err err;
  (void)s;
  assert_int_equal(er_file_replace(file, "one", 3, 0600, &err), 0);
  assert_int_equal(er_file_replace(file, "t\0o", 3, 0755, &err), 0);
  assert_int_equal(er_file_read(file, 100, &b, &err), 0);
  assert_int_equal(b.len, 3);
  assert_memory_equal(b.ptr, "t\0o", 3);
  assert_int_equal(stat(file, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0755);
  assert_int_equal(er_file_read(file, 2, &b, &err), -1);
  assert_string_equal(err.code, "EFBIG");
  er_buf_free(&b);
  er_remove_tree(dir, NULL);
  er_free(dir);
  er_free(file);
}

static int collect(void *ud, const char *rel, char kind, size_t size) {
  (void)size;
  er_buf_fmt(ud, "%s:%c ", rel, kind);
  return 0;
}

static void a_walk_is_in_byte_order_and_tells_links(void **s) {
  char *dir = fresh_dir(), *sub = er_path_join(dir, "b"), *f;
  er_buf seen = {0};
  er_err err;
  (void)s;
  er_mkdirs(sub, 0755, &err);
  static const char *const names[] = {"b/z", "a", "b.c", NULL};
  for (int i = 0; names[i] != NULL; i++) {
    f = er_path_join(dir, names[i]);
    er_file_write(f, "", 0, 0644, &err);
    er_free(f);
  }
  f = er_path_join(dir, "l");
  assert_int_equal(symlink("/etc", f), 0);
  er_free(f);
  assert_int_equal(er_walk(dir, collect, &seen, &err), 0);
  assert_string_equal(seen.ptr, "a:f b.c:f b/z:f l:l ");
  er_buf_free(&seen);
  er_remove_tree(dir, NULL);
  er_free(dir);
  er_free(sub);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_buffer_keeps_nuls_and_is_always_terminated),
    cmocka_unit_test(only_paths_that_stay_inside_are_inside),
    cmocka_unit_test(globs_match_as_documented),
    cmocka_unit_test(a_hostile_glob_ends_soon),
    cmocka_unit_test(the_digest_is_that_of_sha256sum),
    cmocka_unit_test(the_same_seed_and_path_draw_the_same),
    cmocka_unit_test(draws_below_n_are_below_n_and_reach_all),
    cmocka_unit_test(doubles_read_back_the_same_and_stay_floats),
    cmocka_unit_test(bad_utf8_is_found_and_cleaned),
    cmocka_unit_test(a_tree_is_removed_without_following_links),
    cmocka_unit_test(a_replaced_file_has_the_new_bytes_and_mode),
    cmocka_unit_test(a_walk_is_in_byte_order_and_tells_links),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
