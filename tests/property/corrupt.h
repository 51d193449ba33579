/* corrupt.h - what the two halves of the keeping corruptions share.
 * Each returns false where the case offers no place for it; what it has touched
 * until then still means the same. */
#ifndef PROPERTY_CORRUPT_H
#define PROPERTY_CORRUPT_H

#include "case.h"

typedef bool (*corrupt_hunk)(prop_case *c, case_file *f, case_hunk *h);

/* Tries every hunk of the changed files; at least one must take it. */
bool corrupt_hunks(prop_case *c, corrupt_hunk fn);
bool corrupt_all_changed(const prop_case *c);                 /* no file is created, deleted or renamed */

bool corrupt_counts(prop_case *c);
bool corrupt_numbers(prop_case *c);
bool corrupt_bare_heads(prop_case *c);
bool corrupt_context_dropped(prop_case *c);
bool corrupt_context_extra(prop_case *c);
bool corrupt_elision(prop_case *c);
bool corrupt_context_wrong(prop_case *c);
bool corrupt_blanks_lost(prop_case *c);
bool corrupt_blanks_added(prop_case *c);
bool corrupt_typo_context(prop_case *c);
bool corrupt_typo_removed(prop_case *c);
bool corrupt_trailing_added(prop_case *c);
bool corrupt_trailing_lost(prop_case *c);
bool corrupt_inner_space(prop_case *c);
bool corrupt_tabs_old(prop_case *c);
bool corrupt_tabs_all(prop_case *c);
bool corrupt_deeper(prop_case *c);
bool corrupt_shallower(prop_case *c);
bool corrupt_line_numbers(prop_case *c);
bool corrupt_context_lost_inside(prop_case *c);

#endif
