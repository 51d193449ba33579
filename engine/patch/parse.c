/* parse.c - walks a reply once and hands each change to the reader of its form. */

#include "patch/parse.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/rules.h"
#include "patch/scan.h"

#define MAX_LOOK 32              /* how often a line may be looked at in search of a fence's end */

const char *er_patch_form_name(er_patch_form form) {
  static const char *const names[] = {"unified diff", "search/replace block", "whole file", "*** Begin Patch section"};
  return names[form];
}

bool er_scan_known(const er_scan *s, const char *path, size_t n) {
  size_t lo = 0, hi = s->n_files;
  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;
    size_t m = strlen(s->files[mid].path);
    int c = memcmp(s->files[mid].path, path, m < n ? m : n);
    if (c == 0 && m == n) return true;
    if (c < 0 || (c == 0 && m < n)) lo = mid + 1;
    else hi = mid;
  }
  return false;
}

bool er_scan_fence_open(const er_line *line, er_fence *out) {
  er_line l = er_line_trim_end(*line);
  size_t indent = er_line_indent(&l), k = indent;
  char sign = k < l.n ? l.s[k] : 0;
  if (sign != '`' && sign != '~') return false;
  while (k < l.n && l.s[k] == sign) k++;
  if (k - indent < 3) return false;
  if (sign == '`' && memchr(l.s + k, '`', l.n - k) != NULL) return false;     /* code within a line */
  *out = (er_fence){.sign = sign, .len = k - indent, .indent = indent};
  while (k < l.n && l.s[k] == ' ') k++;
  out->info = l.s + k;
  out->info_len = l.n - k;
  return true;
}

/* A fence deeper in than the one that it is held against belongs to the text
 * inside: " ```" is a line of context in a diff. */
bool er_scan_fence_close(const er_fence *f, const er_line *l) {
  er_fence other;
  return f->len > 0 && er_scan_fence_open(l, &other) && other.sign == f->sign && other.len >= f->len &&
         other.info_len == 0 && (f->loose || other.indent <= f->indent);
}

er_block *er_scan_block(er_scan *s, er_patch_form form) {
  er_parsed *p = s->out;
  if (p->n_blocks == p->cap_blocks) {
    p->cap_blocks = p->cap_blocks ? p->cap_blocks * 2 : 4;
    p->blocks = er_realloc(p->blocks, p->cap_blocks * sizeof *p->blocks);
  }
  er_block *b = &p->blocks[p->n_blocks++];
  *b = (er_block){.form = form, .hunk = p->n_hunks, .reply_line = s->at + 1};
  return b;
}

er_hunk *er_scan_hunk(er_scan *s) {
  er_parsed *p = s->out;
  if (p->n_hunks == p->cap_hunks) {
    p->cap_hunks = p->cap_hunks ? p->cap_hunks * 2 : 8;
    p->hunks = er_realloc(p->hunks, p->cap_hunks * sizeof *p->hunks);
  }
  er_hunk *h = &p->hunks[p->n_hunks++];
  *h = (er_hunk){.from = p->lines.n, .to = p->lines.n, .reply_line = s->at + 1};
  p->blocks[p->n_blocks - 1].n_hunks++;
  return h;
}

/* strip_cr: the block's own marker lines end in CRLF, so the CRs are those of
 * the transport and say nothing about the file. */
void er_scan_line(er_scan *s, er_line l, char op, bool strip_cr) {
  l.op = op;
  if (l.eol == ER_EOL_NONE) l.eol = ER_EOL_OPEN;     /* the reply ends here, not the file */
  else if (strip_cr) l.eol = ER_EOL_LF;
  er_lines_push(&s->out->lines, l);
  s->out->hunks[s->out->n_hunks - 1].to = s->out->lines.n;
}

/* Anchors stand in front of the hunk's own lines. */
void er_scan_anchor(er_scan *s, er_line l) {
  er_hunk *h = &s->out->hunks[s->out->n_hunks - 1];
  if (h->n_anchors++ == 0) h->anchor = s->out->lines.n;
  l.op = 0;
  er_lines_push(&s->out->lines, l);
  h->from = h->to = s->out->lines.n;
}

