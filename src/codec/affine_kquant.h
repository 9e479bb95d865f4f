// What q4_k and q5_k share: a super-block of 256 weights is 8 sub-blocks of 32, and code q of sub-block j stands for
// d * scales[j] * q - dmin * mins[j], with d and dmin in binary16 and 6-bit scales and mins.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace quern {

inline constexpr std::size_t kSuperBlock = 256;
inline constexpr std::size_t kAffineSubBlock = 32;
inline constexpr std::size_t kAffineSubBlocks = kSuperBlock / kAffineSubBlock;
inline constexpr std::size_t kPackedScaleBytes = 12;

// Side information, in the integers that are stored.
struct AffineSide {
  std::uint16_t d = 0, dmin = 0;                                // binary16
  std::array<std::uint8_t, kAffineSubBlocks> scales{}, mins{};  // 0..63
};

// REQUIRES: weights.size() == 256; importance as in Codec::fit. Codes are 0..max_code.
AffineSide fit_affine(std::span<const float> weights, std::span<const float> importance, int max_code);

// Codec::round with codes 0..max_code.
void round_affine(const AffineSide& side, int max_code, std::uint32_t first, std::span<const float> weights,
                  std::span<std::int32_t> codes, std::span<float> values);

// d, dmin and the 6-bit numbers: 16 bytes.
//   0..1 d   2..3 dmin
//   4..7    low 6 bits: scales 0..3; high 2 bits: bits 4..5 of scales 4..7
//   8..11   low 6 bits: mins 0..3;   high 2 bits: bits 4..5 of mins 4..7
//   12..15  low nibble: bits 0..3 of scales 4..7; high nibble: of mins 4..7
inline constexpr std::size_t kAffineSideBytes = 4 + kPackedScaleBytes;
void pack_affine_side(const AffineSide& side, std::byte* to);
AffineSide unpack_affine_side(const std::byte* from);

}  // namespace quern
