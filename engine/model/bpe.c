/* bpe.c - byte pairs merged within one word: by looking through short ones, with a heap in long ones. */

#include <string.h>

#include "base/mem.h"
#include "model/vocab.h"

enum { SHORT = 48 };             /* symbols that are looked through */

static void add_id(er_buf *ids, int32_t id) { er_buf_add(ids, &id, sizeof id); }

/* ---- short words ---------------------------------------------------------------------------- */

static size_t merge_short(const er_vocab *v, int32_t *ids, size_t n) {
  while (n > 1) {
    const er_merge *best = NULL;
    size_t at = 0;
    for (size_t i = 0; i + 1 < n; i++) {
      const er_merge *m = er_vocab_pair(v, ids[i], ids[i + 1]);
      if (m != NULL && (best == NULL || m->rank < best->rank)) best = m, at = i;
    }
    if (best == NULL) break;
    ids[at] = best->id;
    memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
    n--;
  }
  return n;
}

/* ---- long words: 10 MB of one letter is one ---------------------------------------------------- */

typedef struct { int32_t id; uint32_t prev, next; } symbol;       /* id -1: merged into the one before */

#define NONE UINT32_MAX

/* Pairs to merge as rank << 32 | place, the least on top. */
typedef struct { uint64_t *at; size_t n, cap; } heap;

static void sift_down(heap *h, size_t i) {
  uint64_t x = h->at[i];
  for (size_t kid; (kid = 2 * i + 1) < h->n; i = kid) {
    if (kid + 1 < h->n && h->at[kid + 1] < h->at[kid]) kid++;
    if (h->at[kid] >= x) break;
    h->at[i] = h->at[kid];
  }
  h->at[i] = x;
}

static void heap_push(heap *h, uint64_t x) {
  size_t i = h->n++;
  if (h->n > h->cap) h->at = er_realloc(h->at, (h->cap = h->cap * 2 + 64) * sizeof *h->at);
  for (; i > 0 && h->at[(i - 1) / 2] > x; i = (i - 1) / 2) h->at[i] = h->at[(i - 1) / 2];
  h->at[i] = x;
}

static uint64_t heap_pop(heap *h) {
  uint64_t top = h->at[0];
  h->at[0] = h->at[--h->n];
  if (h->n > 0) sift_down(h, 0);
  return top;
}

static const er_merge *pair_at(const er_vocab *v, const symbol *s, uint32_t i) {
  return i != NONE && s[i].id >= 0 && s[i].next != NONE ? er_vocab_pair(v, s[i].id, s[s[i].next].id) : NULL;
}

static void consider(const er_vocab *v, const symbol *s, heap *h, uint32_t i) {
  const er_merge *m = pair_at(v, s, i);
  if (m != NULL) heap_push(h, (uint64_t)m->rank << 32 | i);
}

static void merge_at(symbol *s, uint32_t i, int32_t id) {
  uint32_t gone = s[i].next;
  s[i].id = id;
  s[i].next = s[gone].next;
  s[gone].id = -1;
  if (s[i].next != NONE) s[s[i].next].prev = i;
}

/* A pair on the heap may have changed since; then its rank is another, and it is dropped. */
static void merge_long(const er_vocab *v, symbol *s, size_t n) {
  heap h = {0};
  for (uint32_t i = 0; i + 1 < n; i++) {
    const er_merge *m = pair_at(v, s, i);
    if (m == NULL) continue;
    if (h.n == h.cap) h.at = er_realloc(h.at, (h.cap = h.cap * 2 + 64) * sizeof *h.at);
    h.at[h.n++] = (uint64_t)m->rank << 32 | i;
  }
  for (size_t i = h.n / 2; i-- > 0;) sift_down(&h, i);
  while (h.n > 0) {
    uint64_t top = heap_pop(&h);
    uint32_t i = (uint32_t)top;
    const er_merge *m = pair_at(v, s, i);
    if (m == NULL || m->rank != top >> 32) continue;
    merge_at(s, i, m->id);
    consider(v, s, &h, s[i].prev);
    consider(v, s, &h, i);
  }
  er_free(h.at);
}

static void long_word(const er_vocab *v, const char *word, size_t n, er_buf *ids) {
  symbol *s = er_malloc(n * sizeof *s);
  for (size_t i = 0; i < n; i++)
    s[i] = (symbol){v->byte[(unsigned char)word[i]], i > 0 ? (uint32_t)i - 1 : NONE,
                    i + 1 < n ? (uint32_t)i + 1 : NONE};
  merge_long(v, s, n);
  for (uint32_t i = 0; i != NONE; i = s[i].next) add_id(ids, s[i].id);
  er_free(s);
}

/* ---- words ---------------------------------------------------------------------------------------- */

/* Where a word is remembered, or would be; NULL: not at all. */
static er_cached *cached(er_vocab *v, const char *word, size_t n) {
  uint32_t h = 2166136261u;
  if (v->cache == NULL || n > ER_CACHED_BYTES) return NULL;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)word[i]) * 16777619u;
  return &v->cache[(h ^ h >> 15) % ER_CACHED];
}

static void short_word(er_vocab *v, const char *word, size_t n, er_buf *out) {
  int32_t ids[SHORT] = {0};
  er_cached *c = cached(v, word, n);
  size_t k;
  if (c != NULL && c->len == n && memcmp(c->word, word, n) == 0) {
    er_buf_add(out, c->ids, c->n * sizeof *c->ids);
    return;
  }
  for (size_t i = 0; i < n; i++) ids[i] = v->byte[(unsigned char)word[i]];
  k = merge_short(v, ids, n);
  er_buf_add(out, ids, k * sizeof *ids);
  if (c == NULL || k > ER_CACHED_IDS) return;
  c->len = (uint8_t)n;
  c->n = (uint8_t)k;
  memcpy(c->word, word, n);
  memcpy(c->ids, ids, k * sizeof *ids);
}

void er_bpe(er_vocab *v, const char *word, size_t n, er_buf *ids) {
  if (n <= SHORT) short_word(v, word, n, ids);
  else long_word(v, word, n, ids);
}
