/* tokenizer_json.c - tokenizer.json of Hugging Face: byte-level BPE with the ways of cutting that are known. */

#include <string.h>

#include "model/tokenizer_room.h"

/* Members are read in whatever order they come: each is noted first. */
typedef struct { const char *bytes; size_t n; } part;

/* Notes the members of the object at r; those that are not named are checked and passed over. */
static int parts_of(er_reader *r, const char *const *names, part *out) {
  er_buf key = {0};
  int rc = er_reader_object(r);
  while (rc == 0 && (rc = er_reader_key(r, &key)) > 0) {
    int i = 0;
    part p;
    while (names[i] != NULL && strcmp(names[i], er_buf_cstr(&key)) != 0) i++;
    rc = er_reader_slice(r, &p.bytes, &p.n);
    if (rc == 0 && names[i] != NULL && out[i].bytes != NULL) rc = er_reader_fail(r, "'%s' comes twice", names[i]);
    if (rc == 0 && names[i] != NULL) out[i] = p;
  }
  er_buf_free(&key);
  return rc;
}

/* A reader of a part, whose messages count bytes from the start of the whole text. */
static er_reader inside(const er_reader *whole, const part *p) {
  er_reader r = *whole;
  if (p->bytes == NULL) return r;             /* absent: only good for a message */
  r.p = p->bytes;
  r.end = p->bytes + p->n;
  r.depth = 0;
  return r;
}

static bool absent(const part *p) { return p->bytes == NULL || (p->n == 4 && memcmp(p->bytes, "null", 4) == 0); }

static int bool_of(const er_reader *whole, const part *p, bool *out) {
  er_reader r = inside(whole, p);
  *out = false;
  return p->bytes == NULL ? 0 : er_reader_bool(&r, out);
}

/* The part as a text; one that is absent is "". */
static int text_of(const er_reader *whole, const part *p, er_buf *out) {
  er_reader r = inside(whole, p);
  er_buf_clear(out);
  return absent(p) ? 0 : er_reader_string(&r, out);
}

static int refuse(const er_reader *whole, const part *at, const char *what, const er_buf *name) {
  char shown[64];
  er_reader r = inside(whole, at);
  return er_reader_fail(&r, "%s '%s' is not supported", what, er_reader_show(er_buf_cstr(name), name->len, shown));
}

/* ---- the way of cutting --------------------------------------------------------------------------- */

typedef struct { int split; bool digits, bytes; } cutting;        /* split -1: none yet */

static int byte_level(const er_reader *whole, const part *at, cutting *c) {
  static const char *const names[] = {"add_prefix_space", "use_regex", NULL};
  part parts[2] = {{0}};
  er_reader r = inside(whole, at);
  bool prefix, regex = true;
  if (parts_of(&r, names, parts) < 0 || bool_of(whole, &parts[0], &prefix) < 0) return -1;
  if (parts[1].bytes != NULL && bool_of(whole, &parts[1], &regex) < 0) return -1;
  if (prefix) return er_reader_fail(&r, "add_prefix_space is not supported");
  if (regex && c->split >= 0) return er_reader_fail(&r, "two patterns one after the other are not supported");
  if (regex) c->split = ER_SPLIT_GPT2;
  c->bytes = true;
  return 0;
}

static int split_by(const er_reader *whole, const part *at, cutting *c, er_buf *text) {
  static const char *const names[] = {"pattern", "behavior", "invert", NULL}, *const inner[] = {"Regex", NULL};
  part parts[3] = {{0}}, regex = {0};
  er_reader r = inside(whole, at), pattern;
  bool invert;
  if (parts_of(&r, names, parts) < 0 || bool_of(whole, &parts[2], &invert) < 0) return -1;
  if (parts[0].bytes == NULL) return er_reader_fail(&r, "a Split without a pattern");
  if (text_of(whole, &parts[1], text) < 0) return -1;
  if (invert || strcmp(er_buf_cstr(text), "Isolated") != 0) return refuse(whole, at, "a Split of behavior", text);
  pattern = inside(whole, &parts[0]);
  if (parts_of(&pattern, inner, &regex) < 0 || text_of(whole, &regex, text) < 0) return -1;
  if (c->split >= 0 || (c->split = er_split_of_pattern(er_buf_cstr(text))) < 0)
    return refuse(whole, at, "the pattern", text);
  return 0;
}

