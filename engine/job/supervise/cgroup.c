/* cgroup.c - a control group of its own for a job, where the machine lets us make one.
 * It is made inside the supervisor's own group, so that a limit around erlua
 * stays in force, or beside it in version 2, where a group with processes may
 * not have children with limits.  One costs 0.2 to 0.5 ms, so each resource gets
 * one only if the job has a limit on it. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

#define ROOT "/sys/fs/cgroup"
#define CGROUP2_MAGIC 0x63677270

static const char *const v1_name[SV_CG_COUNT] = {"memory", "pids", "cpuacct"};

static int write_file(const char *dir, const char *name, const char *text) {
  char path[384];
  int fd, rc;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0) return -1;
  rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
  close(fd);
  return rc;
}

static int write_number(const char *dir, const char *name, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  return write_file(dir, name, text);
}

static int read_file(const char *dir, const char *name, char *text, size_t size) {
  char path[384];
  ssize_t n;
  int fd;
  text[0] = '\0';
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) return -1;
  n = read(fd, text, size - 1);
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  return n > 0 ? 0 : -1;
}

/* The number behind `name` in a file of "name number" lines; -1 without it. */
static long long line_value(const char *dir, const char *file, const char *name) {
  char text[2048], *line;
  size_t n = strlen(name);
  if (dir[0] == '\0' || read_file(dir, file, text, sizeof text) < 0) return -1;
  for (line = text; line != NULL; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
    if (strncmp(line, name, n) == 0 && line[n] == ' ') return strtoll(line + n + 1, NULL, 10);
  return -1;
}

/* The path of this process in the hierarchy of `controller` ("" for version 2),
 * from a line such as "4:memory:/a/b" or "0::/a/b". */
static bool own_path(const char *controller, char *out, size_t size) {
  char text[4096], *line, *save = NULL;
  if (read_file("/proc/self", "cgroup", text, sizeof text) < 0) return false;
  for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
    char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL, *one, *inner = NULL;
    if (path == NULL) continue;
    *path++ = '\0';
    if (*controller == '\0' && list[1] == '\0') return snprintf(out, size, "%s", path) < (int)size;
    for (one = strtok_r(list + 1, ",", &inner); one != NULL; one = strtok_r(NULL, ",", &inner))
      if (strcmp(one, controller) == 0) return snprintf(out, size, "%s", path) < (int)size;
  }
  return false;
}

/* Makes PARENT/erlua-PID and opens its cgroup.procs; false leaves nothing behind. */
static bool make_in(sv_cgroup *cg, int which, const char *parent) {
  char procs[384], *dir = cg->dir[which];
  if (snprintf(dir, sizeof cg->dir[0], "%s/erlua-%d", parent, (int)getpid()) >= (int)sizeof cg->dir[0]) goto no;
  rmdir(dir);                              /* of an earlier process with this pid */
  if (mkdir(dir, 0755) < 0) goto no;
  snprintf(procs, sizeof procs, "%s/cgroup.procs", dir);
  cg->procs[which] = open(procs, O_WRONLY | O_CLOEXEC);
  if (cg->procs[which] >= 0) return true;
  rmdir(dir);
no:
  dir[0] = '\0';
  return false;
}

static void drop(sv_cgroup *cg, int which) {
  if (cg->dir[which][0] == '\0') return;
  close(cg->procs[which]);
  rmdir(cg->dir[which]);
  cg->dir[which][0] = '\0';
}

static bool parent_v1(int which, char *parent, size_t size) {
  char own[192] = "";
  struct stat st;
  if (!own_path(v1_name[which], own, sizeof own)) return false;
  snprintf(parent, size, ROOT "/%s%s", v1_name[which], strcmp(own, "/") == 0 ? "" : own);
  /* In a container the path may be the host's, while the mount begins at the container's own group. */
  if (stat(parent, &st) < 0) snprintf(parent, size, ROOT "/%s", v1_name[which]);
  return true;
}

static void make_v1(sv_cgroup *cg, int which) {
  char parent[256];
  if (parent_v1(which, parent, sizeof parent)) make_in(cg, which, parent);
}

static bool parent_v2(char *parent, size_t size) {
  char own[192] = "", text[64], *slash;
  if (!own_path("", own, sizeof own)) return false;
  snprintf(parent, size, ROOT "%s", strcmp(own, "/") == 0 ? "" : own);
  if (strcmp(own, "/") == 0) return true;
  /* A sibling would escape a limit that is set on our own group: then rather none. */
  if (read_file(parent, "memory.max", text, sizeof text) == 0 && strncmp(text, "max", 3) != 0) return false;
  if ((slash = strrchr(parent, '/')) != NULL) *slash = '\0';
  return true;
}

static void make_v2(sv_cgroup *cg) {
  char parent[256];
  if (!parent_v2(parent, sizeof parent)) return;
  write_file(parent, "cgroup.subtree_control", "+memory +pids");
  cg->v2 = make_in(cg, SV_CG_CPU, parent);
}

