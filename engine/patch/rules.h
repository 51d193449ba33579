/* rules.h - which paths and which lines of an environment may change.
 * Globs decide on files, a region marker narrows them to the lines between
 * MARKER-START and MARKER-END.  Nothing here looks at a reply. */
#ifndef ER_PATCH_RULES_H
#define ER_PATCH_RULES_H

#include "patch/explain.h"
#include "patch/lines.h"
#include "patch/patch.h"

bool er_rules_editable(const er_patch_rules *rules, const char *path);

/* The file of that exact path, or NULL.  files are sorted by path. */
const er_patch_file *er_rules_file(const er_patch_file *files, size_t n, const char *path);

/* Refuses a path that leaves the environment, that a frozen list holds, that
 * differs from an existing one only in case, or that runs through a file. */
int er_rules_path(const er_patch_file *files, size_t n, const er_patch_rules *rules, const char *path,
                  const char *where, er_refusal *why);

/* A marker line: apart from comment signs and spaces only MARKER-START (1) or
 * MARKER-END (2); 0 for any other line. */
int er_region_marker(const er_line *l, const char *region);

/* Compares a file before and after: the markers and all that lies outside them
 * must be the same.  On a refusal *line is the 0-based line of `before` at which
 * the first difference outside was seen. */
int er_region_check(const er_lines *before, const er_lines *after, const char *region,
                    const char *path, size_t *line, er_refusal *why);

#endif
