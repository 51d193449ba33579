/* file.h - files of numbers: opening what strangers left, writing whole or not at all.
 * For the rest of engine/model. */
#ifndef ER_MODEL_FILE_H
#define ER_MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Opens a regular file for reading: FIFOs, devices and folders are refused, and links as
 * the last part of the path unless they may be followed.  Returns the descriptor, or -1. */
typedef enum { ER_NO_LINKS, ER_LINKS } er_links;
int er_model_open(const char *path, er_links links, er_err *err);

/* The size of what fd is, if that is a regular file; -1 and err if not. */
int64_t er_model_size(int fd, const char *name, er_err *err);

/* Exactly n bytes from `at` on; fewer are an error ("truncated"). */
int er_model_pread(int fd, const char *name, void *out, size_t n, int64_t at, er_err *err);

/* A file that is being written beside its place. */
typedef struct { int fd; char *path, *tmp; } er_new_file;
int er_new_file_open(er_new_file *f, const char *path, er_err *err);
int er_new_file_write(er_new_file *f, const void *bytes, size_t n, er_err *err);

/* Synced and renamed; after a failure, also of one of the above, the old file is as it was and nothing else is left. */
int er_new_file_done(er_new_file *f, er_err *err);
void er_new_file_drop(er_new_file *f);                    /* instead of done; a second time is fine */

#endif
