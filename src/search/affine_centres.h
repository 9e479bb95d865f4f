// The first stage of every search for scales and offsets: the best grids of one run of weights alone, with real-valued
// scale and offset. Code q stands for scale * q - offset.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/bytes.h"
#include "search/grid_search.h"

namespace quern {

// A run of weights less their mean (least squares without cancellation), with its sums.
template <std::size_t kRun>
struct AffineRun {
  std::array<float, kRun> centred, w;
  float mean = 0, weight = 0;  // weighted mean of the weights, sum of w
  float least = 0, most = 0;   // of the weights
};

// w positive.
template <std::size_t kRun>
AffineRun<kRun> make_affine_run(std::span<const float, kRun> x, std::span<const float, kRun> w);

// Which offsets a grid may have.
enum class OffsetSign { kNotNegative = 1, kAny = 0, kNotPositive = -1 };

// What is known of the codes that a run took under each of eight grids: with them the squared error of any scale and
// offset is a quadratic form, here less the error of the mean alone.
struct AffineCodes {
  Lanes mean_code, spread, xq;  // weighted mean of the codes; sums of w (q - mean)^2 and of w x q, x centred

  Lanes loss(Lanes scale, Lanes offset_and_mean, float weight) const {
    const Lanes off = offset_and_mean - scale * mean_code;
    return scale * (scale * spread - 2.0f * xq) + (weight * off) * off;
  }
};

// Rounds the run to kGrids times eight grids: side by side, since the sums of each wait for one another.
template <std::size_t kGrids, std::size_t kRun>
std::array<AffineCodes, kGrids> round_to_grids(const AffineRun<kRun>& run, const std::array<Grids, kGrids>& grids,
                                               CodeRange range) {
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  std::array<Lanes, kGrids> inverse, shift, sum_q{}, sum_qq{}, sum_xq{};
  for (std::size_t g = 0; g < kGrids; ++g) {
    inverse[g] = reciprocal(grids[g].scale);
    shift[g] = (grids[g].offset + run.mean) * inverse[g];
  }
  for (std::size_t k = 0; k < kRun; ++k) {
    const Lanes x = all_lanes(run.centred[k]), w = all_lanes(run.w[k]);
    for (std::size_t g = 0; g < kGrids; ++g) {
      const Lanes code = round_lanes(lane_min(lane_max(fused(x, inverse[g], shift[g]), low), high));
      const Lanes weighted = w * code;
      sum_q[g] += weighted;
      sum_qq[g] = fused(weighted, code, sum_qq[g]);
      sum_xq[g] = fused(weighted, x, sum_xq[g]);
    }
  }
  std::array<AffineCodes, kGrids> codes;
  const float inverse_weight = 1.0f / run.weight;
  for (std::size_t g = 0; g < kGrids; ++g) {
    const Lanes mean_code = sum_q[g] * inverse_weight;
    codes[g] = {mean_code, sum_qq[g] - sum_q[g] * mean_code, sum_xq[g]};
  }
  return codes;
}

// A local minimum: its grid, and what is known of its codes.
struct AffineCentre {
  float scale = 0, offset = 0, mean_code = 0, spread = 0, xq = 0;
  float loss = 0;  // of the grid, as AffineCodes has it
};

// Where the searches start: parts of the range of the weights that a grid leaves out at its lower and upper end.
struct AffineCuts {
  Lanes low;
  std::span<const float> high;  // an even number
  int refits;                   // of the best start in each lane
};

inline constexpr std::size_t kAffineCentres = 2;  // local minima kept
using AffineCentres = std::array<AffineCentre, kAffineCentres>;

// Rounding and weighted least squares alternate from a grid for each pair of cuts. Best first. kRun: 16 or 32.
template <std::size_t kRun>
AffineCentres find_affine_centres(const AffineRun<kRun>& run, CodeRange range, OffsetSign sign, const AffineCuts& cuts);

}  // namespace quern
