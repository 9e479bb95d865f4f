// The recurrence against numpy in double, at every split of a window.
#include "kernel/shared_step_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

// tools/make_itera_lite_fixtures.py: 6 tokens, 3 states, 5 columns of dt.
constexpr std::size_t kTokens = 6, kStates = 3, kColumns = 5;
const std::vector<float> kA{-2.78713632, -2.82837963, -0.654834867};
const std::vector<float> kU{0.420445234, 1.13604653,   0.109706402, -0.552647293, -0.784780383, 0.748745799,
                            1.63478303,  0.272768766,  -1.2333287,  -0.958265185, 1.6000191,    0.202882439,
                            -1.73213482, -0.083696194, -1.16322601, -0.629288077, -0.488005817, -0.713313401};
const std::vector<float> kDt{-3.55693555, 1.91686058,  -5.42207003, 0.112633795, 1.83079648,  -3.95413327,
                             2.05903411,  1.84975922,  -5.83334494, 0.367460102, -5.98920298, -1.4697243,
                             -2.0699966,  -4.17072439, -3.07551622, 1.25593793,  -3.15193129, -4.65865278,
                             0.286607921, -1.96310306, 1.19045544,  -3.88035178, -3.12193823, 1.19891572,
                             -1.4363867,  -1.44253504, -3.8742528,  -5.86917353, 2.39901519,  -5.22756767};
constexpr double kH[] = {0.405066747,  1.09449373,   0.105693707,  -0.538928126, -0.737521819, 0.816563628,
                         -0.306797103, -0.570703422, 0.680121654,  -0.560654476, 0.675553979,  0.590817394,
                         -1.20137444,  0.0573473761, -0.354582688, -0.60594515,  -0.25387616,  -0.637110892};

MatrixView rows(const std::vector<float>& values, std::size_t columns, std::size_t first, std::size_t count) {
  return {values.data() + first * columns, count, columns, columns};
}

// h of all tokens in chunks; `state` is left at the last.
std::vector<float> run(std::size_t chunk, std::vector<float>& state, const std::vector<float>& u = kU,
                       const std::vector<float>& dt = kDt) {
  std::vector<float> h(kTokens * kStates);
  state.assign(kStates, 0.0f);
  for (std::size_t t = 0; t < kTokens; t += chunk) {
    const std::size_t count = std::min(chunk, kTokens - t);
    shared_step_scan(kA, rows(u, kStates, t, count), rows(dt, kColumns, t, count), state,
                     {h.data() + t * kStates, count, kStates, kStates});
  }
  return h;
}

TEST(SharedStepScan, MatchesNumpy) {
  std::vector<float> state;
  const std::vector<float> h = run(kTokens, state);
  for (std::size_t i = 0; i < h.size(); ++i) EXPECT_NEAR(h[i], kH[i], 1e-6) << i;
  EXPECT_TRUE(std::equal(state.begin(), state.end(), h.end() - kStates));
}

TEST(SharedStepScan, AnySplitGivesTheSameBits) {
  std::vector<float> whole_state, state;
  const std::vector<float> whole = run(kTokens, whole_state);
  for (const std::size_t chunk : {1u, 2u, 4u, 5u}) {
    EXPECT_EQ(run(chunk, state), whole) << chunk;
    EXPECT_EQ(state, whole_state) << chunk;
  }
}

TEST(SharedStepScan, ForgetsEverythingAfterALongStepAndKeepsAllAfterNone) {
  std::vector<float> dt = kDt, state;
  for (std::size_t c = 0; c < kColumns; ++c) {
    dt[2 * kColumns + c] = 400.0f;   // exp(-400) is no float
    dt[3 * kColumns + c] = -400.0f;  // as a step of e^-87
  }
  const std::vector<float> h = run(kTokens, state, kU, dt);
  for (std::size_t s = 0; s < kStates; ++s) {
    EXPECT_FLOAT_EQ(h[2 * kStates + s], 400.0f * kU[2 * kStates + s]);
    EXPECT_EQ(h[3 * kStates + s], h[2 * kStates + s]);
  }
}

TEST(SharedStepScan, ANanOfTheStepReachesEveryStateAndOneOfAnInputItsOwn) {
  std::vector<float> dt = kDt, u = kU, state;
  dt[2 * kColumns + 4] = std::nanf("");
  const std::vector<float> of_step = run(kTokens, state, kU, dt);
  u[2 * kStates + 1] = std::nanf("");
  const std::vector<float> of_input = run(kTokens, state, u);
  for (std::size_t i = 0; i < of_step.size(); ++i) {
    EXPECT_EQ(std::isnan(of_step[i]), i >= 2 * kStates) << i;
    EXPECT_EQ(std::isnan(of_input[i]), i >= 2 * kStates && i % kStates == 1) << i;
  }
}

TEST(SharedStepScan, EveryCompilerGivesTheseBits) {
  Random random(4);
  std::vector<float> u(40 * kStates), dt(40 * 70), state(kStates), h(40 * kStates);
  for (float& v : u) v = static_cast<float>(random.normal());
  for (float& v : dt) v = static_cast<float>(3 * random.normal() - 2);
  shared_step_scan(kA, rows(u, kStates, 0, 40), rows(dt, 70, 0, 40), state, {h.data(), 40, kStates, kStates});
  std::uint32_t mixed = 0;
  for (const float v : h) mixed = mixed * 31 + std::bit_cast<std::uint32_t>(v);
  EXPECT_EQ(mixed, 4261222088u);
}

TEST(SharedStepScan, RefusesAStateOfAnotherSize) {
  std::vector<float> state(kStates + 1), h(kTokens * kStates);
  EXPECT_THROW(shared_step_scan(kA, rows(kU, kStates, 0, kTokens), rows(kDt, kColumns, 0, kTokens), state,
                                {h.data(), kTokens, kStates, kStates}),
               Error);
}

}  // namespace
}  // namespace quern
