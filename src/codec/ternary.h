// What tq1_0 and tq2_0 share: 256 weights have one scale d, and code q (0..2) stands for d * (q - 1). Their side
// information is d as binary16, never negative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "codec/codec.h"

namespace quern {

inline constexpr std::size_t kTernaryBlock = 256;

// Whether the values of a block, or of a tensor, are -d, 0 and d alone.
bool is_ternary(const Codec& codec);
// The formats of which that is so for each block, in the order of bits per weight, highest first.
std::span<const Codec* const> ternary_codecs();

// Codec::fit and Codec::round of both.
void fit_ternary(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side);
void round_ternary(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                   std::span<const float>, std::span<std::int32_t> codes, std::span<float> values);

}  // namespace quern
