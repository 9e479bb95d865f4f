// -exp and back: a number that means the same.
#include "encode/value_transform.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace quern {
namespace {

using enum ExportedWeight::Transform;

TEST(LogOfNegated, FindsANumberOfTheSameMinusExp) {
  std::vector<float> logs;
  for (float x = -8; x < 8; x += 0.00037F) logs.push_back(x);
  std::vector<float> decays = logs;
  apply_transform(kNegatedExp, decays);
  std::vector<float> back = decays;
  apply_transform(kLogOfNegated, back);
  for (std::size_t i = 0; i < logs.size(); ++i) {
    EXPECT_NEAR(back[i], logs[i], 2e-7 * std::max(1.0F, std::abs(logs[i]))) << logs[i];
    EXPECT_EQ(-std::exp(back[i]), decays[i]) << logs[i];
  }
}

TEST(LogOfNegated, IsTheNearestLogarithmWhereExpSkipsTheNumber) {
  const float between = std::nextafter(-std::exp(7.0F), -INFINITY);
  std::vector<float> value{between};
  apply_transform(kLogOfNegated, value);
  EXPECT_NEAR(value[0], 7, 1e-6);
  EXPECT_NEAR(-std::exp(value[0]), between, 1e-3);
}

TEST(Transform, OfNoneChangesNothing) {
  std::vector<float> value{3};
  apply_transform(kNone, value);
  EXPECT_EQ(value[0], 3);
}

TEST(Transposed, MovesRowsToColumns) {
  Matrix matrix(2, 3);
  for (std::size_t i = 0; i < 6; ++i) matrix.flat()[i] = static_cast<float>(i);
  const Matrix turned = transposed(matrix);
  ASSERT_EQ(turned.rows(), 3u);
  ASSERT_EQ(turned.cols(), 2u);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(turned.row(k)[i], matrix.row(i)[k]);
}

}  // namespace
}  // namespace quern
