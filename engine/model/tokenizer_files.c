/* tokenizer_files.c - GPT-2's vocab.json with merges.txt, and llm.c's gpt2_tokenizer.bin. */

#include <string.h>

#include "model/tokenizer_room.h"
#include "model/unicode.h"

/* ---- characters that stand for bytes ----------------------------------------------------------- */

/* Bytes that print stand for themselves, the others in turn for U+0100 and what follows. */
static bool prints(unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }

static int byte_of(uint32_t c) {
  unsigned next = 0x100;
  if (c < 0x100) return prints(c) ? (int)c : -1;
  for (unsigned b = 0; b < 0x100; b++)
    if (!prints(b) && next++ == c) return (int)b;
  return -1;
}

/* The bytes that a token of a file stands for; -1 where a character stands for none. */
static int to_bytes(er_buf *out, const char *s, size_t n) {
  size_t len;
  er_buf_clear(out);
  for (size_t i = 0; i < n; i += len) {
    int b = byte_of(er_char_at(s + i, n - i, &len));
    if (b < 0) return -1;
    er_buf_char(out, (char)b);
  }
  return 0;
}

int er_tokenizer_read_vocab(er_tokenizer *t, er_reader *r) {
  er_buf token = {0}, bytes = {0};
  char shown[64];
  int rc = er_reader_object(r);
  while (rc == 0 && (rc = er_reader_key(r, &token)) > 0) {
    uint64_t id;
    er_reader_show(er_buf_cstr(&token), token.len, shown);
    if ((rc = er_reader_count(r, &id)) < 0) break;
    if (to_bytes(&bytes, er_buf_cstr(&token), token.len) < 0)
      rc = er_reader_fail(r, "token '%s' has characters that stand for no byte", shown);
    else if (er_vocab_add(&t->vocab, (int64_t)id, er_buf_cstr(&bytes), bytes.len) < 0)
      rc = er_reader_fail(r, "token '%s' or its id %llu comes twice, or is impossible", shown, (unsigned long long)id);
  }
  er_buf_free(&token);
  er_buf_free(&bytes);
  return rc;
}

/* ---- merges ----------------------------------------------------------------------------------------- */

/* The three tokens of a merge; NULL, or what is wrong. */
static const char *add_merge(er_tokenizer *t, const er_buf *left, const er_buf *both) {
  int32_t a = er_vocab_find(&t->vocab, er_buf_cstr(left), left->len);
  int32_t b = er_vocab_find(&t->vocab, er_buf_cstr(both) + left->len, both->len - left->len);
  int32_t c = er_vocab_find(&t->vocab, er_buf_cstr(both), both->len);
  if (a < 0 || b < 0) return "merges what is no token";
  if (c < 0) return "makes no token";
  return er_vocab_merge(&t->vocab, a, b, c) < 0 ? "comes twice" : NULL;
}

int er_tokenizer_read_merge(er_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right,
                            const char **why) {
  er_buf a = {0}, b = {0};
  *why = NULL;
  if (to_bytes(&a, left, n_left) < 0 || to_bytes(&b, right, n_right) < 0)
    *why = "has characters that stand for no byte";
  else if (a.len == 0 || b.len == 0) *why = "is not two tokens";
  if (*why == NULL) {
    er_buf both = {0};
    er_buf_add(&both, a.ptr, a.len);
    er_buf_add(&both, b.ptr, b.len);
    *why = add_merge(t, &a, &both);
    er_buf_free(&both);
  }
  er_buf_free(&a);
  er_buf_free(&b);
  return *why == NULL ? 0 : -1;
}

/* One pair a line; the first line may be "#version: ...". */
static int read_merges(er_tokenizer *t, const char *s, size_t n, const char *name, er_err *err) {
  const char *end = s + n;
  for (size_t line = 1; s < end; line++) {
    const char *stop = memchr(s, '\n', (size_t)(end - s)), *next = stop != NULL ? stop + 1 : end, *space, *why;
    if (stop == NULL) stop = end;
    if (stop > s && stop[-1] == '\r') stop--;
    space = memchr(s, ' ', (size_t)(stop - s));
    if (stop == s || (line == 1 && *s == '#')) {
      s = next;
      continue;
    }
    if (space == NULL) return er_fail(err, "format", "the merges of %s, line %zu: is not two tokens", name, line);
    if (er_tokenizer_read_merge(t, s, (size_t)(space - s), space + 1, (size_t)(stop - space - 1), &why) < 0)
      return er_fail(err, "format", "the merges of %s, line %zu: %s", name, line, why);
    s = next;
  }
  return 0;
}

