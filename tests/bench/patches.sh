#!/usr/bin/env bash
# patches.sh [BUILD] - the patch applier's numbers in docs/benchmarks.md: what is recovered
# by corruption, beside git apply and patch on the same diffs, and what it costs.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}
cmake --build "$build" --target property bench_patch >&2
echo "== recovered and misapplied, ${CASES:-12000} cases"
"$build/tests/property" --git --cases "${CASES:-12000}"
echo "== CPU time and memory"
"$build/tests/bench_patch"
