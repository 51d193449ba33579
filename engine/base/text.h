/* text.h - numbers and UTF-8 as JSON wants them; shared by the codec in
 * engine/lua/lua_json.c and by all who write JSON without Lua. */
#ifndef ER_BASE_TEXT_H
#define ER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The shortest decimal that reads back as the same double, always with a '.'
 * or an exponent, so that a float never reads back as an integer. */
void er_text_double(er_buf *out, double x);

/* A JSON string with its quotes; bytes must be UTF-8 (see er_utf8_clean). */
void er_text_quote(er_buf *out, const char *s, size_t n);

/* Length in bytes of the UTF-8 character at s (1 to 4), 0 if it is none:
 * overlong forms, surrogates and values above U+10FFFF are none. */
size_t er_utf8_char(const char *s, size_t n);
bool er_utf8_valid(const char *s, size_t n);

/* Copies s, each bad byte replaced by U+FFFD. */
void er_utf8_clean(er_buf *out, const char *s, size_t n);

#endif
