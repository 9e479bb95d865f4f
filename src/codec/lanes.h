// Eight floats computed together: eight candidate grids are judged side by side, one a lane, so that no sum depends on
// how a compiler vectorises and g++ and clang give the same bytes.
#pragma once

#include <array>
#include <cstdint>

namespace quern {

inline constexpr std::size_t kLanes = 8;
using Lanes = float __attribute__((vector_size(32)));

inline Lanes all_lanes(float value) { return Lanes{value, value, value, value, value, value, value, value}; }
inline Lanes lane_min(Lanes a, Lanes b) { return a < b ? a : b; }  // b where either is a NaN
inline Lanes lane_max(Lanes a, Lanes b) { return a > b ? a : b; }  // b where either is a NaN

// Nearest integer, ties to even, of values within +-2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
inline constexpr float kRoundingShift = 12582912.0f;
inline Lanes round_lanes(Lanes value) { return (value + kRoundingShift) - kRoundingShift; }

// The code of a value already divided by its scale; a NaN becomes `low`. REQUIRES: codes within +-2^22.
inline float nearest_code(float value, float low, float high) {
  value = value > low ? value : low;
  value = value < high ? value : high;
  return (value + kRoundingShift) - kRoundingShift;
}

}  // namespace quern
