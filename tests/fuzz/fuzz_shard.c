/* fuzz_shard.c - any bytes as a shard of tokens: refused with a word, or read up to its end and not beyond. */

#include "fuzz_model.h"

#include "model/shard.h"

enum { LENGTH = 7, VOCAB = 300 };

static void check_rows(er_shard *s) {
  int32_t inputs[LENGTH], targets[LENGTH];
  int64_t n = er_shard_count(s);
  er_err err = {0};
  for (int64_t at = -1; at <= n; at += 1 + n / 5) {
    bool fits = at >= 0 && at + LENGTH < n;
    if (er_shard_row(s, at, LENGTH, VOCAB, inputs, targets, &err) < 0) {
      fuzz_said(&err);
      continue;
    }
    assert(fits);
    for (int i = 0; i < LENGTH; i++) assert(inputs[i] >= 0 && inputs[i] < VOCAB && targets[i] >= 0 && targets[i] < VOCAB);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  er_err err = {0};
  er_shard *s = er_shard_open_fd(fuzz_file(data, size), "input", &err);
  if (s == NULL) return fuzz_said(&err), 0;
  assert((uint64_t)er_shard_count(s) * 2 <= size);
  check_rows(s);
  er_shard_close(s);
  return 0;
}
