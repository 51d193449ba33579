/* input.c - splits the bytes of a fuzz input into a reply and files. */

#include <string.h>

#include "fuzz.h"

static const char divider[] = "\n%%%%\n";
static const char *const names[FUZZ_FILES] = {"a.lua", "c.txt", "frozen.lua", "lib/b.py"};     /* sorted */
static const size_t order[FUZZ_FILES] = {0, 3, 1, 2}; /* as they come in the input */

void fuzz_read(fuzz_input *in, const uint8_t *data, size_t size) {
  const char *p = (const char *)data, *end = p + size, *texts[FUZZ_FILES] = {NULL};
  size_t sizes[FUZZ_FILES] = {0}, chunk = 0;
  *in = (fuzz_input){.reply = p};
  for (;; chunk++) {
    const char *stop = p < end ? memmem(p, (size_t)(end - p), divider, sizeof divider - 1) : NULL;
    size_t n = (size_t)((stop != NULL ? stop + 1 : end) - p);
    if (chunk == 0) in->len = n;
    else texts[order[chunk - 1]] = p, sizes[order[chunk - 1]] = n;
    if (stop == NULL || chunk == FUZZ_FILES) break;
    p = stop + sizeof divider - 1;
  }
  for (size_t i = 0; i < FUZZ_FILES; i++)
    if (texts[i] != NULL) in->files[in->n_files++] = (er_patch_file){names[i], texts[i], sizes[i]};
}
