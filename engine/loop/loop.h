/* loop.h - the one event loop: timers, descriptors, child processes, wake-ups from signals.
 * A thin face over libuv, so that the rooms above share one loop and none of
 * them sees a uv type.  Single-threaded; callbacks run inside er_loop_turn. */
#ifndef ER_LOOP_LOOP_H
#define ER_LOOP_LOOP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

typedef struct er_loop er_loop;
typedef struct er_timer er_timer;
typedef struct er_watch er_watch;
typedef struct er_poll er_poll;
typedef void (*er_loop_fn)(void *ud);

er_loop *er_loop_new(void);
void er_loop_free(er_loop *l);                 /* closes what is still open */

/* Handles events: waits for the first one if `wait`, else only takes those that
 * are there.  Returns false if nothing is left that could ever happen. */
bool er_loop_turn(er_loop *l, bool wait);

/* One call of fn after `seconds`, or every `repeat` seconds if repeat > 0. */
er_timer *er_timer_start(er_loop *l, double seconds, double repeat, er_loop_fn fn, void *ud);
void er_timer_stop(er_timer *t);               /* frees it; NULL is fine; fn is not called any more */
void er_timer_unref(er_timer *t);              /* does not keep the loop going */
void er_timer_set(er_timer *t, double seconds);   /* its next call, once; below 0: none until set again */

/* Calls fn whenever fd is readable, until stopped.  fd stays the caller's. */
er_watch *er_watch_fd(er_loop *l, int fd, er_loop_fn fn, void *ud);
void er_watch_stop(er_watch *w);               /* frees it; NULL is fine */

/* Calls fn whenever a socket can be read or written, as asked for; both when it has
 * an error, which reading or writing then tells.  Does not keep the loop going.  fd stays the caller's,
 * who stops this before closing it.  NULL if fd cannot be watched. */
enum { ER_READABLE = 1, ER_WRITABLE = 2 };
typedef void (*er_poll_fn)(void *ud, int fd, int events);
er_poll *er_poll_start(er_loop *l, int fd, er_poll_fn fn, void *ud);   /* for nothing, until set */
void er_poll_set(er_poll *p, int events);
void er_poll_stop(er_poll *p);                 /* frees it; NULL is fine; fn is not called any more */

/* Starts a program by posix_spawn: no descriptor but 0, 1, 2 is inherited, those
 * are /dev/null where -1 is given; a session of its own if `session`.  argv[0]
 * is looked up in PATH.  Returns the pid and a pidfd for er_watch_fd; the caller
 * reaps (waitpid) when the pidfd is readable and closes it. */
typedef struct {
  const char *const *argv, *const *env;        /* env NULL: the engine's */
  int fd0, fd1, fd2;
  bool session;
  const char *cwd;                             /* NULL: the engine's */
} er_spawn_opts;
int er_spawn(const er_spawn_opts *o, pid_t *pid, int *pidfd, er_err *err);

/* A pidfd of a process that is not a child (an adopted supervisor); -1 if gone. */
int er_pidfd_open(pid_t pid);

/* Wakes a waiting turn; may be called from a signal handler. */
void er_loop_wake(er_loop *l);

#endif
