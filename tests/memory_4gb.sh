#!/usr/bin/env bash
# A 4 GB checkpoint becomes q4_k_m while the kernel allows 1 GB of private memory (RLIMIT_DATA), calibration and report included.
# Needs 6 GB of disk under build/. Usage: tests/memory_4gb.sh [QUERN]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
quern="${1:-build/release/quern}"
folder=build/memory
mkdir -p "$folder"
python3 tools/make_synthetic_checkpoint.py "$folder/model" --tokenizer models/llama-7m/tokenizer.model
ulimit -d $((1024 * 1024))  # KiB
time "$quern" compress "$folder/model" -o "$folder/out" --scheme q4_k_m --max-memory 800MB --force --quiet \
  --calib texts/calib.txt --calib-windows 4 --report-text texts/eval.txt --report-windows 2
"$quern" verify "$folder/out" --quiet
rm -rf "$folder"
