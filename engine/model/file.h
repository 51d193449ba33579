/* file.h - files of numbers: opening what strangers left.
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

#endif
