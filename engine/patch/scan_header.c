/* scan_header.c - the names in front of a unified diff's hunks: git's header
 * lines, "---" and "+++", and what models write in their place. */

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "patch/scan.h"

bool er_scan_at_pair(const er_scan *s, size_t i) {
  return i + 1 < s->n && er_line_starts(&s->in[i], "--- ") && er_line_starts(&s->in[i + 1], "+++ ");
}

/* "--- x" or "+++ x" without its partner, right before a hunk. */
bool er_scan_at_half(const er_scan *s, size_t i) {
  return i + 1 < s->n && (er_line_starts(&s->in[i], "--- ") || er_line_starts(&s->in[i], "+++ ")) &&
         er_scan_at_hunk(&s->in[i + 1]);
}

/* ---- names ---- */

/* A name as git quotes it: "a/\303\244.lua". */
static char *unquote(const char *p, const char *end) {
  er_buf out = {0};
  for (p++; p < end && *p != '"'; p++) {
    int code = 0, digits = 0;
    if (*p != '\\' || p + 1 >= end) { er_buf_char(&out, *p); continue; }
    while (digits < 3 && p + 1 < end && p[1] >= '0' && p[1] <= '7') code = code * 8 + (*++p - '0'), digits++;
    if (digits > 0) er_buf_char(&out, code % 256 == 0 ? '\001' : (char)code);     /* a NUL is no part of a path */
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

/* "pack.lua (original)": the remark goes if what is left is a known name. */
static void drop_remark(const er_scan *s, char *name) {
  char *open = strstr(name, " (");
  const char *p = name;
  if (open == NULL || er_scan_known(s, name, strlen(name))) return;
  if (strchr("ab", p[0]) && p[0] != '\0' && p[1] == '/' && er_scan_known(s, p + 2, (size_t)(open - p - 2)))
    *open = '\0';
  else if (er_scan_known(s, p, (size_t)(open - p))) *open = '\0';
}

static bool git_prefixed(const char *p) { return p != NULL && strchr("abciow", p[0]) && p[0] != '\0' && p[1] == '/'; }

static bool known(const er_scan *s, const char *path) { return er_scan_known(s, path, strlen(path)); }

bool er_scan_names_known(const er_scan *s, const er_line *l) {
  char *name = read_name(l, 4);
  bool is = known(s, name) || (git_prefixed(name) && known(s, name + 2));
  er_free(name);
  return is;
}

/* What comes behind the first folders if the names differ in these alone ("old/x", "new/x"). */
static const char *without_first(const char *name, const char *other) {
  const char *a = strchr(name, '/'), *b = other != NULL ? strchr(other, '/') : NULL;
  if (a == NULL || b == NULL || a == name || name[0] == '.' || strcmp(a, b) != 0) return NULL;
  return a - name == b - other && memcmp(name, other, (size_t)(a - name)) == 0 ? NULL : a + 1;
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
static bool read_extended(const er_line *l, er_header *h) {
  static const char *const idle[] = {"index ", "dissimilarity index", NULL};
  if (er_line_starts(l, "new file mode")) return h->creates = true;
  if (er_line_starts(l, "deleted file mode")) return h->deletes = true;
  if (er_line_starts(l, "Binary files ") || er_line_starts(l, "GIT binary patch")) return h->binary = true;
  if (er_line_starts(l, "similarity index ")) return h->differs = !er_line_starts(l, "similarity index 100%"), true;
  if (er_line_starts(l, "old mode ") || er_line_starts(l, "new mode ")) return h->mode = true;
  if (er_line_starts(l, "copy from ")) return put(&h->from, read_name(l, 10)), h->copies = true;
  if (er_line_starts(l, "copy to ")) return put(&h->to, read_name(l, 8)), h->copies = true;
  if (er_line_starts(l, "rename from ")) return put(&h->from, read_name(l, 12)), true;
  if (er_line_starts(l, "rename to ")) return put(&h->to, read_name(l, 10)), true;
  for (size_t i = 0; idle[i] != NULL; i++)
    if (er_line_starts(l, idle[i])) return true;
  return false;
}

/* "a/dev/null" is written by those who think that every name has a prefix. */
static bool is_null(const char *name) {
  const char *p = git_prefixed(name) ? name + 1 : name;
  return strcmp(p, "/dev/null") == 0 || strcmp(p, "//dev/null") == 0 || strcmp(p, "dev/null") == 0;
}

static void read_names(er_scan *s, er_header *h) {
  if (er_line_starts(&s->in[s->at], "diff --git ")) {
    h->git = git_name(&s->in[s->at++]);
    while (s->at < s->n && read_extended(&s->in[s->at], h)) s->at++;
  }
  if (s->at < s->n && er_line_starts(&s->in[s->at], "--- ") &&
      (er_scan_at_pair(s, s->at) || er_scan_at_half(s, s->at))) {
    h->old = read_name(&s->in[s->at++], 4);
    h->old_null = is_null(h->old);
  }
  if (s->at < s->n && er_line_starts(&s->in[s->at], "+++ ")) {
    h->new = read_name(&s->in[s->at++], 4);
    h->new_null = is_null(h->new);
  }
}

/* "--- original.lua", "+++ modified.lua": words that stand for the file's name. */
static bool is_placeholder(const char *name) {
  static const char *const words[] = {"original",      "modified",      "old",      "new",      "before",
                                      "after",         "updated",       "current",  "previous", "file",
                                      "original_file", "modified_file", "old_file", "new_file"};
  const char *base = git_prefixed(name) ? name + 2 : name;
  size_t n = strcspn(base, ".");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == n && strncasecmp(base, words[i], n) == 0 && strchr(base, '/') == NULL) return true;
  return false;
}

static bool stands_for_none(const er_scan *s, const er_header *h) {
  if (h->git != NULL || h->old == NULL || h->new == NULL || known(s, h->old) || known(s, h->new)) return false;
  return strcmp(h->old, h->new) != 0 &&
         is_placeholder(h->old) && is_placeholder(h->new);
}

/* "--- x.lua", "+++ x.lua.new": the second name is that of a copy on someone's disk. */
static bool is_copy_name(const er_scan *s, const er_header *h) {
  static const char *const ends[] = {".new", ".mod", ".modified", ".updated"};
  const char *old = git_prefixed(h->old) && !known(s, h->old) ? h->old + 2 : h->old;
  const char *new = git_prefixed(h->new) && !known(s, h->new) ? h->new + 2 : h->new;
  size_t n = strlen(old);
  if (!known(s, old) || known(s, new) || strncmp(old, new, n) != 0) return false;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (strcmp(new + n, ends[i]) == 0) return true;
  return false;
}

/* "rename from a/x", "rename to b/y": git writes these without its prefixes, others with. */
static bool prefixed_pair(const er_scan *s, const er_header *h) {
  return git_prefixed(h->from) && git_prefixed(h->to) && !known(s, h->from) && known(s, h->from + 2);
}

static void settle_block(er_scan *s, er_header *h, er_block *b) {
  b->creates = h->creates || h->old_null;
  b->deletes = h->deletes || h->new_null;
  b->binary = h->binary;
  if (h->from != NULL && h->to != NULL) {
    size_t skip = prefixed_pair(s, h) ? 2 : 0;
    b->copies = h->copies;
    b->from_path = er_strdup(h->from + skip);
    b->path = er_strdup(h->to + skip);
    return;
  }
  char *name = h->new != NULL && !h->new_null ? h->new : h->old != NULL && !h->old_null ? h->old : h->git;
  const char *other = name == h->new && !h->old_null ? h->old : NULL;
  if (h->old != NULL) drop_remark(s, h->old);
  if (h->new != NULL) drop_remark(s, h->new);
  if (name == NULL || stands_for_none(s, h)) return;
  if (name == h->new && h->old != NULL && is_copy_name(s, h)) name = h->old;
  b->path = settle(s, er_strdup(name), other);
}

void er_header_free(er_header *h) {
  er_free(h->git);
  er_free(h->old);
  er_free(h->new);
  er_free(h->from);
  er_free(h->to);
}

void er_scan_header(er_scan *s, er_header *h, er_block *b) {
  read_names(s, h);
  settle_block(s, h, b);
}
