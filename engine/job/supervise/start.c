/* start.c - the command is started by vfork and exec, with nothing but three descriptors. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

typedef struct { int out[2], err[2], status[2], null, work, data[SV_DATA_MAX], n_data; } ends;

/* Far above the numbers that they get in the child, so that no dup2 there closes one of them. */
static int open_data(ends *e, const sv_options *o) {
  for (; e->n_data < o->n_data; e->n_data++) {
    int fd = open(o->data[e->n_data], O_RDONLY | O_CLOEXEC);
    e->data[e->n_data] = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, SV_DATA_FD + SV_DATA_MAX) : -1;
    if (fd >= 0) close(fd);
    if (e->data[e->n_data] < 0) return -1;
  }
  return 0;
}

static int open_ends(ends *e, const sv_options *o, int dir) {
  *e = (ends){.out = {-1, -1}, .err = {-1, -1}, .status = {-1, -1}, .null = -1, .work = -1};
  if (pipe2(e->out, O_CLOEXEC) < 0 || pipe2(e->err, O_CLOEXEC) < 0) return -1;
  if (o->sandbox && pipe2(e->status, O_CLOEXEC) < 0) return -1;
  e->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (!o->sandbox) e->work = openat(dir, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (e->null < 0 || (!o->sandbox && e->work < 0)) return -1;
  return open_data(e, o);
}

/* A small file of /proc/self: the machine, when it runs out of memory, should
 * take the job and neither the engine nor the supervisor. */
static void offer_to_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, "500", 3);
  close(fd);
}

/* bwrap without a setuid bit needs no privilege that the fence would take. */
static bool may_fence(const sv_options *o) {
  struct stat st;
  return o->sandbox && stat(o->argv[0], &st) == 0 && (st.st_mode & S_ISUID) == 0;
}

typedef struct {
  const sv_options *o;
  const sv_cgroup *cg;
  ends e;
  pid_t parent;
  bool fence;
  volatile int eno;                        /* the child's only word to the parent */
} plan;

static void pass_descriptors(plan *p) {
  const ends *e = &p->e;
  if (dup2(e->null, 0) < 0 || dup2(e->out[1], 1) < 0 || dup2(e->err[1], 2) < 0) goto failed;
  for (int i = 0; i < e->n_data; i++)
    if (dup2(e->data[i], SV_DATA_FD + i) < 0) goto failed;
  if (!p->o->sandbox) return;
  if (e->status[1] == 3) fcntl(3, F_SETFD, 0);
  else if (dup2(e->status[1], 3) < 0) goto failed;
  return;
failed:
  p->eno = errno;
  _exit(127);
}

/* Runs in the parent's memory, as vfork has it: touches nothing there but eno. */
static void child(plan *p) {
  struct rlimit none = {0, 0};
  sigset_t empty;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != p->parent) _exit(127);
  setpgid(0, 0);
  if (!sv_cgroup_join(p->cg)) {
    p->eno = SV_NO_CGROUP;
    _exit(127);
  }
  offer_to_oom();
  setrlimit(RLIMIT_CORE, &none);
  if (p->e.work >= 0 && fchdir(p->e.work) < 0) {
    p->eno = errno;
    _exit(127);
  }
  pass_descriptors(p);
  sigemptyset(&empty);
  sigprocmask(SIG_SETMASK, &empty, NULL);
  if (p->fence) sv_fence();
  execvp(p->o->argv[0], p->o->argv);
  p->eno = errno;
  _exit(127);
}

static pid_t fork_child(plan *p) {
  pid_t pid = vfork();
  if (pid == 0) child(p);
  return pid;
}

/* Closes what is the child's; a second close of -1 harms nobody. */
static void close_child_ends(const ends *e) {
  const int fds[] = {e->out[1], e->err[1], e->status[1], e->null, e->work};
  size_t i;
  for (i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  for (int k = 0; k < e->n_data; k++) close(e->data[k]);
}

static void close_own_ends(const ends *e) {
  const int fds[] = {e->out[0], e->err[0], e->status[0]};
  size_t i;
  for (i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
}

int sv_start(const sv_options *o, int dir, const sv_cgroup *cg, sv_child *c) {
  plan p = {.o = o, .cg = cg, .parent = getpid(), .fence = may_fence(o)};
  *c = (sv_child){-1, -1, -1, -1, 0};
  if (open_ends(&p.e, o, dir) < 0) p.eno = errno;
  else if ((c->pid = fork_child(&p)) < 0) p.eno = errno;
  close_child_ends(&p.e);
  if (p.eno != 0) {
    c->exec_errno = p.eno;
    close_own_ends(&p.e);
    return -1;
  }
  c->out = p.e.out[0];
  c->err = p.e.err[0];
  c->status = p.e.status[0];
  fcntl(c->out, F_SETFL, O_NONBLOCK);
  fcntl(c->err, F_SETFL, O_NONBLOCK);
  if (c->status >= 0) fcntl(c->status, F_SETFL, O_NONBLOCK);
  return 0;
}
