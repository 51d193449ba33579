/* dnnl.c - large matrix products through oneDNN, opened at the first one.
 * A product is cut into tiles whose size follows from its shape alone, and each tile
 * is a primitive of one thread, cached by shape: so a result does not depend on the
 * number of threads, which oneDNN's own cutting would make it do. */

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/kernels/kernel.h"
#include "tensor/room.h"

#ifdef ER_WITH_DNNL
#include <dnnl.h>

#define FUNCTIONS(F)                                                                                              \
  F(dnnl_version) F(dnnl_engine_create) F(dnnl_engine_destroy) F(dnnl_stream_create) F(dnnl_stream_destroy)       \
  F(dnnl_memory_desc_init_by_strides) F(dnnl_memory_desc_get_size) F(dnnl_memory_create) F(dnnl_memory_destroy)   \
  F(dnnl_memory_set_data_handle) F(dnnl_matmul_desc_init) F(dnnl_primitive_attr_create)                           \
  F(dnnl_primitive_attr_destroy) F(dnnl_primitive_attr_set_scratchpad_mode) F(dnnl_primitive_attr_set_post_ops)   \
  F(dnnl_post_ops_create) F(dnnl_post_ops_destroy) F(dnnl_post_ops_append_sum) F(dnnl_primitive_desc_create)      \
  F(dnnl_primitive_desc_destroy) F(dnnl_primitive_desc_query_md) F(dnnl_primitive_create)                         \
  F(dnnl_primitive_destroy) F(dnnl_primitive_execute) F(dnnl_set_primitive_cache_capacity)

#define POINTER(name) __typeof__(&name) name;

enum { SLOTS = 512, BIAS_ARG = 3, ARGS = 5 };

/* What a primitive depends on; compared as bytes. */
typedef struct {
  int64_t m, n, k, lda, ldb, ldc;
  int32_t at, ct, bias_t;        /* bias_t -1: none */
  int8_t a_turned, b_turned, accumulate, unused;
} key;

typedef struct {
  key key;
  dnnl_primitive_t primitive;    /* NULL: the slot is free, or the shape is not supported */
  bool used;
  size_t scratch;
  int threads;
  dnnl_memory_t (*memory)[ARGS]; /* a, b, c, bias, scratch of each thread */
} entry;

struct er_dnnl {
  void *lib;
  struct { FUNCTIONS(POINTER) } f;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  bool bf16;
  int n;
  entry *table;
};

/* ---- opening ----------------------------------------------------------------------------------- */

