/* reader.h - a JSON text, read value by value and without a tree.
 * For the rest of engine/model.  The text stays the caller's and in place; nothing
 * is allocated but the bytes of a string, in a buffer that the caller owns.  Strict:
 * UTF-8 only, no comments, no commas too many, nesting of at most 64.
 *
 * Every function returns -1 after it has filled err, which says the name of the text,
 * the byte and what was expected there; the reader is not to be used after that.
 *
 *   er_reader r = er_reader_of(bytes, n, "model.json", err);
 *   if (er_reader_object(&r) < 0) return -1;
 *   while ((rc = er_reader_key(&r, &key)) > 0) ...   read one value: a string, a number, skip, ...
 *   if (rc < 0 || er_reader_end(&r) < 0) return -1; */
#ifndef ER_MODEL_READER_H
#define ER_MODEL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { ER_READER_DEPTH = 64 };

typedef struct {
  const char *start, *p, *end;
  const char *name;              /* of the text, for messages */
  er_err *err;
  int depth;
  bool first;                    /* no member of the innermost object or list was read yet */
} er_reader;

er_reader er_reader_of(const char *bytes, size_t n, const char *name, er_err *err);

/* The first byte of the next value: '{' '[' '"' 't' 'f' 'n', '-' or a digit; 0 at the end. */
char er_reader_peek(er_reader *r);

/* Into an object or a list; then its members, 1 each, 0 behind the last.  A key
 * replaces what `key` held. */
int er_reader_object(er_reader *r);
int er_reader_key(er_reader *r, er_buf *key);
int er_reader_list(er_reader *r);
int er_reader_item(er_reader *r);

int er_reader_string(er_reader *r, er_buf *out);          /* replaces what out held */
int er_reader_count(er_reader *r, uint64_t *out);         /* a whole number from 0 to 2^53 */
int er_reader_bool(er_reader *r, bool *out);              /* null reads as false */
int er_reader_skip(er_reader *r);                         /* any value, checked all the same */

/* Skips a value and gives its bytes, to be read later. */
int er_reader_slice(er_reader *r, const char **bytes, size_t *n);

int er_reader_end(er_reader *r);                          /* nothing but white space follows */

/* Fills err with the name of the text and the byte where the reader stands. */
int er_reader_fail(er_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A text from a file as messages may show it: no control characters, 60 bytes at most. */
const char *er_reader_show(const char *s, size_t n, char out[64]);

#endif
