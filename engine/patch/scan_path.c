/* scan_path.c - file names as replies write them: bare, decorated, in comments. */

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "patch/scan.h"

#define MAX_PATH_TEXT 1024

typedef struct { const char *s; size_t n; } piece;

static bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alpha(char c) { return is_alnum(c) && !(c >= '0' && c <= '9'); }

static bool is_one_of(char c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

/* A word that would be a file name in any language: it ends in an extension
 * with a letter, or has a folder in front.  Backslashes and `..` are left in,
 * so that such a path is refused with its reason and not overlooked. */
static bool looks_like_path(piece p) {
  size_t dot = 0;
  bool slash = false, letter = false;
  if (p.n == 0 || p.n > MAX_PATH_TEXT || (p.n > 3 && memmem(p.s, p.n, "://", 3) != NULL)) return false;
  for (size_t i = 0; i < p.n; i++) {
    char c = p.s[i];
    if (is_one_of(c, "<>\"|?*;=,{}$!`'()[]&#\t ") || (unsigned char)c < 0x20) return false;
    if (c == '.') dot = i + 1, letter = false;
    else if (c == '/' || c == '\\') slash = true, dot = 0;
    else if (!is_alnum(c) && c != '_') dot = 0;
    letter = letter || is_alpha(c);
  }
  if (slash) return p.s[p.n - 1] != '/' && letter;
  return dot > 0 && dot < p.n && letter && p.n - dot <= 10;
}

/* A known name, also behind a "./" that does no harm. */
static bool is_path(const er_scan *s, piece p) {
  if (p.n > 2 && p.s[0] == '.' && p.s[1] == '/') p.s += 2, p.n -= 2;
  return er_scan_known(s, p.s, p.n) || looks_like_path(p);
}

static char *take(piece p) {
  while (p.n > 2 && p.s[0] == '.' && p.s[1] == '/') p.s += 2, p.n -= 2;
  return er_strndup(p.s, p.n);
}

/* Typographic quotes, no-break and zero-width spaces, as editors put them around names. */
static size_t mark_at(piece p, bool end) {
  static const char *const marks[] = {"\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\xb2",
                                      "\xc2\xab", "\xc2\xbb", "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbb\xbf"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    size_t n = strlen(marks[i]);
    if (p.n >= n && memcmp(end ? p.s + p.n - n : p.s, marks[i], n) == 0) return n;
  }
  return 0;
}

static piece trim(piece p, const char *front, const char *back) {
  size_t k;
  while (p.n > 0 && (k = is_one_of(p.s[0], front) ? 1 : *front != '\0' ? mark_at(p, false) : 0) > 0) p.s += k, p.n -= k;
  while (p.n > 0 && (k = is_one_of(p.s[p.n - 1], back) ? 1 : *back != '\0' ? mark_at(p, true) : 0) > 0) p.n -= k;
  return p;
}

/* A sign such as U+1F4C4 in front of the name. */
static piece drop_picture(piece p) {
  size_t k = 0;
  while (k < p.n && (unsigned char)p.s[k] >= 0x80) k++;
  if (k == 0 || k >= p.n || p.s[k] != ' ') return p;
  return (piece){p.s + k + 1, p.n - k - 1};
}

/* "<path>pack.lua</path>" */
static piece drop_tags(piece p) {
  const char *open_end = p.n > 0 && p.s[0] == '<' ? memchr(p.s, '>', p.n) : NULL;
  const char *close = open_end != NULL ? memmem(open_end, (size_t)(p.s + p.n - open_end), "</", 2) : NULL;
  if (close == NULL || p.s[p.n - 1] != '>') return p;
  return (piece){open_end + 1, (size_t)(close - open_end - 1)};
}

/* Drops "File:", "path =" and the like from the front. */
static piece drop_label(piece p) {
  static const char *const labels[] = {"filename", "file name", "filepath", "file path",
                                       "file",     "path",      "title",    "name"};
  for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
    size_t n = strlen(labels[i]), k = n;
    if (p.n <= n || strncasecmp(p.s, labels[i], n) != 0) continue;
    while (k < p.n && is_one_of(p.s[k], " *`\"")) k++;
    if (k == p.n || (k == n && p.s[k] != ':' && p.s[k] != '=')) continue;
    if (p.s[k] == ':' || p.s[k] == '=') k++;
    return (piece){p.s + k, p.n - k};
  }
  return p;
}

/* "pack.lua (new file)": a remark in brackets behind the name. */
static piece drop_remark(piece p) {
  const char *open = memmem(p.s, p.n, " (", 2);
  if (open != NULL && open > p.s && p.s[p.n - 1] == ')') p.n = (size_t)(open - p.s);
  return p;
}

/* "2. pack.lua", "1) pack.lua" in a list. */
static piece drop_number(piece p) {
  size_t k = 0;
  while (k < p.n && p.s[k] >= '0' && p.s[k] <= '9') k++;
  if (k == 0 || k + 1 >= p.n || !is_one_of(p.s[k], ".)") || p.s[k + 1] != ' ') return p;
  return (piece){p.s + k + 1, p.n - k - 1};
}

