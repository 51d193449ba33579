/* store.c - opening, writing, reading and committing a study's SQLite file. */

#include "store/store.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/schema.h"

int er__store_fail(er_store *s, er_err *err, const char *doing) {
  char code[32];
  int rc = sqlite3_extended_errcode(s->db);
  int basic = rc & 0xff;
  snprintf(code, sizeof code, "sqlite:%d", rc);
  if (basic == SQLITE_NOTADB) return er_fail(err, "not_a_study", "%s is not a study file: it is no SQLite database", s->path);
  if (basic == SQLITE_CORRUPT)
    return er_fail(err, "corrupt", "%s is damaged (%s); try `sqlite3 %s .recover` into a new file", s->path,
                   sqlite3_errmsg(s->db), s->path);
  if (basic == SQLITE_FULL)
    return er_fail(err, "ENOSPC", "%s: the disk is full while %s; free some space and start the same command again",
                   s->path, doing);
  return er_fail(err, code, "%s: %s while %s", s->path, sqlite3_errmsg(s->db), doing);
}

static int exec(er_store *s, const char *sql, const char *doing, er_err *err) {
  return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : er__store_fail(s, err, doing);
}

static int64_t pragma_int(er_store *s, const char *sql) {
  sqlite3_stmt *st;
  int64_t v = -1;
  if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK) return -1;
  if (sqlite3_step(st) == SQLITE_ROW) v = sqlite3_column_int64(st, 0);
  sqlite3_finalize(st);
  return v;
}

/* Another reader may do the same at this moment: the version counts that is found
 * once the file is ours. */
static int migrate(er_store *s, er_err *err) {
  char sql[96];
  if (exec(s, "BEGIN IMMEDIATE", "starting to set up tables", err) < 0) return -1;
  int64_t version = pragma_int(s, "PRAGMA user_version");
  for (; version < er_schema_version; version++)
    if (exec(s, er_schema_migrations[version], "setting up tables", err) < 0) return -1;
  snprintf(sql, sizeof sql, "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT", er_schema_version, ER_APPLICATION_ID);
  return exec(s, sql, "setting up tables", err);
}

/* Is the file ours, and not from the future? */
static int check_version(er_store *s, er_store_mode mode, er_err *err) {
  int64_t version = pragma_int(s, "PRAGMA user_version"), id = pragma_int(s, "PRAGMA application_id");
  if (version < 0) return er__store_fail(s, err, "reading its version");
  if (version == 0 && mode == ER_STORE_CREATE) return migrate(s, err);
  if (version == 0 && id == 0 && pragma_int(s, "SELECT count(*) FROM sqlite_schema") == 0)
    return er_fail(err, "empty", "%s holds no study: it was created and never begun, and can be removed", s->path);
  if (id != ER_APPLICATION_ID)
    return er_fail(err, "not_a_study", "%s is a SQLite database but not a study of erlua", s->path);
  if (version > er_schema_version)
    return er_fail(err, "newer", "%s was written by a newer erlua (tables version %" PRId64 ", this one knows %d); use that erlua",
                   s->path, version, er_schema_version);
  return version < er_schema_version ? migrate(s, err) : 0;
}

static int open_db(er_store *s, er_store_mode mode, er_err *err) {
  /* A reader opens for writing too, or it could not use the write-ahead log. */
  int flags = SQLITE_OPEN_READWRITE | (mode == ER_STORE_CREATE ? SQLITE_OPEN_CREATE : 0);
  if (mode != ER_STORE_CREATE && access(s->path, F_OK) < 0)
    return er_fail(err, "ENOENT", "there is no study at %s", s->path);
  /* Before the first study of a program, else without effect: one thread, and nobody who asks for statistics. */
  sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    return er__store_fail(s, err, "opening it");
  sqlite3_extended_result_codes(s->db, 1);
  sqlite3_busy_timeout(s->db, 5000);
  if (mode == ER_STORE_READ) return 0;
  return exec(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                 "PRAGMA wal_autocheckpoint=1000; PRAGMA cache_size=-2000; PRAGMA temp_store=MEMORY",
              "opening it", err);
}

/* A reader sees one state, whoever writes meanwhile. */
static int begin_reading(er_store *s, er_err *err) { return exec(s, "PRAGMA query_only=1; BEGIN", "opening it", err); }

