/* mem.h - memory that is either there or the program is not.
 * Everyone in the engine allocates through these; running out aborts with a
 * message, so no caller checks for NULL. */
#ifndef ER_BASE_MEM_H
#define ER_BASE_MEM_H

#include <stddef.h>

void *er_malloc(size_t n);
void *er_calloc(size_t count, size_t size);          /* zeroed */
void *er_realloc(void *p, size_t n);
char *er_strdup(const char *s);
char *er_strndup(const char *s, size_t n);           /* always terminated */
char *er_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void er_free(void *p);                               /* NULL is fine */

#endif
