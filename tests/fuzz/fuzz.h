/* fuzz.h - what the fuzz targets share: how an input is read.
 * An input is a reply and then files, each behind a line "%%%%": a.lua, lib/b.py,
 * c.txt and frozen.lua, as far as there are any. */
#ifndef FUZZ_H
#define FUZZ_H

#undef NDEBUG                    /* the targets judge by assert, in every build */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "patch/patch.h"

enum { FUZZ_FILES = 4 };

typedef struct {
  const char *reply;             /* borrowed from the input */
  size_t len;
  er_patch_file files[FUZZ_FILES];     /* sorted by path */
  size_t n_files;
} fuzz_input;

void fuzz_read(fuzz_input *in, const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
