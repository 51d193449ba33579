/* mend.h - undoes what the way of a reply did to its bytes: HTML escapes that a
 * chat page put in, no-break spaces and typographic quotes that an editor did.
 * Nothing here knows whether that was meant; patch.c tries the mended reply only
 * when the reply as it came does not fit the files, and keeps it if it does. */
#ifndef ER_PATCH_MEND_H
#define ER_PATCH_MEND_H

#include <stdbool.h>

#include "base/buf.h"

typedef enum { ER_MEND_HTML, ER_MEND_ALL, ER_MENDS } er_mend_kind;

/* Appends the mended text; false if there was nothing to mend. */
bool er_mend(const char *reply, size_t len, er_mend_kind kind, er_buf *out);

/* Every <, > and & of the reply is an HTML escape, and there are some. */
bool er_mend_escaped(const char *reply, size_t len);
const char *er_mend_name(er_mend_kind kind);

#endif
