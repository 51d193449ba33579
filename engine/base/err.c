/* err.c - error values: a stable code and a message for people. */

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int er_fail(er_err *err, const char *code, const char *fmt, ...) {
  va_list ap;
  if (err == NULL) return -1;
  snprintf(err->code, sizeof err->code, "%s", code);
  va_start(ap, fmt);
  vsnprintf(err->msg, sizeof err->msg, fmt, ap);
  va_end(ap);
  return -1;
}

const char *er_errno_name(int eno) {
  const char *name = strerrorname_np(eno);
  return name != NULL ? name : "EUNKNOWN";
}

int er_fail_errno(er_err *err, int eno, const char *fmt, ...) {
  va_list ap;
  size_t n;
  if (err == NULL) return -1;
  snprintf(err->code, sizeof err->code, "%s", er_errno_name(eno));
  va_start(ap, fmt);
  vsnprintf(err->msg, sizeof err->msg, fmt, ap);
  va_end(ap);
  n = strlen(err->msg);
  snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(eno));
  return -1;
}
