/* scan_tag.c - XML-like tags that stand alone on a line around changes. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "patch/explain.h"
#include "patch/scan.h"

#define MAX_TAGS (sizeof ((er_scan *)NULL)->tags / sizeof *((er_scan *)NULL)->tags)

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static size_t name_length(const char *s, size_t n) {
  size_t k = 0;
  while (k < n && is_name_char(s[k])) k++;
  return k;
}

/* The value of path="x", file='x' and the like; n = 0 if there is none. */
static er_line path_attribute(const char *s, size_t n) {
  static const char *const keys[] = {"path", "file", "filename", "filepath", "file_path", "name"};
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
    size_t m = strlen(keys[k]);
    for (size_t i = 1; i + m + 2 < n; i++) {
      const char *v = s + i + m, *end;
      if (s[i - 1] != ' ' || strncasecmp(s + i, keys[k], m) != 0 || v[0] != '=' || (v[1] != '"' && v[1] != '\''))
        continue;
      end = memchr(v + 2, v[1], (size_t)(s + n - v - 2));
      if (end != NULL) return (er_line){v + 2, (uint32_t)(end - v - 2), ER_EOL_LF, 0};
    }
  }
  return (er_line){0};
}

bool er_scan_tag(const er_line *line, er_tag *out) {
  er_line l = er_line_trim(*line);
  size_t at = 1, n;
  if (l.n < 3 || l.n > 512 || l.s[0] != '<' || l.s[l.n - 1] != '>' || l.s[l.n - 2] == '/') return false;
  out->closes = l.s[1] == '/';
  at += out->closes;
  n = name_length(l.s + at, l.n - at);
  if (n == 0 || memchr(l.s + 1, '<', l.n - 1) != NULL || memchr(l.s, '>', l.n - 1) != NULL) return false;
  if (l.s[at + n] != '>' && (out->closes || l.s[at + n] != ' ')) return false;
  out->name = (er_line){l.s + at, (uint32_t)n, ER_EOL_LF, 0};
  out->path = out->closes ? (er_line){0} : path_attribute(l.s + at + n, l.n - at - n);
  return true;
}

bool er_scan_tag_close(const er_scan *s, const er_line *l) {
  er_tag tag;
  if (s->n_tags == 0 || l->n == 0 || l->s[0] != '<' || !er_scan_tag(l, &tag) || !tag.closes) return false;
  for (size_t i = 0; i < s->n_tags; i++)
    if (er_line_same_text(&s->tags[i], &tag.name)) return true;
  return false;
}

void er_scan_tag_track(er_scan *s, const er_tag *tag) {
  if (!tag->closes) {
    if (s->n_tags < MAX_TAGS) s->tags[s->n_tags++] = tag->name;
    return;
  }
  for (size_t i = s->n_tags; i-- > 0;)
    if (er_line_same_text(&s->tags[i], &tag->name)) {
      s->n_tags = i;
      return;
    }
}

/* What a model thought before it answered is no part of the answer. */
int er_scan_skip_thoughts(er_scan *s) {
  static const char *const names[] = {"think", "thinking", "thought", "reasoning", "scratchpad"};
  char open[16], close[16];
  size_t first = 0;
  while (first < s->n && er_line_blank(&s->in[first])) first++;
  if (first == s->n) return 0;
  er_line l = er_line_trim(s->in[first]);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(open, sizeof open, "<%s>", names[i]);
    snprintf(close, sizeof close, "</%s>", names[i]);
    if (!er_line_starts(&l, open)) continue;
    for (s->at = first; s->at < s->n; s->at++)
      if (memmem(s->in[s->at].s, s->in[s->at].n, close, strlen(close)) != NULL) return s->at++, 0;
    return er_refuse(s->why, "truncated", "the reply ends inside the %s that its line %zu opens, so it holds no answer "
                     "yet. Nothing was changed. Send the change, with less before it.", open, first + 1);
  }
  return 0;
}
