/* region.c - region markers: where they are, and that nothing else changed. */

#include <string.h>

#include "patch/rules.h"

#define COMMENT_SIGNS " \t\r#/*-;%!<>{}()[]=|"

static bool only_signs(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] == '\0' || strchr(COMMENT_SIGNS, s[i]) == NULL) return false;
  return true;
}

/* True if the line is `name` + `suffix` between comment signs alone.  The name
 * may itself begin or end with such a sign, so it is looked for, not peeled. */
static bool is_marker(const er_line *l, const char *name, const char *suffix) {
  size_t n = strlen(name), m = strlen(suffix);
  for (size_t i = 0; i + n + m <= l->n; i++) {
    if (memcmp(l->s + i, name, n) == 0 && memcmp(l->s + i + n, suffix, m) == 0)
      return only_signs(l->s, i) && only_signs(l->s + i + n + m, l->n - i - n - m);
    if (!only_signs(l->s + i, 1)) return false;
  }
  return false;
}

static er_line without_bom(er_line l) {
  if (l.n >= 3 && memcmp(l.s, "\xef\xbb\xbf", 3) == 0) l.s += 3, l.n -= 3;
  return l;
}

int er_region_marker(const er_line *line, const char *region) {
  er_line l = without_bom(*line);
  if (region == NULL || region[0] == '\0') return 0;
  if (is_marker(&l, region, "-START")) return 1;
  return is_marker(&l, region, "-END") ? 2 : 0;
}

static void skip_to_marker(const er_lines *t, size_t *i, const char *region) {
  while (*i < t->n && er_region_marker(&t->v[*i], region) == 0) ++*i;
}

static bool same_line(const er_line *a, const er_line *b) {
  return a->eol == b->eol && er_line_same_text(a, b);
}

static int refuse_outside(er_refusal *why, const er_lines *before, size_t i, const char *path, const char *region) {
  er_refuse(why, "outside_region", "`%s` may only be changed between its lines %s-START and %s-END. The change "
            "touches line %zu, which is outside:\n", path, region, region, i + 1);
  if (i < before->n) er_explain_lines(&why->text, &before->v[i], 1, i + 1, 1);
  else er_buf_str(&why->text, "       (the end of the file)\n");
  er_buf_str(&why->text, "Leave everything outside as it is.");
  return -1;
}

/* The marker lines of both texts, in order, must be the same bytes. */
static int check_markers(const er_lines *before, const er_lines *after, const char *region, const char *path,
                         size_t *line, er_refusal *why) {
  size_t i = 0, j = 0;
  for (;; i++, j++) {
    skip_to_marker(before, &i, region);
    skip_to_marker(after, &j, region);
    *line = i;
    if (i >= before->n && j >= after->n) return 0;
    if (i < before->n && j < after->n && same_line(&before->v[i], &after->v[j])) continue;
    return er_refuse(why, "region_marker", "the lines %s-START and %s-END of `%s` may not be changed, moved, "
                     "removed or added. Edit only the lines between them.", region, region, path);
  }
}

/* Both texts are walked in step outside the regions and skipped inside them,
 * so that an edit is judged by its effect, however it was written down. */
int er_region_check(const er_lines *before, const er_lines *after, const char *region, const char *path,
                    size_t *line, er_refusal *why) {
  bool inside = false;
  if (check_markers(before, after, region, path, line, why) < 0) return -1;
  for (size_t i = 0, j = 0;; i++, j++) {
    if (inside) {
      skip_to_marker(before, &i, region);
      skip_to_marker(after, &j, region);
    }
    *line = i;
    if (i >= before->n && j >= after->n) return 0;
    if (i >= before->n || j >= after->n || !same_line(&before->v[i], &after->v[j]))
      return refuse_outside(why, before, i, path, region);
    int kind = er_region_marker(&before->v[i], region);
    if (kind != 0) inside = kind == 1;
  }
}

static int check_file(const er_patch_file *f, const char *region, er_err *err) {
  er_lines t = {0};
  size_t pairs = 0, open = 0;
  int rc = 0;
  er_lines_split(&t, f->bytes, f->len);
  for (size_t i = 0; i < t.n && rc == 0; i++) {
    int kind = er_region_marker(&t.v[i], region);
    if (kind == 1 && open > 0)
      rc = er_fail(err, "region_marker", "%s:%zu: %s-START inside the region that line %zu opened; regions do not nest",
                   f->path, i + 1, region, open);
    if (kind == 2 && open == 0)
      rc = er_fail(err, "region_marker", "%s:%zu: %s-END without a %s-START before it", f->path, i + 1, region, region);
    if (kind == 1) open = i + 1;
    if (kind == 2) open = 0, pairs++;
  }
  er_lines_free(&t);
  if (rc == 0 && open > 0)
    rc = er_fail(err, "region_marker", "%s:%zu: %s-START without a %s-END after it", f->path, open, region, region);
  if (rc == 0 && pairs == 0)
    rc = er_fail(err, "region_marker", "%s: editable, but it has no lines %s-START and %s-END; add them or take the "
                 "file out of `editable`", f->path, region, region);
  return rc;
}

int er_patch_check_regions(const er_patch_file *files, size_t n, const er_patch_rules *rules, er_err *err) {
  if (rules->region == NULL || rules->region[0] == '\0') return 0;
  for (size_t i = 0; i < n; i++)
    if (er_rules_editable(rules, files[i].path) && check_file(&files[i], rules->region, err) < 0) return -1;
  return 0;
}
