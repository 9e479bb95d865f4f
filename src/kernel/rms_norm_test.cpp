// RMS norm against double.
#include "kernel/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace quern {
namespace {

TEST(RmsNorm, MatchesDoubleForAnyWidth) {
  for (const std::size_t width : {1u, 5u, 16u, 17u, 192u, 4099u}) {
    Random random(width);
    Matrix x(3, width), out(3, width);
    std::vector<float> weights(width);
    for (float& v : x.flat()) v = static_cast<float>(random.normal());
    for (float& v : weights) v = static_cast<float>(random.normal());
    rms_norm(x.view(), weights, 1e-5, out.view());
    for (std::size_t i = 0; i < 3; ++i) {
      double squares = 0;
      for (const float v : x.row(i)) squares += double{v} * v;
      const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
      for (std::size_t j = 0; j < width; ++j) {
        const double exact = x.row(i)[j] * factor * weights[j];
        ASSERT_NEAR(out.row(i)[j], exact, 1e-6 * std::abs(exact)) << width;
      }
    }
  }
}

TEST(RmsNorm, EpsilonKeepsZeroRowsFinite) {
  Matrix x(1, 8), out(1, 8);
  rms_norm(x.view(), std::vector<float>(8, 1.0f), 1e-5, out.view());
  for (const float v : out.flat()) EXPECT_EQ(v, 0.0f);
  for (float& v : x.flat()) v = 1e-3f;
  rms_norm(x.view(), std::vector<float>(8, 1.0f), 1e-6, out.view());
  EXPECT_NEAR(out.flat()[0], 1 / std::sqrt(2.0), 1e-6);
}

TEST(RmsNormSlices, IsTheNormOfEverySliceWithTheSameWeights) {
  Random random(1);
  Matrix x(3, 4 * 6 + 2), out(3, 4 * 6);
  std::vector<float> weights(6);
  for (float& v : x.flat()) v = static_cast<float>(random.normal());
  for (float& v : weights) v = static_cast<float>(random.normal());
  const MatrixView inside{x.row(0).data() + 1, 3, 24, x.cols()};
  rms_norm_slices(inside, weights, 1e-2, out.view());
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 24; ++j) {
      double squares = 0;
      for (std::size_t k = 0; k < 6; ++k) squares += std::pow(inside.row(i)[j / 6 * 6 + k], 2.0);
      const double exact = inside.row(i)[j] / std::sqrt(squares / 6 + 1e-2) * weights[j % 6];
      ASSERT_NEAR(out.row(i)[j], exact, 1e-6 * std::abs(exact)) << i << " " << j;
    }
}

}  // namespace
}  // namespace quern
