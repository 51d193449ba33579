/* test_job_queue.c - slots, GPUs, order, hold, and what callers may do with their jobs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "job_rig.h"

static rig g;

static int open_one(void **state) { (void)state; rig_open(&g, false, 1); return 0; }
static int open_two(void **state) { (void)state; rig_open(&g, false, 2); return 0; }
static int close_rig(void **state) { (void)state; rig_close(&g); return 0; }

static void open_with_gpus(int gpus, int slots) {
  er_jobs_opts o = {slots, gpus, ERLUA_SUPERVISE, false};
  er_jobs_free(g.js);
  g.js = er_jobs_new(g.loop, &o, NULL);
  assert_non_null(g.js);
}

/* What jobs write to a file of the whole rig. */
static er_buf common(const char *name) {
  char *path = er_path_join(g.root, name);
  er_buf b = {0};
  if (er_path_exists(path)) assert_int_equal(er_file_read(path, 1 << 20, &b, NULL), 0);
  er_free(path);
  return b;
}

static void jobs_start_in_the_order_of_queueing(void **state) {
  ending e[6];
  char script[6][128];
  er_buf order;
  int i;
  (void)state;
  memset(e, 0, sizeof e);
  for (i = 0; i < 6; i++) {
    er_job_spec s;
    snprintf(script[i], sizeof script[i], "printf %d >> %s/order", i, g.root);
    s = rig_spec(&g, SH(script[i]));
    e[i].job = er_job_queue(g.js, &s, NULL, ended, &e[i]);
  }
  assert_int_equal(er_jobs_running(g.js), 1);
  assert_int_equal(er_jobs_queued(g.js), 5);
  for (i = 0; i < 6; i++) {
    rig_until_ended(&g, &e[i]);
    er_job_free(e[i].job);
  }
  order = common("order");
  assert_string_equal(er_buf_cstr(&order), "012345");
  er_buf_free(&order);
  assert_int_equal(er_jobs_running(g.js) + er_jobs_queued(g.js), 0);
}

static void no_more_jobs_run_than_there_are_slots(void **state) {
  /* Each holds one of two places while it runs; a third would find none. */
  static const char script[] = "cd \"$ROOT\"; mkdir a 2>/dev/null && p=a || { mkdir b 2>/dev/null && p=b; } || exit 1;"
                               " sleep 0.03; rmdir $p";
  char root[96];
  const char *env[] = {root, NULL};
  ending e[8];
  int i;
  (void)state;
  snprintf(root, sizeof root, "ROOT=%s", g.root);
  memset(e, 0, sizeof e);
  for (i = 0; i < 8; i++) {
    er_job_spec s = rig_spec(&g, SH(script));
    s.env = env;
    e[i].job = er_job_queue(g.js, &s, NULL, ended, &e[i]);
    assert_true(er_jobs_running(g.js) <= 2);
  }
  for (i = 0; i < 8; i++) {
    rig_until_ended(&g, &e[i]);
    assert_int_equal(e[i].r->exit_code, 0);
    er_job_free(e[i].job);
  }
}

static void on_hold_nothing_starts_and_what_runs_goes_on(void **state) {
  ending a = {0}, b = {0};
  er_job_spec s = rig_spec(&g, SH("true"));
  int i;
  (void)state;
  a.job = er_job_queue(g.js, &s, NULL, ended, &a);
  s = rig_spec(&g, SH("true"));
  b.job = er_job_queue(g.js, &s, NULL, ended, &b);
  er_jobs_hold(g.js, true);
  rig_until_ended(&g, &a);
  for (i = 0; i < 3; i++) er_loop_turn(g.loop, false);
  assert_int_equal(er_jobs_running(g.js), 0);
  assert_int_equal(er_jobs_queued(g.js), 1);
  assert_false(rig_exists(&g, "started"));
  er_jobs_hold(g.js, false);
  rig_until_ended(&g, &b);
  assert_int_equal(b.r->exit_code, 0);
  er_job_free(a.job);
  er_job_free(b.job);
}

