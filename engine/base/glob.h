/* glob.h - the globs of env.lua's `editable`, `frozen` and `data` lists.
 * `*` and `?` stay within one path component, `**` crosses them, `[a-z]` and
 * `[!a]` are sets.  Matching is on bytes and is case-sensitive. */
#ifndef ER_BASE_GLOB_H
#define ER_BASE_GLOB_H

#include <stdbool.h>

bool er_glob_match(const char *glob, const char *path);

#endif
