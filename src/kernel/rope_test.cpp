// Rotary embedding as a product of complex numbers.
#include "kernel/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "base/random.h"

namespace quern {
namespace {

constexpr std::size_t kPositions = 40, kHeads = 3, kPairs = 5;

std::vector<double> frequencies() {
  std::vector<double> out;
  for (std::size_t i = 0; i < kPairs; ++i) out.push_back(std::pow(100.0, -static_cast<double>(i) / kPairs));
  return out;
}

void expect_rotation(RopePairing pairing, std::size_t stride, std::size_t distance) {
  Random random(1);
  Matrix x(kPositions, kHeads * 2 * kPairs), out(x.rows(), x.cols());
  for (float& v : x.flat()) v = static_cast<float>(random.normal());
  RopeTable(frequencies(), kPositions, pairing).rotate(x.view(), 0, out.view());
  for (std::size_t p = 0; p < kPositions; ++p)
    for (std::size_t head = 0; head < kHeads; ++head)
      for (std::size_t i = 0; i < kPairs; ++i) {
        const std::size_t a = head * 2 * kPairs + i * stride, b = a + distance;
        const auto turned =
            std::complex<double>(x.row(p)[a], x.row(p)[b]) * std::polar(1.0, static_cast<double>(p) * frequencies()[i]);
        EXPECT_NEAR(out.row(p)[a], turned.real(), 1e-6);
        EXPECT_NEAR(out.row(p)[b], turned.imag(), 1e-6);
      }
}

TEST(Rope, HalvesTurnAsComplexNumbers) { expect_rotation(RopePairing::kHalves, 1, kPairs); }
TEST(Rope, NeighboursTurnAsComplexNumbers) { expect_rotation(RopePairing::kNeighbours, 2, 1); }

TEST(Rope, FewerRowsThanPositionsArePositionsFromZero) {
  const RopeTable table(frequencies(), kPositions, RopePairing::kHalves);
  EXPECT_EQ(table.head_dim(), 2 * kPairs);
  Matrix x(1, 2 * kPairs), out(1, 2 * kPairs);
  for (float& v : x.flat()) v = 2.5f;
  table.rotate(x.view(), 0, out.view());
  EXPECT_TRUE(std::ranges::equal(x.flat(), out.flat()));
}

}  // namespace
}  // namespace quern
