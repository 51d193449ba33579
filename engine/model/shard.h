/* shard.h - token ids in files, as llm.c writes them: 256 int32 of header (20240520, 1,
 * the number of tokens), then one u16 a token.  FineWeb is published like this.
 * For engine/lua.  Reading uses pread at offsets: a shard costs a descriptor, no
 * memory, and one that shrinks while it is read is an error.  Ids that are not below
 * the vocabulary are an error which names the file and the byte. */
#ifndef ER_MODEL_SHARD_H
#define ER_MODEL_SHARD_H

#include <stdint.h>

#include "base/err.h"
#include "tensor/tensor.h"

typedef struct er_shard er_shard;

er_shard *er_shard_open(const char *path, er_err *err);               /* regular files, also through a link */
er_shard *er_shard_open_fd(int fd, const char *name, er_err *err);    /* takes fd over, also on failure */
void er_shard_close(er_shard *s);                                     /* NULL is fine */

int64_t er_shard_count(const er_shard *s);                            /* of tokens */

/* One row of a batch: length + 1 tokens from `at` on, the first `length` into inputs,
 * the last into targets.  vocab 0: any id. */
int er_shard_row(er_shard *s, int64_t at, int64_t length, int64_t vocab, int32_t *inputs, int32_t *targets,
                 er_err *err);

/* All tokens, or n of them from `at` on, as a u16 tensor of one dim. */
er_tensor *er_shard_read(er_shard *s, int64_t at, int64_t n, int64_t vocab, er_tensors *ts, er_err *err);

/* Writes a shard, whole or not at all, from a tensor of whole numbers below 65536. */
int er_shard_write(const char *path, er_tensor *ids, er_err *err);

/* The index-th draw below n (at least 1) of a seed, by Philox 4x32-10: no draw needs those before it. */
int64_t er_shard_draw(uint64_t seed, uint64_t index, int64_t n);

#endif
