/* fuzz_parse.c - any bytes are read as a reply without harm, and what is found lies within it. */

#include "fuzz.h"

#include <string.h>

#include "base/text.h"
#include "patch/parse.h"

static void check_block(const er_parsed *p, const er_block *b, size_t bytes) {
  assert(b->hunk + b->n_hunks <= p->n_hunks);
  assert(b->reply_line <= bytes + 1);              /* a line has a byte at least */
  for (size_t i = b->hunk; i < b->hunk + b->n_hunks; i++) {
    const er_hunk *h = &p->hunks[i];
    assert(h->from <= h->to && h->to <= p->lines.n);
    assert(h->tail <= h->to - h->from);
    for (size_t k = h->from; k < h->to; k++) assert(strchr(" +-", p->lines.v[k].op) != NULL && p->lines.v[k].op != '\0');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in;
  er_parsed parsed = {0};
  er_refusal why = {0};
  fuzz_read(&in, data, size);
  if (er_patch_parse(in.reply, in.len, in.files, in.n_files, &parsed, &why) < 0) {
    assert(why.code[0] != '\0' && why.text.len > 0);
    assert(er_utf8_valid(why.text.ptr, why.text.len));
  } else {
    for (size_t i = 0; i < parsed.n_blocks; i++) check_block(&parsed, &parsed.blocks[i], in.len);
  }
  er_parsed_free(&parsed);
  er_buf_free(&why.text);
  return 0;
}
