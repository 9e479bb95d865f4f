// The search for the side information of q5_k, q4_k and q2_k, in two stages.
//
// 1. Each sub-block alone, with real-valued scale and offset: a table of cuts at both ends of its range gives starting
//    grids; rounding and weighted least squares alternate from each. Several local minima are kept (affine_centres.h).
// 2. The super-block together: for a pair (d, dmin) every sub-block takes the integer scale and min of the least exact
//    error near one of its minima. Pairs are tried around the smallest that reach the largest scale and offset, then
//    (d, dmin) is solved by least squares for the codes found, and the sub-blocks choose again, until nothing improves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"
#include "codec/affine_kquant.h"

namespace quern {
namespace {

struct Choice {
  float scale = 0, min = 0;  // integers
  float error = std::numeric_limits<float>::infinity();
};

// A super-block and what stage 1 found. The sub-blocks view x and w.
struct Search {
  Search(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  const AffineFormat& format;
  std::array<float, kSuperBlock> x, w;
  std::array<AffineRun, kMaxAffineSubBlocks> blocks;
  std::array<std::array<AffineCentre, kAffineCentres>, kMaxAffineSubBlocks> centres;  // best first
  std::array<double, kMaxAffineSubBlocks> rest{};  // sum of the real-valued errors of the sub-blocks behind each
  float sign = 1;                                  // of dmin: -1 where all weights are positive
};

// A pair of super-scales and what the sub-blocks choose under it.
struct Trial {
  float d = 0, dmin = 0;
  std::array<Choice, kMaxAffineSubBlocks> choices;
  double error = std::numeric_limits<double>::infinity();
};

// The best of eight pairs of integers around a centre: four scales, and two mins for each.
void look_around(const AffineFormat& format, const AffineRun& block, const AffineCentre& centre, float d, float dmin,
                 Choice& best) {
  constexpr Lanes kScaleSteps = {-1, -1, 0, 0, 1, 1, 2, 2}, kMinSteps = {0, 1, 0, 1, 0, 1, 0, 1};
  const Lanes zero{}, most = all_lanes(format.max_side);
  const float first = d != 0 ? std::floor(std::min(centre.scale / d, format.max_side)) : 0.0f;
  const Lanes scale = lane_min(lane_max(first + kScaleSteps, zero), most);
  const Lanes offset = centre.offset + (d * scale - centre.scale) * centre.mean_code;
  const Lanes target = lane_min(lane_max(dmin != 0 ? offset / dmin : zero, zero), most);
  const Lanes min = lane_min(round_lanes(target - 0.5f) + kMinSteps, most);
  const Lanes errors = grid_errors(block.x, block.w, {d * scale, dmin * lane_max(min, zero)}, format.range());
  const std::size_t lane = smallest_lane(errors);
  if (errors[lane] < best.error) best = {scale[lane], std::max(min[lane], 0.0f), errors[lane]};
}

// Lets every sub-block choose under (d, dmin); gives up once the error cannot stay below `limit`, taking real-valued
// minima as bounds of what integers near them can reach.
Trial try_pair(const Search& search, float d, float dmin, double limit) {
  Trial trial{.d = nearest_f16(d), .dmin = nearest_f16(dmin), .choices = {}};
  double error = 0;
  for (std::size_t j = 0; j < search.format.sub_blocks(); ++j) {
    for (const AffineCentre& centre : search.centres[j]) {
      if (centre.error < trial.choices[j].error) {
        look_around(search.format, search.blocks[j], centre, trial.d, trial.dmin, trial.choices[j]);
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
  const CodeRange range = search.format.range();
  double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;
  for (std::size_t j = 0; j < search.format.sub_blocks(); ++j) {
    const Choice& choice = trial.choices[j];
    const float scale = trial.d * choice.scale, offset = trial.dmin * choice.min;
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    double w0 = 0, wq = 0, wqq = 0, wx = 0, wxq = 0;
    for (std::size_t k = 0; k < search.format.sub_block; ++k) {
      const double x = search.blocks[j].x[k], w = search.blocks[j].w[k];
      const double q = nearest_code((search.blocks[j].x[k] + offset) * inverse, range.low, range.high);
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

Search::Search(const AffineFormat& shape, std::span<const float> weights, std::span<const float> importance)
    : format(shape) {
  make_searchable(weights, importance, x, w);
  if (*std::min_element(x.begin(), x.end()) > 0) sign = -1;
  const OffsetSign allowed = sign > 0 ? OffsetSign::kNotNegative : OffsetSign::kNotPositive;
  for (std::size_t j = 0; j < format.sub_blocks(); ++j) {
    const std::size_t first = j * format.sub_block;
    blocks[j] =
        make_affine_run(std::span(x).subspan(first, format.sub_block), std::span(w).subspan(first, format.sub_block));
    centres[j] = find_affine_centres(blocks[j], format.range(), allowed, format.cuts);
  }
  for (std::size_t j = format.sub_blocks() - 1; j > 0; --j) rest[j - 1] = rest[j] + centres[j][0].error;
}

// Stage 2.
Trial find_pair(const Search& search) {
  float d0 = 0, dmin0 = 0;
  for (const auto& centres : std::span(search.centres).first(search.format.sub_blocks())) {
    d0 = std::max(d0, centres[0].scale / search.format.max_side);
    dmin0 = std::max(dmin0, search.sign * centres[0].offset / search.format.max_side);
  }
  dmin0 *= search.sign;
  Trial best = try_pair(search, d0, dmin0, std::numeric_limits<double>::infinity());
  const auto keep_better = [&](double d, double dmin) {
    const Trial trial = try_pair(search, static_cast<float>(d), static_cast<float>(dmin), best.error);
    const bool better = trial.error < best.error;
    if (better) best = trial;
    return better;
  };
  for (const float step : search.format.steps) keep_better(d0 * step, dmin0);
  for (const float step : search.format.steps) keep_better(best.d, dmin0 * step);
  for (int round = 0; round < 4; ++round) {
    const auto [d, dmin] = solve_pair(search, best);
    if (!keep_better(d, dmin)) break;
  }
  return best;
}

}  // namespace

AffineSide fit_affine(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance) {
  const Search search(format, weights, importance);
  const Trial found = find_pair(search);
  AffineSide side{.d = f32_to_f16(found.d), .dmin = f32_to_f16(found.dmin), .scales = {}, .mins = {}};
  for (std::size_t j = 0; j < format.sub_blocks(); ++j) {
    side.scales[j] = static_cast<std::uint8_t>(found.choices[j].scale);
    side.mins[j] = static_cast<std::uint8_t>(found.choices[j].min);
  }
  return side;
}

}  // namespace quern
