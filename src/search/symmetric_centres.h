// The first stage of every search for scales without offsets: the best real-valued scales of one run of weights alone.
// Code q stands for scale * q.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>

#include "search/grid_search.h"

namespace quern {

// Where the searches start, sixteen scales at a time: the codes on which the largest weight falls. Beyond the range of
// codes it is cut; a negative one stands for a negative scale, since the range need not be symmetric.
using SymmetricLadder = std::span<const std::array<Lanes, 2>>;

// Sums of w * x * q and w * q^2 over a run whose weights took their nearest codes q under eight scales. The squared
// error of those codes under a scale s is power - 2 s xq + s^2 qq, the least of it power - xq^2 / qq at s = xq / qq.
struct CodeSums {
  Lanes xq{}, qq{};
};

inline constexpr std::size_t kSymmetricRun = 16;
struct SymmetricRun {
  const float *x, *w;  // kSymmetricRun of each
};

// kScales times eight scales, each with its run: side by side, since the sums of each wait for one another.
template <std::size_t kScales>
std::array<CodeSums, kScales> sum_codes(const std::array<SymmetricRun, kScales>& runs,
                                        const std::array<Lanes, kScales>& scales, CodeRange range) {
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  std::array<Lanes, kScales> inverse;
  for (std::size_t s = 0; s < kScales; ++s) inverse[s] = reciprocal(scales[s]);
  std::array<CodeSums, kScales> sums;
  for (std::size_t k = 0; k < kSymmetricRun; ++k) {
    for (std::size_t s = 0; s < kScales; ++s) {
      const Lanes weight = all_lanes(runs[s].x[k]), importance = all_lanes(runs[s].w[k]);
      const Lanes code = round_lanes(lane_min(lane_max(weight * inverse[s], low), high));
      const Lanes weighted = importance * code;
      sums[s].xq = fused(weighted, weight, sums[s].xq);
      sums[s].qq = fused(weighted, code, sums[s].qq);
    }
  }
  return sums;
}

// The best scale for some codes. Its error is `gain` less than that of codes that are all 0, and grows by `curvature`
// times the square of the distance from `scale`.
struct SymmetricCentre {
  float scale = 0, gain = 0, curvature = 0;
};

inline constexpr std::size_t kSymmetricCentres = 2;

using SymmetricCentres = std::array<SymmetricCentre, kSymmetricCentres>;

// Each scale of the ladder is refined by weighted least squares after rounding; the best are kept, best first.
SymmetricCentres find_symmetric_centres(const SymmetricRun& run, CodeRange range, SymmetricLadder ladder);

}  // namespace quern
