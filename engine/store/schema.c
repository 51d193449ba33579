/* schema.c - the tables of a study and how older files are brought up to date.
 * Columns named `tick` hold the study's logical clock at the time of writing:
 * a strategy's reads see lower ticks only, so that a replayed reader sees what
 * the first one saw.  Times in seconds, sizes in bytes. */

#include "store/schema.h"

#include <stddef.h>

const int er_schema_version = 3;

const char *const er_schema_migrations[] = {
  /* 0 -> 1 */
  "CREATE TABLE studies("
  "  id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, script TEXT NOT NULL,"
  "  env TEXT NOT NULL, env_digest TEXT NOT NULL, script_digest TEXT NOT NULL,"
  "  options TEXT NOT NULL, seed INTEGER NOT NULL, erlua TEXT NOT NULL,"
  "  created REAL NOT NULL, state TEXT NOT NULL, baseline REAL) STRICT;"
  "CREATE TABLE progress(id INTEGER PRIMARY KEY CHECK (id = 1), applied INTEGER NOT NULL) STRICT;"
  "CREATE TABLE snapshot("
  "  kind TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
  "  source TEXT, bytes BLOB, PRIMARY KEY (kind, path)) STRICT;"
  "CREATE TABLE ideas("
  "  id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL,"
  "  text TEXT NOT NULL, reply TEXT NOT NULL, tick INTEGER NOT NULL) STRICT;"
  "CREATE TABLE patches("
  "  digest TEXT PRIMARY KEY, diff TEXT NOT NULL, files INTEGER NOT NULL,"
  "  added INTEGER NOT NULL, removed INTEGER NOT NULL) STRICT;"
  "CREATE TABLE trials("
  "  id INTEGER PRIMARY KEY, idea INTEGER NOT NULL REFERENCES ideas(id), epoch INTEGER NOT NULL,"
  "  parents TEXT NOT NULL, tick INTEGER NOT NULL, done INTEGER,"
  "  outcome TEXT, stage TEXT, reason TEXT, reward REAL, metrics TEXT,"
  "  patch TEXT REFERENCES patches(digest), wall_s REAL) STRICT;"
  "CREATE INDEX trials_by_reward ON trials(reward DESC) WHERE reward IS NOT NULL;"
  "CREATE TABLE jobs("
  "  id INTEGER PRIMARY KEY, trial INTEGER REFERENCES trials(id), stage TEXT NOT NULL,"
  "  path TEXT NOT NULL, seq INTEGER NOT NULL, folder TEXT NOT NULL,"
  "  ended TEXT, exit_code INTEGER, signal INTEGER, reason TEXT, starts INTEGER,"
  "  wall_s REAL, cpu_s REAL, peak_memory INTEGER, log TEXT) STRICT;"
  "CREATE TABLE metrics("
  "  job INTEGER NOT NULL REFERENCES jobs(id), n INTEGER NOT NULL, name TEXT NOT NULL,"
  "  step REAL, value REAL NOT NULL, PRIMARY KEY (job, n, name)) STRICT, WITHOUT ROWID;"
  "CREATE TABLE evaluations("
  "  trial INTEGER PRIMARY KEY REFERENCES trials(id), job INTEGER NOT NULL REFERENCES jobs(id),"
  "  metrics TEXT, error TEXT) STRICT;"
  "CREATE TABLE effects("
  "  path TEXT NOT NULL, seq INTEGER NOT NULL, ord INTEGER, kind TEXT NOT NULL,"
  "  digest BLOB NOT NULL, call TEXT NOT NULL, line TEXT NOT NULL, result TEXT NOT NULL,"
  "  PRIMARY KEY (path, seq)) STRICT, WITHOUT ROWID;"
  "CREATE UNIQUE INDEX effects_by_ord ON effects(ord) WHERE ord IS NOT NULL;"
  "CREATE TABLE events("
  "  id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL) STRICT;",

  /* 1 -> 2: language models.  `calls` records the world, like curves: what was asked and
   * paid for, also by calls that were cancelled or lost; cost NULL is unknown. */
  "CREATE TABLE calls("
  "  id INTEGER PRIMARY KEY, path TEXT NOT NULL, seq INTEGER NOT NULL, trial INTEGER, purpose TEXT NOT NULL,"
  "  model TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL, requests INTEGER NOT NULL,"
  "  input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,"
  "  thinking INTEGER NOT NULL, estimated INTEGER NOT NULL, cost REAL, latency REAL, time REAL NOT NULL, error TEXT) STRICT;"
  "CREATE INDEX calls_by_trial ON calls(trial) WHERE trial IS NOT NULL;"
  "CREATE TABLE implementations("
  "  trial INTEGER NOT NULL REFERENCES trials(id), n INTEGER NOT NULL, round INTEGER NOT NULL, model TEXT NOT NULL,"
  "  reply TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, tick INTEGER NOT NULL,"
  "  PRIMARY KEY (trial, n)) STRICT, WITHOUT ROWID;"
  "CREATE INDEX IF NOT EXISTS jobs_by_trial ON jobs(trial);"
  /* One call for ideas: how many it was asked for, gave, and gave again. */
  "CREATE TABLE questions("
  "  id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, prompt TEXT NOT NULL, model TEXT NOT NULL, wanted INTEGER NOT NULL,"
  "  got INTEGER NOT NULL, duplicates INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, tick INTEGER NOT NULL) STRICT;",

  /* 2 -> 3: patches that are run again.  A re-run belongs to a trial and is none: it has another seed or
   * preset, and its jobs name it instead of the trial.  Rounds are kept so that a study whose epochs were
   * raised knows what came between them.  trusted 0: scored outside the sandbox. */
  "ALTER TABLE trials ADD COLUMN host TEXT;"
  "ALTER TABLE trials ADD COLUMN trusted INTEGER NOT NULL DEFAULT 1;"
  "ALTER TABLE trials ADD COLUMN review TEXT;"
  "UPDATE trials SET trusted = 0 WHERE reward IS NOT NULL"
  "  AND (SELECT json_extract(options, '$.sandbox') FROM studies) = 0;"
  "CREATE TABLE reruns("
  "  id INTEGER PRIMARY KEY, trial INTEGER NOT NULL REFERENCES trials(id), purpose TEXT NOT NULL,"
  "  seed INTEGER NOT NULL, preset TEXT, outcome TEXT, stage TEXT, reason TEXT, reward REAL, metrics TEXT,"
  "  wall_s REAL, host TEXT, trusted INTEGER NOT NULL DEFAULT 1, review TEXT) STRICT;"
  "CREATE INDEX reruns_by_trial ON reruns(trial);"
  "CREATE TABLE rounds("
  "  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, epoch INTEGER NOT NULL, n INTEGER NOT NULL, seeds INTEGER NOT NULL,"
  "  preset TEXT, tick INTEGER NOT NULL) STRICT;"
  "ALTER TABLE jobs ADD COLUMN rerun INTEGER;",
};

