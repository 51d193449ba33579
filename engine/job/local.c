/* local.c - the launcher of this machine: a supervisor is a process, watched by its pidfd. */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"

/* ---- the command's environment: the first of each name counts ---- */

static void gpu_names(const er_job *j, char *out, size_t size) {
  size_t n = 0;
  int i;
  out[0] = '\0';
  for (i = 0; i < j->jobs->gpus && n < size; i++)
    if (j->gpu_mask >> i & 1)
      n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? "," : "", j->jobs->gpu[i]);
}

static bool has_data(const er_job_spec *s) {
  size_t i = 0;
  while (i < s->n_binds && !s->binds[i].data) i++;
  return i < s->n_binds;
}

static void env_of_paths(er_words *env, const er_job *j) {
  const er_job_spec *s = &j->spec;
  char *out = s->artifact != NULL ? er_strdup(s->artifact) : er_path_join(s->dir, "out");
  bool inside = j->jobs->sandbox;
  if (er_path_is_dir(out)) er_words_fmt(env, "ERLUA_OUT=%s", inside ? "/erlua/out" : out);
  if (s->curve) er_words_fmt(env, "ERLUA_CURVE=%s/curve", inside ? "/erlua" : s->dir);
  if (s->metrics) er_words_fmt(env, "ERLUA_METRICS=%s/metrics", inside ? "/erlua" : s->dir);
  if (has_data(s)) er_words_fmt(env, "ERLUA_DATA=%s/data", inside ? "/erlua" : s->dir);
  er_free(out);
}

static void env_defaults(er_words *env, const er_jobs *js) {
  const char *path = getenv("PATH"), *home = getenv("HOME");
  char *dir;
  er_words_add(env, "LANG=C.UTF-8");
  er_words_fmt(env, "OMP_NUM_THREADS=%d", js->threads);
  if (js->sandbox) {
    er_words_add(env, "PATH=/erlua/bin:/usr/local/bin:/usr/bin:/bin");
    er_words_add(env, "HOME=/tmp");
    return;
  }
  dir = er_path_dir(js->self != NULL ? js->self : "/usr/bin/erlua");
  er_words_fmt(env, "PATH=%s:%s", dir, path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
  er_words_fmt(env, "HOME=%s", home != NULL ? home : "/tmp");
  er_free(dir);
}

static void drop_doubles(er_words *env) {
  size_t i, k, n = 0;
  for (i = 0; i < env->n; i++) {
    size_t len = strcspn(env->at[i], "=") + 1;
    for (k = 0; k < n && strncmp(env->at[k], env->at[i], len) != 0; k++) {}
    if (k == n) env->at[n++] = env->at[i];
  }
  env->n = n;
  if (env->at != NULL) env->at[n] = NULL;
}

static void make_env(er_words *env, const er_job *j, const char *gpus) {
  const char *const *e;
  env_of_paths(env, j);
  if (j->jobs->gpus > 0) er_words_fmt(env, "CUDA_VISIBLE_DEVICES=%s", gpus);
  for (e = j->spec.env; *e != NULL; e++)
    if (strchr(*e, '=') != NULL) er_words_add(env, *e);
  env_defaults(env, j->jobs);
  drop_doubles(env);
}

/* ---- the supervisor's command line ---- */

static void add_seconds(er_words *w, const char *name, double s) {
  if (s <= 0) return;
  er_words_add(w, name);
  er_words_fmt(w, "%.6f", s);
}

static void add_bytes(er_words *w, const char *name, uint64_t n) {
  if (n == 0) return;
  er_words_add(w, name);
  er_words_fmt(w, "%llu", (unsigned long long)n);
}

static void add_limits(er_words *w, const er_job_limits *l) {
  add_seconds(w, "--wall", l->wall_s);
  add_seconds(w, "--cpu", l->cpu_s);
  add_seconds(w, "--budget", l->budget_s);
  if (l->budget_s > 0 && l->budget_is_cpu) er_words_add(w, "--budget-is-cpu");
  add_bytes(w, "--memory", l->memory);
  add_bytes(w, "--disk", l->disk);
  add_bytes(w, "--output", l->output);
  add_bytes(w, "--processes", l->processes);
  if (l->processes > 0 && l->processes_watched) er_words_add(w, "--watch-processes");
  er_words_add(w, "--grace");
  er_words_fmt(w, "%.6f", l->grace_s > 0 ? l->grace_s : 0.5);
}

static void add_command(er_words *w, const er_job *j, const er_words *env) {
  const char *const *a;
  size_t i;
  er_words_add(w, "--");
  if (j->jobs->sandbox) {
    er_sandbox_words(w, j->jobs, j);
    for (i = 0; i < env->n; i++) {
      size_t n = strcspn(env->at[i], "=");
      er_words_add(w, "--setenv");
      er_words_fmt(w, "%.*s", (int)n, env->at[i]);
      er_words_add(w, env->at[i] + n + 1);
    }
    er_words_add(w, "--");
  }
  for (a = j->spec.argv; *a != NULL; a++) er_words_add(w, *a);
}

static void add_data(er_words *w, const er_job_spec *s) {
  for (size_t i = 0; i < s->n_binds; i++) {
    if (!s->binds[i].data) continue;
    er_words_add(w, "--data");
    er_words_add(w, s->binds[i].host);
  }
}

static void make_argv(er_words *w, const er_job *j, const er_words *env, const char *gpus) {
  const er_job_spec *s = &j->spec;
  er_words_add(w, j->jobs->supervise);
  er_words_add(w, "--dir");
  er_words_add(w, s->dir);
  if (gpus[0] != '\0') {
    er_words_add(w, "--gpus");
    er_words_add(w, gpus);
  }
  if (j->jobs->sandbox) er_words_add(w, "--sandbox");
  else add_data(w, s);
  if (s->curve) er_words_add(w, "--curve");
  if (s->metrics) er_words_add(w, "--metrics");
  add_limits(w, &s->limits);
  add_command(w, j, env);
}

/* ---- the process ---- */

static void let_go(er_job *j) {
  er_watch_stop(j->watch);
  j->watch = NULL;
  if (j->pidfd >= 0) close(j->pidfd);
  j->pidfd = -1;
  j->pid = 0;
}

/* A killed supervisor took its command along, and in a sandbox everything.
 * Without one, whatever did not leave its session is still found by it: as long
 * as the supervisor is not reaped, the session's number is nobody else's. */
static void end_session(pid_t session) {
  DIR *d = opendir("/proc");
  struct dirent *e;
  if (d == NULL) return;
  while ((e = readdir(d)) != NULL) {
    pid_t pid = (pid_t)atoi(e->d_name);
    if (pid > 1 && pid != session && getsid(pid) == session) kill(pid, SIGKILL);
  }
  closedir(d);
}

/* Its exit code, -1 if it was killed, -2 if it is still there. */
static int reap(pid_t pid) {
  siginfo_t how = {0};
  int status;
  if (waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT | WNOHANG) < 0) return errno == EINTR ? -2 : -1;
  if (how.si_pid == 0) return -2;
  if (how.si_code != CLD_EXITED) end_session(pid);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return how.si_code == CLD_EXITED ? how.si_status : -1;
}

