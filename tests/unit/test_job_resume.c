/* test_job_resume.c - what becomes of a job when its engine or its supervisor dies at any point. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "job_rig.h"

static rig g;

static int open_rig(void **state) { (void)state; unsetenv("ERLUA_FAULT"); rig_open(&g, false, 2); return 0; }
static int close_rig(void **state) { (void)state; unsetenv("ERLUA_FAULT"); rig_close(&g); return 0; }

static void resume(const er_job_spec *s, ending *e) {
  memset(e, 0, sizeof *e);
  e->job = er_job_resume(g.js, s, NULL, ended, e);
  assert_int_equal(e->calls, 0);                      /* never from within the call */
  rig_until_ended(&g, e);
}

static int started_lines(void) {
  er_buf b = rig_read(&g, "started");
  size_t i;
  int n = 0;
  for (i = 0; i < b.len; i++) n += b.ptr[i] == '\n';
  er_buf_free(&b);
  return n;
}

/* Another engine: starts the job, waits until `file` is there, and is killed. */
static void killed_engine(const er_job_spec *s, const char *file) {
  pid_t pid = fork();
  int status;
  assert_true(pid >= 0);
  if (pid == 0) {
    er_jobs_opts o = {2, 0, ERLUA_SUPERVISE, false};
    er_loop *loop = er_loop_new();
    er_jobs *js = er_jobs_new(loop, &o, NULL);
    er_job_queue(js, s, NULL, NULL, NULL);
    rig_until_file(&g, file);
    raise(SIGKILL);
  }
  waitpid(pid, &status, 0);
  assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* Starts a second supervisor in the folder by hand; its exit code. */
static int supervise_by_hand(void) {
  char *cmd = er_asprintf(ERLUA_SUPERVISE " --dir %s -- /bin/sh -c 'echo second >> again'", g.dir);
  int status = system(cmd);
  er_free(cmd);
  return WEXITSTATUS(status);
}

static void a_job_that_never_started_is_started(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 4"));
  ending e;
  (void)state;
  resume(&s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 4);
  assert_int_equal(started_lines(), 1);
  er_job_free(e.job);
}

static void a_job_whose_folder_was_not_made_is_started(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 4"));
  ending e;
  (void)state;
  assert_int_equal(er_remove_tree(g.dir, NULL), 0);
  resume(&s, &e);
  assert_int_equal(e.r->exit_code, 4);
  er_job_free(e.job);
}

static void a_result_is_taken_and_nothing_started(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x >> runs; echo '{}' > $ERLUA_METRICS; exit 5"));
  ending e;
  er_buf runs;
  (void)state;
  s.metrics = true;
  rig_run(&g, &s, &e);
  er_job_free(e.job);
  resume(&s, &e);
  assert_int_equal(e.r->exit_code, 5);
  assert_string_equal(er_buf_cstr(&e.r->metrics), "{}\n");
  runs = rig_read(&g, "work/runs");
  assert_string_equal(er_buf_cstr(&runs), "x\n");
  er_buf_free(&runs);
  er_job_free(e.job);
}

static void a_running_job_is_adopted(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x >> runs; while test ! -e go; do sleep 0.02; done; exit 6"));
  ending e = {0};
  (void)state;
  killed_engine(&s, "work/runs");
  e.job = er_job_resume(g.js, &s, NULL, ended, &e);
  assert_int_equal(er_jobs_running(g.js), 1);         /* it holds a slot */
  er_loop_turn(g.loop, false);
  assert_int_equal(e.calls, 0);
  rig_write(&g, "work/go", "x");
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->exit_code, 6);
  assert_int_equal(started_lines(), 1);
  assert_int_equal(er_jobs_running(g.js), 0);
  er_job_free(e.job);
}

static void an_adopted_job_can_be_cancelled(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x > up; sleep $NAP"));
  ending e = {0};
  (void)state;
  killed_engine(&s, "work/up");
  e.job = er_job_resume(g.js, &s, NULL, ended, &e);
  er_job_cancel(e.job);
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_CANCELLED);
  assert_false(process_with(rig_nap(&g)));
  er_job_free(e.job);
}