int er_tokenizer_read_pair(er_tokenizer *t, const char *vocab, size_t n, const char *merges, size_t merges_len,
                           const char *name, er_err *err) {
  static const char end[] = "<|endoftext|>";
  er_reader r = er_reader_of(vocab, n, name, err);
  int32_t id;
  t->split = ER_SPLIT_GPT2;
  if (er_tokenizer_read_vocab(t, &r) < 0 || er_reader_end(&r) < 0) return -1;
  id = er_vocab_find(&t->vocab, end, sizeof end - 1);
  if (id != ER_NO_TOKEN) er_tokenizer_add(t, end, sizeof end - 1, id);
  return read_merges(t, merges, merges_len, name, err);
}

/* ---- llm.c's file -------------------------------------------------------------------------------------- */

enum { HEADER_INTS = 256, HEADER = HEADER_INTS * 4, GPT2_SIZE = 50257 };

static int read_tokens(er_tokenizer *t, const unsigned char *p, const unsigned char *end, int32_t count,
                       const char *name, er_err *err) {
  for (int32_t id = 0; id < count; id++) {
    size_t len = p < end ? *p++ : 0;
    if (len == 0 || (size_t)(end - p) < len)
      return er_fail(err, "truncated", "%s ends within token %d of %d, or it is empty", name, (int)id, (int)count);
    if (er_vocab_add(&t->vocab, id, (const char *)p, len) < 0)
      return er_fail(err, "format", "%s: token %d has the bytes of another", name, (int)id);
    p += len;
  }
  if (p != end) return er_fail(err, "format", "%s: more bytes behind its %d tokens", name, (int)count);
  return 0;
}

/* The file has no merges, but tokens come in the order of theirs: what those before it leave of a token is the pair
 * that makes it.  One that is left in more pieces is made by no merge. */
static void find_merges(er_tokenizer *t) {
  er_buf ids = {0};
  for (int32_t id = 0; id < t->vocab.n; id++) {
    size_t len;
    const char *bytes = er_vocab_bytes(&t->vocab, id, &len);
    er_buf_clear(&ids);
    if (len < 2) continue;
    er_bpe(&t->vocab, bytes, len, &ids);
    if (ids.len == 2 * sizeof(int32_t)) {
      int32_t pair[2];
      memcpy(pair, ids.ptr, sizeof pair);
      er_vocab_merge(&t->vocab, pair[0], pair[1], id);
    }
  }
  er_buf_free(&ids);
}

int er_tokenizer_read_bin(er_tokenizer *t, const char *bytes, size_t n, const char *name, er_err *err) {
  int32_t header[HEADER_INTS], end;
  size_t len;
  if (n < HEADER) return er_fail(err, "truncated", "%s: %zu bytes are less than its header", name, n);
  memcpy(header, bytes, HEADER);
  if (header[1] != 1 && header[1] != 2)
    return er_fail(err, "format", "%s is a tokenizer of version %d; 1 and 2 are read", name, (int)header[1]);
  if (header[2] < 1 || header[2] > ER_MOST_TOKENS || (header[1] == 1 && header[2] != GPT2_SIZE))
    return er_fail(err, "format", "%s: %d tokens are impossible", name, (int)header[2]);
  end = header[1] == 1 ? GPT2_SIZE - 1 : header[3];
  t->split = ER_SPLIT_GPT2;
  if (read_tokens(t, (const unsigned char *)bytes + HEADER, (const unsigned char *)bytes + n, header[2], name, err) < 0)
    return -1;
  if ((bytes = er_vocab_bytes(&t->vocab, end, &len)) == NULL)
    return er_fail(err, "format", "%s: its end of text is token %d, which there is not", name, (int)end);
  t->end = end;
  er_tokenizer_add(t, bytes, len, end);
  if (er_vocab_set_bytes(&t->vocab) >= 0) return 0;       /* said by the caller */
  find_merges(t);
  return 0;
}
