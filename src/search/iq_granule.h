// Weights of one granule of a grid format (iq1 to iq3 of GGUF), made ready to be rounded: magnitudes, or the weights
// themselves where the grid has signs, and weights for their errors.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "search/grid_search.h"

namespace quern {

// How the signs of eight weights are stored.
enum class GridSigns {
  kFree,  // one bit each
  kEven,  // seven bits: the number of negative ones is even
  kNone,  // the entries have signs
};

// A grid format: 256 weights; a granule is a few entries whose signs hang together. Weights of a run share a scale of a
// few bits, q, which stands for d * unit * (q + 0.5).
struct GridShape {
  std::size_t places, levels, entries;  // weights of an entry, their values, and entries of a grid
  std::size_t granule, run;             // weights
  GridSigns signs;
  std::size_t grids = 1;  // of which a run has one
  std::size_t lists = 1;  // of values: a granule has one of those of its grid
  float scales = 16;      // q is below it
  float unit;
  float typical;  // root of the mean square of values in use, where the ladder of scales begins
};

// The power of two at or below a number; 0 for 0 and denormals.
inline float power_of_two(float value) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0x7f800000u);
}

// Importance is divided by a power of two, `unit`, so that the largest is 1 to 2: the same granule has the same bits
// whether it comes alone or in a block. Without importance `unit` is 1; where all are 0 it is 0, and they count as
// ones.
template <std::size_t kGranule>
struct GridGranule {
  std::array<float, kGranule> x{}, w{}, wx{};
  unsigned negative = 0;  // signs of the weights, a bit each
  float unit = 1;

  bool is_odd() const { return std::popcount(negative) % 2 == 1; }

  GridGranule() = default;
  GridGranule(std::span<const float> weights, std::span<const float> importance, GridSigns signs) {
    w.fill(1.0f);
    if (!importance.empty()) weigh(importance);
    for (std::size_t k = 0; k < kGranule; ++k) {
      const float value = searchable_weight(all_lanes(weights[k]))[0];
      const bool is_negative = signs != GridSigns::kNone && value < 0;
      negative |= static_cast<unsigned>(is_negative) << k;
      x[k] = is_negative ? -value : value;
      wx[k] = w[k] * x[k];
    }
  }

 private:
  void weigh(std::span<const float> importance) {
    float most = 0;
    for (std::size_t k = 0; k < kGranule; ++k) {
      w[k] = usable_importance(all_lanes(importance[k]))[0];
      most = std::max(most, w[k]);
    }
    unit = power_of_two(most);
    for (float& value : w) value = unit > 0 ? std::max(value / unit, kLeastImportance) : 1.0f;
  }
};

}  // namespace quern