int er_store_open(er_store **out, const char *path, er_store_mode mode, er_err *err) {
  er_store *s = er_calloc(1, sizeof *s);
  s->path = er_strdup(path);
  if (open_db(s, mode, err) < 0 || check_version(s, mode, err) < 0 || (mode == ER_STORE_READ && begin_reading(s, err) < 0)) {
    er_store_close(s);
    return -1;
  }
  *out = s;
  return 0;
}

void er_store_close(er_store *s) {
  if (s == NULL) return;
  for (size_t i = 0; i < s->n_cached; i++) {
    sqlite3_finalize(s->cached[i].st);
    er_free(s->cached[i].key);
  }
  er_free(s->cached);
  er_buf_free(&s->key);
  if (s->db != NULL && s->dirty) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
  sqlite3_close(s->db);
  er_free(s->path);
  er_free(s);
}

/* ---- statements ------------------------------------------------------------ */

static uint32_t hash(const char *key) {
  uint32_t x = 2166136261u;
  for (; *key; key++) x = (x ^ (unsigned char)*key) * 16777619u;
  return x;
}

sqlite3_stmt *er__store_cached(er_store *s, const char *key) {
  uint32_t x = hash(key);
  for (size_t i = 0; i < s->n_cached; i++)
    if (s->cached[i].hash == x && strcmp(s->cached[i].key, key) == 0) return s->cached[i].st;
  return NULL;
}

sqlite3_stmt *er__store_prepare(er_store *s, const char *key, const char *sql, er_err *err) {
  sqlite3_stmt *st = NULL;
  if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK) {
    er__store_fail(s, err, key);
    return NULL;
  }
  s->cached = er_realloc(s->cached, (s->n_cached + 1) * sizeof *s->cached);
  s->cached[s->n_cached++] = (er__statement){er_strdup(key), hash(key), st};
  return st;
}

static void bind(sqlite3_stmt *st, int i, const er_value *v) {
  switch (v->type) {
    case ER_NULL: sqlite3_bind_null(st, i); break;
    case ER_INT: sqlite3_bind_int64(st, i, v->i); break;
    case ER_REAL: sqlite3_bind_double(st, i, v->r); break;
    case ER_TEXT: sqlite3_bind_text(st, i, v->s, (int)v->len, SQLITE_STATIC); break;
    case ER_BLOB: sqlite3_bind_blob(st, i, v->s, (int)v->len, SQLITE_STATIC); break;
  }
}

/* A statement without values that is run again and again. */
static int run_plain(er_store *s, const char *sql, const char *doing, er_err *err) {
  sqlite3_stmt *st = er__store_cached(s, sql);
  if (st == NULL && (st = er__store_prepare(s, sql, sql, err)) == NULL) return -1;
  return er__store_run(s, st, doing, err);
}

int er__store_begin(er_store *s, er_err *err) {
  if (s->dirty) return 0;
  if (run_plain(s, "BEGIN IMMEDIATE", "starting to write", err) < 0) return -1;
  s->dirty = true;
  return 0;
}

int er__store_run(er_store *s, sqlite3_stmt *st, const char *doing, er_err *err) {
  int rc = sqlite3_step(st), bad = rc != SQLITE_DONE && rc != SQLITE_ROW;
  if (bad) er__store_fail(s, err, doing);
  sqlite3_reset(st);
  sqlite3_clear_bindings(st);
  return bad ? -1 : 0;
}

/* ---- writing --------------------------------------------------------------- */

/* The columns of a table's key. */
static const char *key_of(const char *table) {
  if (strcmp(table, "snapshot") == 0) return "kind,path";
  if (strcmp(table, "metrics") == 0) return "job,n,name";
  if (strcmp(table, "patches") == 0) return "digest";
  if (strcmp(table, "evaluations") == 0) return "trial";
  if (strcmp(table, "implementations") == 0) return "trial,n";
  return "id";
}

static bool in_list(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *p = list; p != NULL && *p; p = strchr(p, ','), p = p ? p + 1 : NULL)
    if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0')) return true;
  return false;
}

