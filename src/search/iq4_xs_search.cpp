// The search for the side information of iq4_xs, in three stages.
//
// 1. Each sub-block alone: the best choices of codes on a ladder of real-valued scales (codebook_search.h). The squared
//    error of each is a parabola of the scale.
// 2. A fine ladder of d, eight at a time: under the lower envelope of its parabolas every sub-block takes the 6-bit
//    scale of the least error, without looking at the weights again.
// 3. The few best d: every sub-block takes the scale of the least exact error near that of stage 2, then d is solved by
//    least squares for the codes found, until nothing improves.
#include "search/iq4_xs_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/scalars.h"
#include "search/grid_search.h"

namespace quern {
namespace {

constexpr float kMinScale = -32.0f, kMaxScale = 31.0f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct SubBlock {
  std::span<const float> x, w;
  CodeFits fits;
};
using SubBlocks = std::array<SubBlock, kIq4SubBlocks>;

struct Choice {
  float scale = 0;
  ScaleJudgement found;
};

// A d, exactly as stored, and what the sub-blocks choose under it.
struct Trial {
  float d = 0;
  std::array<Choice, kIq4SubBlocks> choices;
  double error = std::numeric_limits<double>::infinity();
};

Lanes clamp_scale(Lanes scale) { return lane_clamp(scale, kMinScale, kMaxScale); }

// Stage 2: what each d would cost. The integer nearest to a parabola's lowest point is its best.
Lanes estimate(const SubBlocks& blocks, Lanes d) {
  const Lanes inverse = 1.0f / d;
  Lanes sum{};
  for (const SubBlock& block : blocks) {
    Lanes least = all_lanes(kInfinity);
    for (const CodeFit& fit : block.fits) {
      const Lanes distance = d * round_lanes(clamp_scale(fit.scale * inverse)) - fit.scale;
      least = lane_min(fused(fit.curvature * distance, distance, all_lanes(fit.error)), least);
    }
    sum += least;
  }
  return sum;
}

// The same for one sub-block and one d: the integer.
float estimated_scale(const SubBlock& block, float d) {
  float least = kInfinity, best = 0;
  for (const CodeFit& fit : block.fits) {
    const float scale = nearest_code(fit.scale / d, kMinScale, kMaxScale), distance = d * scale - fit.scale;
    const float error = fit.error + (fit.curvature * distance) * distance;
    if (error < least) least = error, best = scale;
  }
  return best;
}

// Stage 3: every sub-block takes the best of its estimated scale and of `steps` beside it, by exact error.
Trial try_scale(const SubBlocks& blocks, float d, std::span<const float> steps, double limit) {
  Trial trial{.d = nearest_scale(d != 0 ? d : kLeastF16), .choices = {}};
  double error = 0;
  for (std::size_t j = 0; j < kIq4SubBlocks; ++j) {
    const float estimated = estimated_scale(blocks[j], trial.d);
    for (const float step : steps) {
      const float scale = estimated + step;
      if (scale < kMinScale || scale > kMaxScale) continue;
      const ScaleJudgement found = judge_scale(kIq4Codebook, blocks[j].x, blocks[j].w, trial.d * scale);
      if (found.error < trial.choices[j].found.error) trial.choices[j] = {scale, found};
    }
    error += trial.choices[j].found.error;
    if (!(error < limit)) return trial;
  }
  trial.error = error;
  return trial;
}

// The d of least squared error for the codes of a trial.
float solve_scale(const Trial& trial) {
  double xu = 0, uu = 0;
  for (const Choice& choice : trial.choices) {
    const double scale = choice.scale;
    xu += scale * choice.found.xv;
    uu += scale * scale * choice.found.vv;
  }
  return uu > 0 ? static_cast<float>(xu / uu) : trial.d;
}

// The best d of each window of the ladder, which has both signs since the range of scales is not symmetric.
struct Candidate {
  float d, error;
};
constexpr std::size_t kWindows = 16;

// From 6% below the d that takes the largest scale to -32 upwards; where binary16 has few values, all of them.
std::array<Candidate, kWindows> scan(const SubBlocks& blocks, float largest) {
  constexpr float kFirst = 0.94f, kStep = 0.0075f, kFewHalves = 64 * kLeastF16;
  const float whole = largest / -kMinScale, first = whole < kFewHalves ? kLeastF16 : kFirst * whole;
  const float step = whole < kFewHalves ? kLeastF16 : kStep * whole;
  std::array<Candidate, kWindows> found;
  for (std::size_t window = 0; window < kWindows; ++window) {
    const Lanes steps = static_cast<float>(window / 2 * kLanes) + Lanes{0, 1, 2, 3, 4, 5, 6, 7};
    const Lanes d = (window % 2 ? -1.0f : 1.0f) * (first + step * steps);
    const Lanes errors = estimate(blocks, d);
    const std::size_t lane = smallest_lane(errors);
    found[window] = {d[lane], errors[lane]};
  }
  return found;
}

}  // namespace

Iq4XsSide fit_iq4_xs(std::span<const float> weights, std::span<const float> importance) {
  constexpr std::size_t kTried = 3;
  constexpr float kEstimated[] = {0}, kNeighbours[] = {0, -1, 1};
  std::array<float, kIq4SuperBlock> x, w;
  make_searchable(weights, importance, x, w);
  SubBlocks blocks;
  float largest = 0;
  for (std::size_t j = 0; j < kIq4SubBlocks; ++j) {
    blocks[j].x = std::span(x).subspan(j * kIq4SubBlock, kIq4SubBlock);
    blocks[j].w = std::span(w).subspan(j * kIq4SubBlock, kIq4SubBlock);
    blocks[j].fits = find_code_fits(kIq4Codebook, blocks[j].x, blocks[j].w);
    largest = std::max(largest, std::abs(blocks[j].fits[0].scale));
  }
  Iq4XsSide side;
  if (largest == 0) return side;
  const auto candidates = scan(blocks, largest);
  std::array<std::uint8_t, kWindows> order{};
  std::iota(order.begin(), order.end(), std::uint8_t{0});
  std::sort(order.begin(), order.end(), [&](std::uint8_t a, std::uint8_t b) {
    return candidates[a].error != candidates[b].error ? candidates[a].error < candidates[b].error : a < b;
  });
  Trial best;
  for (std::size_t k = 0; k < kTried; ++k) {
    float d = candidates[order[k]].d;
    for (int round = 0; round < 3; ++round) {
      const Trial trial = try_scale(blocks, d, kEstimated, best.error);
      if (!(trial.error < best.error)) break;
      best = trial;
      d = solve_scale(trial);
    }
  }
  const Trial last = try_scale(blocks, solve_scale(best), kNeighbours, best.error);
  if (last.error < best.error) best = last;
  side.d = f32_to_f16(best.d);
  for (std::size_t j = 0; j < kIq4SubBlocks; ++j) side.scales[j] = static_cast<std::int8_t>(best.choices[j].scale);
  return side;
}

}  // namespace quern
