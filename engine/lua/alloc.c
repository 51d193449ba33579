/* alloc.c - memory for a Lua state, from free lists by size. */

#include "lua/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
enum { LARGEST = 0 };                          /* every object is malloc's, and watched */
#else
enum { LARGEST = 1024 };
#endif
enum { STEP = 16, CLASSES = 1024 / STEP + 1, BLOCK = 64 << 10 };

typedef union cell {
  union cell *next;
  char bytes[STEP];
} cell;

typedef struct block { struct block *next; } block;

struct er_alloc {
  cell *unused[CLASSES];         /* by size in steps */
  char *at, *end;                /* of the newest block, what was never used */
  block *blocks;
};

er_alloc *er_alloc_new(void) { return er_calloc(1, sizeof(er_alloc)); }

void er_alloc_free(er_alloc *a) {
  if (a == NULL) return;
  for (block *b = a->blocks, *next; b != NULL; b = next) {
    next = b->next;
    free(b);
  }
  er_free(a);
}

static size_t class_of(size_t n) { return (n + STEP - 1) / STEP; }

/* What is left of the old block goes to the list of its size. */
static int add_block(er_alloc *a) {
  block *b = malloc(BLOCK);
  size_t left = (size_t)(a->end - a->at) / STEP;
  if (b == NULL) return -1;
  if (left > 0) {
    cell *c = (cell *)(void *)a->at;
    c->next = a->unused[left];
    a->unused[left] = c;
  }
  b->next = a->blocks;
  a->blocks = b;
  a->at = (char *)b + STEP;
  a->end = (char *)b + BLOCK;
  return 0;
}

static void *take(er_alloc *a, size_t n) {
  size_t k = class_of(n);
  cell *c = a->unused[k];
  if (c != NULL) {
    a->unused[k] = c->next;
    return c;
  }
  if ((size_t)(a->end - a->at) < k * STEP && add_block(a) < 0) return NULL;
  a->at += k * STEP;
  return a->at - k * STEP;
}

static void give(er_alloc *a, void *p, size_t n) {
  cell *c = p;
  c->next = a->unused[class_of(n)];
  a->unused[class_of(n)] = c;
}

static void *move(er_alloc *a, void *p, size_t old, size_t new) {
  void *q = new <= LARGEST ? take(a, new) : malloc(new);
  if (q == NULL) return NULL;
  memcpy(q, p, old < new ? old : new);
  if (old <= LARGEST) give(a, p, old);
  else free(p);
  return q;
}

void *er_alloc_lua(void *ud, void *p, size_t old, size_t new) {
  er_alloc *a = ud;
  if (p == NULL) {                             /* old says what kind of object it will be */
    if (new == 0) return NULL;
    return new <= LARGEST ? take(a, new) : malloc(new);
  }
  if (new == 0) {
    if (old <= LARGEST) give(a, p, old);
    else free(p);
    return NULL;
  }
  if (old > LARGEST && new > LARGEST) return realloc(p, new);
  if (old <= LARGEST && new <= LARGEST && class_of(old) == class_of(new)) return p;
  return move(a, p, old, new);
}
