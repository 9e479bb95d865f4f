// Linear feedback shift registers (Fibonacci form) whose states, but for zero, are one cycle.
#pragma once

#include <cstdint>
#include <vector>

namespace quern {

// Bits of a register of so many that are summed into the one that is shifted in at the top. Error(kUsage) where the
// table has no such register: 3, 8, 10, 12 to 18, 20, 24.
std::uint32_t lfsr_taps(unsigned bits);

// The state after `state`: shifted down by one, the parity of its taps in front.
constexpr std::uint32_t next_lfsr_state(std::uint32_t state, std::uint32_t taps, unsigned bits) {
  const auto parity = static_cast<std::uint32_t>(__builtin_parity(state & taps));
  return state >> 1 | parity << (bits - 1);
}

// All 2^bits - 1 states, `first` and those that follow it. REQUIRES: `first` is not 0, and has no more bits.
std::vector<std::uint32_t> lfsr_cycle(unsigned bits, std::uint32_t first);

}  // namespace quern
