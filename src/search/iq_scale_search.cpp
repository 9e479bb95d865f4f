// Stages 1 to 3 of choose_grid_scales, on the sums of what each granule could be stored as.
#include "search/iq_scale_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/scalars.h"
#include "search/grid_search.h"

namespace quern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kMostGrids = 2;

// Choices of codes of one run from one grid, by their scale of least squares: under s the error, less that of zeros, is
// curvature * (s - scale)^2 - gain.
struct RunFits {
  Lanes scale, curvature, gain;
};
using BlockFits = std::array<std::array<RunFits, kMostGridRuns>, kMostGrids>;

RunFits fits_of(std::span<const GranuleSums> run) {
  Lanes xv{}, vv{};
  for (const GranuleSums& granule : run) xv += granule.xv, vv += granule.vv;
  const Lanes positive = lane_max(xv, Lanes{});
  const Lanes scale = vv > 0.0f ? positive / vv : Lanes{};
  return {scale, vv, scale * positive};
}

// What a run takes under some d.
struct RunChoice {
  float scale = 0, loss = kInfinity;  // scale: the stored one; loss: the error less that of zeros
  std::size_t grid = 0;
  double xv = 0, vv = 0;
};

struct Trial {
  float d = 0;
  std::array<RunChoice, kMostGridRuns> runs;
  double loss = std::numeric_limits<double>::infinity();
};

class Search {
 public:
  explicit Search(const GridScaleProblem& problem) : problem_(problem) {
    for (std::size_t grid = 0; grid < problem.grids; ++grid) {
      for (std::size_t j = 0; j < problem.runs; ++j) {
        const RunFits fits = fits_of(problem.run(grid, j));
        fits_[grid][j] = fits;
        largest_ = std::max(largest_, fits.scale[smallest_lane(-fits.gain)]);
      }
    }
  }

  GridSide best() const {
    GridSide side;
    if (!(largest_ > 0)) return side;
    Trial best;
    for (const float d : promising()) improve(d, best);
    if (!(best.loss < 0)) return side;  // weights too small for binary16
    side.d = f32_to_f16(best.d);
    for (std::size_t j = 0; j < problem_.runs; ++j) {
      side.scales[j] = static_cast<std::uint8_t>(best.runs[j].scale);
      side.grids[j] = static_cast<std::uint8_t>(best.runs[j].grid);
    }
    return side;
  }

 private:
  static constexpr std::size_t kWindows = 8, kTried = 2;

  float most() const { return problem_.scales - 1; }
  Lanes stored(Lanes scale, Lanes inverse) const {
    return round_lanes(lane_clamp(scale * inverse - 0.5f, 0.0f, most()));
  }

  // Stage 2: what each d would cost.
  Lanes estimate(Lanes d) const {
    const Lanes unit = d * problem_.unit, inverse = reciprocal(unit);
    Lanes sum{};
    for (std::size_t j = 0; j < problem_.runs; ++j) {
      Lanes least = all_lanes(kInfinity);
      for (std::size_t grid = 0; grid < problem_.grids; ++grid) {
        const RunFits& fits = fits_[grid][j];
        for (std::size_t i = 0; i < kLanes; ++i) {
          const Lanes distance = unit * (stored(all_lanes(fits.scale[i]), inverse) + 0.5f) - fits.scale[i];
          least = lane_min(fused(fits.curvature[i] * distance, distance, all_lanes(-fits.gain[i])), least);
        }
      }
      sum += least;
    }
    return sum;
  }

