// 512-bit vectors: the whole of 64 columns in one register, dot products of bytes in one instruction.
#include "kernel/dot_kernels.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12 on its own _mm256_undefined_pd
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/scalars.h"

namespace quern {
namespace {

#define QUERN_DOT_TARGET target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#define QUERN_DOT __attribute__((always_inline, QUERN_DOT_TARGET)) inline
#define QUERN_DOT_FUNCTION __attribute__((QUERN_DOT_TARGET))

using Bytes = __m512i;
using Ints = __m512i;
using Spread = __m512i;
using WideScales = __m256i;
using Pairs = __m256;
using Floats = __m512;

constexpr std::size_t kWideRows = 2;

#include "kernel/dot_x86_halves.inc"

// `a` in the lower half, `b` in the upper.
QUERN_DOT __m512i halves(long long a, long long b) { return _mm512_set_epi64(b, b, b, b, a, a, a, a); }

QUERN_DOT Bytes load_bytes(const void* p) { return _mm512_loadu_si512(p); }
QUERN_DOT Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
QUERN_DOT Bytes load_halves(const std::byte* a, const std::byte* b) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(load_256(a)), load_256(b), 1);
}
QUERN_DOT Bytes load_nibbles(const std::byte* p) {
  const __m512i shifted = _mm512_srlv_epi64(_mm512_broadcast_i64x4(load_256(p)), halves(0, 4));
  return _mm512_and_si512(shifted, _mm512_set1_epi8(15));
}
QUERN_DOT Bytes with_fifth_bits(Bytes codes, const std::byte* high, unsigned quarter) {
  const __m512i bits = _mm512_srlv_epi64(_mm512_broadcast_i64x4(load_256(high)), _mm512_set1_epi64(2 * quarter));
  const __mmask64 set = _mm512_test_epi8_mask(bits, halves(0x0101010101010101, 0x0202020202020202));
  return _mm512_mask_add_epi8(codes, set, codes, _mm512_set1_epi8(16));
}
QUERN_DOT Bytes load_six_bits(const std::byte* low, const std::byte* high, unsigned part) {
  const __m512i nibbles = _mm512_srlv_epi64(load_bytes(low), _mm512_set1_epi64(4 * part));
  // Rotations to the left that bring two bits of each byte to its bits 4 and 5.
  const __m512i rotations = part == 0 ? halves(4, 2) : halves(0, 62);
  const __m512i bits = _mm512_rolv_epi64(_mm512_broadcast_i64x4(load_256(high)), rotations);
  return _mm512_or_si512(_mm512_and_si512(nibbles, _mm512_set1_epi8(15)), _mm512_and_si512(bits, _mm512_set1_epi8(48)));
}
QUERN_DOT Bytes load_two_bits(const std::byte* p, unsigned part) {
  const long long first = 4 * part;
  const __m512i shifted = _mm512_srlv_epi64(_mm512_broadcast_i64x4(load_256(p)), halves(first, first + 2));
  return _mm512_and_si512(shifted, _mm512_set1_epi8(3));
}
QUERN_DOT Bytes load_trits(const std::byte* p, unsigned quarter) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(trits_of_half(p, 2 * quarter)), trits_of_half(p, 2 * quarter + 1),
                            1);
}
QUERN_DOT Bytes from_signed(Bytes codes) { return _mm512_xor_si512(codes, _mm512_set1_epi8(-128)); }

QUERN_DOT Ints dot_bytes(Bytes codes, Bytes x, Ints start) { return _mm512_dpbusd_epi32(start, codes, x); }

struct Nibbles {
  Bytes low, high;
};
QUERN_DOT Nibbles load_four_nibbles(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d) {
  __m512i all = _mm512_castsi128_si512(load_128(a));
  all = _mm512_inserti32x4(all, load_128(b), 1);
  all = _mm512_inserti32x4(all, load_128(c), 2);
  all = _mm512_inserti32x4(all, load_128(d), 3);
  const __m512i mask = _mm512_set1_epi8(15);
  return {_mm512_and_si512(all, mask), _mm512_and_si512(_mm512_srli_epi16(all, 4), mask)};
}
QUERN_DOT Ints dot_nibbles(const Nibbles& codes, Bytes low, Bytes high, Ints start) {
  return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, codes.low, low), codes.high, high);
}

