/* safetensors_save.c - writing checkpoints: the widest dtypes first, names in order, replaced as a whole. */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/newfile.h"
#include "base/text.h"
#include "model/convert.h"
#include "model/reader.h"
#include "model/safetensors.h"

static const er_stored *stored_of(const er_named_tensor *x) { return er_stored_for(er_tensor_view_of(x->t)->dtype); }

/* By width first, so that every tensor begins at a multiple of its own. */
static int in_file(const void *a, const void *b) {
  const er_named_tensor *x = a, *y = b;
  size_t wide_x = stored_of(x)->size, wide_y = stored_of(y)->size;
  return wide_x != wide_y ? (wide_x > wide_y ? -1 : 1) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const er_named_tensor *)a)->name, ((const er_named_tensor *)b)->name);
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const er_safetensors_text *)a)->key, ((const er_safetensors_text *)b)->key);
}

/* ---- what can be said in the format ------------------------------------------------------------ */

static int check_text(const char *path, const char *what, const char *s, size_t n, er_err *err) {
  char shown[64];
  if (er_utf8_valid(s, n)) return 0;
  return er_fail(err, "EINVAL", "cannot write %s: %s '%s' is no UTF-8", path, what, er_reader_show(s, n, shown));
}

/* list is sorted by name. */
static int check_names(const char *path, const er_named_tensor *list, size_t n, er_err *err) {
  for (size_t i = 0; i < n; i++) {
    const char *name = list[i].name;
    if (check_text(path, "the name", name, strlen(name), err) < 0) return -1;
    if (strcmp(name, "__metadata__") == 0)
      return er_fail(err, "EINVAL", "cannot write %s: no tensor can be named __metadata__", path);
    if (i > 0 && strcmp(name, list[i - 1].name) == 0)
      return er_fail(err, "EINVAL", "cannot write %s: two tensors are named '%.60s'", path, name);
  }
  return 0;
}

static int check_metadata(const char *path, const er_safetensors_text *list, size_t n, er_err *err) {
  for (size_t i = 0; i < n; i++) {
    if (check_text(path, "the key", list[i].key, strlen(list[i].key), err) < 0 ||
        check_text(path, "the value of a key,", list[i].value, list[i].value_len, err) < 0)
      return -1;
    if (i > 0 && strcmp(list[i].key, list[i - 1].key) == 0)
      return er_fail(err, "EINVAL", "cannot write %s: the key '%.60s' comes twice", path, list[i].key);
  }
  return 0;
}

/* ---- the header ----------------------------------------------------------------------------------- */

static void add_metadata(er_buf *out, const er_safetensors_text *list, size_t n) {
  if (n == 0) return;
  er_buf_str(out, "\"__metadata__\":{");
  for (size_t i = 0; i < n; i++) {
    if (i > 0) er_buf_char(out, ',');
    er_text_quote(out, list[i].key, strlen(list[i].key));
    er_buf_char(out, ':');
    er_text_quote(out, list[i].value, list[i].value_len);
  }
  er_buf_char(out, '}');
}

static void add_entry(er_buf *out, const er_named_tensor *x, uint64_t *at) {
  const er_view *v = er_tensor_view_of(x->t);
  uint64_t end = *at + er_tensor_bytes(x->t);
  if (out->ptr[out->len - 1] != '{') er_buf_char(out, ',');
  er_text_quote(out, x->name, strlen(x->name));
  er_buf_fmt(out, ":{\"dtype\":\"%s\",\"shape\":[", stored_of(x)->name);
  for (int i = 0; i < v->nd; i++) er_buf_fmt(out, i > 0 ? ",%lld" : "%lld", (long long)v->size[i]);
  er_buf_fmt(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)*at, (unsigned long long)end);
  *at = end;
}

/* The length and the header, padded so that the data begin at a multiple of 8. */
static void make_header(er_buf *out, const er_named_tensor *list, size_t n, const er_safetensors_text *metadata,
                        size_t n_metadata) {
  uint64_t at = 0, len;
  er_buf_add(out, "\0\0\0\0\0\0\0", 8);
  er_buf_char(out, '{');
  add_metadata(out, metadata, n_metadata);
  for (size_t i = 0; i < n; i++) add_entry(out, &list[i], &at);
  er_buf_char(out, '}');
  while (out->len % 8 != 0) er_buf_char(out, ' ');
  len = out->len - 8;
  memcpy(out->ptr, &len, 8);
}

/* ---- the file --------------------------------------------------------------------------------------- */

static int write_tensor(er_new_file *f, er_tensor *t, er_err *err) {
  er_tensors *ts = er_tensor_home(t);
  bool grad = er_tensors_set_grad(ts, false);
  er_tensor *packed = er_tensor_contiguous_of(t, err);
  int rc;
  er_tensors_set_grad(ts, grad);
  if (packed == NULL) return -1;
  rc = er_new_file_write(f, er_tensor_view_of(packed)->data, er_tensor_bytes(packed), err);
  er_tensor_unref(packed);
  return rc;
}

static int write_all(const char *path, const er_named_tensor *list, size_t n, const er_buf *header, er_err *err) {
  er_new_file f;
  int rc = er_new_file_open(&f, path, err);
  if (rc == 0) rc = er_new_file_write(&f, header->ptr, header->len, err);
  for (size_t i = 0; rc == 0 && i < n; i++) rc = write_tensor(&f, list[i].t, err);
  if (rc == 0) return er_new_file_done(&f, err);
  er_new_file_drop(&f);
  return -1;
}

static void *sorted(const void *list, size_t n, size_t size, int (*order)(const void *, const void *)) {
  void *copy = er_malloc(n * size + 1);
  if (n == 0) return copy;
  memcpy(copy, list, n * size);
  qsort(copy, n, size, order);
  return copy;
}

int er_safetensors_save(const char *path, const er_named_tensor *list, size_t n, const er_safetensors_text *metadata,
                        size_t n_metadata, er_err *err) {
  er_named_tensor *tensors = sorted(list, n, sizeof *list, by_name);
  er_safetensors_text *texts = sorted(metadata, n_metadata, sizeof *metadata, by_key);
  er_buf header = {0};
  int rc = check_names(path, tensors, n, err);
  if (rc == 0) rc = check_metadata(path, texts, n_metadata, err);
  if (rc == 0) {
    if (n > 0) qsort(tensors, n, sizeof *tensors, in_file);
    make_header(&header, tensors, n, texts, n_metadata);
    rc = write_all(path, tensors, n, &header, err);
  }
  er_buf_free(&header);
  er_free(tensors);
  er_free(texts);
  return rc;
}
