/* test_tensor_pool.c - the team of threads: what is done, by how many, and what the machine allows. */

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor/pool.h"

enum { ITEMS = 1000 };

typedef struct { _Atomic int done[ITEMS]; _Atomic int used[8]; _Atomic int wrong; } tally;

static void count(void *ctx, int thread, int64_t lo, int64_t hi) {
  tally *t = ctx;
  if (thread < 0 || thread >= 8 || lo < 0 || hi > ITEMS || lo >= hi) t->wrong++;
  else t->used[thread]++;
  for (int64_t i = lo; i < hi && i < ITEMS; i++) t->done[i]++;
}

static void every_item_is_done_once_by_any_team(void **s) {
  er_pool *p = er_pool_open(1);
  (void)s;
  for (int threads = 1; threads <= 5; threads++) {
    er_pool_set_threads(p, threads);
    assert_int_equal(er_pool_threads(p), threads);
    for (int round = 0; round < 300; round++) {
      tally t = {{0}, {0}, 0};
      int64_t n = round % 7 == 0 ? ITEMS : 1 + round * 37 % ITEMS;
      er_pool_run(p, n, 1 + round % 11, count, &t);
      assert_int_equal(t.wrong, 0);
      for (int i = 0; i < ITEMS; i++) assert_int_equal(t.done[i], i < n);
      for (int i = threads; i < 8; i++) assert_int_equal(t.used[i], 0);
    }
  }
  er_pool_close(p);
}

static void nothing_to_do_is_done_at_once(void **s) {
  er_pool *p = er_pool_open(3);
  tally t = {{0}, {0}, 0};
  (void)s;
  er_pool_run(p, 0, 1, count, &t);
  er_pool_run(p, 5, 0, count, &t);                           /* a grain of less than one is one */
  assert_int_equal(t.done[4], 1);
  assert_int_equal(t.done[5], 0);
  er_pool_close(p);
}

/* Holds a piece until the other has been begun: only threads of their own can do both. */
static void meet(void *ctx, int thread, int64_t lo, int64_t hi) {
  _Atomic int *begun = ctx;
  (void)thread, (void)lo, (void)hi;
  atomic_fetch_add(begun, 1);
  while (atomic_load(begun) < 2) usleep(100);
}

static void two_threads_work_at_the_same_time(void **s) {
  er_pool *p = er_pool_open(2);
  (void)s;
  for (int i = 0; i < 50; i++) {
    _Atomic int begun = 0;
    if (i % 10 == 0) usleep(2000);                           /* long enough to fall asleep */
    er_pool_run(p, 2, 1, meet, (void *)&begun);
    assert_int_equal(begun, 2);
  }
  er_pool_close(p);
}

/* The threads of this process that are not asleep, the asking one left out. */
static int awake(void) {
  DIR *tasks = opendir("/proc/self/task");
  int n = 0;
  assert_non_null(tasks);
  for (struct dirent *d; (d = readdir(tasks)) != NULL;) {
    char path[300], line[512] = "", *state;
    FILE *f;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", d->d_name);
    if (atoi(d->d_name) == 0 || atoi(d->d_name) == (int)getpid() || (f = fopen(path, "r")) == NULL) continue;
    state = fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
    n += state != NULL && state[2] != 'S';
    fclose(f);
  }
  closedir(tasks);
  return n;
}

static void an_idle_team_falls_asleep(void **s) {
  er_pool *p = er_pool_open(4);
  tally t = {{0}, {0}, 0};
  int asleep = 0;
  (void)s;
  er_pool_run(p, ITEMS, 1, count, &t);
  for (int i = 0; i < 60000 && asleep < 10; i++) {          /* one look may find a thread that only waits a moment */
    asleep = awake() == 0 ? asleep + 1 : 0;
    usleep(1000);
  }
  assert_int_equal(asleep, 10);
  er_pool_close(p);
}

static volatile sig_atomic_t handled_by_us;
static pthread_t us;
static void on_signal(int n) {
  (void)n;
  handled_by_us = handled_by_us + (pthread_equal(pthread_self(), us) != 0);
}

static void members_never_run_handlers(void **s) {
  er_pool *p = er_pool_open(4);
  tally t = {{0}, {0}, 0};
  void (*was)(int) = signal(SIGUSR1, on_signal);
  (void)s;
  us = pthread_self();
  er_pool_run(p, ITEMS, 1, count, &t);
  for (int i = 1; i <= 20; i++) {
    kill(getpid(), SIGUSR1);
    assert_int_equal(handled_by_us, i);
  }
  signal(SIGUSR1, was);
  er_pool_close(p);
}

/* ---- quotas ------------------------------------------------------------------------------------------ */

static char home[64];

