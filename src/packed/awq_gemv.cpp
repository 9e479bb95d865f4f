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
#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".qweight", kZeros = ".qzeros", kScales = ".scales";
constexpr std::uint64_t kRowsTogether = 4, kColsTogether = 64;  // of gemv_fast
constexpr std::uint64_t kScalesAtOnce = 1 << 14;

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

bool is_group(std::uint64_t group) { return group == 32 || group == 64 || group >= 128; }

// How many groups a row may have whose zero points take so many words, from the fewest. Scales leave a choice only
// among groups of 128 and more.
std::set<std::uint64_t> possible_groups(std::uint64_t cols, std::uint64_t words) {
  std::set<std::uint64_t> counts = {cols / 32, cols / 64};
  for (std::uint64_t padding = 0; padding < 8; ++padding) counts.insert(words * 8 - padding);
  std::erase_if(counts, [&](std::uint64_t count) {
    return count == 0 || cols % count || !is_group(cols / count) || words_of_zeros(cols, cols / count) != words;
  });
  return counts;
}

std::optional<std::uint64_t> stated_group(const LayoutTable& table) {
  const Json* config = find_quantization(table.config());
  const Json* stated = config ? config->find("group_size") : nullptr;
  if (!stated || !stated->is_number() || !(stated->as_double() >= 1 && stated->as_double() < 0x1p53)) return {};
  return static_cast<std::uint64_t>(stated->as_double());
}

// Groups up to the last one under which an output has a scale, or `most` of them and more: what pads the scales is
// zeros for every output. `group_at`: of a scale by its place.
template <typename GroupAt>
std::uint64_t used_groups(const TensorEntry& scales, std::uint64_t most, const LayoutTable& table, GroupAt group_at) {
  const NumberType& type = number_type(scales);
  const std::uint64_t count = element_count(scales.shape);
  std::vector<std::byte> bytes;
  std::uint64_t used = 0;
  for (std::uint64_t at = 0; at < count && used < most;) {
    bytes.resize(std::min(kScalesAtOnce, count - at) * type.bytes);
    table.read(scales, at * type.bytes, bytes);
    for (std::size_t i = 0; i < bytes.size(); i += type.bytes, ++at)
      if (type.at(&bytes[i]) != 0) used = std::max<std::uint64_t>(used, group_at(at) + 1);
  }
  return used;
}

// Inputs of a group: those that the configuration states, where they fit the zero points' words, else what the padding
// of the scales leaves. 0: none fits.
template <typename GroupAt>
std::uint64_t group_of(const Module& m, std::uint64_t words, const LayoutTable& table, GroupAt group_at) {
  const std::set<std::uint64_t> counts = possible_groups(m.cols, words);
  if (counts.empty()) return 0;
  const std::optional<std::uint64_t> stated = stated_group(table);
  if (stated && m.cols % *stated == 0 && counts.contains(m.cols / *stated)) return *stated;
  if (counts.size() == 1) return m.cols / *counts.begin();
  const auto fewest = counts.lower_bound(used_groups(*m.scales, *counts.rbegin(), table, group_at));
  return fewest == counts.end() ? 0 : m.cols / *fewest;
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

// As many rows of everything: GPTQ would have groups of 8 inputs, and a group of each; the gemm layout groups of 1.
bool is_gemv(const Module& m, const LayoutTable& table) {
  return has_matrices(m) && !table.find(m.name + ".g_idx") && m.codes->encoding == "i32" &&
         m.zeros->encoding == "i32" && m.codes->shape[0] == m.scales->shape[0] &&
         m.zeros->shape == Shape{m.scales->shape[0], m.scales->shape[1] / 8} && m.scales->shape[1] % 8 == 0;
}

bool is_gemv_fast(const Module& m) {
  return has_matrices(m) && m.codes->encoding == "i16" && m.zeros->encoding == m.scales->encoding &&
         m.zeros->shape == m.scales->shape && m.codes->shape[0] * kRowsTogether == m.scales->shape[1] &&
         m.scales->shape[0] % 8 == 0 && m.codes->shape[1] % kColsTogether == 0;
}

void put(const Module& m, std::shared_ptr<const TileSource> source, std::string_view layout, LayoutTable& table) {
  for (const TensorEntry* entry : {m.codes, m.zeros, m.scales}) table.take(*entry);
  table.compare_with_config(4, m.group == m.cols ? 0 : m.group);
  table.put(tiled_entry(m.name + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding, m.codes->parts[0],
                        std::move(source)),
            m.group == m.cols ? fmt::format("AWQ ({}), 4 bits, one group a row", layout)
                              : fmt::format("AWQ ({}), 4 bits, groups of {}", layout, m.group));
}

// A module that no group fits is left to the layouts behind this one.
void unpack_gemv(Module m, LayoutTable& table) {
  m.rows = m.codes->shape[0];
  m.cols = m.codes->shape[1] * 8;
  const std::uint64_t padded = m.scales->shape[1];
  m.group = group_of(m, padded / 8, table, [&](std::uint64_t at) { return at % padded; });
  if (!m.group) return;
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
  m.group = group_of(m, m.scales->shape[0] / 8, table, [&](std::uint64_t at) { return at / m.rows; });
  if (!m.group) return;
  put(m, std::make_shared<FastSource>(m, table), "gemv_fast", table);
}

}  // namespace

void unpack_awq_gemv(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const Module m = module_of_codes(*codes, table);
    if (is_gemv(m, table)) unpack_gemv(m, table);
    if (is_gemv_fast(m)) unpack_gemv_fast(m, table);
  }
}

}  // namespace quern
