/* parse_udiff.c - unified diffs: with git headers, plain, or bare hunks.
 * The counts of a hunk header only help to see where a hunk ends when the text
 * itself leaves it open. */

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "patch/scan.h"

#define UNKNOWN SIZE_MAX

/* The numbers of "@@ -a,b +c,d @@"; UNKNOWN where the header has none. */
typedef struct {
  size_t old_line, old_count, new_line, new_count;
} counts;

static size_t read_number(const char **p, const char *end) {
  size_t v = 0;
  if (*p >= end || **p < '0' || **p > '9') return UNKNOWN;
  for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
    v = v > SIZE_MAX / 100 ? SIZE_MAX / 100 : v * 10 + (size_t)(**p - '0');
  return v;
}

static void read_range(const char **p, const char *end, char sign, size_t *line, size_t *count) {
  while (*p < end && **p == ' ') ++*p;
  if (*p >= end || **p != sign) return;
  ++*p;
  *line = read_number(p, end);
  if (*line == UNKNOWN) return;
  *count = 1;
  if (*p >= end || **p != ',') return;
  ++*p;
  *count = read_number(p, end);
}

static counts read_counts(const er_line *l) {
  counts c = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
  const char *p = l->s + 2, *end = l->s + l->n;
  read_range(&p, end, '-', &c.old_line, &c.old_count);
  read_range(&p, end, '+', &c.new_line, &c.new_count);
  return c;
}

static bool is_hunk_header(const er_line *l) {
  return er_line_starts(l, "@@") && (l->n == 2 || l->s[2] == ' ' || l->s[2] == '\t');
}

static bool has_sign(const er_line *l) { return l->n > 0 && strchr(" +-\\", l->s[0]) != NULL && l->s[0] != '\0'; }

static bool at_pair(const er_scan *s, size_t i) {
  return i + 1 < s->n && er_line_starts(&s->in[i], "--- ") && er_line_starts(&s->in[i + 1], "+++ ");
}

/* "--- x" or "+++ x" without its partner, right before a hunk. */
static bool at_half(const er_scan *s, size_t i) {
  return i + 1 < s->n && (er_line_starts(&s->in[i], "--- ") || er_line_starts(&s->in[i], "+++ ")) &&
         is_hunk_header(&s->in[i + 1]);
}

bool er_scan_udiff_start(const er_scan *s, size_t i) {
  const er_line *l = &s->in[i];
  if (l->n < 2) return false;
  switch (l->s[0]) {
    case 'd': return er_line_starts(l, "diff --git ");
    case '-': return at_pair(s, i) || at_half(s, i);
    case '+': return at_half(s, i);
    case '@': return is_hunk_header(l) && i + 1 < s->n && (has_sign(&s->in[i + 1]) || s->in[i + 1].n == 0);
    default: return false;
  }
}

/* ---- names ---- */

/* A name as git quotes it: "a/\303\244.lua". */
static char *unquote(const char *p, const char *end) {
  er_buf out = {0};
  for (p++; p < end && *p != '"'; p++) {
    int code = 0, digits = 0;
    if (*p != '\\' || p + 1 >= end) { er_buf_char(&out, *p); continue; }
    while (digits < 3 && p + 1 < end && p[1] >= '0' && p[1] <= '7') code = code * 8 + (*++p - '0'), digits++;
    if (digits > 0) er_buf_char(&out, (char)code);
    else if (*++p == 'n') er_buf_char(&out, '\n');
    else if (*p == 't') er_buf_char(&out, '\t');
    else er_buf_char(&out, *p);
  }
  return er_buf_take(&out);
}

/* A time stamp behind the name, as diff(1) and git write it. */
static size_t before_stamp(const char *p, size_t n) {
  const char *tab = memchr(p, '\t', n);
  if (tab != NULL) n = (size_t)(tab - p);
  for (size_t i = 1; i + 6 < n; i++)
    if (p[i] == ' ' && (memcmp(p + i, " 20", 3) == 0 || memcmp(p + i, " 19", 3) == 0) && p[i + 5] == '-') return i;
  return n;
}

static char *read_name(const er_line *l, size_t skip) {
  const char *p = l->s + skip, *end = l->s + l->n;
  size_t n;
  while (p < end && *p == ' ') p++;
  if (p < end && *p == '"') return unquote(p, end);
  n = before_stamp(p, (size_t)(end - p));
  while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\r' || p[n - 1] == '`')) n--;
  if (n > 0 && *p == '`') p++, n--;
  if (memchr(p, '\0', n) != NULL) return er_strdup("\001");     /* no path; is refused as one */
  return er_strndup(p, n);
}

static bool git_prefixed(const char *p) { return p != NULL && strchr("abciow", p[0]) && p[0] != '\0' && p[1] == '/'; }

