// The generator against the published one, and its derived distributions.
#include "base/random.h"

#include <gtest/gtest.h>

#include <array>

namespace quern {
namespace {

TEST(Random, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(Random, UniformIsTheUpper53Bits) {
  Random bits(7), random(7);
  for (int i = 0; i < 1000; ++i) {
    const double value = random.uniform();
    EXPECT_EQ(value, std::ldexp(static_cast<double>(bits.next() >> 11), -53));
    EXPECT_LT(value, 1.0);
  }
}

TEST(Random, BelowReachesEveryValueAndNoOther) {
  Random random(1);
  std::array<int, 5> seen{};
  for (int i = 0; i < 5000; ++i) ++seen.at(random.below(5));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, NormalHasMeanZeroAndVarianceOne) {
  Random random(3);
  constexpr int kCount = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kCount, 0.0, 0.035);
  EXPECT_NEAR(squares / kCount, 1.0, 0.05);
}

}  // namespace
}  // namespace quern
