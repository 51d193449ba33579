/* probe.c - what this machine offers: a working sandbox, control groups, GPUs. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"
#include "job/supervise/supervise.h"

#define PROBE_SECONDS 10

/* ---- a short program, waited for with a bound ---- */

static void read_pipe(int fd, char *out, size_t size) {
  size_t got = 0;
  ssize_t n;
  while (got < size - 1 && (n = read(fd, out + got, size - 1 - got)) > 0) got += (size_t)n;
  out[got] = '\0';
}

/* Runs argv with the descriptor `which` caught, PROBE_SECONDS at most; its wait
 * status, or -1.  The first bytes of what it wrote are enough, so the pipe is
 * read once it is gone. */
static int run_short(const char *const *argv, int which, char *out, size_t size) {
  er_spawn_opts o = {.argv = argv, .fd0 = -1, .fd1 = -1, .fd2 = -1, .session = true};
  int ends[2], pidfd = -1, status = -1;
  pid_t pid;
  out[0] = '\0';
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -1;
  if (which == 1) o.fd1 = ends[1];
  else o.fd2 = ends[1];
  if (er_spawn(&o, &pid, &pidfd, NULL) == 0) {
    struct pollfd p = {pidfd, POLLIN, 0};
    if (pidfd >= 0 && poll(&p, 1, PROBE_SECONDS * 1000) == 0) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    read_pipe(ends[0], out, size);
    if (pidfd >= 0) close(pidfd);
  }
  close(ends[0]);
  close(ends[1]);
  return status;
}

/* ---- the sandbox ---- */

static const char *advice(const char *said) {
  if (strstr(said, "etting up uid map") != NULL || strstr(said, "ermission") != NULL ||
      strstr(said, "ermitted") != NULL)
    return "user namespaces are refused here: allow them (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
           "kernel.apparmor_restrict_unprivileged_userns=0; in a container, run it with user namespaces or privileged)";
  if (strstr(said, "No space left") != NULL)
    return "user namespaces are used up: raise sysctl user.max_user_namespaces";
  return "see what bwrap says, and whether this container allows mounts";
}

int er_sandbox_probe(er_err *err) {
  char *bwrap = er_sandbox_find(), said[256];
  er_words w = {0};
  int status;
  if (bwrap == NULL)
    return er_fail(err, "sandbox", "bwrap is not there: install the package bubblewrap, or pass --no-sandbox");
  er_sandbox_base(&w, bwrap);
  er_words_add(&w, "--");
  er_words_add(&w, "/bin/true");
  status = run_short(w.at, 2, said, sizeof said);
  er_words_free(&w);
  er_free(bwrap);
  if (status == 0) return 0;
  said[strcspn(said, "\n")] = '\0';
  return er_fail(err, "sandbox", "the sandbox does not work here (%s): %s; or pass --no-sandbox",
                 said[0] != '\0' ? said : "bwrap said nothing", advice(said));
}

/* ---- limits ---- */

void er_limits_probe(er_limit_means *out) {
  sv_options o;
  sv_cgroup cg;
  const char *by, *sv = "supervisor";
  memset(&o, 0, sizeof o);
  o.memory = (uint64_t)1 << 30;
  o.processes = 1000;
  o.cpu = 1000;
  sv_cgroup_make(&cg, &o);
  by = cg.v2 ? "cgroup v2" : "cgroup v1";
  out->memory = cg.dir[SV_CG_MEMORY][0] != '\0' ? by : sv;
  out->processes = cg.dir[SV_CG_PIDS][0] != '\0' ? by : sv;
  out->cpu = cg.dir[SV_CG_CPU][0] != '\0' ? by : sv;
  out->wall = out->disk = out->output = sv;
  sv_cgroup_remove(&cg);
}

/* ---- GPUs ---- */

/* Splits "0, 1\n2" into names; what is not a word of a GPU's name ends one. */
static int add_names(er_jobs *js, const char *text, int most) {
  const char *p = text;
  int n = 0;
  while (*p != '\0' && n < most && n < ER_GPUS_MAX) {
    size_t len = strcspn(p, ", \t\r\n");
    if (len > 0 && strncmp(p, "-1", len) != 0) js->gpu[n++] = er_strndup(p, len);
    p += len;
    p += strspn(p, ", \t\r\n");
  }
  return n;
}

static int count_devices(void) {
  DIR *d = opendir("/dev");
  struct dirent *e;
  int n = 0;
  if (d == NULL) return 0;
  while ((e = readdir(d)) != NULL)
    if (strncmp(e->d_name, "nvidia", 6) == 0 && isdigit((unsigned char)e->d_name[6])) n++;
  closedir(d);
  return n;
}

static int number_them(er_jobs *js, int n) {
  int i;
  if (n > ER_GPUS_MAX) n = ER_GPUS_MAX;
  for (i = 0; i < n; i++) js->gpu[i] = er_asprintf("%d", i);
  return n;
}

/* The GPUs that are ours to hand out: those that whoever started erlua left
 * visible, else those that nvidia-smi lists. */
int er_gpus_list(er_jobs *js, int wanted) {
  static const char *const smi[] = {"nvidia-smi", "--query-gpu=index", "--format=csv,noheader", NULL};
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  char said[1024];
  if (wanted == 0) return 0;
  if (visible != NULL) return add_names(js, visible, wanted > 0 ? wanted : ER_GPUS_MAX);
  if (wanted > 0) return number_them(js, wanted);
  if (!er_path_exists("/dev/nvidiactl")) return 0;
  if (run_short(smi, 1, said, sizeof said) == 0) return add_names(js, said, ER_GPUS_MAX);
  return number_them(js, count_devices());
}
