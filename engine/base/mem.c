/* mem.c - allocation that aborts instead of returning NULL. */

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t n) {
  if (p == NULL && n > 0) {
    fprintf(stderr, "erlua: out of memory (%zu bytes asked for)\n", n);
    abort();
  }
  return p;
}

void *er_malloc(size_t n) { return checked(malloc(n), n); }
void *er_calloc(size_t count, size_t size) { return checked(calloc(count, size), count * size); }
void *er_realloc(void *p, size_t n) { return checked(realloc(p, n), n); }
void er_free(void *p) { free(p); }

char *er_strndup(const char *s, size_t n) {
  char *p = er_malloc(n + 1);
  memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

char *er_strdup(const char *s) { return er_strndup(s, strlen(s)); }

char *er_asprintf(const char *fmt, ...) {
  va_list ap;
  char *p = NULL;
  int n;
  va_start(ap, fmt);
  n = vasprintf(&p, fmt, ap);
  va_end(ap);
  return checked(n < 0 ? NULL : p, 1);
}