static bool known(const er_scan *s, const char *path) { return er_scan_known(s, path, strlen(path)); }

/* What comes behind the first folder if both names agree in it ("old/x", "new/x"). */
static const char *without_first(const char *name, const char *other) {
  const char *a = strchr(name, '/'), *b = other != NULL ? strchr(other, '/') : NULL;
  return a != NULL && b != NULL && a > name && name[0] != '.' && strcmp(a, b) == 0 ? a + 1 : NULL;
}

/* Settles on the path that a header means; takes `name` over. */
static char *settle(const er_scan *s, char *name, const char *other) {
  const char *bare = name;
  bool both = git_prefixed(name) && (other == NULL || git_prefixed(other));
  if (strncmp(bare, "./", 2) == 0 && bare[2] != '\0') bare += 2;
  if (both && (known(s, name + 2) || !known(s, name))) bare = name + 2;
  else if (git_prefixed(name) && !known(s, name) && known(s, name + 2)) bare = name + 2;
  else if (!known(s, bare) && without_first(name, other) != NULL && known(s, without_first(name, other)))
    bare = without_first(name, other);
  if (bare == name) return name;
  char *out = er_strdup(bare);
  er_free(name);
  return out;
}

/* ---- headers ---- */

typedef struct {
  char *git, *old, *new, *from, *to;     /* owned; git is the b side of "diff --git" */
  bool old_null, new_null, creates, deletes, binary;
} header;

/* "diff --git a/x b/x": the name that both halves agree in. */
static char *git_name(const er_line *l) {
  const char *p = l->s + 11;
  size_t n = l->n > 11 ? l->n - 11 : 0, half;
  while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\r')) n--;
  half = n / 2;
  if (n > 0 && p[0] == '"') return unquote(p, p + n);
  if (n >= 7 && n % 2 == 1 && p[half] == ' ' && memcmp(p + 1, p + half + 2, half - 1) == 0)
    return er_strndup(p + half + 1, half);
  return NULL;
}

static void put(char **slot, char *value) {
  er_free(*slot);
  *slot = value;
}

/* One of git's extended header lines; false if the line is none. */
static bool read_extended(const er_line *l, header *h) {
  static const char *const idle[] = {"index ", "old mode", "new mode", "similarity index", "dissimilarity index", "copy ", NULL};
  if (er_line_starts(l, "new file mode")) return h->creates = true;
  if (er_line_starts(l, "deleted file mode")) return h->deletes = true;
  if (er_line_starts(l, "Binary files ") || er_line_starts(l, "GIT binary patch")) return h->binary = true;
  if (er_line_starts(l, "rename from ")) return put(&h->from, read_name(l, 12)), true;
  if (er_line_starts(l, "rename to ")) return put(&h->to, read_name(l, 10)), true;
  for (size_t i = 0; idle[i] != NULL; i++)
    if (er_line_starts(l, idle[i])) return true;
  return false;
}

static bool is_null(const char *name) { return strcmp(name, "/dev/null") == 0; }

static void read_header(er_scan *s, header *h) {
  if (er_line_starts(&s->in[s->at], "diff --git ")) {
    h->git = git_name(&s->in[s->at++]);
    while (s->at < s->n && read_extended(&s->in[s->at], h)) s->at++;
  }
  if (s->at < s->n && er_line_starts(&s->in[s->at], "--- ") && (at_pair(s, s->at) || at_half(s, s->at))) {
    h->old = read_name(&s->in[s->at++], 4);
    h->old_null = is_null(h->old);
  }
  if (s->at < s->n && er_line_starts(&s->in[s->at], "+++ ")) {
    h->new = read_name(&s->in[s->at++], 4);
    h->new_null = is_null(h->new);
  }
}

static void settle_block(er_scan *s, header *h, er_block *b) {
  b->creates = h->creates || h->old_null;
  b->deletes = h->deletes || h->new_null;
  b->binary = h->binary;
  if (h->from != NULL && h->to != NULL) {
    b->from_path = er_strdup(h->from);
    b->path = er_strdup(h->to);
    return;
  }
  char *name = h->new != NULL && !h->new_null ? h->new : h->old != NULL && !h->old_null ? h->old : h->git;
  const char *other = name == h->new && !h->old_null ? h->old : NULL;
  if (name == NULL) return;
  b->path = settle(s, er_strdup(name), other);
}

static void free_header(header *h) {
  er_free(h->git);
  er_free(h->old);
  er_free(h->new);
  er_free(h->from);
  er_free(h->to);
}

/* ---- hunks ---- */

typedef struct {
  counts said;
  size_t old_seen, new_seen, tail;       /* tail: bare blank lines at the end so far */
  bool strip_cr;
} hunk_state;

static bool satisfied(const hunk_state *h) {
  return h->said.old_count != UNKNOWN && h->said.new_count != UNKNOWN && h->old_seen >= h->said.old_count &&
         h->new_seen >= h->said.new_count;
}

