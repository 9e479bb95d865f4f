// The search for the side information of q4_k and q5_k, in two stages.
//
// 1. Each sub-block alone, with real-valued scale and offset: a table of cuts at both ends of its range gives starting
//    grids; rounding and weighted least squares alternate from each. Several local minima are kept.
// 2. The super-block together: for a pair (d, dmin) every sub-block takes the 6-bit scale and min of the least exact
//    error near one of its minima. Pairs are tried around the smallest that reach the largest scale and offset, then
//    (d, dmin) is solved by least squares for the codes found, and the sub-blocks choose again, until nothing improves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"
#include "codec/affine_kquant.h"
#include "codec/grid_search.h"

namespace quern {
namespace {

constexpr float kMaxSide = 63.0f;
constexpr std::size_t kKept = 3;  // local minima of a sub-block that stage 2 starts from

struct SubBlock {
  std::span<const float> x, w;
  std::array<float, kAffineSubBlock> centred;  // x - mean: least squares without cancellation
  float mean = 0, weight = 0, power = 0;       // weighted mean of x, sum of w, sum of w * centred^2
};

// A grid near which stage 2 looks: along a change of scale the best offset moves by mean_code.
struct Centre {
  float scale = 0, offset = 0, mean_code = 0, error = 0;
};

struct Choice {
  float scale = 0, min = 0;  // 6-bit integers
  float error = std::numeric_limits<float>::infinity();
};

// A super-block and what stage 1 found. The sub-blocks view x and w.
struct Search {
  Search(std::span<const float> weights, std::span<const float> importance, int max_code);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  std::array<float, kSuperBlock> x, w;
  std::array<SubBlock, kAffineSubBlocks> blocks;
  std::array<std::array<Centre, kKept>, kAffineSubBlocks> centres;  // best first
  std::array<double, kAffineSubBlocks> rest{};  // sum of the real-valued errors of the sub-blocks behind each
  CodeRange range;
  float sign = 1;  // of dmin: -1 where all weights are positive
};

// A pair of super-scales and what the sub-blocks choose under it.
struct Trial {
  float d = 0, dmin = 0;
  std::array<Choice, kAffineSubBlocks> choices;
  double error = std::numeric_limits<double>::infinity();
};

SubBlock make_sub_block(std::span<const float> x, std::span<const float> w) {
  SubBlock block{.x = x, .w = w, .centred = {}};
  float sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    block.weight += w[k];
    sum += w[k] * x[k];
  }
  block.mean = sum / block.weight;
  for (std::size_t k = 0; k < x.size(); ++k) {
    block.centred[k] = x[k] - block.mean;
    block.power += w[k] * (block.centred[k] * block.centred[k]);
  }
  return block;
}

struct Refit {
  Grids grids;
  Lanes error, mean_code;
};

// Rounds to each grid and solves for the scale and offset of least error under those codes; offsets of the wrong sign
// become 0. `error` is that of the codes before another rounding.
Refit refit(const SubBlock& block, const Grids& grids, CodeRange range, float sign) {
  const Lanes inverse = reciprocal(grids.scale), shift = (grids.offset + block.mean) * inverse;
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  Lanes sum_q{}, sum_qq{}, sum_xq{};
  for (std::size_t k = 0; k < kAffineSubBlock; ++k) {
    const Lanes code = round_lanes(lane_min(lane_max(block.centred[k] * inverse + shift, low), high));
    const Lanes weighted = block.w[k] * code;
    sum_q += weighted;
    sum_qq += weighted * code;
    sum_xq += weighted * block.centred[k];
  }
  const Lanes mean_code = sum_q / block.weight;
  const Lanes spread = sum_qq - sum_q * mean_code;
  Lanes scale = spread > 0.0f ? sum_xq / spread : grids.scale;
  Lanes offset = scale * mean_code - block.mean;
  Lanes error = block.power - scale * sum_xq;
  const Lanes raw_xq = sum_xq + block.mean * sum_q;
  const Lanes pinned = sum_qq > 0.0f ? raw_xq / sum_qq : grids.scale;
  const auto wrong = sign * offset < 0.0f;
  error = wrong ? (block.power + block.mean * block.mean * block.weight) - pinned * raw_xq : error;
  scale = wrong ? pinned : scale;
  offset = wrong ? Lanes{} : offset;
  return {{scale, offset}, error, mean_code};
}

// Stage 1.
std::array<Centre, kKept> find_centres(const SubBlock& block, CodeRange range, float sign) {
  constexpr Lanes kLowCuts = {-0.03f, 0.0f, 0.03f, 0.06f, 0.09f, 0.13f, 0.17f, 0.22f};
  constexpr float kHighCuts[] = {-0.04f, -0.02f, 0.0f,  0.015f, 0.03f, 0.045f, 0.06f, 0.08f,
                                 0.1f,   0.13f,  0.16f, 0.2f,   0.24f, 0.29f,  0.35f};
  const auto [least, most] = std::minmax_element(block.x.begin(), block.x.end());
  const float bottom = sign > 0 ? std::min(*least, 0.0f) : std::max(*least, 0.0f);
  const float width = *most - bottom;
  const Lanes low = bottom + width * kLowCuts;
  Refit best{};
  best.error = all_lanes(std::numeric_limits<float>::infinity());
  for (const float cut : kHighCuts) {
    const Lanes scale = ((*most - width * cut) - low) / range.high;
    const Refit found = refit(block, {scale, -low}, range, sign);
    const auto better = found.error < best.error;
    best.error = better ? found.error : best.error;
    best.grids.scale = better ? found.grids.scale : best.grids.scale;
    best.grids.offset = better ? found.grids.offset : best.grids.offset;
  }
  best = refit(block, best.grids, range, sign);
  best = refit(block, best.grids, range, sign);
  std::array<Centre, kKept> centres;
  for (Centre& centre : centres) {
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

// The best of eight pairs of integers around a centre: four scales, and two mins for each.
void look_around(const SubBlock& block, const Centre& centre, float d, float dmin, CodeRange range, Choice& best) {
  constexpr Lanes kScaleSteps = {-1, -1, 0, 0, 1, 1, 2, 2}, kMinSteps = {0, 1, 0, 1, 0, 1, 0, 1};
  const Lanes zero{}, most = all_lanes(kMaxSide);
  const float first = d != 0 ? std::floor(std::min(centre.scale / d, kMaxSide)) : 0.0f;
  const Lanes scale = lane_min(lane_max(first + kScaleSteps, zero), most);
  const Lanes offset = centre.offset + (d * scale - centre.scale) * centre.mean_code;
  const Lanes target = lane_min(lane_max(dmin != 0 ? offset / dmin : zero, zero), most);
  const Lanes min = lane_min(round_lanes(target - 0.5f) + kMinSteps, most);
  const Lanes errors = grid_errors(block.x, block.w, {d * scale, dmin * lane_max(min, zero)}, range);
  const std::size_t lane = smallest_lane(errors);
  if (errors[lane] < best.error) best = {scale[lane], std::max(min[lane], 0.0f), errors[lane]};
}

// Lets every sub-block choose under (d, dmin); gives up once the error cannot stay below `limit`, taking real-valued
// minima as bounds of what integers near them can reach.
Trial try_pair(const Search& search, float d, float dmin, double limit) {
  Trial trial{.d = nearest_f16(d), .dmin = nearest_f16(dmin), .choices = {}};
  double error = 0;
  for (std::size_t j = 0; j < kAffineSubBlocks; ++j) {
    for (const Centre& centre : search.centres[j]) {
      if (centre.error < trial.choices[j].error) {
        look_around(search.blocks[j], centre, trial.d, trial.dmin, search.range, trial.choices[j]);
      }
    }
    error += trial.choices[j].error;
    if (!(error + search.rest[j] < limit)) return trial;
  }
  trial.error = error;
  return trial;
}

// The pair of least squared error for the codes of a trial, in double.
std::array<double, 2> solve_pair(const Search& search, const Trial& trial) {
  double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;
  for (std::size_t j = 0; j < kAffineSubBlocks; ++j) {
    const Choice& choice = trial.choices[j];
    const float scale = trial.d * choice.scale, offset = trial.dmin * choice.min;
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    double w0 = 0, wq = 0, wqq = 0, wx = 0, wxq = 0;
    for (std::size_t k = 0; k < kAffineSubBlock; ++k) {
      const double x = search.blocks[j].x[k], w = search.blocks[j].w[k];
      const double q = nearest_code((search.blocks[j].x[k] + offset) * inverse, search.range.low, search.range.high);
      w0 += w, wq += w * q, wqq += w * q * q, wx += w * x, wxq += w * x * q;
    }
    const double s = choice.scale, m = choice.min;
    uu += s * s * wqq, uv += s * m * wq, vv += m * m * w0, xu += s * wxq, xv += m * wx;
  }
  // x ~ d u - dmin v
  const double determinant = uu * vv - uv * uv;
  if (determinant > 1e-9 * uu * vv) return {(xu * vv - xv * uv) / determinant, (xu * uv - xv * uu) / determinant};
  return {uu > 0 ? xu / uu : 0.0, trial.dmin};
}

Search::Search(std::span<const float> weights, std::span<const float> importance, int max_code)
    : range{0.0f, static_cast<float>(max_code)} {
  make_searchable(weights, importance, x, w);
  if (*std::min_element(x.begin(), x.end()) > 0) sign = -1;
  for (std::size_t j = 0; j < kAffineSubBlocks; ++j) {
    const std::size_t first = j * kAffineSubBlock;
    blocks[j] =
        make_sub_block(std::span(x).subspan(first, kAffineSubBlock), std::span(w).subspan(first, kAffineSubBlock));
    centres[j] = find_centres(blocks[j], range, sign);
  }
  for (std::size_t j = kAffineSubBlocks - 1; j > 0; --j) rest[j - 1] = rest[j] + centres[j][0].error;
}

// Stage 2.
Trial find_pair(const Search& search) {
  constexpr float kSteps[] = {1.0f,   0.985f, 0.993f, 1.007f, 1.014f, 1.021f, 1.028f,
                              1.036f, 1.045f, 1.055f, 1.067f, 1.08f,  1.1f};
  float d0 = 0, dmin0 = 0;
  for (const auto& centres : search.centres) {
    d0 = std::max(d0, centres[0].scale / kMaxSide);
    dmin0 = std::max(dmin0, search.sign * centres[0].offset / kMaxSide);
  }
  dmin0 *= search.sign;
  Trial best = try_pair(search, d0, dmin0, std::numeric_limits<double>::infinity());
  const auto keep_better = [&](double d, double dmin) {
    const Trial trial = try_pair(search, static_cast<float>(d), static_cast<float>(dmin), best.error);
    const bool better = trial.error < best.error;
    if (better) best = trial;
    return better;
  };
  for (const float step : kSteps) keep_better(d0 * step, dmin0);
  for (const float step : kSteps) keep_better(best.d, dmin0 * step);
  for (int round = 0; round < 4; ++round) {
    const auto [d, dmin] = solve_pair(search, best);
    if (!keep_better(d, dmin)) break;
  }
  return best;
}

}  // namespace

AffineSide fit_affine(std::span<const float> weights, std::span<const float> importance, int max_code) {
  const Search search(weights, importance, max_code);
  const Trial found = find_pair(search);
  AffineSide side{.d = f32_to_f16(found.d), .dmin = f32_to_f16(found.dmin), .scales = {}, .mins = {}};
  for (std::size_t j = 0; j < kAffineSubBlocks; ++j) {
    side.scales[j] = static_cast<std::uint8_t>(found.choices[j].scale);
    side.mins[j] = static_cast<std::uint8_t>(found.choices[j].min);
  }
  return side;
}

}  // namespace quern
