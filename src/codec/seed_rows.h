// Rows of weights as seed vectors, and seed vectors as codes.
#pragma once

#include <cmath>
#include <span>

#include "codec/codec.h"
#include "entropy/rans.h"
#include "search/seed_basis.h"

namespace quern {

// The bits of a vector: seed in 0..15, exponent in 16..19, coefficient p in 20 + 4p .. 23 + 4p, the last two in two's
// complement. As codes of a granule: the low 32 bits, then the others, then zeros.
std::uint64_t word_of(const SeedVector& vector);
// Error(kInput) for a seed of 0, which no register leaves.
SeedVector vector_of(const SeedFormat& format, std::uint64_t word);
std::uint64_t word_of_codes(std::span<const std::int32_t> codes);

// What every exponent of a tensor is added to, so that small weights use all 16 of them: largest |w| of a tensor, and
// the exponent that lets coefficients be four times as large. 0 for a tensor of zeros.
int tensor_exponent(const SeedFormat& format, float largest);
inline constexpr int kLeastTensorExponent = -128, kMostTensorExponent = 115;  // beyond: values that are not finite

// That of a tensor in seedlm_4, seedlm_3 or seedlm_4_paper; 0 without a tensor: the exponents as published.
int seed_exponent(const Codec& codec);

// The largest magnitude among finite weights.
float largest_weight(std::span<const float> weights);

// As the search wants weights: scaled, a NaN as 0, cut to what no vector reaches.
inline double searchable(float weight, double scale) {
  constexpr double kReach = 16384;
  const double scaled = weight * scale;
  return scaled > -kReach ? (scaled < kReach ? scaled : kReach) : scaled == scaled ? -kReach : 0;
}

// Beside one another in a search by importance, which makes what it looks through for each column of vectors: with 64
// rows a quarter of its time, with fewer soon half.
inline constexpr std::uint32_t kSeedRowsPerTask = 64;

// Whole granules of some rows, of which the last may end within one. `importance` of these columns: empty where it does
// not count. `values` may be empty.
void round_seed_rows(const SeedFormat& format, int tensor_exponent, MatrixView weights,
                     std::span<const float> importance, std::span<std::int32_t> codes, std::span<float> values);

}  // namespace quern
