#!/usr/bin/env bash
# A 4 GB checkpoint becomes q4_k_m, is measured again and planned for a size while the kernel allows 1 GB of private memory (RLIMIT_DATA).
# Needs 6 GB of disk under build/. The plan surveys bands of layers and writes eight plans: half an hour or so on 2 cores.
# Usage: tests/memory_4gb.sh [QUERN] [THREADS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
quern="${1:-build/release/quern}"
machine=(--threads "${2:-2}" --max-memory 800MB --quiet)
folder=build/memory
mkdir -p "$folder"
python3 tools/make_synthetic_checkpoint.py "$folder/model" --tokenizer models/llama-7m/tokenizer.model
ulimit -d $((1024 * 1024))  # KiB
time "$quern" compress "$folder/model" -o "$folder/out" --scheme q4_k_m "${machine[@]}" --force \
  --calib texts/calib.txt --calib-windows 4 --report-text texts/eval.txt --report-windows 2
"$quern" verify "$folder/out" --quiet
time "$quern" eval "$folder/out" --against "$folder/model" --text texts/eval.txt --windows 2 "${machine[@]}"
time "$quern" plan "$folder/model" --scheme q4_k_m --target-size 1200MB "${machine[@]}" \
  --imatrix "$folder/out/statistics.gguf" --gate-text texts/calib.txt --gate-windows 1
rm -rf "$folder"
