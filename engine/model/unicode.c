/* unicode.c - classes of characters and normal form C, from tables. */

#include "model/unicode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "model/unicode_tables.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- UTF-8 -------------------------------------------------------------------------------- */

uint32_t er_char_at(const char *s, size_t n, size_t *len) {
  static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  size_t k = (unsigned char)s[0] < 128 ? 1 : er_utf8_char(s, n);
  uint32_t c = (unsigned char)s[0];
  *len = k > 0 ? k : 1;
  if (k == 0) return ER_NO_CHAR + c;
  c &= lead[k];
  for (size_t i = 1; i < k; i++) c = c << 6 | ((unsigned char)s[i] & 63);
  return c;
}

void er_char_add(er_buf *out, uint32_t c) {
  if (c < 0x80 || c >= ER_NO_CHAR) {
    er_buf_char(out, (char)(c & 0xFF));
  } else if (c < 0x800) {
    er_buf_char(out, (char)(0xC0 | c >> 6));
    er_buf_char(out, (char)(0x80 | (c & 63)));
  } else {
    if (c >= 0x10000) {
      er_buf_char(out, (char)(0xF0 | c >> 18));
      er_buf_char(out, (char)(0x80 | (c >> 12 & 63)));
    } else {
      er_buf_char(out, (char)(0xE0 | c >> 12));
    }
    er_buf_char(out, (char)(0x80 | (c >> 6 & 63)));
    er_buf_char(out, (char)(0x80 | (c & 63)));
  }
}

/* ---- classes --------------------------------------------------------------------------------- */

static int by_range(const void *key, const void *row) {
  uint32_t c = *(const uint32_t *)key;
  const code_range *r = row;
  return c < r->first ? -1 : c > r->last;
}

static bool is_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

er_char_class er_char_class_of(uint32_t c) {
  if (c < 0x80) {
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return ER_CHAR_LETTER;
    if (c >= '0' && c <= '9') return ER_CHAR_NUMBER;
    return is_space(c) ? ER_CHAR_SPACE : ER_CHAR_OTHER;
  }
  if (is_space(c)) return ER_CHAR_SPACE;
  if (bsearch(&c, letters, COUNT(letters), sizeof *letters, by_range) != NULL) return ER_CHAR_LETTER;
  if (bsearch(&c, numbers, COUNT(numbers), sizeof *numbers, by_range) != NULL) return ER_CHAR_NUMBER;
  return ER_CHAR_OTHER;
}

/* ---- normal form C ------------------------------------------------------------------------------ */

enum { HANGUL = 0xAC00, HANGUL_END = 0xD7A4, LEAD = 0x1100, VOWEL = 0x1161, TAIL = 0x11A7 };
enum { LEADS = 19, VOWELS = 21, TAILS = 28 };

typedef struct { uint32_t *c; size_t n, cap; } codes;

static int by_value(const void *key, const void *row) {
  uint32_t c = *(const uint32_t *)key;
  const code_value *r = row;
  return c < r->first ? -1 : c > r->last;
}

static int class_of(uint32_t c) {
  const code_value *r = c < 0x300 ? NULL : bsearch(&c, combining, COUNT(combining), sizeof *combining, by_value);
  return r != NULL ? r->value : 0;
}

static int by_code(const void *key, const void *row) {
  uint32_t c = *(const uint32_t *)key;
  const code_triple *r = row;
  return c < r->a ? -1 : c > r->a;
}

static int by_pair(const void *key, const void *row) {
  const code_triple *k = key, *r = row;
  if (k->a != r->a) return k->a < r->a ? -1 : 1;
  return k->b < r->b ? -1 : k->b > r->b;
}

static void push(codes *s, uint32_t c) {
  if (s->n == s->cap) s->c = er_realloc(s->c, (s->cap = s->cap * 2 + 64) * sizeof *s->c);
  s->c[s->n++] = c;
}

static void push_apart(codes *s, uint32_t c) {
  const code_triple *r;
  if (c >= HANGUL && c < HANGUL_END) {
    uint32_t i = c - HANGUL;
    push(s, LEAD + i / (VOWELS * TAILS));
    push(s, VOWEL + i % (VOWELS * TAILS) / TAILS);
    if (i % TAILS != 0) push(s, TAIL + i % TAILS);
    return;
  }
  r = c < 0xC0 ? NULL : bsearch(&c, apart, COUNT(apart), sizeof *apart, by_code);
  if (r == NULL) {
    push(s, c);
    return;
  }
  push_apart(s, r->b);
  if (r->c != 0) push_apart(s, r->c);
}

/* Marks behind a starter by their classes, equal ones as they came: a stable sort of each run, O(n log n) for a text
 * that is one run of marks. */
typedef struct { uint32_t c; int class; size_t at; } mark;

static int by_class(const void *a, const void *b) {
  const mark *x = a, *y = b;
  if (x->class != y->class) return x->class < y->class ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static void sort_run(uint32_t *c, size_t n) {
  mark *run = er_malloc(n * sizeof *run);
  for (size_t i = 0; i < n; i++) run[i] = (mark){c[i], class_of(c[i]), i};
  qsort(run, n, sizeof *run, by_class);
  for (size_t i = 0; i < n; i++) c[i] = run[i].c;
  er_free(run);
}

static void sort_marks(codes *s) {
  for (size_t i = 0; i < s->n;) {
    size_t from = i;
    while (i < s->n && class_of(s->c[i]) != 0) i++;
    if (i - from > 1) sort_run(s->c + from, i - from);
    i += i == from;
  }
}

/* What a and b make together, or 0. */
static uint32_t pair_of(uint32_t a, uint32_t b) {
  const code_triple key = {a, b, 0}, *r;
  if (a >= LEAD && a < LEAD + LEADS && b >= VOWEL && b < VOWEL + VOWELS)
    return HANGUL + ((a - LEAD) * VOWELS + (b - VOWEL)) * TAILS;
  if (a >= HANGUL && a < HANGUL_END && (a - HANGUL) % TAILS == 0 && b > TAIL && b < TAIL + TAILS) return a + (b - TAIL);
  r = bsearch(&key, together, COUNT(together), sizeof *together, by_pair);
  return r != NULL ? r->c : 0;
}

/* A mark composes with the last starter unless one between them has a class that is not lower. */
static void compose(codes *s) {
  size_t out = 0, starter = SIZE_MAX;
  int last = 0;                  /* class of what stands before, 0 right behind the starter */
  for (size_t i = 0; i < s->n; i++) {
    uint32_t c = s->c[i];
    int class = class_of(c);
    bool blocked = starter != SIZE_MAX && out > starter + 1 && (class == 0 || last >= class);
    uint32_t both = starter != SIZE_MAX && !blocked ? pair_of(s->c[starter], c) : 0;
    if (both != 0) {
      s->c[starter] = both;
      continue;
    }
    if (class == 0) starter = out;
    last = class;
    s->c[out++] = c;
  }
  s->n = out;
}

/* No character below U+0300 is changed, or changes another. */
static bool plain(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)s[i] >= 0xCC) return false;
  return true;
}

void er_nfc(er_buf *out, const char *s, size_t n) {
  codes text = {0};
  size_t len;
  if (plain(s, n)) {
    er_buf_add(out, s, n);
    return;
  }
  for (size_t i = 0; i < n; i += len) push_apart(&text, er_char_at(s + i, n - i, &len));
  sort_marks(&text);
  compose(&text);
  for (size_t i = 0; i < text.n; i++) er_char_add(out, text.c[i]);
  er_free(text.c);
}
