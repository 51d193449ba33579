/* gemm.c - matrix products: packed panels and a register tile.
 * Every element of c is summed over k in ascending order, in blocks of KC, by the
 * same chain of multiply-adds wherever it stands; so c does not depend on how it was
 * cut into tiles, nor on the number of threads. */

#include "tensor/kernels/kernel.h"

#ifdef ER_KERNELS_F64
#define MR 4
#define NR 8
#elif defined(__AVX512F__)
#define MR 12
#define NR 32
#define LANES 16
#elif defined(__AVX2__)
#define MR 6
#define NR 16
#define LANES 8
#else
#define MR 4
#define NR 8
#define LANES 4
#endif
#define KC 256

/* ---- packing: panels of MR rows or NR columns, k by k; what sticks out is 0 -------------------- */

static void pack_convert(real *to, int64_t width, er_dtype d, const void *p, int64_t across, int64_t along, int64_t n,
                         int64_t k) {
  real line[KC];
  for (int64_t i = 0; i < n; i++) {                /* one row of the panel at a time, along k */
    const real *x = K(load)(d, er_at(p, d, i * across), along, k, line);
    for (int64_t j = 0; j < k; j++) to[j * width + i] = x[j];
  }
}

static void pack_panel(real *to, int64_t width, er_dtype d, const void *p, int64_t across, int64_t along, int64_t n,
                       int64_t k) {
  if (n < width) memset(to, 0, (size_t)(width * k) * sizeof(real));
  if (across == 1 && n == width && d == ER_REAL) {
    for (int64_t j = 0; j < k; j++) memcpy(to + j * width, (const real *)p + j * along, (size_t)width * sizeof(real));
  } else if (across == 1) {
    real line[NR > MR ? NR : MR];
    for (int64_t j = 0; j < k; j++) {
      const real *x = K(load)(d, er_at(p, d, j * along), 1, n, line);
      for (int64_t i = 0; i < n; i++) to[j * width + i] = x[i];
    }
  } else {
    pack_convert(to, width, d, p, across, along, n, k);
  }
}

static void pack(real *to, int64_t width, er_dtype d, const void *p, int64_t across, int64_t along, int64_t n,
                 int64_t k) {
  for (int64_t i = 0; i < n; i += width, to += width * k)
    pack_panel(to, width, d, er_at(p, d, i * across), across, along, er_min64(width, n - i), k);
}

/* ---- the register tile: acc[MR][NR] = sum over k of a[k][MR] b[k][NR] ----------------------------- */

#ifdef ER_KERNELS_F64
static void tile(int64_t k, const real *a, const real *b, real acc[MR][NR]) {
  memset(acc, 0, sizeof(real) * MR * NR);
  for (int64_t p = 0; p < k; p++, a += MR, b += NR)
    for (int i = 0; i < MR; i++)
      for (int j = 0; j < NR; j++) acc[i][j] += a[i] * b[j];
}
#else
typedef float lanes __attribute__((vector_size(LANES * 4)));
typedef float loose_lanes __attribute__((vector_size(LANES * 4), aligned(4)));
enum { COLUMNS = NR / LANES };

static void tile(int64_t k, const float *a, const float *b, float acc[MR][NR]) {
  lanes c[MR][COLUMNS];
  memset(c, 0, sizeof c);
  for (int64_t p = 0; p < k; p++, a += MR, b += NR) {
    lanes row[COLUMNS];
#pragma GCC unroll 4
    for (int j = 0; j < COLUMNS; j++) row[j] = *(const loose_lanes *)(b + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
      for (int j = 0; j < COLUMNS; j++) c[i][j] += a[i] * row[j];
  }
  memcpy(acc, c, sizeof c);
}
#endif

/* One tile into c, of which m x n elements exist. */
static void tile_into(int64_t k, const real *a, const real *b, real alpha, bool accumulate, real *c, int64_t ldc,
                      int64_t m, int64_t n) {
  real acc[MR][NR];
  tile(k, a, b, acc);
  for (int64_t i = 0; i < m; i++) {
    real *row = c + i * ldc;
    if (accumulate) { ER_SIMD for (int64_t j = 0; j < n; j++) row[j] += alpha * acc[i][j]; }
    else { ER_SIMD for (int64_t j = 0; j < n; j++) row[j] = alpha * acc[i][j]; }
  }
}

static void multiply(int64_t m, int64_t n, int64_t k, const real *a, const real *b, real alpha, bool accumulate, real *c,
                     int64_t ldc) {
  for (int64_t j = 0; j < n; j += NR)
    for (int64_t i = 0; i < m; i += MR)
      tile_into(k, a + i * k, b + j * k, alpha, accumulate, c + i * ldc + j, ldc, er_min64(MR, m - i),
                er_min64(NR, n - j));
}

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

void K(gemm_block)(er_pool *pool, int thread, int64_t m, int64_t n, int64_t k, real alpha, er_dtype at, const void *a,
                   int64_t ars, int64_t acs, er_dtype bt, const void *b, int64_t brs, int64_t bcs, bool accumulate,
                   real *c, int64_t ldc) {
  real *pa = er_scratch(pool, thread, SLOT_A, round_up(m, MR) * KC),
       *pb = er_scratch(pool, thread, SLOT_B, round_up(n, NR) * KC);
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof(real));
  for (int64_t p = 0; p < k; p += KC) {
    int64_t depth = er_min64(KC, k - p);
    pack(pa, MR, at, er_at(a, at, p * acs), ars, acs, m, depth);
    pack(pb, NR, bt, er_at(b, bt, p * brs), bcs, brs, n, depth);
    multiply(m, n, depth, pa, pb, alpha, accumulate || p > 0, c, ldc);
  }
}

