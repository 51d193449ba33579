/* clock.h - the two clocks, in seconds. */
#ifndef ER_BASE_CLOCK_H
#define ER_BASE_CLOCK_H

#include <sys/time.h>
#include <time.h>

static inline double er_clock_read(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline double er_clock_wall(void) { return er_clock_read(CLOCK_REALTIME); }
static inline double er_clock_mono(void) { return er_clock_read(CLOCK_MONOTONIC); }

static inline double er_clock_seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

#endif
