// iq1_s and iq1_m of GGUF, as ggml-common.h of llama.cpp lays them out: 256 weights, eight a code of a grid of -1, 0
// and 1.
//   iq1_s, 50 bytes   0..1 d, binary16   2..33 codes, low 8 bits   34..49 16 bits each 32 weights: high 3 bits of four
//                     codes, a scale of 3, and whether the shift is negative
//   iq1_m, 56 bytes   0..31 codes, low 8 bits   32..47 4 bits each 8 weights: high 3 bits of the code, and whether the
//                     shift is negative   48..55 16 bits each 64 weights: four scales of 3, and 4 bits of d, low ones
//                     first
// A weight is d * (1 + 2 * scale) * (value + shift), where the shift is 1/8 or -1/8.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/iq_row.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 256, kEight = 8, kEights = kBlock / kEight;
constexpr std::size_t kSQs = 2, kSHigh = kSQs + kEights, kMHigh = kEights, kMScales = kMHigh + kEights / 2;
constexpr CodecPlane kSPlanes[] = {{"blocks", kSHigh + kEights / 2, 0}};
constexpr CodecPlane kMPlanes[] = {{"blocks", kMScales + kEights / 4, 0}};
constexpr std::size_t kEntries = 2048;
constexpr std::array<float, 3> kAbove = {-0.875f, 0.125f, 1.125f}, kBelow = {-1.125f, -0.125f, 0.875f};

// In iq1_s a run has a shift, in iq1_m each eight weights: entries kEntries and on are shifted down.
template <std::size_t kRun, std::size_t kGrids>
struct Format {
  static constexpr GridShape kShape = {.places = kEight,
                                       .levels = 3,
                                       .entries = kEntries,
                                       .granule = kEight,
                                       .run = kRun,
                                       .signs = GridSigns::kNone,
                                       .grids = kGrids,
                                       .lists = 2 / kGrids,
                                       .scales = 8,
                                       .unit = 2.0f,
                                       .typical = 0.58f};
  static constexpr const auto& kGrid = kIq1Grid;
  static constexpr std::array<std::array<float, 3>, 2> kLists = {kAbove, kBelow};
};
using SRow = GridRow<Format<32, 2>>;
using MRow = GridRow<Format<16, 1>>;

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

void pack_s(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  store(planes[0], chosen.d);
  for (std::size_t j = 0; j < kEights / 4; ++j) {
    unsigned word = static_cast<unsigned>(chosen.grids[j] << 15 | chosen.scales[j] << 12);
    for (std::size_t i = 0; i < 4; ++i) {
      const unsigned entry = grid_entry(codes[(4 * j + i) * kEight]);
      planes[0][kSQs + 4 * j + i] = static_cast<std::byte>(entry & 255);
      word |= entry >> 8 << (3 * i);
    }
    store(planes[0] + kSHigh + 2 * j, static_cast<std::uint16_t>(word));
  }
}

void pack_m(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<GridSide>(side);
  std::array<unsigned, kEights / 2> high{};
  for (std::size_t eight = 0; eight < kEights; ++eight) {
    const unsigned entry = grid_entry(codes[eight * kEight]);
    planes[0][eight] = static_cast<std::byte>(entry & 255);
    high[eight / 2] |= (entry >> 8) << (eight % 2 * 4);  // the shift is bit 11 of the entry
  }
  for (std::size_t i = 0; i < high.size(); ++i) planes[0][kMHigh + i] = static_cast<std::byte>(high[i]);
  for (std::size_t k = 0; k < 4; ++k) {
    unsigned word = (chosen.d >> (4 * k) & 15u) << 12;
    for (std::size_t i = 0; i < 4; ++i) word |= static_cast<unsigned>(chosen.scales[4 * k + i]) << (3 * i);
    store(planes[0] + kMScales + 2 * k, static_cast<std::uint16_t>(word));
  }
}

}  // namespace

const Codec kIq1S = {.name = "iq1_s",
                     .summary = "grid of 2,048, eight of -1, 0 and 1 a code (GGUF IQ1_S)",
                     .bits_per_weight = 1.5625,
                     .block = kBlock,
                     .planes = kSPlanes,
                     .side_bytes = sizeof(GridSide),
                     .fit = SRow::fit,
                     .round = SRow::round,
                     .pack = pack_s,
                     .decode = decode_s,
                     .granule = kEight};
const Codec kIq1M = {.name = "iq1_m",
                     .summary = "grid of 2,048, eight of -1, 0 and 1 a code (GGUF IQ1_M)",
                     .bits_per_weight = 1.75,
                     .block = kBlock,
                     .planes = kMPlanes,
                     .side_bytes = sizeof(GridSide),
                     .fit = MRow::fit,
                     .round = MRow::round,
                     .pack = pack_m,
                     .decode = decode_m,
                     .granule = kEight};

}  // namespace quern
