/* alloc.h - memory for a Lua state, from free lists by size.
 * A strategy makes and drops small objects all the time, and Lua says the size of
 * what it gives back: a list for each size costs a fraction of malloc.  Small
 * objects live in blocks that stay until er_alloc_free; larger ones are malloc's.
 * One pool belongs to one state and one thread. */
#ifndef ER_LUA_ALLOC_H
#define ER_LUA_ALLOC_H

#include <stddef.h>

typedef struct er_alloc er_alloc;

er_alloc *er_alloc_new(void);
void er_alloc_free(er_alloc *a);               /* after lua_close */

/* A lua_Alloc; ud is the pool. */
void *er_alloc_lua(void *ud, void *p, size_t old, size_t new);

#endif
