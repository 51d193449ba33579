/* test_job_ends.c - how a job ends: by itself, by each limit, by request; in the sandbox and without. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "job_rig.h"

static rig g;

static int open_bare(void **state) { (void)state; rig_open(&g, false, 2); return 0; }
static int close_rig(void **state) { (void)state; rig_close(&g); return 0; }
static int open_sandbox(void **state) {
  er_err err;
  (void)state;
  rig_open(&g, er_sandbox_probe(&err) == 0, 2);
  return 0;
}

static bool in_sandbox(void **state) { return *state != NULL; }

/* Every test runs twice; its initial state tells in which way. */
#define TWICE(f) {#f " without a sandbox", f, open_bare, close_rig, NULL}, \
                 {#f " in the sandbox", f, open_sandbox, close_rig, (void *)1}

static void run_spec(void **state, const er_job_spec *s, ending *e) {
  if (in_sandbox(state) && !sandbox_works()) skip();
  rig_run(&g, s, e);
}

static void run(void **state, const char *script, ending *e) {
  er_job_spec s = rig_spec(&g, SH(script));
  run_spec(state, &s, e);
}

static void an_exit_code_is_told(void **state) {
  ending e;
  run(state, "exit 7", &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 7);
  assert_int_equal(e.r->starts, 1);
  assert_string_equal(e.r->reason, "exit code 7");
  er_job_free(e.job);
}

static void success_is_exit_code_0(void **state) {
  ending e;
  run(state, "true", &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 0);
  assert_false(e.r->has_metrics);
  er_job_free(e.job);
}

static void a_signal_is_told(void **state) {
  ending e;
  run(state, "kill -SEGV $$", &e);
  assert_int_equal(e.r->ended, ER_ENDED_SIGNAL);
  assert_int_equal(e.r->signal, SIGSEGV);
  er_job_free(e.job);
}

static void a_missing_command_is_a_failed_launch(void **state) {
  static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
  ending e;
  er_job_spec s = rig_spec(&g, (const char *const[]){"no-such-command", "x", NULL});
  s.env = env;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LAUNCH);
  assert_string_equal(e.r->reason, "no-such-command: No such file or directory");
  er_job_free(e.job);
}

static void a_command_that_says_127_is_no_failed_launch(void **state) {
  ending e;
  run(state, "echo 'bwrap: execvp x: No such file or directory' >&2; exit 1", &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 1);
  er_job_free(e.job);
}

static void the_log_is_the_end_of_stderr_else_of_stdout(void **state) {
  ending e;
  run(state, "echo on stdout; echo on stderr >&2", &e);
  assert_string_equal(er_buf_cstr(&e.r->log), "on stderr\n");
  er_job_free(e.job);
  run(state, "echo on stdout", &e);
  assert_string_equal(er_buf_cstr(&e.r->log), "on stdout\n");
  er_job_free(e.job);
}

static void bytes_that_are_no_text_are_kept_in_the_file_and_cleaned_in_the_log(void **state) {
  ending e;
  er_buf out;
  run(state, "printf 'a\\377b\\000c'", &e);
  out = rig_read(&g, "stdout");
  assert_int_equal(out.len, 5);
  assert_memory_equal(out.ptr, "a\377b\0c", 5);
  assert_int_equal(e.r->log.len, 7);
  assert_memory_equal(e.r->log.ptr, "a\xef\xbf\xbd" "b\0c", 7);
  er_buf_free(&out);
  er_job_free(e.job);
}

static void a_silent_job_leaves_no_log_files(void **state) {
  ending e;
  run(state, "true", &e);
  assert_false(rig_exists(&g, "stdout"));
  assert_false(rig_exists(&g, "stderr"));
  er_job_free(e.job);
}

