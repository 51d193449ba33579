/* cgroup.c - the supervisor's control groups, for the engine's probe and its sweep. */

#include "job/supervise/cgroup.c"
