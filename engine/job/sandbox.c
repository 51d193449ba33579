/* sandbox.c - what a job sees: bwrap's arguments, from an empty root upwards.
 * Everything is refused that is not named here: no network, no /run, no homes,
 * no other studies, no Unix socket of the host, no further user namespaces. */

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "job/room.h"

#define NOBODY "65534"
#define TMP_BYTES ((uint64_t)1 << 30)      /* /tmp and /dev/shm each, without a memory limit */
#define TMP_LEAST ((uint64_t)16 << 20)

/* ---- a growing list of words ---- */

void er_words_add(er_words *w, const char *word) {
  if (w->n + 2 > w->cap) {
    w->cap = w->cap ? w->cap * 2 : 128;
    w->at = er_realloc(w->at, w->cap * sizeof *w->at);
  }
  w->at[w->n++] = word;
  w->at[w->n] = NULL;
}

void er_words_fmt(er_words *w, const char *fmt, ...) {
  char text[128], *word;
  va_list args, again;
  int n;
  va_start(args, fmt);
  va_copy(again, args);
  n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  word = er_malloc((size_t)n + 1);
  if ((size_t)n < sizeof text) memcpy(word, text, (size_t)n + 1);
  else vsnprintf(word, (size_t)n + 1, fmt, again);
  va_end(again);
  if (w->owned == w->own_cap) {
    w->own_cap = w->own_cap ? w->own_cap * 2 : 32;
    w->own = er_realloc(w->own, w->own_cap * sizeof *w->own);
  }
  w->own[w->owned++] = word;
  er_words_add(w, word);
}

void er_words_free(er_words *w) {
  size_t i;
  for (i = 0; i < w->owned; i++) er_free(w->own[i]);
  er_free(w->own);
  er_free((void *)w->at);
  memset(w, 0, sizeof *w);
}

static void add_all(er_words *w, const char *const *words) {
  for (; *words != NULL; words++) er_words_add(w, *words);
}

static void bind_to(er_words *w, const char *how, const char *host, const char *inside) {
  er_words_add(w, how);
  er_words_add(w, host);
  er_words_add(w, inside);
}

/* ---- the part that every job has ---- */

