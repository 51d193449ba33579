/* parse_search.c - search/replace blocks, with the marker lines of aider,
 * OpenEvolve, Cline and merge conflicts. */

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/scan.h"

#define MAX_DIVIDERS 8

/* A line of 5 to 9 equal signs and perhaps words. */
typedef struct {
  char sign;
  size_t len, indent;
  const char *word;
  size_t word_len;
} marker;

static bool read_marker(const er_line *line, char sign, marker *out) {
  er_line l = er_line_trim_end(*line);
  size_t indent = er_line_indent(&l), k = indent;
  while (k < l.n && l.s[k] == sign) k++;
  if (k - indent < 5 || k - indent > 9) return false;
  *out = (marker){sign, k - indent, indent, NULL, 0};
  while (k < l.n && l.s[k] == ' ') k++;
  out->word = l.s + k;
  out->word_len = l.n - k;
  return true;
}

/* The word that the marker line starts with is one of the list. */
static bool has_word(const marker *m, const char *const *words) {
  for (; *words != NULL; words++) {
    size_t n = strlen(*words);
    if (m->word_len >= n && strncasecmp(m->word, *words, n) == 0) return true;
  }
  return false;
}

static const char *const open_words[] = {"SEARCH", "ORIGINAL", "HEAD", "OLD", "BEFORE", "FIND", NULL};
static const char *const dash_words[] = {"SEARCH", NULL};
static const char *const end_words[] = {"REPLACE", NULL};
static const char *const close_words[] = {"REPLACE", "UPDATED", "NEW", "AFTER", "HEAD", "END", NULL};

static bool read_opener(const er_line *l, marker *m) {
  if (l->n < 5) return false;
  if (read_marker(l, '<', m)) return m->word_len == 0 || has_word(m, open_words);
  return read_marker(l, '-', m) && has_word(m, dash_words);
}

bool er_scan_search_opener(const er_line *l) {
  marker m;
  return read_opener(l, &m);
}

/* "+++++++ REPLACE" also ends a block that "<<<<<<<" began, and the other way round;
 * "<<<<<<< REPLACE" turns the wrong way but says what it is. */
static bool is_closer(const er_line *l, const marker *opener, bool any_indent) {
  static const char *const head[] = {"HEAD", NULL};
  marker m;
  if (l->n < 5) return false;
  if (read_marker(l, '>', &m)) {
    if (m.indent != opener->indent && !any_indent) return false;
    if (m.word_len == 0) return opener->sign == '<';
    return has_word(&m, close_words) || has_word(opener, head);
  }
  if (!read_marker(l, '+', &m) && !read_marker(l, '<', &m)) return false;
  if (m.indent != opener->indent && !any_indent) return false;
  return has_word(&m, end_words) || (m.sign == '+' && m.word_len == 0 && opener->sign == '-');
}

/* A marker line that belongs to no block: too few or too many signs, or an
 * end without a beginning.  To pass it over would drop a change unseen. */
bool er_scan_search_stray(const er_line *line) {
  er_line l = er_line_trim(*line);
  size_t k = 0;
  if (l.n < 9 || (l.s[0] != '<' && l.s[0] != '>')) return false;
  while (k < l.n && l.s[k] == l.s[0]) k++;
  marker m = {l.s[0], k, 0, l.s + k, l.n - k};
  while (m.word_len > 0 && *m.word == ' ') m.word++, m.word_len--;
  return k >= 3 && has_word(&m, l.s[0] == '<' ? dash_words : end_words);
}

int er_scan_search_refuse_stray(er_scan *s) {
  er_refuse(s->why, "malformed", "line %zu of the reply is a marker of no complete search/replace block: ", s->at + 1);
  er_explain_quote(&s->why->text, s->in[s->at].s, s->in[s->at].n);
  er_buf_str(&s->why->text, ". Write every block as `<<<<<<< SEARCH`, the lines to find, `=======`, the new lines, "
             "`>>>>>>> REPLACE`, with seven signs each.");
  return -1;
}

