/* replay.c - runs a fuzz target over files and folders of inputs, without a fuzzer. */

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "fuzz.h"

#define MOST_BYTES (8u << 20)

static size_t replayed;

static int replay_file(const char *path) {
  er_buf bytes = {0};
  er_err err;
  if (er_file_read(path, MOST_BYTES, &bytes, &err) < 0) return fprintf(stderr, "%s\n", err.msg), 1;
  uint8_t *exact = er_malloc(bytes.len + (bytes.len == 0));      /* no byte behind the last */
  if (bytes.len > 0) memcpy(exact, bytes.ptr, bytes.len);
  LLVMFuzzerTestOneInput(exact, bytes.len);
  er_free(exact);
  er_buf_free(&bytes);
  replayed++;
  return 0;
}

static int replay_entry(void *dir, const char *rel, char kind, size_t size) {
  char *path = er_path_join(dir, rel);
  int rc = kind == 'f' ? replay_file(path) : 0;
  (void)size;
  er_free(path);
  return rc;
}

int main(int argc, char **argv) {
  er_err err;
  for (int i = 1; i < argc; i++) {
    int rc = er_path_is_dir(argv[i]) ? er_walk(argv[i], replay_entry, argv[i], &err) : replay_file(argv[i]);
    if (rc != 0) return fprintf(stderr, "replay: %s: could not be read\n", argv[i]), 1;
  }
  printf("%zu inputs replayed\n", replayed);
  return replayed > 0 ? 0 : 1;
}
