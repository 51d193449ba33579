/* newfile.h - a file that is written beside its place, as NAME.PID.tmp, and takes it when it is whole.
 * For er_file_replace and engine/model.  Whoever writes one holds a lock on it, so that those of killed
 * writers can be told from those of living ones, also of other containers: the next writer of that
 * NAME removes them. */
#ifndef ER_BASE_NEWFILE_H
#define ER_BASE_NEWFILE_H

#include <stddef.h>

#include "base/err.h"

typedef struct { int fd; char *path, *tmp; } er_new_file;

int er_new_file_open(er_new_file *f, const char *path, er_err *err);
int er_new_file_write(er_new_file *f, const void *bytes, size_t n, er_err *err);

/* Synced and renamed; after a failure, also of one of the above, the old file is as it was and nothing else is left. */
int er_new_file_done(er_new_file *f, er_err *err);
void er_new_file_drop(er_new_file *f);                    /* instead of done; a second time is fine */

#endif
