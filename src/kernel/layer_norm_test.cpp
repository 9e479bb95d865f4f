// The norm against double.
#include "kernel/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace quern {
namespace {

void expect_matches_double(std::size_t columns, double mean, double epsilon) {
  Random random(columns);
  Matrix x(3, columns + 4), out(3, columns);
  std::vector<float> gain(columns), bias(columns);
  for (float& v : x.flat()) v = static_cast<float>(mean + random.normal());
  for (float& v : gain) v = static_cast<float>(random.normal());
  for (float& v : bias) v = static_cast<float>(random.normal());
  const MatrixView slice{x.row(0).data() + 1, 3, columns, x.cols()};
  layer_norm(slice, gain, bias, epsilon, out.view());
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0, squares = 0;
    for (const float v : slice.row(i)) sum += v;
    const double average = sum / static_cast<double>(columns);
    for (const float v : slice.row(i)) squares += (v - average) * (v - average);
    const double root = std::sqrt(squares / static_cast<double>(columns) + epsilon);
    for (std::size_t j = 0; j < columns; ++j)
      ASSERT_NEAR(out.row(i)[j], (slice.row(i)[j] - average) / root * gain[j] + bias[j], 1e-5 + 4e-7 * std::abs(mean))
          << columns << " " << j;
  }
}

TEST(LayerNorm, MatchesDouble) {
  for (const std::size_t columns : {2u, 5u, 16u, 63u, 768u}) expect_matches_double(columns, 0.3, 1e-5);
}

TEST(LayerNorm, AMeanFarFromZeroCostsNoDigitsOfTheVariance) { expect_matches_double(256, 1000.0, 1e-5); }

TEST(LayerNorm, EpsilonCountsAndConstantRowsGiveTheBias) {
  expect_matches_double(64, 0.0, 0.5);
  Matrix x(1, 4);
  for (float& v : x.flat()) v = 7.0f;
  const std::vector<float> gain(4, 2.0f), bias{1, 2, 3, 4};
  layer_norm(x.view(), gain, bias, 1e-5, x.view());
  EXPECT_TRUE(std::ranges::equal(x.flat(), bias));
}

TEST(LayerNorm, NanSpoilsItsRowOnly) {
  Matrix x(2, 8), out(2, 8);
  x.row(0)[3] = std::nanf("");
  const std::vector<float> gain(8, 1.0f), bias(8);
  layer_norm(x.view(), gain, bias, 1e-5, out.view());
  for (std::size_t j = 0; j < 8; ++j) {
    EXPECT_TRUE(std::isnan(out.row(0)[j]));
    EXPECT_EQ(out.row(1)[j], 0.0f);
  }
}

}  // namespace
}  // namespace quern