static void a_job_that_ended_without_its_engine_has_its_result(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 8"));
  ending e;
  (void)state;
  killed_engine(&s, "exit");
  resume(&s, &e);
  assert_int_equal(e.r->exit_code, 8);
  assert_int_equal(started_lines(), 1);
  er_job_free(e.job);
}

static void a_second_supervisor_ends_at_once(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x > up; while test ! -e go; do sleep 0.02; done"));
  ending e = {0};
  (void)state;
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  rig_until_file(&g, "work/up");
  assert_int_equal(supervise_by_hand(), 65);
  rig_write(&g, "work/go", "x");
  rig_until_ended(&g, &e);
  assert_int_equal(supervise_by_hand(), 66);          /* nor does one start anew behind a result */
  assert_int_equal(started_lines(), 1);
  assert_false(rig_exists(&g, "work/again"));
  er_job_free(e.job);
}

static void a_supervisor_that_dies_once_is_started_once_more(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x >> runs; exit 9"));
  ending e = {0};
  (void)state;
  setenv("ERLUA_FAULT", "supervise.before_exit", 1);
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  unsetenv("ERLUA_FAULT");
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 9);
  assert_int_equal(e.r->starts, 2);
  er_job_free(e.job);
}

static void after_two_starts_without_a_result_a_job_is_lost(void **state) {
  er_job_spec s = rig_spec(&g, SH("true"));
  ending e;
  (void)state;
  setenv("ERLUA_FAULT", "supervise.before_exit", 1);
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_int_equal(e.r->starts, 2);
  er_job_free(e.job);
  unsetenv("ERLUA_FAULT");
  resume(&s, &e);                                     /* and stays so */
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_int_equal(started_lines(), 2);
  er_job_free(e.job);
}

static void a_supervisor_that_dies_before_it_began_did_not_start_the_job(void **state) {
  static const char *const points[] = {"supervise.before_claim", "supervise.after_claim"};
  size_t i;
  (void)state;
  for (i = 0; i < 2; i++) {
    er_job_spec s = rig_spec(&g, SH("exit 2"));
    ending e = {0};
    setenv("ERLUA_FAULT", points[i], 1);
    e.job = er_job_queue(g.js, &s, NULL, ended, &e);
    unsetenv("ERLUA_FAULT");
    rig_until_ended(&g, &e);
    assert_int_equal(e.r->ended, ER_ENDED_EXIT);
    assert_int_equal(e.r->starts, 1);
    er_job_free(e.job);
  }
}

static void supervisors_that_never_begin_do_not_go_on_for_ever(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 2"));
  ending e;
  (void)state;
  setenv("ERLUA_FAULT", "supervise.before_claim", 1);
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_int_equal(e.r->starts, 0);
  er_job_free(e.job);
}

static void a_supervisor_that_dies_behind_its_result_has_given_it(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 3"));
  ending e;
  (void)state;
  setenv("ERLUA_FAULT", "supervise.after_exit", 1);
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->exit_code, 3);
  assert_int_equal(e.r->starts, 1);
  er_job_free(e.job);
}

static void a_killed_supervisor_takes_its_command_along(void **state) {
  er_job_spec s = rig_spec(&g, (const char *const[]){"sleep", rig_nap(&g), NULL});
  ending e = {0};
  (void)state;
  setenv("ERLUA_FAULT", "supervise.running", 1);
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_true(soon_gone(rig_nap(&g)));
  er_job_free(e.job);
}

static void a_killed_supervisor_leaves_nothing_of_its_session(void **state) {
  er_job_spec s = rig_spec(&g, SH("sleep $NAP & echo x > up; sleep $NAP"));
  ending e = {0};
  int round;
  (void)state;
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  for (round = 0; round < 2; round++) {
    char *up = rig_path(&g, "work/up");
    er_buf claim;
    rig_until_file(&g, "work/up");
    unlink(up);
    er_free(up);
    claim = rig_read(&g, "claim");
    kill(atoi(er_buf_cstr(&claim)), SIGKILL);
    er_buf_free(&claim);
  }
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_true(soon_gone(rig_nap(&g)));
  er_job_free(e.job);
}

