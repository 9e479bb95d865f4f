// What SeedLM makes of a seed (Shafipour et al. 2024, arXiv:2410.10714): the states that follow it in a register of 16
// bits, row by row, are a matrix U of `length` x `coefficients`,
//
//   U = (state - 32768) / 32767
//
// and a vector of `length` weights is U t with t = coefficients * 2^exponent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quern {

inline constexpr std::size_t kSeeds = 65535, kMostSeedLength = 12, kMostSeedCoefficients = 4;
inline constexpr double kSeedUnit = 1.0 / 32767;
inline constexpr int kLeastSeedExponent = -8, kMostSeedExponent = 7;  // 4 bits
inline constexpr int kLeastCoefficient = -8, kMostCoefficient = 7;    // 4 bits

// The exponent of coefficients t.
enum class SeedExponentRule {
  kRange,    // ceil(log2(max |t| / 7.5)): the largest is a code of 4 to 7
  kPrinted,  // max floor(log2 |t|), as published: the largest is a code of 1
};

struct SeedFormat {
  std::uint32_t length, coefficients;
  SeedExponentRule rule;
  // ||U||_F ||U^+||_F, beyond which a seed is not used. With importance, of U whose rows are weighed by its root.
  double most_condition;
};

struct SeedVector {
  std::uint16_t seed = 1;  // the state of the register; never 0
  std::int8_t exponent = kLeastSeedExponent;
  std::array<std::int8_t, kMostSeedCoefficients> coefficients{};
  bool operator==(const SeedVector&) const = default;
};

// States less 32768, in the order of the cycle from seed 1 on. Position k is that of the k-th state of it.
class SeedStates {
 public:
  SeedStates();

  std::size_t position(std::uint16_t seed) const { return positions_[seed]; }  // REQUIRES: seed != 0
  std::uint16_t seed(std::size_t position) const { return static_cast<std::uint16_t>(states_[position] + 32768); }
  // The states that follow the one at `position`: 32768 * U; at least 64, whatever the position.
  const std::int16_t* following(std::size_t position) const { return &states_[position + 1]; }

 private:
  std::array<std::int16_t, kSeeds + 1 + 64> states_;
  std::array<std::uint16_t, kSeeds + 1> positions_{};
};

// The one there is; made at the first call, from any thread.
const SeedStates& seed_states();

// The cycle as a row of bits, since a register shifts: the state k steps behind a seed (k <= 48) is bits k .. k + 15 of
// that seed's. Small enough for the first cache.
class SeedBits {
 public:
  SeedBits();
  std::uint64_t of(std::uint16_t seed) const { return low_[seed & 255] ^ high_[seed >> 8]; }

 private:
  std::array<std::uint64_t, 256> low_, high_;  // of each half of a seed alone: taps are sums of bits, and so are these
};

// The one there is; made at the first call, from any thread.
const SeedBits& seed_bits();

// 2^exponent / 32767, which the sums of states and coefficients are multiplied by.
double seed_step(int exponent);

// The weights of a vector: as many as `out` has, at most its length. `tensor_exponent` is added to its own. Sums are
// integers, multiplied by seed_step in double and rounded once to 32 bits.
void decode_seed_vector(const SeedFormat& format, const SeedVector& vector, int tensor_exponent, std::span<float> out);

}  // namespace quern