static void a_queued_job_that_is_cancelled_never_starts(void **state) {
  ending a = {0}, b = {0};
  er_job_spec s = rig_spec(&g, SH("sleep 0.2"));
  (void)state;
  a.job = er_job_queue(g.js, &s, NULL, ended, &a);
  s = rig_spec(&g, SH("true"));
  b.job = er_job_queue(g.js, &s, NULL, ended, &b);
  er_job_cancel(b.job);
  assert_int_equal(b.calls, 0);
  rig_until_ended(&g, &b);
  assert_int_equal(b.r->ended, ER_ENDED_CANCELLED);
  er_job_cancel(b.job);                               /* twice is once */
  rig_until_ended(&g, &a);
  assert_false(rig_exists(&g, "started"));
  assert_int_equal(b.calls, 1);
  er_job_free(a.job);
  er_job_free(b.job);
}

static void a_queued_job_that_is_freed_never_starts(void **state) {
  ending a = {0};
  er_job_spec s = rig_spec(&g, SH("sleep 0.1"));
  er_job *b;
  (void)state;
  a.job = er_job_queue(g.js, &s, NULL, ended, &a);
  s = rig_spec(&g, SH("true"));
  b = er_job_queue(g.js, &s, NULL, ended, NULL);
  er_job_free(b);
  assert_int_equal(er_jobs_queued(g.js), 0);
  rig_until_ended(&g, &a);
  assert_false(rig_exists(&g, "started"));
  er_job_free(a.job);
}

static void a_running_job_that_is_freed_keeps_its_slot_to_its_end(void **state) {
  ending b = {0};
  er_job_spec s = rig_spec(&g, SH("echo x > up; while test ! -e go; do sleep 0.02; done"));
  er_job *a;
  char *go;
  (void)state;
  a = er_job_queue(g.js, &s, NULL, ended, NULL);
  rig_until_file(&g, "work/up");
  go = rig_path(&g, "work/go");
  er_job_free(a);
  s = rig_spec(&g, SH("true"));
  b.job = er_job_queue(g.js, &s, NULL, ended, &b);
  assert_int_equal(er_jobs_running(g.js), 1);
  assert_int_equal(er_jobs_queued(g.js), 1);
  assert_int_equal(er_file_write(go, "x", 1, 0600, NULL), 0);
  rig_until_ended(&g, &b);
  er_job_free(b.job);
  er_free(go);
}

static void jobs_go_on_when_their_queue_is_freed(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x > up; while test ! -e go; do sleep 0.02; done; exit 3"));
  er_job *a = er_job_queue(g.js, &s, NULL, NULL, NULL);
  (void)state;
  rig_until_file(&g, "work/up");
  er_jobs_free(g.js);
  g.js = NULL;
  er_job_cancel(a);                                   /* without its queue this does nothing */
  er_job_free(a);
  rig_write(&g, "work/go", "x");
  rig_until_file(&g, "exit");
  er_buf b = rig_read(&g, "exit");
  assert_non_null(strstr(er_buf_cstr(&b), "\nexit_code 3\n"));
  er_buf_free(&b);
}

typedef struct { int left; er_job *job[8]; int n; } chain;
static void chained(void *ud, const er_job_result *r) {
  chain *c = ud;
  er_job_spec s;
  assert_int_equal(r->exit_code, 0);
  if (--c->left == 0) return;
  s = rig_spec(&g, SH("true"));
  c->job[c->n++] = er_job_queue(g.js, &s, NULL, chained, c);
}

static void done_may_queue_the_next_job(void **state) {
  chain c = {5, {0}, 0};
  er_job_spec s = rig_spec(&g, SH("true"));
  (void)state;
  c.job[c.n++] = er_job_queue(g.js, &s, NULL, chained, &c);
  while (c.left > 0) er_loop_turn(g.loop, true);
  assert_int_equal(c.n, 5);
  while (c.n > 0) er_job_free(c.job[--c.n]);
}