#define LOOK_UP(name) \
  if ((*(void **)&d->f.name = dlsym(d->lib, #name)) == NULL) return false;

static bool open_library(struct er_dnnl *d) {
  /* Never unloaded: the team's threads keep thread-local data of it. */
  if ((d->lib = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) == NULL) return false;
  FUNCTIONS(LOOK_UP)
  if (d->f.dnnl_version()->major != DNNL_VERSION_MAJOR) return false;
  d->f.dnnl_set_primitive_cache_capacity(0);                /* ours is the cache */
  return d->f.dnnl_engine_create(&d->engine, dnnl_cpu, 0) == dnnl_success &&
         d->f.dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags) == dnnl_success;
}

/* With AVX-512 oneDNN is faster than our kernels, and has bf16 where the CPU does (elsewhere it is emulated).  With AVX2
 * it is not: its kernels read b where it stands, which halves their speed for strides of whole pages. */
static bool wanted(const er_tensors *ts) {
  const char *wish = getenv("ERLUA_GEMM");
  if (ts->backend->real != ER_F32 || !__builtin_cpu_supports("avx2")) return false;
  if (wish != NULL && strcmp(wish, "own") == 0) return false;
  return __builtin_cpu_supports("avx512f") || (wish != NULL && strcmp(wish, "onednn") == 0);
}

static struct er_dnnl *library(er_tensors *ts) {
  struct er_dnnl *d = ts->dnnl;
  if (ts->dnnl_looked) return d;
  ts->dnnl_looked = true;
  if (!wanted(ts)) return NULL;
  er_pool_prepare(ts->pool);
  d = er_calloc(1, sizeof *d);
  d->bf16 = __builtin_cpu_supports("avx512bf16");
  ts->dnnl = d;
  if (!open_library(d)) {
    er_dnnl_close(ts);
    return NULL;
  }
  d->table = er_calloc(SLOTS, sizeof *d->table);
  return d;
}

static void drop_entry(struct er_dnnl *d, entry *e) {
  for (int t = 0; t < e->threads; t++)
    for (int i = 0; i < ARGS; i++)
      if (e->memory[t][i] != NULL) d->f.dnnl_memory_destroy(e->memory[t][i]);
  er_free(e->memory);
  if (e->primitive != NULL) d->f.dnnl_primitive_destroy(e->primitive);
  *e = (entry){0};
}

static void drop_entries(struct er_dnnl *d) {
  for (int i = 0; d->table != NULL && i < SLOTS; i++) drop_entry(d, &d->table[i]);
  d->n = 0;
}

void er_dnnl_close(er_tensors *ts) {
  struct er_dnnl *d = ts->dnnl;
  if (d == NULL) return;
  drop_entries(d);
  er_free(d->table);
  if (d->stream != NULL) d->f.dnnl_stream_destroy(d->stream);
  if (d->engine != NULL) d->f.dnnl_engine_destroy(d->engine);
  er_free(d);
  ts->dnnl = NULL;
}

/* ---- primitives ----------------------------------------------------------------------------------- */

static dnnl_data_type_t type_of(er_dtype t) { return t == ER_BF16 ? dnnl_bf16 : dnnl_f32; }

static bool describe(struct er_dnnl *d, dnnl_memory_desc_t *md, int64_t rows, int64_t cols, er_dtype t, int64_t ld,
                     bool turned) {
  dnnl_dims_t dims = {rows, cols}, strides = {turned ? 1 : ld, turned ? ld : 1};
  return d->f.dnnl_memory_desc_init_by_strides(md, 2, dims, type_of(t), strides) == dnnl_success;
}

static dnnl_primitive_attr_t attributes(struct er_dnnl *d, bool accumulate) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  d->f.dnnl_primitive_attr_create(&attr);
  d->f.dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!accumulate) return attr;
  d->f.dnnl_post_ops_create(&ops);
  d->f.dnnl_post_ops_append_sum(ops, 1.0f);
  d->f.dnnl_primitive_attr_set_post_ops(attr, ops);
  d->f.dnnl_post_ops_destroy(ops);
  return attr;
}

static bool make_memory(struct er_dnnl *d, entry *e, const dnnl_memory_desc_t *const *mds, int threads) {
  e->threads = threads;
  e->memory = er_calloc((size_t)threads, sizeof *e->memory);
  for (int t = 0; t < threads; t++)
    for (int i = 0; i < ARGS; i++)
      if (mds[i] != NULL && d->f.dnnl_memory_create(&e->memory[t][i], mds[i], d->engine, NULL) != dnnl_success)
        return false;
  return true;
}

static bool build(struct er_dnnl *d, entry *e, int threads) {
  const key *k = &e->key;
  dnnl_memory_desc_t a, b, c, bias;
  dnnl_dims_t bias_dims = {1, k->n}, bias_strides = {k->n, 1};
  dnnl_matmul_desc_t op;
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd = NULL;
  bool biased = k->bias_t >= 0, ok;
  if (!describe(d, &a, k->m, k->k, (er_dtype)k->at, k->lda, k->a_turned) ||
      !describe(d, &b, k->k, k->n, (er_dtype)k->at, k->ldb, k->b_turned) ||
      !describe(d, &c, k->m, k->n, (er_dtype)k->ct, k->ldc, false))
    return false;
  if (biased && d->f.dnnl_memory_desc_init_by_strides(&bias, 2, bias_dims, type_of((er_dtype)k->bias_t),
                                                      bias_strides) != dnnl_success)
    return false;
  if (d->f.dnnl_matmul_desc_init(&op, &a, &b, biased ? &bias : NULL, &c) != dnnl_success) return false;
  attr = attributes(d, k->accumulate);
  ok = d->f.dnnl_primitive_desc_create(&pd, &op, attr, d->engine, NULL) == dnnl_success &&
       d->f.dnnl_primitive_create(&e->primitive, pd) == dnnl_success;
  if (ok) {
    const dnnl_memory_desc_t *scratch = d->f.dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    e->scratch = d->f.dnnl_memory_desc_get_size(scratch);
    ok = make_memory(d, e, (const dnnl_memory_desc_t *const[]){&a, &b, &c, biased ? &bias : NULL, scratch}, threads);
  }
  if (pd != NULL) d->f.dnnl_primitive_desc_destroy(pd);
  d->f.dnnl_primitive_attr_destroy(attr);
  return ok;
}

