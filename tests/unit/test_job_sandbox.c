/* test_job_sandbox.c - what a job in the sandbox can and cannot see, reach and do. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <unistd.h>

#include "job_rig.h"

static rig g;
static bool works;

static int open_rig(void **state) {
  (void)state;
  works = sandbox_works();
  rig_open(&g, works, 2);
  return 0;
}

static int close_rig(void **state) { (void)state; rig_close(&g); return 0; }

/* Runs a script in the sandbox and expects exit code 0. */
static void expect_spec(const er_job_spec *s) {
  ending e;
  rig_run(&g, s, &e);
  if (e.r->ended != ER_ENDED_EXIT || e.r->exit_code != 0)
    fail_msg("%s: %s", e.r->reason, er_buf_cstr(&e.r->log));
  er_job_free(e.job);
}

static void expect(const char *script) {
  er_job_spec s = rig_spec(&g, SH(script));
  if (!works) skip();
  expect_spec(&s);
}

static void secrets_of_the_machine_are_not_there(void **state) {
  (void)state;
  expect("for f in /etc/shadow /etc/gshadow /run /var /home /root /opt /srv /mnt /boot /sys; do"
         "  test ! -e $f || { echo $f is there; exit 1; }; done");
}

static void the_machines_dictionaries_are_not_there(void **state) {
  (void)state;
  if (access("/usr/share/dictd", F_OK) != 0) skip();
  expect("set -- $(ls -A /usr/share/dictd); test $# = 0 && ! ( : > /usr/share/dictd/x ) 2>/dev/null");
}

static void folders_of_other_jobs_are_not_there(void **state) {
  char script[256];
  (void)state;
  rig_folder(&g);
  rig_write(&g, "work/secret", "x");
  snprintf(script, sizeof script, "test ! -e %s && ! ls %s", g.root, g.root);
  expect(script);
}

static void the_engines_process_is_not_in_proc(void **state) {
  (void)state;
  expect("n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; test $n -le 4 || { ls /proc; exit 1; }");
}

static void the_working_folder_is_the_workspace_and_writable(void **state) {
  er_job_spec s;
  er_buf b;
  (void)state;
  s = rig_spec(&g, SH("test \"$(pwd)\" = /work && cat given && echo hello > made"));
  rig_write(&g, "work/given", "x");
  if (!works) skip();
  expect_spec(&s);
  b = rig_read(&g, "work/made");
  assert_string_equal(er_buf_cstr(&b), "hello\n");
  er_buf_free(&b);
}

static void nothing_else_can_be_written(void **state) {
  (void)state;
  expect("for d in / /usr /etc /dev /erlua /erlua/bin /usr/bin; do"
         "  if ( : > $d/x ) 2>/dev/null; then echo wrote $d; exit 1; fi; done");
}

static void tmp_and_shm_are_there_and_bounded(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x > /tmp/x && echo x > /dev/shm/x && for d in /tmp /dev/shm; do"
                                  "  if head -c 60000000 /dev/zero 2>/dev/null > $d/y; then exit 1; fi; rm $d/y; done"));
  (void)state;
  s.limits.memory = (uint64_t)100 << 20;              /* each may take half of it */
  if (!works) skip();
  expect_spec(&s);
}

static void an_artifact_is_read_only(void **state) {
  er_job_spec s;
  char *artifact;
  (void)state;
  rig_folder(&g);
  rig_write(&g, "out/model", "weights");
  artifact = rig_path(&g, "out");
  s = rig_spec(&g, SH("test \"$(cat $ERLUA_OUT/model)\" = weights && ! ( echo x > $ERLUA_OUT/model ) 2>/dev/null"
                      " && ! rm -f $ERLUA_OUT/model 2>/dev/null"));
  s.artifact = artifact;
  if (works) expect_spec(&s);
  er_free(artifact);
  if (!works) skip();
}

static void binds_of_the_caller_come_in_as_asked(void **state) {
  er_job_spec s;
  er_job_bind binds[2];
  char *data, *room;
  er_buf b;
  (void)state;
  if (!works) skip();
  rig_folder(&g);
  rig_write(&g, "data", "held out");
  data = rig_path(&g, "data");
  room = rig_path(&g, "out");
  binds[0] = (er_job_bind){data, "/erlua/data/val.bin", false, true};
  binds[1] = (er_job_bind){room, "/room", true, false};
  s = rig_spec(&g, SH("test \"$(cat /erlua/data/val.bin)\" = 'held out' && ! ( : > /erlua/data/val.bin ) 2>/dev/null"
                      " && echo x > /room/made"));
  s.binds = binds;
  s.n_binds = 2;
  expect_spec(&s);
  b = (er_buf){0};
  char *made = er_path_join(room, "made");
  assert_int_equal(er_file_read(made, 100, &b, NULL), 0);
  er_buf_free(&b);
  er_free(made);
  er_free(data);
  er_free(room);
}

static void a_bind_of_something_missing_is_a_failed_launch(void **state) {
  er_job_spec s = rig_spec(&g, SH("true"));
  er_job_bind bind = {"/no/such/thing", "/x", false, false};
  ending e;
  (void)state;
  if (!works) skip();
  s.binds = &bind;
  s.n_binds = 1;
  rig_run(&g, &s, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LAUNCH);
  assert_non_null(strstr(e.r->reason, "/no/such/thing"));
  er_job_free(e.job);
}