static int write_one(void *ud, const er_job_spec *spec, er_err *err) {
  char *path = er_path_join(spec->dir, "work/given");
  int rc = er_file_write(path, "x", 1, 0600, err);
  er_free(path);
  ++*(int *)ud;
  return rc;
}

typedef struct { int prepared; ending e; } counted;
static void counted_ended(void *ud, const er_job_result *r) { ended(&((counted *)ud)->e, r); }

static void the_second_start_finds_a_fresh_workspace(void **state) {
  er_job_spec s = rig_spec(&g, SH("test -e given -a ! -e left -a ! -e \"$ERLUA_OUT/left\" || exit 1; echo x > left; echo x > \"$ERLUA_OUT/left\""));
  counted c = {0};
  (void)state;
  setenv("ERLUA_FAULT", "supervise.before_exit", 1);
  c.e.job = er_job_queue(g.js, &s, write_one, counted_ended, &c);
  unsetenv("ERLUA_FAULT");
  rig_until_ended(&g, &c.e);
  assert_int_equal(c.e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(c.e.r->exit_code, 0);
  assert_int_equal(c.prepared, 2);
  er_job_free(c.e.job);
}

static void a_claim_whose_pid_is_not_written_yet_is_waited_for(void **state) {
  er_job_spec s = rig_spec(&g, SH("exit 4"));
  ending e = {0};
  char *claim = rig_path(&g, "claim");
  int i, fd = open(claim, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  (void)state;
  assert_int_equal(flock(fd, LOCK_EX), 0);
  e.job = er_job_resume(g.js, &s, NULL, ended, &e);
  for (i = 0; i < 5; i++) er_loop_turn(g.loop, true);
  assert_int_equal(e.calls, 0);
  assert_int_equal(started_lines(), 0);
  close(fd);
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->exit_code, 4);
  er_job_free(e.job);
  er_free(claim);
}

static void a_damaged_result_is_lost_and_harms_nobody(void **state) {
  static const char *const texts[] = {
    "", "\n\n", "x", "erlua-exit 1\n", "erlua-exit 2\nended exit\n\n", "erlua-exit 1\nended\n\n",
    "erlua-exit 1\nended nonsense\nmetrics none 0\n\n", "erlua-exit 1\nexit_code 0\n\n",
    "erlua-exit 1\nended exit\nexit_code NaN\n\n", "erlua-exit 1\nended exit\nexit_code 1e999\n\n",
    "erlua-exit 1\nended exit\nmetrics read 10\n\nshort", "erlua-exit 1\nended exit\nmetrics read 99999999999\n\nx",
    "erlua-exit 1\nended exit\nmetrics none 4\n\nmore", "erlua-exit 1\nended exit\nmetrics read -1\n\n",
  };
  size_t i;
  (void)state;
  for (i = 0; i < sizeof texts / sizeof *texts; i++) {
    er_job_spec s = rig_spec(&g, SH("true"));
    ending e;
    rig_write(&g, "exit", texts[i]);
    resume(&s, &e);
    assert_int_equal(e.r->ended, ER_ENDED_LOST);
    assert_false(e.r->has_metrics);
    assert_int_equal(started_lines(), 0);
    er_job_free(e.job);
  }
}

static void a_result_that_is_a_link_or_a_pipe_is_not_read(void **state) {
  er_job_spec s = rig_spec(&g, SH("true"));
  ending e;
  char *path = rig_path(&g, "exit");
  (void)state;
  rig_write(&g, "real", "erlua-exit 1\nended exit\nexit_code 0\nmetrics none 0\n\n");
  assert_int_equal(symlink("real", path), 0);
  resume(&s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  er_job_free(e.job);
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  resume(&s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  er_job_free(e.job);
  er_free(path);
}

static void metrics_put_in_place_of_the_file_are_not_read(void **state) {
  static const char *const scripts[] = {
    "rm ../metrics; ln -s /etc/passwd ../metrics", "echo '{\"fake\":1}' > m; mv m ../metrics",
    "rm ../metrics; mkdir ../metrics", "rm ../metrics; mkfifo ../metrics", "rm ../metrics",
  };
  size_t i;
  (void)state;
  for (i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    er_job_spec s = rig_spec(&g, SH(scripts[i]));
    ending e;
    s.metrics = true;
    rig_run(&g, &s, &e);
    assert_int_equal(e.r->ended, ER_ENDED_EXIT);
    assert_false(e.r->has_metrics);
    assert_int_equal(e.r->metrics.len, 0);
    er_job_free(e.job);
  }
}

static void a_result_survives_a_job_that_removes_it(void **state) {
  er_job_spec s = rig_spec(&g, SH("rm -f ../exit.tmp ../started; exit 3"));
  ending e;
  (void)state;
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 3);
  er_job_free(e.job);
}

static void a_folder_that_cannot_be_written_is_a_failed_launch(void **state) {
  er_job_spec s = rig_spec(&g, SH("true"));
  ending e;
  char *claim = rig_path(&g, "claim");
  (void)state;
  assert_int_equal(mkdir(claim, 0700), 0);            /* root may write anywhere, but not a folder as a file */
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LAUNCH);
  assert_non_null(strstr(e.r->reason, g.dir));
  er_job_free(e.job);
  er_free(claim);
}

static void a_stranger_can_cancel_by_the_folder(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x > up; sleep $NAP"));
  ending e = {0};
  (void)state;
  assert_int_equal(er_job_cancel_folder(g.dir, NULL), 1);
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  rig_until_file(&g, "work/up");
  assert_int_equal(er_job_cancel_folder(g.dir, NULL), 0);
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_CANCELLED);
  assert_int_equal(er_job_cancel_folder(g.dir, NULL), 1);
  er_job_free(e.job);
}

