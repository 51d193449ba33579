/* unicode.h - what tokenizers need to know of characters.
 * For the rest of engine/model.  The tables are made by unicode.py. */
#ifndef ER_MODEL_UNICODE_H
#define ER_MODEL_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* As regular expressions see them: \p{L}, \p{N}, \s, and the rest (marks among it). */
typedef enum { ER_CHAR_OTHER, ER_CHAR_LETTER, ER_CHAR_NUMBER, ER_CHAR_SPACE } er_char_class;

er_char_class er_char_class_of(uint32_t c);

/* The character at s[0..n), n > 0, and its length in bytes.  A byte that is no UTF-8 comes as
 * ER_NO_CHAR + the byte, of length 1 and class OTHER. */
enum { ER_NO_CHAR = 0x110000 };
uint32_t er_char_at(const char *s, size_t n, size_t *len);
void er_char_add(er_buf *out, uint32_t c);                /* the reverse */

/* Appends s in normal form C; bytes that are no UTF-8 stay as they are. */
void er_nfc(er_buf *out, const char *s, size_t n);

#endif
