/* parse_udiff.c - unified diffs: with git headers, plain, or bare hunks.
 * The counts of a hunk header only help to see where a hunk ends when the text
 * itself leaves it open. */

#include <stdint.h>
#include <string.h>
#include <strings.h>

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

bool er_scan_at_hunk(const er_line *l) {
  return er_line_starts(l, "@@") && (l->n == 2 || l->s[2] == ' ' || l->s[2] == '\t' || l->s[2] == '-');
}

/* The text behind the header's second "@@". */
static er_line header_text(const er_line *line) {
  er_line l = er_line_trim_end(*line);
  const char *second = l.n > 4 ? memmem(l.s + 2, l.n - 2, "@@", 2) : NULL;
  if (second == NULL) return (er_line){0};
  l.n -= (uint32_t)(second + 2 - l.s);
  l.s = second + 2;
  return er_line_trim(l);
}

/* "@@ def f(): @@", without any numbers. */
static er_line header_words(const er_line *line) {
  er_line l = er_line_trim_end(*line);
  l.s += 2;
  l.n -= 2;
  if (l.n > 3 && memcmp(l.s + l.n - 3, " @@", 3) == 0) l.n -= 3;
  l = er_line_trim(l);
  for (size_t i = 0; i < l.n; i++)
    if (l.s[i] == '\0' || strchr(" .,+-0123456789", l.s[i]) == NULL) return l;
  return (er_line){0};
}

void er_scan_hunk_header(er_scan *s, er_hunk *h) {
  counts said = read_counts(&s->in[s->at]);
  er_line text = header_text(&s->in[s->at]);
  if (said.old_line != UNKNOWN) h->old_line = said.old_line;
  else if (text.n == 0) text = header_words(&s->in[s->at]);
  if (text.n > 0 && h->n_anchors == 0) er_scan_anchor(s, text);
}

static bool is_sign(const er_line *l, const char *signs) {
  return l->n > 0 && l->s[0] != '\0' && strchr(signs, l->s[0]) != NULL;
}

static bool has_sign(const er_line *l) { return l->n > 0 && strchr(" +-\\", l->s[0]) != NULL && l->s[0] != '\0'; }

static bool is_fenced(const er_scan *s) { return s->fence.len > 0 && !s->fence.open_end; }

