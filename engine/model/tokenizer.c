/* tokenizer.c - encoding: special tokens first, then normal form, words, byte pairs; and decoding. */

#include "model/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "model/tokenizer_room.h"
#include "model/unicode.h"

#define MOST_FILE (256u << 20)
#define MOST_TEXT ((size_t)1 << 30)        /* normal form C is at most three times as long, and places are 32 bits */
#define MOST_ADDED 4096

static const int32_t bin_magic = 20240328;

/* ---- making ------------------------------------------------------------------------------------ */

static er_tokenizer *new_tokenizer(void) {
  er_tokenizer *t = er_calloc(1, sizeof *t);
  t->end = ER_NO_TOKEN;
  return t;
}

er_tokenizer *er_tokenizer_bytes(void) {
  er_tokenizer *t = new_tokenizer();
  t->bytes = true;
  for (int b = 0; b < 256; b++) {
    char c = (char)b;
    er_vocab_add(&t->vocab, b, &c, 1);
  }
  er_vocab_set_bytes(&t->vocab);
  return t;
}

void er_tokenizer_free(er_tokenizer *t) {
  if (t == NULL) return;
  er_vocab_free(&t->vocab);
  for (size_t i = 0; i < t->n_added; i++) er_free(t->added[i].text);
  er_free(t->added);
  er_free(t);
}

int er_tokenizer_add(er_tokenizer *t, const char *text, size_t n, int64_t id) {
  int32_t known = er_vocab_find(&t->vocab, text, n);
  if (n == 0 || t->n_added == MOST_ADDED || (known != ER_NO_TOKEN && known != id)) return -1;
  if (known == ER_NO_TOKEN && er_vocab_add(&t->vocab, id, text, n) < 0) return -1;
  t->added = er_realloc(t->added, (t->n_added + 1) * sizeof *t->added);
  t->added[t->n_added++] = (er_added){er_strndup(text, n), n, (int32_t)id};
  return 0;
}

/* ---- reading files --------------------------------------------------------------------------------- */

static int longest_first(const void *a, const void *b) {
  const er_added *x = a, *y = b;
  if (x->len != y->len) return x->len > y->len ? -1 : 1;
  return memcmp(x->text, y->text, x->len);
}

/* What must hold of every tokenizer, whoever wrote it. */
static int finish(er_tokenizer *t, const char *name, er_err *err) {
  static const char end[] = "<|endoftext|>";
  int missing = er_vocab_set_bytes(&t->vocab);
  if (missing >= 0) return er_fail(err, "format", "%s: no token stands for the byte 0x%02X", name, (unsigned)missing);
  if (t->n_added > 1) qsort(t->added, t->n_added, sizeof *t->added, longest_first);
  er_vocab_remember(&t->vocab);
  if (t->end == ER_NO_TOKEN) t->end = er_vocab_find(&t->vocab, end, sizeof end - 1);
  return 0;
}

static bool starts(const char *bytes, size_t n) {
  while (n > 0 && (*bytes == ' ' || *bytes == '\n' || *bytes == '\t' || *bytes == '\r')) bytes++, n--;
  return n > 0 && *bytes == '{';
}

er_tokenizer *er_tokenizer_read(const char *bytes, size_t n, const char *merges, size_t merges_len, const char *name,
                                er_err *err) {
  er_tokenizer *t = new_tokenizer();
  int rc;
  if (n >= 4 && memcmp(bytes, &bin_magic, 4) == 0) rc = er_tokenizer_read_bin(t, bytes, n, name, err);
  else if (!starts(bytes, n)) rc = er_fail(err, "format", "%s is no tokenizer: neither JSON nor llm.c's format", name);
  else if (merges != NULL) rc = er_tokenizer_read_pair(t, bytes, n, merges, merges_len, name, err);
  else rc = er_tokenizer_read_json(t, bytes, n, name, err);
  if (rc == 0 && finish(t, name, err) == 0) return t;
  er_tokenizer_free(t);
  return NULL;
}

/* The file itself, or that of a folder that is there; caller frees. */
static char *find_file(const char *path) {
  static const char *const names[] = {"tokenizer.json", "vocab.json", "gpt2_tokenizer.bin"};
  if (!er_path_is_dir(path)) return er_strdup(path);
  for (size_t i = 0; i < 3; i++) {
    char *file = er_path_join(path, names[i]);
    if (er_path_exists(file)) return file;
    er_free(file);
  }
  return er_path_join(path, names[0]);
}

