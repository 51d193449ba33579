/* index.c - a file's lines by the hash of their tokens. */

#include "patch/index.h"

#include "base/mem.h"

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

/* The next byte that counts, or -1: white space counts, as one space, only
 * between two bytes of words. */
static int next_sign(const er_line *l, uint32_t *i, char *last) {
  uint32_t from = *i;
  while (*i < l->n && er_is_space(l->s[*i])) ++*i;
  if (*i == l->n) return -1;
  if (*i > from && is_word(*last) && is_word(l->s[*i])) return *last = ' ';
  *last = l->s[(*i)++];
  return (unsigned char)*last;
}

uint64_t er_line_hash(const er_line *l) {
  uint64_t h = 1469598103934665603u;
  uint32_t i = 0;
  char last = ' ';
  for (int c; (c = next_sign(l, &i, &last)) >= 0;) h = (h ^ (uint64_t)c) * 1099511628211u;
  return h ^ h >> 29;
}

bool er_line_same_tokens(const er_line *a, const er_line *b) {
  uint32_t i = 0, j = 0;
  char x = ' ', y = ' ';
  for (;;) {
    int c = next_sign(a, &i, &x), d = next_sign(b, &j, &y);
    if (c != d) return false;
    if (c < 0) return true;
  }
}

static er_index_cell *cell_of(const er_index *x, uint64_t hash) {
  size_t i = (size_t)hash & x->mask;
  while (x->cells[i].count > 0 && x->cells[i].hash != hash) i = (i + 1) & x->mask;
  return &x->cells[i];
}

const er_index_cell *er_index_find(const er_index *x, uint64_t hash) { return cell_of(x, hash); }

/* From behind, so that every chain is ascending. */
static void chain(er_index *x) {
  size_t size = 16;
  while (size < x->k * 2) size *= 2;
  x->cells = er_calloc(size, sizeof *x->cells);
  x->mask = size - 1;
  for (size_t i = x->k; i-- > 0;) {
    er_index_cell *c = cell_of(x, x->hash[i]);
    x->next[i] = c->count > 0 ? c->first : ER_NOWHERE;
    c->hash = x->hash[i];
    c->first = (uint32_t)i;
    c->count++;
  }
}

er_index *er_index_new(const er_line *line, size_t n) {
  er_index *x = er_calloc(1, sizeof *x);
  *x = (er_index){.line = line, .n = n};
  for (size_t i = 0; i < n; i++) x->k += !er_line_blank(&line[i]);
  x->at = er_malloc((x->k + 1) * sizeof *x->at);
  x->hash = er_malloc((x->k + 1) * sizeof *x->hash);
  x->next = er_malloc((x->k + 1) * sizeof *x->next);
  for (size_t i = 0, k = 0; i < n; i++) {
    if (er_line_blank(&line[i])) continue;
    x->at[k] = (uint32_t)i;
    x->hash[k++] = er_line_hash(&line[i]);
  }
  chain(x);
  return x;
}

void er_index_free(er_index *x) {
  if (x == NULL) return;
  er_free(x->at);
  er_free(x->hash);
  er_free(x->next);
  er_free(x->cells);
  er_free(x);
}
