/* digest.c - SHA-256.  The low-level calls of libcrypto are deprecated but
 * pull in nothing else, which keeps the start of the program short. */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>

void er_sha256(const void *bytes, size_t n, uint8_t out[32]) {
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, bytes, n);
  SHA256_Final(out, &c);
}

static void to_hex(const uint8_t raw[32], char out[ER_DIGEST_HEX]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < 32; i++) {
    out[2 * i] = digits[raw[i] >> 4];
    out[2 * i + 1] = digits[raw[i] & 15];
  }
  out[64] = '\0';
}

void er_sha256_hex(const void *bytes, size_t n, char out[ER_DIGEST_HEX]) {
  uint8_t raw[32];
  er_sha256(bytes, n, raw);
  to_hex(raw, out);
}

int er_sha256_file(const char *path, char out[ER_DIGEST_HEX], er_err *err) {
  char chunk[65536];
  uint8_t raw[32];
  SHA256_CTX c;
  size_t n;
  FILE *f = fopen(path, "rbe");
  if (f == NULL) return er_fail_errno(err, errno, "cannot read %s", path);
  SHA256_Init(&c);
  while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) SHA256_Update(&c, chunk, n);
  int bad = ferror(f);
  fclose(f);
  if (bad) return er_fail(err, "EIO", "cannot read %s to its end", path);
  SHA256_Final(raw, &c);
  to_hex(raw, out);
  return 0;
}