  // The best d of the best windows of the ladder: from three quarters of the d that gives the largest scale to the run
  // that wants most. Where binary16 has few values, all of them.
  std::array<float, kTried> promising() const {
    constexpr float kFirst = 0.78f, kStep = 0.0095f, kFewHalves = 64 * kLeastF16;
    const float whole = largest_ / (problem_.unit * (most() + 0.5f));
    const float first = whole < kFewHalves ? kLeastF16 : kFirst * whole;
    const float step = whole < kFewHalves ? kLeastF16 : kStep * whole;
    std::array<std::pair<float, float>, kWindows> found;  // loss and d
    for (std::size_t window = 0; window < kWindows; ++window) {
      const Lanes steps = static_cast<float>(window * kLanes) + Lanes{0, 1, 2, 3, 4, 5, 6, 7};
      const Lanes d = nearest_scale(first + step * steps), losses = estimate(d);
      const std::size_t lane = smallest_lane(losses);
      found[window] = {losses[lane], d[lane]};
    }
    std::ranges::sort(found);
    std::array<float, kTried> best;
    for (std::size_t i = 0; i < kTried; ++i) best[i] = found[i].second;
    return best;
  }

  // The scale that the parabolas of one run like best.
  float estimated(const RunFits& fits, float unit) const {
    const Lanes scale = stored(fits.scale, reciprocal(all_lanes(unit))), distance = unit * (scale + 0.5f) - fits.scale;
    return scale[smallest_lane(fused(fits.curvature * distance, distance, -fits.gain))];
  }

  RunChoice choose(std::size_t grid, std::size_t j, float unit) const {
    constexpr Lanes kNear = {0, -1, 1, -2, 2, 3, -3, 4};
    const Lanes scale = lane_clamp(estimated(fits_[grid][j], unit) + kNear, 0.0f, most());
    const Lanes decoded = unit * (scale + 0.5f);
    Lanes loss{};
    for (const GranuleSums& granule : problem_.run(grid, j)) {
      Lanes least = all_lanes(kInfinity);
      for (std::size_t i = 0; i < kLanes; ++i)
        least = lane_min(fused(decoded, all_lanes(granule.vv[i]), all_lanes(-2.0f * granule.xv[i])), least);
      loss += decoded * least;
    }
    const std::size_t lane = smallest_lane(loss);
    RunChoice choice{.scale = scale[lane], .loss = loss[lane], .grid = grid};
    for (const GranuleSums& granule : problem_.run(grid, j)) {
      const std::size_t way = smallest_lane(fused(all_lanes(decoded[lane]), granule.vv, -2.0f * granule.xv));
      choice.xv += granule.xv[way], choice.vv += granule.vv[way];
    }
    return choice;
  }

  Trial try_scale(float d) const {
    Trial trial{.d = d, .runs = {}, .loss = 0};
    for (std::size_t j = 0; j < problem_.runs; ++j) {
      for (std::size_t grid = 0; grid < problem_.grids; ++grid) {
        const RunChoice choice = choose(grid, j, d * problem_.unit);
        if (choice.loss < trial.runs[j].loss) trial.runs[j] = choice;
      }
      trial.loss += trial.runs[j].loss;
    }
    return trial;
  }

  // The d of least squared error for the codes and scales of a trial.
  float solve(const Trial& trial) const {
    double xu = 0, uu = 0;
    for (std::size_t j = 0; j < problem_.runs; ++j) {
      const double unit = problem_.unit * (trial.runs[j].scale + 0.5f);
      xu += unit * trial.runs[j].xv;
      uu += unit * unit * trial.runs[j].vv;
    }
    return uu > 0 ? nearest_scale(static_cast<float>(xu / uu)) : trial.d;
  }

  void improve(float d, Trial& best) const {
    constexpr int kRounds = 4;
    for (int round = 0; round < kRounds; ++round) {
      const Trial trial = try_scale(d);
      if (!(trial.loss < best.loss)) return;
      best = trial;
      d = solve(trial);
      if (d == trial.d) return;
    }
  }

  const GridScaleProblem& problem_;
  BlockFits fits_;
  float largest_ = 0;
};

}  // namespace

GridSide choose_grid_scales(const GridScaleProblem& problem) { return Search(problem).best(); }

}  // namespace quern
