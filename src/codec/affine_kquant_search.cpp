// The search for the side information of q5_k, q4_k and q2_k.
//
// 1. Each sub-block alone, with real-valued scale and offset: a table of cuts at both ends of its range gives starting
//    grids; rounding and weighted least squares alternate from each. The best codes are kept, each with the quadratic
//    form of its error (affine_centres.h).
// 2. The super-block together: for pairs (d, dmin), eight at a time, every sub-block takes the integer scale and min
//    that its quadratic forms like best, without looking at the weights again.
// 3. At the best pair every sub-block takes the integers of least exact error near those of stage 2; then (d, dmin) is
//    solved by least squares for the codes found, and the sub-blocks choose again, until nothing improves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"
#include "codec/affine_kquant.h"

namespace quern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kMostSteps = 16;

// What a sub-block chose under some pair, and what is known of its codes.
struct Choice {
  float scale = 0, min = 0;  // integers
  float loss = kInfinity, mean_code = 0, spread = 0, xq = 0;
};

// A pair of super-scales and what the sub-blocks choose under it.
struct Trial {
  float d = 0, dmin = 0;
  std::array<Choice, kMaxAffineSubBlocks> choices;
  double loss = std::numeric_limits<double>::infinity();
};

struct Pair {
  float d = 0, dmin = 0;
};

template <std::size_t kSubBlock>
class Search {
 public:
  Search(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance);

  Trial best() const;

 private:
  static constexpr std::size_t kSubBlocks = kSuperBlock / kSubBlock;
  using MinLosses = std::array<Lanes, kMostSteps>;

  Pair scan() const;
  void add_losses(std::size_t block, Lanes d, std::span<const float> dmins, MinLosses& sums) const;
  Choice choose(std::size_t block, float d, float dmin) const;
  Trial try_pair(Pair pair) const;
  Pair solve(const Trial& trial) const;

  const AffineFormat& format_;
  float sign_ = 1;  // of dmin: -1 where all weights are positive
  std::array<AffineRun<kSubBlock>, kSubBlocks> runs_;
  std::array<AffineCentres, kSubBlocks> centres_;  // best first
};

Lanes clamp_lanes(Lanes value, float most) { return lane_clamp(value, 0.0f, most); }

template <std::size_t kSubBlock>
Search<kSubBlock>::Search(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance)
    : format_(format) {
  std::array<float, kSuperBlock> x, w;
  make_searchable(weights, importance, x, w);
  float least = kInfinity;
  for (std::size_t j = 0; j < kSubBlocks; ++j) {
    runs_[j] = make_affine_run(std::span<const float, kSubBlock>(x.data() + j * kSubBlock, kSubBlock),
                               std::span<const float, kSubBlock>(w.data() + j * kSubBlock, kSubBlock));
    least = std::min(least, runs_[j].least);
  }
  if (least > 0) sign_ = -1;
  const OffsetSign allowed = sign_ > 0 ? OffsetSign::kNotNegative : OffsetSign::kNotPositive;
  for (std::size_t j = 0; j < kSubBlocks; ++j)
    centres_[j] = find_affine_centres(runs_[j], format.range(), allowed, format.cuts);
}

// Adds what a sub-block would lose under each d with each dmin, by its quadratic forms.
template <std::size_t kSubBlock>
void Search<kSubBlock>::add_losses(std::size_t block, Lanes d, std::span<const float> dmins, MinLosses& sums) const {
  const AffineRun<kSubBlock>& run = runs_[block];
  const Lanes inverse = reciprocal(d);
  std::array<Lanes, kAffineCentres> curve, offset;
  for (std::size_t c = 0; c < kAffineCentres; ++c) {
    const AffineCentre& centre = centres_[block][c];
    const Lanes scale = d * round_lanes(clamp_lanes(centre.scale * inverse, format_.max_side));
    curve[c] = scale * (scale * centre.spread - 2.0f * centre.xq);
    offset[c] = scale * centre.mean_code - run.mean;
  }
  for (std::size_t m = 0; m < dmins.size(); ++m) {
    const float per_min = dmins[m] != 0 ? 1.0f / dmins[m] : 0.0f;
    Lanes least = all_lanes(kInfinity);
    for (std::size_t c = 0; c < kAffineCentres; ++c) {
      const Lanes off = dmins[m] * round_lanes(clamp_lanes(offset[c] * per_min, format_.max_side)) - offset[c];
      least = lane_min(fused(run.weight * off, off, curve[c]), least);
    }
    sums[m] += least;
  }
}

// Stage 2: the pair of the ladders that loses least.
template <std::size_t kSubBlock>
Pair Search<kSubBlock>::scan() const {
  float d0 = 0, dmin0 = 0;
  for (const AffineCentres& centres : centres_) {
    d0 = std::max(d0, centres[0].scale / format_.max_side);
    dmin0 = std::max(dmin0, sign_ * centres[0].offset / format_.max_side);
  }
  std::array<float, kMostSteps> room;
  const auto dmins = std::span(room).first(kLanes * format_.steps.size());
  for (std::size_t i = 0; i < format_.steps.size(); ++i)
    store(dmins.data() + kLanes * i, nearest_scale(sign_ * dmin0 * format_.steps[i]));
  Pair best{d0, sign_ * dmin0};
  float least = kInfinity;
  for (const Lanes& steps : format_.steps) {
    const Lanes d = nearest_scale(d0 * steps);
    MinLosses sums{};
    for (std::size_t j = 0; j < kSubBlocks; ++j) add_losses(j, d, dmins, sums);
    for (std::size_t m = 0; m < dmins.size(); ++m) {
      const std::size_t lane = smallest_lane(sums[m]);
      if (sums[m][lane] < least) best = {d[lane], dmins[m]}, least = sums[m][lane];
    }
  }
  return best;
}

