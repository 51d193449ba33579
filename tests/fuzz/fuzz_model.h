/* fuzz_model.h - what the fuzz targets for files share: the input as a file without a name. */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#undef NDEBUG                    /* the targets judge by assert, in every build */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline int fuzz_file(const uint8_t *data, size_t size) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  return fd;
}

/* A refusal has a code and a message that can be shown. */
static inline void fuzz_said(const er_err *err) {
  assert(err->code[0] != '\0' && err->msg[0] != '\0' && er_utf8_valid(err->msg, strlen(err->msg)));
}

#endif
