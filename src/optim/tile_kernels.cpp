// Vectors of 256 bits: four columns over up to 24 rows, whose sums stay in registers.
#include "optim/tile_kernels.h"

#include <iterator>
#include <vector>

#include "base/cpu.h"
#include "optim/tiled_matrix.h"
#include "search/lanes.h"

namespace quern {
namespace {

constexpr std::size_t kTile = TiledMatrix::kTile;
constexpr std::size_t kVectors = 3;  // of rows: 12 sums, 3 values and a factor are the registers that AVX2 has

template <std::size_t vectors>
void tile_product(const float* tile, const float* errors, std::size_t count, std::size_t stride, float* out) {
  Lanes sums[kTile][vectors];
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = load_lanes(out + j * stride + v * kLanes);
  for (std::size_t i = 0; i < count; ++i, tile += kTile, errors += stride) {
    Lanes row[vectors];
    for (std::size_t v = 0; v < vectors; ++v) row[v] = load_lanes(errors + v * kLanes);
    for (std::size_t j = 0; j < kTile; ++j) {
      const Lanes factor = all_lanes(tile[j]);
      for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = fused(row[v], factor, sums[j][v]);
    }
  }
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) store_lanes(out + j * stride + v * kLanes, sums[j][v]);
}

constexpr TileKernel kKernels[] = {{kVectors * kLanes, tile_product<kVectors>}, {kLanes, tile_product<1>}};

std::vector<TileKernel> kernels_of_processor() {
  std::vector<TileKernel> kernels;
#if defined(__x86_64__)
  if (has_avx512()) kernels.assign(tile_kernels_avx512().begin(), tile_kernels_avx512().end());
#endif
  kernels.insert(kernels.end(), std::begin(kKernels), std::end(kKernels));
  return kernels;
}

}  // namespace

std::span<const TileKernel> tile_kernels() {
  static const std::vector<TileKernel> kernels = kernels_of_processor();
  return kernels;
}

}  // namespace quern
