// Entries of a table side by side in 8 lanes: what kernels of looked-up weights multiply.
#pragma once

#include <bit>

#include "search/lanes.h"

namespace quern {

// Entries of `kLength` floats, one behind the other in their table, each in a power of two of lanes. Lanes beyond
// kLength hold what lies behind an entry: REQUIRES that so much can be read behind the last one.
template <std::size_t kLength>
struct Gathered {
  static constexpr std::size_t kWidth = std::bit_ceil(kLength), kEntries = kLanes / kWidth;
  static_assert(kWidth == 2 || kWidth == 4 || kWidth == 8);

  static Lanes load(const float* table, const std::uint32_t* entries) {
    if constexpr (kWidth == 8) {
      return load_lanes(table + std::size_t{entries[0]} * kLength);
    } else {
      return load_entries(table, entries);
    }
  }

  // x[0 .. kEntries - 1], each in the lanes of one entry.
  static Lanes spread(const float* x) {
    if constexpr (kWidth == 8) {
      return all_lanes(*x);
    } else {
      return spread_entries(x);
    }
  }

 private:
#if defined(QUERN_LANES_AVX2)
  static Lanes load_entries(const float* table, const std::uint32_t* entries) {
    const auto entry = [&](std::size_t i) { return table + std::size_t{entries[i]} * kLength; };
    if constexpr (kWidth == 4) return halves(_mm_loadu_ps(entry(0)), _mm_loadu_ps(entry(1)));
    // Broadcasts and blends: loads into halves take the one unit that moves lanes, and 1.2 times as long.
    const auto both = [&](std::size_t i) { return _mm256_broadcast_sd(reinterpret_cast<const double*>(entry(i))); };
    const __m256d low = _mm256_blend_pd(both(0), both(1), 0b0010), high = _mm256_blend_pd(both(2), both(3), 0b1000);
    return _mm256_castpd_ps(_mm256_blend_pd(low, high, 0b1100));
  }
  static Lanes spread_entries(const float* x) {
    if constexpr (kWidth == 4) return halves(_mm_broadcast_ss(x), _mm_broadcast_ss(x + 1));
    const __m256i order = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), order);
  }
  static Lanes halves(__m128 low, __m128 high) { return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1); }
#else
  static Lanes load_entries(const float* table, const std::uint32_t* entries) {
    Lanes lanes;
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = table[std::size_t{entries[l / kWidth]} * kLength + l % kWidth];
    return lanes;
  }
  static Lanes spread_entries(const float* x) {
    Lanes lanes;
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = x[l / kWidth];
    return lanes;
  }
#endif
};

// Sums that run side by side, so that one addition need not wait for the other: term i goes to sum i mod 4.
inline constexpr std::size_t kSums = 4;
using FourSums = std::array<Lanes, kSums>;

inline Lanes total_of(const FourSums& sums) { return (sums[0] + sums[1]) + (sums[2] + sums[3]); }

}  // namespace quern
