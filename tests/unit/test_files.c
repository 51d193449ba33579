/* test_files.c - files that are replaced as a whole, and files that are held. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/newfile.h"
#include "base/path.h"

enum { AN_HOUR = 3600 };

static char *dir;

static int set_up(void **state) {
  char template[] = "/tmp/erlua-files.XXXXXX";
  (void)state;
  dir = er_strdup(mkdtemp(template));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  er_remove_tree(dir, NULL);
  er_free(dir);
  return 0;
}

static char *at(const char *name) { return er_path_join(dir, name); }

static bool there(const char *name) {
  char *path = at(name);
  bool yes = er_path_exists(path);
  er_free(path);
  return yes;
}

static void make(const char *name) {
  char *path = at(name);
  assert_int_equal(er_file_write(path, "half", 4, 0644, NULL), 0);
  er_free(path);
}

static void make_older(const char *name, int seconds) {
  char *path = at(name);
  struct timespec when[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
  assert_int_equal(utimensat(AT_FDCWD, path, when, 0), 0);
  er_free(path);
}

static int count_files(void) {
  DIR *d = opendir(dir);
  int n = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void save(const char *name, const char *text) {
  char *path = at(name);
  er_err err;
  assert_int_equal(er_file_replace(path, text, strlen(text), 0644, &err), 0);
  er_free(path);
}

/* The name of what `pid` writes in place of x. */
static char *temporary(pid_t pid) { return er_asprintf("x.%d.tmp", (int)pid); }

/* A process that is in the midst of writing x. */
static pid_t begin_writing(void) {
  int pipes[2];
  char byte;
  assert_int_equal(pipe(pipes), 0);
  pid_t pid = fork();
  if (pid == 0) {
    er_new_file f;
    er_err err;
    char *path = at("x");
    if (er_new_file_open(&f, path, &err) < 0 || er_new_file_write(&f, "half", 4, &err) < 0) _exit(1);
    if (write(pipes[1], "!", 1) != 1) _exit(2);
    for (;;) pause();
  }
  assert_int_equal(read(pipes[0], &byte, 1), 1);
  close(pipes[0]);
  close(pipes[1]);
  return pid;
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void the_next_writer_removes_what_a_killed_one_left(void **state) {
  (void)state;
  pid_t pid = begin_writing();
  char *name = temporary(pid);
  end(pid);
  assert_true(there(name));
  make_older(name, AN_HOUR);
  save("y", "of another name");
  assert_true(there(name));
  save("x", "whole");
  assert_false(there(name));
  assert_int_equal(count_files(), 2);
  er_free(name);
}

static void what_a_living_writer_has_begun_is_left_to_it_however_old(void **state) {
  (void)state;
  pid_t pid = begin_writing();
  char *name = temporary(pid);
  make_older(name, AN_HOUR);
  save("x", "whole");
  assert_true(there(name));
  end(pid);
  save("x", "whole");
  assert_false(there(name));
  er_free(name);
}

static void what_was_just_made_or_has_another_name_is_left_alone(void **state) {
  static const char *const others[] = {"x.tmp", "x.old.tmp", "x.12.old", "x.12a.tmp", "x.12.3a.tmp", "xy.12.tmp", "x.12.", "x..tmp"};
  (void)state;
  make("x.999999.tmp");
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    make(others[i]);
    make_older(others[i], AN_HOUR);
  }
  save("x", "whole");
  assert_true(there("x.999999.tmp"));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_true(there(others[i]));
  make_older("x.999999.tmp", AN_HOUR);
  make("x.999999.2.tmp");
  make_older("x.999999.2.tmp", AN_HOUR);
  save("x", "whole");
  assert_int_equal(count_files(), 1 + (int)(sizeof others / sizeof *others));
}

static void links_and_folders_of_such_a_name_are_left_alone(void **state) {
  (void)state;
  char *link = at("x.1.tmp"), *folder = at("x.2.tmp"), *target = at("kept");
  make("kept");
  make_older("kept", AN_HOUR);
  assert_int_equal(symlink(target, link), 0);
  assert_int_equal(mkdir(folder, 0755), 0);
  make_older("x.2.tmp", AN_HOUR);
  save("x", "whole");
  assert_int_equal(count_files(), 4);
  er_free(link);
  er_free(folder);
  er_free(target);
}

