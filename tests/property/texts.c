/* texts.c - reads the pairs of the property test from git or from the source tree. */

#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define MOST_PAIRS 300
#define MOST_BYTES (64u << 10)

static text_pair *add_pair(text_pairs *t, const char *path) {
  if (t->n == t->cap) {
    t->cap = t->cap ? t->cap * 2 : 64;
    t->v = er_realloc(t->v, t->cap * sizeof *t->v);
  }
  text_pair *p = &t->v[t->n++];
  *p = (text_pair){.path = er_strdup(path)};
  return p;
}

static void drop_last(text_pairs *t) {
  text_pair *p = &t->v[--t->n];
  er_free(p->path);
  er_buf_free(&p->before);
  er_buf_free(&p->after);
}

static bool is_text(const er_buf *b) {
  return b->len > 0 && b->len <= MOST_BYTES && memchr(b->ptr, '\0', b->len) == NULL &&
         memchr(b->ptr, '\r', b->len) == NULL;
}

/* ---- history ---- */

/* One object of `git cat-file --batch`: a line "ID blob SIZE", its bytes, a newline. */
static bool read_object(FILE *in, er_buf *out) {
  char line[256];
  size_t size;
  if (fgets(line, sizeof line, in) == NULL || sscanf(line, "%*s blob %zu", &size) != 1) return false;
  bool whole = fread(er_buf_room(out, size), 1, size, in) == size;
  out->len += whole ? size : 0;
  return whole && fgetc(in) == '\n';
}

/* Lines ":100644 100644 OLD NEW M<tab>PATH"; the ids go to a file for cat-file. */
static void list_changes(FILE *log, FILE *ids, text_pairs *out) {
  char line[1024], old[64], new[64], path[512];
  while (out->n < MOST_PAIRS && fgets(line, sizeof line, log) != NULL) {
    if (sscanf(line, ":%*o %*o %63s %63s M\t%511[^\n]", old, new, path) != 3) continue;
    fprintf(ids, "%s\n%s\n", old, new);
    add_pair(out, path);
  }
}

static void read_objects(FILE *in, text_pairs *out) {
  size_t kept = 0, listed = out->n;
  for (size_t i = 0; i < listed; i++) {
    text_pair p = out->v[i];
    bool read = read_object(in, &p.before) && read_object(in, &p.after);
    out->v[i] = p;
    if (!read) break;
    if (!is_text(&p.before) || !is_text(&p.after)) continue;
    out->v[i] = out->v[kept];
    out->v[kept++] = p;
  }
  while (out->n > kept) drop_last(out);
}

static void load_history(text_pairs *out, const char *source) {
  char ids[] = "/tmp/erlua-ids-XXXXXX";
  char *command = er_asprintf(
      "git -C '%s' log --reverse --no-merges --no-renames --diff-filter=M --raw --abbrev=40 --format= 2>/dev/null",
      source);
  int fd = mkstemp(ids);
  FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL, *log = popen(command, "r");
  er_free(command);
  if (to != NULL && log != NULL) list_changes(log, to, out);
  if (log != NULL) pclose(log);
  if (to != NULL) fclose(to);
  command = er_asprintf("git -C '%s' cat-file --batch < %s 2>/dev/null", source, ids);
  FILE *objects = popen(command, "r");
  er_free(command);
  if (objects != NULL) {
    read_objects(objects, out);
    pclose(objects);
  }
  unlink(ids);
  out->history = out->n > 0;
}

/* ---- sources ---- */

typedef struct { text_pairs *out; const char *source; } source_walk;

static int add_source(void *ud, const char *rel, char kind, size_t size) {
  static const char *const folders[] = {"engine/", "lua/", "envs/", "tests/unit/", "docs/"};
  source_walk *w = ud;
  bool wanted = false;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    wanted = wanted || strncmp(rel, folders[i], strlen(folders[i])) == 0;
  if (kind != 'f' || !wanted || size > MOST_BYTES || w->out->n >= MOST_PAIRS) return 0;
  char *path = er_path_join(w->source, rel);
  text_pair *p = add_pair(w->out, rel);
  if (er_file_read(path, MOST_BYTES, &p->before, NULL) < 0 || !is_text(&p->before)) drop_last(w->out);
  else er_buf_add(&p->after, p->before.ptr, p->before.len);
  er_free(path);
  return 0;
}

int texts_load(text_pairs *out, const char *source) {
  load_history(out, source);
  if (out->n == 0) er_walk(source, add_source, &(source_walk){out, source}, NULL);
  if (out->n > 0) return 0;
  fprintf(stderr, "no texts: %s has neither a git history nor sources\n", source);
  return -1;
}

void texts_free(text_pairs *t) {
  while (t->n > 0) drop_last(t);
  er_free(t->v);
  *t = (text_pairs){0};
}
