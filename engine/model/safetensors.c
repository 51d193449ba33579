/* safetensors.c - reading checkpoints: a header that is checked in whole, then tensors one by one. */

#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/file.h"
#include "model/reader.h"

#define MOST_HEADER 100000000u   /* as the reference implementation */

typedef struct {
  char *name;                    /* owned */
  const er_stored *stored;
  int nd;
  int64_t size[ER_DIMS], count;
  uint64_t from, to;             /* bytes of the data */
} entry;

typedef struct { char *key, *value; size_t value_len; } pair;

struct er_safetensors {
  int fd;
  char *name;
  int64_t data;                  /* where the data begin in the file */
  entry *entries;                /* sorted by name */
  size_t n, cap;
  pair *metadata;
  size_t n_metadata, cap_metadata;
};

/* ---- one entry ------------------------------------------------------------------------------ */

static const char overflow[] = "sizes whose product overflows";

/* The first bytes of a name, so that a message cannot be flooded. */
static int bad(er_reader *r, const entry *e, const char *what) {
  char shown[64];
  return er_reader_fail(r, "tensor '%s': %s", er_reader_show(e->name, strlen(e->name), shown), what);
}

static int read_dtype(er_reader *r, entry *e, er_buf *text) {
  char shown[64];
  if (er_reader_string(r, text) < 0) return -1;
  e->stored = er_stored_of(er_buf_cstr(text), text->len);
  if (e->stored == NULL)
    return er_reader_fail(r, "there is no dtype '%s'", er_reader_show(er_buf_cstr(text), text->len, shown));
  return 0;
}

static int read_shape(er_reader *r, entry *e) {
  int64_t product = 1;           /* of the sizes that are not 0: strides are made of them */
  int rc;
  if (er_reader_list(r) < 0) return -1;
  e->count = 1;
  while ((rc = er_reader_item(r)) > 0) {
    uint64_t n;
    if (er_reader_count(r, &n) < 0) return -1;
    if (e->nd == ER_DIMS) return bad(r, e, "more than 8 dims");
    e->size[e->nd++] = (int64_t)n;
    if (n > 0 && __builtin_mul_overflow(product, (int64_t)n, &product)) return bad(r, e, overflow);
    e->count = n > 0 && e->count > 0 ? product : 0;
  }
  return rc;
}

static int read_offsets(er_reader *r, entry *e) {
  uint64_t *at[] = {&e->from, &e->to};
  int rc, n = 0;
  if (er_reader_list(r) < 0) return -1;
  while ((rc = er_reader_item(r)) > 0) {
    if (n == 2) return bad(r, e, "more than two data_offsets");
    if (er_reader_count(r, at[n++]) < 0) return -1;
  }
  return rc == 0 && n < 2 ? bad(r, e, "data_offsets are two numbers") : rc;
}

/* All three fields once each, and bytes as many as dtype and shape make. */
static int read_entry(er_reader *r, entry *e) {
  static const char *const fields[] = {"dtype", "shape", "data_offsets"};
  er_buf text = {0};
  unsigned seen = 0;
  int rc = 0, field = 0;
  int64_t bytes;
  if (er_reader_object(r) < 0) return -1;
  while (field == 0 && (rc = er_reader_key(r, &text)) > 0) {
    unsigned i = 0;
    while (i < 3 && strcmp(er_buf_cstr(&text), fields[i]) != 0) i++;
    if (i == 3) field = bad(r, e, "a field that is none of dtype, shape and data_offsets");
    else if ((seen & 1u << i) != 0) field = bad(r, e, "a field that comes twice");
    else field = i == 0 ? read_dtype(r, e, &text) : i == 1 ? read_shape(r, e) : read_offsets(r, e);
    seen |= 1u << i;
  }
  er_buf_free(&text);
  if (field < 0 || rc < 0) return -1;
  if (seen != 7) return bad(r, e, "needs dtype, shape and data_offsets");
  if (__builtin_mul_overflow(e->count, (int64_t)e->stored->size, &bytes)) return bad(r, e, overflow);
  if (e->to < e->from || e->to - e->from != (uint64_t)bytes)
    return bad(r, e, "data_offsets that do not fit dtype and shape");
  return 0;
}

/* ---- the header ------------------------------------------------------------------------------- */