QUERN_DOT Ints dot_small(const Bytes (&codes)[4], const std::int8_t* x, Ints start) {
#pragma GCC unroll 4
  for (std::size_t quarter = 0; quarter < 4; ++quarter)
    start = dot_bytes(codes[quarter], load_bytes(x + 64 * quarter), start);
  return start;
}

QUERN_DOT Ints minus_sums(const std::int16_t* sums) {
  return _mm512_zextsi256_si512(_mm256_madd_epi16(load_256(sums), _mm256_set1_epi16(-1)));
}
QUERN_DOT Ints zero_ints() { return _mm512_setzero_si512(); }
QUERN_DOT Ints times_minus_32(LowInts a) {
  return _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(a, 5)));
}
QUERN_DOT WideScales to_wide(Scales scales) { return scales; }
QUERN_DOT Spread spread(Scales scales, unsigned quarter) {
  const __m512i first = _mm512_set1_epi16(static_cast<short>(4 * quarter));
  const __m512i within = _mm512_set_epi64(0x0003000300030003, 0x0003000300030003, 0x0002000200020002,
                                          0x0002000200020002, 0x0001000100010001, 0x0001000100010001, 0, 0);
  return _mm512_permutexvar_epi16(_mm512_add_epi16(first, within), _mm512_castsi256_si512(scales));
}
QUERN_DOT Ints add_scaled_dot(Ints sum, Bytes codes, Bytes x, Spread scales) {
  return _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(codes, x), scales);
}

QUERN_DOT Floats zero_floats() { return _mm512_setzero_ps(); }
QUERN_DOT Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
QUERN_DOT Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
template <std::size_t kRows>
QUERN_DOT Pairs pairs_of_f16(const std::uint32_t (&halves)[kRows]) {
  return floats_of_f16(halves);
}
QUERN_DOT Pairs times_pair(Pairs a, const float* pair) { return _mm256_mul_ps(a, four_times(pair)); }
QUERN_DOT Floats spread_quads(Quads a) {
  const __m512i of_lane = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  return _mm512_permutexvar_ps(of_lane, _mm512_castps128_ps512(a));
}
QUERN_DOT Pairs times_eight(Pairs a, const float* eight) { return _mm256_mul_ps(a, _mm256_loadu_ps(eight)); }
QUERN_DOT Floats lanes_of(Pairs a, std::size_t which) {
  return _mm512_permutexvar_ps(_mm512_set1_epi32(static_cast<int>(which)), _mm512_castps256_ps512(a));
}
QUERN_DOT Floats lanes_of_pair(Pairs a, std::size_t pair) {
  const long long first = static_cast<long long>(2 * pair), second = first + 1;
  return _mm512_permutexvar_ps(halves(first << 32 | first, second << 32 | second), _mm512_castps256_ps512(a));
}
QUERN_DOT Floats lanes_of_pair(const float* pair) {
  return _mm512_mask_broadcastss_ps(_mm512_set1_ps(pair[0]), 0xff00, _mm_load_ss(pair + 1));
}
QUERN_DOT Floats fma_low(LowInts a, Pairs scales, std::size_t which, Floats c) {
  return _mm512_mask3_fmadd_ps(to_floats(_mm512_zextsi256_si512(a)), lanes_of(scales, which), c, 0x00ff);
}
QUERN_DOT Floats load_f32(const void* p) { return _mm512_loadu_ps(p); }
QUERN_DOT Floats load_f16(const std::byte* p) { return _mm512_cvtph_ps(load_256(p)); }
QUERN_DOT Floats load_bf16(const std::byte* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_256(p)), 16));
}
QUERN_DOT float sum_of(Floats lanes) {
  return sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1)));
}

#include "kernel/dot_body.inc"

}  // namespace

const DotKernels kAvx512VnniDots = {"avx512_vnni", has_avx512_vnni, kProducts};

}  // namespace quern
#endif