static entry *find(struct er_dnnl *d, const key *k, int threads) {
  uint64_t h = 1469598103934665603u;
  const unsigned char *p = (const unsigned char *)k;
  for (size_t i = 0; i < sizeof *k; i++) h = (h ^ p[i]) * 1099511628211u;
  for (uint64_t i = h % SLOTS;; i = (i + 1) % SLOTS) {
    entry *e = &d->table[i];
    if (e->used && memcmp(&e->key, k, sizeof *k) == 0 && (e->primitive == NULL || e->threads >= threads))
      return e->primitive != NULL ? e : NULL;
    if (e->used) continue;
    e->used = true;
    e->key = *k;
    d->n++;
    if (build(d, e, threads)) return e;
    drop_entry(d, e);
    e->used = true;
    e->key = *k;
    return NULL;
  }
}

/* ---- a product ---------------------------------------------------------------------------------------- */

/* Tiles of at most TM x TN; the edges have primitives of their own: e[bottom][right]. */
typedef struct {
  er_tensors *ts;
  const er_gemm *g;
  int64_t tm, tn, rows, cols;
  entry *e[2][2];
} plan;

static void run_tile(const plan *p, int thread, int64_t item) {
  struct er_dnnl *d = p->ts->dnnl;
  const er_gemm *g = p->g;
  int64_t t = item / (p->rows * p->cols), row = item / p->cols % p->rows, col = item % p->cols;
  entry *e = p->e[row == p->rows - 1][col == p->cols - 1];
  dnnl_memory_t *mem = e->memory[thread];
  dnnl_exec_arg_t args[ARGS] = {{DNNL_ARG_SRC, mem[0]}, {DNNL_ARG_WEIGHTS, mem[1]}, {DNNL_ARG_DST, mem[2]},
                                {DNNL_ARG_SCRATCHPAD, mem[4]}, {DNNL_ARG_BIAS, mem[3]}};
  int64_t a = (g->aoff != NULL ? g->aoff[t] : 0) + row * p->tm * g->ars,
          b = (g->boff != NULL ? g->boff[t] : 0) + col * p->tn * g->bcs;
  int64_t c = (g->coff != NULL ? g->coff[t] : 0) + row * p->tm * g->crs + col * p->tn;
  d->f.dnnl_memory_set_data_handle(mem[0], er_at(g->a, g->at, a));
  d->f.dnnl_memory_set_data_handle(mem[1], er_at(g->b, g->bt, b));
  d->f.dnnl_memory_set_data_handle(mem[2], er_at(g->c, g->ct, c));
  d->f.dnnl_memory_set_data_handle(mem[4], er_pool_scratch(p->ts->pool, thread, SLOT_LIBRARY, e->scratch + 64));
  if (mem[BIAS_ARG] != NULL) d->f.dnnl_memory_set_data_handle(mem[BIAS_ARG], er_at(g->bias, g->bias_t, col * p->tn));
  d->f.dnnl_primitive_execute(e->primitive, d->stream, mem[BIAS_ARG] != NULL ? ARGS : ARGS - 1, args);
}

static void tiles_body(void *ctx, int thread, int64_t lo, int64_t hi) {
  for (int64_t i = lo; i < hi; i++) run_tile(ctx, thread, i);
}

static bool plan_tiles(struct er_dnnl *d, plan *p, bool a_turned, bool b_turned) {
  const er_gemm *g = p->g;
  int threads = er_pool_threads(p->ts->pool);
  key k = {.k = g->k,
           .lda = a_turned ? g->acs : g->ars,
           .ldb = b_turned ? g->bcs : g->brs,
           .ldc = g->crs,
           .at = (int32_t)g->at,
           .ct = (int32_t)g->ct,
           .bias_t = g->bias != NULL ? (int32_t)g->bias_t : -1,
           .a_turned = a_turned,
           .b_turned = b_turned,
           .accumulate = g->accumulate};
  p->rows = (g->m + p->tm - 1) / p->tm;
  p->cols = (g->n + p->tn - 1) / p->tn;
  if (d->n > SLOTS - 64) drop_entries(d);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      k.m = i ? g->m - (p->rows - 1) * p->tm : p->tm;
      k.n = j ? g->n - (p->cols - 1) * p->tn : p->tn;
      if ((i == 0 && p->rows == 1) || (j == 0 && p->cols == 1)) continue;
      if ((p->e[i][j] = find(d, &k, threads)) == NULL) return false;
    }
  return true;
}

