/* convert.c - numbers as files hold them, turned into those that tensors hold. */

#include "model/convert.h"

#include <math.h>
#include <string.h>

#include "model/file.h"
#include "model/reader.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the formats of engine/model are little-endian, and so must the machine be"
#endif

enum { PIECE = 8192 };           /* numbers converted at a time */

static const er_stored table[] = {
  {"F64", 8, ER_F32, ER_STORED_F64},    {"F32", 4, ER_F32, ER_STORED_F32},   {"F16", 2, ER_F32, ER_STORED_F16},
  {"BF16", 2, ER_BF16, ER_STORED_BF16}, {"I64", 8, ER_I32, ER_STORED_I64},   {"I32", 4, ER_I32, ER_STORED_I32},
  {"I16", 2, ER_I32, ER_STORED_I16},    {"I8", 1, ER_I32, ER_STORED_I8},     {"U64", 8, ER_I32, ER_STORED_U64},
  {"U32", 4, ER_I32, ER_STORED_U32},    {"U16", 2, ER_U16, ER_STORED_U16},   {"U8", 1, ER_U8, ER_STORED_U8},
  {"BOOL", 1, ER_U8, ER_STORED_BOOL},   {"F8_E4M3", 1, -1, ER_STORED_F8_E4M3}, {"F8_E5M2", 1, -1, ER_STORED_F8_E5M2},
};

const er_stored *er_stored_of(const char *name, size_t n) {
  for (size_t i = 0; i < ER_STORED_DTYPES; i++)
    if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0) return &table[i];
  return NULL;
}

const er_stored *er_stored_for(er_dtype d) {
  static const er_stored_dtype as[ER_DTYPES] = {
    [ER_F32] = ER_STORED_F32, [ER_BF16] = ER_STORED_BF16, [ER_I32] = ER_STORED_I32,
    [ER_U16] = ER_STORED_U16, [ER_U8] = ER_STORED_U8,     [ER_F64] = ER_STORED_F64};
  return &table[as[d]];
}

/* ---- one number ------------------------------------------------------------------------------ */

static float from_half(uint16_t h) {
  uint32_t exponent = h >> 10 & 31, fraction = h & 1023u;
  float x;
  if (exponent == 31) x = fraction != 0 ? NAN : INFINITY;
  else if (exponent == 0) x = ldexpf((float)fraction, -24);
  else x = ldexpf((float)(fraction + 1024), (int)exponent - 25);
  return (h & 0x8000) != 0 ? -x : x;
}

static float real_at(er_stored_dtype d, const unsigned char *p) {
  double wide;
  uint16_t half;
  if (d == ER_STORED_F16) return memcpy(&half, p, 2), from_half(half);
  memcpy(&wide, p, 8);
  return (float)wide;
}

/* False where it is no int32. */
static bool whole_at(er_stored_dtype d, const unsigned char *p, int32_t *out) {
  int64_t i64 = 0;
  uint64_t u64 = 0;
  uint32_t u32 = 0;
  int16_t i16 = 0;
  switch (d) {
    case ER_STORED_I8: i64 = (int8_t)*p; break;
    case ER_STORED_I16: memcpy(&i16, p, 2), i64 = i16; break;
    case ER_STORED_U32: memcpy(&u32, p, 4), i64 = u32; break;
    case ER_STORED_U64: memcpy(&u64, p, 8), i64 = u64 > INT32_MAX ? INT64_MAX : (int64_t)u64; break;
    default: memcpy(&i64, p, 8); break;
  }
  *out = (int32_t)i64;
  return i64 >= INT32_MIN && i64 <= INT32_MAX;
}

/* ---- a tensor of them --------------------------------------------------------------------------- */

static int refuse(const er_convert_source *from, const er_stored *s, const char *code, const char *why, er_err *err) {
  char shown[64];
  return er_fail(err, code, "%s: tensor '%s' of dtype %s %s", from->name,
                 er_reader_show(from->what, strlen(from->what), shown), s->name, why);
}

static int convert(const er_convert_source *from, const er_stored *s, const unsigned char *p, int64_t n, void *out,
                   er_err *err) {
  for (int64_t i = 0; i < n; i++, p += s->size) {
    if (s->dtype == ER_STORED_BOOL) ((uint8_t *)out)[i] = *p != 0;
    else if (s->becomes == ER_F32) ((float *)out)[i] = real_at(s->dtype, p);
    else if (!whole_at(s->dtype, p, (int32_t *)out + i))
      return refuse(from, s, "range", "holds a number that is no 32-bit integer", err);
  }
  return 0;
}

static int read_pieces(const er_convert_source *from, const er_stored *s, int64_t count, char *out, size_t wide,
                       er_err *err) {
  unsigned char piece[PIECE * 8];
  for (int64_t done = 0; done < count; done += PIECE) {
    int64_t n = count - done < PIECE ? count - done : PIECE;
    if (er_model_pread(from->fd, from->name, piece, (size_t)n * s->size, from->at + done * (int64_t)s->size, err) < 0 ||
        convert(from, s, piece, n, out + (size_t)done * wide, err) < 0)
      return -1;
  }
  return 0;
}

er_tensor *er_convert_read(const er_convert_source *from, const er_stored *stored, int nd, const int64_t *size,
                           er_tensors *ts, er_err *err) {
  er_tensor *t;
  int rc;
  if (stored->becomes < 0) return refuse(from, stored, "dtype", "cannot be read; store it as F32 or BF16", err), NULL;
  t = er_tensor_empty(ts, (er_dtype)stored->becomes, nd, size, err);
  if (t == NULL) return NULL;
  if (er_stored_for((er_dtype)stored->becomes) == stored)
    rc = er_model_pread(from->fd, from->name, er_tensor_view_of(t)->data, er_tensor_bytes(t), from->at, err);
  else
    rc = read_pieces(from, stored, er_tensor_count(t), er_tensor_view_of(t)->data,
                     er_dtype_size((er_dtype)stored->becomes), err);
  if (rc == 0) return t;
  er_tensor_unref(t);
  return NULL;
}
