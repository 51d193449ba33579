/* gemm.c - matrix products: a register tile, over packed panels or where the elements stand.
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

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* ---- packing: panels of MR rows or NR columns, k by k; what sticks out is 0 -------------------- */

static void pack_convert(real *to, int64_t width, er_dtype d, const void *p, int64_t across, int64_t along, int64_t n,
                         int64_t k) {
  real line[KC];
  for (int64_t i = 0; i < n; i++) {                /* one row of the panel at a time, along k */
    const real *x = K(load)(d, er_at(p, d, i * across), along, k, line);
    for (int64_t j = 0; j < k; j++) to[j * width + i] = x[j];
  }
}

/* Panels that stand side by side, some at a time: a row of k is read as whole cache lines. */
static inline void pack_rows(real *to, int64_t width, int64_t panels, const real *p, int64_t along, int64_t k) {
  enum { TOGETHER = 8 };
  for (; panels > 0; panels -= TOGETHER, to += TOGETHER * width * k, p += TOGETHER * width) {
    int64_t n = er_min64(panels, TOGETHER);
    for (int64_t j = 0; j < k; j++)
      for (int64_t i = 0; i < n; i++)
        memcpy(to + (i * k + j) * width, p + j * along + i * width, (size_t)width * sizeof(real));
  }
}

static inline void widen_rows(real *to, int64_t width, const uint16_t *p, int64_t along, int64_t k) {
  for (int64_t j = 0; j < k; j++, to += width, p += along) {
    ER_SIMD for (int64_t i = 0; i < width; i++) to[i] = (real)er_from_bf16(p[i]);
  }
}

#ifdef ER_KERNELS_F64
static void pack_turned(real *to, int64_t width, const real *p, int64_t across, int64_t k) {
  pack_convert(to, width, ER_REAL, p, across, 1, width, k);
}
#else
typedef float four __attribute__((vector_size(16)));
typedef float loose_four __attribute__((vector_size(16), aligned(4)));

