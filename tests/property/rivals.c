/* rivals.c - runs git apply and patch in folders below /dev/shm and reads what they made. */

#include "rivals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"

/* In a shell, in the folder; the reply is ../reply. */
static const struct { const char *name, *command; } rivals[RIVALS] = {
    {"git apply --recount", "git init -q . && git apply --recount ../reply"},
    {"git apply --3way", "git init -q . && git add -A && git apply --3way ../reply"},
    {"patch -F3", "patch -p1 -F3 -f -s --no-backup-if-mismatch -i ../reply"},
    {"patch -F3 -l", "patch -p1 -F3 -l -f -s --no-backup-if-mismatch -i ../reply"},
};

static void write_file(const char *dir, const char *rel, const er_buf *bytes) {
  char *path = er_path_join(dir, rel), *folder = er_path_dir(path);
  er_err err;
  if (er_mkdirs(folder, 0755, &err) < 0 || er_file_write(path, er_buf_cstr(bytes), bytes->len, 0644, &err) < 0)
    fprintf(stderr, "%s\n", err.msg);
  er_free(folder);
  er_free(path);
}

static bool has_text(const char *dir, const char *rel, const er_buf *want) {
  char *path = er_path_join(dir, rel);
  er_buf got = {0};
  bool there = er_file_read(path, 1 << 20, &got, NULL) == 0;
  bool ok = want == NULL ? !there
                         : there && got.len == want->len && (got.len == 0 || memcmp(got.ptr, want->ptr, got.len) == 0);
  er_buf_free(&got);
  er_free(path);
  return ok;
}

static bool all_right(const char *dir, const prop_case *c) {
  for (size_t i = 0; i < c->n_files; i++) {
    const case_file *f = &c->files[i];
    bool gone = f->kind == FILE_DELETED || f->kind == FILE_RENAMED;
    if (!has_text(dir, f->path, gone ? NULL : &f->after)) return false;
    if (f->new_path != NULL && !has_text(dir, f->new_path, &f->after)) return false;
  }
  return true;
}

/* The reply without its fence, which would be a line too many for git's --recount. */
static void write_reply(const char *dir, prop_case *c) {
  int fence = c->style.fence;
  c->style.fence = FENCE_NONE;
  reply_write(c);
  write_file(dir, "reply", &c->reply);
  c->style.fence = fence;
}

void rivals_ask(prop_case *c, rival_tally *t) {
  char dir[] = "/dev/shm/erlua-rivals-XXXXXX";
  if (mkdtemp(dir) == NULL) return;
  t->n++;
  write_reply(dir, c);
  for (size_t r = 0; r < RIVALS; r++) {
    char *tree = er_path_join(dir, "tree");
    er_err err;
    for (size_t i = 0; i < c->n_files; i++)
      if (c->files[i].kind != FILE_CREATED) write_file(tree, c->files[i].path, &c->files[i].before);
    char *line = er_asprintf("mkdir -p %s && cd %s && { %s; } >/dev/null 2>&1", tree, tree, rivals[r].command);
    int code = system(line);
    if (code == 0) t->right[r] += all_right(tree, c), t->wrong[r] += !all_right(tree, c);
    er_free(line);
    er_remove_tree(tree, &err);
    er_free(tree);
  }
  er_remove_tree(dir, NULL);
}

void rivals_print(const corruption *names, size_t n, const rival_tally *t) {
  rival_tally all = {0};
  printf("\n| unified diffs | cases |");
  for (size_t r = 0; r < RIVALS; r++) printf(" `%s` |", rivals[r].name);
  printf("\n|---|---|---|---|---|---|\n");
  for (size_t i = 0; i <= n; i++) {
    const rival_tally *row = i < n ? &t[i] : &all;
    if (row->n == 0) continue;
    printf("| %s | %zu |", i < n ? names[i].name : "all", row->n);
    for (size_t r = 0; r < RIVALS; r++) {
      printf(" %.1f %%, %zu wrong |", 100.0 * (double)row->right[r] / (double)row->n, row->wrong[r]);
      all.right[r] += i < n ? row->right[r] : 0;
      all.wrong[r] += i < n ? row->wrong[r] : 0;
    }
    all.n += i < n ? row->n : 0;
    printf("\n");
  }
}