// Stage 3: two scales near each of the two centres, and two mins for each scale.
template <std::size_t kSubBlock>
Choice Search<kSubBlock>::choose(std::size_t block, float d, float dmin) const {
  static_assert(kAffineCentres == 2);
  constexpr Lanes kScaleSteps = {0, 0, 1, 1, 0, 0, 1, 1}, kMinSteps = {0, 1, 0, 1, 0, 1, 0, 1};
  const AffineRun<kSubBlock>& run = runs_[block];
  const AffineCentre &a = centres_[block][0], &b = centres_[block][1];
  const Lanes near = Lanes{a.scale, a.scale, a.scale, a.scale, b.scale, b.scale, b.scale, b.scale};
  const Lanes mean_code =
      Lanes{a.mean_code, a.mean_code, a.mean_code, a.mean_code, b.mean_code, b.mean_code, b.mean_code, b.mean_code};
  const Lanes exact = clamp_lanes(d != 0 ? near * (1.0f / d) : Lanes{}, format_.max_side);
  const Lanes scale = clamp_lanes(round_lanes(exact - 0.5f) + kScaleSteps, format_.max_side);
  const Lanes offset = d * scale * mean_code - run.mean;
  const Lanes target = clamp_lanes(dmin != 0 ? offset * (1.0f / dmin) : Lanes{}, format_.max_side);
  const Lanes min = clamp_lanes(round_lanes(target - 0.5f) + kMinSteps, format_.max_side);
  const Grids grids{d * scale, dmin * min};
  const auto [codes] = round_to_grids<1>(run, {grids}, format_.range());
  const Lanes loss = codes.loss(grids.scale, grids.offset + run.mean, run.weight);
  const std::size_t lane = smallest_lane(loss);
  return {scale[lane], min[lane], loss[lane], codes.mean_code[lane], codes.spread[lane], codes.xq[lane]};
}

template <std::size_t kSubBlock>
Trial Search<kSubBlock>::try_pair(Pair pair) const {
  Trial trial{.d = nearest_scale(pair.d), .dmin = nearest_scale(pair.dmin), .choices = {}, .loss = 0};
  for (std::size_t j = 0; j < kSubBlocks; ++j) {
    trial.choices[j] = choose(j, trial.d, trial.dmin);
    trial.loss += trial.choices[j].loss;
  }
  return trial;
}

// The pair of least squared error for the codes of a trial: x ~ d u - dmin v with u = scale * q, v = min.
template <std::size_t kSubBlock>
Pair Search<kSubBlock>::solve(const Trial& trial) const {
  double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;
  for (std::size_t j = 0; j < kSubBlocks; ++j) {
    const Choice& choice = trial.choices[j];
    const double s = choice.scale, m = choice.min, weight = runs_[j].weight, mean = runs_[j].mean;
    const double wq = weight * choice.mean_code;
    uu += s * s * (choice.spread + wq * choice.mean_code), uv += s * m * wq, vv += m * m * weight;
    xu += s * (choice.xq + mean * wq), xv += m * mean * weight;
  }
  const double determinant = uu * vv - uv * uv;
  if (determinant > 1e-9 * uu * vv)
    return {static_cast<float>((xu * vv - xv * uv) / determinant),
            static_cast<float>((xu * uv - xv * uu) / determinant)};
  return {uu > 0 ? static_cast<float>(xu / uu) : 0.0f, trial.dmin};
}

template <std::size_t kSubBlock>
Trial Search<kSubBlock>::best() const {
  constexpr int kRounds = 2;
  Trial best = try_pair(scan());
  for (int round = 0; round < kRounds; ++round) {
    const Trial trial = try_pair(solve(best));
    if (!(trial.loss < best.loss)) break;
    best = trial;
  }
  return best;
}

}  // namespace

template <std::size_t kSubBlock>
AffineSide fit_affine(const AffineFormat& format, std::span<const float> weights, std::span<const float> importance) {
  const Trial found = Search<kSubBlock>(format, weights, importance).best();
  AffineSide side{.d = f32_to_f16(found.d), .dmin = f32_to_f16(found.dmin), .scales = {}, .mins = {}};
  for (std::size_t j = 0; j < kSuperBlock / kSubBlock; ++j) {
    side.scales[j] = static_cast<std::uint8_t>(found.choices[j].scale);
    side.mins[j] = static_cast<std::uint8_t>(found.choices[j].min);
  }
  return side;
}

template AffineSide fit_affine<16>(const AffineFormat&, std::span<const float>, std::span<const float>);
template AffineSide fit_affine<32>(const AffineFormat&, std::span<const float>, std::span<const float>);

}  // namespace quern
