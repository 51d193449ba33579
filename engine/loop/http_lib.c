/* http_lib.c - loads libcurl at the first request of a program.
 * libcurl brings some thirty libraries (LDAP, Kerberos, SSH).  Linked, they cost every
 * start 7.5 ms of CPU, where a start of erlua is 1.4 ms in all, and every trial whose
 * commands are Lua has two starts; loaded, they cost 11 ms, once, those who ask. */

#include "loop/http_lib.h"

#include <dlfcn.h>
#include <stddef.h>

static const char LIBRARY[] = "libcurl.so.4";

static int missing(er_err *err, const char *why) {
  return er_fail(err, "ENOCURL", "cannot load %s, which HTTP needs: %s. Install it: apt-get install libcurl4", LIBRARY,
                 why);
}

int er_curl_load(er_curl *c, er_err *err) {
  static const struct { const char *name; size_t at; } functions[] = {
#define ROW(name) {"curl_" #name, offsetof(er_curl, name)},
    ER_CURL_FUNCTIONS(ROW)
#undef ROW
  };
  void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) return missing(err, dlerror());
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *f = dlsym(lib, functions[i].name);
    if (f == NULL) return missing(err, dlerror());
    *(void **)((char *)c + functions[i].at) = f;
  }
  return 0;
}
