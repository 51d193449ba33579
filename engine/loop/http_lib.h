/* http_lib.h - libcurl as a table of functions, loaded when it is first needed.
 * Private to engine/loop/http*.c. */
#ifndef ER_LOOP_HTTP_LIB_H
#define ER_LOOP_HTTP_LIB_H

#include <curl/curl.h>

#include "base/err.h"

/* curl_<name> each. */
#define ER_CURL_FUNCTIONS(X) \
  X(global_init) X(global_cleanup) X(slist_append) X(slist_free_all) X(free) \
  X(easy_init) X(easy_cleanup) X(easy_setopt) X(easy_getinfo) X(easy_pause) X(easy_strerror) \
  X(multi_init) X(multi_cleanup) X(multi_setopt) X(multi_add_handle) X(multi_remove_handle) \
  X(multi_socket_action) X(multi_assign) X(multi_info_read) X(url) X(url_cleanup) X(url_set) X(url_get) X(url_strerror)

#define ER_CURL_FIELD(name) __typeof__(curl_##name) *name;
typedef struct {
  ER_CURL_FUNCTIONS(ER_CURL_FIELD)
} er_curl;
#undef ER_CURL_FIELD

/* Fills the table, or says what to install.  The library stays loaded. */
int er_curl_load(er_curl *c, er_err *err);

#endif