bool er_scan_udiff_start(const er_scan *s, size_t i) {
  const er_line *l = &s->in[i];
  if (l->n < 2) return false;
  switch (l->s[0]) {
    case 'd': return er_line_starts(l, "diff --git ");
    case '-': return er_scan_at_pair(s, i) || er_scan_at_half(s, i);
    case '+': return er_scan_at_half(s, i);
    case '@': return er_scan_at_hunk(l) && i + 1 < s->n && (has_sign(&s->in[i + 1]) || s->in[i + 1].n == 0);
    default: return false;
  }
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
  if (er_scan_at_half(s, i) && (satisfied(h) || er_scan_names_known(s, &s->in[i]))) return true;
  if (!er_scan_at_pair(s, i)) return false;
  if (satisfied(h)) return true;
  if (i + 2 >= s->n || !er_scan_at_hunk(&s->in[i + 2])) return false;
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

/* A line of signs alone that closes a fence which nobody opened, or shorter than the opening one. */
static bool is_bare_fence(const er_line *l) {
  er_fence f;
  return l->n > 0 && (l->s[0] == '`' || l->s[0] == '~') && er_scan_fence_open(l, &f) && f.info_len == 0;
}

static bool ends_hunk(const er_scan *s, const hunk_state *h) {
  const er_line *l = &s->in[s->at];
  bool fenced = is_fenced(s);
  if (fenced && er_scan_fence_close(&s->fence, l)) return true;
  if (l->n == 0) return !fenced && satisfied(h) && !goes_on_after_blank(s);
  if (er_scan_at_hunk(l) || er_line_starts(l, "diff --git ") || er_line_starts(l, "Index: ")) return true;
  if ((l->s[0] == '<' && er_scan_search_opener(l)) || is_next_file(s, h) || is_signature(s, h)) return true;
  if (has_sign(l)) return false;
  if (fenced) return false;
  if (is_bare_fence(l) && (satisfied(h) || h->said.old_count == UNKNOWN)) return true;
  return is_prose(s, h) || er_scan_tag_close(s, l) || er_scan_begin_start(l);
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
  if (is_sign(&l, " +-")) {
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

/* In a fence that nothing closes only right counts and a whole last line show
 * that nothing is missing, or words that follow. */
static bool is_proven(const er_scan *s, const hunk_state *h) {
  if (s->at < s->n && s->in[s->at].eol != ER_EOL_NONE) return true;
  return h->old_seen == h->said.old_count && h->new_seen == h->said.new_count && s->in[s->at - 1].eol != ER_EOL_NONE;
}

/* The reply ends, without a line end, in a line that is a sign alone, or in a
 * removed line of which nobody counted what comes in its place. */
static bool ends_in_sign(const er_scan *s, const hunk_state *h) {
  er_line l = er_line_trim_end(s->in[s->n - 1]);
  if (l.eol != ER_EOL_NONE || !is_sign(&l, "+-")) return false;
  return l.n == 1 || (l.s[0] == '-' && h->said.new_count == UNKNOWN);
}

/* A bare diff that ends with the reply before its counts are reached was cut
 * off, unless only a few lines of context can be missing. */
static bool is_cut(const er_scan *s, const hunk_state *h) {
  const er_hunk *hunk = &s->out->hunks[s->out->n_hunks - 1];
  if (is_fenced(s)) return false;
  if (s->fence.len > 0) return !is_proven(s, h);
  if (s->at < s->n) return false;
  if (ends_in_sign(s, h)) return true;
  if (h->said.old_count == UNKNOWN || h->said.new_count == UNKNOWN) return false;
  size_t old_left = h->said.old_count > h->old_seen ? h->said.old_count - h->old_seen : 0;
  size_t new_left = h->said.new_count > h->new_seen ? h->said.new_count - h->new_seen : 0;
  bool open = s->in[s->n - 1].eol == ER_EOL_NONE;
  bool changing = hunk->to == hunk->from || s->out->lines.v[hunk->to - 1].op != ' ';
  if (old_left + new_left == 0) return false;
  return old_left == new_left && old_left <= 3 ? open && changing : open || changing;
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
    state.said = read_counts(&s->in[s->at]);
    er_scan_hunk_header(s, h);
    if (state.said.old_count != UNKNOWN && state.said.new_count != UNKNOWN)
      h->old_count = state.said.old_count, h->new_count = state.said.new_count;
    s->at++;
  }
  for (; s->at < s->n && !ends_hunk(s, &state); s->at++) {
    if (er_line_starts(&s->in[s->at], "\\ ")) mark_end(s, &state);
    else add_hunk_line(s, &state);
  }
  trim_tail(s, &state);
  h = &s->out->hunks[s->out->n_hunks - 1];
  if (!has_change(s, h) && s->at < s->n)
    return er_refuse(s->why, "malformed",
                     "the hunk in line %zu of the reply changes nothing. Under its `@@` line every "
                     "line begins with a space, `-` or `+`.",
                     h->reply_line);
  if (has_change(s, h) && !is_cut(s, &state)) return s->sound = s->at, 0;
  return er_refuse(s->why, "truncated",
                   "the last hunk of the unified diff (line %zu of the reply) ends before it is "
                   "complete, so the reply seems to be cut off. Nothing was changed. Send the whole diff again.",
                   h->reply_line);
}

static bool next_hunk(const er_scan *s) {
  size_t i = s->at;
  while (i < s->n && s->in[i].n == 0) i++;
  return i < s->n && er_scan_at_hunk(&s->in[i]);
}

static int read_hunks(er_scan *s, bool strip_cr) {
  while (next_hunk(s)) {
    while (s->in[s->at].n == 0) s->at++;
    if (read_hunk(s, true, strip_cr) < 0) return -1;
  }
  return 0;
}

/* Without a hunk only git's extended header can say what is to be done. */
static bool complete(const er_header *h, const er_block *b) {
  if (b->n_hunks == 0 && h->differs) return false;   /* renamed and changed, and where is the change? */
  return b->n_hunks > 0 || h->creates || h->deletes || h->binary || h->mode || b->from_path != NULL;
}

/* Changed lines right behind the names, without any "@@". */
static bool at_headless(const er_scan *s, const er_header *h) {
  return (h->old != NULL || h->new != NULL) && s->at < s->n && has_sign(&s->in[s->at]) && !er_scan_at_pair(s, s->at);
}

/* "@@ pack.lua @@", "@@ -1,2 +1,2 @@ pack.lua": the only place that names the file. */
static char *path_in_header(const er_scan *s, size_t at) {
  er_line l = er_line_trim_end(s->in[at]), text = header_text(&l);
  if (!er_scan_at_hunk(&l)) return NULL;
  if (text.n == 0 && l.n > 3) text = (er_line){l.s + 2, l.n - 2, ER_EOL_LF, 0};
  else if (text.n == 0) return NULL;
  if (l.n > 5 && memcmp(l.s + l.n - 2, "@@", 2) == 0) text = er_line_trim((er_line){l.s + 2, l.n - 4, ER_EOL_LF, 0});
  text = er_line_trim(text);
  return er_scan_known(s, text.s, text.n) ? er_strndup(text.s, text.n) : NULL;
}

/* "- x" may be prose, a list, and "---" a rule; "+x", "-  x" and "--- x" are not. */
static bool is_orphan(const er_line *l) {
  uint32_t signs = 0;
  if (l->n < 3 || !is_sign(l, "+-")) return false;
  while (signs < l->n && l->s[signs] == l->s[0]) signs++;
  if (signs > 1) return er_line_trim_end(*l).n > signs;
  if (l->s[1] == '\t' || (l->s[1] == ' ' && l->s[2] == ' ')) return true;
  return l->s[0] == '+' && l->s[1] != ' ' && (l->s[1] < '0' || l->s[1] > '9');
}

/* Where a bare diff has ended, changed lines that follow would be lost unseen. */
static int check_orphans(const er_scan *s) {
  er_fence f;
  if (is_fenced(s)) return 0;
  for (size_t i = s->at; i < s->n; i++) {
    const er_line *l = &s->in[i];
    if (er_scan_udiff_start(s, i) || er_scan_search_opener(l) || er_scan_begin_start(l)) return 0;
    if (er_scan_fence_open(l, &f)) return 0;
    if (!is_orphan(l)) continue;
    er_refuse(s->why, "malformed", "line %zu of the reply looks like a changed line of the diff that ended before it: ",
              i + 1);
    er_explain_quote(&s->why->text, l->s, l->n);
    er_buf_str(&s->why->text, ". Put the diff into a fence, without blank lines or prose inside its hunks.");
    return -1;
  }
  return 0;
}

static int refuse_empty(const er_scan *s, const er_block *b, size_t start) {
  const char *path = b->path != NULL ? b->path : "?";
  if (s->at >= s->n)
    return er_refuse(s->why, "truncated", "the unified diff for `%s` ends after its header (line %zu of the reply), so "
                     "the reply seems to be cut off. Nothing was changed. Send the whole diff again.", path, start + 1);
  return er_refuse(s->why, "malformed",
                   "the unified diff for `%s` (line %zu of the reply) has a header but no hunk. "
                   "Start each hunk with a line `@@`, then lines that begin with a space, `-` or `+`.",
                   path, start + 1);
}

/* A hunk without a header of its own goes on in the file of the diff before. */
static char *path_before(const er_scan *s) {
  const er_block *b = s->out->n_blocks > 1 ? &s->out->blocks[s->out->n_blocks - 2] : NULL;
  if (b == NULL || b->form != ER_PATCH_UDIFF || b->path == NULL || b->creates || b->deletes) return NULL;
  return er_strdup(b->path);
}

int er_scan_udiff(er_scan *s) {
  size_t start = s->at;
  er_header h = {0};
  bool cr = s->in[start].eol == ER_EOL_CRLF;
  er_block *b = er_scan_block(s, ER_PATCH_UDIFF);
  int rc;
  er_scan_header(s, &h, b);
  if (b->path == NULL) b->path = er_scan_path_above(s, start);
  if (b->path == NULL && s->at < s->n) b->path = path_in_header(s, s->at);
  if (b->path == NULL && h.old == NULL && h.new == NULL) b->inherits = (b->path = path_before(s)) != NULL;
  rc = at_headless(s, &h) ? read_hunk(s, false, cr) : 0;
  if (rc == 0) rc = read_hunks(s, cr);
  b->mode_only = h.mode && b->n_hunks == 0 && b->from_path == NULL && !b->creates && !b->deletes;
  if (rc == 0 && !complete(&h, b)) rc = refuse_empty(s, b, start);
  if (rc == 0) rc = check_orphans(s);
  er_header_free(&h);
  return rc;
}

int er_scan_bare_hunk(er_scan *s) {
  size_t start = s->at;
  er_block *b = er_scan_block(s, ER_PATCH_UDIFF);
  b->path = er_scan_path_above(s, start);
  if (b->path == NULL) b->inherits = (b->path = path_before(s)) != NULL;
  return read_hunk(s, false, s->in[start].eol == ER_EOL_CRLF);
}