static bool suits(const struct er_dnnl *d, const er_gemm *g) {
  bool f32 = g->at == ER_F32 && g->bt == ER_F32 && g->ct == ER_F32;
  bool bf16 =
      d->bf16 && g->at == ER_BF16 && g->bt == ER_BF16 && (g->ct == ER_F32 || (g->ct == ER_BF16 && !g->accumulate));
  return (f32 || bf16) && g->alpha == 1 && (g->ars == 1 || g->acs == 1) && (g->brs == 1 || g->bcs == 1) &&
         (g->bias == NULL || g->bias_t == ER_F32 || g->bias_t == ER_BF16);
}

/* The activation over what the product has left in c; its slope is what it makes of a gradient of 1. */
static void activate(er_tensors *ts, const er_gemm *g) {
  static const er_ew of[ER_ACTS] = {ER_EW_COPY, ER_EW_RELU, ER_EW_RELU2, ER_EW_GELU, ER_EW_GELU_TANH, ER_EW_SILU};
  static const er_ew grads[ER_ACTS] = {ER_EW_COPY,   ER_EW_D_RELU,      ER_EW_D_RELU2,
                                        ER_EW_D_GELU, ER_EW_D_GELU_TANH, ER_EW_D_SILU};
  float unit = 1;
  er_view z = {.data = g->c, .dtype = g->ct, .nd = 2, .size = {g->m, g->n}, .stride = {g->crs, 1}}, slope = z;
  er_view one = {.data = &unit, .dtype = ER_F32, .nd = 0};
  const er_view *in[2] = {&one, &z}, *all[1] = {&z};
  slope.data = g->slope;
  if (g->slope != NULL) ts->backend->elementwise(ts->pool, grads[g->act], &slope, in, 2, NULL);
  ts->backend->elementwise(ts->pool, of[g->act], &z, all, 1, NULL);
}

/* Without signals: oneDNN's AVX kernels (before 3.11.2) let the stack pointer point into their workspace, where a
 * handler's frame would overwrite the heap. */
static void run_tiles(plan *p) {
  sigset_t was;
  er_pool_hold_signals(&was);
  er_pool_run(p->ts->pool, p->rows * p->cols * p->g->batch, 1, tiles_body, p);
  pthread_sigmask(SIG_SETMASK, &was, NULL);
}

bool er_dnnl_gemm(er_tensors *ts, const er_gemm *g) {
  double work = (double)g->m * (double)g->n * (double)g->k;
  struct er_dnnl *d;
  if (work < 1 << 20 || (d = library(ts)) == NULL || !suits(d, g)) return false;
  plan p = {.ts = ts, .g = g, .tm = 256, .tn = 384};
  bool a_turned = g->acs != 1, b_turned = g->bcs != 1;
  while (p.tn > 96 && ((g->m + p.tm - 1) / p.tm) * ((g->n + p.tn - 1) / p.tn) * g->batch < 8) {
    if (p.tm > 128 && g->m > p.tn) p.tm /= 2;
    else p.tn /= 2;
  }
  if (!plan_tiles(d, &p, a_turned, b_turned)) return false;
  run_tiles(&p);
  if (g->act != ER_ACT_NONE) activate(ts, g);
  return true;
}

const char *er_tensors_gemm(er_tensors *ts) {
  static const char *const names[] = {"oneDNN 2 (f32)", "oneDNN 2 (f32, bf16)"};
  struct er_dnnl *d = library(ts);
  return d == NULL ? ts->backend->name : names[d->bf16];
}

#else

bool er_dnnl_gemm(er_tensors *ts, const er_gemm *g) {
  (void)ts;
  (void)g;
  return false;
}

void er_dnnl_close(er_tensors *ts) { (void)ts; }
const char *er_tensors_gemm(er_tensors *ts) { return ts->backend->name; }

#endif
