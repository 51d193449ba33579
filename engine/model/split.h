/* split.h - the first step of a byte-pair tokenizer: a text cut into words.
 * For the rest of engine/model.  Tokenizers name their way of cutting by a regular
 * expression; the known ones are scanners here, others are refused by who reads them.
 * A piece never is empty, and the pieces one after the other are the text. */
#ifndef ER_MODEL_SPLIT_H
#define ER_MODEL_SPLIT_H

#include <stddef.h>

typedef enum { ER_SPLIT_GPT2, ER_SPLIT_SMOLLM, ER_SPLIT_QWEN2, ER_SPLIT_LLAMA3 } er_split;

typedef struct {
  er_split how;
  const char *s;
  size_t n, at;
  size_t digit;                  /* SmolLM: the next digit, which the text is cut at first */
} er_splitter;

er_splitter er_splitter_of(er_split how, const char *s, size_t n);

/* The next piece begins at the old `at` and ends at the new one; 0 at the end. */
int er_splitter_next(er_splitter *p);

/* The way of cutting that a regular expression stands for; -1: unknown. */
int er_split_of_pattern(const char *pattern);

#endif
