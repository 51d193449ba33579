/* parse_shown.c - a whole file in a fence that nothing names: the text itself
 * must show which file it is. */

#include <string.h>

#include "patch/pattern.h"
#include "patch/scan.h"

#define MIN_SHOWN 5              /* lines that a file must have to be known by its text */

typedef struct { const er_line *v; size_t n; } run;

static run without_blanks(const er_line *v, size_t from, size_t to) {
  while (from < to && er_line_blank(&v[from])) from++;
  while (to > from && er_line_blank(&v[to - 1])) to--;
  return (run){v + from, to - from};
}

static bool same_inner(const er_line *a, const er_line *b) {
  er_line x = er_line_trim(*a), y = er_line_trim(*b);
  return er_line_same_text(&x, &y);
}

static bool occurs(const er_line *l, const run *file) {
  for (size_t i = 0; i < file->n; i++)
    if (same_inner(l, &file->v[i])) return true;
  return false;
}

/* They begin and end alike, are about as long, and half of the text is the file's. */
static bool resembles(er_scan *s, const run *text, const run *file) {
  size_t common = 0;
  if (file->n < MIN_SHOWN || text->n * 3 < file->n * 2 || file->n * 3 < text->n) return false;
  if (!same_inner(&text->v[0], &file->v[0]) || !same_inner(&text->v[text->n - 1], &file->v[file->n - 1])) return false;
  for (size_t i = 0; i < text->n && s->compared < ER_SCAN_MAX_COMPARED; i++) {
    common += occurs(&text->v[i], file);
    s->compared += file->n;
  }
  return common * 2 >= text->n;
}

const er_patch_file *er_scan_file_shown(er_scan *s, size_t body, size_t end) {
  run text = without_blanks(s->in, body, end);
  const er_patch_file *found = NULL;
  if (text.n < MIN_SHOWN) return NULL;
  for (size_t i = 0; i < text.n; i++)
    if (er_line_elision(&text.v[i]) != ER_ELISION_NONE) return NULL;
  for (size_t i = 0; i < s->n_files && (s->compared += s->files[i].len / 16) < ER_SCAN_MAX_COMPARED; i++) {
    er_lines lines = {0};
    er_lines_split(&lines, s->files[i].bytes, s->files[i].len);
    run file = without_blanks(lines.v, 0, lines.n);
    bool same = resembles(s, &text, &file);
    er_lines_free(&lines);
    if (!same) continue;
    if (found != NULL) return NULL;
    found = &s->files[i];
  }
  return found;
}
