#!/usr/bin/env bash
# tensors.sh [ERLUA [PYTHON]] - training steps beside PyTorch (where PYTHON has torch) and oneDNN's bare products, in turns;
# what Lua and the tape cost; memory over many steps.  BF16=1: also bf16, for CPUs that have it.  STEPS: 20.
set -euo pipefail
cd "$(dirname "$0")/../.."
erlua=${1:-build/erlua} python=${2:--} steps=${STEPS:-20}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cc -O2 tests/bench/tensor_bound.c -o "$out/bound" -ldnnl

turns() { python3 tests/bench/tensor_turns.py "$erlua" "$python" "$out/bound" "$@"; }

for dtype in f32 ${BF16:+bf16}; do
  echo "== GPT-2 124M, $dtype"
  OMP_NUM_THREADS=2 turns "$steps" 12 768 12 4 64 "$dtype" gpt2
  OMP_NUM_THREADS=2 turns "$steps" 12 768 12 1 1024 "$dtype" gpt2
  echo "== small models, $dtype"
  OMP_NUM_THREADS=2 turns "$steps" 4 128 4 16 128 "$dtype" gpt2
  OMP_NUM_THREADS=2 turns "$((steps * 5))" 4 64 4 4 64 "$dtype" gpt2
done

echo "== nanogpt's tiny, one thread"
OMP_NUM_THREADS=1 turns "$((steps * 5))" 2 64 2 8 64 f32 plain

echo "== what Lua, the tape and the start of kernels cost: 4 layers with next to nothing in them, beside 4 x 128, B 2, T 64"
OMP_NUM_THREADS=1 "$erlua" tests/bench/tensors.lua 300 4 8 1 1 1 f32 gpt2
OMP_NUM_THREADS=1 "$erlua" tests/bench/tensors.lua 100 4 128 4 2 64 f32 gpt2

echo "== memory over 2,000 steps"
OMP_NUM_THREADS=2 "$erlua" tests/bench/tensors.lua 2000 4 64 4 4 64 f32 gpt2
