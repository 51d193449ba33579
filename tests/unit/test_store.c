/* test_store.c - a study's file: writes, reads, the journal, locks, bad files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "store/store.h"

typedef struct { char *dir, *file; } place;

static int set_up(void **state) {
  place *p = er_malloc(sizeof *p);
  p->dir = er_strdup("/tmp/erlua-store-XXXXXX");
  if (mkdtemp(p->dir) == NULL) return -1;
  p->file = er_path_join(p->dir, "study.db");
  *state = p;
  return 0;
}

static int tear_down(void **state) {
  place *p = *state;
  er_remove_tree(p->dir, NULL);
  er_free(p->dir);
  er_free(p->file);
  er_free(p);
  return 0;
}

static er_store *create(const place *p) {
  er_store *s = NULL;
  er_err err;
  if (er_store_open(&s, p->file, ER_STORE_CREATE, &err) < 0) fail_msg("%s", err.msg);
  return s;
}

static er_value text(const char *s) { return (er_value){.type = ER_TEXT, .s = s, .len = strlen(s)}; }
static er_value integer(int64_t i) { return (er_value){.type = ER_INT, .i = i}; }

static void put_patch(er_store *s, const char *digest, const char *diff) {
  static const char *const cols[] = {"added", "diff", "digest", "files", "removed"};
  er_value vals[] = {integer(1), text(diff), text(digest), integer(1), integer(0)};
  er_err err;
  if (er_store_put(s, "patches", 5, cols, vals, &err) < 0) fail_msg("%s", err.msg);
}

static int count_row(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  (void)n;
  (void)cols;
  (void)vals;
  ++*(int *)ud;
  return 0;
}

/* How many of the patches a and b are there. */
static int patches_in(er_store *s) {
  static const char *const digests[] = {"a", "b"};
  int n = 0;
  er_err err;
  for (int i = 0; i < 2; i++) {
    er_value digest = text(digests[i]);
    if (er_store_query(s, "patch", 1, &digest, count_row, &n, &err) < 0) fail_msg("%s", err.msg);
  }
  return n;
}

static void what_was_committed_is_there_and_what_was_not_is_not(void **state) {
  er_store *s = create(*state);
  er_err err;
  put_patch(s, "a", "one");
  assert_true(er_store_dirty(s));
  assert_int_equal(er_store_commit(s, &err), 0);
  assert_false(er_store_dirty(s));
  put_patch(s, "b", "two");
  er_store_close(s);
  s = create(*state);
  assert_int_equal(patches_in(s), 1);
  er_store_close(s);
}

static void putting_a_key_again_changes_the_row(void **state) {
  er_store *s = create(*state);
  er_buf dump = {0};
  er_err err;
  put_patch(s, "a", "one");
  put_patch(s, "a", "two");
  assert_int_equal(patches_in(s), 1);
  assert_int_equal(er_store_dump(s, &dump, &err), 0);
  assert_non_null(strstr(dump.ptr, "[\"a\",\"two\",1,1,0]"));
  er_buf_free(&dump);
  er_store_close(s);
}

static void an_unknown_column_or_query_is_an_error_and_no_crash(void **state) {
  static const char *const cols[] = {"digest", "nonsense"};
  er_store *s = create(*state);
  er_value vals[] = {text("a"), text("b")};
  er_err err;
  assert_int_equal(er_store_put(s, "patches", 2, cols, vals, &err), -1);
  assert_non_null(strstr(err.msg, "nonsense"));
  assert_int_equal(er_store_query(s, "no such", 0, NULL, count_row, NULL, &err), -1);
  er_store_close(s);
}

static er_effect_row effect(const char *path, int64_t seq, int64_t ord, const char *result) {
  er_effect_row r = {.path = path, .seq = seq, .ord = ord, .kind = "job", .call = "[1]", .line = "x.lua:1",
                     .result = result, .result_len = strlen(result)};
  memset(r.digest, (int)seq, sizeof r.digest);
  return r;
}