static void the_job_is_nobody_without_capabilities(void **state) {
  (void)state;
  expect("test \"$(id -u)\" = 65534 && grep -q '^CapEff:.*0000000000000000$' /proc/self/status && "
         "grep -q '^CapBnd:.*0000000000000000$' /proc/self/status && ! unshare -Ur true 2>/dev/null");
}

static void a_unix_socket_outside_cannot_be_reached(void **state) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char script[512];
  (void)state;
  if (!works || access("/usr/bin/python3", X_OK) != 0) skip();
  /* An abstract one has no path that a missing folder could hide. */
  snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "erlua-test-%d", (int)getpid());
  assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  assert_int_equal(listen(fd, 1), 0);
  snprintf(script, sizeof script,
           "import socket,sys\n"
           "s=socket.socket(socket.AF_UNIX)\n"
           "try: s.connect('\\0erlua-test-%d'.ljust(%d,'\\0'))\n"
           "except OSError: sys.exit(0)\n"
           "sys.exit(1)\n", (int)getpid(), (int)sizeof a.sun_path);
  er_job_spec s = rig_spec(&g, (const char *const[]){"/usr/bin/python3", "-c", script, NULL});
  expect_spec(&s);
  close(fd);
}

static void there_is_no_network(void **state) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char script[512];
  (void)state;
  if (!works || access("/usr/bin/python3", X_OK) != 0) skip();
  assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
  assert_int_equal(listen(fd, 1), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
  snprintf(script, sizeof script,
           "import socket,sys,os\n"
           "assert os.listdir('/proc/self/net') and [l for l in open('/proc/net/dev')][2:][0].strip().startswith('lo')\n"
           "assert len(open('/proc/net/dev').readlines()) == 3\n"
           "try: socket.create_connection(('127.0.0.1', %d), 2)\n"
           "except OSError: sys.exit(0)\n"
           "sys.exit(1)\n", (int)ntohs(a.sin_port));
  er_job_spec s = rig_spec(&g, (const char *const[]){"/usr/bin/python3", "-c", script, NULL});
  expect_spec(&s);
  close(fd);
}

static void sockets_that_know_no_namespace_are_refused(void **state) {
  (void)state;
  if (!works || access("/usr/bin/python3", X_OK) != 0) skip();
  er_job_spec s = rig_spec(&g, (const char *const[]){"/usr/bin/python3", "-c",
      "import socket,sys,errno\n"
      "try: socket.socket(40, socket.SOCK_STREAM)\n"
      "except OSError as e: sys.exit(0 if e.errno == errno.EAFNOSUPPORT else 2)\n"
      "sys.exit(1)\n", NULL});
  expect_spec(&s);
}

static void the_running_program_is_erlua_in_the_path(void **state) {
  (void)state;
  expect("test \"$(command -v erlua)\" = /erlua/bin/erlua");
}

static void metrics_and_curve_lie_where_the_environment_says(void **state) {
  er_job_spec s = rig_spec(&g, SH("test $ERLUA_METRICS = /erlua/metrics && test $ERLUA_CURVE = /erlua/curve && "
                                  "test $ERLUA_OUT = /erlua/out && test $HOME = /tmp && "
                                  "! rm -f /erlua/metrics 2>/dev/null"));
  (void)state;
  s.metrics = s.curve = true;
  if (!works) skip();
  expect_spec(&s);
}

static void killing_the_supervisor_ends_the_whole_tree(void **state) {
  er_job_spec s = rig_spec(&g, SH("echo x >> up; setsid sleep $NAP & sleep $NAP"));
  ending e = {0};
  int round, pid = 0, last;
  (void)state;
  if (!works) skip();
  e.job = er_job_queue(g.js, &s, NULL, ended, &e);
  for (round = 0; round < 2; round++) {               /* once more is tried, then it is lost */
    char *up = rig_path(&g, "work/up");
    for (last = pid; pid == last; ) {                 /* a supervisor that was not killed yet */
      rig_until_file(&g, "work/up");
      er_buf claim = rig_read(&g, "claim");
      pid = atoi(er_buf_cstr(&claim));
      er_buf_free(&claim);
      if (pid == last) er_loop_turn(g.loop, false);
    }
    unlink(up);
    er_free(up);
    kill(pid, SIGKILL);
  }
  rig_until_ended(&g, &e);
  assert_int_equal(e.r->ended, ER_ENDED_LOST);
  assert_int_equal(e.r->starts, 2);
  assert_true(soon_gone(rig_nap(&g)));
  er_job_free(e.job);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, open_rig, close_rig)
  const struct CMUnitTest tests[] = {
    T(secrets_of_the_machine_are_not_there), T(the_machines_dictionaries_are_not_there),
    T(folders_of_other_jobs_are_not_there), T(the_engines_process_is_not_in_proc),
    T(the_working_folder_is_the_workspace_and_writable),
    T(nothing_else_can_be_written), T(tmp_and_shm_are_there_and_bounded), T(an_artifact_is_read_only),
    T(binds_of_the_caller_come_in_as_asked), T(a_bind_of_something_missing_is_a_failed_launch),
    T(the_job_is_nobody_without_capabilities), T(a_unix_socket_outside_cannot_be_reached), T(there_is_no_network),
    T(sockets_that_know_no_namespace_are_refused), T(the_running_program_is_erlua_in_the_path),
    T(metrics_and_curve_lie_where_the_environment_says), T(killing_the_supervisor_ends_the_whole_tree),
  };
  return cmocka_run_group_tests_name("job: the sandbox", tests, NULL, NULL);
}
