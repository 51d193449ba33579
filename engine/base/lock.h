/* lock.h - a file that one process holds alone, or several together: flock, given up by the kernel when they end.
 * The file stays; one that was removed or replaced while it was waited for is not taken for the one at its place. */
#ifndef ER_BASE_LOCK_H
#define ER_BASE_LOCK_H

#include "base/err.h"

typedef enum { ER_LOCK_ALONE, ER_LOCK_SHARED } er_lock_kind;

/* Takes the lock without waiting; returns the descriptor that holds it, close-on-exec, or -1.  Alone: the file is made if it is not
 * there, and says who holds it.  Shared: the file must be there, and is not written.  Held by another: code EBUSY, and `busy`
 * begins the message: "the study is in use". */
int er_lock_take(const char *path, er_lock_kind kind, const char *busy, er_err *err);

#endif