typedef struct {
  marker opener;
  bool any_indent;               /* its other marker lines are indented differently */
  bool wrapped;                  /* both halves stand in fences of their own */
  size_t line, close;
  size_t divider[MAX_DIVIDERS], n;       /* lines that may divide it */
} search_block;

/* Dividers as long as the opener are meant before any others: `=======` in the
 * code itself often has another length. */
static void keep_divider(const er_scan *s, search_block *b, size_t i) {
  marker m, first;
  if (!read_marker(&s->in[i], '=', &m) || (m.indent != b->opener.indent && !b->any_indent)) return;
  if (m.word_len > 0 && !has_word(&m, (const char *const[]){"REPLACE", "WITH", NULL})) return;
  if (b->n > 0) {
    read_marker(&s->in[b->divider[0]], '=', &first);
    if (first.len == b->opener.len && m.len != b->opener.len) return;
    if (first.len != b->opener.len && m.len == b->opener.len) b->n = 0;
  }
  if (b->n < MAX_DIVIDERS) b->divider[b->n] = i;
  b->n++;
}

static int refuse_open(const er_scan *s, const search_block *b, bool cut) {
  if (cut)
    return er_refuse(s->why, "truncated",
                     "the search/replace block in line %zu of the reply has no `>>>>>>> REPLACE` "
                     "line, so the reply seems to be cut off. Nothing was changed. Send the whole reply again.",
                     b->line + 1);
  return er_refuse(s->why, "malformed", "the search/replace block in line %zu of the reply has no `>>>>>>> REPLACE` "
                   "line. Write every block as `<<<<<<< SEARCH`, the lines to find, `=======`, the new lines, "
                   "`>>>>>>> REPLACE`.", b->line + 1);
}

static int refuse_nested(const er_scan *s, const search_block *b, size_t line) {
  return er_refuse(
      s->why, "malformed",
      "the search/replace block in line %zu of the reply has no `>>>>>>> REPLACE` line before "
      "another one begins in line %zu. End every block before the next; to change a text that has such marker "
      "lines itself, send a unified diff.",
      b->line + 1, line + 1);
}

static int find_end(const er_scan *s, search_block *b) {
  bool fence_closed = false;
  b->n = 0;
  for (size_t i = b->line + 1; i < s->n; i++) {
    if (is_closer(&s->in[i], &b->opener, b->any_indent)) {
      b->close = i;
      if (b->n == 0 || b->n > MAX_DIVIDERS)
        return er_refuse(s->why, "malformed", "the search/replace block in line %zu of the reply has %s between the "
                         "lines to find and the new lines.", b->line + 1,
                         b->n == 0 ? "no `=======` line" : "too many `=======` lines to tell which one stands");
      return 0;
    }
    if (er_scan_search_opener(&s->in[i])) return refuse_nested(s, b, i);
    if (er_scan_fence_close(&s->fence, &s->in[i])) fence_closed = true;
    keep_divider(s, b, i);
  }
  return refuse_open(s, b, !fence_closed);
}

/* The words behind SEARCH may be the file's name. */
static char *path_in_opener(const er_scan *s, const marker *m) {
  size_t k = 0;
  er_line rest;
  while (k < m->word_len && m->word[k] != ' ') k++;
  rest = (er_line){m->word + k, (uint32_t)(m->word_len - k), ER_EOL_LF, 0};
  return k < m->word_len ? er_scan_path_line(s, &rest) : NULL;
}

/* The file of the block before goes on until another one is named. */
static char *path_before(const er_scan *s, size_t blocks) {
  while (blocks-- > 0) {
    const er_block *b = &s->out->blocks[blocks];
    if (b->form == ER_PATCH_SEARCH) return b->path != NULL ? er_strdup(b->path) : NULL;
  }
  return NULL;
}

