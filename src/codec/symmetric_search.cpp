// The search for the side information of q6_k, in two stages as for q4_k (affine_search.cpp) but with one dimension
// less.
//
// 1. Each sub-block alone: real-valued scales of both signs (the range of codes is not symmetric) from least squares
//    after rounding; the best few are kept.
// 2. The super-block together: for a given d every sub-block takes the 8-bit scale of the least exact error near one of
//    its own. Several d are tried, then d is solved by least squares for the codes found, until nothing improves.
#include "codec/symmetric_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"

namespace quern {
namespace {

constexpr float kMinScale = -128.0f, kMaxScale = 127.0f;
constexpr std::size_t kSuperBlock = kSymmetricSubBlock * kSymmetricSubBlocks;
constexpr std::size_t kKept = 3;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A real-valued scale near which stage 2 looks, and its error.
struct Centre {
  float scale = 0, error = kInfinity;
};

struct SubBlock {
  std::span<const float> x, w;
  std::array<Centre, kKept> centres;  // best first
  double rest = 0;                    // sum of the best errors of the sub-blocks behind this one
};

struct Choice {
  float scale = 0, error = kInfinity;
};

struct Trial {
  float d = 0;
  std::array<Choice, kSymmetricSubBlocks> choices;
  double error = std::numeric_limits<double>::infinity();
};

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

// Stage 1.
std::array<Centre, kKept> find_centres(std::span<const float> x, std::span<const float> w, CodeRange range) {
  // The largest weight falls on code 28 to 42: beyond the range of codes it is cut.
  constexpr Lanes kSteps = {0.0f, 0.22f, 0.44f, 0.66f, 0.88f, 1.1f, 1.32f, 1.54f};
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  std::array<Centre, kKept> centres{};
  if (largest == 0) {
    centres[0].error = 0;
    return centres;
  }
  for (const float sign : {1.0f, -1.0f}) {
    for (float steps = -range.low - 4.0f; steps < -range.low + 10.0f; steps += 1.76f) {
      Lanes scale = sign * largest / (steps + kSteps);
      const Lanes error = refit(x, w, scale, range);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        Centre found{scale[lane], error[lane]};
        const auto same = [&](const Centre& other) { return other.scale == found.scale; };
        if (!(found.error < centres.back().error) || std::any_of(centres.begin(), centres.end(), same)) continue;
        for (Centre& centre : centres) {
          if (found.error < centre.error) std::swap(found, centre);
        }
      }
    }
  }
  return centres;
}

// Lets every sub-block choose under d; gives up once the error cannot stay below `limit`, taking real-valued minima as
// bounds of what integers near them can reach.
Trial try_scale(std::span<const SubBlock> blocks, float d, CodeRange range, double limit) {
  constexpr Lanes kSteps = {-3, -2, -1, 0, 1, 2, 3, 4};
  Trial trial{.d = nearest_f16(d), .choices = {}};
  double error = 0;
  for (std::size_t j = 0; j < blocks.size(); ++j) {
    Choice& choice = trial.choices[j];
    for (const Centre& centre : blocks[j].centres) {
      if (!(centre.error < choice.error)) break;
      const float first = trial.d != 0 ? std::floor(std::clamp(centre.scale / trial.d, kMinScale, kMaxScale)) : 0.0f;
      const Lanes scale = lane_min(lane_max(first + kSteps, all_lanes(kMinScale)), all_lanes(kMaxScale));
      const Lanes errors = grid_errors(blocks[j].x, blocks[j].w, {trial.d * scale, Lanes{}}, range);
      const std::size_t lane = smallest_lane(errors);
      if (errors[lane] < choice.error) choice = {scale[lane], errors[lane]};
    }
    error += choice.error;
    if (!(error + blocks[j].rest < limit)) return trial;
  }
  trial.error = error;
  return trial;
}

// The d of least squared error for the codes of a trial.
float solve_scale(std::span<const SubBlock> blocks, const Trial& trial, CodeRange range) {
  double xu = 0, uu = 0;
  for (std::size_t j = 0; j < blocks.size(); ++j) {
    const float scale = trial.d * trial.choices[j].scale, inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (std::size_t k = 0; k < kSymmetricSubBlock; ++k) {
      const double x = blocks[j].x[k], w = blocks[j].w[k];
      const double u = trial.choices[j].scale * nearest_code(blocks[j].x[k] * inverse, range.low, range.high);
      xu += w * x * u;
      uu += w * u * u;
    }
  }
  return uu > 0 ? static_cast<float>(xu / uu) : trial.d;
}

}  // namespace

SymmetricSide fit_symmetric(std::span<const float> weights, std::span<const float> importance, CodeRange range) {
  constexpr float kSteps[] = {1.004f, 1.008f, 1.012f, 1.016f, 1.02f, 1.025f, 1.03f};
  std::array<float, kSuperBlock> x, w;
  make_searchable(weights, importance, x, w);
  std::array<SubBlock, kSymmetricSubBlocks> blocks;
  float largest = 0;
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    blocks[j].x = std::span(x).subspan(j * kSymmetricSubBlock, kSymmetricSubBlock);
    blocks[j].w = std::span(w).subspan(j * kSymmetricSubBlock, kSymmetricSubBlock);
    blocks[j].centres = find_centres(blocks[j].x, blocks[j].w, range);
    largest = std::max(largest, std::abs(blocks[j].centres[0].scale));
  }
  for (std::size_t j = kSymmetricSubBlocks - 1; j > 0; --j) {
    blocks[j - 1].rest = blocks[j].rest + blocks[j].centres[0].error;
  }
  const float d0 = largest / kMaxScale;
  Trial best = try_scale(blocks, d0, range, std::numeric_limits<double>::infinity());
  const auto keep_better = [&](float d) {
    const Trial trial = try_scale(blocks, d, range, best.error);
    const bool better = trial.error < best.error;
    if (better) best = trial;
    return better;
  };
  for (const float step : kSteps) keep_better(d0 * step);
  for (int round = 0; round < 4; ++round) {
    if (!keep_better(solve_scale(blocks, best, range))) break;
  }
  SymmetricSide side;
  side.d = f32_to_f16(best.d);
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j)
    side.scales[j] = static_cast<std::int8_t>(best.choices[j].scale);
  return side;
}

}  // namespace quern
