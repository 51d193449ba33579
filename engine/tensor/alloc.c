/* alloc.c - storage: counted, and kept for reuse by size.
 * A training step asks for the same sizes again and again.  What is given back goes
 * to the list of its size and is handed out without a system call or a page fault. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "tensor/room.h"

#ifdef __SANITIZE_ADDRESS__
enum { CACHING = 0 };            /* so that the sanitizer sees every use after free */
#else
enum { CACHING = 1 };
#endif

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

/* Sizes are rounded up to one of eight steps a power of two: 12 % is the most that is wasted. */
static int class_of(size_t bytes, size_t *rounded) {
  int power = 6;
  size_t step;
  if (bytes < 64) bytes = 64;
  while ((bytes - 1) >> (power + 1) != 0) power++;
  step = (size_t)1 << (power - 3 > 3 ? power - 3 : 3);
  *rounded = (bytes + step - 1) / step * step;
  return (power - 6) * 8 + (int)((*rounded - ((size_t)1 << power)) / step) % 8;
}

static void *fresh(size_t size) {
  bool large = size >= 2 * HUGE_PAGE;
  size_t align = large ? HUGE_PAGE : ALIGN;
  void *p = aligned_alloc(align, (size + align - 1) / align * align);
  if (p != NULL && large) madvise(p, size, MADV_HUGEPAGE);
  return p;
}

static er_storage *take_cached(er_tensors *ts, int class, size_t size) {
  for (er_storage **at = &ts->cache[class]; *at != NULL; at = &(*at)->next) {
    er_storage *s = *at;
    if (s->bytes != size) continue;
    *at = s->next;
    ts->memory.cached -= (int64_t)size;
    return s;
  }
  return NULL;
}

static void release(er_storage *s) {
  free(s->data);
  er_free(s);
}

void er_tensors_trim(er_tensors *ts) {
  for (int c = 0; c < ER_CLASSES; c++)
    for (er_storage *s = ts->cache[c], *next; s != NULL; s = next) {
      next = s->next;
      release(s);
    }
  memset(ts->cache, 0, sizeof ts->cache);
  ts->memory.cached = 0;
}

static er_storage *make(er_tensors *ts, int class, size_t size) {
  void *p = fresh(size);
  er_storage *s;
  if (p == NULL) {
    er_tensors_trim(ts);
    if ((p = fresh(size)) == NULL) return NULL;
  }
  s = er_calloc(1, sizeof *s);
  s->data = p;
  s->bytes = size;
  s->class = class;
  s->home = ts;
  return s;
}

int64_t er_tensors_refuse_at(er_tensors *ts, int64_t n) {
  int64_t left = ts->refuse_at;
  ts->refuse_at = n;
  return left;
}

bool er_tensors_broken(er_tensors *ts, const char *op, er_err *err) {
  size_t bytes;
  if (!er_pool_broken(ts->pool, &bytes)) return false;
  if (bytes == 0) er_fail(err, "time", "%s was broken off: its time is used up", op);
  else er_fail(err, "memory", "%s: no memory for the %zu bytes that a thread of it works in; %lld bytes are in use by "
               "tensors", op, bytes, (long long)ts->memory.live);
  return true;
}

er_storage *er_storage_new(er_tensors *ts, size_t bytes, er_err *err) {
  size_t size;
  int class;
  er_storage *s;
  bool refused;
  if (bytes > (size_t)1 << 46) {
    er_fail(err, "memory", "no memory for a tensor of %zu bytes", bytes);
    return NULL;
  }
  class = class_of(bytes, &size);
  if (ts->most > 0 && (int64_t)size > ts->most - ts->memory.live) {
    er_fail(err, "memory", "no memory for a tensor of %zu bytes: tensors here may take %lld bytes, and %lld are in use",
            bytes, (long long)ts->most, (long long)ts->memory.live);
    return NULL;
  }
  refused = ts->refuse_at > 0 && --ts->refuse_at == 0;
  s = refused ? NULL : take_cached(ts, class, size);
  if (refused || (s == NULL && (s = make(ts, class, size)) == NULL)) {
    er_fail(err, "memory", "no memory for a tensor of %zu bytes; %lld bytes are in use by tensors", bytes,
            (long long)ts->memory.live);
    return NULL;
  }
  s->refs = 1;
  s->next = NULL;
  ts->memory.live += (int64_t)size;
  ts->memory.tensors++;
  if (ts->memory.live > ts->memory.peak) ts->memory.peak = ts->memory.live;
  if (ts->soiled) memset(s->data, 0xff, size);
  return s;
}

void er_storage_unref(er_storage *s) {
  er_tensors *ts;
  if (s == NULL || --s->refs > 0) return;
  ts = s->home;
  ts->memory.live -= (int64_t)s->bytes;
  ts->memory.tensors--;
  if (!CACHING) {
    release(s);
    return;
  }
  s->version++;                  /* whoever still believes in the old contents is found out */
  s->next = ts->cache[s->class];
  ts->cache[s->class] = s;
  ts->memory.cached += (int64_t)s->bytes;
}
