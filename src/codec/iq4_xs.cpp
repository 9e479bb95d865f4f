// iq4_xs, the IQ4_XS of GGUF: 256 weights in 136 bytes, 8 sub-blocks of 32.
//   0..1    d, binary16
//   2..3    high 2 bits of scales[j] + 32 at bit 2 j of a little-endian 16-bit number
//   4..7    low 4 bits of them: byte i holds those of scales[2 i] low and of scales[2 i + 1] high
//   8..135  codes: 16 bytes a sub-block; byte k holds code k low and code 16 + k high
// Code q (0..15) of sub-block j stands for d * scales[j] * values[q] (iq4_codebook.h).
#include <algorithm>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/split_nibbles.h"
#include "search/iq4_xs_search.h"

namespace quern {
namespace {

constexpr int kZeroScale = 32;
constexpr std::size_t kHighBits = 2, kLowBits = 4, kNibbles = 8;
constexpr CodecPlane kPlanes[] = {{"blocks", kNibbles + kIq4SuperBlock / 2, 0}};

void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  store(side, fit_iq4_xs(weights, importance));
}

void round(const Codec&, const std::byte* side, std::uint32_t first, std::span<const float> weights,
           std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
  const auto scales = load<Iq4XsSide>(side);
  const float d = f16_to_f32(scales.d);
  for (std::size_t k = 0; k < weights.size();) {
    const std::size_t j = (first + k) / kIq4SubBlock;
    const std::size_t count = std::min(weights.size() - k, (j + 1) * kIq4SubBlock - first - k);
    round_codebook(kIq4Codebook, d * static_cast<float>(scales.scales[j]), weights.subspan(k, count),
                   codes.subspan(k, count), values.empty() ? values : values.subspan(k, count));
    k += count;
  }
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto scales = load<Iq4XsSide>(side);
  store(planes[0], scales.d);
  unsigned high = 0, low = 0;
  for (std::size_t j = 0; j < kIq4SubBlocks; ++j) {
    const auto scale = static_cast<unsigned>(scales.scales[j] + kZeroScale);
    high |= (scale >> 4) << 2 * j;
    low |= (scale & 15) << 4 * j;
    pack_split_nibbles(codes.subspan(kIq4SubBlock * j, kIq4SubBlock), planes[0] + kNibbles + 16 * j);
  }
  store(planes[0] + kHighBits, static_cast<std::uint16_t>(high));
  store(planes[0] + kLowBits, static_cast<std::uint32_t>(low));
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
  const unsigned high = load<std::uint16_t>(planes[0] + kHighBits);
  const auto low = load<std::uint32_t>(planes[0] + kLowBits);
  for (std::size_t j = 0; j < kIq4SubBlocks; ++j) {
    const auto scale = static_cast<int>((low >> 4 * j & 15) | (high >> 2 * j & 3) << 4) - kZeroScale;
    decode_split_nibbles(planes[0] + kNibbles + 16 * j, kIq4Codebook.values, d * static_cast<float>(scale),
                         out.subspan(kIq4SubBlock * j, kIq4SubBlock));
  }
}

}  // namespace

const Codec kIq4Xs = {"iq4_xs", "4-bit codes of uneven values, 6-bit scales of 32 weights (IQ4_XS)",
                      4.25,     kIq4SuperBlock,
                      kPlanes,  sizeof(Iq4XsSide),
                      fit,      round,
                      pack,     decode};

}  // namespace quern
