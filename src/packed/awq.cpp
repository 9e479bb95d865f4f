// AWQ, the gemm layout of AutoAWQ (autoawq 0.2.9, modules/linear/gemm.py). A linear layer M of shape [out, in]:
//
//   M.qweight  I32 [in, out / 8]      codes of 4 bits along the outputs of an input
//   M.qzeros   I32 [groups, out / 8]  zero points, packed the same way
//   M.scales   F16 [groups, out]      w = (q - zero) * scale, rounded to that type
//
// Nibble i of a word, from the lowest bits, belongs to column kOrder[i] of its eight.
#include <algorithm>
#include <array>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".qweight", kZeros = ".qzeros", kScales = ".scales";
constexpr std::array<unsigned, 8> kShifts = {0, 16, 4, 20, 8, 24, 12, 28};  // of columns 0 to 7: kOrder turned round

struct Module {
  const TensorEntry *codes = nullptr, *zeros = nullptr, *scales = nullptr;
  std::uint64_t rows = 0, cols = 0, groups = 0;  // out, in
};

class AwqSource final : public TileSource {
 public:
  AwqSource(const Module& matrix, const LayoutTable& table)
      : rows_(matrix.rows), group_size_(matrix.cols / matrix.groups), scale_type_(number_type(*matrix.scales)) {
    const std::uint32_t home = matrix.codes->parts[0].file;
    codes_ = table.operand(*matrix.codes, home);
    zeros_ = table.operand(*matrix.zeros, home);
    scales_ = table.operand(*matrix.scales, home);
  }

  std::uint64_t stored_bytes() const override {
    return codes_.stored_bytes() + zeros_.stored_bytes() + scales_.stored_bytes();
  }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t word = tile.row / 8, words = (tile.row + tile.rows + 7) / 8 - word;
    const std::uint64_t group = tile.col / group_size_, groups = (tile.col + tile.cols - 1) / group_size_ + 1 - group,
                        unit = scale_type_.bytes;
    const auto codes = as_words(read_rectangle(codes_, home, {rows_ / 2, tile.col, tile.cols, word * 4, words * 4}));
    const auto zeros = as_words(read_rectangle(zeros_, home, {rows_ / 2, group, groups, word * 4, words * 4}));
    const auto scales = read_rectangle(scales_, home, {rows_ * unit, group, groups, tile.row * unit, tile.rows * unit});
    for (std::uint64_t c = 0; c < tile.cols; ++c) {
      const std::uint64_t g = (tile.col + c) / group_size_ - group;
      for (std::uint64_t r = 0; r < tile.rows; ++r) {
        const std::uint64_t at = (tile.row + r) / 8 - word;
        const unsigned shift = kShifts[(tile.row + r) % 8];
        const auto code = static_cast<int>(codes[c * words + at] >> shift & 15u);
        const auto zero = static_cast<int>(zeros[g * words + at] >> shift & 15u);
        values[r * tile.cols + c] =
            static_cast<float>(code - zero) * scale_type_.at(&scales[(g * tile.rows + r) * unit]);
      }
    }
  }

 private:
  std::uint64_t rows_, group_size_;
  const NumberType& scale_type_;
  Operand codes_, zeros_, scales_;
};

Module matrix_of(const std::string& module, const LayoutTable& table) {
  Module m;
  m.codes = &table.need(module + std::string(kCodes), "i32");
  m.zeros = &table.need(module + std::string(kZeros), "i32");
  m.scales = &table.need(module + std::string(kScales));
  const Shape &codes = m.codes->shape, &zeros = m.zeros->shape, &scales = m.scales->shape;
  if (codes.size() != 2 || zeros.size() != 2 || scales.size() != 2 || !element_count(codes) || !element_count(zeros) ||
      codes[1] * 8 != scales[1] || zeros[1] != codes[1] || zeros[0] != scales[0] || codes[0] % scales[0] ||
      !is_tile_type(m.scales->encoding)) {
    fail(ErrorCode::kInput,
         "{} {}, {} {} and {} {} {} are neither a matrix of GPTQ nor one of AWQ's gemm layout in 4 bits; convert it "
         "with the program that made it, or use the original model",
         m.codes->name, to_string(codes), m.zeros->name, to_string(zeros), m.scales->name, m.scales->encoding,
         to_string(scales));
  }
  m.rows = scales[1];
  m.cols = codes[0];
  m.groups = scales[0];
  return m;
}

}  // namespace

void unpack_awq(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const std::string module = module_of(codes->name, kCodes);
    const Module m = matrix_of(module, table);
    for (const TensorEntry* entry : {m.codes, m.zeros, m.scales}) table.take(*entry);
    table.compare_with_config(4, m.groups == 1 ? 0 : m.cols / m.groups);
    table.put(
        tiled_entry(module + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding, m.codes->parts[0],
                    std::make_shared<AwqSource>(m, table)),
        m.groups == 1 ? "AWQ, 4 bits, one group a row" : fmt::format("AWQ, 4 bits, groups of {}", m.cols / m.groups));
  }
}

}  // namespace quern
