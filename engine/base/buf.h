/* buf.h - growable bytes, the one type for text that is being built or read.
 * A zeroed er_buf is a valid empty one.  The bytes are always followed by a
 * NUL that is not counted, so `ptr` can be printed; they may contain NULs. */
#ifndef ER_BASE_BUF_H
#define ER_BASE_BUF_H

#include <stddef.h>

typedef struct {
  char *ptr;                     /* owned; NULL while nothing was added */
  size_t len, cap;
} er_buf;

void er_buf_add(er_buf *b, const void *bytes, size_t n);
void er_buf_str(er_buf *b, const char *s);
void er_buf_char(er_buf *b, char c);
void er_buf_fmt(er_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *er_buf_room(er_buf *b, size_t n);    /* space for n more bytes; the caller then adds to len */
const char *er_buf_cstr(const er_buf *b);  /* never NULL */
char *er_buf_take(er_buf *b);              /* hands the bytes to the caller (er_free), empties b */
void er_buf_clear(er_buf *b);              /* keeps the space */
void er_buf_free(er_buf *b);               /* back to the zeroed state */

#endif