static void upsert_sql(er_buf *sql, const char *table, size_t n, const char *const *cols) {
  const char *key = key_of(table);
  bool first = true;
  er_buf_fmt(sql, "INSERT INTO %s(", table);
  for (size_t i = 0; i < n; i++) er_buf_fmt(sql, "%s%s", i ? "," : "", cols[i]);
  er_buf_str(sql, ") VALUES(");
  for (size_t i = 0; i < n; i++) er_buf_str(sql, i ? ",?" : "?");
  er_buf_fmt(sql, ") ON CONFLICT(%s) DO ", key);
  for (size_t i = 0; i < n; i++) {
    if (in_list(key, cols[i])) continue;
    er_buf_fmt(sql, "%s%s=excluded.%s", first ? "UPDATE SET " : ",", cols[i], cols[i]);
    first = false;
  }
  if (first) er_buf_str(sql, "NOTHING");
}

/* An UPDATE when the key is `id`: a changed row need not name every column that
 * must not be null, which an upsert would demand. */
static void update_sql(er_buf *sql, const char *table, size_t n, const char *const *cols) {
  bool first = true;
  er_buf_fmt(sql, "UPDATE %s SET ", table);
  for (size_t i = 0; i < n; i++) {
    if (strcmp(cols[i], "id") == 0) continue;
    er_buf_fmt(sql, "%s%s=?%zu", first ? "" : ",", cols[i], i + 1);
    first = false;
  }
  for (size_t i = 0; i < n; i++)
    if (strcmp(cols[i], "id") == 0) er_buf_fmt(sql, " WHERE id=?%zu", i + 1);
}

/* Tells a statement from others: the verb, the table and the columns. */
static const char *row_key(er_buf *b, char verb, const char *table, size_t n, const char *const *cols) {
  er_buf_clear(b);
  er_buf_char(b, verb);
  er_buf_char(b, ' ');
  er_buf_str(b, table);
  for (size_t i = 0; i < n; i++) {
    er_buf_char(b, ' ');
    er_buf_str(b, cols[i]);
  }
  return er_buf_cstr(b);
}

static int write_row(er_store *s, char verb, const char *table, size_t n, const char *const *cols,
                     const er_value *vals, er_err *err) {
  const char *key = row_key(&s->key, verb, table, n, cols);
  sqlite3_stmt *st;
  if (er__store_begin(s, err) < 0) return -1;
  st = er__store_cached(s, key);
  if (st == NULL) {
    er_buf sql = {0};
    (verb == 'u' ? update_sql : upsert_sql)(&sql, table, n, cols);
    st = er__store_prepare(s, key, sql.ptr, err);
    er_buf_free(&sql);
    if (st == NULL) return -1;
  }
  for (size_t i = 0; i < n; i++) bind(st, (int)i + 1, &vals[i]);
  return er__store_run(s, st, key, err);
}

int er_store_put(er_store *s, const char *table, size_t n, const char *const *cols, const er_value *vals, er_err *err) {
  return write_row(s, 'p', table, n, cols, vals, err);
}

int er_store_update(er_store *s, const char *table, size_t n, const char *const *cols, const er_value *vals, er_err *err) {
  return write_row(s, 'u', table, n, cols, vals, err);
}

int er_store_commit(er_store *s, er_err *err) {
  if (!s->dirty) return 0;
  er_fault("commit.before");
  if (run_plain(s, "COMMIT", "committing", err) < 0) return -1;
  s->dirty = false;
  er_fault("commit.after");
  return 0;
}

bool er_store_dirty(const er_store *s) { return s->dirty; }

/* ---- reading --------------------------------------------------------------- */

void er__store_column(sqlite3_stmt *st, int i, er_value *v) {
  *v = (er_value){0};
  switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER: v->type = ER_INT; v->i = sqlite3_column_int64(st, i); break;
    case SQLITE_FLOAT: v->type = ER_REAL; v->r = sqlite3_column_double(st, i); break;
    case SQLITE_TEXT: v->type = ER_TEXT; v->s = (const char *)sqlite3_column_text(st, i); break;
    case SQLITE_BLOB: v->type = ER_BLOB; v->s = sqlite3_column_blob(st, i); break;
    default: v->type = ER_NULL;
  }
  v->len = (size_t)sqlite3_column_bytes(st, i);
  if (v->type == ER_BLOB && v->s == NULL) v->s = "";
}

enum { MAX_COLUMNS = 32 };

