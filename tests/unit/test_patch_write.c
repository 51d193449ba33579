/* test_patch_write.c - changes on the disk: all or nothing, nowhere else. */

#include "patch_kit.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

static char dir[256];

static int setup(void **state) {
  (void)state;
  snprintf(dir, sizeof dir, "%s/erlua-write-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
  return mkdtemp(dir) == NULL;
}

static int teardown(void **state) {
  (void)state;
  return er_remove_tree(dir, NULL);
}

static void put(const char *name, const char *text, unsigned mode) {
  char *path = er_path_join(dir, name), *folder = er_path_dir(path);
  assert_int_equal(er_mkdirs(folder, 0755, NULL), 0);
  assert_int_equal(er_file_write(path, text, strlen(text), mode, NULL), 0);
  chmod(path, mode);
  er_free(folder);
  er_free(path);
}

static void expect(const char *name, const char *text) {
  char *path = er_path_join(dir, name);
  er_buf b = {0};
  if (text == NULL) assert_false(er_path_exists(path));
  else if (er_file_read(path, 1 << 20, &b, NULL) < 0) fail_msg("%s is not there", name);
  else assert_string_equal(er_buf_cstr(&b), text);
  er_buf_free(&b);
  er_free(path);
}

static int count_one(void *ud, const char *rel, char kind, size_t size) {
  (void)rel, (void)kind, (void)size;
  ++*(int *)ud;
  return 0;
}

static int count_files(void) {
  int n = 0;
  er_walk(dir, count_one, &n, NULL);
  return n;
}

static er_patch_change change(er_change_kind kind, const char *path, const char *text) {
  er_patch_change c = {.kind = kind, .path = er_strdup(path)};
  er_buf_str(&c.after, text);
  return c;
}

static int write_all(er_patch_change *c, size_t n, er_err *err) {
  er_patch_result r = {.applied = true, .changes = c, .n_changes = n};
  int rc = er_patch_write(dir, &r, err);
  for (size_t i = 0; i < n; i++) {
    er_free(c[i].path);
    er_buf_free(&c[i].after);
  }
  return rc;
}

static void all_changes_arrive_and_modes_are_kept(void **state) {
  er_patch_change c[] = {change(ER_CHANGE_CREATE, "deep/er/new", "n"), change(ER_CHANGE_DELETE, "gone", ""), change(ER_CHANGE_MODIFY, "run.sh", "new")};
  struct stat st;
  er_err err;
  char *path;
  (void)state;
  put("gone", "g", 0644);
  put("run.sh", "old", 0751);
  if (write_all(c, 3, &err) < 0) fail_msg("%s", err.msg);
  expect("deep/er/new", "n");
  expect("gone", NULL);
  expect("run.sh", "new");
  path = er_path_join(dir, "run.sh");
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0751);
  er_free(path);
  assert_int_equal(count_files(), 2);
}

static void a_failure_puts_everything_back(void **state) {
  er_patch_change c[] = {change(ER_CHANGE_MODIFY, "a", "new"), change(ER_CHANGE_DELETE, "b", ""), change(ER_CHANGE_CREATE, "c/d", "new"),
                         change(ER_CHANGE_CREATE, "exists", "new")};
  er_err err;
  (void)state;
  put("a", "old a", 0644);
  put("b", "old b", 0600);
  put("exists", "old", 0644);
  assert_int_equal(write_all(c, 4, &err), -1);
  assert_string_equal(err.code, "EEXIST");
  assert_non_null(strstr(err.msg, "exists"));
  expect("a", "old a");
  expect("b", "old b");
  expect("c", NULL);
  expect("exists", "old");
  assert_int_equal(count_files(), 3);
}

static void a_missing_file_stops_before_anything_is_moved(void **state) {
  er_patch_change c[] = {change(ER_CHANGE_MODIFY, "a", "new"), change(ER_CHANGE_DELETE, "none", "")};
  er_err err;
  (void)state;
  put("a", "old", 0644);
  assert_int_equal(write_all(c, 2, &err), -1);
  assert_string_equal(err.code, "ENOENT");
  expect("a", "old");
  assert_int_equal(count_files(), 1);
}

static void a_modified_file_that_is_not_there_is_made(void **state) {
  er_patch_change c[] = {change(ER_CHANGE_MODIFY, "x/y", "new")};
  (void)state;
  assert_int_equal(write_all(c, 1, NULL), 0);
  expect("x/y", "new");
}

static void links_are_not_followed(void **state) {
  char *out = er_path_join(dir, "outside"), *in = er_path_join(dir, "in"), *link_dir = er_path_join(dir, "in/folder"),
       *link_file = er_path_join(dir, "in/file"), whole[256];
  er_err err;
  (void)state;
  put("outside/secret", "s", 0644);
  put("in/ok", "o", 0644);
  assert_int_equal(symlink(out, link_dir), 0);
  assert_int_equal(symlink("../outside/secret", link_file), 0);
  memcpy(whole, dir, sizeof dir);
  snprintf(dir, sizeof dir, "%s", in);
  assert_int_equal(write_all((er_patch_change[]){change(ER_CHANGE_MODIFY, "folder/secret", "x")}, 1, &err), -1);
  assert_int_equal(write_all((er_patch_change[]){change(ER_CHANGE_MODIFY, "file", "x")}, 1, &err), -1);
  assert_string_equal(err.code, "bad_path");
  assert_int_equal(write_all((er_patch_change[]){change(ER_CHANGE_CREATE, "folder/new", "x")}, 1, &err), -1);
  assert_int_equal(write_all((er_patch_change[]){change(ER_CHANGE_CREATE, "../outside/new", "x")}, 1, &err), -1);
  assert_string_equal(err.code, "bad_path");
  memcpy(dir, whole, sizeof dir);
  expect("outside/secret", "s");
  expect("outside/new", NULL);
  er_free(out);
  er_free(in);
  er_free(link_dir);
  er_free(link_file);
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
  er_patch_result r = {0};
  er_err err;
  (void)state;
  assert_int_equal(er_patch_write("/nonexistent/folder", &r, &err), -1);
  assert_string_equal(err.code, "ENOENT");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(all_changes_arrive_and_modes_are_kept, setup, teardown),
      cmocka_unit_test_setup_teardown(a_failure_puts_everything_back, setup, teardown),
      cmocka_unit_test_setup_teardown(a_missing_file_stops_before_anything_is_moved, setup, teardown),
      cmocka_unit_test_setup_teardown(a_modified_file_that_is_not_there_is_made, setup, teardown),
      cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
      cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