/* A pair "--- x", "+++ y" inside a hunk: the next file's header, or a removed
 * "-- x" and an added "++ y"?  Only counts that these two lines complete, or
 * the lack of a hunk behind them, speak for the latter. */
static bool is_next_file(const er_scan *s, const hunk_state *h) {
  size_t i = s->at;
  if (!at_pair(s, i)) return false;
  if (satisfied(h)) return true;
  if (i + 2 >= s->n || !is_hunk_header(&s->in[i + 2])) return false;
  return !(h->said.old_count != UNKNOWN && h->said.new_count != UNKNOWN && h->old_seen < h->said.old_count &&
           h->new_seen < h->said.new_count);
}

/* "-- " and a version number close a mail that git made. */
static bool is_signature(const er_scan *s, const hunk_state *h) {
  const er_line *l = &s->in[s->at];
  if (!er_line_is(l, "-- ") && !er_line_is(l, "--")) return false;
  return satisfied(h) && s->at + 1 < s->n && s->in[s->at + 1].n > 0 && s->in[s->at + 1].s[0] >= '0' &&
         s->in[s->at + 1].s[0] <= '9';
}

static bool is_sign(const er_line *l, const char *signs) {
  return l->n > 0 && l->s[0] != '\0' && strchr(signs, l->s[0]) != NULL;
}

/* A blank line behind a hunk that has all its counted lines: the hunk goes on
 * only if what follows is surely no prose, not even a list. */
static bool goes_on_after_blank(const er_scan *s) {
  const er_line *l = &s->in[s->at + 1];
  if (s->at + 1 >= s->n || !is_sign(l, "+- ")) return false;
  return l->s[0] != '-' || (l->n > 1 && l->s[1] != ' ' && l->s[1] != '-') || (l->n > 2 && l->s[2] == ' ');
}

/* A line without a sign in a bare diff: context that lost its space, or the
 * prose behind the hunk?  To take prose for context costs a refusal; to take
 * context for prose would lose the rest of the hunk unseen. */
static bool is_prose(const er_scan *s, const hunk_state *h) {
  bool counted = h->said.old_count != UNKNOWN && h->said.new_count != UNKNOWN;
  if (h->tail > 0) return true;
  if (counted && !satisfied(h)) return false;
  return s->at + 1 >= s->n || !is_sign(&s->in[s->at + 1], "+- ");
}

static bool ends_hunk(const er_scan *s, const hunk_state *h) {
  const er_line *l = &s->in[s->at];
  bool fenced = s->fence.len > 0;
  if (fenced && er_scan_fence_close(&s->fence, l)) return true;
  if (l->n == 0) return !fenced && satisfied(h) && !goes_on_after_blank(s);
  if (is_hunk_header(l) || er_line_starts(l, "diff --git ") || er_line_starts(l, "Index: ")) return true;
  if ((l->s[0] == '<' && er_scan_search_opener(l)) || is_next_file(s, h) || is_signature(s, h)) return true;
  if (has_sign(l)) return false;
  return fenced ? l->s[0] == '`' : is_prose(s, h);
}

/* "\ No newline at end of file": the line before has no line end, and a CR at
 * its end is a byte of it. */
static void mark_end(er_scan *s, const hunk_state *state) {
  er_hunk *h = &s->out->hunks[s->out->n_hunks - 1];
  if (h->to == h->from) return;
  er_line *last = &s->out->lines.v[h->to - 1];
  if (!state->strip_cr && last->eol == ER_EOL_CRLF) last->n++;
  last->eol = ER_EOL_NONE;
  h->says_end = true;
}

static void add_hunk_line(er_scan *s, hunk_state *h) {
  er_line l = s->in[s->at];
  char op = ' ';
  h->tail = l.n == 0 ? h->tail + 1 : 0;
  if (l.n > 0 && strchr(" +-", l.s[0]) != NULL) {
    op = l.s[0];
    l.s++;
    l.n--;
  }
  h->old_seen += op != '+';
  h->new_seen += op != '-';
  er_scan_line(s, l, op, h->strip_cr);
}

/* Blank lines that stand between a hunk and what follows are not context. */
static void trim_tail(er_scan *s, hunk_state *state) {
  er_hunk *h = &s->out->hunks[s->out->n_hunks - 1];
  bool said = state->said.old_count != UNKNOWN;
  while (state->tail > 0 && said && state->old_seen > state->said.old_count) {
    s->out->lines.n = --h->to;
    state->tail--;
    state->old_seen--;
    state->new_seen--;
  }
  h->tail = state->tail;
}

/* A bare diff that ends with the reply before its counts are reached was cut
 * off, unless only a few lines of context can be missing. */
