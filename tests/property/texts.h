/* texts.h - real texts for the property test: pairs of a file before and after
 * a commit of the project's own history, or, without one, its sources.
 * The pairs are the oldest ones, so that a later commit changes no case. */
#ifndef PROPERTY_TEXTS_H
#define PROPERTY_TEXTS_H

#include <stdbool.h>

#include "base/buf.h"

typedef struct {
  char *path;                    /* owned */
  er_buf before, after;          /* owned; equal where there is no history */
} text_pair;

typedef struct {
  text_pair *v;                  /* owned */
  size_t n, cap;
  bool history;
} text_pairs;

/* At least one pair afterwards, or -1 with a word on stderr. */
int texts_load(text_pairs *out, const char *source);
void texts_free(text_pairs *t);

#endif
