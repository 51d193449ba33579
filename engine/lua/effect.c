/* effect.c - effects and their journal: numbering, replay, commit before waking. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "lua/host.h"
#include "lua/json.h"

static bool journaled(const er_host *h, const er_task *t) { return h->mode != ER_JOURNAL_OFF && !t->quiet; }

static void digest_of(const char *kind, const char *call, size_t len, uint8_t out[16]) {
  uint8_t raw[32];
  er_buf b = {0};
  er_buf_add(&b, kind, strlen(kind) + 1);
  er_buf_add(&b, call, len);
  er_sha256(b.ptr, b.len, raw);
  er_buf_free(&b);
  memcpy(out, raw, 16);
}

/* What people read of a call: its kind and the start of its arguments. */
static char *summary(const char *kind, const char *call, size_t len) {
  er_buf b = {0};
  size_t n = len < 160 ? len : 160;
  while (n < len && n > 0 && ((unsigned char)call[n] & 0xc0) == 0x80) n--;
  er_buf_fmt(&b, "%s %.*s%s", kind, (int)n, call, n < len ? "..." : "");
  return er_buf_take(&b);
}

static void mismatch(er_host *h, const char *line, const char *asked, const er_effect_row *row) {
  er_err err;
  er_fail(&err, "journal",
          "%s no longer matches its journal: %s asks for `%s` as effect %" PRId64 " of task %s, "
          "where the journal has `%s %s` of %s. Run the script as it was (`erlua resume`), or start anew with --new",
          h->script != NULL ? h->script : "the strategy", line, asked, row->seq, row->path, row->kind, row->call,
          row->line);
  er_host_fatal(h, &err);
}

/* A reading is in the file no later than the next effect of its task: one that is
 * missing before others of the task was never made by this script.  Wakes of other
 * tasks say nothing: those of one commit are in the file before the first task runs. */
static void check_end(er_host *h, const er_task *t, int64_t seq, const char *line, const char *asked) {
  er_effect_row next;
  er_err err;
  if (er_journal_later(h->source, t->path, seq, &next, &err) != 1) return;
  er_fail(&err, "journal",
          "%s no longer matches its journal: %s asks for `%s` as effect %" PRId64 " of task %s, which the journal does "
          "not have although it goes on with `%s %s` of %s. "
          "Run the script as it was (`erlua resume`), or start anew with --new",
          h->script != NULL ? h->script : "the strategy", line, asked, seq, t->path, next.kind, next.call, next.line);
  er_host_fatal(h, &err);
}

/* Looks up the row of the effect (t, seq): 1 found and the same call, 0 none.
 * -1, and the program is to stop, when it is another call or cannot be read. */
static int lookup(er_task *t, int64_t seq, const uint8_t digest[16], const char *line, const char *asked,
                  er_effect_row *row) {
  er_host *h = t->host;
  er_err err;
  int rc = er_journal_find(h->source, t->path, seq, row, &err);
  if (rc < 0) er_host_fatal(h, &err);
  else if (rc == 0) check_end(h, t, seq, line, asked);
  else if (rc == 1 && memcmp(row->digest, digest, 16) != 0) mismatch(h, line, asked, row);
  return h->fatal ? -1 : rc;
}

/* ---- waiting effects ------------------------------------------------------------ */

static void defer_start(er_host *h, er_op *op) {
  op->next = NULL;
  if (h->start_last != NULL) h->start_last->next = op;
  else h->start_first = op;
  h->start_last = op;
}

int er_effect_wait(lua_State *L, er_op *op, const char *kind, const char *call, size_t len) {
  er_task *t = op->task;
  er_host *h = t->host;
  op->effect = true;
  if (journaled(h, t)) {                      /* in replay it is compared when its row comes up */
    op->seq = ++t->seq;
    op->call = summary(kind, call, len);
    op->line = er_task_where(L, t);
    digest_of(kind, call, len, op->digest);
  }
  defer_start(h, op);
  return er_task_wait(L, op);
}

static int add_row(er_host *h, const er_op *op, er_err *err) {
  size_t kind_len = strcspn(op->call, " ");
  char *kind = er_strndup(op->call, kind_len);
  char *path = op == op->task->expiry ? er_asprintf("%s!", op->task->path) : er_strdup(op->task->path);
  er_effect_row row = {
    .path = path, .seq = op->seq, .ord = op->ord, .kind = kind, .call = op->call + kind_len + 1,
    .line = op->line, .result = er_buf_cstr(&op->result), .result_len = op->result.len,
  };
  memcpy(row.digest, op->digest, 16);
  int rc = er_journal_add(h->store, &row, err);
  er_free(path);
  er_free(kind);
  return rc;
}

