/* test_job_supervise.c - the supervisor alone, by its command line: limits that are added up, and odd calls. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "job/supervise/tree.c"
#include "job/supervise/ledger.c"
#include "job_rig.h"

static rig g;

static int open_rig(void **state) { (void)state; rig_open(&g, false, 1); rig_folder(&g); return 0; }
static int close_rig(void **state) { (void)state; rig_close(&g); return 0; }

/* Runs it in the folder at hand with these options; its exit code. */
static int supervise(const char *options, const char *script) {
  char *cmd = er_asprintf("%s " ERLUA_SUPERVISE " --dir %s --wall 600 %s -- /bin/sh -c '%s'", g.nap, g.dir, options, script);
  int status = system(cmd);
  er_free(cmd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_in_exit(const char *line) {
  er_buf b = rig_read(&g, "exit");
  if (strstr(er_buf_cstr(&b), line) == NULL) fail_msg("no '%s' in:\n%s", line, er_buf_cstr(&b));
  er_buf_free(&b);
}

static void memory_is_added_up_without_a_cgroup(void **state) {
  (void)state;
  assert_int_equal(supervise("--no-cgroup --memory 67108864", "head -c 300000000 /dev/zero | tail -n 1 | sleep 100"), 0);
  expect_in_exit("ended oom\n");
  expect_in_exit("reason memory limit of 64 MiB reached\n");
}

static void shared_pages_are_counted_once(void **state) {
  (void)state;
  /* Forty shells share what they are made of; their resident sizes together are far over the limit. */
  assert_int_equal(supervise("--no-cgroup --memory 30000000",
                             "i=0; while test $i -lt 40; do sleep 0.5 & i=$((i+1)); done; wait"), 0);
  expect_in_exit("ended exit\n");
}

/* It ended between two looks at it: that is no job whose memory cannot be told. */
static void a_process_that_has_ended_takes_no_memory(void **state) {
  bool unread = false;
  siginfo_t how;
  pid_t pid = fork();
  (void)state;
  if (pid == 0) _exit(0);
  assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT), 0);
  assert_int_equal(sv_tree_memory(getpid(), &unread), 0);
  assert_false(unread);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void processes_are_added_up_without_a_cgroup(void **state) {
  (void)state;
  assert_int_equal(supervise("--no-cgroup --processes 5", "for i in 1 2 3 4 5 6 7; do sleep $NAP & done; sleep $NAP"), 0);
  expect_in_exit("ended processes\n");
  assert_false(process_with(rig_nap(&g)));
}

static void cpu_is_added_up_without_a_cgroup(void **state) {
  (void)state;
  /* Also that of processes that are gone already. */
  assert_int_equal(supervise("--no-cgroup --cpu 0.5",
                             "while :; do sh -c \"i=0; while test \\$i -lt 3000; do i=\\$((i+1)); done\"; done"), 0);
  expect_in_exit("ended cpu\n");
}

static void cpu_of_children_that_nobody_waits_for_is_added_up(void **state) {
  (void)state;
  assert_int_equal(supervise("--no-cgroup --cpu 1.2",
                             "exec perl -e \"\\$SIG{CHLD} = q(IGNORE);"
                             " for (1 .. 20) { if (!fork) { 1 while (times)[0] < 0.5; exit } wait }\""), 0);
  expect_in_exit("ended cpu\n");
}

static void a_cpu_budget_is_added_up_without_a_cgroup(void **state) {
  (void)state;
  assert_int_equal(supervise("--no-cgroup --budget 0.3 --budget-is-cpu", "(while :; do :; done) & while :; do :; done"), 0);
  expect_in_exit("ended budget\n");
}

static void an_unknown_option_starts_nothing(void **state) {
  (void)state;
  assert_int_equal(supervise("--no-such-option 1", "true"), 64);
  assert_int_equal(supervise("--memory many", "true"), 64);
  assert_int_equal(supervise("--cpu -1", "true"), 64);
  assert_false(rig_exists(&g, "started"));
}

static void a_missing_folder_is_told(void **state) {
  (void)state;
  assert_int_equal(WEXITSTATUS(system(ERLUA_SUPERVISE " --dir /no/such/folder -- true")), 67);
}

static void a_second_sigterm_ends_the_grace(void **state) {
  char *cmd = er_asprintf(ERLUA_SUPERVISE " --dir %s --wall 600 --grace 150 -- /bin/sh -c "
                          "'trap \"echo x > term\" TERM; echo x > up; while :; do sleep 0.02; done' &", g.dir);
  er_buf pid;
  int supervisor;
  (void)state;
  assert_int_equal(system(cmd), 0);
  er_free(cmd);
  rig_until_file(&g, "work/up");
  pid = rig_read(&g, "claim");
  supervisor = atoi(er_buf_cstr(&pid));
  er_buf_free(&pid);
  assert_int_equal(kill(supervisor, SIGTERM), 0);
  rig_until_file(&g, "work/term");                    /* the command lives on: its grace is long */
  assert_int_equal(kill(supervisor, SIGTERM), 0);
  rig_until_file(&g, "exit");
  expect_in_exit("ended cancelled\n");
  expect_in_exit("signal 9\n");
}

static void other_signals_do_not_end_it(void **state) {
  char *cmd = er_asprintf(ERLUA_SUPERVISE " --dir %s --wall 600 -- /bin/sh -c "
                          "'echo x > up; while test ! -e go; do sleep 0.02; done; exit 3' &", g.dir);
  const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE};
  er_buf pid;
  size_t i;
  (void)state;
  assert_int_equal(system(cmd), 0);
  er_free(cmd);
  rig_until_file(&g, "work/up");
  pid = rig_read(&g, "claim");
  for (i = 0; i < sizeof signals / sizeof *signals; i++) kill(atoi(er_buf_cstr(&pid)), signals[i]);
  er_buf_free(&pid);
  rig_write(&g, "work/go", "x");
  rig_until_file(&g, "exit");
  expect_in_exit("exit_code 3\n");
}

static void the_curve_of_an_earlier_start_is_gone(void **state) {
  er_buf curve;
  (void)state;
  rig_write(&g, "curve", "old");
  rig_write(&g, "stdout", "old");
  assert_int_equal(supervise("--curve", "true"), 0);
  curve = rig_read(&g, "curve");
  assert_int_equal(curve.len, 0);
  er_buf_free(&curve);
  assert_false(rig_exists(&g, "stdout"));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
  const struct CMUnitTest tests[] = {
    T(memory_is_added_up_without_a_cgroup), T(shared_pages_are_counted_once), T(a_process_that_has_ended_takes_no_memory),
    T(processes_are_added_up_without_a_cgroup), T(cpu_is_added_up_without_a_cgroup),
    T(cpu_of_children_that_nobody_waits_for_is_added_up),
    T(a_cpu_budget_is_added_up_without_a_cgroup), T(an_unknown_option_starts_nothing), T(a_missing_folder_is_told),
    T(a_second_sigterm_ends_the_grace), T(other_signals_do_not_end_it), T(the_curve_of_an_earlier_start_is_gone),
  };
  return cmocka_run_group_tests_name("job: the supervisor", tests, NULL, NULL);
}
