// Both widths of vectors against a sum written down, and against each other to the bit.
#include "optim/tile_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/cpu.h"
#include "base/random.h"
#include "optim/tiled_matrix.h"

namespace quern {
namespace {

constexpr std::size_t kTile = TiledMatrix::kTile;

std::vector<float> normal_values(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

void expect_sums(std::span<const TileKernel> kernels) {
  constexpr std::size_t kCount = 37, kStride = 80;
  const std::vector<float> tile = normal_values(kCount * kTile, 1), errors = normal_values(kCount * kStride, 2),
                           before = normal_values(kTile * kStride, 3);
  for (const TileKernel& kernel : kernels) {
    std::vector<float> out = before;
    kernel.product(tile.data(), errors.data(), kCount, kStride, out.data());
    for (std::size_t j = 0; j < kTile; ++j)
      for (std::size_t r = 0; r < kStride; ++r) {
        float sum = before[j * kStride + r];
        for (std::size_t i = 0; r < kernel.rows && i < kCount; ++i)
          sum = std::fma(errors[i * kStride + r], tile[i * kTile + j], sum);
        EXPECT_EQ(out[j * kStride + r], sum) << kernel.rows << " rows, row " << r << ", column " << j;
      }
  }
}

TEST(TileKernels, SumInOrderWithOneRoundingAStep) { expect_sums(tile_kernels()); }

TEST(TileKernels, OfWideVectorsToo) {
#if defined(__x86_64__)
  if (!has_avx512()) GTEST_SKIP() << "this processor has no AVX-512";
  expect_sums(tile_kernels_avx512());
#else
  GTEST_SKIP() << "vectors of x86-64";
#endif
}

TEST(TileKernels, EndWithOneVector) { EXPECT_EQ(tile_kernels().back().rows, 8u); }

}  // namespace
}  // namespace quern
