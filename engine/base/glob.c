/* glob.c - path globs, by backtracking over at most one `*` and one `**` at a
 * time, so that no pattern takes longer than |pattern| * |path|^2. */

#include "base/glob.h"

#include <stddef.h>
#include <string.h>

/* Matches one set `[...]` at *g against c and moves *g behind it; an unclosed
 * bracket is a literal one. */
static bool set_match(const char **g, char c) {
  const char *p = *g + 1;
  bool negate = *p == '!' || *p == '^', hit = false, first = true;
  if (negate) p++;
  for (; *p != '\0' && (first || *p != ']'); p++, first = false) {
    if (p[1] == '-' && p[2] != '\0' && p[2] != ']') {
      if (c >= p[0] && c <= p[2]) hit = true;
      p += 2;
    } else if (*p == c) {
      hit = true;
    }
  }
  if (*p != ']') {
    *g += 1;
    return c == '[';
  }
  *g = p + 1;
  return hit != negate && c != '/';
}

bool er_glob_match(const char *g, const char *s) {
  const char *star_g = NULL, *star_s = NULL, *deep_g = NULL, *deep_s = NULL;
  for (;;) {
    if (g[0] == '*' && g[1] == '*') {
      g += 2;
      if (*g == '/') g++;                          /* a star-star folder may match none */
      deep_g = g, deep_s = s, star_g = NULL;
      continue;
    }
    if (*g == '*') { star_g = ++g; star_s = s; continue; }
    if (*s == '\0' && *g == '\0') return true;
    if (*s != '\0' && *g != '\0') {
      const char *next = g;
      if (*g == '[' ? set_match(&next, *s) : (*g == *s || (*g == '?' && *s != '/'))) {
        g = *g == '[' ? next : g + 1;
        s++;
        continue;
      }
    }
    if (star_g != NULL && *star_s != '\0' && *star_s != '/') { g = star_g; s = ++star_s; continue; }
    if (deep_g != NULL && *deep_s != '\0') { g = deep_g; s = ++deep_s; star_g = NULL; continue; }
    return false;
  }
}