static int read_metadata(er_reader *r, er_safetensors *s) {
  er_buf text = {0};
  int rc;
  if (er_reader_object(r) < 0) return -1;
  while ((rc = er_reader_key(r, &text)) > 0) {
    pair *p;
    if (strlen(er_buf_cstr(&text)) != text.len) rc = er_reader_fail(r, "a NUL in a key of __metadata__");
    if (s->n_metadata == s->cap_metadata)
      s->metadata = er_realloc(s->metadata, (s->cap_metadata = s->cap_metadata * 2 + 8) * sizeof *s->metadata);
    p = &s->metadata[s->n_metadata++];
    *p = (pair){.key = er_strdup(er_buf_cstr(&text))};
    if (rc > 0) rc = er_reader_string(r, &text);
    p->value_len = text.len;
    p->value = er_malloc(text.len + 1);
    memcpy(p->value, er_buf_cstr(&text), text.len + 1);
    if (rc < 0) break;
  }
  er_buf_free(&text);
  return rc;
}

static entry *new_entry(er_safetensors *s, const char *name) {
  if (s->n == s->cap) s->entries = er_realloc(s->entries, (s->cap = s->cap * 2 + 16) * sizeof *s->entries);
  s->entries[s->n] = (entry){.name = er_strdup(name)};
  return &s->entries[s->n++];
}

static int read_member(er_reader *r, er_safetensors *s, const er_buf *key, bool *metadata) {
  const char *name = er_buf_cstr(key);
  if (strlen(name) != key->len) return er_reader_fail(r, "a NUL in the name of a tensor");
  if (strcmp(name, "__metadata__") != 0) return read_entry(r, new_entry(s, name));
  if (*metadata) return er_reader_fail(r, "__metadata__ comes twice");
  *metadata = true;
  return read_metadata(r, s);
}

static int read_header(er_safetensors *s, const char *bytes, size_t n, er_err *err) {
  char *name = er_asprintf("%s: header", s->name);
  er_reader r = er_reader_of(bytes, n, name, err);
  er_buf key = {0};
  bool metadata = false;
  int rc = n > 0 && bytes[0] == '{' ? er_reader_object(&r) : er_reader_fail(&r, "it does not begin with '{'");
  while (rc == 0 && (rc = er_reader_key(&r, &key)) > 0) rc = read_member(&r, s, &key, &metadata);
  if (rc == 0) rc = er_reader_end(&r);
  er_buf_free(&key);
  er_free(name);
  return rc;
}

/* ---- all entries together ------------------------------------------------------------------------ */

static int by_offset(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->from != y->from) return x->from < y->from ? -1 : 1;
  if (x->to != y->to) return x->to < y->to ? -1 : 1;
  return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static int by_key(const void *a, const void *b) { return strcmp(((const pair *)a)->key, ((const pair *)b)->key); }

static int misplaced(const er_safetensors *s, const entry *e, const char *what, er_err *err) {
  char shown[64];
  return er_fail(err, "format", "%s: tensor '%s' (bytes %llu to %llu of the data) %s", s->name,
                 er_reader_show(e->name, strlen(e->name), shown), (unsigned long long)e->from,
                 (unsigned long long)e->to, what);
}

/* The tensors lie one behind the other, from the first byte of the data to the last. */
static int check_layout(er_safetensors *s, uint64_t size, er_err *err) {
  uint64_t at = 0;
  if (s->n > 0) qsort(s->entries, s->n, sizeof *s->entries, by_offset);
  for (size_t i = 0; i < s->n; i++) {
    const entry *e = &s->entries[i];
    if (e->to > size) return misplaced(s, e, "reaches beyond the end of the file", err);
    if (e->from < at) return misplaced(s, e, "overlaps another", err);
    if (e->from > at) return misplaced(s, e, "leaves a hole before it", err);
    at = e->to;
  }
  if (at == size) return 0;
  return er_fail(err, "format", "%s: %llu bytes of data belong to no tensor", s->name, (unsigned long long)(size - at));
}

static int check_names(er_safetensors *s, er_err *err) {
  char shown[64];
  if (s->n > 0) qsort(s->entries, s->n, sizeof *s->entries, by_name);
  if (s->n_metadata > 0) qsort(s->metadata, s->n_metadata, sizeof *s->metadata, by_key);
  for (size_t i = 1; i < s->n; i++) {
    const char *name = s->entries[i].name;
    if (strcmp(name, s->entries[i - 1].name) == 0)
      return er_fail(err, "format", "%s: tensor '%s' comes twice", s->name, er_reader_show(name, strlen(name), shown));
  }
  for (size_t i = 1; i < s->n_metadata; i++) {
    const char *key = s->metadata[i].key;
    if (strcmp(key, s->metadata[i - 1].key) == 0)
      return er_fail(err, "format", "%s: '%s' comes twice in __metadata__", s->name,
                     er_reader_show(key, strlen(key), shown));
  }
  return 0;
}