/* ---- whole products ---------------------------------------------------------------------------------- */

typedef struct {
  const er_gemm *g;
  int64_t tm, tn, rows, cols;    /* the tiles' size and number */
} plan;

/* What follows the sum, while the tile is still in the cache. */
static void finish(const er_gemm *g, real *c, int64_t ldc, int64_t m, int64_t n, int64_t col, int64_t at) {
  real bias[ER_RUN], pre[ER_RUN];
  for (int64_t j0 = 0; j0 < n; j0 += ER_RUN) {
    int64_t w = er_min64(ER_RUN, n - j0);
    const real *b = g->bias == NULL ? NULL : K(load)(g->bias_t, er_at(g->bias, g->bias_t, col + j0), 1, w, bias);
    for (int64_t i = 0; i < m; i++) {
      real *x = c + i * ldc + j0;
      int64_t to = at + i * g->crs + j0;
      if (b != NULL) { ER_SIMD for (int64_t j = 0; j < w; j++) x[j] += b[j]; }
      if (g->pre != NULL) {
        memcpy(pre, x, (size_t)w * sizeof(real));
        K(store)(g->ct, er_at(g->pre, g->ct, to), 1, w, pre);
      }
      K(activate)(g->act, x, w);
      K(store)(g->ct, er_at(g->c, g->ct, to), 1, w, x);
    }
  }
}

static void load_tile(const er_gemm *g, real *c, int64_t m, int64_t n, int64_t at) {
  for (int64_t i = 0; i < m; i++) {
    const real *x = K(load)(g->ct, er_at(g->c, g->ct, at + i * g->crs), 1, n, c + i * n);
    if (x != c + i * n) memcpy(c + i * n, x, (size_t)n * sizeof(real));
  }
}

static void tiles_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  const plan *p = ((void **)ctx)[0];
  er_pool *pool = ((void **)ctx)[1];
  const er_gemm *g = p->g;
  for (int64_t item = lo; item < hi; item++) {
    int64_t t = item / (p->rows * p->cols), i = item / p->cols % p->rows * p->tm, j = item % p->cols * p->tn;
    int64_t m = er_min64(p->tm, g->m - i), n = er_min64(p->tn, g->n - j);
    int64_t a = (g->aoff != NULL ? g->aoff[t] : 0) + i * g->ars, b = (g->boff != NULL ? g->boff[t] : 0) + j * g->bcs;
    int64_t c = (g->coff != NULL ? g->coff[t] : 0) + i * g->crs + j;
    bool direct = g->ct == ER_REAL, plain = g->bias == NULL && g->act == ER_ACT_NONE && g->pre == NULL;
    real *to = direct ? (real *)g->c + c : er_scratch(pool, thread, SLOT_C, m * n);
    int64_t ldc = direct ? g->crs : n;
    if (!direct && g->accumulate) load_tile(g, to, m, n, c);
    K(gemm_block)(pool, thread, m, n, g->k, (real)g->alpha, g->at, er_at(g->a, g->at, a), g->ars, g->acs, g->bt,
                  er_at(g->b, g->bt, b), g->brs, g->bcs, g->accumulate, to, ldc);
    if (!direct || !plain) finish(g, to, ldc, m, n, j, c);
  }
}

/* Tiles of about 120 x 384, smaller where there would be too few for the team. */
static plan plan_of(er_pool *pool, const er_gemm *g) {
  plan p = {.g = g, .tm = 20 * MR, .tn = 384};
  double work = (double)g->m * (double)g->n * (double)g->k;
  int64_t wanted = er_pool_threads(pool) == 1 || work * (double)g->batch < 65536 ? 1 : er_pool_threads(pool) * 3;
  for (;;) {
    p.rows = (g->m + p.tm - 1) / p.tm;
    p.cols = (g->n + p.tn - 1) / p.tn;
    if (p.rows * p.cols * g->batch >= wanted || (p.tm <= 4 * MR && p.tn <= 4 * NR)) return p;
    if (p.tn > 4 * NR && (p.tn >= p.tm || p.tm <= 4 * MR)) p.tn = round_up(p.tn / 2, NR);
    else p.tm = round_up(p.tm / 2, MR);
  }
}

void K(gemm)(er_pool *pool, const er_gemm *g) {
  plan p;
  if (g->m == 0 || g->n == 0 || g->batch == 0) return;
  p = plan_of(pool, g);
  void *ctx[2] = {&p, pool};
  er_pool_run(pool, p.rows * p.cols * g->batch,
              er_grain(er_min64(p.tm, g->m) * er_min64(p.tn, g->n) * er_max64(g->k, 1) / 16), tiles_body, ctx);
}
