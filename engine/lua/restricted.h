/* restricted.h - a Lua state of its own in which an idea's model runs and can do nothing else.
 * Private to engine/lua; lua_restricted.c is its face for evaluations.  The state has base,
 * math, string and table, tensors from an engine of its own that zeroes new storage, nn, and
 * safetensors.load for files of one folder.  It has no files, clock, processes, coroutines,
 * finalizers or bytecode, and no metatable that the caller's state uses.
 *
 * What crosses: a text inwards, a batch of ids inwards as a copy, and one tensor outwards,
 * which is read here, element by element, after the last line of the idea has run.  Nothing
 * that the idea could have replaced is called for it.
 *
 * Whatever runs in the state does so protected.  Its Lua memory, its tensors and its CPU time
 * have a bound.  The clock is looked at before every call of a function, every hundred of Lua's
 * instructions, in patterns, and between the pieces of a tensor's kernel, which is then broken
 * off; what else one call of a C function does is bounded by the memory.
 *
 * The caller owns the state (er_restricted_close; NULL is fine) and the folder's descriptor. */
#ifndef ER_LUA_RESTRICTED_H
#define ER_LUA_RESTRICTED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tensor/tensor.h"

struct er_host;
typedef struct er_restricted er_restricted;

enum { ER_RESTRICTED_SOURCE = 256 << 10 };

typedef struct {
  struct er_host *host;
  const char *source, *name;     /* the chunk, a text of at most ER_RESTRICTED_SOURCE bytes; "@model.lua" */
  size_t len;
  int folder;                    /* where safetensors.load looks; -1: nowhere */
  size_t memory;                 /* bytes of Lua's heap */
  int64_t tensors;               /* bytes in tensors */
  double seconds;                /* of CPU time, all calls together */
  int64_t seed;                  /* of its random numbers, the same in each state of an evaluation */
} er_restricted_options;

typedef struct {
  double seconds;                /* CPU time spent in it, its threads included */
  int64_t numbers;               /* elements of all tensors in the files that it opened */
  int64_t text;                  /* bytes of their headers: names, shapes and metadata */
} er_restricted_usage;

/* Runs the chunk, whose value must be a table.  NULL: err says why, with the code "syntax",
 * "error", "memory" or "time", as do the calls below. */
er_restricted *er_restricted_open(const er_restricted_options *opt, er_err *err);
void er_restricted_close(er_restricted *r);

/* Calls a function of that table with a text.  -1 also where it returns nil (or false) and a message. */
int er_restricted_call(er_restricted *r, const char *name, const char *text, er_err *err);

/* out = logits(ids): size[0] x size[1] x size[2] numbers (windows, positions, vocabulary), all of them finite.  Another
 * shape or dtype is "shape", a number that is infinite or none is "value". */
int er_restricted_logits(er_restricted *r, const int32_t *ids, const int64_t *size, float *out, er_err *err);

/* The same, of which only nats[i] comes out, the loss of target i, computed by another engine, `by`. */
int er_restricted_losses(er_restricted *r, er_tensors *by, const int32_t *ids, const int32_t *targets,
                         const int64_t *size, double *nats, er_err *err);

er_restricted_usage er_restricted_used(const er_restricted *r);

/* ---- restricted_*.c among themselves ------------------------------------------------------------------ */
struct lua_State;
struct er_pool;

/* What the libraries ask of the state they are in. */
er_restricted *er_restricted_of(struct lua_State *L);
int er_restricted_folder(const er_restricted *r);
enum { ER_RESTRICTED_FILES = 16, ER_RESTRICTED_NAME = 63 };
int er_restricted_loaded(er_restricted *r, const char *name, int64_t numbers, int64_t text);   /* -1: one too many */
int er_restricted_over(struct lua_State *L);       /* raises if the time is used up; else 0 */
uint64_t er_restricted_random(er_restricted *r);
void er_restricted_reseed(er_restricted *r, int64_t seed);
void er_restricted_watch(er_restricted *r, struct er_pool *pool, const er_restricted_options *opt);

/* Opens all of it; the stack ends as it began.  May raise. */
void er_restricted_open_libs(struct lua_State *L, const er_restricted_options *opt);
void er_restricted_open_patterns(struct lua_State *L);    /* string.find and its like, on the clock */
void er_restricted_open_bounds(struct lua_State *L);      /* what else would not end in one call */

#endif
