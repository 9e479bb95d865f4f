// Real-valued scales and offsets of one run of weights.
#include "codec/affine_centres.h"

#include <algorithm>
#include <limits>

namespace quern {
namespace {

struct Refit {
  Grids grids;
  Lanes error, mean_code;
};

// Rounds to each grid and solves for the scale and offset of least error under those codes; offsets of the wrong sign
// become 0. `error` is that of the codes before another rounding.
Refit refit(const AffineRun& run, const Grids& grids, CodeRange range, OffsetSign allowed) {
  const Lanes inverse = reciprocal(grids.scale), shift = (grids.offset + run.mean) * inverse;
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  Lanes sum_q{}, sum_qq{}, sum_xq{};
  for (std::size_t k = 0; k < run.x.size(); ++k) {
    const Lanes code = round_lanes(lane_min(lane_max(run.centred[k] * inverse + shift, low), high));
    const Lanes weighted = run.w[k] * code;
    sum_q += weighted;
    sum_qq += weighted * code;
    sum_xq += weighted * run.centred[k];
  }
  const Lanes mean_code = sum_q / run.weight;
  const Lanes spread = sum_qq - sum_q * mean_code;
  Lanes scale = spread > 0.0f ? sum_xq / spread : grids.scale;
  Lanes offset = scale * mean_code - run.mean;
  Lanes error = run.power - scale * sum_xq;
  const Lanes raw_xq = sum_xq + run.mean * sum_q;
  const Lanes pinned = sum_qq > 0.0f ? raw_xq / sum_qq : grids.scale;
  const auto wrong = static_cast<float>(allowed) * offset < 0.0f;
  error = wrong ? (run.power + run.mean * run.mean * run.weight) - pinned * raw_xq : error;
  scale = wrong ? pinned : scale;
  offset = wrong ? Lanes{} : offset;
  return {{scale, offset}, error, mean_code};
}

}  // namespace

AffineRun make_affine_run(std::span<const float> x, std::span<const float> w) {
  AffineRun run{.x = x, .w = w, .centred = {}};
  float sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    run.weight += w[k];
    sum += w[k] * x[k];
  }
  run.mean = sum / run.weight;
  for (std::size_t k = 0; k < x.size(); ++k) {
    run.centred[k] = x[k] - run.mean;
    run.power += w[k] * (run.centred[k] * run.centred[k]);
  }
  return run;
}

std::array<AffineCentre, kAffineCentres> find_affine_centres(const AffineRun& run, CodeRange range, OffsetSign sign,
                                                             const AffineCuts& cuts) {
  const auto [least, most] = std::minmax_element(run.x.begin(), run.x.end());
  const float bottom = sign == OffsetSign::kNotNegative ? std::min(*least, 0.0f) : *least;
  const float width = *most - bottom;
  const Lanes low = bottom + width * cuts.low;
  Refit best{};
  best.error = all_lanes(std::numeric_limits<float>::infinity());
  for (const float cut : cuts.high) {
    const Lanes scale = ((*most - width * cut) - low) / range.high;
    Refit found = refit(run, {scale, -low}, range, sign);
    for (int round = 1; round < cuts.refits; ++round) found = refit(run, found.grids, range, sign);
    const auto better = found.error < best.error;
    best.error = better ? found.error : best.error;
    best.grids.scale = better ? found.grids.scale : best.grids.scale;
    best.grids.offset = better ? found.grids.offset : best.grids.offset;
  }
  best = refit(run, best.grids, range, sign);
  best = refit(run, best.grids, range, sign);
  std::array<AffineCentre, kAffineCentres> centres;
  for (AffineCentre& centre : centres) {
    const std::size_t lane = smallest_lane(best.error);
    centre = {best.grids.scale[lane], best.grids.offset[lane], best.mean_code[lane], best.error[lane]};
    for (std::size_t other = 0; other < kLanes; ++other) {
      if (best.grids.scale[other] == centre.scale && best.grids.offset[other] == centre.offset) {
        best.error[other] = std::numeric_limits<float>::infinity();
      }
    }
  }
  return centres;
}

}  // namespace quern