static bool is_diff_fence(const er_fence *f) {
  static const char *const langs[] = {"diff", "patch", "udiff"};
  size_t n = 0;
  while (n < f->info_len && f->info[n] != ' ' && f->info[n] != ':' && f->info[n] != '{') n++;
  for (size_t i = 0; i < sizeof langs / sizeof *langs; i++)
    if (strlen(langs[i]) == n && strncasecmp(langs[i], f->info, n) == 0) return true;
  return false;
}

/* The line that closes the fence, or s->n.  A fence line with an info string
 * opens an inner one, so that a file may hold fenced text itself.  Looking far
 * ahead again and again is bounded for the whole reply. */
static size_t look_for_close(er_scan *s, const er_fence *f) {
  er_fence inner;
  size_t depth = 0;
  for (size_t i = f->line + 1; i < s->n && s->looked < MAX_LOOK * s->n + 1000; i++, s->looked++) {
    if (er_scan_fence_close(f, &s->in[i])) {
      if (depth-- == 0) return i;
    } else if (er_scan_fence_open(&s->in[i], &inner) && inner.sign == f->sign &&
               inner.len >= f->len && inner.info_len > 0 && (f->loose || inner.indent <= f->indent)) {
      depth++;
    }
  }
  return s->n;
}

static size_t find_close(er_scan *s, er_fence *f) {
  size_t end = look_for_close(s, f);
  if (end < s->n) return end;
  f->loose = true;
  end = look_for_close(s, f);
  f->open_end = end == s->n;
  return end;
}

static bool holds_edits(const er_scan *s, size_t from, size_t to) {
  for (size_t i = from; i < to; i++)
    if (er_scan_search_opener(&s->in[i]) || er_scan_udiff_start(s, i) || er_scan_search_stray(&s->in[i]) ||
        er_scan_begin_start(&s->in[i]))
      return true;
  return false;
}

static bool all_blank(const er_scan *s, size_t from) {
  while (from < s->n && er_line_blank(&s->in[from])) from++;
  return from == s->n;
}

static int refuse_cut(er_scan *s) {
  return er_refuse(s->why, "truncated",
                   "the reply ends inside the fence that its line %zu opens, so it seems to be cut "
                   "off. Nothing was changed. Send the whole reply again, shorter if need be, with every fence closed.",
                   s->fence.line + 1);
}

static bool has_signs(const er_scan *s, size_t from, size_t to) {
  for (size_t i = from; i < to; i++)
    if (s->in[i].n > 0 && (s->in[i].s[0] == '+' || s->in[i].s[0] == '-')) return true;
  return false;
}

static void shift_left(er_scan *s, size_t from, size_t to, size_t by) {
  er_line *v = s->out->reply.v;
  for (size_t i = from; by > 0 && i < to && i < s->n; i++) {
    size_t k = er_line_indent(&v[i]) < by ? er_line_indent(&v[i]) : by;
    v[i].s += k;
    v[i].n -= (uint32_t)k;
  }
}

/* A fence that is itself indented, in a list, holds lines that are all indented as
 * much: they lose that, and are then read like any others.  Returns how much. */
static size_t unindent(er_scan *s, er_fence *f, size_t end) {
  size_t by = f->indent;
  for (size_t i = f->line + 1; i < end && by > 0; i++)
    if (!er_line_blank(&s->in[i]) && er_line_indent(&s->in[i]) < by) return 0;
  shift_left(s, f->line + 1, end + 1, by);
  f->indent = 0;
  return by;
}

/* A fence that nothing names is an illustration, or a whole file that its text
 * gives away. */
static int take_shown(er_scan *s, size_t body, size_t end) {
  const er_patch_file *file = er_scan_file_shown(s, body, end);
  int rc;
  if (file == NULL) {
    if (s->out->nameless == 0 && end > body) s->out->nameless = body;
    return 0;
  }
  rc = er_scan_whole(s, er_strdup(file->path), body, end, true);
  s->out->blocks[s->out->n_blocks - 1].shown = true;
  return rc;
}

/* At an opening fence: goes into it if it holds edits, takes it if it is a
 * whole file, and steps over it if it is only an illustration. */
