// What q5_k, q4_k and q2_k share: a super-block of 256 weights is 8 or 16 sub-blocks, and code q of sub-block j stands
// for d * scales[j] * q - dmin * mins[j], with d and dmin in binary16 and scales and mins of a few bits.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/codec.h"
#include "search/affine_centres.h"
#include "search/kquant_codes.h"

namespace quern {

inline constexpr std::size_t kMaxAffineSubBlocks = 16;

struct AffineFormat {
  int max_code;           // codes are 0..max_code
  std::size_t sub_block;  // weights
  float max_side;         // scales and mins are 0..max_side
  AffineCuts cuts;
  std::span<const Lanes> steps;  // of d and dmin, in units of the smallest that reach all sub-blocks; at most 16

  constexpr std::size_t sub_blocks() const { return kSuperBlock / sub_block; }
  constexpr CodeRange range() const { return {0.0f, static_cast<float>(max_code)}; }
};

// Side information, in the integers that are stored.
struct AffineSide {
  std::uint16_t d = 0, dmin = 0;                                   // binary16
  std::array<std::uint8_t, kMaxAffineSubBlocks> scales{}, mins{};  // 0..max_side
};

// REQUIRES: weights.size() == 256, kSubBlock == format.sub_block (16 or 32); importance as in Codec::fit.
template <std::size_t kSubBlock>
AffineSide fit_affine(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance);

// Codec::round.
void round_affine(const AffineFormat& format, const AffineSide& side, std::uint32_t first,
                  std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values);

// The weights of a super-block.
void decode_affine(const AffineFormat& format, const AffineSide& side, const KquantCodes& codes, std::span<float> out);

// Codec::fit and Codec::round of a format.
template <const AffineFormat& kFormat>
struct AffineRow {
  static void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
    store(side, fit_affine<kFormat.sub_block>(kFormat, weights, importance));
  }
  static void round(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                    std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    round_affine(kFormat, load<AffineSide>(side), first, weights, codes, values);
  }
};

}  // namespace quern
