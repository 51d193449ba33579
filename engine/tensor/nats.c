/* nats.c - the cross-entropy of rows of f32 in f64 throughout: for scores, not for training. */

#include <math.h>
#include <string.h>

#include "tensor/ops.h"

enum { LANES = 4 };

/* The compiler makes of them what the instruction set has. */
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef uint64_t words __attribute__((vector_size(8 * LANES)));

/* *sum += exp(d) for numbers from -700 to 0, each within 2 units in the last place: 2^k by its bits, times the series
 * of the rest. */
static inline __attribute__((always_inline)) void add_exp(doubles *sum, const doubles *d) {
  static const double over[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1};
  doubles k = *d * 0x1.71547652b82fep0 + 0x1.8p52;       /* the whole number nearest, in the last bits */
  words bits = ((words)k + 1023) << 52;
  k -= 0x1.8p52;
  doubles r = (*d - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33, y = r * over[0] + over[1];
  for (size_t t = 2; t < sizeof over / sizeof *over; t++) y = y * r + over[t];
  *sum += y * (doubles)bits;
}

static inline __attribute__((always_inline)) double exp_sum(const float *x, int64_t n, double most) {
  doubles sum = {0}, least = sum - 700;
  double total = 0;
  for (int64_t at = 0; at < n; at += LANES) {
    floats part;
    int left = n - at < LANES ? (int)(n - at) : LANES;
    if (left < LANES)
      for (int i = 0; i < LANES; i++) part[i] = -INFINITY;
    memcpy(&part, x + at, (size_t)left * sizeof *x);
    doubles d = __builtin_convertvector(part, doubles) - most;
    words far = (words)(d < least);
    d = (doubles)(((words)d & ~far) | ((words)least & far));
    add_exp(&sum, &d);
  }
  for (int i = 0; i < LANES; i++) total += sum[i];
  return total;
}

#if defined(__x86_64__)
static __attribute__((target("avx2,fma"))) double exp_sum_avx2(const float *x, int64_t n, double most) {
  return exp_sum(x, n, most);
}
static double best_exp_sum(const float *x, int64_t n, double most) {
  bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return wide ? exp_sum_avx2(x, n, most) : exp_sum(x, n, most);
}
#else
static double best_exp_sum(const float *x, int64_t n, double most) { return exp_sum(x, n, most); }
#endif

double er_row_nats(const float *x, int64_t n, int32_t target) {
  float most = x[0];
  for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
  /* In this order: beside logits of 1e17 the logarithm alone would be lost, and any loss be 0. */
  return log(best_exp_sum(x, n, (double)most)) + ((double)most - (double)x[target]);
}