/* On a file system of its own, in mounts of its own, in a process of its own. */
static void full_disk_in_child(void) {
  er_job_spec s;
  ending e;
  if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("none", g.root, "tmpfs", 0, "size=1m") < 0) _exit(77);
  s = rig_spec(&g, SH("echo x; cat /dev/zero > fill; cat /dev/zero; exit 3"));
  s.limits.output = 200000;
  s.metrics = true;
  rig_run(&g, &s, &e);
  _exit(e.r->ended == ER_ENDED_FLOOD && e.r->starts == 1 ? 0 : 1);
}

static void a_full_disk_does_not_take_the_result(void **state) {
  pid_t pid = fork();
  int status;
  (void)state;
  if (pid == 0) full_disk_in_child();
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    print_message("skipped: a small file system can only be mounted by root\n");
    skip();
  }
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
  const struct CMUnitTest tests[] = {
    T(a_job_that_never_started_is_started), T(a_job_whose_folder_was_not_made_is_started),
    T(a_result_is_taken_and_nothing_started), T(a_running_job_is_adopted), T(an_adopted_job_can_be_cancelled),
    T(a_job_that_ended_without_its_engine_has_its_result), T(a_second_supervisor_ends_at_once),
    T(a_supervisor_that_dies_once_is_started_once_more), T(after_two_starts_without_a_result_a_job_is_lost),
    T(a_supervisor_that_dies_before_it_began_did_not_start_the_job),
    T(supervisors_that_never_begin_do_not_go_on_for_ever), T(a_supervisor_that_dies_behind_its_result_has_given_it),
    T(a_killed_supervisor_takes_its_command_along), T(the_second_start_finds_a_fresh_workspace),
    T(a_claim_whose_pid_is_not_written_yet_is_waited_for), T(a_damaged_result_is_lost_and_harms_nobody),
    T(a_result_that_is_a_link_or_a_pipe_is_not_read), T(metrics_put_in_place_of_the_file_are_not_read),
    T(a_result_survives_a_job_that_removes_it), T(a_folder_that_cannot_be_written_is_a_failed_launch),
    T(a_stranger_can_cancel_by_the_folder),
    T(a_killed_supervisor_leaves_nothing_of_its_session), T(a_full_disk_does_not_take_the_result),
  };
  return cmocka_run_group_tests_name("job: resume", tests, NULL, NULL);
}
