// The search for the side information of q6_k and q3_k.
//
// 1. Each sub-block alone: real-valued scales of both signs (the range of codes is not symmetric) from least squares
//    after rounding; the best few are kept (symmetric_centres.h), each with the parabola of its error.
// 2. The super-block together: eight d at a time, every sub-block takes the integer scale that its parabolas like best,
//    without looking at the weights again.
// 3. At the best d every sub-block takes the integer scale of least exact error near those of its centres; then d is
//    solved by least squares for the codes found, until nothing improves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/scalars.h"
#include "codec/symmetric_kquant.h"

namespace quern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct SubBlocks {
  std::array<float, kSuperBlock> x, w;
  std::array<SymmetricCentres, kSymmetricSubBlocks> centres;  // best first

  SymmetricRun run(std::size_t j) const {
    return {x.data() + j * kSymmetricSubBlock, w.data() + j * kSymmetricSubBlock};
  }
};

// What a sub-block chose under some d, and the sums of its codes.
struct Choice {
  float scale = 0, loss = kInfinity;  // loss: the error less that of codes that are all 0
  float xq = 0, qq = 0;
};

struct Trial {
  float d = 0;
  std::array<Choice, kSymmetricSubBlocks> choices;
  double loss = std::numeric_limits<double>::infinity();
};

Lanes clamp_lanes(Lanes value, CodeRange range) { return lane_clamp(value, range.low, range.high); }

// Stage 2: what each d would cost.
Lanes estimate(const SubBlocks& blocks, Lanes d, CodeRange scales) {
  const Lanes inverse = reciprocal(d);
  Lanes sum{};
  for (const SymmetricCentres& centres : blocks.centres) {
    Lanes least = all_lanes(kInfinity);
    for (const SymmetricCentre& centre : centres) {
      const Lanes distance = d * round_lanes(clamp_lanes(centre.scale * inverse, scales)) - centre.scale;
      least = lane_min(fused(centre.curvature * distance, distance, all_lanes(-centre.gain)), least);
    }
    sum += least;
  }
  return sum;
}

// Stage 3: four integers near each of the two best centres.
Lanes near_scales(const SymmetricCentres& centres, float d, CodeRange scales) {
  static_assert(kSymmetricCentres == 2);
  constexpr Lanes kSteps = {-1, 0, 1, 2, -1, 0, 1, 2};
  const float a = centres[0].scale, b = centres[1].gain > 0 ? centres[1].scale : a;
  const Lanes near = Lanes{a, a, a, a, b, b, b, b} * (d != 0 ? 1.0f / d : 0.0f);
  return clamp_lanes(round_lanes(clamp_lanes(near, scales) - 0.5f) + kSteps, scales);
}

Trial try_scale(const SymmetricFormat& format, const SubBlocks& blocks, float d) {
  constexpr std::size_t kTogether = 4;  // sub-blocks side by side
  Trial trial{.d = nearest_f16(d), .choices = {}, .loss = 0};
  for (std::size_t j = 0; j < kSymmetricSubBlocks; j += kTogether) {
    std::array<SymmetricRun, kTogether> runs;
    std::array<Lanes, kTogether> scale, decoded;
    for (std::size_t i = 0; i < kTogether; ++i) {
      runs[i] = blocks.run(j + i);
      scale[i] = near_scales(blocks.centres[j + i], trial.d, format.scales);
      decoded[i] = trial.d * scale[i];
    }
    const auto sums = sum_codes(runs, decoded, format.codes);
    for (std::size_t i = 0; i < kTogether; ++i) {
      const Lanes loss = decoded[i] * (decoded[i] * sums[i].qq - 2.0f * sums[i].xq);
      const std::size_t lane = smallest_lane(loss);
      trial.choices[j + i] = {scale[i][lane], loss[lane], sums[i].xq[lane], sums[i].qq[lane]};
      trial.loss += loss[lane];
    }
  }
  return trial;
}

// The d of least squared error for the codes of a trial.
float solve_scale(const Trial& trial) {
  double xu = 0, uu = 0;
  for (const Choice& choice : trial.choices) {
    const double scale = choice.scale;
    xu += scale * choice.xq;
    uu += scale * scale * choice.qq;
  }
  return uu > 0 ? static_cast<float>(xu / uu) : trial.d;
}

// The d of the ladder that costs least by the parabolas; where binary16 has few values, of its values around.
float scan(const SymmetricFormat& format, const SubBlocks& blocks) {
  constexpr float kFewHalves = 0x1p-18f;  // steps of binary16 are larger than those of the ladder below
  float largest = 0;
  for (const SymmetricCentres& centres : blocks.centres) largest = std::max(largest, std::abs(centres[0].scale));
  const float whole = largest / format.scales.high;
  float best = whole, least = kInfinity;
  const auto keep_better = [&](Lanes d) {
    const Lanes losses = estimate(blocks, d, format.scales);
    const std::size_t lane = smallest_lane(losses);
    if (losses[lane] < least) best = d[lane], least = losses[lane];
  };
  for (const float sign : {1.0f, -1.0f}) {
    for (const Lanes& steps : format.steps) keep_better(nearest_f16(sign * whole * steps));
    if (whole < kFewHalves) keep_better(f16_around(sign * whole));
  }
  return best;
}

}  // namespace

SymmetricSide fit_symmetric(const SymmetricFormat& format, std::span<const float> weights,
                            std::span<const float> importance) {
  constexpr int kRounds = 1;
  SubBlocks blocks;
  make_searchable(weights, importance, blocks.x, blocks.w);
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j)
    blocks.centres[j] = find_symmetric_centres(blocks.run(j), format.codes, format.ladder);
  Trial best = try_scale(format, blocks, scan(format, blocks));
  for (int round = 0; round < kRounds; ++round) {
    const Trial trial = try_scale(format, blocks, solve_scale(best));
    if (!(trial.loss < best.loss)) break;
    best = trial;
  }
  SymmetricSide side;
  side.d = f32_to_f16(best.d);
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j)
    side.scales[j] = static_cast<std::int8_t>(best.choices[j].scale);
  return side;
}

}  // namespace quern
