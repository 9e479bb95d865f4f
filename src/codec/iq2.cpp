// iq2_xxs, iq2_xs and iq2_s of GGUF, as ggml-common.h of llama.cpp lays them out: 256 weights, eight a code of a grid.
//   iq2_xxs, 66 bytes   0..1 d, binary16   2..65 eight bytes each 32 weights: four codes, then 32 bits: four signs of
//                       seven (even_signs) and a scale of 4
//   iq2_xs, 74 bytes    0..1 d   2..65 16 bits each 8 weights: a code of 9, signs of seven   66..73 scales of 4 bits
//   iq2_s, 82 bytes     0..1 d   2..33 codes, low 8 bits   34..65 signs   66..73 codes, high 2 bits   74..81 scales
// Scales of 4 bits are of 16 weights, the first in the low half. A weight is d * (scale + 0.5) / 4 * value.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/iq_row.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 256, kEight = 8, kEights = kBlock / kEight, kQs = 2;
constexpr std::size_t kXsScales = kQs + 2 * kEights;
constexpr std::size_t kSSigns = kQs + kEights, kSHigh = kSSigns + kEights, kSScales = kSHigh + kEights / 4;
constexpr CodecPlane kXxsPlanes[] = {{"blocks", kQs + 2 * kEights, 0}};
constexpr CodecPlane kXsPlanes[] = {{"blocks", kXsScales + kEights / 4, 0}};
constexpr CodecPlane kSPlanes[] = {{"blocks", kSScales + kEights / 4, 0}};
constexpr std::array<float, 3> kLevels = {8, 25, 43};

template <std::size_t kEntries, std::size_t kRun, GridSigns kSigns,
          const std::array<std::uint16_t, kEntries>& kEntryTable>
struct Format {
  static constexpr GridShape kShape = {.places = kEight,
                                       .levels = 3,
                                       .entries = kEntries,
                                       .granule = kEight,
                                       .run = kRun,
                                       .signs = kSigns,
                                       .unit = 0.25f,
                                       .typical = 19};
  static constexpr const auto& kGrid = kEntryTable;
  static constexpr std::array<std::array<float, 3>, 1> kLists = {kLevels};
};
using XxsRow = GridRow<Format<256, 32, GridSigns::kEven, kIq2XxsGrid>>;
using XsRow = GridRow<Format<512, 16, GridSigns::kEven, kIq2XsGrid>>;
using SRow = GridRow<Format<1024, 16, GridSigns::kFree, kIq2SGrid>>;

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
    decode_entry<2>(kIq2XxsGrid[code], kLevels, even_signs(signs), scale_of(block, rest >> 28), &out[eight * kEight]);
  }
}

void decode_xs(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned both = load<std::uint16_t>(block + kQs + 2 * eight);
    decode_entry<2>(kIq2XsGrid[both & 511], kLevels, even_signs(both >> 9),
                    scale_of(block, scale_at(block + kXsScales, eight)), &out[eight * kEight]);
  }
}

void decode_s(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned high = std::to_integer<unsigned>(block[kSHigh + eight / 4]) >> (2 * (eight % 4)) & 3;
    const unsigned code = std::to_integer<unsigned>(block[kQs + eight]) | high << 8;
    decode_entry<2>(kIq2SGrid[code], kLevels, std::to_integer<unsigned>(block[kSSigns + eight]),
                    scale_of(block, scale_at(block + kSScales, eight)), &out[eight * kEight]);
  }
}

// Two scales of 4 bits a byte.
void pack_scales(const GridSide& side, std::byte* scales) {
  for (std::size_t i = 0; i < kEights / 4; ++i)
    scales[i] = static_cast<std::byte>(side.scales[2 * i] | side.scales[2 * i + 1] << 4);
}

void pack_xxs(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  for (std::size_t j = 0; j < kEights / 4; ++j) {
    std::byte* run = planes[0] + kQs + j * kEight;
    unsigned rest = static_cast<unsigned>(chosen.scales[j]) << 28;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::int32_t code = codes[(4 * j + i) * kEight];
      run[i] = static_cast<std::byte>(grid_entry(code));
      rest |= (grid_signs(code) & 127) << (7 * i);
    }
    store(run + 4, static_cast<std::uint32_t>(rest));
  }
}

void pack_xs(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const std::int32_t code = codes[eight * kEight];
    store(planes[0] + kQs + 2 * eight, static_cast<std::uint16_t>(grid_entry(code) | (grid_signs(code) & 127) << 9));
  }
  pack_scales(chosen, planes[0] + kXsScales);
}

void pack_s(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  std::array<unsigned, kEights / 4> high{};
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const std::int32_t code = codes[eight * kEight];
    planes[0][kQs + eight] = static_cast<std::byte>(grid_entry(code) & 255);
    planes[0][kSSigns + eight] = static_cast<std::byte>(grid_signs(code));
    high[eight / 4] |= grid_entry(code) >> 8 << (2 * (eight % 4));
  }
  for (std::size_t i = 0; i < high.size(); ++i) planes[0][kSHigh + i] = static_cast<std::byte>(high[i]);
  pack_scales(chosen, planes[0] + kSScales);
}

}  // namespace

const Codec kIq2Xxs = {.name = "iq2_xxs",
                       .summary = "grid of 256, eight weights a code (GGUF IQ2_XXS)",
                       .bits_per_weight = 2.0625,
                       .block = kBlock,
                       .planes = kXxsPlanes,
                       .side_bytes = sizeof(GridSide),
                       .fit = XxsRow::fit,
                       .round = XxsRow::round,
                       .pack = pack_xxs,
                       .decode = decode_xxs,
                       .granule = kEight};
const Codec kIq2Xs = {.name = "iq2_xs",
                      .summary = "grid of 512, eight weights a code (GGUF IQ2_XS)",
                      .bits_per_weight = 2.3125,
                      .block = kBlock,
                      .planes = kXsPlanes,
                      .side_bytes = sizeof(GridSide),
                      .fit = XsRow::fit,
                      .round = XsRow::round,
                      .pack = pack_xs,
                      .decode = decode_xs,
                      .granule = kEight};
const Codec kIq2S = {.name = "iq2_s",
                     .summary = "grid of 1,024, eight weights a code (GGUF IQ2_S)",
                     .bits_per_weight = 2.5625,
                     .block = kBlock,
                     .planes = kSPlanes,
                     .side_bytes = sizeof(GridSide),
                     .fit = SRow::fit,
                     .round = SRow::round,
                     .pack = pack_s,
                     .decode = decode_s,
                     .granule = kEight};

}  // namespace quern
