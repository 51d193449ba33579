/* codes.h - how erlua-supervise ends, for the engine that started it. */
#ifndef ER_JOB_SUPERVISE_CODES_H
#define ER_JOB_SUPERVISE_CODES_H

#include <stdint.h>

/* A disk with less room is full: what little is left may be what a failed job gave back. */
#define SV_DISK_ROOM ((uint64_t)1 << 20)

enum {
  SV_EXIT_DONE = 0,                /* `exit` is there */
  SV_EXIT_USAGE = 64,              /* the command line was not understood */
  SV_EXIT_CLAIMED = 65,            /* another supervisor holds the claim */
  SV_EXIT_ALREADY = 66,            /* a result is there already; nothing was started */
  SV_EXIT_FOLDER = 67,             /* the folder cannot be written; nothing was started */
  SV_EXIT_UNWRITTEN = 68           /* the command ran, and its result could not be written */
};

#endif
