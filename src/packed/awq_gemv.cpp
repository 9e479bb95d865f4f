// AWQ, the layouts of AutoAWQ for single tokens (autoawq 0.2.9, modules/linear/gemv.py and gemv_fast.py). A linear
// layer M of shape [out, in]; the width w is that of the zero points' words, which scales are padded to by zeros:
//
//   gemv                                                     gemv_fast
//   M.qweight  I32 [out, in / 8]  codes of 4 bits along a    I16 [out / 4, in]  four rows together, in the order below
//                                 row, the first lowest
//   M.qzeros   I32 [out, w]       zero points, the same way  F16 [8 * w, out]   -zero * scale
//   M.scales   F16 [out, 8 * w]   w = (q - zero) * scale     F16 [8 * w, out]   w = q * scale - zero * scale
//
// Both are rounded to binary16, as the package's kernels for several tokens compute with it.
#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".qweight", kZeros = ".qzeros", kScales = ".scales";
constexpr std::uint64_t kRowsTogether = 4, kColsTogether = 64;  // of gemv_fast

struct Module {
  std::string name;
  const TensorEntry *codes = nullptr, *zeros = nullptr, *scales = nullptr;
  std::uint64_t rows = 0, cols = 0, group = 0;  // out, in
};

// The words of zero points that the package gives a row of so many inputs.
std::uint64_t words_of_zeros(std::uint64_t cols, std::uint64_t group) {
  const std::uint64_t step = group >= 128 ? 1 : group == 64 ? 2 : 4;
  const std::uint64_t words = (cols / group + 7) / 8;
  return (words + step - 1) / step * step;
}

// The padding of scales is zeros, of one output as of all: `first` has those of the first one.
std::uint64_t group_of(const Module& m, const std::vector<float>& first) {
  const auto last = std::ranges::find_if(first.rbegin(), first.rend(), [](float scale) { return scale != 0; });
  const auto groups = static_cast<std::uint64_t>(first.rend() - last);
  const std::uint64_t words = first.size() / 8;
  if (groups && m.cols % groups == 0 && words_of_zeros(m.cols, m.cols / groups) == words) return m.cols / groups;
  fail(ErrorCode::kInput,
       "{} has {} scales of an output, which are those of no groups of 32, 64, 128 or more of {} inputs",
       m.scales->name, groups, m.cols);
}

// Scales of the first output, `stride` bytes apart.
std::vector<float> first_scales(const Module& m, std::uint64_t count, std::uint64_t stride, const LayoutTable& table) {
  const NumberType& type = number_type(*m.scales);
  std::vector<float> scales;
  std::vector<std::byte> bytes(type.bytes);
  for (std::uint64_t i = 0; i < count; ++i) {
    table.read(*m.scales, i * stride, bytes);
    scales.push_back(type.at(bytes.data()));
  }
  return scales;
}

Module module_of_codes(const TensorEntry& codes, const LayoutTable& table) {
  Module m;
  m.name = module_of(codes.name, kCodes);
  m.codes = &codes;
  m.zeros = table.find(m.name + std::string(kZeros));
  m.scales = table.find(m.name + std::string(kScales));
  return m;
}

bool has_matrices(const Module& m) {
  for (const TensorEntry* entry : {m.codes, m.zeros, m.scales})
    if (!entry || entry->shape.size() != 2 || !element_count(entry->shape)) return false;
  return is_tile_type(m.scales->encoding);
}

// As many rows of everything: GPTQ would have groups of 8 inputs, the gemm layout of 1.
bool is_gemv(const Module& m) {
  return has_matrices(m) && m.codes->encoding == "i32" && m.zeros->encoding == "i32" &&
         m.codes->shape[0] == m.scales->shape[0] &&
         m.zeros->shape == Shape{m.scales->shape[0], m.scales->shape[1] / 8} && m.scales->shape[1] % 8 == 0;
}

bool is_gemv_fast(const Module& m) {
  return has_matrices(m) && m.codes->encoding == "i16" && m.zeros->encoding == m.scales->encoding &&
         m.zeros->shape == m.scales->shape && m.codes->shape[0] * kRowsTogether == m.scales->shape[1] &&
         m.scales->shape[0] % 8 == 0 && m.codes->shape[1] % kColsTogether == 0;
}

void put(const Module& m, std::shared_ptr<const TileSource> source, std::string_view layout, LayoutTable& table) {
  for (const TensorEntry* entry : {m.codes, m.zeros, m.scales}) table.take(*entry);
  table.put(tiled_entry(m.name + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding, m.codes->parts[0],
                        std::move(source)),
            m.group == m.cols ? fmt::format("AWQ ({}), 4 bits, one group a row", layout)
                              : fmt::format("AWQ ({}), 4 bits, groups of {}", layout, m.group));
}

