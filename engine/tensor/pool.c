/* pool.c - one team of threads: made when there is work for it, asleep when there is none. */

#include "tensor/pool.h"

#include <dlfcn.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

typedef struct { void *ptr; size_t size; } scratch;

/* A thread's own part of the items, on a cache line of its own. */
typedef struct { _Alignas(64) _Atomic int64_t next; int64_t end; } share;

typedef struct { er_pool_body body; void *ctx; int64_t grain, n; } round_of_work;

typedef struct { er_pool *pool; int index; pthread_t id; } member;

/* `state` is a count of rounds, whether one is open, and how many members are in it.  A member may only enter a round
 * that is open, and a round that was closed is over as soon as nobody is left in it: so nobody waits for a thread that
 * the machine has not let run, which on a shared machine is the usual one. */
struct er_pool {
  int threads, most, running;    /* running: members that exist */
  int cpu;                       /* that of the caller when the members were last kept off it; -1: not yet */
  bool ending;
  void (*limit)(int);            /* libgomp's omp_set_num_threads, if it was loaded */
  member *members;
  share *shares;                 /* one a thread */
  round_of_work work;
  _Atomic uint32_t state, left;  /* left: counts rounds that somebody waits for the end of */
  _Atomic int asleep, waited;
  scratch *scratch;              /* most x ER_POOL_SLOTS */
  jmp_buf **exits;               /* most: the way out of the body that a thread is in */
  er_pool_watch over;
  void *watched;
  size_t most_scratch;
  _Atomic size_t held, lacking;  /* bytes of scratch; and those that were not there */
  _Atomic bool broken;
};

enum { INSIDE = 0xffff, OPEN = 0x10000, ROUND = 0x20000 };

/* Looks at a word, about 50 microseconds in all, before a thread sleeps: the gap between two kernels of a step. */
enum { PATIENCE = 1500 };

er_pool *er_pool_open(int threads) {
  er_pool *p = er_calloc(1, sizeof *p);
  p->threads = threads > 0 ? threads : er_pool_cpus();
  p->most = p->threads;
  p->scratch = er_calloc((size_t)p->most * ER_POOL_SLOTS, sizeof *p->scratch);
  p->exits = er_calloc((size_t)p->most, sizeof *p->exits);
  p->most_scratch = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  return p;
}

int er_pool_threads(const er_pool *p) { return p->threads; }

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Sleeps while *word is `seen`; was it woken? */
static bool sleep_on(_Atomic uint32_t *word, uint32_t seen) {
  return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0) == 0;
}

/* How many it woke. */
static int wake(_Atomic uint32_t *word, int most) {
  long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
  return woken > 0 ? (int)woken : 0;
}

/* ---- work that is broken off ------------------------------------------------------------------ */

void er_pool_set_watch(er_pool *p, er_pool_watch over, void *ctx) {
  p->over = over;
  p->watched = ctx;
}

void er_pool_set_most(er_pool *p, size_t bytes) { p->most_scratch = bytes; }

bool er_pool_is_broken(const er_pool *p) { return atomic_load_explicit(&p->broken, memory_order_relaxed); }

bool er_pool_broken(er_pool *p, size_t *bytes) {
  if (!er_pool_is_broken(p)) return false;
  *bytes = atomic_exchange(&p->lacking, 0);
  atomic_store(&p->broken, false);
  return true;
}

/* Thread 0 is the caller's, in whose place alone the watch is asked. */
static bool is_broken(er_pool *p, int thread) {
  if (thread == 0 && p->over != NULL && p->over(p->watched)) atomic_store(&p->broken, true);
  return er_pool_is_broken(p);
}

/* Does what `pieces` says; comes back in any case. */
static void with_exit(er_pool *p, int thread, void (*pieces)(er_pool *, int)) {
  jmp_buf here;
  if (setjmp(here) == 0) {
    p->exits[thread] = &here;
    pieces(p, thread);
  }
  p->exits[thread] = NULL;
}

/* First what is ours, then what others have left: the same rows go to the same thread in one kernel after another, and
 * are in its cache. */
