// q8_0, the Q8_0 of GGUF: 32 weights in 34 bytes.
//   0..1   d, binary16
//   2..33  codes, int8
// Code q (-127..127; -128 is never written) stands for d * q.
#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/grid_search.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 32;
constexpr CodeRange kRange = {-127.0f, 127.0f};
constexpr CodecPlane kPlanes[] = {{"blocks", 34, 0}};

Lanes nearest_f16(Lanes values) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) values[lane] = quern::nearest_f16(values[lane]);
  return values;
}

// The scale of the largest weight first, then a fine ladder from 35% below it (where large weights that matter little
// are cut) to 15% above; the first of equal errors wins.
void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  std::array<float, kBlock> x, w;
  make_searchable(weights, importance, x, w);
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  const Lanes whole = all_lanes(largest / kRange.high);
  float best = quern::nearest_f16(whole[0]), least = grid_errors(x, w, {all_lanes(best), Lanes{}}, kRange)[0];
  constexpr float kStep = 0.003f;
  for (float first = 0.65f; first < 1.15f; first += 8 * kStep) {
    const Lanes steps = first + kStep * Lanes{0, 1, 2, 3, 4, 5, 6, 7};
    const Lanes scale = nearest_f16(whole * steps);
    const Lanes errors = grid_errors(x, w, {scale, Lanes{}}, kRange);
    const std::size_t lane = smallest_lane(errors);
    if (errors[lane] < least) best = scale[lane], least = errors[lane];
  }
  store(side, f32_to_f16(best));
}

void round(const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<std::int32_t> codes,
           std::span<float> values) {
  const float d = f16_to_f32(load<std::uint16_t>(side)), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse, kRange.low, kRange.high);
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = code * d;
  }
}

void pack(const std::byte* side, std::span<const std::int32_t> codes, std::array<std::byte*, kMaxPlanes> planes) {
  store(planes[0], load<std::uint16_t>(side));
  for (std::size_t k = 0; k < kBlock; ++k) planes[0][2 + k] = static_cast<std::byte>(codes[k]);
}

void decode(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
  for (std::size_t k = 0; k < kBlock; ++k) out[k] = static_cast<float>(load<std::int8_t>(planes[0] + 2 + k)) * d;
}

}  // namespace

const Codec kQ8_0 = {"q8_0",  "8-bit codes, one scale of 32 weights (GGUF Q8_0)",
                     8.5,     kBlock,
                     kPlanes, sizeof(std::uint16_t),
                     fit,     round,
                     pack,    decode};

}  // namespace quern