static bool unified(void) {
  struct statfs fs;
  return statfs(ROOT, &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_MAGIC;
}

/* Joining a group makes the kernel wait for a grace period, some 10 ms a group:
 * worth it for a limit that env.lua names, not for the default. */
static bool pids_wanted(const sv_options *o) { return o->processes > 0 && !o->watch_processes; }

/* In version 2 one group holds everything; the name of a resource is set only where its controller is on. */
static void limit_v2(sv_cgroup *cg, const sv_options *o, uint64_t tasks) {
  const char *dir = cg->dir[SV_CG_CPU];
  if (o->memory > 0 && write_number(dir, "memory.max", o->memory) == 0) {
    write_file(dir, "memory.swap.max", "0");
    write_file(dir, "memory.oom.group", "1");
    strcpy(cg->dir[SV_CG_MEMORY], dir);
  }
  if (pids_wanted(o) && write_number(dir, "pids.max", tasks) == 0) strcpy(cg->dir[SV_CG_PIDS], dir);
}

static void limit_v1(sv_cgroup *cg, const sv_options *o, uint64_t tasks) {
  if (o->memory > 0) make_v1(cg, SV_CG_MEMORY);
  if (pids_wanted(o)) make_v1(cg, SV_CG_PIDS);
  if (o->cpu > 0 || (o->budget > 0 && o->budget_is_cpu)) make_v1(cg, SV_CG_CPU);
  if (cg->dir[SV_CG_MEMORY][0] != '\0') {
    if (write_number(cg->dir[SV_CG_MEMORY], "memory.limit_in_bytes", o->memory) < 0) drop(cg, SV_CG_MEMORY);
    else write_number(cg->dir[SV_CG_MEMORY], "memory.memsw.limit_in_bytes", o->memory);
  }
  if (cg->dir[SV_CG_PIDS][0] != '\0' && write_number(cg->dir[SV_CG_PIDS], "pids.max", tasks) < 0)
    drop(cg, SV_CG_PIDS);
}

void sv_cgroup_make(sv_cgroup *cg, const sv_options *o) {
  uint64_t tasks = o->processes + (o->sandbox ? 2 : 0);   /* bwrap and its init are not the job's */
  memset(cg, 0, sizeof *cg);
  if (o->no_cgroup) return;
  if (o->memory == 0 && !pids_wanted(o) && o->cpu <= 0 && !(o->budget > 0 && o->budget_is_cpu)) return;
  if (unified()) {
    make_v2(cg);
    if (cg->v2) limit_v2(cg, o, tasks);
  } else {
    limit_v1(cg, o, tasks);
  }
}

/* A group can be removed a moment after its last process was reaped. */
static void remove_dir(const char *dir) {
  int tries;
  if (dir[0] == '\0') return;
  for (tries = 0; rmdir(dir) < 0 && errno == EBUSY && tries < 50; tries++) usleep(1000);
}

void sv_cgroup_remove(sv_cgroup *cg) {
  int i;
  if (cg->v2) remove_dir(cg->dir[SV_CG_CPU]);
  else for (i = 0; i < SV_CG_COUNT; i++) remove_dir(cg->dir[i]);
}

bool sv_cgroup_join(const sv_cgroup *cg) {
  int i;
  for (i = 0; i < SV_CG_COUNT; i++) {
    if (cg->dir[i][0] == '\0' || (cg->v2 && i != SV_CG_CPU)) continue;
    if (write(cg->procs[i], "0", 1) != 1) return false;
  }
  return true;
}

bool sv_cgroup_oom(const sv_cgroup *cg) {
  return line_value(cg->dir[SV_CG_MEMORY], cg->v2 ? "memory.events" : "memory.oom_control", "oom_kill") > 0;
}

bool sv_cgroup_forks_refused(const sv_cgroup *cg) {
  return line_value(cg->dir[SV_CG_PIDS], "pids.events", "max") > 0;
}

double sv_cgroup_cpu(const sv_cgroup *cg) {
  char text[64];
  if (cg->dir[SV_CG_CPU][0] == '\0') return -1;
  if (cg->v2) {
    long long us = line_value(cg->dir[SV_CG_CPU], "cpu.stat", "usage_usec");
    return us < 0 ? -1 : (double)us * 1e-6;
  }
  if (read_file(cg->dir[SV_CG_CPU], "cpuacct.usage", text, sizeof text) < 0) return -1;
  return strtod(text, NULL) * 1e-9;
}

uint64_t sv_cgroup_peak(const sv_cgroup *cg) {
  char text[64];
  const char *dir = cg->dir[SV_CG_MEMORY];
  if (dir[0] == '\0') return 0;
  if (read_file(dir, cg->v2 ? "memory.peak" : "memory.max_usage_in_bytes", text, sizeof text) < 0) return 0;
  return strtoull(text, NULL, 10);
}

static void sweep(const char *parent) {
  DIR *d = opendir(parent);
  struct dirent *e;
  char path[600];
  if (d == NULL) return;
  while ((e = readdir(d)) != NULL) {
    int pid;
    if (sscanf(e->d_name, "erlua-%d", &pid) != 1 || kill(pid, 0) == 0 || errno != ESRCH) continue;
    snprintf(path, sizeof path, "%s/%s", parent, e->d_name);
    rmdir(path);                           /* one with processes in it stays */
  }
  closedir(d);
}

void sv_cgroup_sweep(void) {
  char parent[256];
  int i;
  if (unified()) {
    if (parent_v2(parent, sizeof parent)) sweep(parent);
    return;
  }
  for (i = 0; i < SV_CG_COUNT; i++)
    if (parent_v1(i, parent, sizeof parent)) sweep(parent);
}
