/* fault.h - points at which a test kills the process with SIGKILL.
 * ERLUA_FAULT=name[:n] kills at the n-th (default first) passing of the point
 * `name`; without the variable a point costs one load.  The names are listed
 * in docs/testing.md. */
#ifndef ER_BASE_FAULT_H
#define ER_BASE_FAULT_H

void er_fault(const char *point);

#endif