static int digits(const er_reader *whole, const part *at, cutting *c) {
  static const char *const names[] = {"individual_digits", NULL};
  part parts[1] = {{0}};
  er_reader r = inside(whole, at);
  bool each;
  if (parts_of(&r, names, parts) < 0 || bool_of(whole, &parts[0], &each) < 0) return -1;
  if (!each || c->split >= 0) return er_reader_fail(&r, "Digits are supported one by one and first");
  c->digits = true;
  return 0;
}

static int pre_tokenizer(const er_reader *whole, const part *at, cutting *c, int depth);

static int sequence(const er_reader *whole, const part *list, cutting *c, int depth) {
  er_reader r = inside(whole, list);
  int rc;
  if (list->bytes == NULL || depth > 2) return er_reader_fail(&r, "a Sequence that is not understood");
  rc = er_reader_list(&r);
  while (rc == 0 && (rc = er_reader_item(&r)) > 0) {
    part p;
    rc = er_reader_slice(&r, &p.bytes, &p.n);
    if (rc == 0) rc = pre_tokenizer(whole, &p, c, depth + 1);
  }
  return rc;
}

static int pre_tokenizer(const er_reader *whole, const part *at, cutting *c, int depth) {
  static const char *const names[] = {"type", "pretokenizers", NULL};
  part parts[2] = {{0}};
  er_buf type = {0};
  er_reader r = inside(whole, at);
  int rc = parts_of(&r, names, parts);
  if (rc == 0) rc = text_of(whole, &parts[0], &type);
  if (rc == 0) {
    const char *s = er_buf_cstr(&type);
    if (strcmp(s, "ByteLevel") == 0) rc = byte_level(whole, at, c);
    else if (strcmp(s, "Split") == 0) rc = split_by(whole, at, c, &type);
    else if (strcmp(s, "Digits") == 0) rc = digits(whole, at, c);
    else if (strcmp(s, "Sequence") == 0) rc = sequence(whole, &parts[1], c, depth);
    else rc = refuse(whole, at, "the pre_tokenizer", &type);
  }
  er_buf_free(&type);
  return rc;
}

static int read_cutting(er_tokenizer *t, er_reader *whole, const part *at) {
  cutting c = {.split = -1};
  if (absent(at)) return er_reader_fail(whole, "a tokenizer without a pre_tokenizer is not supported");
  if (pre_tokenizer(whole, at, &c, 0) < 0) return -1;
  if (!c.bytes || c.split < 0) return er_reader_fail(whole, "a tokenizer that is not byte-level is not supported");
  if (c.digits && c.split != ER_SPLIT_GPT2)
    return er_reader_fail(whole, "Digits before another pattern than GPT-2's are not supported");
  t->split = c.digits ? ER_SPLIT_SMOLLM : (er_split)c.split;
  return 0;
}

/* ---- the model ------------------------------------------------------------------------------------ */

/* A merge is "left right" or ["left", "right"]. */
static int read_merge(er_tokenizer *t, er_reader *r, er_buf *left, er_buf *right) {
  const char *why, *space;
  int rc;
  if (er_reader_peek(r) == '[') {
    if (er_reader_list(r) < 0 || er_reader_item(r) < 0 || er_reader_string(r, left) < 0 || er_reader_item(r) < 0 ||
        er_reader_string(r, right) < 0)
      return -1;
    if ((rc = er_reader_item(r)) != 0) return rc < 0 ? -1 : er_reader_fail(r, "a merge is of two tokens");
    rc = er_tokenizer_read_merge(t, er_buf_cstr(left), left->len, er_buf_cstr(right), right->len, &why);
  } else {
    if (er_reader_string(r, left) < 0) return -1;
    if ((space = strchr(er_buf_cstr(left), ' ')) == NULL) return er_reader_fail(r, "a merge is of two tokens");
    size_t n = (size_t)(space - left->ptr);
    rc = er_tokenizer_read_merge(t, left->ptr, n, space + 1, left->len - n - 1, &why);
  }
  return rc < 0 ? er_reader_fail(r, "a merge %s", why) : 0;
}

static int read_merges(er_tokenizer *t, er_reader r) {
  er_buf left = {0}, right = {0};
  int rc = er_reader_list(&r);
  while (rc == 0 && (rc = er_reader_item(&r)) > 0) rc = read_merge(t, &r, &left, &right);
  er_buf_free(&left);
  er_buf_free(&right);
  return rc;
}

