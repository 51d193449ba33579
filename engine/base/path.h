/* path.h - files and folders: the few verbs that every room needs.
 * All of them take UTF-8 paths as the kernel does, never change the working
 * folder, and open everything close-on-exec. */
#ifndef ER_BASE_PATH_H
#define ER_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

char *er_path_join(const char *dir, const char *name);   /* caller frees */
const char *er_path_base(const char *path);              /* after the last '/' */
char *er_path_dir(const char *path);                     /* before it, "." if none; caller frees */

/* True if `path` stays inside a folder: relative, not empty, no "..", no ".",
 * no empty component, no NUL, no backslash, at most 255 bytes a component. */
bool er_path_inside(const char *path);

bool er_path_exists(const char *path);
bool er_path_is_dir(const char *path);

/* Reads a whole regular file into out (appended); refuses more than max bytes. */
int er_file_read(const char *path, size_t max, er_buf *out, er_err *err);

/* All n bytes, however many calls it takes; -1 and errno. */
int er_write_all(int fd, const void *bytes, size_t n);

/* Writes the file in place (create or truncate), mode as given. */
int er_file_write(const char *path, const void *bytes, size_t n, unsigned mode, er_err *err);

/* Writes beside it, fsyncs, renames: the file is the old or the new one (newfile.h). */
int er_file_replace(const char *path, const void *bytes, size_t n, unsigned mode, er_err *err);

int er_mkdirs(const char *path, unsigned mode, er_err *err);   /* existing folders are fine */

/* Removes a file or a whole folder without following links; absent is fine. */
int er_remove_tree(const char *path, er_err *err);

/* Calls fn for every regular file below dir, in byte order of the relative
 * path; links and special files are passed with kind 'l' or 's', folders are
 * not.  fn returns 0 to go on; anything else stops and is returned. */
typedef int (*er_walk_fn)(void *ud, const char *rel, char kind, size_t size);
int er_walk(const char *dir, er_walk_fn fn, void *ud, er_err *err);

/* The folder of the running program, links resolved; caller frees. */
char *er_self_dir(void);

#endif
