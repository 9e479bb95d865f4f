// Vectors of 512 bits: four columns over up to 64 rows.
#include "optim/tile_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "optim/tiled_matrix.h"

#define QUERN_TILE_TARGET target("avx512f,avx512vl,avx512dq,avx512bw")

namespace quern {
namespace {

constexpr std::size_t kTile = TiledMatrix::kTile;
constexpr std::size_t kWide = 16;  // floats of a vector

template <std::size_t vectors>
[[gnu::QUERN_TILE_TARGET]] void tile_product(const float* tile, const float* errors, std::size_t count,
                                             std::size_t stride, float* out) {
  __m512 sums[kTile][vectors];
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = _mm512_loadu_ps(out + j * stride + v * kWide);
  for (std::size_t i = 0; i < count; ++i, tile += kTile, errors += stride) {
    __m512 row[vectors];
    for (std::size_t v = 0; v < vectors; ++v) row[v] = _mm512_loadu_ps(errors + v * kWide);
    for (std::size_t j = 0; j < kTile; ++j) {
      const __m512 factor = _mm512_set1_ps(tile[j]);
      for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = _mm512_fmadd_ps(row[v], factor, sums[j][v]);
    }
  }
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) _mm512_storeu_ps(out + j * stride + v * kWide, sums[j][v]);
}

constexpr TileKernel kKernels[] = {
    {4 * kWide, tile_product<4>}, {2 * kWide, tile_product<2>}, {kWide, tile_product<1>}};

}  // namespace

std::span<const TileKernel> tile_kernels_avx512() { return kKernels; }

}  // namespace quern
#endif
