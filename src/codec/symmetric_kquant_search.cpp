// The search for the side information of q6_k and q3_k, in two stages as for q4_k (affine_kquant_search.cpp) but with
// one dimension less.
//
// 1. Each sub-block alone: real-valued scales of both signs (the range of codes is not symmetric) from least squares
//    after rounding; the best few are kept (symmetric_centres.h).
// 2. The super-block together: for a given d every sub-block takes the integer scale of the least exact error near one
// of
//    its own. Several d are tried, then d is solved by least squares for the codes found, until nothing improves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"
#include "codec/symmetric_kquant.h"

namespace quern {
namespace {

struct SubBlock {
  std::span<const float> x, w;
  std::array<SymmetricCentre, kSymmetricCentres> centres;  // best first
  double rest = 0;                                         // sum of the best errors of the sub-blocks behind this one
};

struct Choice {
  float scale = 0, error = std::numeric_limits<float>::infinity();
};

struct Trial {
  float d = 0;
  std::array<Choice, kSymmetricSubBlocks> choices;
  double error = std::numeric_limits<double>::infinity();
};

// Lets every sub-block choose under d; gives up once the error cannot stay below `limit`, taking real-valued minima as
// bounds of what integers near them can reach.
Trial try_scale(const SymmetricFormat& format, std::span<const SubBlock> blocks, float d, double limit) {
  constexpr Lanes kSteps = {-3, -2, -1, 0, 1, 2, 3, 4};
  const CodeRange scales = format.scales;
  Trial trial{.d = nearest_f16(d), .choices = {}};
  double error = 0;
  for (std::size_t j = 0; j < blocks.size(); ++j) {
    Choice& choice = trial.choices[j];
    for (const SymmetricCentre& centre : blocks[j].centres) {
      if (!(centre.error < choice.error)) break;
      const float first = trial.d != 0 ? std::floor(std::clamp(centre.scale / trial.d, scales.low, scales.high)) : 0.0f;
      const Lanes scale = lane_min(lane_max(first + kSteps, all_lanes(scales.low)), all_lanes(scales.high));
      const Lanes errors = grid_errors(blocks[j].x, blocks[j].w, {trial.d * scale, Lanes{}}, format.codes);
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

SymmetricSide fit_symmetric(const SymmetricFormat& format, std::span<const float> weights,
                            std::span<const float> importance) {
  std::array<float, kSuperBlock> x, w;
  make_searchable(weights, importance, x, w);
  std::array<SubBlock, kSymmetricSubBlocks> blocks;
  float largest = 0;
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    blocks[j].x = std::span(x).subspan(j * kSymmetricSubBlock, kSymmetricSubBlock);
    blocks[j].w = std::span(w).subspan(j * kSymmetricSubBlock, kSymmetricSubBlock);
    blocks[j].centres = find_symmetric_centres(blocks[j].x, blocks[j].w, format.codes, format.ladder);
    largest = std::max(largest, std::abs(blocks[j].centres[0].scale));
  }
  for (std::size_t j = kSymmetricSubBlocks - 1; j > 0; --j) {
    blocks[j - 1].rest = blocks[j].rest + blocks[j].centres[0].error;
  }
  const float d0 = largest / format.scales.high;
  Trial best = try_scale(format, blocks, d0, std::numeric_limits<double>::infinity());
  const auto keep_better = [&](float d) {
    const Trial trial = try_scale(format, blocks, d, best.error);
    const bool better = trial.error < best.error;
    if (better) best = trial;
    return better;
  };
  for (const float step : format.steps) keep_better(d0 * step);
  for (int round = 0; round < 4; ++round) {
    if (!keep_better(solve_scale(blocks, best, format.codes))) break;
  }
  SymmetricSide side;
  side.d = f32_to_f16(best.d);
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j)
    side.scales[j] = static_cast<std::int8_t>(best.choices[j].scale);
  return side;
}

}  // namespace quern
