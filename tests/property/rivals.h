/* rivals.h - the same unified diffs through git apply and patch, for comparison. */
#ifndef PROPERTY_RIVALS_H
#define PROPERTY_RIVALS_H

#include "case.h"

enum { RIVALS = 4 };

typedef struct { size_t right[RIVALS], wrong[RIVALS], n; } rival_tally;

/* Applies the case's reply, written without fences, with each rival in a folder
 * of its own and counts. */
void rivals_ask(prop_case *c, rival_tally *t);
void rivals_print(const corruption *names, size_t n, const rival_tally *t);

#endif
