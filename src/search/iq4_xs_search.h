// The side information of iq4_xs: a super-block of 256 weights is 8 sub-blocks of 32, and code q of sub-block j stands
// for d * scales[j] * values[q] with d in binary16 and 6-bit scales of either sign.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "search/iq4_codebook.h"

namespace quern {

inline constexpr std::size_t kIq4SubBlock = 32;
inline constexpr std::size_t kIq4SubBlocks = 8;
inline constexpr std::size_t kIq4SuperBlock = kIq4SubBlock * kIq4SubBlocks;

// In the integers that are stored, scales without the offset of 32.
struct Iq4XsSide {
  std::uint16_t d = 0;                              // binary16
  std::array<std::int8_t, kIq4SubBlocks> scales{};  // -32..31
};

// REQUIRES: weights.size() == 256; importance as in Codec::fit.
Iq4XsSide fit_iq4_xs(std::span<const float> weights, std::span<const float> importance);

}  // namespace quern
