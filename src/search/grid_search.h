// What the scale searches of all integer formats share: weights made safe to search over, and the exact errors of eight
// candidate grids at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/scalars.h"
#include "search/lanes.h"

namespace quern {

// Codes are the integers low..high.
struct CodeRange {
  float low, high;
};

// Eight uniform grids, one a lane: code q stands for scale * q - offset.
struct Grids {
  Lanes scale, offset;
};

// A weight that is none becomes 0, one beyond any block format's reach is cut.
inline Lanes searchable_weight(Lanes value) {
  constexpr float kReach = 1e9f;
  return lane_clamp(value == value ? value : Lanes{}, -kReach, kReach);
}

// What is negative or not finite counts as 0.
inline Lanes usable_importance(Lanes value) {
  constexpr float kMost = 3e38f;
  return value > 0.0f && value <= kMost ? value : Lanes{};
}

// Of a block whose largest is 1: columns that do not matter still get sensible values.
inline constexpr float kLeastImportance = 1e-10f;

// Copies a block into `x` and `w` so that a search cannot meet an infinity or a NaN; importance is scaled to a largest
// value of 1. Importance that is empty or has no positive value becomes all ones.
void make_searchable(std::span<const float> weights, std::span<const float> importance, std::span<float> x,
                     std::span<float> w);

// 1 / scale, and 0 for a scale of 0.
inline Lanes reciprocal(Lanes scale) { return scale != 0.0f ? 1.0f / scale : Lanes{}; }

// Sum of w * (x - decoded)^2 under each grid, every weight on its nearest code.
Lanes grid_errors(std::span<const float> x, std::span<const float> w, const Grids& grids, CodeRange range);

// The float that binary16 stores for `value`, cut to the largest finite one.
inline float nearest_f16(float value) { return f16_to_f32(f32_to_f16(std::clamp(value, -65504.0f, 65504.0f))); }
inline Lanes nearest_f16(Lanes values) { return lanes_of_f16(f16_of_lanes(lane_clamp(values, -65504.0f, 65504.0f))); }

// The same for scales: where binary16 would give 0 for another number, its least one of that sign. Weights of 1e-6 keep
// codes of a few steps in place of none.
inline constexpr float kLeastF16 = 0x1p-24f;
inline float nearest_scale(float value) {
  const float nearest = nearest_f16(value);
  return nearest == 0 && value != 0 ? std::copysign(kLeastF16, value) : nearest;
}
inline Lanes nearest_scale(Lanes values) {
  const Lanes nearest = nearest_f16(values), least = values > 0.0f ? all_lanes(kLeastF16) : all_lanes(-kLeastF16);
  return nearest != 0.0f ? nearest : values != 0.0f ? least : Lanes{};
}

// Eight neighbouring values of binary16 of the sign of `value`: three below its nearest in magnitude, and four above.
// At the ends of the range the last finite value is repeated.
Lanes f16_around(float value);

}  // namespace quern
