// nf4 and nf4_dq, the 4-bit types of bitsandbytes: 64 weights of a row on 16 quantiles of a normal distribution, in two
// planes.
//   codes   32 bytes a block: two codes a byte, the first in the high four bits
//   absmax  4 bytes a block: the scale, binary32
// Code q stands for kNf4Levels[q] * absmax. In nf4_dq the scales of 256 consecutive blocks of the tensor are dynamic
// 8-bit numbers (base/dynamic8.h) times the largest of them; `settle` makes them so, and a container stores them in a
// byte each and 4 bytes a run.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/dynamic8.h"
#include "base/nf4_levels.h"
#include "codec/codec_table.h"
#include "search/bf16_scale_search.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 64, kCodes = kNf4Levels.size();
constexpr std::uint64_t kSettledBlocks = 256;
constexpr float kLeastScale = 1e-37f;  // whose reciprocal is finite
constexpr CodecPlane kPlanes[] = {{"codes", kBlock / 2, 0}, {"absmax", 4, 0}};

// Between neighbours; a value on a bound takes the lower code, as there.
constexpr std::array<float, kCodes - 1> kBounds = [] {
  std::array<float, kCodes - 1> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = (kNf4Levels[i] + kNf4Levels[i + 1]) / 2;
  return bounds;
}();

float reciprocal_of(float absmax) { return absmax != 0 ? 1.0f / absmax : 0.0f; }

std::size_t code_of(float position) {
  std::size_t code = 0;
  for (const float bound : kBounds) code += position > bound;
  return code;
}

// Sum of w * (x - decoded)^2 under each of eight scales.
Lanes errors_of(const ScaledRow& block, Lanes scale) {
  const Lanes inverse = reciprocal(scale);
  Lanes sum{};
  for (std::size_t k = 0; k < block.x.size(); ++k) {
    const Lanes position = block.x[k] * inverse;
    Lanes level = all_lanes(kNf4Levels[0]);
    for (std::size_t i = 0; i < kBounds.size(); ++i)
      level = position > kBounds[i] ? all_lanes(kNf4Levels[i + 1]) : level;
    const Lanes distance = position - level;
    sum += (block.w[k] * distance) * distance;
  }
  return (sum * scale) * scale;
}

struct BestScale {
  float scale = 0, error = 0;
};

void try_scales(const ScaledRow& block, Lanes scales, BestScale& best) {
  const Lanes errors = errors_of(block, scales);
  const std::size_t lane = smallest_lane(errors);
  if (errors[lane] < best.error) best = {scales[lane], errors[lane]};
}

// The scale of least squared error for the codes under `scale`.
float solve_scale(const ScaledRow& block, float scale) {
  const float inverse = reciprocal_of(scale);
  double xl = 0, ll = 0;
  for (std::size_t k = 0; k < block.x.size(); ++k) {
    const double level = kNf4Levels[code_of(block.x[k] * inverse)], w = block.w[k];
    xl += w * level * block.x[k];
    ll += w * level * level;
  }
  return ll > 0 && xl > 0 ? static_cast<float>(xl / ll) : scale;
}

// The largest magnitude first, which is bitsandbytes' choice, so that nothing worse is ever kept; then a ladder below
// and a little above it, and least squares for the codes found.
void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const ScaledRow block = make_scaled_row(weights, importance);
  if (block.largest < kLeastScale) return store(side, 0.0f);
  const float whole = block.largest * block.unit;
  BestScale best = {whole, errors_of(block, all_lanes(whole))[0]};
  constexpr float kStep = 0.012f;
  constexpr Lanes kSteps = {0, 1, 2, 3, 4, 5, 6, 7};
  for (float first = 0.58f; first < 1.08f; first += 8 * kStep)
    try_scales(block, whole * (first + kStep * kSteps), best);
  try_scales(block, whole * (0.22f + 0.045f * kSteps), best);
  for (int round = 0; round < 2; ++round) try_scales(block, all_lanes(solve_scale(block, best.scale)), best);
  store(side, std::max(best.scale / block.unit, kLeastScale));
}

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const float absmax = load<float>(side), inverse = reciprocal_of(absmax);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::size_t code = code_of(weights[k] * inverse);
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = kNf4Levels[code] * absmax;
  }
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); k += 2)
    planes[0][k / 2] = static_cast<std::byte>(codes[k] << 4 | codes[k + 1]);
  store(planes[1], load<float>(side));
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float absmax = load<float>(planes[1]);
  for (std::size_t k = 0; k < out.size(); k += 2) {
    const auto pair = std::to_integer<std::size_t>(planes[0][k / 2]);
    out[k] = kNf4Levels[pair >> 4] * absmax;
    out[k + 1] = kNf4Levels[pair & 15] * absmax;
  }
}

// To the nearest scales that are a dynamic 8-bit number times the largest.
void settle(const Codec&, std::span<std::byte> sides) {
  float largest = 0;
  for (std::size_t at = 0; at < sides.size(); at += sizeof(float)) largest = std::max(largest, load<float>(&sides[at]));
  if (largest == 0) return;
  for (std::size_t at = 0; at < sides.size(); at += sizeof(float)) {
    const float scale = dynamic8_values()[nearest_dynamic8(load<float>(&sides[at]) / largest)] * largest;
    store(&sides[at], scale < kLeastScale ? 0.0f : scale);
  }
}

std::uint64_t settled_bytes(const Codec&, std::uint64_t rows, std::uint64_t cols) {
  const std::uint64_t blocks = rows * (cols / kBlock), runs = (blocks + kSettledBlocks - 1) / kSettledBlocks;
  return blocks * (kBlock / 2 + 1) + runs * 4;
}

constexpr Codec make_settled() {
  Codec codec = {"nf4_dq",    "4-bit normal quantiles, 8-bit scales of 64 weights (doubly quantized)",
                 4.126953125, kBlock,
                 kPlanes,     sizeof(float),
                 fit,         round,
                 pack,        decode};
  codec.stored_bytes_of = settled_bytes;
  codec.settled_blocks = kSettledBlocks;
  codec.settle = settle;
  return codec;
}

}  // namespace

const Codec kNf4 = {"nf4",   "4-bit normal quantiles, one scale of 64 weights (bitsandbytes NF4)",
                    4.5,     kBlock,
                    kPlanes, sizeof(float),
                    fit,     round,
                    pack,    decode};
const Codec kNf4Dq = make_settled();

}  // namespace quern