static void supervisor_gone(void *ud) {
  er_job *j = ud;
  int code = j->child ? reap(j->pid) : -1;
  if (code == -2) return;
  let_go(j);
  er_job_supervisor_ended(j, code);
}

static int watch(er_job *j, er_err *err) {
  j->watch = j->pidfd >= 0 ? er_watch_fd(j->jobs->loop, j->pidfd, supervisor_gone, j) : NULL;
  if (j->watch != NULL) return 0;
  let_go(j);
  return er_fail(err, "pidfd", "cannot watch the supervisor: the kernel gives no pidfd (Linux 5.3 or newer is needed)");
}

static int local_start(er_job *j, er_err *err) {
  er_words env = {0}, argv = {0}, own = {0};
  er_spawn_opts o = {.fd0 = -1, .fd1 = -1, .fd2 = -1, .session = true};
  const char *fault = getenv("ERLUA_FAULT");
  char gpus[1024];
  pid_t pid = 0;
  int rc;
  gpu_names(j, gpus, sizeof gpus);
  make_env(&env, j, gpus);
  make_argv(&argv, j, &env, gpus);
  /* bwrap itself runs outside: what the command's environment says must not reach it. */
  if (j->jobs->sandbox) er_words_add(&own, "LANG=C.UTF-8");
  if (fault != NULL) er_words_fmt(j->jobs->sandbox ? &own : &env, "ERLUA_FAULT=%s", fault);
  o.argv = argv.at;
  o.env = j->jobs->sandbox ? own.at : env.at;
  er_fault("job.before_spawn");
  rc = er_spawn(&o, &pid, &j->pidfd, err);
  if (rc == 0) er_fault("job.after_spawn");
  j->pid = pid;
  j->child = true;
  er_words_free(&env);
  er_words_free(&argv);
  er_words_free(&own);
  if (rc == 0 && (rc = watch(j, err)) < 0) kill(pid, SIGTERM);   /* unwatched it would hold no slot */
  return rc;
}

/* The pid in the claim is its holder's only while the claim is held, so it is
 * looked at once more after the pidfd is there. */
static int local_adopt(er_job *j, er_err *err) {
  pid_t pid = 0, again = 0;
  char none[1];
  if (er_folder_claim(j->spec.dir, &pid, none, 0) != ER_CLAIM_HELD || pid <= 0) return -1;
  j->pidfd = er_pidfd_open(pid);
  if (er_folder_claim(j->spec.dir, &again, none, 0) != ER_CLAIM_HELD || again != pid || j->pidfd < 0) {
    let_go(j);
    return -1;
  }
  j->pid = pid;
  j->child = false;
  return watch(j, err);
}

static void local_cancel(er_job *j) {
  if (j->pidfd >= 0) syscall(SYS_pidfd_send_signal, j->pidfd, SIGTERM, NULL, 0);
}

/* For whoever ends a study's jobs without being the engine that runs them. */
int er_job_cancel_folder(const char *dir, er_err *err) {
  char none[1];
  pid_t pid, again;
  long rc = 0;
  int fd;
  if (er_folder_claim(dir, &pid, none, 0) != ER_CLAIM_HELD || pid <= 0 || (fd = er_pidfd_open(pid)) < 0) return 1;
  if (er_folder_claim(dir, &again, none, 0) == ER_CLAIM_HELD && again == pid)
    rc = syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
  if (rc < 0 && errno != ESRCH) rc = er_fail_errno(err, errno, "cannot end the job in %s", dir);
  close(fd);
  return rc < 0 ? -1 : 0;
}

const er_launcher er_launcher_local = {"local", local_start, local_adopt, local_cancel, let_go};
