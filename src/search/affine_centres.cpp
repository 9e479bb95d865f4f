// Real-valued scales and offsets of one run of weights.
#include "search/affine_centres.h"

#include <algorithm>
#include <limits>

namespace quern {
namespace {

// The best grid found so far in each lane.
struct Found {
  Grids grids{};
  AffineCodes codes{};
  Lanes loss = all_lanes(std::numeric_limits<float>::infinity());
};

// The scale and offset of least error under given codes; where the offset would have the wrong sign it is 0.
Found solve(const AffineCodes& codes, float mean, float weight, Lanes fallback, OffsetSign allowed) {
  const Lanes free_scale = codes.spread > 0.0f ? codes.xq / codes.spread : fallback;
  const Lanes free_offset = free_scale * codes.mean_code - mean;
  const Lanes qq = codes.spread + (weight * codes.mean_code) * codes.mean_code;
  const Lanes pinned = qq > 0.0f ? (codes.xq + (mean * weight) * codes.mean_code) / qq : fallback;
  const auto wrong = static_cast<float>(allowed) * free_offset < 0.0f;
  const Lanes scale = wrong ? pinned : free_scale, offset = wrong ? Lanes{} : free_offset;
  return {{scale, offset}, codes, codes.loss(scale, offset + mean, weight)};
}

void keep_better(const Found& found, Found& best) {
  const auto better = found.loss < best.loss;
  const auto take = [&](Lanes from, Lanes& to) { to = better ? from : to; };
  take(found.grids.scale, best.grids.scale);
  take(found.grids.offset, best.grids.offset);
  take(found.codes.mean_code, best.codes.mean_code);
  take(found.codes.spread, best.codes.spread);
  take(found.codes.xq, best.codes.xq);
  take(found.loss, best.loss);
}

}  // namespace

template <std::size_t kRun>
AffineRun<kRun> make_affine_run(std::span<const float, kRun> x, std::span<const float, kRun> w) {
  AffineRun<kRun> run;
  Lanes weight{}, sum{}, least = all_lanes(x[0]), most = least;
  for (std::size_t k = 0; k < kRun; k += kLanes) {
    const Lanes values = load<Lanes>(x.data() + k), weights = load<Lanes>(w.data() + k);
    store(run.w.data() + k, weights);
    weight += weights;
    sum = fused(weights, values, sum);
    least = lane_min(values, least);
    most = lane_max(values, most);
  }
  run.weight = sum_of_lanes(weight);
  run.mean = sum_of_lanes(sum) / run.weight;
  run.least = smallest_of(least)[0];
  run.most = largest_of(most)[0];
  for (std::size_t k = 0; k < kRun; ++k) run.centred[k] = x[k] - run.mean;
  return run;
}

template <std::size_t kRun>
AffineCentres find_affine_centres(const AffineRun<kRun>& run, CodeRange range, OffsetSign sign,
                                  const AffineCuts& cuts) {
  const float bottom = sign == OffsetSign::kNotNegative ? std::min(run.least, 0.0f) : run.least;
  const float width = run.most - bottom;
  const Lanes low = bottom + width * cuts.low;
  const auto start = [&](float cut) { return Grids{((run.most - width * cut) - low) / range.high, -low}; };
  Found best;
  for (std::size_t k = 0; k + 1 < cuts.high.size(); k += 2) {
    const std::array<Grids, 2> grids{start(cuts.high[k]), start(cuts.high[k + 1])};
    const auto codes = round_to_grids<2>(run, grids, range);
    for (std::size_t g = 0; g < 2; ++g) keep_better(solve(codes[g], run.mean, run.weight, grids[g].scale, sign), best);
  }
  for (int round = 0; round < cuts.refits; ++round) {
    const auto [codes] = round_to_grids<1>(run, {best.grids}, range);
    keep_better(solve(codes, run.mean, run.weight, best.grids.scale, sign), best);
  }
  AffineCentres centres;
  for (AffineCentre& centre : centres) {
    const std::size_t lane = smallest_lane(best.loss);
    centre = {best.grids.scale[lane],  best.grids.offset[lane], best.codes.mean_code[lane],
              best.codes.spread[lane], best.codes.xq[lane],     best.loss[lane]};
    const auto same = best.grids.scale == centre.scale && best.grids.offset == centre.offset;
    best.loss = same ? all_lanes(std::numeric_limits<float>::infinity()) : best.loss;
  }
  if (centres[1].loss == std::numeric_limits<float>::infinity()) centres[1] = centres[0];
  return centres;
}

template AffineRun<16> make_affine_run(std::span<const float, 16>, std::span<const float, 16>);
template AffineRun<32> make_affine_run(std::span<const float, 32>, std::span<const float, 32>);
template AffineCentres find_affine_centres(const AffineRun<16>&, CodeRange, OffsetSign, const AffineCuts&);
template AffineCentres find_affine_centres(const AffineRun<32>&, CodeRange, OffsetSign, const AffineCuts&);

}  // namespace quern
