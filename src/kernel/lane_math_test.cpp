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

TEST(LaneExp2Product, IsWithinItsErrorAndVanishesAtZero) {
  double worst = 0;
  for (float a = 0.0f; a <= 12.0f; a += 1.3e-5f)
    worst = std::max(worst, std::abs(lane_exp2_product(a, -10.0f) / std::exp2(-10.0 * a) - 1));
  EXPECT_LT(worst, 2e-7);
  for (float a = 1e-4f; a <= 1e-2f; a *= 1.01f)  // half a unit in the last place below 1, and no more
    EXPECT_NEAR(lane_exp2_product(a, -1.0f), std::exp2(-double{a}), 3.1e-8) << a;
  EXPECT_EQ(lane_exp2_product(0.0f, -3.0f), 1.0f);
  EXPECT_EQ(lane_exp2_product(63.0f, -2.0f), 0x1p-126f);
}

TEST(LaneExp2Product, GivesNanForAnyNan) {
  for (const std::uint32_t bits : {0x7fc00000u, 0x7fc00123u, 0xffffffffu}) {
    EXPECT_TRUE(std::isnan(lane_exp2_product(std::bit_cast<float>(bits), -1.0f))) << bits;
    EXPECT_TRUE(std::isnan(lane_exp2_product(1.0f, std::bit_cast<float>(bits)))) << bits;
  }
}

TEST(LaneSoftplus, IsWithinItsErrorOverTheWholeRange) {
  double near = 0, far = 0;
  for (float x = -87.0f; x <= 87.0f; x += 1.7e-4f) {
    const double exact = std::log1p(std::exp(static_cast<double>(x)));
    (x < -10.0f ? far : near) = std::max(x < -10.0f ? far : near, std::abs(lane_softplus(x) - exact) / exact);
  }
  EXPECT_LT(near, 4e-7);
  EXPECT_LT(far, 2e-6);
}

TEST(LaneSoftplus, IsTheArgumentFarAboveZeroAndNanStays) {
  for (const float x : {17.5f, 19.9f, 20.0f, 20.1f, 1e4f, 1e38f}) EXPECT_EQ(lane_softplus(x), x);
  EXPECT_GT(lane_softplus(-87.0f), 0.0f);
  EXPECT_EQ(lane_softplus(-1e4f), lane_softplus(-87.0f));
  for (const float x : {-INFINITY, std::nanf(""), -std::nanf("1")}) EXPECT_TRUE(std::isnan(lane_softplus(x)));
}

TEST(LaneErfc, IsWithinItsErrorOverTheWholeRange) {
  double near = 0, far = 0;
  for (float x = 0; x <= 9.1f; x += 1.7e-5f) {
    const double exact = std::erfc(double{x});
    (x > 2 ? far : near) = std::max(x > 2 ? far : near, std::abs(lane_erfc(x) - exact) / exact);
  }
  EXPECT_LT(near, 5e-7);
  EXPECT_LT(far, 5e-6);
  EXPECT_TRUE(std::isnan(lane_erfc(std::nanf(""))));
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