static int enter_fence(er_scan *s, er_fence f) {
  size_t body = s->at + 1, end, by;
  char *path;
  f.line = s->at;
  end = find_close(s, &f);
  by = unindent(s, &f, end);
  if (f.loose && holds_edits(s, body, end)) {        /* edits end by themselves; such a line may be one of theirs */
    f.loose = false;
    f.open_end = true;
    shift_left(s, end + 1, s->n, by);
    end = s->n;
  }
  s->fence = f;
  s->at = body;
  if (holds_edits(s, body, end)) return er_scan_whole_check(s, body, end);
  if (is_diff_fence(&f) && has_signs(s, body, end)) return er_scan_bare_hunk(s);
  if (end == s->n) return all_blank(s, body) && f.info_len == 0 ? (s->at = s->n, 0) : refuse_cut(s);
  path = is_diff_fence(&f) ? NULL : er_scan_path_whole(s, body, end);
  s->at = end + 1;
  s->fence.len = 0;
  if (path != NULL) return er_scan_whole(s, path, body, end, true);
  return is_diff_fence(&f) ? 0 : take_shown(s, body, end);
}

/* <file path="x"> and what it holds, if that is neither a fence nor an edit. */
static int enter_tag(er_scan *s, const er_tag *tag) {
  size_t body = s->at + 1, end = body, first = body;
  er_fence f;
  er_tag other;
  char *path = !tag->closes && tag->path.n > 0 ? er_scan_path_given(&tag->path) : NULL;
  er_scan_tag_track(s, tag);
  s->at++;
  if (path == NULL) return 0;
  for (; end < s->n && s->looked < MAX_LOOK * s->n + 1000; end++, s->looked++)
    if (er_scan_tag(&s->in[end], &other) && other.closes && er_line_same_text(&other.name, &tag->name)) break;
  while (first < end && er_line_blank(&s->in[first])) first++;
  if (first == end || er_scan_fence_open(&s->in[first], &f) || er_scan_tag(&s->in[first], &other) ||
      holds_edits(s, body, end)) {
    er_free(path);
    return 0;
  }
  if (end == s->n) {
    er_refuse(s->why, "truncated", "the reply ends before the tag in its line %zu is closed, so `%s` seems to be cut "
              "off. Nothing was changed. Send the whole file again.", body, path);
    er_free(path);
    return -1;
  }
  s->at = end;
  return er_scan_whole(s, path, body, end, false);
}

static int scan_line(er_scan *s) {
  const er_line *l = &s->in[s->at];
  er_fence f;
  er_tag tag;
  if (er_scan_fence_close(&s->fence, l)) {
    s->fence.len = 0;
    s->at++;
    return 0;
  }
  if (er_scan_search_opener(l)) return er_scan_search(s);
  if (er_scan_udiff_start(s, s->at)) return er_scan_udiff(s);
  if (er_scan_search_stray(l)) return er_scan_search_refuse_stray(s);
  if (er_scan_begin_start(l)) return er_scan_begin(s);
  if (l->n > 0 && l->s[0] == '<' && er_scan_tag(l, &tag)) return enter_tag(s, &tag);
  if (s->fence.len == 0 && er_scan_fence_open(l, &f)) return enter_fence(s, f);
  s->at++;
  return 0;
}

/* "diff --gi", where the reply was cut off. */
static bool begins_header(const er_line *l) { return l->n <= 10 && memcmp(l->s, "diff --git", l->n) == 0; }

/* Whether the last block of the open fence is whole by its own marks, and
 * nothing behind it promises another one. */
static bool is_sound(const er_scan *s) {
  size_t last = s->n;
  char *path;
  if (s->sound <= s->fence.line) return false;
  while (last > s->sound && er_line_blank(&s->in[last - 1])) last--;
  if (last == s->sound) return true;
  const er_line *l = &s->in[last - 1];
  if (l->eol == ER_EOL_NONE && l->s[0] != '`' && memchr(l->s, ' ', l->n) == NULL) return false;   /* half a name */
  path = er_scan_path_line(s, l);
  er_free(path);
  return path == NULL && strchr("<-+@*", l->s[0]) == NULL && !begins_header(l);
}

