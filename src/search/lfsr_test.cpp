// The register against the worked example of the publication, and the whole of every cycle.
#include "search/lfsr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "quern/error.h"
#include "search/seed_basis.h"

namespace quern {
namespace {

// The worked example of the publication: K = 3, seed 4, four rows of two.
TEST(Lfsr, GivesTheStatesOfTheWorkedExample) {
  const std::vector<std::uint32_t> states = lfsr_cycle(3, 4);
  EXPECT_EQ(states, (std::vector<std::uint32_t>{4, 2, 5, 6, 7, 3, 1}));
  std::vector<std::uint32_t> matrix(states.begin() + 1, states.end());
  matrix.insert(matrix.end(), {states[0], states[1]});
  EXPECT_EQ(matrix, (std::vector<std::uint32_t>{2, 5, 6, 7, 3, 1, 4, 2}));
}

TEST(Lfsr, PassesThroughEveryStateButZero) {
  for (const unsigned bits : {3u, 8u, 10u, 12u, 13u, 14u, 15u, 16u, 17u, 18u, 20u, 24u}) {
    const std::uint32_t taps = lfsr_taps(bits);
    std::uint32_t state = 1, steps = 0;
    do {
      state = next_lfsr_state(state, taps, bits);
      ++steps;
    } while (state != 1);
    EXPECT_EQ(steps, (1u << bits) - 1) << bits;
  }
}

TEST(Lfsr, KnowsNoTapsOfAnotherLength) {
  EXPECT_THROW(lfsr_taps(11), Error);
  EXPECT_THROW(lfsr_cycle(16, 0), std::exception);
}

TEST(SeedStates, AreTheCycleLess32768) {
  const SeedStates& states = seed_states();
  for (const unsigned seed : {1u, 4u, 257u, 65535u}) {
    const std::size_t at = states.position(static_cast<std::uint16_t>(seed));
    EXPECT_EQ(states.seed(at), seed);
    const std::vector<std::uint32_t> cycle = lfsr_cycle(16, seed);
    for (std::size_t k = 0; k < 64; ++k)
      EXPECT_EQ(states.following(at)[k] + 32768, static_cast<int>(cycle[k + 1])) << seed << " " << k;
  }
}

}  // namespace
}  // namespace quern
