/* tokenizer_room.h - a tokenizer from inside: what the loaders fill. */
#ifndef ER_MODEL_TOKENIZER_ROOM_H
#define ER_MODEL_TOKENIZER_ROOM_H

#include "model/reader.h"
#include "model/split.h"
#include "model/tokenizer.h"
#include "model/vocab.h"

typedef struct { char *text; size_t len; int32_t id; } er_added;

struct er_tokenizer {
  er_vocab vocab;
  bool bytes;                    /* no merges and no words: a byte is a token */
  er_split split;
  bool nfc;                      /* the text is normalised first */
  bool whole_words;              /* a word that is a token is not merged from bytes */
  er_added *added;               /* special tokens, the longest first */
  size_t n_added;
  int32_t end;
};

/* Each returns -1 and err; t is then to be freed. */
int er_tokenizer_read_json(er_tokenizer *t, const char *bytes, size_t n, const char *name, er_err *err);
int er_tokenizer_read_pair(er_tokenizer *t, const char *vocab, size_t n, const char *merges, size_t merges_len,
                           const char *name, er_err *err);
int er_tokenizer_read_bin(er_tokenizer *t, const char *bytes, size_t n, const char *name, er_err *err);

/* A special token; its id may be one of the vocabulary or a new one. */
int er_tokenizer_add(er_tokenizer *t, const char *text, size_t n, int64_t id);

/* The members of an object of tokens: "text": id. */
int er_tokenizer_read_vocab(er_tokenizer *t, er_reader *r);

/* "left right", in the characters that stand for bytes. */
int er_tokenizer_read_merge(er_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right,
                            const char **why);

#endif
