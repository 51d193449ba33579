/* tree.c - finding the processes of the job in /proc, signalling and adding them up.
 * The supervisor is a subreaper, so whatever a job starts stays below it, also
 * after setsid or when the parent is gone. */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/supervise/supervise.h"

#define TREE_MAX 65536                     /* a job with more processes than that is ended in several passes */

typedef struct { pid_t *pid; size_t n, cap; } pids;

static void add(pids *l, pid_t pid) {
  if (l->n == TREE_MAX) return;
  if (l->n == l->cap) {
    size_t cap = l->cap ? l->cap * 2 : 64;
    pid_t *grown = realloc(l->pid, cap * sizeof *grown);
    if (grown == NULL) return;
    l->pid = grown;
    l->cap = cap;
  }
  l->pid[l->n++] = pid;
}

/* Reads a small file of /proc; the length, or -1. */
static ssize_t slurp(const char *path, char *to, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t got = 0;
  ssize_t n = 0;
  if (fd < 0) return -1;
  while (got < size - 1 && (n = read(fd, to + got, size - 1 - got)) > 0) got += (size_t)n;
  close(fd);
  to[got] = '\0';
  return n < 0 ? -1 : (ssize_t)got;
}

/* The children of one thread, "12 34 56 "; a long list comes in several reads. */
static bool add_children_of_thread(pids *l, pid_t pid, const char *tid) {
  char path[64], text[4096];
  long value = 0;
  bool in_number = false;
  ssize_t i, n;
  int fd;
  snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, tid);
  if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) return false;
  while ((n = read(fd, text, sizeof text)) > 0) {
    for (i = 0; i < n; i++) {
      if (isdigit((unsigned char)text[i])) {
        value = value * 10 + (text[i] - '0');
        in_number = true;
      } else if (in_number) {
        add(l, (pid_t)value);
        value = 0;
        in_number = false;
      }
    }
  }
  close(fd);
  return true;
}

static void add_children(pids *l, pid_t pid) {
  char path[64];
  struct dirent *e;
  DIR *d;
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  if ((d = opendir(path)) == NULL) return;
  while ((e = readdir(d)) != NULL)
    if (isdigit((unsigned char)e->d_name[0])) add_children_of_thread(l, pid, e->d_name);
  closedir(d);
}

/* The fields of /proc/PID/stat behind the name, which may hold spaces and brackets. */
static const char *stat_fields(pid_t pid, char *text, size_t size) {
  char path[64], *close_bracket;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (slurp(path, text, size) <= 0 || (close_bracket = strrchr(text, ')')) == NULL) return NULL;
  return close_bracket[1] == ' ' ? close_bracket + 2 : NULL;
}

static pid_t parent_of(pid_t pid) {
  char text[1024], state;
  int ppid;
  const char *f = stat_fields(pid, text, sizeof text);
  return f != NULL && sscanf(f, "%c %d", &state, &ppid) == 2 ? ppid : -1;
}

/* For kernels without the children files: every process whose line of parents leads to root. */
static void add_by_parents(pids *l, pid_t root) {
  DIR *d = opendir("/proc");
  struct dirent *e;
  if (d == NULL) return;
  while ((e = readdir(d)) != NULL) {
    pid_t pid = (pid_t)atoi(e->d_name), p = pid;
    int steps = 0;
    if (pid <= 1 || pid == root) continue;
    while (p > 1 && p != root && steps++ < 4096) p = parent_of(p);
    if (p == root) add(l, pid);
  }
  closedir(d);
}

static pids descendants(pid_t root) {
  pids l = {NULL, 0, 0};
  size_t i;
  if (access("/proc/thread-self/children", R_OK) != 0) {
    add_by_parents(&l, root);
    return l;
  }
  add_children(&l, root);
  for (i = 0; i < l.n; i++) add_children(&l, l.pid[i]);
  return l;
}

size_t sv_tree_signal(pid_t root, int sig) {
  pids l = descendants(root);
  size_t i, n = 0;
  for (i = 0; i < l.n; i++) n += kill(l.pid[i], sig) == 0;
  free(l.pid);
  return n;
}

unsigned long long sv_tree_began(pid_t pid) {
  char text[1024];
  const char *f = stat_fields(pid, text, sizeof text);
  for (int field = 3; f != NULL && field < 22; field++) {    /* from the state to the start, as proc(5) numbers them */
    f = strchr(f, ' ');
    if (f != NULL) f++;
  }
  return f != NULL ? strtoull(f, NULL, 10) : 0;
}

/* Bytes; 0 for a process that has ended, reaped or not. */
static uint64_t resident(pid_t pid) {
  char path[64], text[256];
  unsigned long long size, pages;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
  if (slurp(path, text, sizeof text) <= 0 || sscanf(text, "%llu %llu", &size, &pages) != 2) return 0;
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_usage(pid_t pid, sv_ledger *l, sv_usage *u) {
  char text[1024], state;
  unsigned long long ut, st, cut, cst, began;
  long threads;
  double tick = (double)sysconf(_SC_CLK_TCK);
  const char *f = stat_fields(pid, text, sizeof text);
  if (f == NULL) return;
  if (sscanf(f, "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %ld %*d %llu",
             &state, &ut, &st, &cut, &cst, &threads, &began) != 7) return;
  sv_ledger_note(l, pid, began, (double)(ut + st) / tick);
  u->cpu += (double)(ut + st + cut + cst) / tick;
  if (state == 'Z' || state == 'X') return;
  u->tasks += (uint64_t)threads;
  u->memory += resident(pid);
}

void sv_tree_usage(pid_t root, sv_ledger *ledger, sv_usage *u) {
  pids l = descendants(root);
  size_t i;
  memset(u, 0, sizeof *u);
  for (i = 0; i < l.n; i++) add_usage(l.pid[i], ledger, u);
  u->seen = sv_ledger_sum(ledger);
  free(l.pid);
}

static uint64_t kilobytes(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at != NULL ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* One that ended since it was found is not unread: it takes nothing any more. */
uint64_t sv_tree_memory(pid_t root, bool *unread) {
  pids l = descendants(root);
  char path[64], text[4096];
  uint64_t sum = 0;
  size_t i;
  for (i = 0; i < l.n; i++) {
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)l.pid[i]);
    if (slurp(path, text, sizeof text) <= 0) {
      if (resident(l.pid[i]) > 0) *unread = true;
      continue;
    }
    sum += kilobytes(text, "\nPss_Anon:") + kilobytes(text, "\nPss_Shmem:");
  }
  free(l.pid);
  return sum;
}
