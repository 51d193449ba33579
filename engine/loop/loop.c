/* loop.c - the one event loop, over libuv. */

#include "loop/loop.h"

#include <math.h>
#include <stdlib.h>
#include <uv.h>

#include "base/mem.h"

struct er_loop {
  uv_loop_t uv;
  uv_async_t wake;
};

struct er_timer {
  uv_timer_t uv;
  er_loop_fn fn;
  void *ud;
};

struct er_watch {
  uv_poll_t uv;
  er_loop_fn fn;
  void *ud;
};

struct er_poll {
  uv_poll_t uv;
  er_poll_fn fn;
  void *ud;
  int fd, events;
};

static void woken(uv_async_t *a) { (void)a; }

er_loop *er_loop_new(void) {
  er_loop *l = er_calloc(1, sizeof *l);
  if (uv_loop_init(&l->uv) < 0 || uv_async_init(&l->uv, &l->wake, woken) < 0) abort();
  uv_unref((uv_handle_t *)&l->wake);
  return l;
}

static void freed(uv_handle_t *h) {
  if (h->type != UV_ASYNC) er_free(h);        /* the handle is each struct's first member */
}

static void close_each(uv_handle_t *h, void *ud) {
  (void)ud;
  if (!uv_is_closing(h)) uv_close(h, freed);
}

void er_loop_free(er_loop *l) {
  if (l == NULL) return;
  uv_walk(&l->uv, close_each, NULL);
  uv_run(&l->uv, UV_RUN_DEFAULT);
  uv_loop_close(&l->uv);
  er_free(l);
}

bool er_loop_turn(er_loop *l, bool wait) {
  return uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

void er_loop_wake(er_loop *l) { uv_async_send(&l->wake); }

static void timer_fired(uv_timer_t *uv) {
  er_timer *t = (er_timer *)uv;
  t->fn(t->ud);
}

/* libuv counts whole milliseconds from the last full one, so that many of them from now
 * end up to one too early where the loop turns meanwhile: a sleep is never shorter than
 * asked for. */
static uint64_t ticks(uv_loop_t *uv, double seconds) {
  double due;
  if (seconds <= 0) {
    uv_update_time(uv);
    return 0;
  }
  due = ceil(((double)uv_hrtime() + seconds * 1e9) * 1e-6) - (double)uv_now(uv);
  return due > 0 ? (uint64_t)due : 0;
}

er_timer *er_timer_start(er_loop *l, double seconds, double repeat, er_loop_fn fn, void *ud) {
  er_timer *t = er_calloc(1, sizeof *t);
  t->fn = fn;
  t->ud = ud;
  uv_timer_init(&l->uv, &t->uv);
  uv_timer_start(&t->uv, timer_fired, ticks(&l->uv, seconds), (uint64_t)(repeat * 1000));
  return t;
}

void er_timer_set(er_timer *t, double seconds) {
  uv_timer_stop(&t->uv);
  if (seconds < 0) return;
  uv_timer_start(&t->uv, timer_fired, ticks(t->uv.loop, seconds), 0);
}

void er_timer_stop(er_timer *t) {
  if (t == NULL) return;
  uv_timer_stop(&t->uv);
  uv_close((uv_handle_t *)&t->uv, freed);
}

void er_timer_unref(er_timer *t) { uv_unref((uv_handle_t *)&t->uv); }

static void fd_ready(uv_poll_t *uv, int status, int events) {
  er_watch *w = (er_watch *)uv;
  (void)status;
  (void)events;
  w->fn(w->ud);
}

er_watch *er_watch_fd(er_loop *l, int fd, er_loop_fn fn, void *ud) {
  er_watch *w = er_calloc(1, sizeof *w);
  w->fn = fn;
  w->ud = ud;
  if (uv_poll_init(&l->uv, &w->uv, fd) < 0) {
    er_free(w);
    return NULL;
  }
  uv_poll_start(&w->uv, UV_READABLE, fd_ready);
  return w;
}

void er_watch_stop(er_watch *w) {
  if (w == NULL) return;
  uv_poll_stop(&w->uv);
  uv_close((uv_handle_t *)&w->uv, freed);
}

static void polled(uv_poll_t *uv, int status, int events) {
  er_poll *p = (er_poll *)uv;
  if (status < 0) {                            /* libuv has stopped watching */
    events = UV_READABLE | UV_WRITABLE;
    p->events = 0;
  }
  p->fn(p->ud, p->fd, ((events & UV_READABLE) ? ER_READABLE : 0) | ((events & UV_WRITABLE) ? ER_WRITABLE : 0));
}

er_poll *er_poll_start(er_loop *l, int fd, er_poll_fn fn, void *ud) {
  er_poll *p = er_calloc(1, sizeof *p);
  p->fn = fn;
  p->ud = ud;
  p->fd = fd;
  if (uv_poll_init(&l->uv, &p->uv, fd) < 0) {
    er_free(p);
    return NULL;
  }
  uv_unref((uv_handle_t *)&p->uv);
  return p;
}

void er_poll_set(er_poll *p, int events) {
  if (events == p->events) return;             /* libuv would ask the kernel again */
  p->events = events;
  events = ((events & ER_READABLE) ? UV_READABLE : 0) | ((events & ER_WRITABLE) ? UV_WRITABLE : 0);
  uv_poll_start(&p->uv, events, polled);
}

void er_poll_stop(er_poll *p) {
  if (p == NULL) return;
  uv_poll_stop(&p->uv);
  uv_close((uv_handle_t *)&p->uv, freed);
}
