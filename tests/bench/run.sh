#!/usr/bin/env bash
# run.sh [ERLUA] - the numbers of docs/benchmarks.md, measured on this machine, now.
# Ratios against something in the same run; studies on tmpfs unless it says disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
erlua=${1:-build/erlua}
out=$(mktemp -d /dev/shm/erlua-bench.XXXXXX)
disk=$(mktemp -d ./erlua-bench.XXXXXX)
trap 'rm -rf "$out" "$disk"' EXIT
trials=${TRIALS:-200}

now() { date +%s%N; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Milliseconds a start, the median of 41.
start_of() {
  for _ in $(seq 41); do
    local a; a=$(now); "$@" >/dev/null; echo "$(( $(now) - a ))"
  done | median | awk '{ printf "%.2f", $1 / 1e6 }'
}

echo "== start-up"
lua=$(start_of lua5.4 -e 'return 1'); own=$(start_of "$erlua" -e 'return 1')
memory=$(/usr/bin/time -f %M "$erlua" -e 'return 1' 2>&1 >/dev/null | tail -1)
echo "lua5.4 $lua ms, erlua $own ms, ratio $(awk "BEGIN { printf \"%.2f\", $own / $lua }"), peak memory $memory KB"

echo "== tasks"
"$erlua" tests/bench/tasks.lua

# Two bare starts of bubblewrap at 2 slots, in ms: what a sandboxed trial cannot go below.
bare_pair() {
  local a; a=$(now)
  seq "$((trials * 2))" | xargs -P2 -I{} bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin \
    --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/sh -c :
  awk "BEGIN { print ($(now) - $a) / $trials / 1e6 }"
}

n=0
trial() { n=$((n + 1)); "$erlua" tests/bench/trials.lua --slots 2 --epochs $((trials / 40)) "$@" 2>/dev/null; }
field() { sed "s/.*$1 \([0-9.]*\).*/\1/"; }

echo "== trials of two shell one-liners, 2 slots, $trials trials a run, medians of ${RUNS:-21} runs"
for _ in $(seq "${RUNS:-21}"); do
  line=$(trial --study "$out/a$n"); bare=$(bare_pair)
  echo "$(field engine <<<"$line") $(field wall <<<"$line") $(field children <<<"$line") $bare"
  rm -rf "$out"/a*
done > "$out/runs"
for i in 1 2 3 4; do declare "m$i=$(cut -d' ' -f$i "$out/runs" | median)"; done
ratio=$(awk '{ print $2 / $4 }' "$out/runs" | median)
echo "engine $m1 ms, wall $m2 ms, supervisors and jobs $m3 ms of CPU; bare pair $m4 ms, wall ratio $ratio"
echo "no sandbox: $(trial --study "$out/b" --no-sandbox)"
echo "disk:       $(trial --study "$disk/a")"
echo "erlua both: $(trial --study "$out/c" --preset erlua)"

if [ -n "${LONG:-}" ]; then
  echo "== 5,000 trials"
  "$erlua" tests/bench/trials.lua --slots 2 --epochs 125 --study "$out/long" 2>/dev/null
  echo "== resuming a study of 5,000 trials that lacks one"
  bash tests/bench/resume.sh "$erlua" "$out/long"
fi