static int each_row(er_store *s, sqlite3_stmt *st, const char *name, er_row_fn row, void *ud, er_err *err) {
  const char *cols[MAX_COLUMNS];
  er_value vals[MAX_COLUMNS];
  int rc, i, n = sqlite3_column_count(st);
  for (i = 0; i < n && i < MAX_COLUMNS; i++) cols[i] = sqlite3_column_name(st, i);
  while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
    for (i = 0; i < n && i < MAX_COLUMNS; i++) er__store_column(st, i, &vals[i]);
    if (row(ud, (size_t)n, cols, vals) != 0) break;
  }
  if (rc != SQLITE_DONE && rc != SQLITE_ROW) er__store_fail(s, err, name);
  return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : -1;
}

static const char *query_sql(const char *name) {
  for (const er_query *q = er_queries; q->name != NULL; q++)
    if (strcmp(q->name, name) == 0) return q->sql;
  return NULL;
}

int er_store_query(er_store *s, const char *name, size_t n, const er_value *args, er_row_fn row, void *ud, er_err *err) {
  const char *sql = query_sql(name);
  sqlite3_stmt *st;
  int rc;
  if (sql == NULL) return er_fail(err, "EINVAL", "there is no query named %s", name);
  st = er__store_cached(s, name);
  if (st == NULL && (st = er__store_prepare(s, name, sql, err)) == NULL) return -1;
  if (sqlite3_stmt_busy(st)) return er_fail(err, "EBUSY", "query %s is already being read", name);
  for (size_t i = 0; i < n; i++) bind(st, (int)i + 1, &args[i]);
  rc = each_row(s, st, name, row, ud, err);
  sqlite3_reset(st);
  sqlite3_clear_bindings(st);
  return rc;
}

/* ---- whole-file verbs -------------------------------------------------------- */

static void dump_value(er_buf *out, const er_value *v) {
  switch (v->type) {
    case ER_NULL: er_buf_str(out, "null"); break;
    case ER_INT: er_buf_fmt(out, "%" PRId64, v->i); break;
    case ER_REAL: er_text_double(out, v->r); break;
    case ER_TEXT: case ER_BLOB: er_text_quote(out, v->s, v->len); break;
  }
}

static int dump_row(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  er_buf *out = ud;
  (void)cols;
  er_buf_char(out, '[');
  for (size_t i = 0; i < n; i++) {
    if (i > 0) er_buf_char(out, ',');
    dump_value(out, &vals[i]);
  }
  er_buf_str(out, "]\n");
  return 0;
}

int er_store_dump(er_store *s, er_buf *out, er_err *err) {
  for (const char *const *d = er_schema_dump; d[0] != NULL; d += 2) {
    sqlite3_stmt *st;
    int rc;
    er_buf_fmt(out, "%s\n", d[0]);
    if (sqlite3_prepare_v2(s->db, d[1], -1, &st, NULL) != SQLITE_OK) return er__store_fail(s, err, d[0]);
    rc = each_row(s, st, d[0], dump_row, out, err);
    sqlite3_finalize(st);
    if (rc < 0) return -1;
  }
  return 0;
}

int er_store_copy_given(er_store *to, const char *from_path, er_err *err) {
  char *sql = sqlite3_mprintf("ATTACH %Q AS given", from_path);
  int rc = exec(to, sql, "reading the study to replay", err);
  sqlite3_free(sql);
  if (rc < 0) return -1;
  rc = exec(to, "INSERT INTO main.snapshot SELECT * FROM given.snapshot;"
                "INSERT INTO main.events SELECT * FROM given.events;"
                "INSERT INTO main.calls SELECT * FROM given.calls;"
                "INSERT INTO main.studies SELECT * FROM given.studies;"
                "UPDATE main.studies SET baseline = NULL",
            "copying the study to replay", err);
  if (exec(to, "DETACH given", "closing the study to replay", rc < 0 ? NULL : err) < 0) rc = -1;
  return rc;
}

static int check_row(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  (void)n;
  (void)cols;
  if (vals[0].type == ER_TEXT) er_buf_add(ud, vals[0].s, vals[0].len);
  return 1;
}

int er_store_check(er_store *s, er_err *err) {
  er_buf text = {0};
  sqlite3_stmt *st;
  int rc;
  if (sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL) != SQLITE_OK)
    return er__store_fail(s, err, "checking it");
  rc = each_row(s, st, "checking it", check_row, &text, err);
  sqlite3_finalize(st);
  if (rc == 0 && strcmp(er_buf_cstr(&text), "ok") != 0)
    rc = er_fail(err, "corrupt", "%s is damaged: %s", s->path, er_buf_cstr(&text));
  er_buf_free(&text);
  return rc;
}
