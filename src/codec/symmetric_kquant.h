// What q6_k and q3_k share: a super-block of 256 weights is 16 sub-blocks of 16, and code q of sub-block j stands for
// d * scales[j] * q with d in binary16 and scales of 8 or 6 bits and either sign.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codec/codec.h"
#include "search/kquant_codes.h"
#include "search/symmetric_centres.h"

namespace quern {

inline constexpr std::size_t kSymmetricSubBlock = kSymmetricRun;
inline constexpr std::size_t kSymmetricSubBlocks = kSuperBlock / kSymmetricSubBlock;

// Stored codes are q - codes.low.
struct SymmetricFormat {
  CodeRange codes, scales;
  SymmetricLadder ladder;
  std::span<const Lanes> steps;  // of d, in units of the smallest that reaches all sub-blocks
};

// In the integers that are stored.
struct SymmetricSide {
  std::array<std::int8_t, kSymmetricSubBlocks> scales{};
  std::uint16_t d = 0;  // binary16
};

// REQUIRES: weights.size() == 256; importance as in Codec::fit.
SymmetricSide fit_symmetric(const SymmetricFormat& format, std::span<const float> weights,
                            std::span<const float> importance);

// Codec::round.
void round_symmetric(const SymmetricFormat& format, const SymmetricSide& side, std::uint32_t first,
                     std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values);

// The weights of a super-block.
void decode_symmetric(const SymmetricFormat& format, const SymmetricSide& side, const KquantCodes& codes,
                      std::span<float> out);

// Codec::fit and Codec::round of a format.
template <const SymmetricFormat& kFormat>
struct SymmetricRow {
  static void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
    store(side, fit_symmetric(kFormat, weights, importance));
  }
  static void round(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
                    std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    round_symmetric(kFormat, load<SymmetricSide>(side), first, weights, codes, values);
  }
};

}  // namespace quern
