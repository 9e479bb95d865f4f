// The scale of ternary codes. With magnitudes above a threshold on codes of 1 and the rest on 0, the best scale is the
// mean of those above, S / W (weighted), and lowers the squared error by S^2 / W. So only the threshold is searched:
// on a ladder from nothing to many times the mean, on a finer ladder around the best, and then along the thresholds
// that nearest codes themselves have, half of the scale, until S^2 / W stops growing.
#include "codec/ternary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "search/grid_search.h"

namespace quern {
namespace {

using Magnitudes = std::array<float, kTernaryBlock>;

struct Split {
  float threshold = 0, scale = 0, gain = 0;
};

struct Splits {
  Lanes scale, gain;
};

// Even and odd weights apart, so that one addition need not wait for the other.
Splits try_thresholds(const Magnitudes& a, const Magnitudes& w, Lanes threshold) {
  Lanes sums[2]{}, weights[2]{};
  for (std::size_t k = 0; k < kTernaryBlock; k += 2) {
    for (std::size_t odd = 0; odd < 2; ++odd) {
      const auto above = a[k + odd] > threshold;
      weights[odd] += above ? all_lanes(w[k + odd]) : Lanes{};
      sums[odd] += above ? all_lanes(w[k + odd] * a[k + odd]) : Lanes{};
    }
  }
  const Lanes sum = sums[0] + sums[1], weight = weights[0] + weights[1];
  const Lanes scale = weight > 0.0f ? sum / weight : Lanes{};
  return {scale, scale * sum};
}

void keep_best(const Splits& found, Lanes threshold, Split& best) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (found.gain[lane] > best.gain) best = {threshold[lane], found.scale[lane], found.gain[lane]};
  }
}

Split find_split(const Magnitudes& a, const Magnitudes& w) {
  constexpr Lanes kCoarse[] = {{0.0f, 0.1f, 0.25f, 0.4f, 0.55f, 0.7f, 0.85f, 1.0f},
                               {1.2f, 1.4f, 1.7f, 2.0f, 2.5f, 3.0f, 4.0f, 5.0f},
                               {7.0f, 9.0f, 12.0f, 16.0f, 24.0f, 40.0f, 80.0f, 160.0f}};
  constexpr Lanes kAround = {0.82f, 0.87f, 0.92f, 0.97f, 1.03f, 1.08f, 1.13f, 1.18f};
  float sum = 0, weight = 0;
  for (std::size_t k = 0; k < kTernaryBlock; ++k) sum += w[k] * a[k], weight += w[k];
  const float mean = sum / weight;
  Split best;
  for (const Lanes& steps : kCoarse) keep_best(try_thresholds(a, w, mean * steps), mean * steps, best);
  const Lanes around = best.threshold * kAround;
  keep_best(try_thresholds(a, w, around), around, best);
  for (int round = 0; round < 4; ++round) {
    const Lanes threshold = all_lanes(0.5f * best.scale);
    const float before = best.gain;
    keep_best(try_thresholds(a, w, threshold), threshold, best);
    if (!(best.gain > before)) break;
  }
  return best;
}

constexpr const Codec* kTernary[] = {&kTq2_0, &kTq1_0};
constexpr const Codec* kOfTensor[] = {&kTernary2Bit, &kI2S, &kI2SRows, &kTernaryB3};

bool is_among(std::span<const Codec* const> codecs, const Codec& codec) {
  return std::ranges::any_of(codecs, [&](const Codec* one) { return std::string_view(one->name) == codec.name; });
}

}  // namespace

std::span<const Codec* const> ternary_codecs() { return kTernary; }

bool is_ternary(const Codec& codec) { return is_among(kTernary, codec) || is_among(kOfTensor, codec); }

void fit_ternary(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  Magnitudes a, w;
  make_searchable(weights, importance, a, w);
  for (float& value : a) value = std::abs(value);
  store(side, f32_to_f16(nearest_f16(find_split(a, w).scale)));
}

void round_ternary(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights,
                   std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  const float d = f16_to_f32(load<std::uint16_t>(side)), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse, -1.0f, 1.0f);
    codes[k] = static_cast<std::int32_t>(code) + 1;
    if (!values.empty()) values[k] = d * code;
  }
}

}  // namespace quern
