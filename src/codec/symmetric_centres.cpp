// Real-valued scales of one run of weights.
#include "codec/symmetric_centres.h"

#include <algorithm>
#include <cmath>

namespace quern {
namespace {

// Least-squares scales after rounding to each grid, and the errors of those codes.
Lanes refit(std::span<const float> x, std::span<const float> w, Lanes& scale, CodeRange range) {
  const Lanes inverse = reciprocal(scale), low = all_lanes(range.low), high = all_lanes(range.high);
  Lanes sum_xq{}, sum_qq{};
  float power = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Lanes code = round_lanes(lane_min(lane_max(x[k] * inverse, low), high));
    const Lanes weighted = w[k] * code;
    sum_xq += weighted * x[k];
    sum_qq += weighted * code;
    power += w[k] * (x[k] * x[k]);
  }
  scale = sum_qq > 0.0f ? sum_xq / sum_qq : scale;
  return power - scale * sum_xq;
}

}  // namespace

std::array<SymmetricCentre, kSymmetricCentres> find_symmetric_centres(std::span<const float> x,
                                                                      std::span<const float> w, CodeRange range,
                                                                      const SymmetricLadder& ladder) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  std::array<SymmetricCentre, kSymmetricCentres> centres{};
  if (largest == 0) {
    centres[0].error = 0;
    return centres;
  }
  for (const float sign : {1.0f, -1.0f}) {
    for (float first = ladder.first; first < ladder.last; first += 8 * ladder.steps[1]) {
      Lanes scale = sign * largest / (first + ladder.steps);
      const Lanes error = refit(x, w, scale, range);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        SymmetricCentre found{scale[lane], error[lane]};
        const auto same = [&](const SymmetricCentre& other) { return other.scale == found.scale; };
        if (!(found.error < centres.back().error) || std::any_of(centres.begin(), centres.end(), same)) continue;
        for (SymmetricCentre& centre : centres) {
          if (found.error < centre.error) std::swap(found, centre);
        }
      }
    }
  }
  return centres;
}

}  // namespace quern