static bool is_cut(const er_scan *s, const hunk_state *h) {
  const er_hunk *hunk = &s->out->hunks[s->out->n_hunks - 1];
  if (s->at < s->n || s->fence.len > 0 || h->said.old_count == UNKNOWN || h->said.new_count == UNKNOWN) return false;
  size_t old_left = h->said.old_count > h->old_seen ? h->said.old_count - h->old_seen : 0;
  size_t new_left = h->said.new_count > h->new_seen ? h->said.new_count - h->new_seen : 0;
  if (old_left + new_left == 0 || (old_left == new_left && old_left <= 3)) return false;
  bool open = s->in[s->n - 1].eol == ER_EOL_NONE;
  return open || hunk->to == hunk->from || s->out->lines.v[hunk->to - 1].op != ' ';
}

static bool has_change(const er_scan *s, const er_hunk *h) {
  for (size_t i = h->from; i < h->to; i++)
    if (s->out->lines.v[i].op != ' ') return true;
  return false;
}

static int read_hunk(er_scan *s, bool headed, bool strip_cr) {
  hunk_state state = {{UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}, 0, 0, 0, strip_cr};
  er_hunk *h = er_scan_hunk(s);
  if (headed) {
    state.said = read_counts(&s->in[s->at++]);
    if (state.said.old_line != UNKNOWN) h->old_line = state.said.old_line;
  }
  for (; s->at < s->n && !ends_hunk(s, &state); s->at++) {
    if (er_line_starts(&s->in[s->at], "\\ ")) mark_end(s, &state);
    else add_hunk_line(s, &state);
  }
  trim_tail(s, &state);
  h = &s->out->hunks[s->out->n_hunks - 1];
  if (!has_change(s, h) && s->at < s->n)
    return er_refuse(s->why, "malformed", "the hunk in line %zu of the reply changes nothing. Under its `@@` line every line begins with a "
                     "space, `-` or `+`.", h->reply_line);
  if (has_change(s, h) && !is_cut(s, &state)) return 0;
  return er_refuse(s->why, "truncated", "the last hunk of the unified diff (line %zu of the reply) ends before it is complete, so "
                   "the reply seems to be cut off. Nothing was changed. Send the whole diff again.", h->reply_line);
}

static bool next_hunk(const er_scan *s) {
  size_t i = s->at;
  while (i < s->n && s->in[i].n == 0) i++;
  return i < s->n && is_hunk_header(&s->in[i]);
}

static int read_hunks(er_scan *s, bool strip_cr) {
  while (next_hunk(s)) {
    while (s->in[s->at].n == 0) s->at++;
    if (read_hunk(s, true, strip_cr) < 0) return -1;
  }
  return 0;
}

/* Without a hunk only git's extended header can say what is to be done. */
static bool complete(const header *h, const er_block *b) {
  return b->n_hunks > 0 || h->creates || h->deletes || h->binary || b->from_path != NULL;
}

static int refuse_empty(const er_scan *s, const er_block *b, size_t start) {
  const char *path = b->path != NULL ? b->path : "?";
  if (s->at >= s->n)
    return er_refuse(s->why, "truncated", "the unified diff for `%s` ends after its header (line %zu of the reply), so the reply "
                     "seems to be cut off. Nothing was changed. Send the whole diff again.", path, start + 1);
  return er_refuse(s->why, "malformed", "the unified diff for `%s` (line %zu of the reply) has a header but no hunk. Start each "
                   "hunk with a line `@@`, then lines that begin with a space, `-` or `+`.", path, start + 1);
}

/* A hunk without a header of its own goes on in the file of the diff before. */
static char *path_before(const er_scan *s) {
  const er_block *b = s->out->n_blocks > 1 ? &s->out->blocks[s->out->n_blocks - 2] : NULL;
  return b != NULL && b->form == ER_PATCH_UDIFF && b->path != NULL && !b->creates && !b->deletes ? er_strdup(b->path) : NULL;
}

int er_scan_udiff(er_scan *s) {
  size_t start = s->at;
  header h = {0};
  er_block *b = er_scan_block(s, ER_PATCH_UDIFF);
  int rc;
  read_header(s, &h);
  settle_block(s, &h, b);
  if (b->path == NULL) b->path = er_scan_path_above(s, start);
  if (b->path == NULL) b->path = path_before(s);
  rc = read_hunks(s, s->in[start].eol == ER_EOL_CRLF);
  if (rc == 0 && !complete(&h, b)) rc = refuse_empty(s, b, start);
  free_header(&h);
  return rc;
}

int er_scan_bare_hunk(er_scan *s) {
  size_t start = s->at;
  er_block *b = er_scan_block(s, ER_PATCH_UDIFF);
  b->path = er_scan_path_above(s, start);
  return read_hunk(s, false, s->in[start].eol == ER_EOL_CRLF);
}
