// Elementwise kernels against double, and the finiteness scan.
#include "kernel/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace quern {
namespace {

TEST(SiluMul, MatchesDouble) {
  std::vector<float> gate, up;
  for (float x = -30.0f; x < 30.0f; x += 0.37f) {
    gate.push_back(x);
    up.push_back(std::cos(x) + 2.0f);
  }
  std::vector<float> out(gate.size());
  silu_mul(gate, up, out);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double exact = double{gate[i]} / (1 + std::exp(-double{gate[i]})) * up[i];
    EXPECT_NEAR(out[i], exact, 5e-7 * std::abs(exact)) << gate[i];
  }
}

TEST(SiluMul, FarNegativeIsNearlyZeroAndNanStays) {
  const std::vector<float> gate{-200.0f, 200.0f, std::nanf("")}, up{1.0f, 1.0f, 1.0f};
  std::vector<float> out(3);
  silu_mul(gate, up, out);
  EXPECT_NEAR(out[0], 0.0f, 1e-30);
  EXPECT_EQ(out[1], 200.0f);
  EXPECT_TRUE(std::isnan(out[2]));
}

TEST(AddBias, AddsToEveryRow) {
  Matrix m(2, 3);
  m.row(1)[2] = 5.0f;
  add_bias(std::vector<float>{1, 2, 3}, m.view());
  EXPECT_TRUE(std::ranges::equal(m.flat(), std::vector<float>{1, 2, 3, 1, 2, 8}));
}

TEST(AllFinite, SeesEachKindAnywhere) {
  std::vector<float> values(67, -std::numeric_limits<float>::max());
  EXPECT_TRUE(all_finite(values));
  for (const float bad : {INFINITY, -INFINITY, std::nanf(""), -std::nanf("")})
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::vector<float> copy = values;
      copy[i] = bad;
      EXPECT_FALSE(all_finite(copy)) << i;
    }
}

}  // namespace
}  // namespace quern
