/* kernel.h - what the kernels of the CPU column share.
 * Every file here is compiled several times: ER_ISA names the variant and the
 * compiler's flags choose the instructions; with ER_KERNELS_F64 the same source
 * computes in f64 with plain loops, for tests.  A kernel works on short runs of
 * `real` numbers: er_load hands out a run of a view's elements (in place where they
 * are reals that follow each other, else converted into a buffer), er_store puts one
 * back.  So each formula is written once, for all dtypes and strides. */
#ifndef ER_TENSOR_KERNELS_KERNEL_H
#define ER_TENSOR_KERNELS_KERNEL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tensor/backend.h"

#ifndef ER_ISA
#define ER_ISA plain
#endif
#define ER_PASTE3(a, b, c) a##b##_##c
#define ER_PASTE2(a, b, c) ER_PASTE3(a, b, c)
#define K(name) ER_PASTE2(er_kernel_, ER_ISA, name)

#ifdef ER_KERNELS_F64
typedef double real;
#define ER_REAL ER_F64
#else
typedef float real;
#define ER_REAL ER_F32
#endif

#define ER_KERNEL_PROTOTYPE(result, name, arguments) result K(name) arguments;
ER_BACKEND_ROWS(ER_KERNEL_PROTOTYPE)

#define ER_SIMD _Pragma("omp simd")

enum { ER_RUN = 512 };                      /* elements of a run: a few buffers of them stay in L1 */

/* Slots of er_pool_scratch. */
enum { SLOT_A, SLOT_B, SLOT_C, SLOT_ROW, SLOT_ROW2, SLOT_ROW3, SLOT_BLOCK, SLOT_LIBRARY };

static inline int64_t er_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t er_max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* How many items of `cost` elements make a piece worth handing to another thread. */
static inline int64_t er_grain(int64_t cost) { return cost >= 16384 ? 1 : 16384 / er_max64(cost, 1); }

static inline size_t er_size_of(er_dtype d) {
  return d == ER_F64 ? 8 : d == ER_F32 || d == ER_I32 ? 4 : d == ER_U8 ? 1 : 2;
}

static inline void *er_at(const void *data, er_dtype d, int64_t element) {
  return (char *)data + element * (int64_t)er_size_of(d);
}

static inline float er_from_bf16(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

/* Round to nearest, ties to even; a NaN stays one. */
static inline uint16_t er_to_bf16(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, nan = (u >> 16) | 0x40u;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

/* n elements from p as reals: p itself, or buf. */
const real *K(load)(er_dtype d, const void *p, int64_t stride, int64_t n, real *buf);

/* Converts and stores; a no-op where x already stands there. */
void K(store)(er_dtype d, void *p, int64_t stride, int64_t n, const real *x);

/* Where a run that will be stored can be built: in place if its elements are reals in a row. */
static inline real *er_target(er_dtype d, void *p, int64_t stride, real *buf) {
  return d == ER_REAL && stride == 1 ? p : buf;
}

/* Sums in a fixed order: lanes within a run, runs in f64. */
double K(sum)(const real *x, int64_t n);
double K(dot)(const real *x, const real *y, int64_t n);
real K(max_of)(const real *x, int64_t n);

/* y = exp(x - shift); returns their sum. */
double K(exp_sum)(real *y, const real *x, int64_t n, real shift);

/* y[i] = 0 with probability p, else 1 / (1 - p): element first + i of the draws of key. */
void K(keep)(real *y, int64_t n, double p, er_key key, uint64_t first);

/* Element (i, j) of a matrix stands at p[i * rows + j * cols]. */
typedef struct { er_dtype dtype; const void *p; int64_t rows, cols; } er_matrix;

/* A product by one thread: c[m,n] (row stride ldc) = alpha a b (+ c).  Each element is summed over k in ascending
 * order, whatever m and n, so that pieces of a product are the product's pieces.  Of row i only the columns up to
 * stair + i are wanted: what lies behind may be left as it was (stair n: all are wanted). */
void K(gemm_block)(er_pool *pool, int thread, int64_t m, int64_t n, int64_t k, real alpha, er_matrix a, er_matrix b,
                   bool accumulate, real *c, int64_t ldc, int64_t stair);

/* The pre-activations z to act(z), in place; and act'(z) to slope, unless that is NULL. */
void K(activate)(er_act act, real *z, real *slope, int64_t n);

/* Rows: a view's elements outside its last dim, numbered from 0. */
static inline int64_t er_rows(const er_view *v) {
  int64_t n = 1;
  for (int i = 0; i + 1 < v->nd; i++) n *= v->size[i];
  return n;
}

static inline int64_t er_row_offset(const er_view *v, int64_t row) {
  int64_t at = 0;
  int even = v->nd - 2;                     /* of the dims from here on the rows have one distance */
  while (even > 0 && v->stride[even - 1] == v->stride[even] * v->size[even]) even--;
  if (even == 0) return row * v->stride[v->nd - 2];         /* mostly; and without divisions */
  for (int i = v->nd - 2; i >= 0; i--) {
    at += row % v->size[i] * v->stride[i];
    row /= v->size[i];
  }
  return at;
}

static inline void *er_row(const er_view *v, int64_t row) { return er_at(v->data, v->dtype, er_row_offset(v, row)); }
static inline int64_t er_last(const er_view *v) { return v->nd > 0 ? v->size[v->nd - 1] : 1; }
static inline int64_t er_last_stride(const er_view *v) { return v->nd > 0 ? v->stride[v->nd - 1] : 1; }

/* Row `row` of v as reals. */
static inline const real *er_load_row(const er_view *v, int64_t row, real *buf) {
  return K(load)(v->dtype, er_row(v, row), er_last_stride(v), er_last(v), buf);
}

static inline real *er_row_target(const er_view *v, int64_t row, real *buf) {
  return er_target(v->dtype, er_row(v, row), er_last_stride(v), buf);
}

static inline void er_store_row(const er_view *v, int64_t row, const real *x) {
  K(store)(v->dtype, er_row(v, row), er_last_stride(v), er_last(v), x);
}

static inline real *er_scratch(er_pool *pool, int thread, int slot, int64_t n) {
  return er_pool_scratch(pool, thread, slot, (size_t)er_max64(n, 1) * sizeof(real));
}

#endif
