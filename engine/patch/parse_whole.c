/* parse_whole.c - a whole file in a fence. */

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/pattern.h"
#include "patch/rules.h"
#include "patch/scan.h"

#define MIN_FILE 16              /* lines below which a file may be replaced by any other text */

static bool has_word(const er_line *l, const char *const *words) {
  char text[200];
  size_t n = l->n < sizeof text - 1 ? l->n : sizeof text - 1;
  memcpy(text, l->s, n);
  text[n] = '\0';
  for (; *words != NULL; words++) {
    size_t m = strlen(*words);
    for (const char *p = strcasestr(text, *words); p != NULL; p = strcasestr(p + 1, *words))
      if ((p == text || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[m])) return true;
  }
  return false;
}

static const char *const old_words[] = {"old",      "original", "before",    "current", "currently",
                                        "existing", "previous", "unchanged", "was",     NULL};
static const char *const part_words[] = {"excerpt",  "snippet", "partial", "lines", "line",    "section", "part",
                                         "function", "method",  "class",   "block", "changes", "diff",    "fragment",
                                         "relevant", "usage",   "example", "run",   "test",    "output",  NULL};
static const char *const whole_words[] = {"complete", "full", "entire", "whole", NULL};

/* "Here is the complete updated `pack.lua`:" - prose that names one known file
 * and says that all of it follows. */
static char *path_in_promise(const er_scan *s, const er_line *line) {
  er_line l = er_line_trim(*line);
  while (l.n > 0 && strchr("*_", l.s[l.n - 1]) != NULL) l.n--;
  if (l.n == 0 || l.s[l.n - 1] != ':' || !has_word(&l, whole_words)) return NULL;
  if (has_word(&l, old_words) || has_word(&l, part_words)) return NULL;
  return er_scan_path_mention(s, &l);
}

/* The path that makes a fence a whole file: in its info string, alone on the
 * line above, or alone in a comment on its first line. */
char *er_scan_path_whole(const er_scan *s, size_t body, size_t end) {
  char *path = er_scan_path_info(s, &s->fence);
  const er_line *above = er_scan_above(s, s->fence.line);
  if (path == NULL && above != NULL) {
    path = er_scan_path_line(s, above);
    if (path != NULL && has_word(above, old_words) && memmem(above->s, above->n, "(", 1) != NULL) {
      er_free(path);                                 /* "pack.lua (before):" is only shown */
      return NULL;
    }
    if (path == NULL) path = path_in_promise(s, above);
  }
  if (path == NULL && body < end) path = er_scan_path_comment(s, &s->in[body]);
  return path;
}

/* "-- ... rest of the code unchanged ...", "# ...": the file is not whole.  Dots
 * without a comment sign may be code. */
static bool is_elision(const er_line *l) {
  er_line t = er_line_trim(*l);
  er_elision e = er_line_elision(&t);
  return e == ER_ELISION_SURE || (e == ER_ELISION_DOTS && t.s[0] != '.' && (unsigned char)t.s[0] < 0x80);
}

static bool holds_line(er_scan *s, const er_lines *file, const er_line *l) {
  s->compared += file->n;
  for (size_t i = 0; i < file->n && s->compared < ER_SCAN_MAX_COMPARED; i++)
    if (er_line_same_text(&file->v[i], l)) return true;
  return false;
}

static size_t skip_blank(const er_line *v, size_t n, size_t i) {
  while (i < n && er_line_blank(&v[i])) i++;
  return i;
}

static size_t last_line(const er_line *v, size_t n) {
  while (n > 0 && er_line_blank(&v[n - 1])) n--;
  return n;
}

/* A text much shorter than the file that begins and ends elsewhere than the
 * file does is one function of it, put below its name; taken for the whole it
 * would wipe out the rest. */
static bool is_piece(const er_scan *s, const er_lines *file, size_t body, size_t end) {
  size_t first = skip_blank(file->v, file->n, 0), last = last_line(file->v, file->n);
  size_t new_first = skip_blank(s->in, end, body), new_last = last_line(s->in, end);
  if (last < first + MIN_FILE || new_last <= new_first || (new_last - new_first) * 2 > last - first) return false;
  er_line a = er_line_trim(file->v[first]), b = er_line_trim(s->in[new_first]);
  er_line c = er_line_trim(file->v[last - 1]), d = er_line_trim(s->in[new_last - 1]);
  return !er_line_same_text(&a, &b) && !(er_line_same_text(&c, &d) && c.n > 4);
}

