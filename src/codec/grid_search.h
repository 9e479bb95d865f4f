// What the scale searches of all integer formats share: weights made safe to search over, and the exact errors of eight
// candidate grids at a time.
#pragma once

#include <cstddef>
#include <span>

#include "codec/lanes.h"

namespace quern {

// Codes are the integers low..high.
struct CodeRange {
  float low, high;
};

// Eight uniform grids, one a lane: code q stands for scale * q - offset.
struct Grids {
  Lanes scale, offset;
};

// Copies a block into `x` and `w` so that a search cannot meet an infinity or a NaN: a weight that is none becomes 0
// and one beyond any block format's reach (1e9) is cut; importance is scaled to a largest value of 1, what is negative
// or not finite counts as 0, and 1e-10 is the least (columns that do not matter still get sensible values). Importance
// that is empty or has no positive value becomes all ones.
void make_searchable(std::span<const float> weights, std::span<const float> importance, std::span<float> x,
                     std::span<float> w);

// 1 / scale, and 0 for a scale of 0.
inline Lanes reciprocal(Lanes scale) { return scale != 0.0f ? 1.0f / scale : Lanes{}; }

// Sum of w * (x - decoded)^2 under each grid, every weight on its nearest code.
Lanes grid_errors(std::span<const float> x, std::span<const float> w, const Grids& grids, CodeRange range);

// The float that binary16 stores for `value`, cut to the largest finite one.
float nearest_f16(float value);
Lanes nearest_f16(Lanes values);

// Eight neighbouring values of binary16 of the sign of `value`: three below its nearest in magnitude, and four above.
// At the ends of the range the last finite value is repeated.
Lanes f16_around(float value);

}  // namespace quern
