/* store.h - a study's one SQLite file: tables, commits, the journal, the lock.
 * Called by engine/lua/; knows neither Lua nor jobs.  One writer, WAL,
 * synchronous=FULL.  Writes gather in one open transaction until
 * er_store_commit; a reader elsewhere sees whole commits only.
 * SQL stands in this room alone: tables in schema.c, reads in queries.c. */
#ifndef ER_STORE_STORE_H
#define ER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct er_store er_store;

typedef enum { ER_NULL, ER_INT, ER_REAL, ER_TEXT, ER_BLOB } er_value_type;

typedef struct {
  er_value_type type;
  int64_t i;
  double r;
  const char *s;                 /* borrowed; text or blob */
  size_t len;
} er_value;

/* A reader sees the file as it was at its first read, whoever writes meanwhile. */
typedef enum { ER_STORE_READ, ER_STORE_WRITE, ER_STORE_CREATE } er_store_mode;

/* Opens a study file.  Codes: "ENOENT", "not_a_study" (no SQLite file or not
 * ours), "newer" (written by a newer erlua), "corrupt", "sqlite:N". */
int er_store_open(er_store **out, const char *path, er_store_mode mode, er_err *err);
void er_store_close(er_store *s);        /* rolls back what was not committed; NULL is fine */

/* Inserts a row or, if its key is there, changes the named columns of it.
 * cols/vals: n names and values; the key's columns are among them. */
int er_store_put(er_store *s, const char *table, size_t n, const char *const *cols,
                 const er_value *vals, er_err *err);

/* Changes the named columns of the row whose `id` is among them. */
int er_store_update(er_store *s, const char *table, size_t n, const char *const *cols,
                    const er_value *vals, er_err *err);

/* Commits what was written since the last commit; nothing to do is fine. */
int er_store_commit(er_store *s, er_err *err);
bool er_store_dirty(const er_store *s);

/* A read by name (queries.c).  `row` is called for each; its values are valid
 * during the call; non-zero stops early.  Returns 0 or -1. */
typedef int (*er_row_fn)(void *ud, size_t n, const char *const *cols, const er_value *vals);
int er_store_query(er_store *s, const char *name, size_t n, const er_value *args, er_row_fn row,
                   void *ud, er_err *err);

/* Every table and row in a fixed order as text, one JSON array a row: what
 * replay compares.  Tables that record the machine and not the study (events,
 * times of jobs) are left out. */
int er_store_dump(er_store *s, er_buf *out, er_err *err);

/* Copies the rows of the tables that replay takes as given (snapshot, events, calls). */
int er_store_copy_given(er_store *to, const char *from_path, er_err *err);

/* PRAGMA integrity_check: 0 if sound. */
int er_store_check(er_store *s, er_err *err);

/* ---- the journal ---------------------------------------------------------- */

/* One effect.  (path, seq) is its name; ord > 0 says when its task was woken
 * with it, 0 that it was a reading that woke nobody. */
typedef struct {
  const char *path;
  int64_t seq, ord;
  const char *kind, *call, *line;    /* call and line are for people */
  uint8_t digest[16];
  const char *result;                /* JSON */
  size_t result_len;
} er_effect_row;

int er_journal_add(er_store *s, const er_effect_row *row, er_err *err);

/* Looks one up; 1 found (strings valid until the next call), 0 absent, -1 error. */
int er_journal_find(er_store *s, const char *path, int64_t seq, er_effect_row *row, er_err *err);

/* The task's first one behind seq; as er_journal_find. */
int er_journal_later(er_store *s, const char *path, int64_t seq, er_effect_row *row, er_err *err);

/* The wake with the lowest ord above `after`; as er_journal_find. */
int er_journal_next(er_store *s, int64_t after, er_effect_row *row, er_err *err);

/* Ends the reading of the journal: an open read would keep the log from shrinking. */
void er_journal_rest(er_store *s);

/* ---- the lock ------------------------------------------------------------- */

/* Takes the study's lock (flock on dir/lock, close-on-exec, so that no supervisor
 * keeps it).  Code "EBUSY" and the owner's host, pid and start if it is taken. */
int er_study_lock(const char *dir, int *fd, er_err *err);
void er_study_unlock(int fd);

#endif
