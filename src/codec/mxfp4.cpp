// mxfp4, the MXFP4 of GGUF and of the OCP Microscaling specification 1.0: 32 weights in 17 bytes.
//   0      e, the power of two of the scale (E8M0)
//   1..16  codes (E2M1): byte k holds code k low and code 16 + k high
// Code q stands for 2^(e - 128) * doubled[q] (e2m1.h): half the scale, for twice the values. Where the specification
// has NaN, at e = 255, llama.cpp has 2^127, and so has `decode`; no encoder writes it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "codec/codec_table.h"
#include "codec/e2m1.h"
#include "codec/split_nibbles.h"
#include "search/grid_search.h"

namespace quern {
namespace {

constexpr CodecPlane kPlanes[] = {{"blocks", 1 + kSplitNibbles / 2, 0}};
constexpr int kBias = 128;
// What `fit` chooses from: both the scale and its inverse are normal, and 12 * the scale is finite.
constexpr int kLeastPower = -126, kMostPower = 124;

// Of -149..128; 2^128 is infinity.
float power_of_two(int power) {
  return std::bit_cast<float>(power < -126 ? 1u << (power + 149) : static_cast<std::uint32_t>(power + 127) << 23);
}

// Of the largest finite weight, as a power of two at or below it.
int largest_power(std::span<const float> weights) {
  const Lanes limit = all_lanes(std::numeric_limits<float>::max());
  Lanes largest{};
  for (std::size_t k = 0; k < kSplitNibbles; k += kLanes) {
    const Lanes value = load<Lanes>(weights.data() + k), magnitude = value < 0.0f ? -value : value;
    largest = lane_max(magnitude <= limit ? magnitude : Lanes{}, largest);
  }
  float most = std::numeric_limits<float>::min();  // the least normal number
  for (std::size_t lane = 0; lane < kLanes; ++lane) most = std::max(most, largest[lane]);
  return std::ilogb(most);
}

// Every power of two from one that wastes a bit down to one that cuts the largest weight to a 64th, and further while
// the error is so large that small weights must be what matters.
void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  constexpr int kBatches = 4;
  constexpr float kGood = 0.03f;
  constexpr Lanes kHalves = {1.0f, 0x1p-1f, 0x1p-2f, 0x1p-3f, 0x1p-4f, 0x1p-5f, 0x1p-6f, 0x1p-7f};
  const int up = largest_power(weights);
  std::array<float, kSplitNibbles> scaled, x, w;
  for (std::size_t k = 0; k < kSplitNibbles; ++k) scaled[k] = weights[k] * power_of_two(-up);
  make_searchable(scaled, importance, x, w);
  Lanes powers{};
  for (std::size_t k = 0; k < kSplitNibbles; k += kLanes) {
    const Lanes some = load<Lanes>(x.data() + k);
    powers += (load<Lanes>(w.data() + k) * some) * some;
  }
  const float good = kGood * (((powers[0] + powers[4]) + (powers[2] + powers[6])) +
                              ((powers[1] + powers[5]) + (powers[3] + powers[7])));
  const Lanes low = all_lanes(power_of_two(std::max(kLeastPower - up, kLeastPower)));
  const Lanes high = all_lanes(power_of_two(std::min(kMostPower - up, 0)));
  float least = std::numeric_limits<float>::infinity();
  float best = low[0];
  for (int batch = 0, first = -2; batch < kBatches; ++batch, first -= static_cast<int>(kLanes)) {
    const Lanes scale = lane_min(lane_max(power_of_two(first) * kHalves, low), high);
    const Lanes errors = e2m1_errors(x, w, scale, 1.0f / scale);
    const std::size_t lane = smallest_lane(errors);
    if (errors[lane] < least) least = errors[lane], best = scale[lane];
    if (least <= good) break;
  }
  store(side, static_cast<std::uint8_t>(std::ilogb(best) + up + kBias));
}

// GGML_E8M0_TO_FP32_HALF of llama.cpp.
float scale_of(std::uint8_t e) { return power_of_two(static_cast<int>(e) - kBias); }

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const auto e = load<std::uint8_t>(side);
  round_e2m1(scale_of(e), power_of_two(kBias - static_cast<int>(e)), weights, codes, values);
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  store(planes[0], load<std::uint8_t>(side));
  pack_split_nibbles(codes, planes[0] + 1);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  decode_split_nibbles(planes[0] + 1, kDoubledE2m1, scale_of(load<std::uint8_t>(planes[0])), out);
}

}  // namespace

const Codec kMxfp4 = {"mxfp4", "4-bit floats (E2M1), one power of two of 32 weights (GGUF MXFP4)",
                      4.25,    kSplitNibbles,
                      kPlanes, sizeof(std::uint8_t),
                      fit,     round,
                      pack,    decode,
                      nullptr, 0,
                      nullptr, Codec::Use::kTrained};

}  // namespace quern
