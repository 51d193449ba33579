/* owner.h - which file a block belongs to when the reply does not settle it.
 * Only text that is in one file and in no other speaks for that file; names that
 * resemble each other do not.  Called by plan.c alone. */
#ifndef ER_PATCH_OWNER_H
#define ER_PATCH_OWNER_H

#include "patch/parse.h"

/* Whether every hunk of the block has its old lines somewhere in the lines, byte
 * for byte but for white space at the ends of lines.  *work counts comparisons;
 * past ER_OWNER_MAX_WORK the answer is no. */
#define ER_OWNER_MAX_WORK 2000000
bool er_owner_holds(const er_parsed *p, const er_block *b, const er_lines *file, size_t *work);

/* The only editable file that holds the old lines, or NULL; *n says how many do. */
const er_patch_file *er_owner_find(const er_parsed *p, const er_block *b, const er_patch_file *files, size_t n_files,
                                   const er_patch_rules *rules, size_t *work, size_t *n);

/* The path that is meant by one with "./", "a/", "b/" or the environment's own name in
 * front: the rest of it, if there is no such folder, else the path itself.  Borrowed. */
const char *er_owner_path(const char *path, const er_patch_file *files, size_t n_files, const er_patch_rules *rules);

#endif
