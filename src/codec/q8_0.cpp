// q8_0, the Q8_0 of GGUF: 32 weights in 34 bytes.
//   0..1   d, binary16
//   2..33  codes, int8
// Code q (-127..127; -128 is never written) stands for d * q.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/block_scale.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = kScaledBlock;
constexpr CodeRange kRange = {-127.0f, 127.0f};
constexpr CodecPlane kPlanes[] = {{"blocks", 34, 0}};

// The largest weight on a whole code. Where it matters little, down to 60% of the scale that cuts nothing.
constexpr float kUsual[] = {127.0f, 126.0f, 125.0f, 124.0f, 123.0f, 122.0f, 120.0f, 118.0f};
constexpr float kCutting[] = {137.0f, 144.0f, 152.0f, 161.0f, 171.0f, 182.0f, 194.0f, 208.0f};
constexpr BlockStarts kStarts = {kRange, kUsual, kCutting, 1 - 127 / 137.0f};

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  const float d = f16_to_f32(load<std::uint16_t>(side)), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float code = nearest_code(weights[k] * inverse, kRange.low, kRange.high);
    codes[k] = static_cast<std::int32_t>(code);
    if (!values.empty()) values[k] = code * d;
  }
}

void write(std::uint16_t scale, ByteCodes codes, std::byte* to) {
  store(to, scale);
  store(to + sizeof(scale), codes);
}

using Scaled = ScaledBlocks<kStarts, write>;

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  ByteCodes bytes;
  for (std::size_t k = 0; k < kBlock; ++k) bytes[k] = static_cast<std::int8_t>(codes[k]);
  write(load<std::uint16_t>(side), bytes, planes[0]);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
  for (std::size_t k = 0; k < kBlock; ++k) out[k] = static_cast<float>(load<std::int8_t>(planes[0] + 2 + k)) * d;
}

constexpr Codec q8_0() {
  Codec codec = {"q8_0",      "8-bit codes, one scale of 32 weights (GGUF Q8_0)",
                 8.5,         kBlock,
                 kPlanes,     sizeof(std::uint16_t),
                 Scaled::fit, round,
                 pack,        decode};
  codec.encode = Scaled::encode;
  return codec;
}

}  // namespace

constinit const Codec kQ8_0 = q8_0();

}  // namespace quern
