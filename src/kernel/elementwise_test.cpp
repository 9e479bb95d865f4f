// Elementwise kernels against double, and the finiteness scan.
#include "kernel/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
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

TEST(SquaredReluMul, SquaresWhatIsPositiveAndKeepsNan) {
  const std::vector<float> gate{-3.0f, -0.0f, 0.5f, 3.0f, std::nanf("")}, up{2.0f, 2.0f, -2.0f, 0.25f, 1.0f};
  std::vector<float> out(gate.size());
  squared_relu_mul(gate, up, out);
  EXPECT_EQ(out[0], 0.0f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[2], -0.5f);
  EXPECT_EQ(out[3], 2.25f);
  EXPECT_TRUE(std::isnan(out[4]));
}

// Values of PyTorch 2.15 in double: transformers' ACT2FN["gelu_new"] and torch.nn.functional.silu.
constexpr float kAt[] = {-8.5f, -3.0f, -1.0f, -0.1f, 0.0f, 0.1f, 0.5f, 1.0f, 3.0f, 8.5f};
constexpr double kGelu[] = {0.0,
                            -0.0036373920817729943,
                            -0.1588080093917233,
                            -0.04601724895456484,
                            0.0,
                            0.053982751045435165,
                            0.34571400982514394,
                            0.8411919906082768,
                            2.996362607918227,
                            8.5};
constexpr double kSilu[] = {
    -0.0017291293134692554, -0.14227761953270035, -0.2689414213699951, -0.047502081252106004, 0.0,
    0.052497918747894,      0.3112296656009273,   0.7310585786300049,  2.8577223804672998,    8.49827087068653};

TEST(Activations, MatchPyTorch) {
  std::vector<float> out(std::size(kAt));
  gelu_tanh(kAt, out);
  for (std::size_t i = 0; i < out.size(); ++i)
    EXPECT_NEAR(out[i], kGelu[i], 2e-6 * std::abs(kGelu[i]) + 1e-12) << kAt[i];
  silu(kAt, out);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], kSilu[i], 5e-7 * std::abs(kSilu[i])) << kAt[i];
}

TEST(Activations, GeluMatchesDoubleEverywhere) {
  std::vector<float> x, out;
  for (float v = -5.0f; v < 12.0f; v += 0.013f) x.push_back(v);
  out = x;
  gelu_tanh(out, out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], u = std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v);
    ASSERT_NEAR(out[i], v / (1 + std::exp(-2 * u)), 4e-6 * std::abs(out[i])) << v;
  }
}

TEST(Activations, ExactGeluMatchesErfc) {
  std::vector<float> x, out;
  for (float v = -12.9f; v < 14.0f; v += 0.0013f) x.push_back(v);
  out = x;
  gelu_exact(out, out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], exact = v / 2 * std::erfc(-v / std::numbers::sqrt2);
    ASSERT_NEAR(out[i], exact, (1e-6 + 2e-7 * std::min(v, 0.0) * v) * std::abs(exact)) << v;
  }
}

TEST(Activations, FarValuesOfTheExactGelu) {
  std::vector<float> out{-3e38f, -20.0f, -0.0f, 20.0f, 3e38f, std::nanf("")};
  gelu_exact(out, out);
  EXPECT_NEAR(out[0], 0.0f, 10.0f);
  EXPECT_NEAR(out[1], 0.0f, 1e-30f);
  EXPECT_EQ(out[2], 0.0f);
  EXPECT_EQ(out[3], 20.0f);
  EXPECT_EQ(out[4], 3e38f);
  EXPECT_TRUE(std::isnan(out[5]));
}

TEST(Activations, FarValuesStayFiniteAndNanStays) {
  std::vector<float> out{-3e38f, -20.0f, 20.0f, 3e38f, std::nanf("")};
  gelu_tanh(out, out);
  EXPECT_NEAR(out[0], 0.0f, 1e10f);
  EXPECT_NEAR(out[1], 0.0f, 1e-20f);
  EXPECT_EQ(out[2], 20.0f);
  EXPECT_EQ(out[3], 3e38f);
  EXPECT_TRUE(std::isnan(out[4]));
  out[0] = -200.0f;
  silu(out, out);
  EXPECT_NEAR(out[0], 0.0f, 1e-30);
  EXPECT_EQ(out[2], 20.0f);
  EXPECT_TRUE(std::isnan(out[4]));
}

TEST(AddScaled, ScalesTheSecondAlone) {
  std::vector<float> out(3);
  add_scaled(std::vector<float>{1, 2, 3}, std::vector<float>{0, -2, 0.5}, std::vector<float>{7, 4, 8}, out);
  EXPECT_EQ(out, (std::vector<float>{1, -6, 7}));
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