static void of_long_output_the_head_and_the_tail_stay(void **state) {
  ending e;
  er_buf out;
  run(state, "echo first; head -c 2000000 /dev/zero | tr '\\0' x; echo; echo last", &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  out = rig_read(&g, "stdout");
  assert_true(out.len > 300000 && out.len < 400000);
  assert_memory_equal(out.ptr, "first\n", 6);
  assert_memory_equal(out.ptr + out.len - 6, "\nlast\n", 6);
  assert_non_null(strstr(out.ptr, "[erlua: 1672332 bytes left out here]"));
  er_buf_free(&out);
  er_job_free(e.job);
}

static void output_below_head_and_tail_is_whole(void **state) {
  ending e;
  er_buf out;
  run(state, "head -c 300000 /dev/zero | tr '\\0' x", &e);
  out = rig_read(&g, "stdout");
  assert_int_equal(out.len, 300000);
  assert_null(strstr(out.ptr, "left out"));
  er_buf_free(&out);
  er_job_free(e.job);
}

static void a_flood_of_output_ends_the_job(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("yes"));
  s.limits.output = 1 << 20;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_FLOOD);
  er_job_free(e.job);
}

/* Runs a script under a limit of wall time.  On a slow machine the limit may strike before the script has
 * got to where the test begins, which it says by `ready`: then once more, with more time. */
static void run_until_ready(void **state, const char *script, double grace, bool budget, er_job_spec *s, ending *e) {
  double seconds;
  for (seconds = 0.3;; seconds *= 4) {
    *s = rig_spec(&g, SH(script));
    s->limits.grace_s = grace;
    if (budget) s->limits.budget_s = seconds;
    else s->limits.wall_s = seconds;
    run_spec(state, s, e);
    if (rig_exists(&g, "work/ready") || seconds > 60) return;
    er_job_free(e->job);
  }
}

static void the_wall_limit_ends_a_job_that_ignores_sigterm(void **state) {
  ending e;
  er_job_spec s;
  char reason[64];
  run_until_ready(state, "trap '' TERM; : > ready; setsid sleep $NAP & sleep $NAP & sleep $NAP; sleep $NAP", 0.2, false, &s, &e);
  snprintf(reason, sizeof reason, "wall limit of %g s reached", s.limits.wall_s);
  assert_int_equal(e.r->ended, ER_ENDED_TIMEOUT);
  assert_string_equal(e.r->reason, reason);
  assert_true(e.r->wall_s >= s.limits.wall_s + 0.2);
  assert_false(process_with(rig_nap(&g)));
  er_job_free(e.job);
}

static void a_sigterm_handler_runs_before_the_end(void **state) {
  ending e;
  er_buf out;
  er_job_spec s;
  run_until_ready(state, "trap 'echo saved; exit 0' TERM; : > ready; while :; do sleep 0.05; done", 100, false, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_TIMEOUT);
  out = rig_read(&g, "stdout");
  assert_string_equal(er_buf_cstr(&out), "saved\n");
  er_buf_free(&out);
  er_job_free(e.job);
}

static void the_cpu_limit_counts_all_processes(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("(while :; do :; done) & (while :; do :; done) & wait"));
  s.limits.cpu_s = 0.4;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_CPU);
  assert_true(e.r->cpu_s >= 0.4);
  er_job_free(e.job);
}

static void a_used_up_wall_budget_is_no_failure(void **state) {
  ending e;
  er_job_spec s;
  run_until_ready(state, "echo artifact > \"$ERLUA_OUT/a\"; : > ready; sleep $NAP", 0.5, true, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_BUDGET);
  assert_true(rig_exists(&g, "out/a"));
  er_job_free(e.job);
}

static void a_cpu_budget_counts_cpu(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("sleep 0.5; : > slept; while :; do :; done"));
  s.limits.budget_s = 0.3;
  s.limits.budget_is_cpu = true;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_BUDGET);
  assert_true(rig_exists(&g, "work/slept"));          /* by the clock on the wall it was over before */
  assert_true(e.r->cpu_s >= 0.3);
  er_job_free(e.job);
}

static void too_much_memory_is_told_as_such(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("head -c 400000000 /dev/zero | tail -n 1 | sleep 100"));
  s.limits.memory = 64 << 20;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_OOM);
  assert_string_equal(e.r->reason, "memory limit of 64 MiB reached");
  er_job_free(e.job);
}

static void a_kill_by_itself_is_no_oom(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("kill -KILL $$"));
  s.limits.memory = 64 << 20;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_SIGNAL);
  assert_int_equal(e.r->signal, SIGKILL);
  er_job_free(e.job);
}

