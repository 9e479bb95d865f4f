// Scales for codebooks by search. Eight scales close together are judged at once, one a lane: the code of a weight is
// looked up under the first of them, and under the others it is the same or the next one outwards (Codebook::reach), so
// that one comparison settles it.
#include "search/codebook_search.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/bytes.h"

namespace quern {
namespace {

constexpr std::size_t kMostWeights = 64;

IntLanes nearest_codes(const Codebook& book, Lanes position) {
  IntLanes code{};
  for (std::size_t c = 1; c < kCodebookSize; ++c) code -= position > book.cuts[c];
  return code;
}

// The block and what a ladder has found so far.
struct Ladder {
  std::span<const float> x, w;
  float power = 0;  // sum of w x^2
  CodeFits fits;
};

// For each weight the one slot whose cut it may cross when it moves outwards from x * inverse.
void find_slots(const Codebook& book, std::span<const float> x, float inverse, std::span<std::int32_t> slots) {
  for (std::size_t k = 0; k < x.size(); k += kLanes) {
    const Lanes position = load<Lanes>(x.data() + k) * inverse;
    store(slots.data() + k, nearest_codes(book, position) - (position > 0.0f));
  }
}

void keep(CodeFits& fits, CodeFit found) {
  if (!(found.error < fits.back().error)) return;
  for (const CodeFit& fit : fits) {
    if (fit.scale == found.scale) return;
  }
  for (CodeFit& fit : fits) {
    if (found.error < fit.error) std::swap(found, fit);
  }
}

// Tries eight scales, largest magnitude first. REQUIRES: they span less than book.reach.
void try_scales(const Codebook& book, Lanes scale, Ladder& ladder) {
  const Lanes inverse = 1.0f / scale;
  std::array<std::int32_t, kMostWeights> slots;
  find_slots(book, ladder.x, inverse[0], slots);
  Lanes xv{}, vv{};
  for (std::size_t k = 0; k < ladder.x.size(); ++k) {
    const auto slot = static_cast<std::size_t>(slots[k]);
    const Lanes lower = all_lanes(book.lower[slot]), upper = all_lanes(book.upper[slot]);
    const Lanes value = ladder.x[k] * inverse > book.cuts[slot] ? upper : lower;
    const Lanes weighted = ladder.w[k] * value;
    xv = fused(weighted, all_lanes(ladder.x[k]), xv);
    vv = fused(weighted, value, vv);
  }
  const Lanes best = xv / vv, error = ladder.power - best * xv;
  for (unsigned left = lane_bits(error < ladder.fits.back().error); left != 0; left &= left - 1) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(left));
    keep(ladder.fits, {best[lane], error[lane], vv[lane]});
  }
}

}  // namespace

CodeFits find_code_fits(const Codebook& book, std::span<const float> x, std::span<const float> w) {
  // 1.03^-k: in a batch of eight the largest weight moves outwards by 3% a lane, and the batches follow each other.
  constexpr Lanes kSteps = {1.0f, 0.9709f, 0.9426f, 0.9151f, 0.8885f, 0.8626f, 0.8375f, 0.8131f};
  constexpr float kBatch = 0.7894f;
  // From the largest weight a little inside the last code; on while the error is so large that small weights must be
  // what matters.
  constexpr float kInside = 0.85f, kGood = 0.02f;
  constexpr int kBatches = 3, kMostBatches = 16;
  Ladder ladder{.x = x, .w = w, .fits = {}};
  float largest = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    largest = std::max(largest, std::abs(x[k]));
    ladder.power += w[k] * (x[k] * x[k]);
  }
  if (largest == 0) {
    ladder.fits[0] = {0, 0, 0};
    return ladder.fits;
  }
  const float low = largest / (kInside * book.values.front()), high = largest / (kInside * book.values.back());
  float shrink = 1;
  for (int batch = 0; batch < kMostBatches; ++batch, shrink *= kBatch) {
    if (batch >= kBatches && ladder.fits[0].error < kGood * ladder.power) break;
    try_scales(book, (high * shrink) * kSteps, ladder);
    try_scales(book, (low * shrink) * kSteps, ladder);
  }
  return ladder.fits;
}

ScaleJudgement judge_scale(const Codebook& book, std::span<const float> x, std::span<const float> w, float scale) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  Lanes error{}, xv{}, vv{};
  for (std::size_t k = 0; k < x.size(); k += kLanes) {
    const Lanes weights = load<Lanes>(x.data() + k), importance = load<Lanes>(w.data() + k);
    const Lanes position = weights * inverse;
    Lanes value = all_lanes(book.values[0]);
    for (std::size_t c = 1; c < kCodebookSize; ++c) value = position > book.cuts[c] ? all_lanes(book.values[c]) : value;
    const Lanes weighted = importance * value, distance = weights - scale * value;
    error = fused(importance * distance, distance, error);
    xv = fused(weighted, weights, xv);
    vv = fused(weighted, value, vv);
  }
  return {sum_of_lanes(error), sum_of_lanes(xv), sum_of_lanes(vv)};
}

void round_codebook(const Codebook& book, float scale, std::span<const float> weights, std::span<std::int32_t> codes,
                    std::span<float> values) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (std::size_t first = 0; first < weights.size(); first += kLanes) {
    const std::size_t count = std::min(kLanes, weights.size() - first);
    std::array<float, kLanes> some{};
    std::copy_n(weights.begin() + static_cast<std::ptrdiff_t>(first), count, some.begin());
    const IntLanes nearest = nearest_codes(book, load<Lanes>(some.data()) * inverse);
    for (std::size_t k = 0; k < count; ++k) {
      codes[first + k] = nearest[k];
      if (!values.empty()) values[first + k] = scale * book.values[static_cast<std::size_t>(nearest[k])];
    }
  }
}

}  // namespace quern
