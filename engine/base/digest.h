/* digest.h - SHA-256 (FIPS 180-4), as bytes and as the lower-case hex that
 * `sha256sum` prints.  The arithmetic is libcrypto's. */
#ifndef ER_BASE_DIGEST_H
#define ER_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ER_DIGEST_HEX 65                    /* 64 digits and the NUL */

void er_sha256(const void *bytes, size_t n, uint8_t out[32]);
void er_sha256_hex(const void *bytes, size_t n, char out[ER_DIGEST_HEX]);

/* The digest of a file of any size. */
int er_sha256_file(const char *path, char out[ER_DIGEST_HEX], er_err *err);

#endif
