// The side information of q6_k: a super-block of 256 weights is 16 sub-blocks of 16, and code q of sub-block j stands
// for d * scales[j] * q with d in binary16 and 8-bit scales of either sign.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "codec/grid_search.h"

namespace quern {

inline constexpr std::size_t kSymmetricSubBlock = 16;
inline constexpr std::size_t kSymmetricSubBlocks = 16;

// In the integers that are stored.
struct SymmetricSide {
  std::array<std::int8_t, kSymmetricSubBlocks> scales{};
  std::uint16_t d = 0;  // binary16
};

// REQUIRES: weights.size() == 256; importance as in Codec::fit.
SymmetricSide fit_symmetric(std::span<const float> weights, std::span<const float> importance, CodeRange range);

}  // namespace quern
