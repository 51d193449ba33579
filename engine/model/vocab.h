/* vocab.h - the tokens of a byte-pair tokenizer and the pairs that merge.
 * For the rest of engine/model.  Tokens are bytes, not the characters that stand for
 * them in files.  Filled once by a loader, then read alone. */
#ifndef ER_MODEL_VOCAB_H
#define ER_MODEL_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { ER_NO_TOKEN = -1, ER_MOST_TOKENS = 1 << 22, ER_CACHED = 1 << 13, ER_CACHED_BYTES = 20, ER_CACHED_IDS = 6 };

typedef struct { uint32_t at, len; bool there; } er_token;
typedef struct { uint64_t pair; uint32_t rank; int32_t id; } er_merge;    /* pair: left << 32 | right, + 1 */

/* A word met before and what became of it. */
typedef struct { uint8_t len, n; char word[ER_CACHED_BYTES]; int32_t ids[ER_CACHED_IDS]; } er_cached;

typedef struct {
  er_buf bytes;                  /* of all tokens */
  er_token *tokens;              /* by id */
  int32_t n, cap;                /* ids are below n */
  int32_t *by_bytes;             /* hash: id + 1 */
  size_t slots, used;            /* slots: a power of two */
  er_merge *merges;              /* hash */
  size_t merge_slots, n_merges;
  int32_t byte[256];             /* the token of each byte */
  er_cached *cache;              /* NULL until er_vocab_remember */
} er_vocab;

void er_vocab_free(er_vocab *v);

/* -1 where the id or the bytes are taken, or the id is too large. */
int er_vocab_add(er_vocab *v, int64_t id, const char *bytes, size_t n);
int32_t er_vocab_find(const er_vocab *v, const char *bytes, size_t n);             /* ER_NO_TOKEN */
const char *er_vocab_bytes(const er_vocab *v, int64_t id, size_t *n);              /* NULL: no such id */

/* The next merge; those before it win.  -1 where it was named before. */
int er_vocab_merge(er_vocab *v, int32_t left, int32_t right, int32_t id);
const er_merge *er_vocab_pair(const er_vocab *v, int32_t left, int32_t right);     /* NULL: does not merge */

/* Once all tokens are in: the tokens of single bytes; the first byte without one, or -1. */
int er_vocab_set_bytes(er_vocab *v);

/* Appends the ids (int32) of one word: byte pairs merged, the lowest rank first, the leftmost of equals. */
void er_bpe(er_vocab *v, const char *word, size_t n, er_buf *ids);

/* From now on, words that are met again are looked up: call it once all merges are in. */
void er_vocab_remember(er_vocab *v);

#endif
