/* fuzz_tokenizer.c - any bytes as a tokenizer and a text: refused with a word, or decode gives back what was encoded.
 * An input is a tokenizer's file, perhaps a merges.txt, and a text, each behind a line "%%%%". */

#include "fuzz_model.h"

#include "base/mem.h"
#include "model/tokenizer.h"

static const char divider[] = "\n%%%%\n";

typedef struct { const char *at; size_t n; } piece;

/* The pieces of an input; how many there are. */
static int cut(const uint8_t *data, size_t size, piece out[3]) {
  const char *p = (const char *)data, *end = p + size;
  int n = 0;
  while (n < 3) {
    const char *stop = n < 2 ? memmem(p, (size_t)(end - p), divider, sizeof divider - 1) : NULL;
    out[n++] = (piece){p, (size_t)((stop != NULL ? stop : end) - p)};
    if (stop == NULL) break;
    p = stop + sizeof divider - 1;
  }
  return n;
}

static er_buf turned(er_tokenizer *t, const char *s, size_t n, bool special) {
  er_buf ids = {0}, out = {0};
  er_err err;
  assert(er_tokenizer_encode(t, s, n, special, &ids, &err) == 0);
  assert(er_tokenizer_decode(t, (const int32_t *)(const void *)er_buf_cstr(&ids), ids.len / sizeof(int32_t), &out, &err) == 0);
  er_buf_free(&ids);
  return out;
}

static bool same(const er_buf *b, const char *s, size_t n) {
  return b->len == n && (n == 0 || memcmp(b->ptr, s, n) == 0);
}

/* The text itself, or its normal form, which then stays. */
static void check_text(er_tokenizer *t, const piece *text, bool special) {
  er_buf once = turned(t, text->at, text->n, special), twice = turned(t, er_buf_cstr(&once), once.len, special);
  assert(same(&once, text->at, text->n) || same(&twice, er_buf_cstr(&once), once.len));
  er_buf_free(&once);
  er_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  piece p[3];
  int n = cut(data, size, p);
  er_err err = {0};
  er_tokenizer *t = er_tokenizer_read(p[0].at, p[0].n, n == 3 ? p[1].at : NULL, n == 3 ? p[1].n : 0, "input", &err);
  if (t == NULL) return fuzz_said(&err), 0;
  assert(er_tokenizer_size(t) >= 256);
  check_text(t, &p[n - 1], false);
  check_text(t, &p[n - 1], true);
  er_tokenizer_free(t);
  return 0;
}