/* On a merged system /bin is a link to usr/bin, and is one inside as well. */
static void add_system(er_words *w) {
  static const char *const dirs[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
  size_t i;
  bind_to(w, "--ro-bind", "/usr", "/usr");
  for (i = 0; i < sizeof dirs / sizeof *dirs; i++) {
    char target[128];
    struct stat st;
    ssize_t n;
    if (lstat(dirs[i], &st) < 0) continue;
    if (S_ISDIR(st.st_mode)) { bind_to(w, "--ro-bind", dirs[i], dirs[i]); continue; }
    n = readlink(dirs[i], target, sizeof target - 1);
    if (n <= 0) continue;
    target[n] = '\0';
    er_words_add(w, "--symlink");
    er_words_fmt(w, "%s", target);
    er_words_add(w, dirs[i]);
  }
}

/* Where Debian's dictionaries lie: environments hold out parts of such a text, and training must not see the whole. */
static void hide_texts(er_words *w) {
  static const char dictionaries[] = "/usr/share/dictd";
  if (!er_path_is_dir(dictionaries)) return;
  add_all(w, (const char *const[]){"--tmpfs", dictionaries, "--remount-ro", dictionaries, NULL});
}

/* A link to what /usr holds anyway, else the file itself: each bind makes every
 * start 0.1 ms slower, a link does not. */
static void add_etc_file(er_words *w, const char *in_usr, const char *path) {
  if (!er_path_exists(in_usr)) {
    if (er_path_exists(path)) bind_to(w, "--ro-bind", path, path);
    return;
  }
  er_words_add(w, "--symlink");
  er_words_add(w, in_usr);
  er_words_add(w, path);
}

/* What programs look up: where libraries lie, which of several commands is meant,
 * that there are users, and what time it is.  Without a network, no certificates. */
static void add_etc(er_words *w) {
  char zone[256];
  ssize_t n = readlink("/etc/localtime", zone, sizeof zone - 1);
  add_etc_file(w, "", "/etc/ld.so.cache");
  add_etc_file(w, "", "/etc/alternatives");
  add_etc_file(w, "/usr/share/base-passwd/passwd.master", "/etc/passwd");
  add_etc_file(w, "/usr/share/base-passwd/group.master", "/etc/group");
  zone[n > 0 ? n : 0] = '\0';
  if (strncmp(zone, "/usr/", 5) != 0) {
    add_etc_file(w, "", "/etc/localtime");
  } else {
    er_words_add(w, "--symlink");
    er_words_fmt(w, "%s", zone);
    er_words_add(w, "/etc/localtime");
  }
}

/* As root without user namespaces bwrap still works, and the job is root without capabilities. */
static bool user_namespaces(void) {
  er_buf text = {0};
  bool on = er_path_exists("/proc/self/ns/user");
  if (on && er_file_read("/proc/sys/user/max_user_namespaces", 64, &text, NULL) == 0)
    on = atoi(er_buf_cstr(&text)) > 0;
  er_buf_free(&text);
  return on;
}

void er_sandbox_base(er_words *w, const char *bwrap) {
  static const char *const fixed[] = {
    "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", NULL
  };
  static const char *const user[] = {"--unshare-user", "--disable-userns", "--uid", NOBODY, "--gid", NOBODY, NULL};
  er_words_add(w, bwrap);
  add_all(w, fixed);
  if (geteuid() != 0 || user_namespaces()) add_all(w, user);
  add_system(w);
  hide_texts(w);
  add_etc(w);
  add_all(w, (const char *const[]){"--proc", "/proc", "--dev", "/dev", NULL});
}

char *er_sandbox_find(void) {
  const char *path = getenv("PATH"), *p;
  for (p = path != NULL ? path : "/usr/bin:/bin"; *p != '\0'; p += strcspn(p, ":"), p += *p == ':') {
    char *full = er_asprintf("%.*s/bwrap", (int)strcspn(p, ":"), p);
    if (full[0] == '/' && access(full, X_OK) == 0) return full;
    er_free(full);
  }
  return NULL;
}

/* ---- one job's part ---- */

static void bind_in_folder(er_words *w, const er_job *j, const char *name, const char *inside) {
  er_words_add(w, "--bind");
  er_words_fmt(w, "%s/%s", j->spec.dir, name);
  er_words_add(w, inside);
}

static void add_folder(er_words *w, const er_job *j) {
  const er_job_spec *s = &j->spec;
  char *out = er_path_join(s->dir, "out");
  bind_in_folder(w, j, "work", "/work");
  if (s->artifact != NULL) bind_to(w, "--ro-bind", s->artifact, "/erlua/out");
  else if (er_path_is_dir(out)) bind_in_folder(w, j, "out", "/erlua/out");
  if (s->curve) bind_in_folder(w, j, "curve", "/erlua/curve");
  if (s->metrics) bind_in_folder(w, j, "metrics", "/erlua/metrics");
  er_free(out);
}

/* CUDA looks for the devices, NCCL for the machine's topology. */
static void add_gpus(er_words *w) {
  static const char *const sys[] = {"/sys/devices", "/sys/bus", "/sys/class", "/sys/module"};
  DIR *d = opendir("/dev");
  struct dirent *e;
  size_t i;
  if (d == NULL) return;
  while ((e = readdir(d)) != NULL) {
    if (strncmp(e->d_name, "nvidia", 6) != 0) continue;
    er_words_add(w, "--dev-bind");
    er_words_fmt(w, "/dev/%s", e->d_name);
    er_words_fmt(w, "/dev/%s", e->d_name);
  }
  closedir(d);
  for (i = 0; i < sizeof sys / sizeof *sys; i++) bind_to(w, "--ro-bind-try", sys[i], sys[i]);
}

static void add_tmp(er_words *w, const er_job_limits *l) {
  uint64_t n = l->memory > 0 ? l->memory / 2 : TMP_BYTES;
  const char *const dirs[] = {"/dev/shm", "/tmp"};
  size_t i;
  for (i = 0; i < 2; i++) {
    er_words_add(w, "--size");
    er_words_fmt(w, "%llu", (unsigned long long)(n > TMP_LEAST ? n : TMP_LEAST));
    er_words_add(w, "--tmpfs");
    er_words_add(w, dirs[i]);
  }
}

void er_sandbox_words(er_words *w, const er_jobs *js, const er_job *j) {
  size_t i;
  add_all(w, js->base.at);
  add_tmp(w, &j->spec.limits);
  add_all(w, (const char *const[]){"--json-status-fd", "3", NULL});
  if (js->self != NULL) bind_to(w, "--ro-bind", js->self, "/erlua/bin/erlua");
  if (j->spec.gpus > 0) add_gpus(w);
  add_folder(w, j);
  for (i = 0; i < j->spec.n_binds; i++) {
    const er_job_bind *b = &j->spec.binds[i];
    bind_to(w, b->writable ? "--bind" : "--ro-bind", b->host, b->inside);
  }
  /* Last: bwrap's own root and /dev are memory without a bound.  And a job of root
   * is root's to the files of /proc/sys, whatever it is called inside: core_pattern
   * alone would be a way out. */
  add_all(w, (const char *const[]){"--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work", NULL});
}
