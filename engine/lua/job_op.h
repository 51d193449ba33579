/* job_op.h - a job as an operation; shared by the three files of the job binding
 * (lua_job.c drives it, job_spec.c reads and prepares it, job_result.c turns its
 * end into the journal's JSON).  Nobody else includes it. */
#ifndef ER_LUA_JOB_OP_H
#define ER_LUA_JOB_OP_H

#include "lua/host.h"

typedef struct { char *path, *from, *bytes; size_t len; } er_work_file;

/* One job.  Owned by its task's wait; after an abort by the job room's callback. */
typedef struct er_job_op {
  er_op op;
  er_job *job;
  er_job_spec spec;              /* read when the job starts: a replayed one never does */
  int table;                     /* the caller's table in the registry until then */
  int64_t id;
  char **strings;                /* everything the spec points to */
  size_t n_strings;
  er_work_file *work;
  size_t n_work;
  bool inspect, ended, orphan, unwanted;
  er_job_bind *binds;
  size_t curve_read, curve_lines;
  struct er_job_op *next_live;
} er_job_op;


/* ---- job_spec.c ---- */

bool er_field_flag(lua_State *L, int idx, const char *field);
double er_field_number(lua_State *L, int idx, const char *field);

/* Reads the table at idx into o->spec; all strings become o's own. */
void er_job_op_read(lua_State *L, int idx, er_job_op *o);
void er_job_op_free(er_job_op *o);              /* what er_job_op_read made */

/* er_job_prepare: makes the job's folders and fills its workspace. */
int er_job_op_prepare(void *ud, const er_job_spec *spec, er_err *err);

/* ---- job_result.c ---- */

/* Takes the lines that the curve file has gained into the study. */
void er_job_op_curve(er_host *h, er_job_op *o);

/* Fills o->op.result: a JSON array that holds one object. */
void er_job_op_result(er_job_op *o, const er_job_result *r);

/* Offline: copies the job's curve from the study that is replayed. */
void er_job_op_copy_curve(er_host *h, int64_t job);

#endif
