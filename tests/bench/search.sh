#!/usr/bin/env bash
# search.sh [ERLUA] - evolve against bestofn on circle_packing: the best reward of 300
# trials, by seed, and the medians.
set -euo pipefail
cd "$(dirname "$0")/../.."
erlua=${1:-build/erlua}
out=$(mktemp -d /dev/shm/erlua-search.XXXXXX)
trap 'rm -rf "$out"' EXIT
best() { sqlite3 "$out/$1/study.db" "SELECT printf('%.4f', max(reward)) FROM trials"; }
for strategy in bestofn evolve; do
  line=
  for seed in 101 102 103 104 105; do          # not the seeds the mutator was tuned on
    "$erlua" strategies/$strategy.lua --env circle_packing --epochs 10 --batch 30 --seed $seed --study "$out/$strategy$seed" >/dev/null 2>&1
    line+=" $(best $strategy$seed)"
  done
  echo "$strategy:$line  median $(tr ' ' '\n' <<<"$line" | sed '/^$/d' | sort -n | sed -n 3p)"
done
echo "baseline: $(sqlite3 "$out/evolve101/study.db" "SELECT printf('%.4f', baseline) FROM studies")"
