/* fault.c - the engine's fault points, compiled into the supervisor as well. */

#include "base/fault.c"
