/* diff.c - two trees as a git-style unified diff. */

#include <string.h>

#include "patch/lines.h"
#include "patch/patch.h"

#define CONTEXT 3

static bool same_bytes(const er_line *a, const er_line *b) {
  return a->eol == b->eol && er_line_same_text(a, b);
}

/* ---- names ---- */

static bool needs_quotes(const char *path) {
  for (; *path != '\0'; path++)
    if ((unsigned char)*path < 0x20 || *path == '"' || *path == '\\' || *path == 0x7f) return true;
  return false;
}

/* Quotes a name as git does; a name with spaces gets a tab behind it, so that
 * its end can be told. */
static void add_name(er_buf *out, const char *prefix, const char *path, const char *after) {
  bool quoted = needs_quotes(path);
  if (quoted) er_buf_char(out, '"');
  er_buf_str(out, prefix);
  for (const char *p = path; *p != '\0'; p++) {
    unsigned char c = (unsigned char)*p;
    if (c < 0x20 || c == 0x7f) er_buf_fmt(out, "\\%03o", c);
    else if (c == '"' || c == '\\') er_buf_char(out, '\\'), er_buf_char(out, *p);
    else er_buf_char(out, *p);
  }
  if (quoted) er_buf_char(out, '"');
  else if (*after == '\n' && strchr(path, ' ') != NULL) er_buf_char(out, '\t');
  er_buf_str(out, after);
}

/* ---- hunks ---- */

static void add_range(er_buf *out, char sign, size_t from, size_t n) {
  char digits[48], *p = digits + sizeof digits;
  size_t first = n == 0 ? from : from + 1;           /* an empty range names the line before it */
  if (n != 1) {
    do *--p = (char)('0' + n % 10); while ((n /= 10) > 0);
    *--p = ',';
  }
  do *--p = (char)('0' + first % 10); while ((first /= 10) > 0);
  *--p = sign;
  er_buf_add(out, p, (size_t)(digits + sizeof digits - p));
}

static void add_line(er_buf *out, char sign, const er_line *l) {
  size_t n = (size_t)l->n + l->eol;
  char *to = er_buf_room(out, n + 1);
  to[0] = sign;
  memcpy(to + 1, l->s, n);
  out->len += n + 1;
  if (l->eol == ER_EOL_NONE) er_buf_str(out, "\n\\ No newline at end of file\n");
}

typedef struct {
  const er_lines *a, *b;
  const er_spans *spans;
  er_buf *out;
} hunk_writer;

/* Writes spans [from, to) with their context as one hunk. */
static void add_hunk(const hunk_writer *w, size_t from, size_t to) {
  const er_span *s = w->spans->v, *last = &s[to - 1];
  size_t lead = s[from].a0 < CONTEXT ? s[from].a0 : CONTEXT;
  size_t a0 = s[from].a0 - lead, b0 = s[from].b0 - lead, at = a0;
  size_t a1 = last->a1 + CONTEXT < w->a->n ? last->a1 + CONTEXT : w->a->n, b1 = last->b1 + (a1 - last->a1);
  er_buf_str(w->out, "@@ ");
  add_range(w->out, '-', a0, a1 - a0);
  er_buf_char(w->out, ' ');
  add_range(w->out, '+', b0, b1 - b0);
  er_buf_str(w->out, " @@\n");
  for (size_t i = from; i < to; i++) {
    for (; at < s[i].a0; at++) add_line(w->out, ' ', &w->a->v[at]);
    for (; at < s[i].a1; at++) add_line(w->out, '-', &w->a->v[at]);
    for (size_t k = s[i].b0; k < s[i].b1; k++) add_line(w->out, '+', &w->b->v[k]);
  }
  for (; at < a1; at++) add_line(w->out, ' ', &w->a->v[at]);
}

static void add_hunks(const hunk_writer *w) {
  size_t from = 0;
  for (size_t i = 1; i <= w->spans->n; i++) {
    if (i < w->spans->n && w->spans->v[i].a0 - w->spans->v[i - 1].a1 <= 2 * CONTEXT) continue;
    add_hunk(w, from, i);
    from = i;
  }
}

/* ---- files ---- */