/* ---- opening --------------------------------------------------------------------------------------- */

static int load(er_safetensors *s, er_err *err) {
  int64_t size = er_model_size(s->fd, s->name, err);
  uint64_t n;
  char *header;
  int rc;
  if (size < 0) return -1;
  if (size < 8) return er_fail(err, "format", "%s is no safetensors file: it has %lld bytes", s->name, (long long)size);
  if (er_model_pread(s->fd, s->name, &n, 8, 0, err) < 0) return -1;
  if (n > MOST_HEADER)
    return er_fail(err, "format", "%s is no safetensors file: a header of %llu bytes; %u is the most", s->name,
                   (unsigned long long)n, MOST_HEADER);
  if (n > (uint64_t)size - 8)
    return er_fail(err, "format", "%s: a header of %llu bytes in a file of %lld", s->name, (unsigned long long)n,
                   (long long)size);
  header = er_malloc((size_t)n + 1);
  s->data = 8 + (int64_t)n;
  rc = er_model_pread(s->fd, s->name, header, (size_t)n, 8, err);
  if (rc == 0) rc = read_header(s, header, (size_t)n, err);
  if (rc == 0) rc = check_layout(s, (uint64_t)(size - s->data), err);
  if (rc == 0) rc = check_names(s, err);
  er_free(header);
  return rc;
}

er_safetensors *er_safetensors_open_fd(int fd, const char *name, er_err *err) {
  er_safetensors *s = er_calloc(1, sizeof *s);
  s->fd = fd;
  s->name = er_strdup(name);
  if (load(s, err) == 0) return s;
  er_safetensors_close(s);
  return NULL;
}

er_safetensors *er_safetensors_open(const char *path, er_err *err) {
  int fd = er_model_open(path, ER_NO_LINKS, err);
  return fd < 0 ? NULL : er_safetensors_open_fd(fd, path, err);
}

void er_safetensors_close(er_safetensors *s) {
  if (s == NULL) return;
  for (size_t i = 0; i < s->n; i++) er_free(s->entries[i].name);
  for (size_t i = 0; i < s->n_metadata; i++) {
    er_free(s->metadata[i].key);
    er_free(s->metadata[i].value);
  }
  close(s->fd);
  er_free(s->entries);
  er_free(s->metadata);
  er_free(s->name);
  er_free(s);
}

/* ---- what is in it ------------------------------------------------------------------------------------ */

size_t er_safetensors_count(const er_safetensors *s) { return s->n; }

er_safetensors_entry er_safetensors_at(const er_safetensors *s, size_t i) {
  const entry *e = &s->entries[i];
  er_safetensors_entry out = {.name = e->name, .dtype = e->stored->name, .nd = e->nd, .count = e->count};
  memcpy(out.size, e->size, sizeof out.size);
  return out;
}

int64_t er_safetensors_find(const er_safetensors *s, const char *name) {
  const entry key = {.name = (char *)(uintptr_t)name};
  const entry *e = s->n > 0 ? bsearch(&key, s->entries, s->n, sizeof *s->entries, by_name) : NULL;
  return e != NULL ? e - s->entries : -1;
}

/* The bytes of all tensors lie in the file, so the sum cannot overflow. */
int64_t er_safetensors_numbers(const er_safetensors *s) {
  int64_t sum = 0;
  for (size_t i = 0; i < s->n; i++) sum += s->entries[i].count;
  return sum;
}

int64_t er_safetensors_header(const er_safetensors *s) { return s->data - 8; }

bool er_safetensors_metadata(const er_safetensors *s, size_t i, er_safetensors_text *out) {
  if (i >= s->n_metadata) return false;
  *out = (er_safetensors_text){s->metadata[i].key, s->metadata[i].value, s->metadata[i].value_len};
  return true;
}

er_tensor *er_safetensors_read(er_safetensors *s, size_t i, er_tensors *ts, er_err *err) {
  const entry *e = &s->entries[i];
  er_convert_source from = {.fd = s->fd, .name = s->name, .at = s->data + (int64_t)e->from, .what = e->name};
  return er_convert_read(&from, e->stored, e->nd, e->size, ts, err);
}
