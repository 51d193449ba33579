/* clock.h - the two clocks, in seconds. */
#ifndef ER_BASE_CLOCK_H
#define ER_BASE_CLOCK_H

#include <time.h>

static inline double er_clock_read(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline double er_clock_wall(void) { return er_clock_read(CLOCK_REALTIME); }
static inline double er_clock_mono(void) { return er_clock_read(CLOCK_MONOTONIC); }

#endif
