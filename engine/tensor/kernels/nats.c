/* nats.c - the cross-entropy of rows of logits in f64 throughout: for scores, not for training. */

#include "tensor/kernels/kernel.h"

enum { LANES = 16 };

typedef struct { er_pool *pool; const er_view *x; const int32_t *target; double *out; } job;

#ifdef ER_KERNELS_F64
static inline double e_to(double d) { return exp(d); }
#else
/* exp(d) for numbers from -700 to 0: 2^k e^r with |r| <= ln(2)/2.  Adding 1.5 2^52 rounds to a whole number and leaves it
 * in the low bits; k is added to the exponent of e^r, a Chebyshev fit with relative error 3.4e-16. */
static inline double e_to(double d) {
  double t = d * 0x1.71547652b82fep0 + 0x1.8p52, k = t - 0x1.8p52;
  double r = (d - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33, y = 0x1.28a2ca617b969p-22;
  uint64_t bits, power;
  y = y * r + 0x1.72fafebdaf273p-19;
  y = y * r + 0x1.a019a6611cad5p-16;
  y = y * r + 0x1.a01978b8b3d18p-13;
  y = y * r + 0x1.6c16c17f46982p-10;
  y = y * r + 0x1.1111112ddae8bp-7;
  y = y * r + 0x1.55555555520a4p-5;
  y = y * r + 0x1.555555554b736p-3;
  y = y * r + 0x1.0000000000005p-1;
  y = y * r + 0x1.000000000001ep+0;
  y = y * r + 1;
  memcpy(&bits, &y, 8);
  memcpy(&power, &t, 8);
  bits += power << 52;
  memcpy(&y, &bits, 8);
  return y;
}
#endif

static inline double term(real x, double most) {
  double d = (double)x - most;
  return e_to(d > -700 ? d : -700);
}

/* The sum of exp(x - most), in lanes whose number does not depend on the instructions. */
static double exp_sum(const real *x, int64_t n, double most) {
  double lane[LANES] = {0}, total = 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    ER_SIMD for (int l = 0; l < LANES; l++) lane[l] += term(x[i + l], most);
  }
  for (int l = 0; i + l < n; l++) lane[l] += term(x[i + l], most);
  for (int l = 0; l < LANES; l++) total += lane[l];
  return total;
}

/* The largest number; a NaN where one is not finite: such a number alone times 0 is not 0. */
static double most_of(const real *x, int64_t n) {
  real lane[LANES], zero[LANES] = {0}, most = x[0], sum = 0;
  int64_t i = 0;
  for (int l = 0; l < LANES; l++) lane[l] = x[0];
  for (; i + LANES <= n; i += LANES) {
    ER_SIMD for (int l = 0; l < LANES; l++) {
      lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
      zero[l] += x[i + l] * 0;
    }
  }
  for (int l = 0; i < n; i++, l++) {
    lane[l] = x[i] > lane[l] ? x[i] : lane[l];
    zero[l] += x[i] * 0;
  }
  for (int l = 0; l < LANES; l++) {
    most = lane[l] > most ? lane[l] : most;
    sum += zero[l];
  }
  return sum == 0 ? (double)most : (double)NAN;
}

static void nats_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const job *j = ctx;
  int64_t n = er_last(j->x);
  real *buf = er_scratch(j->pool, thread, SLOT_ROW, n);
  for (int64_t i = lo; i < hi; i++) {
    const real *x = er_load_row(j->x, i, buf);
    double most = most_of(x, n);
    /* In this order: beside logits of 1e17 the logarithm alone would be lost, and any loss be 0. */
    j->out[i] = isnan(most) ? most : log(exp_sum(x, n, most)) + (most - (double)x[j->target[i]]);
  }
}

void K(nats)(er_pool *pool, double *out, const er_view *x, const int32_t *target) {
  job j = {pool, x, target, out};
  er_pool_run(pool, er_rows(x), er_grain(er_last(x) * 4), nats_body, &j);
}
