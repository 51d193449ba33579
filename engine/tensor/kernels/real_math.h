/* real_math.h - the functions that loops over reals call.
 * In f32 they are polynomials without branches, which the compiler vectorises; they
 * are good to one or two units in the last place.  In f64 they are libm's. */
#ifndef ER_TENSOR_KERNELS_REAL_MATH_H
#define ER_TENSOR_KERNELS_REAL_MATH_H

#include "tensor/kernels/kernel.h"

#ifdef ER_KERNELS_F64

static inline real r_exp(real x) { return exp(x); }
static inline real r_log(real x) { return log(x); }
static inline real r_tanh(real x) { return tanh(x); }
static inline real r_erf(real x) { return erf(x); }
static inline real r_sqrt(real x) { return sqrt(x); }
static inline real r_abs(real x) { return fabs(x); }
static inline real r_pow(real x, real y) { return pow(x, y); }
static inline real r_log1p(real x) { return log1p(x); }

#else

static inline float r_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

static inline uint32_t r_uint(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}

static inline float r_abs(float x) { return fabsf(x); }
static inline float r_sqrt(float x) { return sqrtf(x); }

/* 2^k e^r with |r| <= ln(2)/2; 0 below 2^-125.5, inf above the largest number.  Adding 1.5 2^23 rounds to a whole number
 * and leaves it in the low bits; the power is made from 2^(k-1), so that k = 128 has one and k = -126 becomes 0. */
static inline float r_exp(float x) {
  float c = x > 88.8f ? 88.8f : x;
  c = c < -87.4f ? -87.4f : c;
  float t = c * 1.44269504088896341f + 12582912.0f, k = t - 12582912.0f;
  float r = c - k * 0.693359375f;
  r = r + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return (p + p) * r_bits((r_uint(t) + 126u) << 23);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)). */
static inline float r_log(float x) {
  float tiny = x < 1.17549435e-38f ? 8388608.0f : 1.0f, xs = x * tiny;
  uint32_t u = r_uint(xs);
  int32_t e = (int32_t)(u >> 23) - 126;
  float m = r_bits((u & 0x007fffffu) | 0x3f000000u);
  int32_t low = m < 0.707106781186547524f;
  e -= low;
  m = (low ? m + m : m) - 1.0f;
  float z = m * m, p = 7.0376836292e-2f, fe = (float)e - (tiny > 1.0f ? 23.0f : 0.0f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float y = m * z * p + fe * -2.12194440e-4f - 0.5f * z + m + fe * 0.693359375f;
  y = x == 0.0f ? -INFINITY : y;
  y = x < 0.0f ? NAN : y;
  return x > 3.4028234e38f || x != x ? x : y;
}

static inline float r_tanh(float x) {
  float a = r_abs(x), e = r_exp(-2.0f * a), big = (1.0f - e) / (1.0f + e);
  float z = x * x, p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float small = p * z * x + x;
  return a < 0.625f ? small : x < 0.0f ? -big : big;
}

/* A series near 0 (Abramowitz and Stegun 7.1.5), beyond it 1 - erfc by a Chebyshev fit with relative error 1.2e-7. */
static inline float r_erf(float x) {
  float z = r_abs(x), t = 1.0f / (1.0f + 0.5f * z), p = 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  float big = 1.0f - t * r_exp(p - z * z);
  float q = x * x, s = -1.0f / 9360.0f + q * (1.0f / 75600.0f);
  s = s * q + 1.0f / 1320.0f;
  s = s * q - 1.0f / 216.0f;
  s = s * q + 1.0f / 42.0f;
  s = s * q - 0.1f;
  s = s * q + 1.0f / 3.0f;
  float small = 1.12837916709551257f * (x - x * q * s);
  return z < 0.6f ? small : x < 0.0f ? -big : big;
}

static inline float r_pow(float x, float y) { return powf(x, y); }
static inline float r_log1p(float x) { return log1pf(x); }

#endif

/* The inverse of the normal distribution's function, to nine digits (Acklam 2003): a ratio of polynomials in the
 * middle, one in the root of a logarithm in the tails. */
static inline double r_probit(double x) {
  double near = x < 0.5 ? x : 1 - x, q = near - 0.5, r = q * q, t = sqrt(-2 * log(near));
  if (near >= 0.02425) {
    double up = ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.3577518672690) * r -
                 30.66479806614716) * r + 2.506628277459239;
    double low = ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
                  13.28068155288572) * r + 1;
    t = -up * q / low;
  } else {
    double up = ((((-7.784894002430293e-3 * t - 0.3223964580411365) * t - 2.400758277161838) * t - 2.549732539343734) * t +
                 4.374664141464968) * t + 2.938163982698783;
    double low = (((7.784695709041462e-3 * t + 0.3224671290700398) * t + 2.445134137142996) * t + 3.754408661907416) * t + 1;
    t = -up / low;
  }
  return x < 0.5 ? -t : t;
}

