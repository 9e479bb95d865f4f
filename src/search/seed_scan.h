// The innermost loop of the search for seeds, for what the processor has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "search/seed_basis.h"

namespace quern {

inline constexpr std::size_t kSeedGroup = 8;  // seeds whose numbers stand side by side

// Which seeds may serve one of `vectors` vectors, looked at side by side. A table holds, in groups of kSeedGroup seeds,
// length x coefficients numbers of each: an orthonormal basis q of what its U spans. The seed after which none is lost:
// the first of from..to - 1 for which the sum of (q . vector)^2 is at least `least` for one of the vectors; bit k of
// `hits` is set where vector k is one. `to` where there is none. `values`: number c of vector k at c * vectors + k.
struct SeedScan {
  std::uint32_t length = 0, coefficients = 0;
  std::size_t vectors = 0;  // at most 32
  std::size_t (*first_hit)(const float* table, std::size_t from, std::size_t to, const float* values,
                           const float* least, std::uint32_t& hits) = nullptr;
};

// All that this processor runs for that format, the fastest first. Sums differ in their last bits between them.
std::span<const SeedScan> seed_scans(const SeedFormat& format);

// Those of 512-bit vectors. REQUIRES: has_avx512().
std::span<const SeedScan> seed_scans_avx512();

}  // namespace quern