static void deliver(er_host *h, er_op *op) {
  if (op->ord > 0) h->ord = op->ord;
  op->state = ER_OP_DELIVERED;
  if (op == op->task->expiry) er_task_expire(op->task);
  else er_task_ready(op->task);
}

static int note_applied(er_host *h, er_err *err) {
  static const char *const cols[] = {"id", "applied"};
  er_value vals[] = {{.type = ER_INT, .i = 1}, {.type = ER_INT, .i = h->put_tick}};
  return er_store_put(h->store, "progress", 2, cols, vals, err);
}

/* The study's writes so far, and the rows of what is done, in one commit. */
static int commit_done(er_host *h, er_op *first) {
  er_err err;
  int rc = 0;
  if (h->store == NULL || h->mode == ER_JOURNAL_REPLAY) return 0;
  if (er_store_dirty(h->store)) rc = note_applied(h, &err);
  for (er_op *op = first; op != NULL && rc == 0; op = op->next) {
    if (!journaled(h, op->task) || op->ord > 0) continue;   /* in the file since an earlier round */
    op->ord = h->next_ord++;
    rc = add_row(h, op, &err);
  }
  fflush(stdout);                               /* what was printed so far is not printed again */
  if (rc == 0) rc = er_store_commit(h->store, &err);
  if (rc < 0) er_host_fatal(h, &err);
  return rc;
}

static void remove_folders(er_host *h);

/* When the study is being left: what is in the journal now is for the next engine
 * to wake; bodies are woken, because what they do is in no journal yet. */
static void wake_bodies(er_host *h) {
  er_op *op = h->done_first, *next;
  h->done_first = h->done_last = NULL;
  for (; op != NULL; op = next) {
    next = op->next;
    if (!journaled(h, op->task)) deliver(h, op);
  }
}

void er_effects_settle(er_host *h) {
  er_op *op = h->done_first;
  if (op == NULL && (h->store == NULL || !er_store_dirty(h->store))) return;
  if (commit_done(h, op) < 0) return;
  remove_folders(h);
  if (h->leaving) {
    wake_bodies(h);
    return;
  }
  while ((op = h->done_first) != NULL && !h->fatal && !h->exiting && !h->broken) {
    h->done_first = op->next;
    if (h->done_first == NULL) h->done_last = NULL;
    if (op->state != ER_OP_CANCELLED) deliver(h, op);
    er_tasks_drain(h);
    if (h->main != NULL && h->main->state == ER_TASK_DONE) return;
    /* What this wake finished at once is committed with the next round. */
    if (h->done_first != NULL && h->done_first->ord == 0 && journaled(h, h->done_first->task)) return;
  }
}

void er_effects_start(er_host *h) {
  if (h->mode == ER_JOURNAL_REPLAY || h->leaving || h->fatal || h->exiting) return;
  if (h->store != NULL && er_store_dirty(h->store) && commit_done(h, NULL) < 0) return;   /* what led to it comes first */
  remove_folders(h);
  while (h->start_first != NULL) {
    er_op *op = h->start_first;
    h->start_first = op->next;
    if (h->start_first == NULL) h->start_last = NULL;
    er_op_begin(op);
    if (op->class->start != NULL) op->class->start(op);
  }
}

/* Folders named since the last commit can go now: the outcome is in the file. */
static void remove_folders(er_host *h) {
  const char *p = h->after_commit.ptr, *end = p != NULL ? p + h->after_commit.len : NULL;
  for (; p != NULL && p < end; p += strlen(p) + 1) er_remove_tree(p, NULL);
  er_buf_clear(&h->after_commit);
}

int er_effect_push(lua_State *L, const er_buf *result) {
  er_err err;
  int top = lua_gettop(L), n;
  if (er_json_decode(L, er_buf_cstr(result), result->len, &err) < 0)
    return luaL_error(L, "bug: an effect's result is not JSON: %s", err.msg);
  n = (int)lua_rawlen(L, top + 1);
  luaL_checkstack(L, n, "too many results");
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, top + 1, i);
    if (lua_islightuserdata(L, -1)) {         /* null, the JSON of nil */
      lua_pop(L, 1);
      lua_pushnil(L);
    }
  }
  return n;
}

/* ---- effects that do not wait ------------------------------------------------------ */

static int add_reading(er_host *h, er_task *t, int64_t seq, const char *kind, const char *text,
                       const char *line, const uint8_t digest[16], const er_buf *result, er_err *err) {
  er_effect_row row = {.path = t->path, .seq = seq, .kind = kind, .call = text + strlen(kind) + 1, .line = line,
                       .result = er_buf_cstr(result), .result_len = result->len};
  memcpy(row.digest, digest, 16);
  return er_journal_add(h->store, &row, err);
}

