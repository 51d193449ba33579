/* pool.h - the one team of threads that every kernel and oneDNN share.
 * It is made when the first large piece of work comes, so that programs without tensors
 * never pay for it.  The number of threads is the number of CPUs this process may run on,
 * or its cgroup's quota where that is less, lowered by OMP_NUM_THREADS; a job's slot sets
 * them.  Idle threads look for work for some tens of microseconds and then sleep; a team
 * of one has no threads at all.  Used by one thread at a time. */
#ifndef ER_TENSOR_POOL_H
#define ER_TENSOR_POOL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct er_pool er_pool;

/* Does the items lo..hi-1; thread counts from 0 and names the scratch space. */
typedef void (*er_pool_body)(void *ctx, int thread, int64_t lo, int64_t hi);

er_pool *er_pool_open(int threads);                       /* 0: as many as there are for us */
void er_pool_close(er_pool *p);                           /* NULL is fine */
int er_pool_threads(const er_pool *p);

/* The CPUs we may use; and the quota alone, 0 for none, by a file like /proc/self/cgroup and where cgroups are mounted. */
int er_pool_cpus(void);
int er_pool_quota(const char *list, const char *mounts);

void er_pool_set_threads(er_pool *p, int threads);

/* Before a library that brings libgomp along (oneDNN) is opened: it then runs within our pieces, on one thread each. */
void er_pool_prepare(er_pool *p);

/* Calls body for pieces of 0..n-1 of `grain` items each, at the same time where there is more than one.  A body
 * owns nothing: it is left for good where it is when the work is broken off, which is false. */
bool er_pool_run(er_pool *p, int64_t n, int64_t grain, er_pool_body body, void *ctx);

/* Work is broken off where there is no memory for scratch, and where the watch says so, which is asked again and again
 * by the caller's thread.  From then on nothing is run, until er_pool_broken has been asked: true, and what was missing
 * (0 bytes: the watch ended it).  What was written since the last time it was asked means nothing. */
typedef bool (*er_pool_watch)(void *ctx);
void er_pool_set_watch(er_pool *p, er_pool_watch over, void *ctx);      /* NULL: none */
void er_pool_set_most(er_pool *p, size_t bytes);                        /* of scratch, all threads together; at first the machine's memory */
bool er_pool_broken(er_pool *p, size_t *bytes);
bool er_pool_is_broken(const er_pool *p);                               /* asks, and leaves it so */

/* Holds back every signal of this thread; pthread_sigmask(SIG_SETMASK, was, NULL) ends it.  The team's other
 * threads never run handlers. */
void er_pool_hold_signals(sigset_t *was);

/* At least n bytes, aligned to 64, private to `thread` until the next call with a larger slot or n.  Where they cannot
 * be had a body does not come back from here, and who is in no body gets NULL and returns.
 * Slots are few and numbered by the kernels: see er_scratch in kernels/kernel.h. */
enum { ER_POOL_SLOTS = 8 };
void *er_pool_scratch(er_pool *p, int thread, int slot, size_t n);

#endif