static piece undecorate(piece p, const char *front) {
  p = trim(drop_tags(p), front, " \t\r");
  p = trim(drop_picture(p), front, " \t\r");
  p = trim(drop_number(p), " \t*`\"'", "");
  p = trim(drop_label(p), " \t*`\"'", " \t*:");
  p = trim(drop_remark(p), "", " \t\r");
  return trim(p, "*`\"'([", " \t*`\"':)],>");
}

char *er_scan_path_line(const er_scan *s, const er_line *l) {
  piece whole = {l->s, l->n}, p;
  er_tag tag;
  if (er_scan_tag(l, &tag) && !tag.closes && tag.path.n > 0) return er_scan_path_given(&tag.path);
  whole = trim(whole, " \t", " \t\r");
  if (er_scan_known(s, whole.s, whole.n)) return take(whole);
  p = undecorate(whole, " \t#>*-+=`\"'");
  p = trim(p, "", " \t=*`-");                        /* "=== pack.lua ===" */
  return is_path(s, p) ? take(p) : NULL;
}

/* What follows "*** Update File:" or stands in path="...": whatever it is, it is
 * meant as a path, and judged as one. */
char *er_scan_path_given(const er_line *l) {
  piece p = trim((piece){l->s, l->n}, " \t`\"'*", " \t\r`\"'*");
  if (p.n == 0) return NULL;
  return memchr(p.s, '\0', p.n) != NULL ? er_strdup("\001") : take(p);
}

/* The text of a line that is one comment: "# x", "-- x", "// x", "<!-- x -->". */
static bool comment_text(const er_line *l, piece *out) {
  static const char *const signs[] = {"<!--", "--[[", "--", "//", "/*", "#", ";", "%", "(*", "!"};
  er_line t = er_line_trim(*l);
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    size_t n = strlen(signs[i]);
    if (!er_line_starts(&t, signs[i])) continue;
    *out = trim((piece){t.s + n, t.n - n}, " \t#/-*", " \t-*/>)]");
    return out->n > 0;
  }
  return false;
}

char *er_scan_path_comment(const er_scan *s, const er_line *l) {
  piece p;
  if (!comment_text(l, &p)) return NULL;
  p = undecorate(p, " \t*`\"'");
  return is_path(s, p) ? take(p) : NULL;
}

static bool is_name_char(char c) { return is_alnum(c) || is_one_of(c, "_-./\\~@+") || (unsigned char)c >= 0x80; }

char *er_scan_path_mention(const er_scan *s, const er_line *l) {
  piece found = {NULL, 0};
  for (size_t i = 0; i < l->n;) {
    piece w = {l->s + i, 0};
    while (i + w.n < l->n && is_name_char(l->s[i + w.n])) w.n++;
    i += w.n > 0 ? w.n : 1;
    w = trim(w, "", ".-");
    if (w.n == 0 || !er_scan_known(s, w.s, w.n)) continue;
    if (found.n > 0 && (found.n != w.n || memcmp(found.s, w.s, w.n) != 0)) return NULL;
    found = w;
  }
  return found.n > 0 ? take(found) : NULL;
}

/* Info strings: "lua pack.lua", "lua:pack.lua", "lua file=\"pack.lua\"", "pack.lua". */
char *er_scan_path_info(const er_scan *s, const er_fence *f) {
  const char *p = f->info, *end = f->info + f->info_len;
  while (p < end) {
    piece w = {p, 0};
    while (p + w.n < end && !is_one_of(p[w.n], " \t:=\"'{},")) w.n++;
    p += w.n > 0 ? w.n : 1;
    if (w.n > 0 && is_path(s, w)) return take(w);
  }
  return NULL;
}

const er_line *er_scan_above(const er_scan *s, size_t line) {
  while (line > 0 && er_line_blank(&s->in[line - 1])) line--;
  return line > 0 ? &s->in[line - 1] : NULL;
}

/* Looks above the block, then at the fence around it, then above that. */
char *er_scan_path_above(const er_scan *s, size_t line) {
  const er_line *above = er_scan_above(s, line);
  er_fence f;
  if (above != NULL && s->fence.len > 0 && above > &s->in[s->fence.line] && er_scan_fence_open(above, &f)) {
    above = er_scan_above(s, (size_t)(above - s->in));   /* a fence within one that was not closed */
    char *info = er_scan_path_info(s, &f);
    if (info != NULL) return info;
  }
  bool fenced = s->fence.len > 0, inside = fenced && above != NULL && above > &s->in[s->fence.line];
  char *path = NULL;
  if (above != NULL && (inside || !fenced)) {
    path = er_scan_path_line(s, above);
    if (path == NULL) path = er_scan_path_comment(s, above);
    if (path == NULL) path = er_scan_path_mention(s, above);
  }
  if (path != NULL || !fenced || s->last_block_fence == s->fence.line + 1) return path;
  path = er_scan_path_info(s, &s->fence);
  above = er_scan_above(s, s->fence.line);
  if (path == NULL && above != NULL) path = er_scan_path_line(s, above);
  if (path == NULL && above != NULL) path = er_scan_path_mention(s, above);
  return path;
}