/* A vocab.json is known by its name or by the merges.txt beside it. */
static char *find_merges(const char *file) {
  char *dir = er_path_dir(file), *merges = er_path_join(dir, "merges.txt");
  const char *base = er_path_base(file);
  bool wanted = strcmp(base, "vocab.json") == 0 || (strcmp(base, "tokenizer.json") != 0 && er_path_exists(merges));
  er_free(dir);
  if (wanted) return merges;
  er_free(merges);
  return NULL;
}

er_tokenizer *er_tokenizer_open(const char *path, er_err *err) {
  char *file = find_file(path), *merges = find_merges(file);
  er_buf bytes = {0}, pairs = {0};
  er_tokenizer *t = NULL;
  if (er_file_read(file, MOST_FILE, &bytes, err) == 0 &&
      (merges == NULL || er_file_read(merges, MOST_FILE, &pairs, err) == 0))
    t = er_tokenizer_read(er_buf_cstr(&bytes), bytes.len, merges != NULL ? er_buf_cstr(&pairs) : NULL, pairs.len, file,
                          err);
  er_buf_free(&bytes);
  er_buf_free(&pairs);
  er_free(file);
  er_free(merges);
  return t;
}

int32_t er_tokenizer_size(const er_tokenizer *t) { return t->vocab.n; }
int32_t er_tokenizer_end(const er_tokenizer *t) { return t->end; }

int32_t er_tokenizer_id(const er_tokenizer *t, const char *token, size_t n) {
  return er_vocab_find(&t->vocab, token, n);
}

/* ---- encoding ------------------------------------------------------------------------------------------ */

static void add_id(er_buf *ids, int32_t id) { er_buf_add(ids, &id, sizeof id); }

static void encode_word(er_tokenizer *t, const char *word, size_t n, er_buf *ids) {
  int32_t whole = t->whole_words ? er_vocab_find(&t->vocab, word, n) : ER_NO_TOKEN;
  if (whole != ER_NO_TOKEN) add_id(ids, whole);
  else er_bpe(&t->vocab, word, n, ids);
}

static void encode_words(er_tokenizer *t, const char *s, size_t n, er_buf *ids) {
  er_splitter p = er_splitter_of(t->split, s, n);
  for (size_t from = 0; er_splitter_next(&p); from = p.at) encode_word(t, s + from, p.at - from, ids);
}

/* A stretch without special tokens. */
static void encode_plain(er_tokenizer *t, const char *s, size_t n, er_buf *ids) {
  er_buf normal = {0};
  if (n == 0) return;
  if (t->bytes) {
    for (size_t i = 0; i < n; i++) add_id(ids, (unsigned char)s[i]);
  } else if (t->nfc) {
    er_nfc(&normal, s, n);
    encode_words(t, er_buf_cstr(&normal), normal.len, ids);
  } else {
    encode_words(t, s, n, ids);
  }
  er_buf_free(&normal);
}

/* The longest special token that the text begins with. */
static const er_added *added_at(const er_tokenizer *t, const char *s, size_t n) {
  for (size_t i = 0; i < t->n_added; i++)
    if (t->added[i].len <= n && memcmp(t->added[i].text, s, t->added[i].len) == 0) return &t->added[i];
  return NULL;
}

/* Which bytes a special token may begin with: few, so most of a text is passed over fast. */
static void first_bytes(const er_tokenizer *t, bool first[256]) {
  memset(first, 0, 256 * sizeof *first);
  for (size_t i = 0; i < t->n_added; i++) first[(unsigned char)t->added[i].text[0]] = true;
}

int er_tokenizer_encode(er_tokenizer *t, const char *s, size_t n, bool special, er_buf *ids, er_err *err) {
  bool first[256];
  size_t from = 0;
  if (n > MOST_TEXT) return er_fail(err, "EFBIG", "a text of %zu bytes; at most %zu are encoded at once", n, MOST_TEXT);
  first_bytes(t, first);
  for (size_t i = 0; special && i < n;) {
    const er_added *a = first[(unsigned char)s[i]] ? added_at(t, s + i, n - i) : NULL;
    if (a == NULL) {
      i++;
      continue;
    }
    encode_plain(t, s + from, i - from, ids);
    add_id(ids, a->id);
    from = i += a->len;
  }
  encode_plain(t, s + from, n - from, ids);
  return 0;
}

int er_tokenizer_decode(const er_tokenizer *t, const int32_t *ids, size_t n, er_buf *out, er_err *err) {
  for (size_t i = 0; i < n; i++) {
    size_t len;
    const char *bytes = er_vocab_bytes(&t->vocab, ids[i], &len);
    if (bytes == NULL)
      return er_fail(err, "range", "id %zu of %zu is %d, and there is no such token; ids are below %d", i + 1, n,
                     (int)ids[i], (int)t->vocab.n);
    er_buf_add(out, bytes, len);
  }
  return 0;
}
