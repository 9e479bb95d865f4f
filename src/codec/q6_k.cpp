// q6_k, the Q6_K of GGUF: 256 weights in 210 bytes, 16 sub-blocks of 16.
//   0..127    low nibbles: byte 64 h + i holds code 128 h + i low and code 128 h + 64 + i high   (h < 2, i < 64)
//   128..191  high 2 bits: byte 32 h + i holds those of codes 128 h + 32 s + i at bit 2 s        (s < 4, i < 32)
//   192..207  scales, int8
//   208..209  d, binary16
// Code q (0..63) of sub-block j stands for d * scales[j] * (q - 32).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/symmetric_search.h"

namespace quern {
namespace {

constexpr int kZero = 32;
constexpr CodeRange kRange = {-32.0f, 31.0f};
constexpr std::size_t kHighBits = 128, kScales = 192, kSuperScale = 208;
constexpr CodecPlane kPlanes[] = {{"blocks", 210, 0}};

void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  store(side, fit_symmetric(weights, importance, kRange));
}

void round(const std::byte* side, std::uint32_t first, std::span<const float> weights, std::span<std::int32_t> codes,
           std::span<float> values) {
  const auto scales = load<SymmetricSide>(side);
  const float d = f16_to_f32(scales.d);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const float scale = d * static_cast<float>(scales.scales[(first + k) / kSymmetricSubBlock]);
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    const float code = nearest_code(weights[k] * inverse, kRange.low, kRange.high);
    codes[k] = static_cast<std::int32_t>(code) + kZero;
    if (!values.empty()) values[k] = scale * code;
  }
}

void pack(const std::byte* side, std::span<const std::int32_t> codes, std::array<std::byte*, kMaxPlanes> planes) {
  const auto scales = load<SymmetricSide>(side);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::int32_t* from = codes.data() + 128 * half;
    for (std::size_t i = 0; i < 64; ++i) {
      planes[0][64 * half + i] = static_cast<std::byte>((from[i] & 15) | (from[64 + i] & 15) << 4);
    }
    for (std::size_t i = 0; i < 32; ++i) {
      const int bits = (from[i] >> 4) | (from[32 + i] >> 4) << 2 | (from[64 + i] >> 4) << 4 | (from[96 + i] >> 4) << 6;
      planes[0][kHighBits + 32 * half + i] = static_cast<std::byte>(bits);
    }
  }
  store(planes[0] + kScales, scales.scales);
  store(planes[0] + kSuperScale, scales.d);
}

void decode(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out) {
  const auto scales = load<std::array<std::int8_t, kSymmetricSubBlocks>>(planes[0] + kScales);
  const float d = f16_to_f32(load<std::uint16_t>(planes[0] + kSuperScale));
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    const std::size_t half = j / 8, in_half = 16 * (j % 8);
    const std::byte* nibbles = planes[0] + 64 * half + in_half % 64;
    const std::byte* high_bits = planes[0] + kHighBits + 32 * half + in_half % 32;
    const std::size_t nibble_shift = in_half < 64 ? 0 : 4, high_shift = 2 * (in_half / 32);
    const float scale = d * static_cast<float>(scales[j]);
    for (std::size_t k = 0; k < kSymmetricSubBlock; ++k) {
      const int low = (std::to_integer<int>(nibbles[k]) >> nibble_shift) & 15;
      const int high = (std::to_integer<int>(high_bits[k]) >> high_shift) & 3;
      out[16 * j + k] = scale * static_cast<float>((low | high << 4) - kZero);
    }
  }
}

}  // namespace

const Codec kQ6K = {"q6_k",  "6-bit codes, 8-bit scales of 16 weights (GGUF Q6_K)",
                    6.5625,  256,
                    kPlanes, sizeof(SymmetricSide),
                    fit,     round,
                    pack,    decode};

}  // namespace quern
