/* locate.h - where in a file the old lines of a hunk are.
 * A ladder of matchers, from exact to tolerant: the strictest one that fits
 * anywhere in the file decides, and all the places that it fits are returned;
 * which of them is meant is the caller's business.  Every matcher has a bound,
 * said where it stands, that keeps it from fitting what is not meant. */
#ifndef ER_PATCH_LOCATE_H
#define ER_PATCH_LOCATE_H

#include "patch/index.h"
#include "patch/pattern.h"
#include "patch/shift.h"

typedef enum {
  ER_RUNG_EXACT,
  ER_RUNG_TRAILING,              /* white space at the ends of lines */
  ER_RUNG_LINE_ENDS,             /* LF and CRLF */
  ER_RUNG_BLANK_LINES,           /* too few or too many of them in the context */
  ER_RUNG_WHITE_SPACE,           /* tabs and spaces, of the same width */
  ER_RUNG_INDENTATION,           /* deeper or shallower, evenly */
  ER_RUNG_SPACING,               /* "a=b" and "a = b" */
  ER_RUNG_LINE_NUMBERS,          /* copied line numbers */
  ER_RUNG_ELISION,               /* "..." for lines left out */
  ER_RUNG_CONTEXT,               /* outer context lines that are wrong */
  ER_RUNG_SIMILAR,               /* small typos */
  ER_RUNG_SPLIT,                 /* the parts of the hunk are apart */
  ER_RUNGS
} er_rung;

typedef struct {
  size_t line, end;              /* 0-based, of the first old line and behind the last */
  uint32_t window;               /* where the file's lines that are not blank begin to match */
  uint32_t cost;                 /* letters that differ; 0 but for the last rungs */
  er_rung rung;
  er_shift shift;
} er_place;

typedef struct {
  er_rung rung;
  er_place *v;                   /* owned, ascending */
  size_t n, cap;
  bool more;                     /* there were more than could be kept */
  bool looser;                   /* there are places that fit less strictly */
} er_places;

/* The search for a hunk in one file.  *work counts steps, of some
 * nanoseconds each, of all searches of a
 * reply; at ER_LOCATE_MAX_WORK they end, so that no reply takes long. */
#define ER_LOCATE_MAX_WORK 12000000u
typedef struct {
  const er_index *file;
  const er_pattern *pattern;
  size_t *work;
} er_search;

/* Every place where all lines are the same but for white space. */
void er_locate(const er_search *s, er_places *out);

/* Places where a few letters or outer context lines differ; empty unless one is
 * clearly better than all others.  *doubt: there were several about as good. */
void er_locate_similar(const er_search *s, er_places *out, bool *doubt);

void er_places_add(er_places *p, const er_place *at);
void er_places_free(er_places *p);

/* Decides on one window: fills place (rung, shift, line, end) and, where it is not
 * NULL, map: the file's line for each old line or ER_NOWHERE.  differs: lines
 * that need not be the same (by old line), or NULL. */
bool er_locate_fit(const er_search *s, uint32_t window, const bool *differs, er_place *place, uint32_t *map);

/* The same for one given line and the exact rung. */
bool er_locate_here(const er_line *file, size_t n, const er_pattern *p, size_t line);

const char *er_locate_rung_name(er_rung rung);

/* The least number of letters to change, add, take out or swap to make b of a,
 * white space at the ends aside; most + 1 if there are more. */
uint32_t er_line_distance(const er_line *a, const er_line *b, uint32_t most);

/* The line at which the pattern would begin in the most similar place, for
 * messages; false if nothing in the file resembles it. */
bool er_locate_nearest(const er_search *s, size_t *line);

#endif
