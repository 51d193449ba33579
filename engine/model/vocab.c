/* vocab.c - tokens by id and by bytes, merges by pair: two open hash tables. */

#include "model/vocab.h"

#include <string.h>

#include "base/mem.h"

static uint64_t mixed(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15u;
  return x ^ x >> 29;
}

static uint64_t hash_of(const char *bytes, size_t n) {
  uint64_t h = 0xCBF29CE484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)bytes[i]) * 0x100000001B3u;
  return mixed(h);
}

void er_vocab_free(er_vocab *v) {
  er_buf_free(&v->bytes);
  er_free(v->tokens);
  er_free(v->by_bytes);
  er_free(v->merges);
  er_free(v->cache);
  *v = (er_vocab){0};
}

void er_vocab_remember(er_vocab *v) {
  if (v->cache == NULL) v->cache = er_calloc(ER_CACHED, sizeof *v->cache);
}

/* ---- tokens ------------------------------------------------------------------------------- */

const char *er_vocab_bytes(const er_vocab *v, int64_t id, size_t *n) {
  if (id < 0 || id >= v->n || !v->tokens[id].there) return NULL;
  *n = v->tokens[id].len;
  return v->bytes.ptr + v->tokens[id].at;
}

/* Where the token with these bytes is in the table, or would be. */
static size_t slot_of(const er_vocab *v, const char *bytes, size_t n) {
  size_t i = hash_of(bytes, n) & (v->slots - 1);
  for (; v->by_bytes[i] != 0; i = (i + 1) & (v->slots - 1)) {
    const er_token *t = &v->tokens[v->by_bytes[i] - 1];
    if (t->len == n && memcmp(v->bytes.ptr + t->at, bytes, n) == 0) break;
  }
  return i;
}

static void grow_slots(er_vocab *v) {
  er_free(v->by_bytes);
  v->slots = v->slots > 0 ? v->slots * 2 : 1024;
  v->by_bytes = er_calloc(v->slots, sizeof *v->by_bytes);
  for (int32_t id = 0; id < v->n; id++) {
    const er_token *t = &v->tokens[id];
    if (t->there) v->by_bytes[slot_of(v, v->bytes.ptr + t->at, t->len)] = id + 1;
  }
}

static void grow_tokens(er_vocab *v, int32_t id) {
  if (id >= v->cap) {
    int32_t cap = id + 1 > v->cap * 2 ? id + 1 : v->cap * 2;
    v->tokens = er_realloc(v->tokens, (size_t)cap * sizeof *v->tokens);
    memset(v->tokens + v->cap, 0, (size_t)(cap - v->cap) * sizeof *v->tokens);
    v->cap = cap;
  }
  if (id >= v->n) v->n = id + 1;
}

int er_vocab_add(er_vocab *v, int64_t id, const char *bytes, size_t n) {
  size_t slot;
  if (id < 0 || id >= ER_MOST_TOKENS || n == 0 || v->bytes.len + n > UINT32_MAX) return -1;
  if (id < v->n && v->tokens[id].there) return -1;
  if (v->used * 2 >= v->slots) grow_slots(v);
  slot = slot_of(v, bytes, n);
  if (v->by_bytes[slot] != 0) return -1;
  grow_tokens(v, (int32_t)id);
  v->tokens[id] = (er_token){(uint32_t)v->bytes.len, (uint32_t)n, true};
  er_buf_add(&v->bytes, bytes, n);
  v->by_bytes[slot] = (int32_t)id + 1;
  v->used++;
  return 0;
}

int32_t er_vocab_find(const er_vocab *v, const char *bytes, size_t n) {
  return v->slots > 0 ? v->by_bytes[slot_of(v, bytes, n)] - 1 : ER_NO_TOKEN;
}

int er_vocab_set_bytes(er_vocab *v) {
  for (int b = 0; b < 256; b++) {
    char c = (char)b;
    if ((v->byte[b] = er_vocab_find(v, &c, 1)) == ER_NO_TOKEN) return b;
  }
  return -1;
}

/* ---- merges ----------------------------------------------------------------------------------- */

static er_merge *merge_slot(const er_vocab *v, uint64_t pair) {
  size_t i = mixed(pair) & (v->merge_slots - 1);
  while (v->merges[i].pair != 0 && v->merges[i].pair != pair) i = (i + 1) & (v->merge_slots - 1);
  return &v->merges[i];
}

static uint64_t pair_of(int32_t left, int32_t right) { return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1; }

static void grow_merges(er_vocab *v) {
  er_merge *old = v->merges;
  size_t n = v->merge_slots;
  v->merge_slots = n > 0 ? n * 2 : 1024;
  v->merges = er_calloc(v->merge_slots, sizeof *v->merges);
  for (size_t i = 0; i < n; i++)
    if (old[i].pair != 0) *merge_slot(v, old[i].pair) = old[i];
  er_free(old);
}

int er_vocab_merge(er_vocab *v, int32_t left, int32_t right, int32_t id) {
  uint64_t pair = pair_of(left, right);
  er_merge *m;
  if (v->n_merges * 2 >= v->merge_slots) grow_merges(v);
  m = merge_slot(v, pair);
  if (m->pair != 0) return -1;
  *m = (er_merge){pair, (uint32_t)v->n_merges++, id};
  return 0;
}

const er_merge *er_vocab_pair(const er_vocab *v, int32_t left, int32_t right) {
  const er_merge *m = v->merge_slots > 0 ? merge_slot(v, pair_of(left, right)) : NULL;
  return m != NULL && m->pair != 0 ? m : NULL;
}
