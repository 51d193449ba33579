/* random.c - Philox 4x32-10 (Salmon et al. 2011): element i of a call is a function of seed, call and i. */

#include "tensor/kernels/kernel.h"
#include "tensor/kernels/real_math.h"

enum { BLOCKS = ER_RUN / 4 };                /* four numbers a block */

typedef struct {
  const er_view *out, *x;
  er_rand kind;
  er_key key;
  double a, b;
  int64_t n;
} draw;

/* The words of n blocks from `first` on: word w of block j is word[w][j]. */
static void philox(uint32_t word[4][BLOCKS], er_key key, uint64_t first, int n) {
  for (int j = 0; j < n; j++) {
    uint64_t at = first + (uint64_t)j;
    word[0][j] = (uint32_t)at;
    word[1][j] = (uint32_t)(at >> 32);
    word[2][j] = (uint32_t)key.call;
    word[3][j] = (uint32_t)(key.call >> 32);
  }
  uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    ER_SIMD for (int j = 0; j < n; j++) {
      uint64_t p = (uint64_t)0xD2511F53u * word[0][j], q = (uint64_t)0xCD9E8D57u * word[2][j];
      word[0][j] = (uint32_t)(q >> 32) ^ word[1][j] ^ k0;
      word[1][j] = (uint32_t)q;
      word[2][j] = (uint32_t)(p >> 32) ^ word[3][j] ^ k1;
      word[3][j] = (uint32_t)p;
    }
}

/* [0, 1), a multiple of 2^-24: the same in f32 and f64. */
static inline real unit(uint32_t w) { return (real)(w >> 8) * (real)0x1.0p-24; }

/* The cosine and sine of 2 pi u for u in [0, 1), by the eighth of the circle. */
static inline void turn(real u, real *c, real *s) {
  real q = u * 4, k = (real)(int32_t)(q + (real)0.5), r = (q - k) * (real)1.57079632679489661923, z = r * r;
  real cs = 1 + z * ((real)-0.5 + z * ((real)4.16666666666666e-2 +
                                       z * ((real)-1.38888888888741e-3 + z * (real)2.48015872894767e-5)));
  real sn = r * (1 + z * ((real)-1.66666666666666e-1 +
                          z * ((real)8.3333333333333e-3 + z * ((real)-1.98412698412e-4 + z * (real)2.7557319e-6))));
  int32_t turns = (int32_t)k & 3;
  real x = turns & 1 ? sn : cs, y = turns & 1 ? cs : sn;
  *c = turns == 1 || turns == 2 ? -x : x;
  *s = turns >= 2 ? -y : y;
}

/* Box and Muller: words 0 and 1 make two numbers, words 2 and 3 the others. */
static void normals(const uint32_t word[4][BLOCKS], real *y, real mean, real std) {
  for (int w = 0; w < 4; w += 2)
    ER_SIMD for (int j = 0; j < BLOCKS; j++) {
      real radius = r_sqrt(-2 * r_log(unit(word[w][j]) + (real)0x1.0p-25)), c, s;
      turn(unit(word[w + 1][j]), &c, &s);
      y[4 * j + w] = mean + std * radius * c;
      y[4 * j + w + 1] = mean + std * radius * s;
    }
}

static void transform(const draw *d, const uint32_t word[4][BLOCKS], real *y) {
  real a = (real)d->a, range = (real)(d->b - d->a);
  uint64_t whole = (uint64_t)(d->b - d->a);
  switch (d->kind) {
    case ER_RAND_NORMAL: normals(word, y, a, (real)d->b); return;
    case ER_RAND_UNIFORM:
      for (int i = 0; i < ER_RUN; i++) y[i] = a + range * unit(word[i & 3][i >> 2]);
      return;
    case ER_RAND_INT:
      for (int i = 0; i < ER_RUN; i++) y[i] = a + (real)(word[i & 3][i >> 2] * whole >> 32);
      return;
    case ER_RAND_BERNOULLI:
      for (int i = 0; i < ER_RUN; i++) y[i] = unit(word[i & 3][i >> 2]) < a;
      return;
  }
}

static void integers(const draw *d, const uint32_t word[4][BLOCKS], int32_t *y, int64_t n) {
  uint64_t whole = (uint64_t)(d->b - d->a);
  for (int64_t i = 0; i < n; i++) y[i] = (int32_t)((int64_t)d->a + (int64_t)(word[i & 3][i >> 2] * whole >> 32));
}

static void random_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const draw *d = ctx;
  uint32_t word[4][BLOCKS];
  real y[ER_RUN];
  (void)thread;
  for (int64_t run = lo; run < hi; run++) {
    int64_t n = er_min64(ER_RUN, d->n - run * ER_RUN);
    void *to = er_at(d->out->data, d->out->dtype, run * ER_RUN);
    philox(word, d->key, (uint64_t)run * BLOCKS, BLOCKS);
    if (d->kind == ER_RAND_INT && d->out->dtype == ER_I32) {
      integers(d, word, to, n);
      continue;
    }
    transform(d, word, y);
    K(store)(d->out->dtype, to, 1, n, y);
  }
}

void K(random)(er_pool *pool, const er_view *out, er_rand kind, er_key key, double a, double b) {
  draw d = {.out = out, .kind = kind, .key = key, .a = a, .b = b, .n = er_view_count(out)};
  er_pool_run(pool, (d.n + ER_RUN - 1) / ER_RUN, er_grain(ER_RUN * 4), random_body, &d);
}

static void dropout_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const draw *d = ctx;
  uint32_t word[4][BLOCKS];
  real y[ER_RUN], buf[ER_RUN], p = (real)d->a, scale = (real)(1 / (1 - d->a));
  (void)thread;
  for (int64_t run = lo; run < hi; run++) {
    int64_t n = er_min64(ER_RUN, d->n - run * ER_RUN);
    const real *x = K(load)(d->x->dtype, er_at(d->x->data, d->x->dtype, run * ER_RUN), 1, n, buf);
    philox(word, d->key, (uint64_t)run * BLOCKS, BLOCKS);
    for (int64_t i = 0; i < n; i++) y[i] = unit(word[i & 3][i >> 2]) < p ? 0 : x[i] * scale;
    K(store)(d->out->dtype, er_at(d->out->data, d->out->dtype, run * ER_RUN), 1, n, y);
  }
}

void K(dropout)(er_pool *pool, const er_view *y, const er_view *x, double p, er_key key) {
  draw d = {.out = y, .x = x, .key = key, .a = p, .n = er_view_count(x)};
  er_pool_run(pool, (d.n + ER_RUN - 1) / ER_RUN, er_grain(ER_RUN * 4), dropout_body, &d);
}

void K(keep)(real *y, int64_t n, double p, er_key key, uint64_t first) {
  uint32_t word[4][BLOCKS];
  real share = (real)p, scale = (real)(1 / (1 - p));
  int64_t skip = (int64_t)(first % 4);
  for (int64_t at = 0; at < n;) {
    int64_t m = er_min64(n - at, ER_RUN - skip);
    philox(word, key, (first + (uint64_t)at) / 4, (int)((skip + m + 3) / 4));
    for (int64_t i = 0; i < m; i++) y[at + i] = unit(word[(skip + i) & 3][(skip + i) >> 2]) < share ? 0 : scale;
    at += m;
    skip = 0;                    /* a run after the first begins with a block */
  }
}
