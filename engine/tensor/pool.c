/* pool.c - one team of threads: libgomp's, opened when there is work for it. */

#include "tensor/pool.h"

#include <dlfcn.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct { void *ptr; size_t size; } scratch;

/* libgomp is called through its documented ABI instead of being linked: a shared
 * library more costs every start of erlua, and its waiting is decided by variables
 * that it reads when it is loaded. */
typedef void (*parallel_fn)(void (*fn)(void *), void *data, unsigned threads, unsigned flags);

struct er_pool {
  int threads, most;
  bool opened, made;             /* libgomp; the team of `threads` threads */
  parallel_fn parallel;          /* NULL: there is no libgomp, everything runs here */
  int (*thread_num)(void);
  scratch *scratch;              /* most x ER_POOL_SLOTS */
};

typedef struct {
  er_pool *pool;
  er_pool_body body;
  void *ctx;
  int64_t n, grain;
  _Atomic int64_t next;
} round_of_work;

static int usable_cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* The CPUs we may use, lowered but never raised by OMP_NUM_THREADS. */
static int default_threads(void) {
  const char *wish = getenv("OMP_NUM_THREADS");
  int cpus = usable_cpus();
  long n = wish != NULL ? strtol(wish, NULL, 10) : 0;
  return n >= 1 && n < cpus ? (int)n : cpus;
}

er_pool *er_pool_open(int threads) {
  er_pool *p = er_calloc(1, sizeof *p);
  p->threads = threads > 0 ? threads : default_threads();
  p->most = p->threads;
  p->scratch = er_calloc((size_t)p->most * ER_POOL_SLOTS, sizeof *p->scratch);
  return p;
}

void er_pool_close(er_pool *p) {
  if (p == NULL) return;
  for (int i = 0; i < p->most * ER_POOL_SLOTS; i++) free(p->scratch[i].ptr);
  er_free(p->scratch);
  er_free(p);                    /* libgomp stays loaded: its threads cannot be taken back */
}

int er_pool_threads(const er_pool *p) { return p->threads; }

void er_pool_set_threads(er_pool *p, int threads) {
  if (threads < 1) threads = default_threads();
  if (threads > p->most) {
    p->scratch = er_realloc(p->scratch, (size_t)threads * ER_POOL_SLOTS * sizeof *p->scratch);
    for (int i = p->most * ER_POOL_SLOTS; i < threads * ER_POOL_SLOTS; i++) p->scratch[i] = (scratch){0};
    p->most = threads;
  }
  p->threads = threads;
  p->made = false;
}

/* Idle threads spin for about 10 microseconds, the gap between two kernels, and then
 * sleep.  The variable is taken back, so that no child inherits it.  Whoever else uses
 * libgomp in this process (oneDNN) is told to use one thread: it is called from within
 * our pieces of work, and its results must not depend on the size of the team. */
static void open_gomp(er_pool *p) {
  bool ours = getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL;
  void (*set_threads)(int);
  void *lib;
  p->opened = true;
  if (ours) setenv("GOMP_SPINCOUNT", "500", 1);
  lib = dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (ours) unsetenv("GOMP_SPINCOUNT");
  if (lib == NULL) return;
  *(void **)&set_threads = dlsym(lib, "omp_set_num_threads");
  *(void **)&p->thread_num = dlsym(lib, "omp_get_thread_num");
  if (set_threads == NULL || p->thread_num == NULL) return;
  set_threads(1);
  *(void **)&p->parallel = dlsym(lib, "GOMP_parallel");
}

void er_pool_prepare(er_pool *p) {
  if (!p->opened) open_gomp(p);
}

static void take_pieces(round_of_work *w, int thread) {
  for (;;) {
    int64_t lo = atomic_fetch_add_explicit(&w->next, w->grain, memory_order_relaxed);
    if (lo >= w->n) return;
    w->body(w->ctx, thread, lo, lo + w->grain < w->n ? lo + w->grain : w->n);
  }
}

static void in_thread(void *data) {
  round_of_work *w = data;
  take_pieces(w, w->pool->thread_num());
}

void er_pool_hold_signals(sigset_t *was) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, was);
}

/* The whole team each time, since libgomp ends the threads that a smaller one does not need.
 * Threads are made with all signals held: handlers run in the engine's own thread. */
static void run_team(er_pool *p, round_of_work *w) {
  sigset_t was;
  bool made = p->made;
  if (!made) er_pool_hold_signals(&was);
  p->parallel(in_thread, w, (unsigned)p->threads, 0);
  if (!made) pthread_sigmask(SIG_SETMASK, &was, NULL);
  p->made = true;
}

void er_pool_run(er_pool *p, int64_t n, int64_t grain, er_pool_body body, void *ctx) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  if (p->threads > 1 && n > grain && !p->opened) open_gomp(p);
  if (p->threads == 1 || n <= grain || p->parallel == NULL) {
    body(ctx, 0, 0, n);
    return;
  }
  round_of_work w = {.pool = p, .body = body, .ctx = ctx, .n = n, .grain = grain};
  run_team(p, &w);
}

void *er_pool_scratch(er_pool *p, int thread, int slot, size_t n) {
  scratch *s = &p->scratch[thread * ER_POOL_SLOTS + slot];
  if (s->size < n) {
    size_t size = (n + n / 4 + 4095) & ~(size_t)4095;
    free(s->ptr);
    s->ptr = aligned_alloc(64, size);
    if (s->ptr == NULL) er_malloc(SIZE_MAX / 2);      /* aborts, and says so */
    s->size = size;
  }
  return s->ptr;
}
