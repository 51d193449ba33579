/* lua_job.c - erlua.core.job: a job as one effect that waits.
 * Builds the job's folder just before it starts, adopts what an earlier engine
 * left, turns the supervisor's result and the curve into the journal's row. */

#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/path.h"
#include "lua/fail.h"
#include "lua/job_op.h"
#include "lua/modules.h"

static void unlive(er_host *h, er_job_op *o) {
  er_job_op **p = &h->live_jobs;
  while (*p != NULL && *p != o) p = &(*p)->next_live;
  if (*p != NULL) *p = o->next_live;
}

/* A job whose disk was full says nothing about its idea, though it may have ended
 * well: not every program looks at what its writes return.  The study stops, and the
 * job is as if it had never been. */
static bool stop_for_disk(er_job_op *o, const er_job_result *r) {
  er_err err;
  if (o->orphan || o->op.host->store == NULL || !r->disk_full) return false;
  er_fail(&err, "ENOSPC", "the disk is full at %s; free some space and start the same command again", o->spec.dir);
  er_remove_tree(o->spec.dir, NULL);
  er_host_fatal(o->op.host, &err);
  return true;
}

/* Loop callback: keep what the supervisor said; Lua comes later. */
static void job_done(void *ud, const er_job_result *r) {
  er_job_op *o = ud;
  er_fault("job.exited");
  if (stop_for_disk(o, r)) return;
  if (!o->orphan) er_job_op_result(o, r);
  o->ended = true;
  o->op.host->n_unseen++;
  o->op.host->job_news++;
}

/* Not before the cancel is in the file: a resumed strategy might not ask for it. */
static void end_unwanted(er_job_op *o) {
  er_host *h = o->op.host;
  if (!o->unwanted || o->ended || (h->store != NULL && er_store_dirty(h->store))) return;
  o->unwanted = false;
  er_job_cancel(o->job);
}

/* Hands an ended job's result to its task, or forgets one that no task wants. */
static void take_end(er_host *h, er_job_op *o) {
  unlive(h, o);
  er_job_free(o->job);
  o->job = NULL;
  if (o->orphan) {
    er_remove_tree(o->spec.dir, NULL);
    o->op.keep = false;
    er_op_free(&o->op);
    return;
  }
  er_job_op_curve(h, o);
  er_op_done(&o->op);
}

/* Each turn of the loop in which a job ended or is no longer wanted. */
static void harvest(er_host *h) {
  er_job_op *o, *next;
  if (h->job_news == 0) return;
  h->job_news = 0;
  for (o = h->live_jobs; o != NULL; o = next) {
    next = o->next_live;
    end_unwanted(o);
    if (o->ended) take_end(h, o);
    else if (o->unwanted) h->job_news++;
  }
}

static void poll_curves(void *ud) {
  er_host *h = ud;
  for (er_job_op *o = h->live_jobs; o != NULL; o = o->next_live)
    if (!o->ended) er_job_op_curve(h, o);
}

/* ---- the operation --------------------------------------------------------------------------------- */

/* Without a study there is nothing to resume: an earlier job of that folder is past. */
static void forget_earlier(const char *dir) {
  static const char *const names[] = {"exit", "started"};
  for (int i = 0; i < 2; i++) {
    char *path = er_path_join(dir, names[i]);
    unlink(path);
    er_free(path);
  }
}

static void job_start(er_op *op) {
  er_job_op *o = (er_job_op *)op;
  er_host *h = op->host;
  lua_rawgeti(h->L, LUA_REGISTRYINDEX, o->table);
  er_job_op_read(h->L, lua_gettop(h->L), o);
  lua_pop(h->L, 1);
  o->next_live = h->live_jobs;
  h->live_jobs = o;
  er_fault("job.before_spawn");
  if (h->store == NULL) forget_earlier(o->spec.dir);
  if (er_path_exists(o->spec.dir)) o->job = er_job_resume(h->jobs, &o->spec, er_job_op_prepare, job_done, o);
  else o->job = er_job_queue(h->jobs, &o->spec, er_job_op_prepare, job_done, o);
  er_fault("job.after_spawn");
}