/* 4 x 4 elements, rows becoming columns. */
static inline void turn(float *to, int64_t to_step, const float *p, int64_t step) {
  four a = *(const loose_four *)p, b = *(const loose_four *)(p + step), c = *(const loose_four *)(p + 2 * step),
       d = *(const loose_four *)(p + 3 * step);
  four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  four ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(loose_four *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *(loose_four *)(to + to_step) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *(loose_four *)(to + 2 * to_step) = __builtin_shufflevector(ef, gh, 0, 1, 4, 5);
  *(loose_four *)(to + 3 * to_step) = __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
}

/* Rows that lie along k; where width is no multiple of 4 the last ones are turned twice. */
static inline void pack_turned(float *to, int64_t width, const float *p, int64_t across, int64_t k) {
  int64_t whole = k / 4 * 4;
  for (int64_t i0 = 0; i0 < width; i0 += 4) {
    int64_t i = er_min64(i0, width - 4);
    for (int64_t j = 0; j < whole; j += 4) turn(to + j * width + i, width, p + i * across + j, across);
  }
  for (int64_t j = whole; j < k; j++)
    for (int64_t i = 0; i < width; i++) to[j * width + i] = p[i * across + j];
}
#endif

static inline void pack_panel(real *to, int64_t width, er_dtype d, const void *p, int64_t across, int64_t along,
                              int64_t n, int64_t k) {
  if (n < width) memset(to, 0, (size_t)(width * k) * sizeof(real));
  if (n == width && d == ER_REAL && along == 1) {
    pack_turned(to, width, p, across, k);
  } else if (n == width && d == ER_BF16 && across == 1) {
    widen_rows(to, width, p, along, k);
  } else if (n == width && d == ER_BF16 && along == 1) {
    real rows[(NR > MR ? NR : MR) * KC];
    for (int64_t i = 0; i < n; i++) K(load)(d, er_at(p, d, i * across), 1, k, rows + i * KC);
    pack_turned(to, width, rows, KC, k);
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

/* ---- the register tile: c[MR][NR] (+)= alpha * sum over k of a[k][MR] b[k][NR] ----------------------- */

/* Where an operand's elements are: (i, k) of a at p[i * across + k * along], (k, j) of b at p[k * along + j]. */
typedef struct { const real *p; int64_t across, along; } place;

#ifdef ER_KERNELS_F64
static void tile(int64_t k, place a, place b, real alpha, bool accumulate, real *c, int64_t ldc) {
  real acc[MR][NR] = {{0}};
  for (int64_t p = 0; p < k; p++)
    for (int i = 0; i < MR; i++)
      for (int j = 0; j < NR; j++) acc[i][j] += a.p[i * a.across + p * a.along] * b.p[p * b.along + j];
  for (int i = 0; i < MR; i++)
    for (int j = 0; j < NR; j++) c[i * ldc + j] = alpha * acc[i][j] + (accumulate ? c[i * ldc + j] : 0);
}

static void run_column(int64_t tiles, int64_t k, place a, int64_t a_step, place b, real alpha, bool accumulate, real *c,
                       int64_t ldc) {
  for (int64_t i = 0; i < tiles; i++, a.p += a_step, c += MR * ldc) tile(k, a, b, alpha, accumulate, c, ldc);
}
#else
typedef float lanes __attribute__((vector_size(LANES * 4)));
typedef float loose_lanes __attribute__((vector_size(LANES * 4), aligned(4)));
enum { COLUMNS = NR / LANES };

static inline __attribute__((always_inline)) void run_tile(int64_t k, place a, place b, float alpha, bool accumulate,
                                                           float *c, int64_t ldc) {
  lanes acc[MR][COLUMNS];
  const float *pa = a.p, *pb = b.p;
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
    for (int j = 0; j < COLUMNS; j++) acc[i][j] = (lanes){0};
  for (int64_t p = 0; p < k; p++, pa += a.along, pb += b.along) {
    lanes row[COLUMNS];
#pragma GCC unroll 4
    for (int j = 0; j < COLUMNS; j++) row[j] = *(const loose_lanes *)(pb + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
      for (int j = 0; j < COLUMNS; j++) acc[i][j] += pa[i * a.across] * row[j];
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
    for (int j = 0; j < COLUMNS; j++) {
      loose_lanes *to = (loose_lanes *)(c + i * ldc + j * LANES);
      if (accumulate) *to += alpha * acc[i][j];
      else *to = alpha * acc[i][j];
    }
}

static void tile(int64_t k, place a, place b, float alpha, bool accumulate, float *c, int64_t ldc) {
  run_tile(k, a, b, alpha, accumulate, c, ldc);
}

/* Tiles below each other.  Compiled apart for rows of a that stand side by side: one pointer instead of MR. */
static void run_column(int64_t tiles, int64_t k, place a, int64_t a_step, place b, float alpha, bool accumulate,
                       float *c, int64_t ldc) {
  if (a.across == 1)
    for (int64_t i = 0; i < tiles; i++, a.p += a_step, c += MR * ldc)
      run_tile(k, (place){a.p, 1, a.along}, b, alpha, accumulate, c, ldc);
  else
    for (int64_t i = 0; i < tiles; i++, a.p += a_step, c += MR * ldc) run_tile(k, a, b, alpha, accumulate, c, ldc);
}
#endif

/* A tile of which only m x n elements exist. */
static void part_tile(int64_t k, place a, place b, real alpha, bool accumulate, real *c, int64_t ldc, int64_t m,
                      int64_t n) {
  real part[MR][NR];
  for (int64_t i = 0; accumulate && i < m; i++) memcpy(part[i], c + i * ldc, (size_t)n * sizeof(real));
  tile(k, a, b, alpha, accumulate, part[0], NR);
  for (int64_t i = 0; i < m; i++) memcpy(c + i * ldc, part[i], (size_t)n * sizeof(real));
}

/* ---- blocks ------------------------------------------------------------------------------------------ */

/* Packing pays where what is packed is used often enough: a as often as there are column panels, b as there are rows of
 * tiles.  Below that, whole tiles read their operands where they stand. */
enum { PACK_A_FROM = 6 * NR, PACK_B_FROM = 128 };

typedef struct { er_dtype dtype; const void *p; int64_t across, along, n, width, in_place; } operand;

/* Packs what is not read in place: all of it, or the last panel, which is not whole.  width is known here. */
static inline void pack_width(const operand *o, int64_t width, int64_t k0, real *to, int64_t k) {
  int64_t i = o->in_place, whole = o->n / width * width;
  const char *p = er_at(o->p, o->dtype, k0 * o->along);
  if (o->dtype == ER_REAL && o->across == 1 && i < whole) {
    pack_rows(to + i * k, width, (whole - i) / width, (const real *)p + i, o->along, k);
    i = whole;
  }
  for (; i < o->n; i += width)
    pack_panel(to + i * k, width, o->dtype, er_at(p, o->dtype, i * o->across), o->across, o->along,
               er_min64(width, o->n - i), k);
}

static void pack(const operand *o, int64_t k0, real *to, int64_t k) {
  if (o->width == MR) pack_width(o, MR, k0, to, k);
  else pack_width(o, NR, k0, to, k);
}

/* The panel that begins at i, of depth k from k0 on. */
static inline place panel(const operand *o, int64_t i, int64_t k0, const real *packed, int64_t k) {
  if (i >= o->in_place) return (place){packed + i * k, 1, o->width};
  return (place){(const real *)o->p + i * o->across + k0 * o->along, o->across, o->along};
}

/* The first row of tiles of which one row wants column j. */
static int64_t first_row(int64_t j, int64_t stair) { return j <= stair ? 0 : (j - stair) / MR * MR; }

/* A layer of c, `depth` of k deep: its operands, and by what the result is multiplied. */
typedef struct { operand left, right; const real *pa, *pb; int64_t k0, depth; real alpha; bool add; } layer;

static void run_layer(const layer *l, real *c, int64_t ldc, int64_t stair) {
  int64_t m = l->left.n, n = l->right.n;
  for (int64_t j = 0; j < n; j += NR) {
    place column = panel(&l->right, j, l->k0, l->pb, l->depth);
    int64_t i = first_row(j, stair), whole = n - j >= NR ? m / MR * MR : 0;
    if (i < whole) {
      place row = panel(&l->left, i, l->k0, l->pa, l->depth);
      run_column((whole - i) / MR, l->depth, row, l->left.in_place > i ? MR * l->left.across : MR * l->depth, column,
                 l->alpha, l->add, c + i * ldc + j, ldc);
      i = whole;
    }
    for (; i < m; i += MR)
      part_tile(l->depth, panel(&l->left, i, l->k0, l->pa, l->depth), column, l->alpha, l->add, c + i * ldc + j, ldc,
                er_min64(MR, m - i), er_min64(NR, n - j));
  }
}

/* What is done with rows of c as soon as they are complete. */
typedef struct { void (*fn)(void *ctx, int64_t row, int64_t rows); void *ctx; } sequel;

/* b is packed once for all of c, a for every ROWS rows, which then fill half of L2. */
enum { ROWS = 264 };

static void block(er_pool *pool, int thread, int64_t m, int64_t n, int64_t k, real alpha, er_matrix a, er_matrix b,
                  bool accumulate, real *c, int64_t ldc, int64_t stair, const sequel *then) {
  bool a_stays = a.dtype == ER_REAL && n < PACK_A_FROM;
  bool b_stays = b.dtype == ER_REAL && b.cols == 1 && m < PACK_B_FROM;
  real *pa = er_scratch(pool, thread, SLOT_A, round_up(er_min64(m, ROWS), MR) * KC),
       *pb = er_scratch(pool, thread, SLOT_B, round_up(n, NR) * KC);
  layer l = {.right = {b.dtype, b.p, b.cols, b.rows, n, NR, b_stays ? n / NR * NR : 0}, .pa = pa, .pb = pb, .alpha = alpha};
  for (int64_t i = 0; k == 0 && !accumulate && i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof(real));
  for (; l.k0 < k; l.k0 += KC) {
    l.depth = er_min64(KC, k - l.k0);
    l.add = accumulate || l.k0 > 0;
    pack(&l.right, l.k0, pb, l.depth);
    for (int64_t i = 0; i < m; i += ROWS) {
      int64_t rows = er_min64(ROWS, m - i);
      er_scratch(pool, thread, SLOT_A, 0);                   /* a long sum may be broken off here */
      l.left = (operand){a.dtype, er_at(a.p, a.dtype, i * a.rows), a.rows, a.cols, rows, MR, a_stays ? rows / MR * MR : 0};
      pack(&l.left, l.k0, pa, l.depth);
      run_layer(&l, c + i * ldc, ldc, stair + i);
      if (then != NULL && l.k0 + KC >= k) then->fn(then->ctx, i, rows);
    }
  }
  if (then != NULL && k == 0) then->fn(then->ctx, 0, m);
}

void K(gemm_block)(er_pool *pool, int thread, int64_t m, int64_t n, int64_t k, real alpha, er_matrix a, er_matrix b,
                   bool accumulate, real *c, int64_t ldc, int64_t stair) {
  block(pool, thread, m, n, k, alpha, a, b, accumulate, c, ldc, stair, NULL);
}

/* ---- whole products ---------------------------------------------------------------------------------- */

typedef struct {
  const er_gemm *g;
  int64_t tm, tn, rows, cols;    /* the tiles' size and number */
} plan;

/* A tile of a product: where its sums are, and its place in the result. */
typedef struct { const er_gemm *g; real *c; int64_t ldc, n, col, at; } part;

/* What follows the sum, while it is still in the cache. */
static void finish(void *ctx, int64_t row, int64_t m) {
  const part *t = ctx;
  const er_gemm *g = t->g;
  real bias[ER_RUN], buf[ER_RUN];
  for (int64_t j0 = 0; j0 < t->n; j0 += ER_RUN) {
    int64_t w = er_min64(ER_RUN, t->n - j0);
    const real *b = g->bias == NULL ? NULL : K(load)(g->bias_t, er_at(g->bias, g->bias_t, t->col + j0), 1, w, bias);
    for (int64_t i = row; i < row + m; i++) {
      real *x = t->c + i * t->ldc + j0;
      int64_t to = t->at + i * g->crs + j0;
      if (b != NULL) { ER_SIMD for (int64_t j = 0; j < w; j++) x[j] += b[j]; }
      real *slope = g->slope != NULL ? er_target(g->ct, er_at(g->slope, g->ct, to), 1, buf) : NULL;
      K(activate)(g->act, x, slope, w);
      if (slope == buf) K(store)(g->ct, er_at(g->slope, g->ct, to), 1, w, slope);
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
    bool direct = g->ct == ER_REAL, plain = g->bias == NULL && g->act == ER_ACT_NONE && g->slope == NULL;
    real *to = direct ? (real *)g->c + c : er_scratch(pool, thread, SLOT_C, m * n);
    int64_t ldc = direct ? g->crs : n;
    if (!direct && g->accumulate) load_tile(g, to, m, n, c);
    part whole = {g, to, ldc, n, j, c};
    sequel then = {finish, &whole};
    block(pool, thread, m, n, g->k, (real)g->alpha, (er_matrix){g->at, er_at(g->a, g->at, a), g->ars, g->acs},
          (er_matrix){g->bt, er_at(g->b, g->bt, b), g->brs, g->bcs}, g->accumulate, to, ldc, n,
          direct && plain ? NULL : &then);
  }
}

/* n in pieces of at most `most`, about equal and multiples of `step`. */
static int64_t even(int64_t n, int64_t most, int64_t step) {
  int64_t pieces = (n + most - 1) / most;
  return round_up((n + pieces - 1) / pieces, step);
}

/* Tiles of at most 1056 x 1536, smaller where there would be too few for the team. */
static plan plan_of(er_pool *pool, const er_gemm *g) {
  plan p = {.g = g, .tm = 4 * ROWS, .tn = 1536};
  double work = (double)g->m * (double)g->n * (double)g->k;
  int64_t wanted = er_pool_threads(pool) == 1 || work * (double)g->batch < 65536 ? 1 : er_pool_threads(pool) * 2;
  for (;;) {
    int64_t tm = even(g->m, p.tm, MR), tn = even(g->n, p.tn, NR);
    p.rows = (g->m + tm - 1) / tm;
    p.cols = (g->n + tn - 1) / tn;
    if (p.rows * p.cols * g->batch >= wanted || (tm <= 4 * MR && tn <= 4 * NR)) {
      p.tm = tm;
      p.tn = tn;
      return p;
    }
    if (tn > 4 * NR && (tn >= tm || tm <= 4 * MR)) p.tn = tn / 2;
    else p.tm = tm / 2;
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
