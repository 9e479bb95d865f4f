// iq2_xxs, iq2_xs and iq2_s of GGUF, as ggml-common.h of llama.cpp lays them out: 256 weights, eight a code of a grid.
// Only read.
//   iq2_xxs, 66 bytes   0..1 d, binary16   2..65 eight bytes each 32 weights: four codes, then 32 bits: four signs of
//                       seven (even_signs) and a scale of 4
//   iq2_xs, 74 bytes    0..1 d   2..65 16 bits each 8 weights: a code of 9, signs of seven   66..73 scales of 4 bits
//   iq2_s, 82 bytes     0..1 d   2..33 codes, low 8 bits   34..65 signs   66..73 codes, high 2 bits   74..81 scales
// Scales of 4 bits are of 16 weights, the first in the low half. A weight is d * (scale + 0.5) / 4 * value.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/iq_grids.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 256, kEight = 8, kEights = kBlock / kEight, kQs = 2;
constexpr std::size_t kXsScales = kQs + 2 * kEights;
constexpr std::size_t kSSigns = kQs + kEights, kSHigh = kSSigns + kEights, kSScales = kSHigh + kEights / 4;
constexpr CodecPlane kXxsPlanes[] = {{"blocks", kQs + 2 * kEights, 0}};
constexpr CodecPlane kXsPlanes[] = {{"blocks", kXsScales + kEights / 4, 0}};
constexpr CodecPlane kSPlanes[] = {{"blocks", kSScales + kEights / 4, 0}};
constexpr std::array<float, 4> kValues = {8, 25, 43, 0};

float scale_of(const std::byte* block, unsigned scale) {
  return f16_to_f32(load<std::uint16_t>(block)) * (0.5f + static_cast<float>(scale)) * 0.25f;
}

// The 4 bits of the 16 weights that eight weights lie in.
unsigned scale_at(const std::byte* scales, std::size_t eight) {
  return std::to_integer<unsigned>(scales[eight / 4]) >> (eight / 2 % 2 * 4) & 15;
}

void decode_xxs(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const std::byte* run = block + kQs + eight / 4 * kEight;
    const auto rest = load<std::uint32_t>(run + 4);
    const unsigned code = std::to_integer<unsigned>(run[eight % 4]), signs = rest >> (7 * (eight % 4)) & 127;
    decode_entry<2>(kIq2XxsGrid[code], kValues, even_signs(signs), scale_of(block, rest >> 28), &out[eight * kEight]);
  }
}

void decode_xs(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned both = load<std::uint16_t>(block + kQs + 2 * eight);
    decode_entry<2>(kIq2XsGrid[both & 511], kValues, even_signs(both >> 9),
                    scale_of(block, scale_at(block + kXsScales, eight)), &out[eight * kEight]);
  }
}

void decode_s(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned high = std::to_integer<unsigned>(block[kSHigh + eight / 4]) >> (2 * (eight % 4)) & 3;
    const unsigned code = std::to_integer<unsigned>(block[kQs + eight]) | high << 8;
    decode_entry<2>(kIq2SGrid[code], kValues, std::to_integer<unsigned>(block[kSSigns + eight]),
                    scale_of(block, scale_at(block + kSScales, eight)), &out[eight * kEight]);
  }
}

}  // namespace

const Codec kIq2Xxs = {.name = "iq2_xxs",
                       .summary = "grid of 256, eight weights a code (GGUF IQ2_XXS), only read",
                       .bits_per_weight = 2.0625,
                       .block = kBlock,
                       .planes = kXxsPlanes,
                       .decode = decode_xxs};
const Codec kIq2Xs = {.name = "iq2_xs",
                      .summary = "grid of 512, eight weights a code (GGUF IQ2_XS), only read",
                      .bits_per_weight = 2.3125,
                      .block = kBlock,
                      .planes = kXsPlanes,
                      .decode = decode_xs};
const Codec kIq2S = {.name = "iq2_s",
                     .summary = "grid of 1,024, eight weights a code (GGUF IQ2_S), only read",
                     .bits_per_weight = 2.5625,
                     .block = kBlock,
                     .planes = kSPlanes,
                     .decode = decode_s};

}  // namespace quern
