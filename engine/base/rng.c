/* rng.c - xoshiro256**. */

#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"

void er_rng_seed(er_rng *r, int64_t seed, const char *path) {
  uint8_t raw[32];
  er_buf text = {0};
  er_buf_fmt(&text, "erlua rng %" PRId64 " %s", seed, path);
  er_sha256(text.ptr, text.len, raw);
  er_buf_free(&text);
  memcpy(r->s, raw, sizeof r->s);
}

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

uint64_t er_rng_next(er_rng *r) {
  uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return out;
}

double er_rng_unit(er_rng *r) { return (double)(er_rng_next(r) >> 11) * 0x1.0p-53; }

uint64_t er_rng_below(er_rng *r, uint64_t n) {
  uint64_t x, limit;
  if (n == 0) return er_rng_next(r);
  limit = UINT64_MAX - UINT64_MAX % n;               /* a multiple of n */
  do x = er_rng_next(r); while (x >= limit);
  return x % n;
}
