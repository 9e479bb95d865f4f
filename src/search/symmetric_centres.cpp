// Real-valued scales of one run of weights.
#include "search/symmetric_centres.h"

#include <algorithm>
#include <cmath>

namespace quern {
namespace {

// The best codes found so far in each lane.
struct Found {
  Lanes scale{}, gain{}, curvature{};
};

void keep_better(const CodeSums& sums, Found& best) {
  const Lanes scale = sums.qq > 0.0f ? sums.xq / sums.qq : Lanes{};
  const Lanes gain = scale * sums.xq;
  const auto better = gain > best.gain;
  best.gain = better ? gain : best.gain;
  best.scale = better ? scale : best.scale;
  best.curvature = better ? sums.qq : best.curvature;
}

float largest_magnitude(std::span<const float> x) {
  float largest = 0;
  for (const float value : x) largest = std::abs(value) > largest ? std::abs(value) : largest;
  return largest;
}

}  // namespace

SymmetricCentres find_symmetric_centres(const SymmetricRun& run, CodeRange range, SymmetricLadder ladder) {
  SymmetricCentres centres{};
  const float largest = largest_magnitude({run.x, kSymmetricRun});
  if (largest == 0) return centres;
  Found best;
  for (const auto& codes : ladder) {
    const std::array<Lanes, 2> scales{largest / codes[0], largest / codes[1]};
    for (const CodeSums& sums : sum_codes<2>({run, run}, scales, range)) keep_better(sums, best);
  }
  for (SymmetricCentre& centre : centres) {
    const std::size_t lane = smallest_lane(-best.gain);
    centre = {best.scale[lane], best.gain[lane], best.curvature[lane]};
    best.gain = best.scale == centre.scale ? Lanes{} : best.gain;
  }
  return centres;
}

}  // namespace quern
