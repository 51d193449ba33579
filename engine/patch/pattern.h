/* pattern.h - what a hunk asks for, whatever form it came in: old lines to find,
 * and new lines to put before, between and behind them.
 * A search/replace block is one too: lines that SEARCH and REPLACE share are its
 * context, so that they stay as the file has them. */
#ifndef ER_PATCH_PATTERN_H
#define ER_PATCH_PATTERN_H

#include "patch/parse.h"

typedef struct { uint32_t from, to; } er_range;      /* new lines, in er_parsed.lines; only '+' lines count */

/* A part of a hunk; all of it borrowed from an er_script. */
typedef struct {
  const er_line *old;            /* op ' ' or '-' */
  const er_range *put;           /* m + 1: put[i] goes in front of old[i], put[m] behind the last */
  const bool *bare;              /* m: blank lines of a diff without their sign, which may be new ones; or NULL */
  size_t m;
  const er_line *lines;          /* er_parsed.lines.v, for the new lines */
} er_pattern;

typedef struct {
  er_lines old;                  /* owned */
  er_range *put;                 /* owned */
  bool *bare;                    /* owned; NULL for a search/replace block */
} er_script;

/* same decides which lines SEARCH and REPLACE share. */
void er_script_diff(er_script *s, const er_parsed *p, const er_hunk *h);
void er_script_search(er_script *s, const er_parsed *p, const er_hunk *h, er_line_same same);
void er_script_free(er_script *s);

er_pattern er_script_part(const er_script *s, const er_parsed *p, size_t from, size_t to);

bool er_range_empty(const er_pattern *p, size_t i);             /* nothing is put in front of old[i] */
bool er_pattern_changes(const er_pattern *p);
bool er_pattern_touches(const er_pattern *p, size_t from, size_t to);   /* a change in or beside old[from, to) */

/* Lines such as "12: code", "12 | code", "12\tcode": true if all old lines of the
 * hunk begin with ascending numbers, and all new lines or none; then they are
 * taken off in place and *first is the first number. */
bool er_hunk_unnumber(er_line *lines, const er_hunk *h, size_t *first);

bool er_line_numbered(const er_line *l);

/* A line that stands for lines left out: "...", "# ...", "-- ... rest of the code ...".
 * `sure`: with words that say so, hence never code that is meant. */
typedef enum { ER_ELISION_NONE, ER_ELISION_DOTS, ER_ELISION_SURE } er_elision;
er_elision er_line_elision(const er_line *l);
bool er_line_same_or_elided(const er_line *a, const er_line *b);

#endif
