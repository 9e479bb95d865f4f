// q8_0, the Q8_0 of GGUF: 32 weights in 34 bytes.
//   0..1   d, binary16
//   2..33  codes, int8
// Code q (-127..127; -128 is never written) stands for d * q.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/symmetric_centres.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 32;
constexpr CodeRange kRange = {-127.0f, 127.0f};
constexpr CodecPlane kPlanes[] = {{"blocks", 34, 0}};

// Down to 60% of the scale that cuts nothing: large weights may matter little.
constexpr std::array<Lanes, 2> kLadder[] = {{{{125.0f, 127.0f, 129.0f, 131.5f, 134.0f, 137.0f, 140.0f, 144.0f},
                                              {148.0f, 153.0f, 159.0f, 166.0f, 174.0f, 183.0f, 194.0f, 208.0f}}}};

void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  std::array<float, kBlock> x, w;
  make_searchable(weights, importance, x, w);
  store(side, f32_to_f16(nearest_f16(find_symmetric_centres<kBlock>(x, w, kRange, kLadder)[0].scale)));
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