int er_effect_now(lua_State *L, const char *kind, const char *call, size_t len, er_effect_make make, void *ud) {
  er_host *h = er_host_of(L);
  er_task *t = h->current;
  er_buf result = {0};
  if (h->broken) return luaL_error(L, "interrupted");
  if (t == NULL || !journaled(h, t)) {
    make(L, ud, &result);
  } else {
    er_effect_row row;
    er_err err;
    uint8_t digest[16];
    int64_t seq = ++t->seq;
    char *line = er_task_where(L, t), *text = summary(kind, call, len);
    int found = 0;
    digest_of(kind, call, len, digest);
    if (h->mode == ER_JOURNAL_REPLAY) found = lookup(t, seq, digest, line, text, &row);
    if (found < 0) {
      er_free(line);
      er_free(text);
      return luaL_error(L, "%s", h->fatal_err.msg);
    }
    if (found) er_buf_add(&result, row.result, row.result_len);
    else make(L, ud, &result);
    if (found == h->offline)                  /* new, or a copy of what was read */
      if (add_reading(h, t, seq, kind, text, line, digest, &result, &err) < 0) er_host_fatal(h, &err);
    er_free(line);
    er_free(text);
  }
  int n = er_effect_push(L, &result);
  er_buf_free(&result);
  return n;
}

/* ---- replay -------------------------------------------------------------------------- */

/* "0.2!": the handlers of the cancelled task 0.2 took too long.  NULL if it ends
 * without that: it did so the first time, too, between commit and wake. */
static er_op *expiry(er_host *h, const char *path) {
  char *name = er_strndup(path, strlen(path) - 1);
  er_task *t = er_task_find(h, name);
  er_free(name);
  return t != NULL && t->cancelled && t->started ? er_task_expiry(t) : NULL;
}

static bool is_expiry(const er_effect_row *row) {
  return row->path[0] != '\0' && row->path[strlen(row->path) - 1] == '!';
}

static er_op *pending(er_host *h, const er_effect_row *row) {
  if (is_expiry(row)) return expiry(h, row->path);
  er_task *t = er_task_find(h, row->path);
  if (t == NULL || t->state != ER_TASK_WAITING || t->op == NULL) return NULL;
  return t->op->effect && t->op->seq == row->seq ? t->op : NULL;
}

/* An effect that the strategy cancelled before its row could wake it. */
static bool was_cancelled(er_host *h, const er_effect_row *row) {
  for (er_op *op = h->late; op != NULL; op = op->next)
    if (op->seq == row->seq && strcmp(op->call, row->path) == 0) return true;
  return false;
}

static void lost_place(er_host *h, const er_effect_row *row) {
  er_err err;
  er_fail(&err, "journal",
          "%s no longer matches its journal: the journal goes on with `%s %s` of %s (effect %" PRId64 " of task %s), "
          "which the script does not ask for any more. "
          "Run the script as it was (`erlua resume`), or start anew with --new",
          h->script != NULL ? h->script : "the strategy", row->kind, row->call, row->line, row->seq, row->path);
  er_host_fatal(h, &err);
}

void er_effects_forget(er_host *h) {
  while (h->late != NULL) {
    er_op *op = h->late;
    h->late = op->next;
    er_free(op->call);
    er_free(op);
  }
}

static void end_replay(er_host *h) {
  er_journal_rest(h->source);
  er_effects_forget(h);
  h->mode = ER_JOURNAL_LIVE;
  h->next_ord = h->ord + 1;
  if (h->offline) h->leaving = true;
  else er_jobs_end_orphans(h);
}

bool er_replay_step(er_host *h) {
  er_effect_row row;
  er_err err;
  er_op *op;
  int rc = er_journal_next(h->source, h->ord, &row, &err);
  if (rc < 0) {
    er_host_fatal(h, &err);
    return false;
  }
  if (rc == 0) {
    end_replay(h);
    return false;
  }
  h->ord = row.ord;
  op = pending(h, &row);
  if (op == NULL) {
    if (!was_cancelled(h, &row) && !is_expiry(&row)) lost_place(h, &row);
    else if (h->offline && er_journal_add(h->store, &row, &err) < 0) er_host_fatal(h, &err);
    return !h->fatal;
  }
  if (!is_expiry(&row) && memcmp(op->digest, row.digest, sizeof row.digest) != 0) {
    mismatch(h, op->line, op->call, &row);
    return false;
  }
  er_op_unlist(op, &h->start_first, &h->start_last);
  op->ord = row.ord;
  if (!is_expiry(&row)) {                       /* where it was asked for first is what the journal says */
    er_free(op->line);
    op->line = er_strdup(row.line);
  }
  er_buf_clear(&op->result);
  er_buf_add(&op->result, row.result, row.result_len);
  if (h->offline && add_row(h, op, &err) < 0) er_host_fatal(h, &err);
  op->state = ER_OP_DONE;
  deliver(h, op);
  er_tasks_drain(h);
  return !h->fatal;
}
