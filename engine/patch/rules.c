/* rules.c - editable and frozen paths, and tricks with names. */

#include "patch/rules.h"

#include <string.h>
#include <strings.h>

#include "base/glob.h"
#include "base/path.h"

static bool any_match(const char *const *globs, size_t n, const char *path) {
  for (size_t i = 0; i < n; i++)
    if (er_glob_match(globs[i], path)) return true;
  return false;
}

bool er_rules_editable(const er_patch_rules *rules, const char *path) {
  return any_match(rules->editable, rules->n_editable, path) &&
         !any_match(rules->frozen, rules->n_frozen, path);
}

const er_patch_file *er_rules_file(const er_patch_file *files, size_t n, const char *path) {
  size_t lo = 0, hi = n;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    int c = strcmp(files[mid].path, path);
    if (c == 0) return &files[mid];
    if (c < 0) lo = mid + 1;
    else hi = mid;
  }
  return NULL;
}

typedef enum { APART, CASE_TRICK, THROUGH_FILE, ONTO_FOLDER } clash;

/* How a new path relates to an existing one, component by component. */
static clash compare_paths(const char *path, const char *old) {
  for (;;) {
    size_t n = strcspn(path, "/"), m = strcspn(old, "/");
    bool same_size = n == m;
    if (!same_size || memcmp(path, old, n) != 0)
      return same_size && strncasecmp(path, old, n) == 0 ? CASE_TRICK : APART;
    path += n;
    old += m;
    if (*path == '\0') return *old == '\0' ? APART : ONTO_FOLDER;
    if (*old == '\0') return THROUGH_FILE;
    path++;
    old++;
  }
}

static bool printable(const char *path) {
  for (; *path != '\0'; path++)
    if ((unsigned char)*path < 0x20 || *path == 0x7f) return false;
  return true;
}

static int refuse_clash(const er_patch_file *files, size_t n, const char *path, const char *where,
                        er_refusal *why) {
  for (size_t i = 0; i < n; i++) {
    switch (compare_paths(path, files[i].path)) {
      case CASE_TRICK:
        return er_refuse(why, "bad_path", "%s: the path `%s` differs only in upper and lower case from the "
                         "existing `%s`. Use the existing name exactly.", where, path, files[i].path);
      case THROUGH_FILE:
        return er_refuse(why, "bad_path", "%s: `%s` cannot exist, because `%s` is a file and not a folder.",
                         where, path, files[i].path);
      case ONTO_FOLDER:
        return er_refuse(why, "bad_path", "%s: `%s` is a folder (it holds `%s`). Name a file.", where, path,
                         files[i].path);
      case APART: break;
    }
  }
  return 0;
}

int er_rules_path(const er_patch_file *files, size_t n, const er_patch_rules *rules, const char *path,
                  const char *where, er_refusal *why) {
  if (!er_path_inside(path) || !printable(path))
    return er_refuse(why, "bad_path", "%s: the path `%s` is not a path inside the environment. Use a path "
                     "relative to its folder, without `..`, `.`, a leading `/` or backslashes.", where, path);
  bool known = er_rules_file(files, n, path) != NULL;
  if (!known && refuse_clash(files, n, path, where, why) < 0) return -1;
  if (er_rules_editable(rules, path)) return 0;
  er_refuse(why, "frozen", "%s: `%s` %s. Files that may be changed: ", where, path,
            known ? "is frozen and may not be changed or deleted" : "does not exist, is frozen and may not be created");
  er_explain_editable(&why->text, files, n, rules);
  er_buf_str(&why->text, ".");
  return -1;
}
