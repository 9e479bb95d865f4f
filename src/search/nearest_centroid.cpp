// Eight centroids side by side, for up to four vectors that share what is loaded of them.
#include "search/nearest_centroid.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/cpu.h"
#include "base/fail.h"
#include "search/lanes.h"

namespace quern {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();
constexpr std::size_t kVectors = 4;  // at a time

// The first of the smallest over all lanes; places[l] is where distances[l] was met.
std::uint32_t first_of_smallest(Lanes distances, IntLanes places) {
  const Lanes smallest = smallest_of(distances);
  std::uint32_t first = std::numeric_limits<std::uint32_t>::max();
  for (std::size_t l = 0; l < kLanes; ++l)
    if (distances[l] == smallest[0]) first = std::min(first, static_cast<std::uint32_t>(places[l]));
  return first;
}

template <std::size_t kLength, std::size_t kCount>
void nearest_of(const float* tiles, std::size_t tile_count, const float* vectors, std::uint32_t* nearest) {
  Lanes best[kCount];
  IntLanes place[kCount];
  for (std::size_t n = 0; n < kCount; ++n) {
    best[n] = all_lanes(kFar);
    place[n] = IntLanes{};
  }
  IntLanes here{0, 1, 2, 3, 4, 5, 6, 7};
  for (std::size_t t = 0; t < tile_count; ++t, tiles += (kLength + 1) * kCentroidTile)
    for (std::size_t half = 0; half < kCentroidTile; half += kLanes, here += kLanes) {
      Lanes sum[kCount];
      for (std::size_t n = 0; n < kCount; ++n) sum[n] = load_lanes(tiles + half);
      for (std::size_t d = 0; d < kLength; ++d) {
        const Lanes axis = load_lanes(tiles + (d + 1) * kCentroidTile + half);
        for (std::size_t n = 0; n < kCount; ++n) sum[n] = fused(axis, all_lanes(vectors[n * kLength + d]), sum[n]);
      }
      for (std::size_t n = 0; n < kCount; ++n) {
        place[n] = sum[n] < best[n] ? here : place[n];
        best[n] = lane_min(sum[n], best[n]);
      }
    }
  for (std::size_t n = 0; n < kCount; ++n) nearest[n] = first_of_smallest(best[n], place[n]);
}

template <std::size_t kLength>
void nearest_of_all(const float* tiles, std::size_t tile_count, const float* vectors, std::size_t count,
                    std::uint32_t* nearest) {
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

NearestKernel kernel_of_processor(std::size_t length) {
#if defined(__x86_64__)
  static const bool is_wide = has_avx512();
  if (is_wide) return nearest_kernel_avx512(length);
#endif
  return nearest_kernel(length);
}

}  // namespace

NearestKernel nearest_kernel(std::size_t length) { return kKernels[length - 1]; }

Centroids::Centroids(std::size_t length, std::span<const float> values)
    : length_(length), values_(values.begin(), values.end()) {
  ensure(length > 0 && length <= kMostVectorLength && values.size() % length == 0, "{} values of vectors of {}",
         values.size(), length);
  values_.resize(values.size() + kMostVectorLength);
  const std::size_t tiles = (count() + kCentroidTile - 1) / kCentroidTile, size = (length + 1) * kCentroidTile;
  tiles_.resize(tiles * size);
  for (std::size_t i = 0; i < tiles * kCentroidTile; ++i) {
    float* tile = &tiles_[i / kCentroidTile * size] + i % kCentroidTile;
    *tile = i < count() ? 0 : kFar;
    for (std::size_t d = 0; i < count() && d < length; ++d) {
      tile[(d + 1) * kCentroidTile] = -at(i)[d];
      *tile += 0.5f * at(i)[d] * at(i)[d];
    }
  }
}

void Centroids::find_nearest(std::span<const float> vectors, std::span<std::uint32_t> nearest) const {
  const std::size_t tiles = tiles_.size() / ((length_ + 1) * kCentroidTile);
  kernel_of_processor(length_)(tiles_.data(), tiles, vectors.data(), nearest.size(), nearest.data());
}

}  // namespace quern
