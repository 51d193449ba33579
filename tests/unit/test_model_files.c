/* test_model_files.c - checkpoints and shards below Lua: whose descriptor it is, which engine, what a changing file does. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/path.h"
#include "model/safetensors.h"
#include "model/shard.h"

enum { HEADER = 1024 };

static char *folder(void) {
  char template[] = "/tmp/erlua-model.XXXXXX";
  assert_non_null(mkdtemp(template));
  return strdup(template);
}

static void drop(char *dir) {
  assert_int_equal(er_remove_tree(dir, NULL), 0);
  free(dir);
}

static er_tensors *engine(bool zeroed) {
  return er_tensors_open(&(er_tensors_options){.threads = 1, .zeroed = zeroed});
}

static int file_of(const void *bytes, size_t n) {
  int fd = memfd_create("test", MFD_CLOEXEC);
  assert_int_equal(write(fd, bytes, n), n);
  return fd;
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* A checkpoint of one tensor w = 0, 1, 2, ... */
static char *checkpoint(const char *dir, er_tensors *ts, int64_t n) {
  char *path = er_path_join(dir, "x.safetensors");
  er_err err;
  er_tensor *w = er_tensor_arange(ts, ER_F32, 0, (double)n, 1, &err);
  assert_int_equal(er_safetensors_save(path, &(er_named_tensor){"w", w}, 1, NULL, 0, &err), 0);
  er_tensor_unref(w);
  return path;
}

static void a_checkpoint_is_read_into_the_engine_that_is_named(void **state) {
  (void)state;
  er_tensors *mine = engine(false), *theirs = engine(true);
  char *dir = folder(), *path = checkpoint(dir, mine, 100);
  er_err err;
  er_safetensors *s = er_safetensors_open_fd(open(path, O_RDONLY | O_CLOEXEC), "theirs", &err);
  assert_non_null(s);
  assert_int_equal(er_safetensors_count(s), 1);
  assert_int_equal(er_safetensors_numbers(s), 100);
  assert_int_equal(er_safetensors_find(s, "w"), 0);
  assert_int_equal(er_safetensors_find(s, "v"), -1);
  er_tensor *w = er_safetensors_read(s, 0, theirs, &err);
  assert_ptr_equal(er_tensor_home(w), theirs);
  assert_float_equal(er_tensor_get(w, (int64_t[]){99}), 99, 0);
  er_safetensors_close(s);
  assert_float_equal(er_tensor_get(w, (int64_t[]){7}), 7, 0);       /* it needs the file no longer */
  er_tensor_unref(w);
  er_tensors_close(theirs);
  er_tensors_close(mine);
  free(path);
  drop(dir);
}

static void a_descriptor_is_taken_over_also_on_failure(void **state) {
  (void)state;
  er_err err;
  int bad = file_of("nonsense, and more of it", 24), shard = file_of("short", 5), ends[2];
  assert_null(er_safetensors_open_fd(bad, "bad", &err));
  assert_false(is_open(bad));
  assert_null(er_shard_open_fd(shard, "shard", &err));
  assert_false(is_open(shard));
  assert_int_equal(pipe(ends), 0);
  assert_null(er_safetensors_open_fd(ends[0], "a pipe", &err));
  assert_string_equal(err.msg, "cannot read a pipe: not a regular file");
  assert_false(is_open(ends[0]));
  close(ends[1]);
}

static void a_checkpoint_that_is_cut_after_it_was_opened_is_an_error(void **state) {
  (void)state;
  er_tensors *ts = engine(false);
  char *dir = folder(), *path = checkpoint(dir, ts, 100000);
  er_err err;
  er_safetensors *s = er_safetensors_open(path, &err);
  int64_t live = er_tensors_memory_of(ts).live;
  assert_int_equal(truncate(path, 5000), 0);
  assert_null(er_safetensors_read(s, 0, ts, &err));
  assert_string_equal(err.code, "truncated");
  assert_int_equal(er_tensors_memory_of(ts).live, live);
  er_safetensors_close(s);
  er_tensors_close(ts);
  free(path);
  drop(dir);
}

static void a_checkpoint_replaces_a_link_and_not_what_it_points_to(void **state) {
  (void)state;
  er_tensors *ts = engine(false);
  char *dir = folder(), *target = er_path_join(dir, "target"), *path = er_path_join(dir, "x.safetensors");
  er_buf bytes = {0};
  assert_int_equal(er_file_write(target, "kept", 4, 0644, NULL), 0);
  assert_int_equal(symlink(target, path), 0);
  free(checkpoint(dir, ts, 3));
  assert_int_equal(er_file_read(target, 100, &bytes, NULL), 0);
  assert_string_equal(bytes.ptr, "kept");
  er_safetensors *s = er_safetensors_open(path, NULL);
  assert_non_null(s);
  er_safetensors_close(s);
  er_buf_free(&bytes);
  er_tensors_close(ts);
  free(target);
  free(path);
  drop(dir);
}

/* n tokens 0, 1, 2, ... in memory; returns an open shard. */
static er_shard *shard_of(uint16_t n) {
  unsigned char bytes[HEADER + 2 * 100] = {0};
  int32_t head[] = {20240520, 1, n};
  er_err err;
  memcpy(bytes, head, sizeof head);
  for (uint16_t i = 0; i < n; i++) memcpy(bytes + HEADER + 2 * i, &i, 2);
  er_shard *s = er_shard_open_fd(file_of(bytes, HEADER + 2 * (size_t)n), "shard", &err);
  assert_non_null(s);
  return s;
}

static void rows_outside_of_a_shard_are_refused_whatever_the_numbers(void **state) {
  (void)state;
  static const struct { int64_t at, length; } wrong[] = {
    {-1, 4}, {96, 4}, {100, 1}, {INT64_MAX, 1}, {INT64_MIN, 1}, {0, 100}, {0, INT32_MAX}, {99, 1}};
  er_shard *s = shard_of(100);
  int32_t x[100], y[100];
  er_err err;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(er_shard_row(s, wrong[i].at, wrong[i].length, 0, x, y, &err), -1);
    assert_string_equal(err.code, "range");
  }
  assert_int_equal(er_shard_row(s, 95, 4, 0, x, y, &err), 0);
  assert_int_equal(x[0], 95);
  assert_int_equal(y[3], 99);
  er_shard_close(s);
}

static void the_vocabulary_bounds_inputs_and_targets(void **state) {
  (void)state;
  er_shard *s = shard_of(100);
  int32_t x[10], y[10];
  er_err err;
  assert_int_equal(er_shard_row(s, 80, 10, 91, x, y, &err), 0);
  assert_int_equal(er_shard_row(s, 80, 10, 90, x, y, &err), -1);      /* the last target */
  assert_string_equal(err.msg, "shard: token 90 (byte 1204) is 90, not below the vocabulary of 90");
  er_shard_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_checkpoint_is_read_into_the_engine_that_is_named),
    cmocka_unit_test(a_descriptor_is_taken_over_also_on_failure),
    cmocka_unit_test(a_checkpoint_that_is_cut_after_it_was_opened_is_an_error),
    cmocka_unit_test(a_checkpoint_replaces_a_link_and_not_what_it_points_to),
    cmocka_unit_test(rows_outside_of_a_shard_are_refused_whatever_the_numbers),
    cmocka_unit_test(the_vocabulary_bounds_inputs_and_targets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