static int refuse(void *ud, const er_job_spec *spec, er_err *err) {
  (void)ud;
  (void)spec;
  return er_fail(err, "ENOSPC", "cannot copy the workspace: no space left");
}

static void a_workspace_that_cannot_be_prepared_is_a_failed_launch(void **state) {
  ending a = {0}, b = {0};
  er_job_spec s = rig_spec(&g, SH("true"));
  (void)state;
  a.job = er_job_queue(g.js, &s, refuse, ended, &a);
  s = rig_spec(&g, SH("true"));
  b.job = er_job_queue(g.js, &s, NULL, ended, &b);
  rig_until_ended(&g, &a);
  assert_int_equal(a.r->ended, ER_ENDED_LAUNCH);
  assert_string_equal(a.r->reason, "cannot copy the workspace: no space left");
  rig_until_ended(&g, &b);                            /* its slot is free again */
  assert_int_equal(b.r->ended, ER_ENDED_EXIT);
  er_job_free(a.job);
  er_job_free(b.job);
}

static void each_job_gets_gpus_of_its_own(void **state) {
  ending e[4];
  er_buf seen;
  char script[400];
  int i;
  (void)state;
  open_with_gpus(2, 4);
  memset(e, 0, sizeof e);
  /* A folder named after the GPU: a second job on the same one could not make it. */
  snprintf(script, sizeof script, "mkdir %s/gpu$CUDA_VISIBLE_DEVICES || exit 1; sleep 0.05; rmdir %s/gpu$CUDA_VISIBLE_DEVICES;"
                                  " echo $CUDA_VISIBLE_DEVICES >> %s/seen", g.root, g.root, g.root);
  for (i = 0; i < 4; i++) {
    er_job_spec s = rig_spec(&g, SH(script));
    s.gpus = 1;
    e[i].job = er_job_queue(g.js, &s, NULL, ended, &e[i]);
  }
  assert_int_equal(er_jobs_running(g.js), 2);         /* four slots, two GPUs */
  for (i = 0; i < 4; i++) {
    rig_until_ended(&g, &e[i]);
    assert_int_equal(e[i].r->exit_code, 0);
    er_job_free(e[i].job);
  }
  seen = common("seen");
  assert_non_null(strchr(er_buf_cstr(&seen), '0'));
  assert_non_null(strchr(er_buf_cstr(&seen), '1'));
  er_buf_free(&seen);
}

static void a_job_that_needs_more_gpus_than_there_are_is_refused(void **state) {
  ending e;
  er_job_spec s;
  (void)state;
  open_with_gpus(2, 2);
  s = rig_spec(&g, SH("true"));
  s.gpus = 3;
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LAUNCH);
  assert_string_equal(e.r->reason, "the job needs 3 GPUs and this machine has 2");
  er_job_free(e.job);
}

static void a_job_that_waits_for_gpus_is_not_overtaken(void **state) {
  ending e[3];
  er_buf order;
  char script[3][128];
  int i;
  const int need[] = {1, 2, 0};
  (void)state;
  open_with_gpus(2, 4);
  memset(e, 0, sizeof e);
  for (i = 0; i < 3; i++) {
    er_job_spec s;
    snprintf(script[i], sizeof script[i], "sleep 0.0%d; printf %d >> %s/order", i == 0 ? 9 : i, i, g.root);
    s = rig_spec(&g, SH(script[i]));
    s.gpus = need[i];
    e[i].job = er_job_queue(g.js, &s, NULL, ended, &e[i]);
  }
  assert_int_equal(er_jobs_running(g.js), 1);
  for (i = 0; i < 3; i++) {
    rig_until_ended(&g, &e[i]);
    er_job_free(e[i].job);
  }
  order = common("order");
  assert_int_equal(er_buf_cstr(&order)[0], '0');
  er_buf_free(&order);
}

