/* parse_whole.c - a whole file in a fence. */

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/rules.h"
#include "patch/scan.h"

/* "-- ... rest of the code unchanged ...": the file is not whole. */
static bool is_elision(const er_line *l) {
  static const char *const words[] = {"rest", "existing", "unchanged", "same as", "remain", "previous", "as before", "omitted"};
  er_line t = er_line_trim(*l);
  bool dots = memmem(t.s, t.n, "...", 3) != NULL || memmem(t.s, t.n, "\xe2\x80\xa6", 3) != NULL;
  size_t k = 0;
  char text[160];
  if (!dots || t.n >= sizeof text) return false;
  while (k < t.n && strchr("#/*-;%<!([{ \t.", t.s[k]) != NULL && t.s[k] != '\0') k++;
  if (k == 0) return false;
  memcpy(text, t.s + k, t.n - k);
  text[t.n - k] = '\0';
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasestr(text, words[i]) != NULL) return true;
  return false;
}

static bool holds_line(const er_lines *file, const er_line *l) {
  for (size_t i = 0; i < file->n; i++)
    if (er_line_same_text(&file->v[i], l)) return true;
  return false;
}

static int check_whole(er_scan *s, const char *path, const er_lines *file, size_t body, size_t end) {
  if (body == end && file->n > 0)
    return er_refuse(s->why, "malformed", "the whole file `%s` (line %zu of the reply) is empty. Send every line of it; to delete a file "
                     "use a unified diff to /dev/null.", path, body);
  for (size_t i = body; i < end; i++)
    if (is_elision(&s->in[i]) && !holds_line(file, &s->in[i])) {
      er_refuse(s->why, "malformed", "the whole file `%s` (line %zu of the reply) leaves something out:\n", path, body);
      er_explain_lines(&s->why->text, &s->in[i], 1, 0, 1);
      er_buf_str(&s->why->text, "Send every line of the file, or a search/replace block or unified diff for the changed part.");
      return -1;
    }
  return 0;
}

/* A first line that only names the file is the reply's, unless the file has it. */
static bool is_label(const er_scan *s, const char *path, const er_lines *file, size_t line) {
  char *named = er_scan_path_comment(s, &s->in[line]);
  bool label = named != NULL && strcmp(named, path) == 0 &&
               !(file->n > 0 && er_line_same_text(&file->v[0], &s->in[line]));
  er_free(named);
  return label;
}

/* Lines of a fence that is itself indented (in a list) lose that much. */
static er_line unindent(er_line l, size_t by) {
  size_t k = er_line_indent(&l);
  if (k > by) k = by;
  l.s += k;
  l.n -= (uint32_t)k;
  return l;
}

int er_scan_whole(er_scan *s, char *path, size_t body, size_t end) {
  const er_patch_file *known = er_rules_file(s->files, s->n_files, path);
  er_block *b = er_scan_block(s, ER_PATCH_WHOLE);
  er_lines file = {0};
  bool cr = s->in[body - 1].eol == ER_EOL_CRLF;
  int rc;
  b->path = path;
  b->reply_line = body;
  if (known != NULL) er_lines_split(&file, known->bytes, known->len);
  er_scan_hunk(s)->reply_line = body;
  rc = check_whole(s, path, &file, body, end);
  if (body < end && is_label(s, path, &file, body)) body++;
  for (size_t i = body; i < end && rc == 0; i++) er_scan_line(s, unindent(s->in[i], s->fence.indent), '+', cr);
  er_lines_free(&file);
  return rc;
}
