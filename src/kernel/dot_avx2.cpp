// AVX2, which every x86 processor that Quern runs on has: bytes are multiplied to 16 bits and those added in pairs.
#include "kernel/dot_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "base/bytes.h"
#include "base/scalars.h"

namespace quern {
namespace {

#define QUERN_DOT __attribute__((always_inline)) inline
#define QUERN_DOT_FUNCTION

#include "kernel/dot_avx2_vectors.inc"

QUERN_DOT __m256i pairs_of_pairs(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

// The multiplication takes unsigned bytes times signed ones, and two products must fit 16 bits: magnitudes of the
// codes (128 at most) times activations (127 at most) with the codes' signs.
QUERN_DOT __m256i dot_signed(__m256i codes, __m256i x) {
  return pairs_of_pairs(_mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes)));
}
QUERN_DOT Ints dot_bytes(Bytes codes, Bytes x, Ints) {
  const Bytes with_sign = from_signed(codes);  // its own inverse
  return {dot_signed(with_sign.low, x.low), dot_signed(with_sign.high, x.high)};
}

// Four products of at most 15 * 127 fit 16 bits.
QUERN_DOT __m256i dot_nibbles(__m256i a, __m256i x, __m256i b, __m256i y, __m256i start) {
  const __m256i sums = _mm256_add_epi16(_mm256_maddubs_epi16(a, x), _mm256_maddubs_epi16(b, y));
  return _mm256_add_epi32(start, pairs_of_pairs(sums));
}
QUERN_DOT Ints dot_nibbles(const Nibbles& codes, Bytes low, Bytes high, Ints start) {
  return {dot_nibbles(codes.low.low, low.low, codes.high.low, high.low, start.low),
          dot_nibbles(codes.low.high, low.high, codes.high.high, high.high, start.high)};
}

// Eight products of at most 3 * 127 fit 16 bits.
QUERN_DOT Ints dot_small(const Bytes (&codes)[4], const std::int8_t* x, Ints start) {
  Bytes sums = zero_ints();
#pragma GCC unroll 4
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    const Bytes of_x = load_bytes(x + 64 * quarter);
    sums.low = _mm256_add_epi16(sums.low, _mm256_maddubs_epi16(codes[quarter].low, of_x.low));
    sums.high = _mm256_add_epi16(sums.high, _mm256_maddubs_epi16(codes[quarter].high, of_x.high));
  }
  return {_mm256_add_epi32(start.low, pairs_of_pairs(sums.low)),
          _mm256_add_epi32(start.high, pairs_of_pairs(sums.high))};
}

#include "kernel/dot_body.inc"

}  // namespace

const DotKernels kAvx2Dots = {"avx2", [] { return true; }, kProducts};

}  // namespace quern
#endif
