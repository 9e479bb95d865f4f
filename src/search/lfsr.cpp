// The table of taps, and the whole cycle.
#include "search/lfsr.h"

#include <algorithm>
#include <iterator>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::uint32_t taps_at(std::initializer_list<unsigned> positions) {
  std::uint32_t taps = 0;
  for (const unsigned position : positions) taps |= 1u << position;
  return taps;
}

struct Register {
  unsigned bits;
  std::uint32_t taps;
};

// The feedback polynomials of SeedLM (arXiv:2410.10714), with that of 3 bits, its worked example.
constexpr Register kRegisters[] = {
    {3, taps_at({0, 1})},        {8, taps_at({0, 2, 3, 4})},   {10, taps_at({0, 3})}, {12, taps_at({0, 1, 2, 8})},
    {13, taps_at({0, 1, 2, 5})}, {14, taps_at({0, 1, 2, 12})}, {15, taps_at({0, 1})}, {16, taps_at({0, 1, 3, 12})},
    {17, taps_at({0, 3})},       {18, taps_at({0, 7})},        {20, taps_at({0, 3})}, {24, taps_at({0, 1, 2, 7})},
};

}  // namespace

std::uint32_t lfsr_taps(unsigned bits) {
  const auto* at = std::ranges::find(kRegisters, bits, &Register::bits);
  if (at == std::end(kRegisters)) fail(ErrorCode::kUsage, "no taps are known for a register of {} bits", bits);
  return at->taps;
}

std::vector<std::uint32_t> lfsr_cycle(unsigned bits, std::uint32_t first) {
  const std::uint32_t taps = lfsr_taps(bits);
  ensure(first != 0 && first >> bits == 0, "the state {} of a register of {} bits", first, bits);
  std::vector<std::uint32_t> states((std::size_t{1} << bits) - 1);
  for (std::uint32_t& state : states) {
    state = first;
    first = next_lfsr_state(first, taps, bits);
  }
  return states;
}

}  // namespace quern