void unpack_gemv(Module m, LayoutTable& table) {
  m.rows = m.codes->shape[0];
  m.cols = m.codes->shape[1] * 8;
  const std::uint64_t padded = m.scales->shape[1];
  m.group = group_of(m, first_scales(m, padded, number_type(*m.scales).bytes, table));
  const std::uint32_t home = m.codes->parts[0].file;
  RowCodes of;
  of.rows = of.grid_rows = m.rows;
  of.cols = m.cols;
  of.codes = table.operand(*m.codes, home);
  of.order = {4, 0};
  of.pitch = m.cols / 2;
  of.values = unsigned_values(0);
  of.scales = table.operand(*m.scales, home);
  of.scale_type = &number_type(*m.scales);
  of.grid_cols = padded;
  of.block_cols = m.group;
  of.shifts = table.operand(*m.zeros, home);
  of.shift_fields = RowCodes::Fields::kAlongRows;
  of.combine = from_zero_point;
  put(m, make_row_source(std::move(of)), "gemv", table);
}

class FastSource final : public TileSource {
 public:
  FastSource(const Module& m, const LayoutTable& table)
      : rows_(m.rows), cols_(m.cols), group_(m.group), type_(number_type(*m.scales)) {
    const std::uint32_t home = m.codes->parts[0].file;
    codes_ = table.operand(*m.codes, home);
    zeros_ = table.operand(*m.zeros, home);
    scales_ = table.operand(*m.scales, home);
  }

  std::uint64_t stored_bytes() const override {
    return codes_.stored_bytes() + zeros_.stored_bytes() + scales_.stored_bytes();
  }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::uint64_t first = tile.col / kColsTogether * kColsTogether,
                        last = (tile.col + tile.cols + kColsTogether - 1) / kColsTogether * kColsTogether;
    const std::uint64_t quad = tile.row / kRowsTogether, quads = (tile.row + tile.rows - 1) / kRowsTogether + 1 - quad;
    const std::vector<std::byte> words =
        read_rectangle(codes_, home, {cols_ * 2, quad, quads, first * 2, (last - first) * 2});
    const std::uint64_t group = tile.col / group_, groups = (tile.col + tile.cols - 1) / group_ + 1 - group;
    const Rectangle grid = {rows_ * type_.bytes, group, groups, tile.row * type_.bytes, tile.rows * type_.bytes};
    const std::vector<std::byte> scales = read_rectangle(scales_, home, grid),
                                 zeros = read_rectangle(zeros_, home, grid);
    for (std::uint64_t r = 0; r < tile.rows; ++r)
      for (std::uint64_t c = 0; c < tile.cols; ++c) {
        const std::uint64_t row = tile.row + r, col = tile.col + c;
        const std::byte* of_quad = &words[(row / kRowsTogether - quad) * (last - first) * 2];
        const std::uint64_t at = ((col / group_ - group) * tile.rows + r) * type_.bytes;
        values[r * tile.cols + c] =
            static_cast<float>(code_at(of_quad, row % kRowsTogether, col - first)) * type_.at(&scales[at]) +
            type_.at(&zeros[at]);
      }
  }

 private:
  // Of 32 inputs 8a + 2b + d stands at 8b + 4d + a; 64 of a row are 16 words, before those of the next of four rows.
  static unsigned code_at(const std::byte* words, std::uint64_t row, std::uint64_t col) {
    const std::uint64_t a = col % 32 / 8, b = col % 8 / 2, d = col % 2;
    const std::uint64_t place = col % kColsTogether / 32 * 32 + 8 * b + 4 * d + a;
    const std::uint64_t word = col / kColsTogether * kColsTogether + row * 16 + place / 4;
    return load<std::uint16_t>(words + word * 2) >> place % 4 * 4 & 15u;
  }

  std::uint64_t rows_, cols_, group_;
  const NumberType& type_;
  Operand codes_, zeros_, scales_;
};

void unpack_gemv_fast(Module m, LayoutTable& table) {
  m.rows = m.scales->shape[1];
  m.cols = m.codes->shape[1];
  m.group = group_of(m, first_scales(m, m.scales->shape[0], m.rows * number_type(*m.scales).bytes, table));
  put(m, std::make_shared<FastSource>(m, table), "gemv_fast", table);
}

}  // namespace

void unpack_awq_gemv(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const Module m = module_of_codes(*codes, table);
    if (is_gemv(m)) unpack_gemv(m, table);
    if (is_gemv_fast(m)) unpack_gemv_fast(m, table);
  }
}

}  // namespace quern
