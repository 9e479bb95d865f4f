// The nearest of many short vectors, for what the processor has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quern {

// Vectors of one length, laid out so that kCentroidTile of them are judged side by side.
inline constexpr std::size_t kCentroidTile = 16;
inline constexpr std::size_t kMostVectorLength = 8;

class Centroids {
 public:
  // values[i * length + d]. REQUIRES: 0 < length <= kMostVectorLength; finite values below 1e18.
  Centroids(std::size_t length, std::span<const float> values);

  std::size_t length() const { return length_; }
  std::size_t count() const { return values().size() / length_; }
  std::span<const float> at(std::size_t i) const { return std::span(values_).subspan(i * length_, length_); }
  // kMostVectorLength zeros lie behind them, so that as many floats can be loaded at each.
  std::span<const float> values() const { return std::span(values_).first(values_.size() - kMostVectorLength); }

  // For each of the vectors, which lie one behind the other, the nearest by Euclid's distance, the first of equals.
  // The distance is |c|^2 / 2 - x c, each term added with one rounding in the order of the axes: the same bits from
  // every kernel. REQUIRES: finite vectors below 1e18.
  void find_nearest(std::span<const float> vectors, std::span<std::uint32_t> nearest) const;

 private:
  std::size_t length_;
  std::vector<float> values_;
  std::vector<float> tiles_;  // of each tile: kCentroidTile halves of squared lengths, then its negated axes
};

// `count` vectors against `tiles` of centroids.
using NearestKernel = void (*)(const float* tiles, std::size_t tile_count, const float* vectors, std::size_t count,
                               std::uint32_t* nearest);
// For vectors of this length: of 256 bits, and of 512. REQUIRES of the second: has_avx512().
NearestKernel nearest_kernel(std::size_t length);
NearestKernel nearest_kernel_avx512(std::size_t length);

}  // namespace quern