static size_t last_number(const er_line *l) {
  size_t value = 0, k = l->n;
  while (k > 0 && l->s[k - 1] >= '0' && l->s[k - 1] <= '9' && l->n - k < 9) k--;
  for (; k < l->n; k++) value = value * 10 + (size_t)(l->s[k] - '0');
  return value;
}

static bool is_fence(const er_line *l) {
  er_fence f;
  return er_scan_fence_open(l, &f);
}

/* Lines [from, to) are a fence with something in it, or nothing at all. */
static bool is_wrapped(const er_scan *s, size_t from, size_t to) {
  size_t fences = 0;
  for (size_t i = from; i < to; i++) fences += is_fence(&s->in[i]);
  return from == to || (fences == 2 && to - from > 2 && is_fence(&s->in[from]) && is_fence(&s->in[to - 1]));
}

static bool has_no_fences(er_scan *s) {
  if (s->fences_in_files != UNASKED) return s->fences_in_files == NO_FENCES;
  s->fences_in_files = NO_FENCES;
  for (size_t i = 0; i < s->n_files && s->fences_in_files == NO_FENCES; i++)
    if (memmem(s->files[i].bytes, s->files[i].len, "```", 3) != NULL) s->fences_in_files = FENCES;
  return s->fences_in_files == NO_FENCES;
}

/* Fences around the two halves are no text if no file has a line like them. */
static bool takes_off_fences(er_scan *s, const search_block *b) {
  if (b->n != 1 || b->divider[0] == b->line + 1) return false;
  return is_wrapped(s, b->line + 1, b->divider[0]) && is_wrapped(s, b->divider[0] + 1, b->close) && has_no_fences(s);
}

/* ":start_line:12", ":end_line:14" and "-------" right behind the first marker are
 * no text; returns the line behind them. */
static size_t skip_hints(const er_scan *s, const search_block *b, size_t *line) {
  size_t i = b->line + 1;
  for (; i < b->close; i++) {
    er_line l = er_line_trim_end(s->in[i]);
    bool start = er_line_starts(&l, ":start_line:");
    if (!start && !er_line_starts(&l, ":end_line:")) break;
    if (start) *line = last_number(&l);
  }
  return i > b->line + 1 && i < b->close && er_line_is(&s->in[i], "-------") ? i + 1 : i;
}

static void add_alternative(er_scan *s, const search_block *b, size_t divider) {
  bool cr = s->in[b->line].eol == ER_EOL_CRLF;
  er_hunk *h = er_scan_hunk(s);
  size_t first = skip_hints(s, b, &h->old_line);
  h->reply_line = b->line + 1;
  for (size_t i = first; i < b->close; i++)
    if (i != divider && (!b->wrapped || !is_fence(&s->in[i]))) er_scan_line(s, s->in[i], i < divider ? '-' : '+', cr);
}

int er_scan_search(er_scan *s) {
  search_block b = {.line = s->at};
  size_t blocks = s->out->n_blocks;
  er_block *block;
  read_opener(&s->in[s->at], &b.opener);
  if (find_end(s, &b) < 0) {
    b.any_indent = true;                             /* its messages fit the first try as well */
    if (find_end(s, &b) < 0) return -1;
    er_buf_clear(&s->why->text);
  }
  block = er_scan_block(s, ER_PATCH_SEARCH);
  block->path = path_in_opener(s, &b.opener);
  if (block->path == NULL) block->path = er_scan_path_above(s, b.line);
  if (block->path == NULL) block->inherits = (block->path = path_before(s, blocks)) != NULL;
  b.wrapped = takes_off_fences(s, &b);
  for (size_t i = 0; i < b.n; i++) add_alternative(s, &b, b.divider[i]);
  s->last_block_fence = s->fence.len > 0 ? s->fence.line + 1 : 0;
  s->sound = s->at = b.close + 1;
  return 0;
}
