// The 4-bit floats (E2M1) of the OCP Microscaling specification 1.0, doubled so that they are integers, as llama.cpp
// keeps them: what mxfp4 and nvfp4 share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "search/lanes.h"

namespace quern {

// Of each code; bit 3 is the sign.
inline constexpr std::array<float, 16> kDoubledE2m1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
inline constexpr float kMostDoubledE2m1 = 12.0f;

// The nearest of the doubled values, ties to the even code: multiples of 1 up to 4, of 2 up to 8, of 4 up to 12.
// Adding 1.5 * 2^23 * step leaves multiples of the step. A NaN becomes 12.
inline Lanes nearest_doubled_e2m1(Lanes position) {
  const Lanes limit = all_lanes(kMostDoubledE2m1), cut = lane_max(lane_min(position, limit), -limit);
  const Lanes magnitude = cut < 0.0f ? -cut : cut;
  const Lanes coarse = magnitude < 8.0f ? all_lanes(2 * kRoundingShift) : all_lanes(4 * kRoundingShift);
  const Lanes shift = magnitude < 4.0f ? all_lanes(kRoundingShift) : coarse;
  return (cut + shift) - shift;
}

// The codes of doubled values: magnitudes 0..4 are codes 0..4, then 6 is 5, 8 is 6 and 12 is 7.
inline IntLanes e2m1_codes(Lanes doubled) {
  const Lanes magnitude = doubled < 0.0f ? -doubled : doubled;
  const Lanes coarse = magnitude < 8.0f ? 2.0f + 0.5f * magnitude : 4.0f + 0.25f * magnitude;
  const Lanes code = magnitude < 4.0f ? magnitude : coarse;
  return __builtin_convertvector(doubled < 0.0f ? code + 8.0f : code, IntLanes);
}

// Sum of w * (x - decoded)^2 under eight scales of the doubled values.
inline Lanes e2m1_errors(std::span<const float> x, std::span<const float> w, Lanes scale, Lanes inverse) {
  Lanes sum{};
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Lanes distance = x[k] - scale * nearest_doubled_e2m1(x[k] * inverse);
    sum += (w[k] * distance) * distance;
  }
  return sum;
}

// Weights to codes and to the values that they decode to (`values` may be empty) under one scale of the doubled values
// and its inverse.
inline void round_e2m1(float scale, float inverse, std::span<const float> weights, std::span<std::int32_t> codes,
                       std::span<float> values) {
  for (std::size_t first = 0; first < weights.size(); first += kLanes) {
    const std::size_t count = std::min(kLanes, weights.size() - first);
    std::array<float, kLanes> some{};
    std::copy_n(weights.begin() + static_cast<std::ptrdiff_t>(first), count, some.begin());
    const Lanes nearest = nearest_doubled_e2m1(load<Lanes>(some.data()) * inverse);
    std::array<std::int32_t, kLanes> found;
    store(found.data(), e2m1_codes(nearest));
    std::copy_n(found.begin(), count, codes.begin() + static_cast<std::ptrdiff_t>(first));
    if (values.empty()) continue;
    store(some.data(), scale * nearest);
    std::copy_n(some.begin(), count, values.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

}  // namespace quern
