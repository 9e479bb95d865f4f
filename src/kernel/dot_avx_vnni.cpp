// AVX-VNNI: dot products of bytes in one instruction on 256-bit vectors, for processors without AVX-512.
#include "kernel/dot_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/scalars.h"

namespace quern {
namespace {

#define QUERN_DOT_TARGET target("avx2,fma,f16c,avxvnni")
#define QUERN_DOT __attribute__((always_inline, QUERN_DOT_TARGET)) inline
#define QUERN_DOT_FUNCTION __attribute__((QUERN_DOT_TARGET))

#include "kernel/dot_avx2_vectors.inc"

QUERN_DOT Ints dot_bytes(Bytes codes, Bytes x, Ints start) {
  return {_mm256_dpbusd_avx_epi32(start.low, codes.low, x.low),
          _mm256_dpbusd_avx_epi32(start.high, codes.high, x.high)};
}
QUERN_DOT Ints dot_nibbles(const Nibbles& codes, Bytes low, Bytes high, Ints start) {
  return dot_bytes(codes.high, high, dot_bytes(codes.low, low, start));
}

QUERN_DOT Ints dot_small(const Bytes (&codes)[4], const std::int8_t* x, Ints start) {
#pragma GCC unroll 4
  for (std::size_t quarter = 0; quarter < 4; ++quarter)
    start = dot_bytes(codes[quarter], load_bytes(x + 64 * quarter), start);
  return start;
}

#include "kernel/dot_body.inc"

}  // namespace

const DotKernels kAvxVnniDots = {"avx_vnni", has_avx_vnni, kProducts};

}  // namespace quern
#endif
