// Sixteen centroids side by side.
#include "search/nearest_centroid.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#define QUERN_NEAREST_TARGET target("avx512f,avx512vl,avx512dq,avx512bw")

namespace quern {
namespace {

constexpr std::size_t kVectors = 6;  // at a time

// Written out: g++ 12 warns of its own reductions.
[[gnu::QUERN_NEAREST_TARGET]] std::uint32_t first_of_smallest(__m512 distances, __m512i places) {
  std::array<float, kCentroidTile> distance;
  std::array<std::uint32_t, kCentroidTile> place;
  _mm512_storeu_ps(distance.data(), distances);
  _mm512_storeu_si512(place.data(), places);
  const float smallest = *std::ranges::min_element(distance);
  std::uint32_t first = std::numeric_limits<std::uint32_t>::max();
  for (std::size_t l = 0; l < kCentroidTile; ++l)
    if (distance[l] == smallest) first = std::min(first, place[l]);
  return first;
}

template <std::size_t kLength, std::size_t kCount>
[[gnu::QUERN_NEAREST_TARGET]] void nearest_of(const float* tiles, std::size_t tile_count, const float* vectors,
                                              std::uint32_t* nearest) {
  __m512 best[kCount];
  __m512i place[kCount];
  for (std::size_t n = 0; n < kCount; ++n) {
    best[n] = _mm512_set1_ps(std::numeric_limits<float>::infinity());
    place[n] = _mm512_setzero_si512();
  }
  __m512i here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (std::size_t t = 0; t < tile_count; ++t, tiles += (kLength + 1) * kCentroidTile) {
    __m512 sum[kCount];
    for (std::size_t n = 0; n < kCount; ++n) sum[n] = _mm512_loadu_ps(tiles);
    for (std::size_t d = 0; d < kLength; ++d) {
      const __m512 axis = _mm512_loadu_ps(tiles + (d + 1) * kCentroidTile);
      for (std::size_t n = 0; n < kCount; ++n)
        sum[n] = _mm512_fmadd_ps(axis, _mm512_set1_ps(vectors[n * kLength + d]), sum[n]);
    }
    for (std::size_t n = 0; n < kCount; ++n) {
      const __mmask16 nearer = _mm512_cmp_ps_mask(sum[n], best[n], _CMP_LT_OQ);
      place[n] = _mm512_mask_mov_epi32(place[n], nearer, here);
      best[n] = _mm512_mask_mov_ps(best[n], nearer, sum[n]);
    }
    here = _mm512_add_epi32(here, _mm512_set1_epi32(static_cast<int>(kCentroidTile)));
  }
  for (std::size_t n = 0; n < kCount; ++n) nearest[n] = first_of_smallest(best[n], place[n]);
}

template <std::size_t kLength>
[[gnu::QUERN_NEAREST_TARGET]] void nearest_of_all(const float* tiles, std::size_t tile_count, const float* vectors,
                                                  std::size_t count, std::uint32_t* nearest) {
  std::size_t i = 0;
  for (; i + kVectors <= count; i += kVectors)
    nearest_of<kLength, kVectors>(tiles, tile_count, vectors + i * kLength, nearest + i);
  for (; i < count; ++i) nearest_of<kLength, 1>(tiles, tile_count, vectors + i * kLength, nearest + i);
}

template <std::size_t... kLengths>
constexpr std::array<NearestKernel, sizeof...(kLengths)> kernels_of(std::index_sequence<kLengths...>) {
  return {nearest_of_all<kLengths + 1>...};
}
constexpr auto kKernels = kernels_of(std::make_index_sequence<kMostVectorLength>());

}  // namespace

NearestKernel nearest_kernel_avx512(std::size_t length) { return kKernels[length - 1]; }

}  // namespace quern
#endif
