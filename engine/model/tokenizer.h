/* tokenizer.h - texts to token ids and back.
 * For engine/lua.  A tokenizer is made from files of strangers, which are checked in
 * whole: every byte has a token, so that any bytes can be encoded, and every merge
 * makes a token.  Byte for byte: encode takes invalid UTF-8 as it is, and decode gives
 * back what was encoded (where the tokenizer normalises, Qwen2's does: its normal form C).
 *
 * Encoding a text of n bytes takes O(n log n) time, whatever is in it.  A tokenizer
 * remembers words, so it is used by one thread at a time. */
#ifndef ER_MODEL_TOKENIZER_H
#define ER_MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct er_tokenizer er_tokenizer;

er_tokenizer *er_tokenizer_bytes(void);                   /* 256 ids, one a byte */

/* From a file, told apart by what is in it: tokenizer.json of Hugging Face (byte-level
 * BPE cut as GPT-2, SmolLM, Qwen2 or Llama 3 do), GPT-2's vocab.json with merges.txt
 * beside it, or llm.c's gpt2_tokenizer.bin; or from a folder that holds one of these.
 * What is not understood is refused by its name. */
er_tokenizer *er_tokenizer_open(const char *path, er_err *err);

/* The same from bytes; merges only with a vocab.json, else NULL. */
er_tokenizer *er_tokenizer_read(const char *bytes, size_t n, const char *merges, size_t merges_len, const char *name,
                                er_err *err);
void er_tokenizer_free(er_tokenizer *t);                  /* NULL is fine */

int32_t er_tokenizer_size(const er_tokenizer *t);         /* ids are below it */
int32_t er_tokenizer_end(const er_tokenizer *t);          /* <|endoftext|>, or -1 */
int32_t er_tokenizer_id(const er_tokenizer *t, const char *token, size_t n);      /* -1: there is none */

/* Appends the ids (int32) of s.  special: tokens such as <|endoftext|> are found in the
 * text; without it they are text like any other, as what comes from outside should be. */
int er_tokenizer_encode(er_tokenizer *t, const char *s, size_t n, bool special, er_buf *ids, er_err *err);

/* Appends the bytes of n ids. */
int er_tokenizer_decode(const er_tokenizer *t, const int32_t *ids, size_t n, er_buf *out, er_err *err);

#endif
