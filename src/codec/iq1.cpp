// iq1_s and iq1_m of GGUF, as ggml-common.h of llama.cpp lays them out: 256 weights, eight a code of a grid of -1, 0
// and 1. Only read.
//   iq1_s, 50 bytes   0..1 d, binary16   2..33 codes, low 8 bits   34..49 16 bits each 32 weights: high 3 bits of four
//                     codes, a scale of 3, and whether the shift is negative
//   iq1_m, 56 bytes   0..31 codes, low 8 bits   32..47 4 bits each 8 weights: high 3 bits of the code, and whether the
//                     shift is negative   48..55 16 bits each 64 weights: four scales of 3, and 4 bits of d, low ones
//                     first
// A weight is d * (1 + 2 * scale) * (value + shift), where the shift is 1/8 or -1/8.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/iq_grids.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 256, kEight = 8, kEights = kBlock / kEight;
constexpr std::size_t kSQs = 2, kSHigh = kSQs + kEights, kMHigh = kEights, kMScales = kMHigh + kEights / 2;
constexpr CodecPlane kSPlanes[] = {{"blocks", kSHigh + kEights / 2, 0}};
constexpr CodecPlane kMPlanes[] = {{"blocks", kMScales + kEights / 4, 0}};
constexpr std::array<float, 4> kAbove = {-0.875f, 0.125f, 1.125f, 0}, kBelow = {-1.125f, -0.125f, 0.875f, 0};

void decode_eight(unsigned code, unsigned below, float scale, float* out) {
  decode_entry<2>(kIq1Grid[code], below ? kBelow : kAbove, 0, scale, out);
}

void decode_s(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  const float d = f16_to_f32(load<std::uint16_t>(block));
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned side = load<std::uint16_t>(block + kSHigh + eight / 4 * 2);
    const unsigned high = side >> (3 * (eight % 4)) & 7;
    decode_eight(std::to_integer<unsigned>(block[kSQs + eight]) | high << 8, side >> 15,
                 d * static_cast<float>(1 + 2 * (side >> 12 & 7)), &out[eight * kEight]);
  }
}

void decode_m(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  unsigned d = 0;
  for (unsigned k = 0; k < 4; ++k) d |= (load<std::uint16_t>(block + kMScales + 2 * k) >> 12u) << (4 * k);
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned side = std::to_integer<unsigned>(block[kMHigh + eight / 2]) >> (eight % 2 * 4) & 15;
    const unsigned scales = load<std::uint16_t>(block + kMScales + eight / 8 * 2);
    const unsigned scale = scales >> (3 * (eight / 2 % 4)) & 7;
    decode_eight(std::to_integer<unsigned>(block[eight]) | (side & 7) << 8, side >> 3,
                 f16_to_f32(static_cast<std::uint16_t>(d)) * static_cast<float>(1 + 2 * scale), &out[eight * kEight]);
  }
}

}  // namespace

const Codec kIq1S = {.name = "iq1_s",
                     .summary = "grid of 2,048, eight of -1, 0 and 1 a code (GGUF IQ1_S), only read",
                     .bits_per_weight = 1.5625,
                     .block = kBlock,
                     .planes = kSPlanes,
                     .decode = decode_s};
const Codec kIq1M = {.name = "iq1_m",
                     .summary = "grid of 2,048, eight of -1, 0 and 1 a code (GGUF IQ1_M), only read",
                     .bits_per_weight = 1.75,
                     .block = kBlock,
                     .planes = kMPlanes,
                     .decode = decode_m};

}  // namespace quern
