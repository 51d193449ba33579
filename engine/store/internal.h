/* internal.h - what the files of the store room share; no one else includes it. */
#ifndef ER_STORE_INTERNAL_H
#define ER_STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/store.h"

typedef struct { char *key; uint32_t hash; sqlite3_stmt *st; } er__statement;

struct er_store {
  sqlite3 *db;
  char *path;
  bool dirty;                    /* a transaction is open */
  er__statement *cached;         /* a few dozen, found by key */
  size_t n_cached;
  er_buf key;                    /* of the row that is being written */
};

int er__store_fail(er_store *s, er_err *err, const char *doing);
sqlite3_stmt *er__store_cached(er_store *s, const char *key);
sqlite3_stmt *er__store_prepare(er_store *s, const char *key, const char *sql, er_err *err);
int er__store_begin(er_store *s, er_err *err);
int er__store_run(er_store *s, sqlite3_stmt *st, const char *doing, er_err *err);
void er__store_column(sqlite3_stmt *st, int i, er_value *v);

#endif
