/* cpus.c - how many CPUs this process may use: its affinity, its cgroup's quota, OMP_NUM_THREADS. */

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/pool.h"

static int in_affinity(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int read_line(const char *path, char *line, int size) {
  FILE *f = fopen(path, "re");
  int ok = f != NULL && fgets(line, size, f) != NULL;
  if (f != NULL) fclose(f);
  return ok;
}

/* Quota over period of one folder, rounded up; 0: none. */
static int quota_at(const char *folder, bool v2) {
  char path[4200], line[128];
  long long quota = 0, period = 100000;
  snprintf(path, sizeof path, "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
  if (!read_line(path, line, sizeof line)) return 0;
  if (v2) {
    if (sscanf(line, "%lld %lld", &quota, &period) < 1) return 0;      /* "max 100000" */
  } else {
    quota = atoll(line);                                               /* -1: none */
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (read_line(path, line, sizeof line)) period = atoll(line);
  }
  return quota <= 0 || period <= 0 ? 0 : (int)((quota + period - 1) / period);
}

/* The least quota from a group up to the root of its hierarchy.  In a container the path may name a folder that is not
 * there; the root then is the container's own group. */
static int quota_above(const char *root, const char *group, bool v2) {
  char folder[4096];
  int least = 0, q;
  snprintf(folder, sizeof folder, "%s%s", root, group);
  for (;;) {
    char *cut = strrchr(folder, '/');
    if ((q = quota_at(folder, v2)) > 0 && (least == 0 || q < least)) least = q;
    if (cut == NULL || strlen(folder) <= strlen(root)) return least;
    *cut = 0;
  }
}

/* Is `name` in a list such as "cpu,cpuacct"? */
static bool lists(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *at = list; (at = strstr(at, name)) != NULL; at += n)
    if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return true;
  return false;
}

/* Lines of /proc/self/cgroup: number:controllers:path; no controllers in v2. */
int er_pool_quota(const char *list, const char *mounts) {
  char line[4096], root[512];
  int least = 0;
  FILE *f = fopen(list, "re");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    char *kind = strchr(line, ':'), *path = kind != NULL ? strchr(kind + 1, ':') : NULL;
    int q;
    if (path == NULL) continue;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    bool v2 = *++kind == 0;
    if (!v2 && !lists(kind, "cpu")) continue;
    snprintf(root, sizeof root, "%s%s", mounts, v2 ? "" : "/cpu");
    if ((q = quota_above(root, strcmp(path, "/") == 0 ? "" : path, v2)) > 0 && (least == 0 || q < least)) least = q;
  }
  if (f != NULL) fclose(f);
  return least;
}


int er_pool_cpus(void) {
  const char *wish = getenv("OMP_NUM_THREADS");
  int cpus = in_affinity(), quota = er_pool_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  long n = wish != NULL ? strtol(wish, NULL, 10) : 0;
  if (quota > 0 && quota < cpus) cpus = quota;
  return n >= 1 && n < cpus ? (int)n : cpus;
}
