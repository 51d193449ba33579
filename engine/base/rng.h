/* rng.h - xoshiro256** (Blackman & Vigna), the generator of Lua 5.4 itself.
 * One generator a task; its seed is the digest of the study's seed and the
 * task's path, so that a draw depends on neither time nor order. */
#ifndef ER_BASE_RNG_H
#define ER_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t s[4]; } er_rng;

void er_rng_seed(er_rng *r, int64_t seed, const char *path);
uint64_t er_rng_next(er_rng *r);
double er_rng_unit(er_rng *r);                       /* [0, 1), 53 bits */
uint64_t er_rng_below(er_rng *r, uint64_t n);        /* [0, n), unbiased; n = 0 means 2^64 */

#endif
