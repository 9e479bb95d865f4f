// Errors of candidate grids, eight at a time.
#include "codec/grid_search.h"

#include <algorithm>
#include <cmath>

#include "base/scalars.h"

namespace quern {

void make_searchable(std::span<const float> weights, std::span<const float> importance, std::span<float> x,
                     std::span<float> w) {
  constexpr float kReach = 1e9f, kLeast = 1e-10f, kLargest = 3e38f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float value = weights[k];
    x[k] = std::isnan(value) ? 0.0f : std::clamp(value, -kReach, kReach);
  }
  float largest = 0;
  for (const float value : importance) {
    if (value > largest && value <= kLargest) largest = value;
  }
  if (largest == 0) {
    std::fill(w.begin(), w.end(), 1.0f);
    return;
  }
  for (std::size_t k = 0; k < importance.size(); ++k) {
    const float value = importance[k] > 0 && importance[k] <= kLargest ? importance[k] / largest : 0.0f;
    w[k] = std::max(value, kLeast);
  }
}

// The distance is taken in steps of the grid. A scale of 0, which has no steps, counts as one too small to matter.
Lanes grid_errors(std::span<const float> x, std::span<const float> w, const Grids& grids, CodeRange range) {
  const Lanes scale = grids.scale != 0.0f ? grids.scale : all_lanes(1e-12f);
  const Lanes inverse = 1.0f / scale, shift = grids.offset * inverse;
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  Lanes sum{};
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Lanes position = x[k] * inverse + shift;
    const Lanes distance = position - round_lanes(lane_min(lane_max(position, low), high));
    sum += (w[k] * distance) * distance;
  }
  return (sum * scale) * scale;
}

float nearest_f16(float value) { return f16_to_f32(f32_to_f16(std::clamp(value, -65504.0f, 65504.0f))); }

Lanes f16_around(float value) {
  constexpr int kLargest = 0x7bff;
  const int bits = f32_to_f16(std::clamp(value, -65504.0f, 65504.0f)), sign = bits & 0x8000, nearest = bits & 0x7fff;
  Lanes out;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const int magnitude = std::clamp(nearest + static_cast<int>(lane) - 3, 0, kLargest);
    out[lane] = f16_to_f32(static_cast<std::uint16_t>(sign | magnitude));
  }
  return out;
}

}  // namespace quern