/* What a canonical dump holds, in this order.  Left out: progress and events
 * (the machine's doings, not the study's), and snapshot, which replay reads. */
const char *const er_schema_dump[] = {
  "studies", "SELECT name,script,env,env_digest,script_digest,options,seed,baseline FROM studies",
  "ideas", "SELECT * FROM ideas ORDER BY id",
  "patches", "SELECT * FROM patches ORDER BY digest",
  "trials", "SELECT * FROM trials ORDER BY id",
  "jobs", "SELECT id,trial,stage,path,seq,ended,exit_code,signal,reason,starts,wall_s,cpu_s,peak_memory,log,rerun"
          " FROM jobs ORDER BY id",
  "metrics", "SELECT m.* FROM metrics m JOIN jobs j ON j.id = m.job WHERE j.ended IS NOT NULL ORDER BY job,n,name",
  "evaluations", "SELECT * FROM evaluations ORDER BY trial",
  "calls", "SELECT * FROM calls ORDER BY id",
  "implementations", "SELECT * FROM implementations ORDER BY trial,n",
  "questions", "SELECT * FROM questions ORDER BY id",
  "reruns", "SELECT * FROM reruns ORDER BY id",
  "rounds", "SELECT * FROM rounds ORDER BY id",
  "effects", "SELECT path,seq,ord,kind,hex(digest),call,line,result FROM effects ORDER BY path,seq",
  NULL, NULL,
};