static int check_whole(er_scan *s, const char *path, const er_lines *file, size_t body, size_t end) {
  if (is_piece(s, file, body, end))
    return er_refuse(
        s->why, "malformed",
        "the text given for `%s` (line %zu of the reply) has %zu lines, the file %zu, "
        "and they neither begin nor end alike, so it seems to be only a part. Send every line of the file, "
        "or the change as a search/replace block or unified diff.",
        path, body, end - body, file->n);
  if (body == end && file->n > 0)
    return er_refuse(s->why, "malformed",
                     "the whole file `%s` (line %zu of the reply) is empty. Send every line of it; "
                     "to delete a file use a unified diff to /dev/null.",
                     path, body);
  for (size_t i = body; i < end; i++)
    if (is_elision(&s->in[i]) && !holds_line(s, file, &s->in[i])) {
      er_refuse(s->why, "malformed", "the whole file `%s` (line %zu of the reply) leaves something out:\n", path, body);
      er_explain_lines(&s->why->text, &s->in[i], 1, 0, 1);
      er_buf_str(&s->why->text,
                 "Send every line of the file, or a search/replace block or unified diff for the change.");
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

/* A fence that a ``` line of the file itself seems to close: text follows at once,
 * and the next fence line would open one without a name. */
static bool is_torn(const er_scan *s, size_t end) {
  er_fence f;
  char *path;
  size_t i = end + 1;
  if (i >= s->n || er_line_blank(&s->in[i]) || er_scan_fence_open(&s->in[i], &f)) return false;
  while (i < s->n && !er_scan_fence_open(&s->in[i], &f)) i++;
  if (i == s->n || f.info_len > 0) return false;
  path = er_scan_path_line(s, er_scan_above(s, i));
  er_free(path);
  return path == NULL;
}

static int refuse_torn(const er_scan *s, const char *path, size_t end) {
  return er_refuse(s->why, "malformed",
                   "line %zu of the reply may close the fence around `%s` or may be a line of that "
                   "file. Put a file that contains ``` lines into a fence of four or more backticks.",
                   end + 1, path);
}

int er_scan_whole(er_scan *s, char *path, size_t body, size_t end, bool fenced) {
  const er_patch_file *known = er_rules_file(s->files, s->n_files, path);
  er_block *b = er_scan_block(s, ER_PATCH_WHOLE);
  er_lines file = {0};
  bool cr = s->in[body - 1].eol == ER_EOL_CRLF;
  int rc;
  b->path = path;
  b->reply_line = body;
  if ((s->compared += known != NULL ? known->len / 16 : 0) > ER_SCAN_MAX_COMPARED)
    return er_refuse(s->why, "too_large",
                     "the reply gives too many whole files to compare them all with what is there. Send "
                     "each file once.");
  if (known != NULL) er_lines_split(&file, known->bytes, known->len);
  er_scan_hunk(s)->reply_line = body;
  rc = fenced && is_torn(s, end) ? refuse_torn(s, path, end) : check_whole(s, path, &file, body, end);
  if (body < end && is_label(s, path, &file, body)) body++;
  for (size_t i = body; i < end && rc == 0; i++) er_scan_line(s, s->in[i], '+', cr);
  er_lines_free(&file);
  return rc;
}

enum { TELLING = 16 };           /* letters of a line that is in the file by no accident */

/* Lines of the file in front of the first block speak for a file that only
 * contains such blocks, in a string or a text, and not for blocks to apply. */
int er_scan_whole_check(er_scan *s, size_t body, size_t end) {
  char *path = er_scan_path_whole(s, body, end);
  const er_patch_file *known = path != NULL ? er_rules_file(s->files, s->n_files, path) : NULL;
  size_t opener = body, own = 0;
  er_lines file = {0};
  while (known != NULL && opener < end && s->compared < ER_SCAN_MAX_COMPARED && !er_scan_search_opener(&s->in[opener]))
    opener++, s->compared++;
  if (known != NULL && opener > body + 1 && opener < end && (s->compared += known->len / 16) < ER_SCAN_MAX_COMPARED) {
    er_lines_split(&file, known->bytes, known->len);
    for (size_t i = body; i < opener; i++)
      if (!er_line_blank(&s->in[i]) && holds_line(s, &file, &s->in[i]))
        own += er_line_trim(s->in[i]).n < TELLING ? 1 : 2;
    er_lines_free(&file);
  }
  if (own >= 2)
    er_refuse(
        s->why, "malformed",
        "the fence in line %zu of the reply holds lines of `%s` and then a search/replace "
        "block, so it may be a whole file that contains such a block, or a block to apply. Begin the fence with the "
        "block, or send the change as a unified diff.",
        body, path);
  er_free(path);
  return own >= 2 ? -1 : 0;
}
