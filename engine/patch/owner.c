/* owner.c - the file that a block without a clear name can only mean. */

#include "patch/owner.h"

#include <string.h>

#include "patch/rules.h"

static bool same_but_end(const er_line *a, const er_line *b) {
  er_line x = er_line_trim_end(*a), y = er_line_trim_end(*b);
  return er_line_same_text(&x, &y);
}

static bool is_old(const er_line *l) { return l->op != '+'; }

/* The hunk's old lines from file->v[at] on. */
static bool matches_at(const er_parsed *p, const er_hunk *h, size_t to, const er_lines *file, size_t at, size_t *work) {
  for (size_t i = h->from; i < to; i++) {
    const er_line *l = &p->lines.v[i];
    if (!is_old(l)) continue;
    ++*work;
    if (at >= file->n || !same_but_end(l, &file->v[at++])) return false;
  }
  return true;
}

static bool holds_hunk(const er_parsed *p, const er_hunk *h, const er_lines *file, size_t *work) {
  size_t to = h->to - h->tail, first = h->from;
  while (first < to && !is_old(&p->lines.v[first])) first++;
  if (first == to) return false;                     /* it quotes nothing */
  for (size_t at = 0; at < file->n && *work < ER_OWNER_MAX_WORK; at++)
    if (matches_at(p, h, to, file, at, work)) return true;
  return false;
}

bool er_owner_holds(const er_parsed *p, const er_block *b, const er_lines *file, size_t *work) {
  bool any = b->form == ER_PATCH_SEARCH;             /* its hunks are alternatives */
  for (size_t i = 0; i < b->n_hunks; i++)
    if (holds_hunk(p, &p->hunks[b->hunk + i], file, work) == any) return any;
  return !any && b->n_hunks > 0;
}

const er_patch_file *er_owner_find(const er_parsed *p, const er_block *b, const er_patch_file *files, size_t n_files,
                                   const er_patch_rules *rules, size_t *work, size_t *n) {
  const er_patch_file *only = NULL;
  *n = 0;
  for (size_t i = 0; i < n_files; i++) {
    er_lines lines = {0};
    if (!er_rules_editable(rules, files[i].path) || files[i].len > ER_PATCH_MAX_FILE) continue;
    if (*work >= ER_OWNER_MAX_WORK) break;
    er_lines_split(&lines, files[i].bytes, files[i].len);
    *work += lines.n;
    if (er_owner_holds(p, b, &lines, work) && ++*n == 1) only = &files[i];
    er_lines_free(&lines);
  }
  return *n == 1 && *work < ER_OWNER_MAX_WORK ? only : NULL;
}

/* ---- prefixes ---- */

static bool has_folder(const er_patch_file *files, size_t n, const char *path, size_t len) {
  for (size_t i = 0; i < n; i++)
    if (strncmp(files[i].path, path, len) == 0 && files[i].path[len] == '/') return true;
  return false;
}

const char *er_owner_path(const char *path, const er_patch_file *files, size_t n_files, const er_patch_rules *rules) {
  const char *fronts[] = {".", "a", "b", rules->folder};
  while (strncmp(path, "./", 2) == 0 && path[2] != '\0') path += 2;
  if (er_rules_file(files, n_files, path) != NULL) return path;
  for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
    size_t k = fronts[i] != NULL ? strlen(fronts[i]) : 0;
    if (k == 0 || strncmp(path, fronts[i], k) != 0 || path[k] != '/' || has_folder(files, n_files, path, k)) continue;
    const char *rest = path + k + 1;
    bool own = fronts[i] == rules->folder;
    if (er_rules_file(files, n_files, rest) != NULL || (own && rest[0] != '\0')) return rest;
  }
  return path;
}