static void two_writers_of_one_number_do_not_meet(void **state) {
  (void)state;
  char *mine = temporary(getpid()), *path = at("x");
  er_buf b = {0};
  make(mine);                                /* of a process of this number in another container */
  save("x", "whole");
  assert_true(there(mine));
  assert_int_equal(er_file_read(path, 100, &b, NULL), 0);
  assert_string_equal(er_buf_cstr(&b), "whole");
  assert_int_equal(count_files(), 2);
  er_buf_free(&b);
  er_free(mine);
  er_free(path);
}

static void a_failed_write_leaves_the_old_file_alone(void **state) {
  (void)state;
  char *path = at("x"), *nowhere = at("no/x");
  er_new_file f;
  er_err err;
  save("x", "old");
  assert_int_equal(er_new_file_open(&f, path, &err), 0);
  assert_int_equal(er_new_file_write(&f, "ne", 2, &err), 0);
  er_new_file_drop(&f);
  er_new_file_drop(&f);
  assert_int_equal(count_files(), 1);
  assert_int_equal(er_new_file_open(&f, nowhere, &err), -1);
  assert_string_equal(err.code, "ENOENT");
  assert_int_equal(er_new_file_open(&f, dir, &err), -1);
  assert_string_equal(err.code, "EISDIR");
  er_free(path);
  er_free(nowhere);
}

/* ---- locks -------------------------------------------------------------------------------------- */

static int take(const char *name, er_lock_kind kind, er_err *err) {
  char *path = at(name);
  int fd = er_lock_take(path, kind, "it is held", err);
  er_free(path);
  return fd;
}

static void who_holds_a_file_alone_is_named_to_others(void **state) {
  (void)state;
  er_err err;
  char want[64];
  int fd = take("lock", ER_LOCK_ALONE, &err);
  assert_true(fd >= 0);
  assert_int_equal(take("lock", ER_LOCK_ALONE, &err), -1);          /* another open file is another holder */
  assert_string_equal(err.code, "EBUSY");
  snprintf(want, sizeof want, "it is held by another erlua (pid %d on ", (int)getpid());
  assert_ptr_equal(strstr(err.msg, want), err.msg);
  assert_int_equal(take("lock", ER_LOCK_SHARED, &err), -1);
  close(fd);
  fd = take("lock", ER_LOCK_ALONE, &err);
  assert_true(fd >= 0);
  close(fd);
}

static void several_hold_a_file_together_and_it_is_not_written(void **state) {
  (void)state;
  er_err err;
  assert_int_equal(take("list", ER_LOCK_SHARED, &err), -1);
  assert_string_equal(err.code, "ENOENT");
  make("list");
  int one = take("list", ER_LOCK_SHARED, &err), two = take("list", ER_LOCK_SHARED, &err);
  assert_true(one >= 0 && two >= 0);
  char *path = at("list");
  er_buf b = {0};
  assert_int_equal(er_file_read(path, 100, &b, NULL), 0);
  assert_string_equal(er_buf_cstr(&b), "half");
  assert_int_equal(take("list", ER_LOCK_ALONE, &err), -1);
  assert_string_equal(err.code, "EBUSY");
  close(one);
  close(two);
  er_buf_free(&b);
  er_free(path);
}

static void a_lock_of_a_file_that_was_removed_holds_nobody_up(void **state) {
  (void)state;
  er_err err;
  char *path = at("lock");
  int gone = take("lock", ER_LOCK_ALONE, &err);
  unlink(path);
  int fd = take("lock", ER_LOCK_ALONE, &err);
  assert_true(gone >= 0 && fd >= 0);
  assert_int_equal(take("lock", ER_LOCK_ALONE, &err), -1);
  close(gone);
  close(fd);
  er_free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    T(the_next_writer_removes_what_a_killed_one_left),
    T(what_a_living_writer_has_begun_is_left_to_it_however_old),
    T(what_was_just_made_or_has_another_name_is_left_alone),
    T(links_and_folders_of_such_a_name_are_left_alone),
    T(two_writers_of_one_number_do_not_meet),
    T(a_failed_write_leaves_the_old_file_alone),
    T(who_holds_a_file_alone_is_named_to_others),
    T(several_hold_a_file_together_and_it_is_not_written),
    T(a_lock_of_a_file_that_was_removed_holds_nobody_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