static void too_many_processes_end_the_job(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("for i in 1 2 3 4 5 6 7 8 9; do sleep $NAP & done; sleep $NAP"));
  s.limits.processes = 5;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_PROCESSES);
  assert_false(process_with(rig_nap(&g)));
  er_job_free(e.job);
}

static void as_many_processes_as_allowed_are_fine(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("for i in 1 2 3 4; do sleep 0.3 & done; wait"));
  s.limits.processes = 5;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  er_job_free(e.job);
}

static void the_disk_limit_holds_for_work_and_out_together(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("head -c 700000 /dev/urandom > a; head -c 700000 /dev/urandom > \"$ERLUA_OUT/b\""));
  s.limits.disk = 1000000;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_DISK);
  er_job_free(e.job);
}

static void the_disk_limit_ends_a_job_that_goes_on_writing(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("while :; do head -c 300000 /dev/urandom >> a; sleep 0.02; done"));
  s.limits.disk = 1000000;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_DISK);
  er_job_free(e.job);
}

static void what_a_job_leaves_behind_ends_with_it(void **state) {
  ending e;
  run(state, "setsid sleep $NAP & setsid sh -c 'sleep $NAP & sleep $NAP' & sleep 0.1; exit 3", &e);
  assert_int_equal(e.r->ended, ER_ENDED_EXIT);
  assert_int_equal(e.r->exit_code, 3);
  assert_false(process_with(rig_nap(&g)));
  er_job_free(e.job);
}

static void metrics_are_read_as_they_were_written(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("printf '{\"a\":1}' > \"$ERLUA_METRICS\""));
  s.metrics = true;
  run_spec(state, &s, &e);
  assert_true(e.r->has_metrics);
  assert_string_equal(er_buf_cstr(&e.r->metrics), "{\"a\":1}");
  er_job_free(e.job);
}

static void metrics_may_be_1_mb_and_not_more(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("head -c 1048576 /dev/zero > \"$ERLUA_METRICS\""));
  s.metrics = true;
  run_spec(state, &s, &e);
  assert_true(e.r->has_metrics);
  assert_int_equal(e.r->metrics.len, 1048576);
  er_job_free(e.job);
  s = rig_spec(&g, SH("head -c 1048577 /dev/zero > \"$ERLUA_METRICS\""));
  s.metrics = true;
  rig_run(&g, &s, &e);
  assert_false(e.r->has_metrics);
  assert_true(e.r->metrics_too_big);
  er_job_free(e.job);
}

static void a_job_without_metrics_has_no_path_for_them(void **state) {
  ending e;
  run(state, "test -z \"${ERLUA_METRICS+x}${ERLUA_CURVE+x}\"", &e);
  assert_int_equal(e.r->exit_code, 0);
  assert_false(rig_exists(&g, "metrics"));
  er_job_free(e.job);
}

static void the_curve_file_is_the_jobs_to_append_to(void **state) {
  ending e;
  er_buf curve;
  er_job_spec s = rig_spec(&g, SH("echo '{\"step\":1}' >> \"$ERLUA_CURVE\"; echo '{\"step\":2}' >> \"$ERLUA_CURVE\""));
  s.curve = true;
  run_spec(state, &s, &e);
  curve = rig_read(&g, "curve");
  assert_string_equal(er_buf_cstr(&curve), "{\"step\":1}\n{\"step\":2}\n");
  er_buf_free(&curve);
  er_job_free(e.job);
}

static void the_environment_is_what_was_given_and_the_fixed_names(void **state) {
  static const char *const env[] = {"ERLUA_SEED=5", "PATH=/bin:/usr/bin", NULL};
  ending e;
  er_buf out;
  er_job_spec s = rig_spec(&g, SH("echo $ERLUA_SEED $PATH; env | grep -c SECRET_OF_THE_ENGINE; exit 0"));
  s.env = env;
  setenv("SECRET_OF_THE_ENGINE", "x", 1);
  run_spec(state, &s, &e);
  out = rig_read(&g, "stdout");
  assert_string_equal(er_buf_cstr(&out), "5 /bin:/usr/bin\n0\n");
  er_buf_free(&out);
  er_job_free(e.job);
}