static void take_shares(er_pool *p, int thread) {
  const round_of_work *w = &p->work;
  for (int i = 0; i < p->threads; i++) {
    share *s = &p->shares[(thread + i) % p->threads];
    for (;;) {
      int64_t lo = atomic_fetch_add_explicit(&s->next, w->grain, memory_order_relaxed);
      if (lo >= s->end) break;
      if (is_broken(p, thread)) return;
      w->body(w->ctx, thread, lo, lo + w->grain < s->end ? lo + w->grain : s->end);
    }
  }
}

static void take_pieces(er_pool *p, int thread) { with_exit(p, thread, take_shares); }

/* All of it, by the caller; in pieces where it is watched. */
static void take_all(er_pool *p, int thread) {
  const round_of_work *w = &p->work;
  int64_t grain = p->over != NULL ? w->grain : w->n;
  for (int64_t lo = 0; lo < w->n && !is_broken(p, thread); lo += grain)
    w->body(w->ctx, thread, lo, lo + grain < w->n ? lo + grain : w->n);
}

/* ---- members -------------------------------------------------------------------------------- */

/* Waits until a round is open that is not `last`, and enters it. */
static uint32_t enter(er_pool *p, uint32_t last) {
  for (int looks = 0;; looks++) {
    uint32_t s = atomic_load(&p->state);
    if ((s & OPEN) && s / ROUND != last) {
      if (atomic_compare_exchange_weak(&p->state, &s, s + 1)) return s / ROUND;
    } else if (looks < PATIENCE) {
      relax();
    } else {
      atomic_fetch_add(&p->asleep, 1);
      if (!sleep_on(&p->state, s)) atomic_fetch_sub(&p->asleep, 1);
      looks = 0;
    }
  }
}

static void leave(er_pool *p) {
  uint32_t before = atomic_fetch_sub(&p->state, 1);
  if ((before & (OPEN | INSIDE)) != 1 || !atomic_load(&p->waited)) return;
  atomic_fetch_add(&p->left, 1);
  wake(&p->left, 1);
}

static void *live(void *arg) {
  const member *m = arg;
  er_pool *p = m->pool;
  bool limited = false;
  for (uint32_t last = UINT32_MAX;;) {
    last = enter(p, last);
    if (p->ending) break;
    if (p->limit != NULL && !limited) p->limit(1);
    limited = p->limit != NULL;
    take_pieces(p, m->index);
    leave(p);
  }
  leave(p);
  return NULL;
}

/* ---- rounds ----------------------------------------------------------------------------------- */

/* A woken thread is often put on its waker's CPU, where it waits for milliseconds though another is idle: the members may
 * go wherever the caller may, save to where it runs. */
static void keep_off(er_pool *p) {
  cpu_set_t may;
  int cpu = sched_getcpu();
  if (cpu == p->cpu || cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof may, &may) < 0) return;
  CPU_CLR((size_t)cpu, &may);
  p->cpu = cpu;
  if (CPU_COUNT(&may) < p->running) return;
  for (int i = 0; i < p->running; i++) pthread_setaffinity_np(p->members[i].id, sizeof may, &may);
}

/* Whoever wakes a member takes it off the sleepers: it may be long until the machine lets it run, and it is not to be
 * woken for each round until then. */
static void open_round(er_pool *p, int64_t pieces) {
  int asleep;
  uint32_t s = atomic_load(&p->state);
  if (atomic_load(&p->asleep) > 0) keep_off(p);
  atomic_store(&p->state, (s / ROUND + 1) * ROUND | OPEN);
  asleep = atomic_load(&p->asleep);
  if (asleep > 0) atomic_fetch_sub(&p->asleep, wake(&p->state, pieces - 1 < asleep ? (int)(pieces - 1) : INT_MAX));
}

static void close_round(er_pool *p) {
  atomic_fetch_and(&p->state, ~(uint32_t)OPEN);
  for (int looks = 0; (atomic_load(&p->state) & INSIDE) != 0; looks++) {
    if (looks < PATIENCE) {
      relax();
      continue;
    }
    uint32_t seen = atomic_load(&p->left);
    atomic_store(&p->waited, 1);
    if ((atomic_load(&p->state) & INSIDE) != 0) sleep_on(&p->left, seen);
    atomic_store(&p->waited, 0);
  }
}

void er_pool_hold_signals(sigset_t *was) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, was);
}

