/* job_rig.h - what the tests of the job room share: a folder, a loop, and
 * running one job to its end.  Included after cmocka.h. */
#ifndef ERLUA_TEST_JOB_RIG_H
#define ERLUA_TEST_JOB_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "job/job.h"
#include "loop/loop.h"

#define RIG_PATIENCE 240.0               /* seconds: only a test that goes wrong takes so long */

typedef struct {
  er_loop *loop;
  er_jobs *js;
  char root[64];                       /* removed at the end */
  char dir[96];                        /* the folder of the job at hand */
  int made;
  char nap[48];                        /* NAP=SECONDS, an hour or more, as no other test and no other run has it */
  const char *env[2];                  /* it alone */
} rig;

typedef struct { er_job *job; const er_job_result *r; int calls; char order[64]; } ending;

static inline void rig_open(rig *g, bool sandbox, int slots) {
  er_jobs_opts o = {slots, 0, ERLUA_SUPERVISE, sandbox};
  er_err err = {{0}, {0}};
  struct timespec now;
  memset(g, 0, sizeof *g);
  unsetenv("CUDA_VISIBLE_DEVICES");    /* whatever GPUs whoever runs the tests may see */
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(g->nap, sizeof g->nap, "NAP=%d.%09ld", 3600 + (int)getpid(), now.tv_nsec);
  g->env[0] = g->nap;
  strcpy(g->root, "/tmp/erlua-job-XXXXXX");
  assert_non_null(mkdtemp(g->root));
  g->loop = er_loop_new();
  g->js = er_jobs_new(g->loop, &o, &err);
  if (g->js == NULL) fail_msg("er_jobs_new: %s", err.msg);
}

static inline void rig_close(rig *g) {
  er_jobs_free(g->js);
  er_loop_free(g->loop);
  er_remove_tree(g->root, NULL);
}

/* A new folder with work/ and out/ in it. */
static inline const char *rig_folder(rig *g) {
  char *work, *out;
  snprintf(g->dir, sizeof g->dir, "%s/%d", g->root, ++g->made);
  work = er_path_join(g->dir, "work");
  out = er_path_join(g->dir, "out");
  assert_int_equal(er_mkdirs(work, 0700, NULL), 0);
  assert_int_equal(er_mkdirs(out, 0700, NULL), 0);
  er_free(work);
  er_free(out);
  return g->dir;
}

static inline char *rig_path(const rig *g, const char *name) { return er_path_join(g->dir, name); }

static inline bool rig_exists(const rig *g, const char *name) {
  char *path = rig_path(g, name);
  bool there = er_path_exists(path);
  er_free(path);
  return there;
}

static inline void rig_write(const rig *g, const char *name, const char *text) {
  char *path = rig_path(g, name);
  assert_int_equal(er_file_write(path, text, strlen(text), 0600, NULL), 0);
  er_free(path);
}

/* The text of a file in the folder; the caller frees the buffer. */
static inline er_buf rig_read(const rig *g, const char *name) {
  char *path = rig_path(g, name);
  er_buf b = {0};
  if (er_path_exists(path)) assert_int_equal(er_file_read(path, 8 << 20, &b, NULL), 0);
  er_free(path);
  return b;
}

static inline void ended(void *ud, const er_job_result *r) {
  ending *e = ud;
  e->calls++;
  e->r = r;
}

static inline void rig_tick(void *ud) { (void)ud; }

static inline void rig_until_ended(rig *g, const ending *e) {
  double began = er_clock_mono();
  er_timer *tick = er_timer_start(g->loop, 1, 1, rig_tick, NULL);   /* so that the loop cannot wait for ever */
  while (e->calls == 0) {
    if (er_clock_mono() - began > RIG_PATIENCE) fail_msg("the job did not end within %g s", RIG_PATIENCE);
    er_loop_turn(g->loop, true);
  }
  er_timer_stop(tick);
}

/* What `sleep $NAP` of a job has as its argument. */
static inline const char *rig_nap(const rig *g) { return g->nap + strlen("NAP="); }

/* Turns the loop until the file is there (and not empty). */
static inline void rig_until_file(rig *g, const char *name) {
  char *path = rig_path(g, name);
  struct stat st;
  double began = er_clock_mono();
  while (stat(path, &st) < 0 || st.st_size == 0) {
    if (er_clock_mono() - began > RIG_PATIENCE) fail_msg("%s did not appear within %g s", path, RIG_PATIENCE);
    er_loop_turn(g->loop, false);
    usleep(2000);
  }
  er_free(path);
}

static inline er_job_spec rig_spec(rig *g, const char *const *argv) {
  er_job_spec s;
  memset(&s, 0, sizeof s);
  s.dir = rig_folder(g);
  s.argv = argv;
  s.env = g->env;
  s.limits.wall_s = 200;               /* a test that goes wrong ends as well */
  return s;
}

/* Runs one job to its end; the caller frees e->job. */
static inline void rig_run(rig *g, const er_job_spec *spec, ending *e) {
  memset(e, 0, sizeof *e);
  e->job = er_job_queue(g->js, spec, NULL, ended, e);
  rig_until_ended(g, e);
  assert_int_equal(e->calls, 1);
}

/* Whether any process has this word, and nothing more, as one of its arguments. */
static inline bool process_with(const char *word) {
  DIR *d = opendir("/proc");
  struct dirent *e;
  bool found = false;
  assert_non_null(d);
  while (!found && (e = readdir(d)) != NULL) {
    char path[300], text[4096];
    ssize_t n = -1, i;
    int fd;
    snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
    if (e->d_name[0] < '1' || e->d_name[0] > '9' || (fd = open(path, O_RDONLY)) < 0) continue;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (i = 0; i < n && !found; i += (ssize_t)strlen(text + i) + 1) found = strcmp(text + i, word) == 0;
  }
  closedir(d);
  return found;
}

/* For what the kernel does a moment later: true as soon as ten looks in a row found nothing, so it measures
 * nothing. One look is not enough: a process between its fork and its exec does not carry the word yet. */
static inline bool soon_gone(const char *word) {
  int i, absent = 0;
  for (i = 0; i < 2000 && absent < 10; i++) {
    absent = process_with(word) ? 0 : absent + 1;
    usleep(10000);
  }
  return absent == 10;
}

static inline bool sandbox_works(void) {
  er_err err = {{0}, {0}};
  if (er_sandbox_probe(&err) == 0) return true;
  print_message("skipped: %s\n", err.msg);
  return false;
}

#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})
#define NEEDS_SANDBOX() do { if (!sandbox_works()) skip(); } while (0)

#endif