static void the_journal_is_found_by_name_and_read_in_order(void **state) {
  er_store *s = create(*state);
  er_effect_row rows[] = {effect("0.2", 1, 3, "[3]"), effect("0", 1, 1, "[1]"), effect("0", 2, 0, "[0]"), effect("0.1", 1, 2, "[2]")};
  er_effect_row got;
  er_err err;
  for (size_t i = 0; i < 4; i++) assert_int_equal(er_journal_add(s, &rows[i], &err), 0);
  assert_int_equal(er_journal_find(s, "0", 2, &got, &err), 1);
  assert_string_equal(got.result, "[0]");
  assert_int_equal(got.ord, 0);
  assert_int_equal(er_journal_find(s, "0", 3, &got, &err), 0);
  for (int64_t ord = 0; ord < 3; ord++) {
    assert_int_equal(er_journal_next(s, ord, &got, &err), 1);
    assert_int_equal(got.ord, ord + 1);
  }
  assert_int_equal(er_journal_next(s, 3, &got, &err), 0);
  er_journal_rest(s);
  er_store_close(s);
}

static void an_effect_is_written_once(void **state) {
  er_store *s = create(*state);
  er_effect_row r = effect("0", 1, 1, "[1]");
  er_err err;
  assert_int_equal(er_journal_add(s, &r, &err), 0);
  assert_int_equal(er_journal_add(s, &r, &err), -1);
  er_store_close(s);
}

static void files_that_are_no_study_are_refused_and_kept(void **state) {
  place *p = *state;
  er_store *s;
  er_err err;
  er_buf b = {0};
  assert_int_equal(er_store_open(&s, p->file, ER_STORE_WRITE, &err), -1);
  assert_string_equal(err.code, "ENOENT");
  er_file_write(p->file, "this is no database, but a text that is long enough", 51, 0644, &err);
  assert_int_equal(er_store_open(&s, p->file, ER_STORE_CREATE, &err), -1);
  assert_string_equal(err.code, "not_a_study");
  assert_int_equal(er_file_read(p->file, 1000, &b, &err), 0);
  assert_int_equal(b.len, 51);
  er_buf_free(&b);
}