void er_jobs_drop_all(er_host *h) {
  while (h->live_jobs != NULL) {
    er_job_op *o = h->live_jobs;
    h->live_jobs = o->next_live;
    end_unwanted(o);
    if (o->job != NULL) er_job_free(o->job);
    o->job = NULL;
    if (!o->orphan) continue;                   /* its task frees it */
    o->op.keep = false;
    er_op_free(&o->op);
  }
}

/* The task no longer wants it; the folder goes when the last process is gone. */
static void job_abort(er_op *op) {
  er_job_op *o = (er_job_op *)op;
  if (o->job == NULL) return;
  o->orphan = o->unwanted = true;
  op->host->job_news++;
  op->keep = true;
}

static void job_free(er_op *op) {
  if (((er_job_op *)op)->ended) op->host->n_unseen--;
  luaL_unref(op->host->L, LUA_REGISTRYINDEX, ((er_job_op *)op)->table);
  er_job_op_free((er_job_op *)op);
}

static int job_push(lua_State *L, er_op *op) {
  er_host *h = op->host;
  if (h->offline) er_job_op_copy_curve(h, ((er_job_op *)op)->id);   /* the world's, like the result */
  return er_effect_push(L, &op->result);
}

static const er_op_class job_class = {"job", job_push, job_start, job_abort, job_free};

/* run(spec) -> result | nil, message, code.  spec.key tells the call from others
 * and holds no paths of this machine. */
static int job_run(lua_State *L) {
  er_task *t = er_task_need(L, "job");
  er_host *h = er_host_of(L);
  er_job_op *o;
  size_t n;
  const char *key;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (h->jobs == NULL && !h->offline) return luaL_error(L, "job.run: call job.setup first");
  lua_settop(L, 1);
  lua_getfield(L, 1, "argv");
  lua_getfield(L, 1, "dir");
  if (!lua_isstring(L, -1) || !lua_istable(L, -2) || lua_rawlen(L, -2) == 0)
    return luaL_error(L, "job.run: dir and argv are needed");
  lua_settop(L, 1);
  o = (er_job_op *)er_op_new(t, &job_class, sizeof *o);
  o->id = (int64_t)er_field_number(L, 1, "id");
  lua_getfield(L, 1, "key");
  key = luaL_checklstring(L, -1, &n);
  lua_pushvalue(L, 1);
  o->table = luaL_ref(L, LUA_REGISTRYINDEX);
  return er_effect_wait(L, &o->op, "job", key, n);
}

/* ---- the end of replay ------------------------------------------------------------------------------------- */

static bool asked_for(er_host *h, int64_t id) {
  for (er_op *op = h->start_first; op != NULL; op = op->next)
    if (op->class == &job_class && ((er_job_op *)op)->id == id) return true;
  return false;
}

/* vals: a row of `jobs` */
static int end_orphan(void *ud, size_t n, const char *const *cols, const er_value *vals) {
  er_host *h = ud;
  (void)n;
  (void)cols;
  if (asked_for(h, vals[0].i)) return 0;
  char *dir = er_asprintf("%s/jobs/%lld", h->study_dir, (long long)vals[0].i);
  if (er_job_cancel_folder(dir, NULL) == 1) er_remove_tree(dir, NULL);
  er_free(dir);
  return 0;
}

/* Jobs without an end that the strategy has given up: the last engine died before it
 * could end them. */
void er_jobs_end_orphans(er_host *h) {
  er_err err;
  if (er_store_query(h->store, "open_jobs", 0, NULL, end_orphan, h, &err) < 0) er_host_fatal(h, &err);
}

/* ---- the room ---------------------------------------------------------------------------------------------- */

static char *supervise_path(void) {
  char *self = er_self_dir(), *beside = er_path_join(self, "erlua-supervise"), *lib;
  if (er_path_exists(beside)) {
    er_free(self);
    return beside;
  }
  lib = er_path_join(self, "../libexec/erlua/erlua-supervise");
  er_free(self);
  er_free(beside);
  return lib;
}

