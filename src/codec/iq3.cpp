// iq3_xxs and iq3_s of GGUF, as ggml-common.h of llama.cpp lays them out: 256 weights, four a code of a
// grid.
//   iq3_xxs, 98 bytes   0..1 d, binary16   2..65 codes   66..97 32 bits each 32 weights: four signs of seven
//                       (even_signs) and a scale of 4; a weight is d * (scale + 0.5) / 2 * value
//   iq3_s, 110 bytes    0..1 d   2..65 codes, low 8 bits   66..73 their ninth bits   74..105 signs   106..109 scales
//                       of 4 bits, of 32 weights, the first in the low half; a weight is d * (1 + 2 * scale) * value
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/iq_row.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 256, kFour = 4, kFours = kBlock / kFour, kRuns = kBlock / 32, kQs = 2;
constexpr std::size_t kXxsScales = kQs + kFours;
constexpr std::size_t kSHigh = kQs + kFours, kSSigns = kSHigh + kRuns, kSScales = kSSigns + kBlock / 8;
constexpr CodecPlane kXxsPlanes[] = {{"blocks", kXxsScales + 4 * kRuns, 0}};
constexpr CodecPlane kSPlanes[] = {{"blocks", kSScales + kRuns / 2, 0}};
constexpr std::array<float, 8> kXxsValues = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::array<float, 8> kSValues = {1, 3, 5, 7, 9, 11, 13, 15};

struct Xxs {
  static constexpr GridShape kShape = {.places = kFour,
                                       .levels = 8,
                                       .entries = 256,
                                       .granule = 8,
                                       .run = 32,
                                       .signs = GridSigns::kEven,
                                       .unit = 0.5f,
                                       .typical = 20};
  static constexpr const auto& kGrid = kIq3XxsGrid;
  static constexpr std::array<std::array<float, 8>, 1> kLists = {kXxsValues};
};
struct S {
  static constexpr GridShape kShape = {.places = kFour,
                                       .levels = 8,
                                       .entries = 512,
                                       .granule = kFour,
                                       .run = 32,
                                       .signs = GridSigns::kFree,
                                       .unit = 2.0f,
                                       .typical = 5};
  static constexpr const auto& kGrid = kIq3SGrid;
  static constexpr std::array<std::array<float, 8>, 1> kLists = {kSValues};
};

float d_of(const std::byte* block) { return f16_to_f32(load<std::uint16_t>(block)); }

void decode_xxs(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t four = 0; four < kFours; ++four) {
    const auto side = load<std::uint32_t>(block + kXxsScales + four / 8 * 4);
    const float scale = d_of(block) * (0.5f + static_cast<float>(side >> 28)) * 0.5f;
    const unsigned signs = even_signs(side >> (7 * (four / 2 % 4)) & 127) >> (four % 2 * kFour);
    decode_entry<4>(kIq3XxsGrid[std::to_integer<std::size_t>(block[kQs + four])], kXxsValues, signs, scale,
                    &out[four * kFour]);
  }
}

void decode_s(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const std::byte* block = planes[0];
  for (std::size_t four = 0; four < kFours; ++four) {
    const unsigned high = std::to_integer<unsigned>(block[kSHigh + four / 8]) >> (four % 8) & 1;
    const unsigned code = std::to_integer<unsigned>(block[kQs + four]) | high << 8;
    const unsigned steps = std::to_integer<unsigned>(block[kSScales + four / 16]) >> (four / 8 % 2 * 4) & 15;
    const unsigned signs = std::to_integer<unsigned>(block[kSSigns + four / 2]) >> (four % 2 * kFour);
    decode_entry<4>(kIq3SGrid[code], kSValues, signs, d_of(block) * static_cast<float>(1 + 2 * steps),
                    &out[four * kFour]);
  }
}

void pack_xxs(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  for (std::size_t j = 0; j < kRuns; ++j) {
    unsigned word = static_cast<unsigned>(chosen.scales[j]) << 28;
    for (std::size_t i = 0; i < 8; ++i) {
      const std::int32_t code = codes[(8 * j + i) * kFour];
      planes[0][kQs + 8 * j + i] = static_cast<std::byte>(grid_entry(code));
      const unsigned signs = grid_signs(code) << (i % 2 * kFour) & 127;  // the eighth follows from the others
      word |= signs << (7 * (i / 2));
    }
    store(planes[0] + kXxsScales + 4 * j, static_cast<std::uint32_t>(word));
  }
}

void pack_s(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  std::array<unsigned, kBlock / 8> signs{};
  std::array<unsigned, kRuns> high{};
  for (std::size_t four = 0; four < kFours; ++four) {
    const std::int32_t code = codes[four * kFour];
    planes[0][kQs + four] = static_cast<std::byte>(grid_entry(code) & 255);
    high[four / 8] |= grid_entry(code) >> 8 << (four % 8);
    signs[four / 2] |= grid_signs(code) << (four % 2 * kFour);
  }
  for (std::size_t j = 0; j < kRuns; ++j) planes[0][kSHigh + j] = static_cast<std::byte>(high[j]);
  for (std::size_t i = 0; i < signs.size(); ++i) planes[0][kSSigns + i] = static_cast<std::byte>(signs[i]);
  for (std::size_t i = 0; i < kRuns / 2; ++i)
    planes[0][kSScales + i] = static_cast<std::byte>(chosen.scales[2 * i] | chosen.scales[2 * i + 1] << 4);
}

}  // namespace

const Codec kIq3Xxs = {.name = "iq3_xxs",
                       .summary = "grid of 256, four weights a code (GGUF IQ3_XXS)",
                       .bits_per_weight = 3.0625,
                       .block = kBlock,
                       .planes = kXxsPlanes,
                       .side_bytes = sizeof(GridSide),
                       .fit = GridRow<Xxs>::fit,
                       .round = GridRow<Xxs>::round,
                       .pack = pack_xxs,
                       .decode = decode_xxs,
                       .granule = 8};
const Codec kIq3S = {.name = "iq3_s",
                     .summary = "grid of 512, four weights a code (GGUF IQ3_S)",
                     .bits_per_weight = 3.4375,
                     .block = kBlock,
                     .planes = kSPlanes,
                     .side_bytes = sizeof(GridSide),
                     .fit = GridRow<S>::fit,
                     .round = GridRow<S>::round,
                     .pack = pack_s,
                     .decode = decode_s,
                     .granule = kFour};

}  // namespace quern
