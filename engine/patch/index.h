/* index.h - the lines of one file, hashed once for all searches in it.
 * Blank lines are left out and white space between signs is not hashed, so that
 * one look-up finds every place that any matcher could accept; whether a place
 * is accepted is decided on the lines themselves, never on a hash. */
#ifndef ER_PATCH_INDEX_H
#define ER_PATCH_INDEX_H

#include "patch/lines.h"

#define ER_NOWHERE UINT32_MAX

typedef struct {
  uint64_t hash;
  uint32_t first, count;         /* count 0: an empty cell */
} er_index_cell;

typedef struct {
  const er_line *line;           /* borrowed: all lines of the file */
  size_t n;
  uint32_t *at;                  /* owned: the file line of each line that is not blank */
  uint64_t *hash;                /* owned: its hash */
  uint32_t *next;                /* owned: the next one with the same hash, or ER_NOWHERE */
  size_t k;                      /* how many are not blank */
  er_index_cell *cells;          /* owned */
  size_t mask;
} er_index;

er_index *er_index_new(const er_line *line, size_t n);
void er_index_free(er_index *x);               /* NULL is fine */

/* Where lines with that hash are: the first of the chain and their number. */
const er_index_cell *er_index_find(const er_index *x, uint64_t hash);

/* The hash of a line's tokens, and whether two lines have the same: they differ
 * at most in white space that separates nothing ("a=b", "a = b"). */
uint64_t er_line_hash(const er_line *l);
bool er_line_same_tokens(const er_line *a, const er_line *b);

#endif