static void put(const char *path, const char *text) {
  char full[256], *cut;
  FILE *f;
  snprintf(full, sizeof full, "%s/%s", home, path);
  for (cut = strchr(full + strlen(home) + 1, '/'); cut != NULL; cut = strchr(cut + 1, '/')) {
    *cut = 0;
    mkdir(full, 0700);
    *cut = '/';
  }
  f = fopen(full, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static int quota_of(const char *list) {
  char path[128];
  put("list", list);
  snprintf(path, sizeof path, "%s/list", home);
  return er_pool_quota(path, home);
}

static void the_least_quota_on_the_way_up_counts(void **s) {
  (void)s;
  put("a/cpu.max", "350000 100000\n");
  put("a/b/cpu.max", "max 100000\n");
  assert_int_equal(quota_of("0::/a/b\n"), 4);                /* three and a half: rounded up */
  put("a/b/cpu.max", "50000 100000\n");
  assert_int_equal(quota_of("0::/a/b\n"), 1);
  assert_int_equal(quota_of("0::/\n"), 0);
  put("cpu/g/cpu.cfs_quota_us", "200000\n");
  put("cpu/g/cpu.cfs_period_us", "100000\n");
  assert_int_equal(quota_of("3:cpuset:/g\n2:cpu,cpuacct:/g\n"), 2);
  assert_int_equal(quota_of("2:cpuacct:/g\n"), 0);
  put("cpu/g/cpu.cfs_quota_us", "-1\n");
  assert_int_equal(quota_of("2:cpu:/g\n"), 0);
  put("cpu.max", "100000 100000\n");                         /* a container's own root */
  assert_int_equal(quota_of("0::/not/here\n"), 1);
}

static void a_list_that_makes_no_sense_sets_no_quota(void **s) {
  (void)s;
  put("cpu.max", "soon\n");
  put("cpu/cpu.cfs_quota_us", "");
  assert_int_equal(quota_of("0::/a\n") , 4);
  assert_int_equal(quota_of("::\nx\n0\n:cpu\n1:cpu:\n\n0::\n"), 0);
  assert_int_equal(er_pool_quota("/nowhere/at/all", home), 0);
}

/* ---- work that is broken off ---- */

typedef struct { er_pool *p; size_t bytes; _Atomic int begun, ended; } needy;

static void take_scratch(void *ctx, int thread, int64_t lo, int64_t hi) {
  needy *n = ctx;
  n->begun++;
  memset(er_pool_scratch(n->p, thread, 0, n->bytes), 0, n->bytes);
  n->ended += (int)(hi - lo);
}

static void work_without_memory_is_broken_off_and_says_what_was_missing(void **s) {
  (void)s;
  for (int threads = 1; threads <= 3; threads++) {
    needy n = {er_pool_open(threads), 1 << 20, 0, 0};
    size_t missing = 0;
    er_pool_set_most(n.p, 64 << 10);
    assert_false(er_pool_run(n.p, 100, 1, take_scratch, &n));
    assert_true(n.begun >= 1 && n.begun <= threads && n.ended == 0);
    n.bytes = 8;
    assert_false(er_pool_run(n.p, 100, 1, take_scratch, &n));            /* nothing runs before somebody has asked */
    assert_null(er_pool_scratch(n.p, 0, 1, 8));
    assert_true(n.ended == 0 && er_pool_is_broken(n.p));
    assert_true(er_pool_broken(n.p, &missing));
    assert_int_equal(missing, 1 << 20);
    assert_false(er_pool_broken(n.p, &missing));
    assert_true(er_pool_run(n.p, 100, 1, take_scratch, &n));
    assert_int_equal(n.ended, 100);
    er_pool_close(n.p);
  }
}

static bool after_ten(void *ctx) { return ((needy *)ctx)->ended >= 10; }

static void a_watch_ends_work_between_two_pieces(void **s) {
  (void)s;
  for (int threads = 1; threads <= 3; threads++) {
    needy n = {er_pool_open(threads), 8, 0, 0};
    size_t missing = 1;
    er_pool_set_watch(n.p, after_ten, &n);
    assert_false(er_pool_run(n.p, 1000000000, 1, take_scratch, &n));
    assert_true(n.ended >= 10 && n.ended < 1000000000);
    assert_true(er_pool_broken(n.p, &missing));
    assert_int_equal(missing, 0);
    er_pool_set_watch(n.p, NULL, NULL);
    n.ended = 0;
    assert_true(er_pool_run(n.p, 20, 1, take_scratch, &n));
    assert_int_equal(n.ended, 20);
    er_pool_close(n.p);
  }
}

static int make_home(void **s) {
  (void)s;
  strcpy(home, "/tmp/erlua-pool.XXXXXX");
  return mkdtemp(home) == NULL;
}

static int drop_home(void **s) {
  char command[128];
  (void)s;
  snprintf(command, sizeof command, "rm -rf '%s'", home);
  return system(command) != 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_item_is_done_once_by_any_team),
      cmocka_unit_test(nothing_to_do_is_done_at_once),
      cmocka_unit_test(two_threads_work_at_the_same_time),
      cmocka_unit_test(an_idle_team_falls_asleep),
      cmocka_unit_test(members_never_run_handlers),
      cmocka_unit_test(the_least_quota_on_the_way_up_counts),
      cmocka_unit_test(a_list_that_makes_no_sense_sets_no_quota),
      cmocka_unit_test(work_without_memory_is_broken_off_and_says_what_was_missing),
      cmocka_unit_test(a_watch_ends_work_between_two_pieces),
  };
  return cmocka_run_group_tests(tests, make_home, drop_home);
}
