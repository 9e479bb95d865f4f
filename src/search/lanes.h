// Eight floats computed together: eight candidate grids, or eight blocks, are judged side by side, one a lane, so that
// no sum depends on how a compiler vectorises and g++ and clang give the same bytes.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/scalars.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define QUERN_LANES_AVX2 1
#endif

namespace quern {

inline constexpr std::size_t kLanes = 8;
using Lanes = float __attribute__((vector_size(32)));
using IntLanes = std::int32_t __attribute__((vector_size(32)));

inline Lanes load_lanes(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
inline void store_lanes(float* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof lanes); }

inline Lanes all_lanes(float value) { return Lanes{value, value, value, value, value, value, value, value}; }
#if defined(QUERN_LANES_AVX2)
inline Lanes lane_min(Lanes a, Lanes b) { return _mm256_min_ps(a, b); }  // b where either is a NaN, or both are zeros
inline Lanes lane_max(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }  // the same
#else
inline Lanes lane_min(Lanes a, Lanes b) { return a < b ? a : b; }
inline Lanes lane_max(Lanes a, Lanes b) { return a > b ? a : b; }
#endif
// `low` where the value is a NaN.
inline Lanes lane_clamp(Lanes value, float low, float high) {
  return lane_min(lane_max(value, all_lanes(low)), all_lanes(high));
}

#if defined(QUERN_LANES_AVX2)
// a * b + c with one rounding: the same on every machine, unlike a product and a sum that a compiler may fuse or not.
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
// Nearest integer, ties to even.
inline Lanes round_lanes(Lanes value) { return _mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
#else
inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) a[lane] = std::fma(a[lane], b[lane], c[lane]);
  return a;
}
inline Lanes round_lanes(Lanes value) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) value[lane] = std::nearbyint(value[lane]);
  return value;
}
#endif

inline Lanes reversed_halves(Lanes v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3); }
inline Lanes swapped_pairs(Lanes v) { return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5); }
inline Lanes swapped_neighbours(Lanes v) { return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6); }

// The smallest value in every lane. REQUIRES: no NaN.
inline Lanes smallest_of(Lanes v) {
  v = lane_min(v, reversed_halves(v));
  v = lane_min(v, swapped_pairs(v));
  return lane_min(v, swapped_neighbours(v));
}

// ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])).
inline float sum_of_lanes(Lanes v) {
  v += reversed_halves(v);
  v += swapped_pairs(v);
  return v[0] + v[1];
}

// The same of the largest.
inline Lanes largest_of(Lanes v) { return -smallest_of(-v); }

// Bit k: whether comparison k held.
inline unsigned lane_bits(IntLanes held) {
#if defined(QUERN_LANES_AVX2)
  return static_cast<unsigned>(_mm256_movemask_ps(reinterpret_cast<__m256>(held)));
#else
  unsigned bits = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) bits |= static_cast<unsigned>(held[lane] != 0) << lane;
  return bits;
#endif
}

// The lane of the smallest value, the first of equals. A NaN is never smaller.
inline std::size_t smallest_lane(Lanes values) {
  const Lanes known = values == values ? values : all_lanes(std::numeric_limits<float>::infinity());
  return static_cast<std::size_t>(std::countr_zero(lane_bits(known == smallest_of(known))));
}

using HalfLanes = std::uint16_t __attribute__((vector_size(16)));  // binary16
using ByteCodes = std::int8_t __attribute__((vector_size(32)));

#if defined(QUERN_LANES_AVX2)
inline HalfLanes f16_of_lanes(Lanes v) {
  return reinterpret_cast<HalfLanes>(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
inline Lanes lanes_of_f16(HalfLanes halves) { return _mm256_cvtph_ps(reinterpret_cast<__m128i>(halves)); }
// REQUIRES: integers -128..127.
inline ByteCodes narrowed(const std::array<Lanes, 4>& codes) {
  const __m256i a = _mm256_packs_epi32(_mm256_cvtps_epi32(codes[0]), _mm256_cvtps_epi32(codes[1])),
                b = _mm256_packs_epi32(_mm256_cvtps_epi32(codes[2]), _mm256_cvtps_epi32(codes[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packing works on halves
  return reinterpret_cast<ByteCodes>(_mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order));
}
#else
inline HalfLanes f16_of_lanes(Lanes v) {
  HalfLanes halves;
  for (std::size_t lane = 0; lane < kLanes; ++lane) halves[lane] = f32_to_f16(v[lane]);
  return halves;
}
inline Lanes lanes_of_f16(HalfLanes halves) {
  Lanes v;
  for (std::size_t lane = 0; lane < kLanes; ++lane) v[lane] = f16_to_f32(halves[lane]);
  return v;
}
inline ByteCodes narrowed(const std::array<Lanes, 4>& codes) {
  ByteCodes bytes;
  for (std::size_t k = 0; k < 4 * kLanes; ++k) bytes[k] = static_cast<std::int8_t>(codes[k / kLanes][k % kLanes]);
  return bytes;
}
#endif

// Lane j of vector i becomes lane i of vector j.
inline std::array<Lanes, kLanes> transposed(std::array<Lanes, kLanes> v) {
  std::array<Lanes, kLanes> pairs, fours;
  for (std::size_t i = 0; i < kLanes; i += 2) {
    pairs[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (const std::size_t i : {0, 4}) {
    for (const std::size_t j : {0, 1}) {
      fours[i + 2 * j] = __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] = __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (std::size_t i = 0; i < kLanes / 2; ++i) {
    v[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    v[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  return v;
}

inline constexpr float kRoundingShift = 12582912.0f;  // 1.5 * 2^23: adding it leaves no bits for a fraction

// The code of a value already divided by its scale; a NaN becomes `low`. REQUIRES: codes within +-2^22.
inline float nearest_code(float value, float low, float high) {
  value = value > low ? value : low;
  value = value < high ? value : high;
  return (value + kRoundingShift) - kRoundingShift;
}

}  // namespace quern
