// 32 codes of 4 bits in 16 bytes, as ggml's blocks of 32 have them: byte k holds code k low and code 16 + k high.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace quern {

inline constexpr std::size_t kSplitNibbles = 32;

// REQUIRES: codes.size() == 32, each 0..15.
inline void pack_split_nibbles(std::span<const std::int32_t> codes, std::byte* to) {
  for (std::size_t k = 0; k < kSplitNibbles / 2; ++k) {
    to[k] = static_cast<std::byte>((codes[k] & 15) | (codes[kSplitNibbles / 2 + k] & 15) << 4);
  }
}

// out[k] = scale * values[code k]. REQUIRES: 16 values, out.size() == 32.
inline void decode_split_nibbles(const std::byte* from, std::span<const float> values, float scale,
                                 std::span<float> out) {
  for (std::size_t k = 0; k < kSplitNibbles / 2; ++k) {
    const auto both = std::to_integer<std::size_t>(from[k]);
    out[k] = scale * values[both & 15];
    out[kSplitNibbles / 2 + k] = scale * values[both >> 4];
  }
}

}  // namespace quern
