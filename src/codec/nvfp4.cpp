// nvfp4, the NVFP4 of GGUF: 64 weights in 36 bytes, as ggml-common.h of llama.cpp lays them out (block_nvfp4).
//   0..3   scale of each 16 weights, E4M3 without a sign: bits 3..6 the exponent (bias 7), bits 0..2 the fraction
//   4..35  codes (E2M1), 8 bytes each 16 weights: byte k holds code k low and code 8 + k high
// Code q stands for scale / 2 * doubled[q] (e2m1.h). A scale of 0x7f, NaN in E4M3, is 0 (ggml_ue4m3_to_fp32); bit 7 has
// no meaning. No encoder writes either.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "codec/codec_table.h"
#include "codec/e2m1.h"
#include "search/grid_search.h"

namespace quern {
namespace {

constexpr std::size_t kScales = 4, kGroup = 16, kBlock = kScales * kGroup;
constexpr CodecPlane kPlanes[] = {{"blocks", kScales + kBlock / 2, 0}};
constexpr int kLeastScale = 1, kMostScale = 0x7e;
constexpr int kScalesAnOctave = 8;

// Half of what a byte stands for.
constexpr std::array<float, 256> kHalfScales = [] {
  std::array<float, 256> halves{};
  for (int byte = 0; byte < 256; ++byte) {
    const int exponent = byte >> 3 & 15, fraction = byte & 7;
    float value = static_cast<float>(exponent == 0 ? fraction : 8 + fraction) * 0x1p-10f;
    for (int power = 1; power < exponent; ++power) value *= 2;
    halves[static_cast<std::size_t>(byte)] = byte == 0x7f ? 0 : value;
  }
  return halves;
}();

float half_scale(std::byte byte) { return kHalfScales[std::to_integer<std::size_t>(byte)]; }

// The first of the scales with which 6 of 12 reach this weight: under a larger one, half of it has all the same values.
int largest_scale_of_use(float largest) {
  const auto at = std::lower_bound(kHalfScales.begin() + kLeastScale, kHalfScales.begin() + kMostScale, largest / 6);
  return static_cast<int>(at - kHalfScales.begin());
}

float largest_magnitude(std::span<const float> x) {
  Lanes largest{};
  for (std::size_t k = 0; k < kGroup; k += kLanes) {
    const Lanes value = load<Lanes>(x.data() + k);
    largest = lane_max(value < 0.0f ? -value : value, largest);
  }
  return largest_of(largest)[0];
}

// Scales an octave at a time, downwards: one that reaches the largest weight, one that cuts it to a half, and further
// while the error is so large that small weights must be what matters.
std::byte best_scale(std::span<const float> x, std::span<const float> w) {
  constexpr int kAlways = 2;
  constexpr float kGood = 0.03f;
  const Lanes powers = e2m1_errors(x, w, Lanes{}, Lanes{});
  float least = std::numeric_limits<float>::infinity();
  int best = kLeastScale;
  int high = largest_scale_of_use(largest_magnitude(x));
  for (int octave = 0; high >= kLeastScale; ++octave, high -= kScalesAnOctave) {
    std::array<float, kLanes> scales;
    for (int k = 0; k < kScalesAnOctave; ++k)
      scales[static_cast<std::size_t>(k)] = kHalfScales[static_cast<std::size_t>(std::max(high - k, kLeastScale))];
    const Lanes scale = load<Lanes>(scales.data()), errors = e2m1_errors(x, w, scale, 1.0f / scale);
    const std::size_t lane = smallest_lane(errors);
    if (errors[lane] < least) least = errors[lane], best = std::max(high - static_cast<int>(lane), kLeastScale);
    if (octave + 1 >= kAlways && least <= kGood * powers[0]) break;
  }
  return static_cast<std::byte>(best);
}

void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  std::array<float, kBlock> x, w;
  make_searchable(weights, importance, x, w);
  for (std::size_t k = 0; k < kScales; ++k)
    side[k] = best_scale(std::span(x).subspan(k * kGroup, kGroup), std::span(w).subspan(k * kGroup, kGroup));
}

void round(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
           std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  for (std::size_t at = 0, count; at < weights.size(); at += count) {
    count = std::min(kGroup - (first + at) % kGroup, weights.size() - at);
    const float scale = half_scale(side[(first + at) / kGroup]);
    round_e2m1(scale, 1.0f / scale, weights.subspan(at, count), codes.subspan(at, count),
               values.empty() ? values : values.subspan(at, count));
  }
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  std::copy_n(side, kScales, planes[0]);
  for (std::size_t k = 0; k < kBlock / 2; ++k) {
    const std::size_t low = k / 8 * kGroup + k % 8;
    planes[0][kScales + k] = static_cast<std::byte>(codes[low] | codes[low + kGroup / 2] << 4);
  }
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  for (std::size_t k = 0; k < kBlock / 2; ++k) {
    const std::size_t low = k / 8 * kGroup + k % 8;
    const float scale = half_scale(planes[0][k / 8]);
    const auto both = std::to_integer<std::size_t>(planes[0][kScales + k]);
    out[low] = scale * kDoubledE2m1[both & 15];
    out[low + kGroup / 2] = scale * kDoubledE2m1[both >> 4];
  }
}

}  // namespace

const Codec kNvfp4 = {.name = "nvfp4",
                      .summary = "4-bit floats (E2M1), an 8-bit float of 16 weights (GGUF NVFP4)",
                      .bits_per_weight = 4.5,
                      .block = kBlock,
                      .planes = kPlanes,
                      .side_bytes = kScales,
                      .fit = fit,
                      .round = round,
                      .pack = pack,
                      .decode = decode,
                      .use = Codec::Use::kTrained};

}  // namespace quern