/* As many as can be had; with all signals held, since handlers run in the engine's own thread. */
static void make_members(er_pool *p) {
  sigset_t was;
  p->members = er_calloc((size_t)p->threads, sizeof *p->members);
  p->shares = aligned_alloc(64, (size_t)p->threads * sizeof *p->shares);
  if (p->shares == NULL) er_malloc(SIZE_MAX / 2);            /* aborts, and says so */
  er_pool_hold_signals(&was);
  p->cpu = -1;
  for (p->running = 0; p->running < p->threads - 1; p->running++) {
    member *m = &p->members[p->running];
    *m = (member){.pool = p, .index = p->running + 1};
    if (pthread_create(&m->id, NULL, live, m) != 0) break;
  }
  pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void end_members(er_pool *p) {
  if (p->members == NULL) return;
  p->ending = true;
  open_round(p, INT_MAX);
  for (int i = 0; i < p->running; i++) pthread_join(p->members[i].id, NULL);
  close_round(p);
  er_free(p->members);
  free(p->shares);
  p->members = NULL;
  p->running = 0;
  p->ending = false;
}

void er_pool_close(er_pool *p) {
  if (p == NULL) return;
  end_members(p);
  for (int i = 0; i < p->most * ER_POOL_SLOTS; i++) free(p->scratch[i].ptr);
  er_free(p->scratch);
  er_free(p->exits);
  er_free(p);
}

void er_pool_set_threads(er_pool *p, int threads) {
  if (threads < 1) threads = er_pool_cpus();
  if (threads == p->threads) return;
  end_members(p);
  if (threads > p->most) {
    p->scratch = er_realloc(p->scratch, (size_t)threads * ER_POOL_SLOTS * sizeof *p->scratch);
    for (int i = p->most * ER_POOL_SLOTS; i < threads * ER_POOL_SLOTS; i++) p->scratch[i] = (scratch){0};
    p->exits = er_realloc(p->exits, (size_t)threads * sizeof *p->exits);
    for (int i = p->most; i < threads; i++) p->exits[i] = NULL;
    p->most = threads;
  }
  p->threads = threads;
}

/* It is opened here first, so that the library finds it, and stays: its thread-local data cannot be taken back. */
void er_pool_prepare(er_pool *p) {
  void *lib = p->limit == NULL ? dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (lib == NULL) return;
  *(void **)&p->limit = dlsym(lib, "omp_set_num_threads");
  if (p->limit != NULL) p->limit(1);
}

static void share_out(er_pool *p, int64_t n, int64_t grain) {
  int64_t pieces = (n + grain - 1) / grain, from = 0;
  for (int i = 0; i < p->threads; i++) {
    int64_t end = (i + 1) * pieces / p->threads * grain;
    atomic_store_explicit(&p->shares[i].next, from, memory_order_relaxed);
    p->shares[i].end = end < n ? end : n;
    from = p->shares[i].end;
  }
}

bool er_pool_run(er_pool *p, int64_t n, int64_t grain, er_pool_body body, void *ctx) {
  if (n <= 0) return true;
  if (grain < 1) grain = 1;
  p->work = (round_of_work){body, ctx, grain, n};
  if (p->threads == 1 || n <= grain) {
    with_exit(p, 0, take_all);
    return !atomic_load(&p->broken);
  }
  if (p->members == NULL) make_members(p);
  share_out(p, n, grain);
  open_round(p, (n + grain - 1) / grain);
  take_pieces(p, 0);
  close_round(p);
  return !atomic_load(&p->broken);
}

static bool grow(er_pool *p, scratch *s, size_t n) {
  size_t size = (n + n / 4 + 4095) & ~(size_t)4095;
  free(s->ptr);
  atomic_fetch_sub(&p->held, s->size);
  *s = (scratch){0};
  if (size < n || (p->most_scratch > 0 && atomic_load(&p->held) + size > p->most_scratch)) return false;
  if ((s->ptr = aligned_alloc(64, size)) == NULL) return false;
  s->size = size;
  atomic_fetch_add(&p->held, size);
  return true;
}

void *er_pool_scratch(er_pool *p, int thread, int slot, size_t n) {
  scratch *s = &p->scratch[thread * ER_POOL_SLOTS + slot];
  if (s->size < n && !grow(p, s, n)) {
    atomic_store(&p->lacking, n);
    atomic_store(&p->broken, true);
  }
  if (!is_broken(p, thread)) return s->ptr;
  if (p->exits[thread] != NULL) longjmp(*p->exits[thread], 1);
  return NULL;
}
