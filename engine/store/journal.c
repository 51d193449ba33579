/* journal.c - the rows of `effects`: what the world answered, in order. */

#include <string.h>

#include "store/internal.h"

static sqlite3_stmt *statement(er_store *s, const char *key, const char *sql, er_err *err) {
  sqlite3_stmt *st = er__store_cached(s, key);
  return st != NULL ? st : er__store_prepare(s, key, sql, err);
}

int er_journal_add(er_store *s, const er_effect_row *r, er_err *err) {
  sqlite3_stmt *st;
  if (er__store_begin(s, err) < 0) return -1;
  st = statement(s, "journal add",
                 "INSERT INTO effects(path,seq,ord,kind,digest,call,line,result) VALUES(?,?,?,?,?,?,?,?)", err);
  if (st == NULL) return -1;
  sqlite3_bind_text(st, 1, r->path, -1, SQLITE_STATIC);
  sqlite3_bind_int64(st, 2, r->seq);
  if (r->ord > 0) sqlite3_bind_int64(st, 3, r->ord);
  sqlite3_bind_text(st, 4, r->kind, -1, SQLITE_STATIC);
  sqlite3_bind_blob(st, 5, r->digest, sizeof r->digest, SQLITE_STATIC);
  sqlite3_bind_text(st, 6, r->call, -1, SQLITE_STATIC);
  sqlite3_bind_text(st, 7, r->line, -1, SQLITE_STATIC);
  sqlite3_bind_text(st, 8, r->result, (int)r->result_len, SQLITE_STATIC);
  return er__store_run(s, st, "writing the journal", err);
}

static const char *text(sqlite3_stmt *st, int i) {
  const char *p = (const char *)sqlite3_column_text(st, i);
  return p != NULL ? p : "";
}

/* Reads the one row of st into r; the statement stays open, so that the strings
 * stay valid, and is reset at its next use. */
static int fetch(er_store *s, sqlite3_stmt *st, er_effect_row *r, er_err *err) {
  int rc = sqlite3_step(st);
  if (rc == SQLITE_DONE) {
    sqlite3_reset(st);
    return 0;
  }
  if (rc != SQLITE_ROW) {
    er__store_fail(s, err, "reading the journal");
    sqlite3_reset(st);
    return -1;
  }
  *r = (er_effect_row){
    .path = text(st, 0), .seq = sqlite3_column_int64(st, 1), .ord = sqlite3_column_int64(st, 2),
    .kind = text(st, 3), .call = text(st, 5), .line = text(st, 6), .result = text(st, 7),
    .result_len = (size_t)sqlite3_column_bytes(st, 7),
  };
  if (sqlite3_column_bytes(st, 4) == (int)sizeof r->digest)
    memcpy(r->digest, sqlite3_column_blob(st, 4), sizeof r->digest);
  return 1;
}

#define COLUMNS "SELECT path,seq,ord,kind,digest,call,line,result FROM effects "

int er_journal_find(er_store *s, const char *path, int64_t seq, er_effect_row *row, er_err *err) {
  sqlite3_stmt *st = statement(s, "journal find", COLUMNS "WHERE path=? AND seq=?", err);
  if (st == NULL) return -1;
  sqlite3_reset(st);
  sqlite3_bind_text(st, 1, path, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(st, 2, seq);
  return fetch(s, st, row, err);
}

int er_journal_later(er_store *s, const char *path, int64_t seq, er_effect_row *row, er_err *err) {
  sqlite3_stmt *st = statement(s, "journal later", COLUMNS "WHERE path=? AND seq>? ORDER BY seq LIMIT 1", err);
  if (st == NULL) return -1;
  sqlite3_reset(st);
  sqlite3_bind_text(st, 1, path, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(st, 2, seq);
  return fetch(s, st, row, err);
}

int er_journal_next(er_store *s, int64_t after, er_effect_row *row, er_err *err) {
  sqlite3_stmt *st = statement(s, "journal next", COLUMNS "WHERE ord>? ORDER BY ord LIMIT 1", err);
  if (st == NULL) return -1;
  sqlite3_reset(st);
  sqlite3_bind_int64(st, 1, after);
  return fetch(s, st, row, err);
}

void er_journal_rest(er_store *s) {
  static const char *const keys[] = {"journal find", "journal later", "journal next"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    sqlite3_stmt *st = er__store_cached(s, keys[i]);
    if (st != NULL) sqlite3_reset(st);
  }
}
