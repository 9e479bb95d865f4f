// Marlin, 4 bits (IST-DASLab; autoawq 0.2.9, modules/linear/marlin.py, packs the same way). A linear layer M of shape
// [out, in]:
//
//   M.qweight (M.B)  I32 [in / 16, out * 2]  codes in the order of the kernel's threads, below
//   M.scales (M.s)   F16 [groups, out]       permuted; w = (q - 8) * scale, rounded to that type
//
// Tiles of 16 inputs by 16 outputs follow each other along a row, inputs by outputs within each; four of them, 1024
// codes, are permuted together. Scales are permuted in runs of 64 outputs, or of 32 where there is one group.
#include <algorithm>
#include <array>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::uint64_t kTile = 16, kTogether = 4 * kTile * kTile;
constexpr float kMiddle = 8;
constexpr std::pair<std::string_view, std::string_view> kNames[] = {{".qweight", ".scales"}, {".B", ".s"}};

using Places = std::array<std::uint16_t, kTogether>;

// Where code k of four tiles is stored. A thread of a warp takes 8 codes: of two columns, 8 apart, four rows each.
const Places& code_places() {
  static const Places places = [] {
    constexpr std::array<std::size_t, 8> kInterleaved = {0, 2, 4, 6, 1, 3, 5, 7};
    Places all{};
    std::size_t place = 0;
    for (std::size_t thread = 0; thread < 32; ++thread)
      for (std::size_t tile = 0; tile < 4; ++tile, place += 8) {
        std::array<std::size_t, 8> codes{};
        for (std::size_t k = 0; k < 8; ++k) {
          const std::size_t quarter = thread % 4 + (k % 4 < 2 ? 0 : 4), row = 2 * quarter + k % 2;
          codes[k] = tile * kTile * kTile + kTile * row + thread / 4 + (k < 4 ? 0 : 8);
        }
        for (std::size_t k = 0; k < 8; ++k) all[codes[kInterleaved[k]]] = static_cast<std::uint16_t>(place + k);
      }
    return all;
  }();
  return places;
}

// Where the scale of an output stands, among those of several groups and of one.
using ScalePlace = std::uint64_t (*)(std::uint64_t row);

std::uint64_t place_among_groups(std::uint64_t row) { return row / 64 * 64 + row % 8 * 8 + row % 64 / 8; }

std::uint64_t place_in_one_group(std::uint64_t row) {
  const std::uint64_t k = row % 32;  // = 2 i + {0, 1} + 8 j at place 8 i + 2 j + {0, 1}
  return row / 32 * 32 + k % 8 / 2 * 8 + k / 8 * 2 + k % 2;
}

struct Module {
  std::string name;
  std::uint64_t rows = 0, cols = 0, groups = 0;
  const TensorEntry *codes = nullptr, *scales = nullptr;
};

class MarlinSource final : public TileSource {
 public:
  MarlinSource(const Module& m, const LayoutTable& table)
      : rows_(m.rows),
        group_size_(m.cols / m.groups),
        scale_place_(m.groups == 1 ? place_in_one_group : place_among_groups),
        type_(number_type(*m.scales)) {
    const std::uint32_t home = m.codes->parts[0].file;
    codes_ = table.operand(*m.codes, home);
    scales_ = table.operand(*m.scales, home);
  }

  std::uint64_t stored_bytes() const override { return codes_.stored_bytes() + scales_.stored_bytes(); }

  // Whole runs of 64 outputs are read.
  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t first = tile.row / 64 * 64, rows = (tile.row + tile.rows + 63) / 64 * 64 - first;
    const std::uint64_t line = tile.col / kTile, lines = (tile.col + tile.cols - 1) / kTile + 1 - line;
    const std::uint64_t group = tile.col / group_size_, groups = (tile.col + tile.cols - 1) / group_size_ + 1 - group;
    const auto words = as_words(read_rectangle(codes_, home, {rows_ * 8, line, lines, first * 8, rows * 8}));
    const auto scales =
        read_rectangle(scales_, home, {rows_ * type_.bytes, group, groups, first * type_.bytes, rows * type_.bytes});
    for (std::uint64_t r = 0; r < tile.rows; ++r)
      for (std::uint64_t c = 0; c < tile.cols; ++c) {
        const std::uint64_t row = tile.row + r - first, col = tile.col + c;
        const std::uint64_t at = row / kTile * kTile * kTile + col % kTile * kTile + row % kTile;
        const std::uint64_t place = at / kTogether * kTogether + code_places()[at % kTogether];
        const std::uint32_t word = words[(col / kTile - line) * rows * 2 + place / 8];
        const std::uint64_t scale = (col / group_size_ - group) * rows + scale_place_(row);
        values[r * tile.cols + c] =
            (static_cast<float>(word >> place % 8 * 4 & 15u) - kMiddle) * type_.at(&scales[scale * type_.bytes]);
      }
  }

 private:
  std::uint64_t rows_, group_size_;
  ScalePlace scale_place_;
  const NumberType& type_;
  Operand codes_, scales_;
};

bool is_marlin(const TensorEntry& codes, const TensorEntry* scales) {
  return scales && codes.encoding == "i32" && codes.shape.size() == 2 && scales->shape.size() == 2 &&
         scales->shape[0] && scales->shape[1] && scales->shape[1] % 64 == 0 && codes.shape[1] == 2 * scales->shape[1] &&
         codes.shape[0] && codes.shape[0] * kTile % scales->shape[0] == 0 && is_tile_type(scales->encoding);
}

}  // namespace

void unpack_marlin(LayoutTable& table) {
  for (const auto& [codes_name, scales_name] : kNames)
    for (const TensorEntry* codes : table.ending_with(codes_name)) {
      const std::string module = module_of(codes->name, codes_name);
      const TensorEntry *scales = table.find(module + std::string(scales_name)),
                        *zeros = table.find(module + ".qzeros");
      if (!is_marlin(*codes, scales) || (zeros && element_count(zeros->shape))) continue;
      const TensorEntry* index = table.find(module + ".g_idx");
      if (index && element_count(index->shape))
        fail(ErrorCode::kInput, "{} and {} are of Marlin with act-order, which is not read; use the original model",
             codes->name, index->name);
      const Module m{module, scales->shape[1], codes->shape[0] * kTile, scales->shape[0], codes, scales};
      for (const TensorEntry* entry : {codes, scales, zeros, index, table.find(module + ".workspace")})
        if (entry) table.take(*entry);
      table.compare_with_config(4, m.groups == 1 ? 0 : m.cols / m.groups);
      table.put(tiled_entry(module + std::string(kWeightSuffix), {m.rows, m.cols}, scales->encoding, codes->parts[0],
                            std::make_shared<MarlinSource>(m, table)),
                m.groups == 1 ? "Marlin, 4 bits, one group a row"
                              : fmt::format("Marlin, 4 bits, groups of {}", m.cols / m.groups));
    }
}

}  // namespace quern
