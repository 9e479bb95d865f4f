// The innermost loop of products with a tiled matrix, for what the processor has.
#pragma once

#include <cstddef>
#include <span>

namespace quern {

// out[j * stride + r] += sum over i < count of errors[i * stride + r] tile[i * TiledMatrix::kTile + j], for kTile
// columns j and `rows` rows r. Each sum runs over i in its order, with one rounding a step: all kernels give the same
// bits.
struct TileKernel {
  std::size_t rows = 0;
  void (*product)(const float* tile, const float* errors, std::size_t count, std::size_t stride, float* out) = nullptr;
};

// In the order in which they are given rows: those of 512-bit vectors, where there are such, before those of 256 bits.
// The last is of kLanes rows.
std::span<const TileKernel> tile_kernels();

// Those of 512-bit vectors alone. REQUIRES: has_avx512().
std::span<const TileKernel> tile_kernels_avx512();

}  // namespace quern