/* "<<<<<<< SE": the last line is the beginning of a block's first one. */
static bool begins_opener(const er_line *l) {
  static const char *const words[] = {"SEARCH", "ORIGINAL", "HEAD"};
  size_t k = 0, left;
  if (l->eol != ER_EOL_NONE || l->n == 0) return false;
  while (k < l->n && l->s[k] == '<') k++;
  if (k == 0 || k > 9) return false;
  left = l->n - k;
  if (left > 0 && l->s[k] == ' ') k++, left--;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (left <= strlen(words[i]) && memcmp(l->s + k, words[i], left) == 0) return true;
  return false;
}

static bool is_blank_or_ticks(const er_line *line) {
  er_line l = er_line_trim(*line);
  while (l.n > 0 && l.s[l.n - 1] == '`') l.n--;
  return l.n == 0;
}

/* The reply goes on behind its last block, and ends with what announces another:
 * its first marker, or the name of its file. */
static int check_last_line(er_scan *s, size_t behind) {
  size_t last = s->n;
  char *path;
  bool promised;
  while (last > behind && is_blank_or_ticks(&s->in[last - 1])) last--;
  if (last == behind || s->out->n_blocks == 0) return 0;
  path = er_scan_path_line(s, &s->in[last - 1]);
  promised = (path != NULL && er_scan_known(s, path, strlen(path))) || begins_opener(&s->in[last - 1]);
  er_free(path);
  if (!promised) return 0;
  er_refuse(s->why, "truncated", "the reply ends with a line that announces another block: ");
  er_explain_quote(&s->why->text, s->in[last - 1].s, s->in[last - 1].n);
  er_buf_str(&s->why->text, ". It seems to be cut off, so nothing was changed. Send the whole reply again.");
  return -1;
}

/* A fence without its end may hide that a file was not finished either. */
static int check_end(er_scan *s) {
  if (s->fence.len == 0) return 0;
  if (!all_blank(s, s->fence.line + 1) && !is_sound(s)) return refuse_cut(s);
  for (size_t i = 0; i < s->out->n_blocks; i++)
    if (s->out->blocks[i].form == ER_PATCH_WHOLE)
      return er_refuse(s->why, "malformed", "the fences of the reply do not pair up (the one in line %zu has no "
                       "partner), so the end of a file cannot be told. Put a file that contains ``` lines into a fence "
                       "of four or more backticks.", s->fence.line + 1);
  return 0;
}

static int read_all(er_scan *s) {
  size_t behind = 0;             /* the line behind the last block */
  if (er_scan_skip_thoughts(s) < 0) return -1;
  while (s->at < s->n) {
    size_t blocks = s->out->n_blocks;
    if (scan_line(s) < 0) return -1;
    if (s->out->n_blocks > blocks) behind = s->at;
  }
  return check_end(s) < 0 ? -1 : check_last_line(s, behind);
}

int er_patch_parse(const char *reply, size_t len, const er_patch_file *files, size_t n_files, er_parsed *out,
                   er_refusal *why) {
  er_scan s = {.out = out, .files = files, .n_files = n_files, .why = why};
  int rc;
  if (len > ER_PATCH_MAX_REPLY)
    return er_refuse(why, "too_large", "the reply has %zu bytes; at most %u are read. Send only the changed parts.",
                     len, ER_PATCH_MAX_REPLY);
  if (len >= 3 && memcmp(reply, "\xef\xbb\xbf", 3) == 0) reply += 3, len -= 3;
  if (len > 0 && reply[len - 1] == '\r') len--;       /* half of the last line end */
  out->begin = reply;
  out->end = reply + len;
  er_lines_split(&out->reply, reply, len);
  er_lines_reserve(&out->lines);
  s.in = out->reply.v;
  s.n = out->reply.n;
  rc = read_all(&s);
  er_lines_free(&out->reply);
  return rc;
}

void er_parsed_free(er_parsed *p) {
  for (size_t i = 0; i < p->n_blocks; i++) {
    er_free(p->blocks[i].path);
    er_free(p->blocks[i].from_path);
  }
  er_free(p->blocks);
  er_free(p->hunks);
  er_lines_free(&p->lines);
  *p = (er_parsed){0};
}