static inline real r_sigmoid(real x) {
  real e = r_exp(-r_abs(x)), y = 1 / (1 + e);
  return x < 0 ? e * y : y;
}

/* max(x, 0) + log(1 + e), the log corrected for what 1 + e has lost. */
static inline real r_softplus(real x) {
  real e = r_exp(-r_abs(x)), u = 1 + e, d = u - 1;
  real l = d == 0 ? e : r_log(u) * e / (d == 0 ? 1 : d);
  return (x > 0 ? x : x * 0) + l;
}

static inline real r_silu(real x) { return x * r_sigmoid(x); }
static inline real r_d_silu(real x) {
  real s = r_sigmoid(x);
  return s * (1 + x * (1 - s));
}

#define R_SQRT_HALF ((real)0.70710678118654752440)
#define R_GELU_A ((real)0.79788456080286535588)      /* sqrt(2/pi) */
#define R_GELU_B ((real)0.044715)

/* The normal distribution's function, and its density times sqrt(2 pi).  Its tail is exp(-x^2/2) times a function so tame
 * that a polynomial in t fits it to 2e-8 of its value: one exponential for both. */
#ifdef ER_KERNELS_F64
static inline real r_normal(real x, real *density) {
  *density = exp(-0.5 * x * x);
  return 0.5 * erfc(-x * R_SQRT_HALF);
}
#else
static inline float r_normal(float x, float *density) {
  float t = 1.0f / (1.0f + 0.212132034f * r_abs(x)), p = -0.0647614695f, e = r_exp(-0.5f * x * x), tail;
  p = p * t + 0.242781713f;
  p = p * t - 0.256139328f;
  p = p * t + 0.273860419f;
  p = p * t - 0.0473257096f;
  p = p * t + 0.107463211f;
  p = p * t + 0.0741695278f;
  p = p * t + 0.0853576234f;
  p = p * t + 0.0845940019f;
  tail = p * t * e;
  *density = e;
  return x < 0.0f ? tail : 1.0f - tail;
}
#endif

#define R_DENSITY_0 ((real)0.39894228040143267794)   /* 1/sqrt(2 pi) */

static inline real r_gelu(real x) {
  real density;
  return x * r_normal(x, &density);
}

static inline real r_d_gelu(real x) {
  real density, below = r_normal(x, &density);
  return below + x * R_DENSITY_0 * density;
}

/* (1 + tanh u) / 2 is sigmoid(2 u): one exponential. */
static inline real r_gelu_gate(real x) { return 1 / (1 + r_exp(-2 * R_GELU_A * (x + R_GELU_B * x * x * x))); }
static inline real r_gelu_tanh(real x) { return x * r_gelu_gate(x); }
static inline real r_d_gelu_gate(real x, real g) { return 2 * g * (1 - g) * R_GELU_A * (1 + 3 * R_GELU_B * x * x); }
static inline real r_d_gelu_tanh(real x) {
  real g = r_gelu_gate(x);
  return g + x * r_d_gelu_gate(x, g);
}

#endif