/* Fields that change what BPE does, and are off in all that is supported. */
static int check_plain(er_reader *whole, const part *parts, const char *const *names, int from, int to) {
  er_buf text = {0};
  int rc = 0;
  for (int i = from; rc == 0 && i < to; i++) {
    er_reader r = inside(whole, &parts[i]);
    bool on = false;
    if (absent(&parts[i])) continue;
    if (er_reader_peek(&r) == '"') rc = er_reader_string(&r, &text);
    else rc = er_reader_bool(&r, &on);
    if (rc == 0 && (on || text.len > 0)) rc = er_reader_fail(&r, "%s is not supported", names[i]);
  }
  er_buf_free(&text);
  return rc;
}

static int read_model(er_tokenizer *t, er_reader *whole, const part *at) {
  static const char *const names[] = {"type", "vocab", "merges", "ignore_merges", "byte_fallback", "fuse_unk",
                                      "continuing_subword_prefix", "end_of_word_suffix", "dropout", NULL};
  part parts[9] = {{0}};
  er_buf type = {0};
  er_reader r, vocab;
  int rc;
  if (absent(at)) return er_reader_fail(whole, "it has no model; is it a tokenizer.json?");
  r = inside(whole, at);
  if (parts_of(&r, names, parts) < 0) return -1;
  if ((rc = text_of(whole, &parts[0], &type)) == 0 && type.len > 0 && strcmp(er_buf_cstr(&type), "BPE") != 0)
    rc = refuse(whole, at, "a model of type", &type);
  er_buf_free(&type);
  if (rc < 0 || check_plain(whole, parts, names, 4, 9) < 0 || bool_of(whole, &parts[3], &t->whole_words) < 0) return -1;
  if (parts[1].bytes == NULL || parts[2].bytes == NULL) return er_reader_fail(&r, "a model needs vocab and merges");
  vocab = inside(whole, &parts[1]);
  if (er_tokenizer_read_vocab(t, &vocab) < 0) return -1;
  return read_merges(t, inside(whole, &parts[2]));
}

/* ---- special tokens, normal form ------------------------------------------------------------------- */

static int read_added_one(er_tokenizer *t, er_reader *whole, const part *at, er_buf *text) {
  static const char *const names[] = {"id", "content", "single_word", "lstrip", "rstrip", NULL};
  part parts[5] = {{0}};
  er_reader r = inside(whole, at), id;
  uint64_t number;
  if (parts_of(&r, names, parts) < 0) return -1;
  if (parts[0].bytes == NULL || parts[1].bytes == NULL)
    return er_reader_fail(&r, "an added token needs id and content");
  if (check_plain(whole, parts, names, 2, 5) < 0 || text_of(whole, &parts[1], text) < 0) return -1;
  id = inside(whole, &parts[0]);
  if (er_reader_count(&id, &number) < 0) return -1;
  if (er_tokenizer_add(t, er_buf_cstr(text), text->len, (int64_t)number) < 0)
    return refuse(whole, at, "the id of the added token", text);
  return 0;
}

static int read_added(er_tokenizer *t, er_reader *whole, const part *at) {
  er_reader r = inside(whole, at);
  er_buf text = {0};
  int rc;
  if (absent(at)) return 0;
  rc = er_reader_list(&r);
  while (rc == 0 && (rc = er_reader_item(&r)) > 0) {
    part p;
    rc = er_reader_slice(&r, &p.bytes, &p.n);
    if (rc == 0) rc = read_added_one(t, whole, &p, &text);
  }
  er_buf_free(&text);
  return rc;
}

static int read_normalizer(er_tokenizer *t, er_reader *whole, const part *at) {
  static const char *const names[] = {"type", NULL};
  part type = {0};
  er_reader r = inside(whole, at);
  er_buf text = {0};
  int rc;
  if (absent(at)) return 0;
  if ((rc = parts_of(&r, names, &type)) == 0) rc = text_of(whole, &type, &text);
  if (rc == 0 && !(t->nfc = strcmp(er_buf_cstr(&text), "NFC") == 0)) rc = refuse(whole, at, "the normalizer", &text);
  er_buf_free(&text);
  return rc;
}

int er_tokenizer_read_json(er_tokenizer *t, const char *bytes, size_t n, const char *name, er_err *err) {
  static const char *const names[] = {"model", "added_tokens", "normalizer", "pre_tokenizer", NULL};
  part parts[4] = {{0}};
  er_reader r = er_reader_of(bytes, n, name, err);
  if (parts_of(&r, names, parts) < 0 || er_reader_end(&r) < 0) return -1;
  if (read_model(t, &r, &parts[0]) < 0 || read_cutting(t, &r, &parts[3]) < 0) return -1;
  return read_normalizer(t, &r, &parts[2]) < 0 ? -1 : read_added(t, &r, &parts[1]);
}