static void run_sql(const place *p, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(p->file, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

static void a_strange_database_and_a_newer_study_are_told_apart(void **state) {
  place *p = *state;
  er_store *s;
  er_err err;
  run_sql(p, "CREATE TABLE t(x); PRAGMA user_version=7");
  assert_int_equal(er_store_open(&s, p->file, ER_STORE_WRITE, &err), -1);
  assert_string_equal(err.code, "not_a_study");
  unlink(p->file);
  er_store_close(create(p));
  run_sql(p, "PRAGMA user_version=99");
  assert_int_equal(er_store_open(&s, p->file, ER_STORE_WRITE, &err), -1);
  assert_string_equal(err.code, "newer");
}

/* Takes a study back to what version 2 made of it. */
#define BACK_TO_2 \
  "DROP TABLE reruns; DROP TABLE rounds; ALTER TABLE jobs DROP COLUMN rerun; ALTER TABLE trials DROP COLUMN host;" \
  "ALTER TABLE trials DROP COLUMN trusted; ALTER TABLE trials DROP COLUMN review; PRAGMA user_version=2;"

static void a_study_of_an_older_erlua_is_brought_up_to_date_even_by_a_reader(void **state) {
  place *p = *state;
  er_store *s = create(p);
  er_err err;
  put_patch(s, "a", "one");
  er_store_commit(s, &err);
  er_store_close(s);
  run_sql(p, BACK_TO_2 "DROP TABLE calls; DROP TABLE implementations; DROP TABLE questions; DROP INDEX jobs_by_trial; PRAGMA user_version=1");
  assert_int_equal(er_store_open(&s, p->file, ER_STORE_READ, &err), 0);
  assert_int_equal(patches_in(s), 1);
  er_store_close(s);
  run_sql(p, "INSERT INTO calls SELECT 1,'0',1,NULL,'chat','m','e','ok',1,0,0,0,0,0,0,NULL,NULL,0,NULL");
}

/* The first studies had an index that later ones got with version 2. */
static void a_study_of_the_first_erlua_keeps_its_index(void **state) {
  place *p = *state;
  er_store *s;
  er_err err;
  er_store_close(create(p));
  run_sql(p, BACK_TO_2 "DROP TABLE calls; DROP TABLE implementations; DROP TABLE questions; PRAGMA user_version=1");
  if (er_store_open(&s, p->file, ER_STORE_WRITE, &err) < 0) fail_msg("%s", err.msg);
  er_store_close(s);
}

static int take_trusted(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(cols[i], "trusted") == 0) ((int64_t *)ud)[vals[0].i] = vals[i].i;
  return 0;
}

/* Scores from outside the sandbox were never to be trusted; older studies know it from their options. */
static void scores_of_an_older_study_without_the_sandbox_are_marked(void **state) {
  place *p = *state;
  int64_t trusted[3] = {-1, -1, -1};
  er_store *s;
  er_err err;
  er_store_close(create(p));
  run_sql(p, BACK_TO_2
          "INSERT INTO studies VALUES(1,'n','s','e','d','d','{\"sandbox\":false}',1,'0',0.0,'running',NULL);"
          "INSERT INTO ideas VALUES(1,1,'first','m','t','r',1),(2,1,'first','m','t','r',1);"
          "INSERT INTO trials VALUES(1,1,1,'[]',1,2,'ok','evaluate','',1.5,NULL,NULL,0.1);"
          "INSERT INTO trials VALUES(2,2,1,'[]',1,2,'crash','train','',NULL,NULL,NULL,0.1)");
  if (er_store_open(&s, p->file, ER_STORE_READ, &err) < 0) fail_msg("%s", err.msg);
  assert_int_equal(er_store_query(s, "trials", 0, NULL, take_trusted, trusted, &err), 0);
  assert_int_equal(trusted[1], 0);
  assert_int_equal(trusted[2], 1);
  er_store_close(s);
}

static void a_reader_sees_one_state_while_a_writer_writes(void **state) {
  place *p = *state;
  er_store *w = create(p), *r;
  er_err err;
  put_patch(w, "a", "one");
  er_store_commit(w, &err);
  put_patch(w, "b", "two");
  assert_int_equal(er_store_open(&r, p->file, ER_STORE_READ, &err), 0);
  assert_int_equal(patches_in(r), 1);
  er_store_commit(w, &err);
  assert_int_equal(patches_in(r), 1);           /* a report is of one state */
  er_store_close(r);
  assert_int_equal(er_store_open(&r, p->file, ER_STORE_READ, &err), 0);
  assert_int_equal(patches_in(r), 2);
  er_store_close(r);
  er_store_close(w);
}

static void a_lock_is_held_by_one_process_and_names_it(void **state) {
  place *p = *state;
  er_err err;
  int fd, status;
  assert_int_equal(er_study_lock(p->dir, &fd, &err), 0);
  pid_t pid = fork();
  if (pid == 0) {
    int again;
    char want[32];
    snprintf(want, sizeof want, "pid %d", (int)getppid());
    int rc = er_study_lock(p->dir, &again, &err);
    _exit(rc == -1 && strcmp(err.code, "EBUSY") == 0 && strstr(err.msg, want) != NULL ? 0 : 1);
  }
  waitpid(pid, &status, 0);
  assert_int_equal(status, 0);
  er_study_unlock(fd);
  assert_int_equal(er_study_lock(p->dir, &fd, &err), 0);
  er_study_unlock(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    T(what_was_committed_is_there_and_what_was_not_is_not),
    T(putting_a_key_again_changes_the_row),
    T(an_unknown_column_or_query_is_an_error_and_no_crash),
    T(the_journal_is_found_by_name_and_read_in_order),
    T(an_effect_is_written_once),
    T(files_that_are_no_study_are_refused_and_kept),
    T(a_strange_database_and_a_newer_study_are_told_apart),
    T(a_study_of_an_older_erlua_is_brought_up_to_date_even_by_a_reader),
    T(a_study_of_the_first_erlua_keeps_its_index),
    T(scores_of_an_older_study_without_the_sandbox_are_marked),
    T(a_reader_sees_one_state_while_a_writer_writes),
    T(a_lock_is_held_by_one_process_and_names_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
