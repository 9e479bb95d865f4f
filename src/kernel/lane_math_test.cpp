// Error of the polynomial exponential; sums and maxima at every ragged length.
#include "kernel/lane_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace quern {
namespace {

TEST(LaneExp, IsWithinItsErrorOverTheWholeRange) {
  double worst = 0;
  for (float x = -87.0f; x <= 87.0f; x += 1.7e-4f) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(lane_exp(x) - exact) / exact);
  }
  EXPECT_LT(worst, 2e-7);
  RecordProperty("worst_relative_error", std::to_string(worst * 1e9) + "e-9");
}

TEST(LaneExp, ClampsAndGivesNanForWhatIsNotFinite) {
  EXPECT_EQ(lane_exp(0.0f), 1.0f);
  EXPECT_EQ(lane_exp(-1000.0f), lane_exp(-87.0f));
  EXPECT_EQ(lane_exp(1000.0f), lane_exp(87.0f));
  EXPECT_TRUE(std::isnan(lane_exp(-INFINITY)));
  EXPECT_TRUE(std::isnan(lane_exp(INFINITY)));
  EXPECT_TRUE(std::isnan(lane_exp(std::nanf(""))));
}

TEST(LaneSoftplus, IsWithinItsErrorOverTheWholeRange) {
  double worst = 0;
  for (float x = -87.0f; x <= 87.0f; x += 1.7e-4f) {
    const double exact = std::log1p(std::exp(static_cast<double>(x)));
    worst = std::max(worst, std::abs(lane_softplus(x) - exact) / exact);
  }
  EXPECT_LT(worst, 4e-7);
}

TEST(LaneSoftplus, IsTheArgumentFarAboveZeroAndNanForWhatIsNotFinite) {
  for (const float x : {17.5f, 19.9f, 20.0f, 20.1f, 1e4f, 1e38f}) EXPECT_EQ(lane_softplus(x), x);
  EXPECT_GT(lane_softplus(-87.0f), 0.0f);
  EXPECT_EQ(lane_softplus(-1e4f), lane_softplus(-87.0f));
  for (const float x : {INFINITY, -INFINITY, std::nanf("")}) EXPECT_TRUE(std::isnan(lane_softplus(x)));
}

TEST(LaneSum, CountsEveryTermOnce) {
  for (std::size_t count = 0; count < 70; ++count)
    EXPECT_EQ(lane_sum(count, [](std::size_t i) { return static_cast<float>(i + 1); }),
              static_cast<float>(count * (count + 1) / 2));
}

TEST(LaneMax, FindsTheLargestAnywhere) {
  for (std::size_t size = 1; size < 70; ++size)
    for (std::size_t at = 0; at < size; ++at) {
      std::vector<float> values(size, -5.0f);
      values[at] = -2.0f;
      EXPECT_EQ(lane_max(values), -2.0f) << size << " " << at;
    }
}

}  // namespace
}  // namespace quern
