// int8_channel: a row (an output channel) under one scale, in two planes.
//   codes   1 byte a weight: q + 128 with q in -127..127
//   scales  2 bytes a row: the scale, bfloat16
// Code q stands for scale * q. A row of zeros (or nothing above 1e-36) has scale 0.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "search/bf16_scale_search.h"

namespace quern {
namespace {

constexpr int kZero = 128;
constexpr CodeRange kRange = {-127.0f, 127.0f};
constexpr CodecPlane kPlanes[] = {{"codes", 0, 8}, {"scales", 2, 0}};

// The scale of the largest weight first, so that nothing worse is ever kept; then coarse steps over a factor of four
// below it (a few outliers may be cut), then every neighbour of the best.
void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  const ScaledRow row = make_scaled_row(weights, importance);
  Bf16Grid best;
  const int whole = f32_to_bf16(row.largest / kRange.high);
  if (whole >= kLeastBf16) {
    constexpr int kStep = 6, kReach = 264;
    try_bf16_scales(row, kRange, whole, 1, 0, best);
    for (int first = whole - kReach; first < whole; first += 8 * kStep)
      try_bf16_scales(row, kRange, first, kStep, 0, best);
    const int centre = best.scale;
    try_bf16_scales(row, kRange, centre - 8, 1, 0, best);
    try_bf16_scales(row, kRange, centre + 1, 1, 0, best);
  }
  store(side, best.scale);
}

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const float scale = bf16_to_f32(load<std::uint16_t>(side)), inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse, kRange.low, kRange.high);
    codes[k] = static_cast<std::int32_t>(code) + kZero;
    if (!values.empty()) values[k] = scale * code;
  }
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); ++k) planes[0][k] = static_cast<std::byte>(codes[k]);
  store(planes[1], load<std::uint16_t>(side));
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float scale = bf16_to_f32(load<std::uint16_t>(planes[1]));
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = scale * static_cast<float>(std::to_integer<int>(planes[0][k]) - kZero);
  }
}

}  // namespace

const Codec kInt8Channel = {"int8_channel",
                            "8-bit codes, one bfloat16 scale of a row",
                            8.0,
                            0,
                            kPlanes,
                            sizeof(std::uint16_t),
                            fit,
                            round,
                            pack,
                            decode};

}  // namespace quern
