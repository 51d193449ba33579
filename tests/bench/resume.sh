#!/usr/bin/env bash
# resume.sh ERLUA STUDY - how long it takes to go on with a long study that lacks one
# trial: the last trial's rows are taken out of the journal, as a kill would leave it.
set -euo pipefail
erlua=$1 study=$2
sqlite3 "$study/study.db" "
  PRAGMA foreign_keys = OFF;
  DELETE FROM effects WHERE ord > (SELECT max(ord) FROM effects) - 1;
  UPDATE trials SET outcome = NULL, done = NULL WHERE id = (SELECT max(id) FROM trials);
  UPDATE progress SET applied = applied - 8;
  UPDATE studies SET state = 'running';"
began=$(date +%s%N)
"$erlua" resume "$study" >/dev/null 2>&1
awk "BEGIN { printf \"%.3f s\n\", ($(date +%s%N) - $began) / 1e9 }"
