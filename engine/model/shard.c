/* shard.c - llm.c's token files: rows of batches read at offsets, and whole files written. */

#include "model/shard.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/newfile.h"
#include "model/file.h"

enum { MAGIC = 20240520, VERSION = 1, HEADER_INTS = 256, HEADER = HEADER_INTS * 4, PIECE = 16384 };

struct er_shard {
  int fd;
  char *name;
  int64_t count;
};

/* ---- opening ------------------------------------------------------------------------------ */

static int check_header(er_shard *s, const int32_t *h, int64_t size, er_err *err) {
  if (h[0] != MAGIC)
    return er_fail(err, "format", "%s is no shard of tokens: it begins with %d, not %d", s->name, h[0], MAGIC);
  if (h[1] != VERSION)
    return er_fail(err, "format", "%s is a shard of version %d; only %d, two bytes a token, is read", s->name, h[1],
                   VERSION);
  s->count = h[2];
  if (h[2] < 0 || (size - HEADER) / 2 != h[2] || size % 2 != 0)
    return er_fail(err, h[2] >= 0 && (size - HEADER) / 2 < h[2] ? "truncated" : "format",
                   "%s: the header says %d tokens, and the file holds %lld bytes of them", s->name, h[2],
                   (long long)(size - HEADER));
  return 0;
}

static int load(er_shard *s, er_err *err) {
  int32_t header[HEADER_INTS];
  int64_t size = er_model_size(s->fd, s->name, err);
  if (size < 0) return -1;
  if (size < HEADER)
    return er_fail(err, "format", "%s is no shard of tokens: %lld bytes are less than its header", s->name,
                   (long long)size);
  if (er_model_pread(s->fd, s->name, header, sizeof header, 0, err) < 0) return -1;
  return check_header(s, header, size, err);
}

er_shard *er_shard_open_fd(int fd, const char *name, er_err *err) {
  er_shard *s = er_calloc(1, sizeof *s);
  s->fd = fd;
  s->name = er_strdup(name);
  if (load(s, err) == 0) return s;
  er_shard_close(s);
  return NULL;
}

er_shard *er_shard_open(const char *path, er_err *err) {
  int fd = er_model_open(path, ER_LINKS, err);
  return fd < 0 ? NULL : er_shard_open_fd(fd, path, err);
}

void er_shard_close(er_shard *s) {
  if (s == NULL) return;
  close(s->fd);
  er_free(s->name);
  er_free(s);
}

int64_t er_shard_count(const er_shard *s) { return s->count; }

/* ---- reading ------------------------------------------------------------------------------- */

/* n ids from `at` on, checked against the shard's end and the vocabulary. */
static int read_ids(er_shard *s, int64_t at, int64_t n, int64_t vocab, uint16_t *out, er_err *err) {
  if (at < 0 || n < 0 || at > s->count || n > s->count - at)
    return er_fail(err, "range", "%s has %lld tokens; %lld from %lld on were asked for", s->name, (long long)s->count,
                   (long long)n, (long long)at);
  if (er_model_pread(s->fd, s->name, out, (size_t)n * 2, HEADER + at * 2, err) < 0) return -1;
  for (int64_t i = 0; vocab > 0 && i < n; i++)
    if (out[i] >= vocab)
      return er_fail(err, "range", "%s: token %lld (byte %lld) is %d, not below the vocabulary of %lld", s->name,
                     (long long)(at + i), (long long)(HEADER + (at + i) * 2), out[i], (long long)vocab);
  return 0;
}

int er_shard_row(er_shard *s, int64_t at, int64_t length, int64_t vocab, int32_t *inputs, int32_t *targets,
                 er_err *err) {
  uint16_t small[2049], *ids = length < 2049 ? small : er_malloc(((size_t)length + 1) * sizeof *ids);
  int rc = read_ids(s, at, length + 1, vocab, ids, err);
  for (int64_t i = 0; rc == 0 && i < length; i++) {
    inputs[i] = ids[i];
    targets[i] = ids[i + 1];
  }
  if (ids != small) er_free(ids);
  return rc;
}

er_tensor *er_shard_read(er_shard *s, int64_t at, int64_t n, int64_t vocab, er_tensors *ts, er_err *err) {
  er_tensor *t = er_tensor_empty(ts, ER_U16, 1, &n, err);
  if (t == NULL || read_ids(s, at, n, vocab, er_tensor_view_of(t)->data, err) == 0) return t;
  er_tensor_unref(t);
  return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int64_t id_at(const er_view *v, int64_t i) {
  switch (v->dtype) {
    case ER_I32: return ((const int32_t *)v->data)[i * v->stride[0]];
    case ER_U16: return ((const uint16_t *)v->data)[i * v->stride[0]];
    default: return ((const uint8_t *)v->data)[i * v->stride[0]];
  }
}

static int write_piece(er_new_file *f, const er_view *v, int64_t from, int64_t n, er_err *err) {
  uint16_t piece[PIECE];
  for (int64_t i = 0; i < n; i++) {
    int64_t id = id_at(v, from + i);
    if (id < 0 || id > UINT16_MAX)
      return er_fail(err, "range", "cannot write %s: token %lld is %lld, and a shard holds 0 to 65535", f->path,
                     (long long)(from + i), (long long)id);
    piece[i] = (uint16_t)id;
  }
  return er_new_file_write(f, piece, (size_t)n * 2, err);
}

static int write_ids(er_new_file *f, const er_view *v, er_err *err) {
  int32_t header[HEADER_INTS] = {MAGIC, VERSION, (int32_t)v->size[0]};
  int rc = er_new_file_write(f, header, sizeof header, err);
  for (int64_t at = 0; rc == 0 && at < v->size[0]; at += PIECE)
    rc = write_piece(f, v, at, v->size[0] - at < PIECE ? v->size[0] - at : PIECE, err);
  return rc;
}

static int refuse_shape(const char *path, const er_tensor *ids, er_err *err) {
  er_buf what = {0};
  er_tensor_describe(&what, ids);
  er_fail(err, "EINVAL", "cannot write %s: a shard is made of one row of whole numbers (u8, u16 or i32), not of %s",
          path, er_buf_cstr(&what));
  er_buf_free(&what);
  return -1;
}

int er_shard_write(const char *path, er_tensor *ids, er_err *err) {
  const er_view *v = er_tensor_view_of(ids);
  er_new_file f;
  if (v->nd != 1 || er_dtype_is_float(v->dtype) || v->size[0] > INT32_MAX)
    return refuse_shape(path, ids, err);
  if (er_new_file_open(&f, path, err) < 0) return -1;
  if (write_ids(&f, v, err) == 0) return er_new_file_done(&f, err);
  er_new_file_drop(&f);
  return -1;
}

/* ---- drawing ---------------------------------------------------------------------------------- */

static void round_of(uint32_t c[4], uint32_t k0, uint32_t k1) {
  uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
  uint32_t c1 = c[1], c3 = c[3];
  c[0] = (uint32_t)(b >> 32) ^ c1 ^ k0;
  c[1] = (uint32_t)b;
  c[2] = (uint32_t)(a >> 32) ^ c3 ^ k1;
  c[3] = (uint32_t)a;
}

int64_t er_shard_draw(uint64_t seed, uint64_t index, int64_t n) {
  uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0}, k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) round_of(c, k0, k1);
  return (int64_t)((unsigned __int128)((uint64_t)c[1] << 32 | c[0]) * (uint64_t)n >> 64);
}