static void a_job_without_gpus_sees_none(void **state) {
  ending e;
  er_job_spec s;
  (void)state;
  open_with_gpus(2, 2);
  s = rig_spec(&g, SH("test \"${CUDA_VISIBLE_DEVICES-unset}\" = ''"));
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->exit_code, 0);
  er_job_free(e.job);
}

static void the_longest_time_left_is_known(void **state) {
  ending a = {0}, b = {0};
  er_job_spec s = rig_spec(&g, SH("sleep $NAP"));
  double left;
  (void)state;
  assert_true(er_jobs_longest_left(g.js) == 0);
  s.limits.wall_s = 100;
  s.limits.grace_s = 5;
  a.job = er_job_queue(g.js, &s, NULL, ended, &a);
  left = er_jobs_longest_left(g.js);
  assert_true(left > 50 && left <= 105);
  s = rig_spec(&g, SH("sleep $NAP"));
  s.limits.wall_s = 0;
  b.job = er_job_queue(g.js, &s, NULL, ended, &b);
  assert_true(er_jobs_longest_left(g.js) == -1);      /* this one has no limit */
  er_job_cancel(a.job);
  er_job_cancel(b.job);
  rig_until_ended(&g, &a);
  rig_until_ended(&g, &b);
  er_job_free(a.job);
  er_job_free(b.job);
}

static void without_a_supervisor_there_is_no_queue(void **state) {
  er_jobs_opts o = {1, 0, "/no/such/erlua-supervise", false};
  er_err err;
  (void)state;
  assert_null(er_jobs_new(g.loop, &o, &err));
  assert_non_null(strstr(err.msg, "/no/such/erlua-supervise"));
}

static void the_number_of_slots_has_a_default(void **state) {
  (void)state;
  open_with_gpus(0, 0);
  assert_true(er_jobs_slots(g.js) >= 1);
  open_with_gpus(3, 0);
  assert_int_equal(er_jobs_slots(g.js), 3);
}

static void every_end_has_a_name(void **state) {
  int i;
  (void)state;
  for (i = ER_ENDED_EXIT; i <= ER_ENDED_LOST; i++) assert_string_not_equal(er_job_ended_name((er_job_ended)i), "unknown");
  assert_string_equal(er_job_ended_name((er_job_ended)99), "unknown");
}

static void the_probe_says_how_limits_are_held(void **state) {
  er_limit_means m;
  (void)state;
  er_limits_probe(&m);
  assert_string_equal(m.wall, "supervisor");
  assert_true(strcmp(m.memory, "supervisor") == 0 || strncmp(m.memory, "cgroup v", 8) == 0);
}

int main(void) {
#define ONE(f) cmocka_unit_test_setup_teardown(f, open_one, close_rig)
#define TWO(f) cmocka_unit_test_setup_teardown(f, open_two, close_rig)
  const struct CMUnitTest tests[] = {
    ONE(jobs_start_in_the_order_of_queueing), TWO(no_more_jobs_run_than_there_are_slots),
    ONE(on_hold_nothing_starts_and_what_runs_goes_on), ONE(a_queued_job_that_is_cancelled_never_starts),
    ONE(a_queued_job_that_is_freed_never_starts), ONE(a_running_job_that_is_freed_keeps_its_slot_to_its_end),
    ONE(jobs_go_on_when_their_queue_is_freed), ONE(done_may_queue_the_next_job),
    ONE(a_workspace_that_cannot_be_prepared_is_a_failed_launch), TWO(each_job_gets_gpus_of_its_own),
    TWO(a_job_that_needs_more_gpus_than_there_are_is_refused), TWO(a_job_that_waits_for_gpus_is_not_overtaken),
    TWO(a_job_without_gpus_sees_none), TWO(the_longest_time_left_is_known),
    ONE(without_a_supervisor_there_is_no_queue), ONE(the_number_of_slots_has_a_default),
    ONE(every_end_has_a_name), ONE(the_probe_says_how_limits_are_held),
  };
  return cmocka_run_group_tests_name("job: the queue", tests, NULL, NULL);
}
