/* locate.h - where in a file the old lines of a hunk are.
 * A ladder of matchers, from exact to tolerant: each is tried on the whole file
 * before the next, and the first that finds anything ends the search.  All the
 * places it found are returned; which one is meant is the plan's business.  A
 * new matcher is a row in the table of locate.c. */
#ifndef ER_PATCH_LOCATE_H
#define ER_PATCH_LOCATE_H

#include "patch/lines.h"

/* How the file's indentation differs from the pattern's: new lines get `s` in
 * front (deeper) or lose it (shallower). */
typedef struct {
  const char *s;                 /* borrowed from the file or the reply */
  uint32_t n;                    /* 0: the same */
  bool deeper;
} er_shift;

typedef struct {
  size_t line;                   /* 0-based, where the pattern begins */
  er_shift shift;
} er_place;

typedef struct {
  size_t rung;
  er_place *v;                   /* owned, ascending */
  size_t n, cap;
  bool more;                     /* there were more than could be kept */
} er_places;

enum { ER_RUNG_EXACT = 0 };

/* Finds pattern in file; an empty pattern is nowhere.  *work counts the line
 * comparisons and ends the search when it reaches ER_LOCATE_MAX_WORK. */
#define ER_LOCATE_MAX_WORK 40000000
void er_locate(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t *work, er_places *out);
void er_places_free(er_places *p);

/* The same for one given place and the exact rung. */
bool er_locate_here(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t line);

const char *er_locate_rung_name(size_t rung);

/* 1 for the same bytes, less by the share of bytes that differ. */
double er_locate_similarity(const er_line *file, const er_line *pattern, size_t m);

/* The line at which the pattern would begin in the most similar place, for
 * messages; false if nothing in the file resembles it. */
bool er_locate_nearest(const er_line *file, size_t n, const er_line *pattern, size_t m, size_t *line);

#endif