static void add_header(er_buf *out, const er_patch_file *a, const er_patch_file *b) {
  const char *path = a != NULL ? a->path : b->path;
  er_buf_str(out, "diff --git ");
  add_name(out, "a/", path, " ");
  add_name(out, "b/", path, "");
  er_buf_char(out, '\n');
  if (a == NULL) er_buf_str(out, "new file mode 100644\n");
  if (b == NULL) er_buf_str(out, "deleted file mode 100644\n");
}

static bool is_binary(const er_patch_file *f) {
  return f != NULL && f->len > 0 && memchr(f->bytes, '\0', f->len) != NULL;
}

static void add_names(er_buf *out, const er_patch_file *a, const er_patch_file *b) {
  er_buf_str(out, "--- ");
  if (a != NULL) add_name(out, "a/", a->path, "\n");
  else er_buf_str(out, "/dev/null\n");
  er_buf_str(out, "+++ ");
  if (b != NULL) add_name(out, "b/", b->path, "\n");
  else er_buf_str(out, "/dev/null\n");
}

/* One file's diff; a or b is NULL for a created or deleted one. */
static void diff_file(const er_patch_file *a, const er_patch_file *b, er_buf *out) {
  er_lines old = {0}, new = {0};
  er_spans spans = {0};
  hunk_writer w = {&old, &new, &spans, out};
  add_header(out, a, b);
  if (is_binary(a) || is_binary(b)) {
    er_buf_str(out, "Binary files ");
    add_name(out, a != NULL ? "a/" : "", a != NULL ? a->path : "/dev/null", " and ");
    add_name(out, b != NULL ? "b/" : "", b != NULL ? b->path : "/dev/null", " differ\n");
    return;
  }
  if (a != NULL) er_lines_split(&old, a->bytes, a->len);
  if (b != NULL) er_lines_split(&new, b->bytes, b->len);
  er_lines_compare(old.v, old.n, new.v, new.n, same_bytes, &spans);
  if (spans.n > 0) add_names(out, a, b);
  add_hunks(&w);
  er_spans_free(&spans);
  er_lines_free(&old);
  er_lines_free(&new);
}

void er_patch_diff(const er_patch_file *a, size_t n_a, const er_patch_file *b, size_t n_b, er_buf *out) {
  size_t i = 0, j = 0;
  while (i < n_a || j < n_b) {
    int c = i == n_a ? 1 : j == n_b ? -1 : strcmp(a[i].path, b[j].path);
    if (c < 0) diff_file(&a[i++], NULL, out);
    else if (c > 0) diff_file(NULL, &b[j++], out);
    else {
      if (a[i].len != b[j].len || (a[i].len > 0 && memcmp(a[i].bytes, b[j].bytes, a[i].len) != 0))
        diff_file(&a[i], &b[j], out);
      i++;
      j++;
    }
  }
}

/* ---- counting ---- */

static size_t number_after(const er_line *l, size_t *k) {
  size_t v = 0;
  while (*k < l->n && l->s[*k] >= '0' && l->s[*k] <= '9') v = v * 10 + (size_t)(l->s[(*k)++] - '0');
  return v;
}

/* The two counts of "@@ -a,b +c,d @@"; the diff is our own, so they are right. */
static void read_counts(const er_line *l, size_t *old, size_t *new) {
  size_t k = 4;
  number_after(l, &k);
  *old = k < l->n && l->s[k] == ',' ? (k++, number_after(l, &k)) : 1;
  k += 2;
  number_after(l, &k);
  *new = k < l->n && l->s[k] == ',' ? (k++, number_after(l, &k)) : 1;
}

void er_patch_diff_stat(const char *diff, size_t len, size_t *added, size_t *removed) {
  er_lines lines = {0};
  size_t old = 0, new = 0;
  *added = *removed = 0;
  er_lines_split(&lines, diff, len);
  for (size_t i = 0; i < lines.n; i++) {
    const er_line *l = &lines.v[i];
    char sign = l->n > 0 ? l->s[0] : ' ';
    if (old == 0 && new == 0) {
      if (er_line_starts(l, "@@ -")) read_counts(l, &old, &new);
      continue;
    }
    if (sign == '\\') continue;
    if (sign == '+') ++*added;
    if (sign == '-') ++*removed;
    if (sign != '+' && old > 0) old--;
    if (sign != '-' && new > 0) new--;
  }
  er_lines_free(&lines);
}
