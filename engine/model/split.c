/* split.c - the pre-tokenizing patterns of GPT-2, SmolLM, Qwen2 and Llama 3 as scanners. */

#include "model/split.h"

#include <stdbool.h>
#include <string.h>

#include "model/unicode.h"

/* One character of the text, and the text's end as one of class END. */
enum { END = 4 };
typedef struct { uint32_t c; int class; size_t next; } look;

typedef struct { const char *s; size_t n; } text;

static look look_at(const text *t, size_t i) {
  size_t len;
  uint32_t c;
  if (i >= t->n) return (look){0, END, i};
  c = er_char_at(t->s + i, t->n - i, &len);
  return (look){c, (int)er_char_class_of(c), i + len};
}

static bool newline(const look *x) { return x->class == ER_CHAR_SPACE && (x->c == '\r' || x->c == '\n'); }

/* Behind the characters of one class from i on, at most `most` of them. */
static size_t run(const text *t, size_t i, int class, size_t most) {
  for (look x = look_at(t, i); x.class == class && most > 0; x = look_at(t, i), most--) i = x.next;
  return i;
}

/* ---- pieces of the patterns ----------------------------------------------------------------- */

static uint32_t folded(uint32_t c, bool any_case) {
  if (!any_case) return c;
  if (c == 0x17F) return 's';    /* the long s */
  return c >= 'A' && c <= 'Z' ? c | 32 : c;
}

/* '(s|t|re|ve|m|ll|d), perhaps in any case; the end, or i where there is none. */
static size_t contraction(const text *t, size_t i, bool any_case) {
  look x = look_at(t, i), a, b;
  uint32_t first, second;
  if (x.class == END || x.c != '\'') return i;
  a = look_at(t, x.next);
  if (a.class == END) return i;
  b = look_at(t, a.next);
  first = folded(a.c, any_case);
  second = b.class == END ? 0 : folded(b.c, any_case);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return a.next;
  if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l')) return b.next;
  return i;
}

/* \s+(?!\S)|\s+ : white space, whose last character stays for the word that follows, if there is more than one. */
static size_t spaces(const text *t, size_t i) {
  size_t last = i, n = 0;
  look x;
  for (x = look_at(t, i); x.class == ER_CHAR_SPACE; x = look_at(t, i), n++) {
    last = i;
    i = x.next;
  }
  return x.class != END && n > 1 ? last : i;
}

/* '(...)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t gpt2(const text *t, size_t i) {
  size_t end = contraction(t, i, false);
  look x = look_at(t, i), y;
  if (end > i) return end;
  y = look_at(t, x.next);
  if (x.c == ' ' && y.class != ER_CHAR_SPACE && y.class != END) return run(t, x.next, y.class, SIZE_MAX);
  return x.class == ER_CHAR_SPACE ? spaces(t, i) : run(t, i, x.class, SIZE_MAX);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t lines(const text *t, size_t i) {
  size_t at = i, last = 0;
  for (look x = look_at(t, at); x.class == ER_CHAR_SPACE; x = look_at(t, at)) {
    at = x.next;
    if (newline(&x)) last = at;
  }
  return last > 0 ? last : spaces(t, i);
}

/* (?i:'(...))|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|... */
static size_t qwen2(const text *t, size_t i, size_t digits) {
  size_t end = contraction(t, i, true);
  look x = look_at(t, i), y;
  if (end > i) return end;
  y = look_at(t, x.next);
  if (x.class == ER_CHAR_LETTER) return run(t, i, ER_CHAR_LETTER, SIZE_MAX);
  if (x.class == ER_CHAR_NUMBER) return run(t, i, ER_CHAR_NUMBER, digits);
  if (y.class == ER_CHAR_LETTER && !newline(&x)) return run(t, x.next, ER_CHAR_LETTER, SIZE_MAX);
  if (x.class != ER_CHAR_OTHER && !(x.c == ' ' && y.class == ER_CHAR_OTHER)) return lines(t, i);
  end = run(t, x.class == ER_CHAR_OTHER ? i : x.next, ER_CHAR_OTHER, SIZE_MAX);
  for (x = look_at(t, end); newline(&x); x = look_at(t, end)) end = x.next;
  return end;
}

/* ---- one after the other ------------------------------------------------------------------------ */

er_splitter er_splitter_of(er_split how, const char *s, size_t n) {
  return (er_splitter){.how = how, .s = s, .n = n};
}

/* Every digit alone, and between two of them as GPT-2, which takes the digit for the end of the text. */
static size_t smollm(er_splitter *p) {
  text t = {p->s, p->n};
  look x = look_at(&t, p->at);
  if (x.class == ER_CHAR_NUMBER) return x.next;
  if (p->digit <= p->at) {
    p->digit = p->at;
    for (; x.class != ER_CHAR_NUMBER && x.class != END; x = look_at(&t, p->digit)) p->digit = x.next;
  }
  t.n = p->digit;
  return gpt2(&t, p->at);
}

int er_splitter_next(er_splitter *p) {
  const text t = {p->s, p->n};
  if (p->at >= p->n) return 0;
  switch (p->how) {
    case ER_SPLIT_GPT2: p->at = gpt2(&t, p->at); break;
    case ER_SPLIT_SMOLLM: p->at = smollm(p); break;
    case ER_SPLIT_QWEN2: p->at = qwen2(&t, p->at, 1); break;
    case ER_SPLIT_LLAMA3: p->at = qwen2(&t, p->at, 3); break;
  }
  return 1;
}

int er_split_of_pattern(const char *pattern) {
  static const struct { const char *pattern; er_split how; } known[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", ER_SPLIT_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
     "\\s+(?!\\S)|\\s+", ER_SPLIT_QWEN2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", ER_SPLIT_LLAMA3}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(pattern, known[i].pattern) == 0) return (int)known[i].how;
  return -1;
}