/* setup{slots=, gpus=, sandbox=} -> slots | nil, message, code: once a program */
static int job_setup(lua_State *L) {
  er_host *h = er_host_of(L);
  char *supervise;
  er_err err;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (h->jobs == NULL) {
    er_jobs_opts opts = {
        .slots = (int)er_field_number(L, 1, "slots"), .gpus = -1, .sandbox = er_field_flag(L, 1, "sandbox")};
    if (opts.sandbox && er_sandbox_probe(&err) < 0) return er_fail_push(L, &err);
    supervise = supervise_path();
    opts.supervise = supervise;
    h->no_sandbox = !opts.sandbox;
    h->jobs = er_jobs_new(h->loop, &opts, &err);
    er_free(supervise);
    if (h->jobs == NULL) return er_fail_push(L, &err);
    h->on_jobs = harvest;
    er_timer_unref(er_timer_start(h->loop, 1, 1, poll_curves, h));
  }
  lua_pushinteger(L, er_jobs_slots(h->jobs));
  return 1;
}

/* running, slots, queued; and those that have ended, which their tasks have yet to hear */
static int job_slots(lua_State *L) {
  er_host *h = er_host_of(L);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_running(h->jobs) : 0);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_slots(h->jobs) : 0);
  lua_pushinteger(L, h->jobs != NULL ? er_jobs_queued(h->jobs) : 0);
  lua_pushinteger(L, h->n_unseen);
  return 4;
}

/* allow(n): only n more jobs start; nil: any number. */
static int job_allow(lua_State *L) {
  er_host *h = er_host_of(L);
  if (h->jobs != NULL) er_jobs_allow(h->jobs, (long long)luaL_optinteger(L, 1, -1));
  return 0;
}

static int job_probe(lua_State *L) {
  er_limit_means m;
  er_err err;
  lua_newtable(L);
  if (er_sandbox_probe(&err) < 0) {
    lua_pushstring(L, err.msg);
    lua_setfield(L, -2, "sandbox_error");
  }
  er_limits_probe(&m);
  const char *pairs[][2] = {{"memory", m.memory}, {"processes", m.processes}, {"cpu", m.cpu}, {"wall", m.wall},
                            {"disk", m.disk}, {"output", m.output}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    lua_pushstring(L, pairs[i][1]);
    lua_setfield(L, -2, pairs[i][0]);
  }
  char *s = supervise_path();
  lua_pushstring(L, er_path_exists(s) ? s : NULL);
  lua_setfield(L, -2, "supervise");
  er_free(s);
  return 1;
}

/* cancel(dir) -> true if a job ran in that folder and was asked to end, false if
 * none runs there | nil, message, code.  For jobs of another engine. */
static int job_cancel(lua_State *L) {
  er_err err;
  int rc = er_job_cancel_folder(luaL_checkstring(L, 1), &err);
  if (rc < 0) return er_fail_push(L, &err);
  lua_pushboolean(L, rc == 0);
  return 1;
}

static int job_next_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)++er_host_of(L)->job_id);
  return 1;
}

/* The running task's path and the number of its last effect: the name of a job's row. */
static int job_path(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  lua_pushstring(L, t != NULL ? t->path : "");
  return 1;
}

static int job_seq(lua_State *L) {
  er_task *t = er_host_of(L)->current;
  lua_pushinteger(L, t != NULL ? (lua_Integer)t->seq : 0);
  return 1;
}

static const luaL_Reg joblib[] = {
    {"path", job_path},   {"seq", job_seq},     {"setup", job_setup},   {"run", job_run},         {"slots", job_slots},
    {"allow", job_allow}, {"probe", job_probe}, {"cancel", job_cancel}, {"next_id", job_next_id}, {NULL, NULL}};

int luaopen_erlua_core_job(lua_State *L) {
  luaL_newlib(L, joblib);
  return 1;
}
