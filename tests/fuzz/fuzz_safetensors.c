/* fuzz_safetensors.c - any bytes as a checkpoint: refused with a word, or every tensor read from inside the file. */

#include "fuzz_model.h"

#include "model/safetensors.h"

static void check_metadata(const er_safetensors *s) {
  er_safetensors_text text;
  for (size_t i = 0; er_safetensors_metadata(s, i, &text); i++)
    assert(er_utf8_valid(text.key, strlen(text.key)) && er_utf8_valid(text.value, text.value_len));
}

static void check_tensor(er_safetensors *s, size_t i, er_tensors *ts, size_t size) {
  er_safetensors_entry e = er_safetensors_at(s, i);
  er_err err = {0};
  er_tensor *t;
  assert(e.count >= 0 && (uint64_t)e.count <= size);
  assert(er_utf8_valid(e.name, strlen(e.name)) && er_safetensors_find(s, e.name) == (int64_t)i);
  t = er_safetensors_read(s, i, ts, &err);
  if (t == NULL) fuzz_said(&err);
  else assert(er_tensor_count(t) == e.count && er_tensor_view_of(t)->nd == e.nd);
  er_tensor_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  er_err err = {0};
  er_safetensors *s = er_safetensors_open_fd(fuzz_file(data, size), "input", &err);
  er_tensors *ts;
  if (s == NULL) return fuzz_said(&err), 0;
  assert((uint64_t)er_safetensors_numbers(s) <= size);
  check_metadata(s);
  ts = er_tensors_open(&(er_tensors_options){.threads = 1});
  for (size_t i = 0; i < er_safetensors_count(s); i++) check_tensor(s, i, ts, size);
  er_tensors_close(ts);
  er_safetensors_close(s);
  return 0;
}
