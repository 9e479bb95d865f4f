// The cycle of the 16-bit register as a table, so that the states of a seed are read from one place.
#include "search/seed_basis.h"

#include <cmath>
#include <memory>
#include <vector>

#include "search/lfsr.h"

namespace quern {

SeedStates::SeedStates() {
  const std::vector<std::uint32_t> cycle = lfsr_cycle(16, 1);
  for (std::size_t k = 0; k < states_.size(); ++k)
    states_[k] = static_cast<std::int16_t>(static_cast<int>(cycle[k % kSeeds]) - 32768);
  for (std::size_t k = 0; k < kSeeds; ++k) positions_[cycle[k]] = static_cast<std::uint16_t>(k);
}

const SeedStates& seed_states() {
  static const std::unique_ptr<const SeedStates> states = std::make_unique<const SeedStates>();
  return *states;
}

SeedBits::SeedBits() {
  constexpr std::size_t kSteps = kMostSeedLength * kMostSeedCoefficients;
  const std::uint32_t taps = lfsr_taps(16);
  const auto bits_of = [&](std::uint32_t state) {
    std::uint64_t bits = state;
    for (std::size_t k = 1; k <= kSteps; ++k) {
      state = next_lfsr_state(state, taps, 16);
      bits |= std::uint64_t{state >> 15} << (15 + k);
    }
    return bits;
  };
  for (std::uint32_t half = 0; half < 256; ++half) {
    low_[half] = bits_of(half);
    high_[half] = bits_of(half << 8);
  }
}

const SeedBits& seed_bits() {
  static const SeedBits bits;
  return bits;
}

double seed_step(int exponent) { return std::ldexp(kSeedUnit, exponent); }

void decode_seed_vector(const SeedFormat& format, const SeedVector& vector, int tensor_exponent, std::span<float> out) {
  const SeedStates& states = seed_states();
  const std::int16_t* state = states.following(states.position(vector.seed));
  const double step = seed_step(vector.exponent + tensor_exponent);
  for (float& value : out) {
    int sum = 0;
    for (std::size_t p = 0; p < format.coefficients; ++p) sum += state[p] * vector.coefficients[p];
    state += format.coefficients;
    value = static_cast<float>(sum * step);
  }
}

}  // namespace quern