static void no_descriptor_but_three_is_inherited(void **state) {
  ending e;
  int fd = open("/etc/passwd", O_RDONLY);          /* on purpose without close-on-exec */
  er_job_spec s = rig_spec(&g, (const char *const[]){"/bin/ls", "/proc/self/fd", NULL});
  run_spec(state, &s, &e);
  assert_string_equal(er_buf_cstr(&e.r->log), "0\n1\n2\n3\n");   /* 3 is the folder that ls reads */
  close(fd);
  er_job_free(e.job);
}

static void cancel_ends_the_job_and_what_it_started(void **state) {
  ending e = {0};
  er_job_spec s = rig_spec(&g, SH("echo up > up; setsid sleep $NAP & sleep $NAP"));
  if (in_sandbox(state)) NEEDS_SANDBOX();
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  rig_until_file(&g, "work/up");
  er_job_cancel(e.job);
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_CANCELLED);
  assert_false(process_with(rig_nap(&g)));
  assert_int_equal(er_jobs_running(g.js), 0);
  er_job_free(e.job);
}

/* Also where the sandbox is still being built: the command is asked to end, and not left to its grace. */
static void cancel_at_once_is_a_cancel_too(void **state) {
  ending e = {0};
  er_job_spec s = rig_spec(&g, SH("sleep $NAP"));
  s.limits.grace_s = 60;
  if (in_sandbox(state)) NEEDS_SANDBOX();
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  er_job_cancel(e.job);
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_CANCELLED);
  assert_int_not_equal(e.r->signal, SIGKILL);
  assert_false(process_with(rig_nap(&g)));
  er_job_free(e.job);
}

static void a_job_that_stops_itself_still_ends(void **state) {
  ending e;
  er_job_spec s = rig_spec(&g, SH("kill -STOP $$"));
  s.limits.wall_s = 0.3;
  s.limits.grace_s = 0.1;
  run_spec(state, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_TIMEOUT);
  er_job_free(e.job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TWICE(an_exit_code_is_told), TWICE(success_is_exit_code_0), TWICE(a_signal_is_told),
    TWICE(a_missing_command_is_a_failed_launch), TWICE(a_command_that_says_127_is_no_failed_launch),
    TWICE(the_log_is_the_end_of_stderr_else_of_stdout),
    TWICE(bytes_that_are_no_text_are_kept_in_the_file_and_cleaned_in_the_log),
    TWICE(a_silent_job_leaves_no_log_files), TWICE(of_long_output_the_head_and_the_tail_stay),
    TWICE(output_below_head_and_tail_is_whole), TWICE(a_flood_of_output_ends_the_job),
    TWICE(the_wall_limit_ends_a_job_that_ignores_sigterm), TWICE(a_sigterm_handler_runs_before_the_end),
    TWICE(the_cpu_limit_counts_all_processes), TWICE(a_used_up_wall_budget_is_no_failure),
    TWICE(a_cpu_budget_counts_cpu), TWICE(too_much_memory_is_told_as_such), TWICE(a_kill_by_itself_is_no_oom),
    TWICE(too_many_processes_end_the_job), TWICE(as_many_processes_as_allowed_are_fine),
    TWICE(the_disk_limit_holds_for_work_and_out_together), TWICE(the_disk_limit_ends_a_job_that_goes_on_writing),
    TWICE(what_a_job_leaves_behind_ends_with_it), TWICE(metrics_are_read_as_they_were_written),
    TWICE(metrics_may_be_1_mb_and_not_more), TWICE(a_job_without_metrics_has_no_path_for_them),
    TWICE(the_curve_file_is_the_jobs_to_append_to), TWICE(the_environment_is_what_was_given_and_the_fixed_names),
    TWICE(no_descriptor_but_three_is_inherited), TWICE(cancel_ends_the_job_and_what_it_started),
    TWICE(cancel_at_once_is_a_cancel_too), TWICE(a_job_that_stops_itself_still_ends),
  };
  return cmocka_run_group_tests_name("job: how it ends", tests, NULL, NULL);
}
