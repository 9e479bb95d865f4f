// GPTQ, as GPTQModel and AutoGPTQ store it (gptqmodel 7.7, nn_modules/qlinear). A linear layer M of shape [out, in]
// with codes of b bits, b = 2, 3, 4 or 8:
//
//   M.qweight  I32 [in * b / 32, out]  codes down a column, one stream of bits, the first in the lowest ones
//   M.qzeros   I32 [groups, out * b / 32]  zero points along a row, packed the same way
//   M.scales   F16 [groups, out]       (or BF16)  w = (q - zero) * scale, rounded to that type
//   M.g_idx    I32 [in]                group of each input; absent: i / ceil(in / groups)
//
// Version 1 stores zero points less 1, version 2 as they are. GPTQModel subtracts 1 from every field by one subtraction
// of whole words, which borrows from the next field where a zero point is 0, and adds it back the same way; so does
// this reader. With 3 bits, where fields cross words, it counts by field.
#include <algorithm>
#include <array>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".qweight", kZeros = ".qzeros", kScales = ".scales", kIndex = ".g_idx";
constexpr unsigned kBits[] = {2, 3, 4, 8};
constexpr std::uint64_t kChunk = 1 << 14;  // of group indices, or words, that are looked through at once

enum class Version { kUnknown, k1, k2 };

struct Module {
  std::string module;
  unsigned bits = 0;
  std::uint64_t rows = 0, cols = 0, groups = 0;  // out, in
  std::uint64_t group_size = 0;                  // where the groups are runs; 0: g_idx says which
  const TensorEntry *codes = nullptr, *zeros = nullptr, *scales = nullptr, *index = nullptr;
};

class GptqSource final : public TileSource {
 public:
  GptqSource(const Module& matrix, Version version, const LayoutTable& table)
      : bits_(matrix.bits),
        rows_(matrix.rows),
        groups_(matrix.groups),
        group_size_(matrix.group_size),
        version_(version),
        scale_type_(number_type(*matrix.scales)) {
    const std::uint32_t home = matrix.codes->parts[0].file;
    codes_ = table.operand(*matrix.codes, home);
    zeros_ = table.operand(*matrix.zeros, home);
    scales_ = table.operand(*matrix.scales, home);
    if (matrix.index) index_ = table.operand(*matrix.index, home);
    stored_ = codes_.stored_bytes() + zeros_.stored_bytes() + scales_.stored_bytes();
    if (matrix.index) stored_ += index_.stored_bytes();
  }

  std::uint64_t stored_bytes() const override { return stored_; }

  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const std::vector<std::uint32_t> group_of = groups_of(home, tile);
    const auto [least, most] = std::ranges::minmax(group_of);
    const Grid grid = read_grid(home, tile, least, most - least + 1);
    const WordRun run = words_of_fields(tile.col, tile.cols, bits_);
    const std::vector<std::uint32_t> words =
        as_words(read_rectangle(codes_, home, {rows_ * 4, run.first, run.count, tile.row * 4, tile.rows * 4}));
    for (std::uint64_t c = 0; c < tile.cols; ++c) {
      const std::size_t at = (group_of[c] - least) * tile.rows;
      for (std::uint64_t r = 0; r < tile.rows; ++r) {
        const std::uint32_t code = bit_field(&words[r], tile.rows, (tile.col + c) * bits_ - run.first * 32, bits_);
        values[r * tile.cols + c] =
            static_cast<float>(static_cast<std::int32_t>(code) - grid.zeros[at + r]) * grid.scales[at + r];
      }
    }
  }

 private:
  // Scales and zero points of some groups, [groups, rows of the tile].
  struct Grid {
    std::vector<float> scales;
    std::vector<std::int32_t> zeros;
  };

  std::vector<std::uint32_t> groups_of(const File& home, const Tile& tile) const {
    std::vector<std::uint32_t> group(tile.cols);
    if (group_size_) {
      for (std::uint64_t c = 0; c < tile.cols; ++c) group[c] = static_cast<std::uint32_t>((tile.col + c) / group_size_);
    } else {
      index_.read(home, tile.col * 4, std::as_writable_bytes(std::span(group)));
      for (const std::uint32_t g : group)
        if (g >= groups_) fail(ErrorCode::kInput, "{} names group {} of {}", index_.name(), g, groups_);
    }
    return group;
  }

  Grid read_grid(const File& home, const Tile& tile, std::uint64_t first, std::uint64_t count) const {
    Grid grid;
    const std::uint64_t bytes = scale_type_.bytes;
    const std::vector<std::byte> scales =
        read_rectangle(scales_, home, {rows_ * bytes, first, count, tile.row * bytes, tile.rows * bytes});
    for (std::size_t i = 0; i < count * tile.rows; ++i) grid.scales.push_back(scale_type_.at(&scales[i * bytes]));
    const WordRun run = words_of_fields(tile.row, tile.rows, bits_);
    std::vector<std::uint32_t> words =
        as_words(read_rectangle(zeros_, home, {rows_ * bits_ / 8, first, count, run.first * 4, run.count * 4}));
    if (version_ == Version::k1 && bits_ != 3)
      for (std::uint32_t& word : words) word += 0xffffffffu / ((1u << bits_) - 1);
    for (std::uint64_t g = 0; g < count; ++g)
      for (std::uint64_t r = 0; r < tile.rows; ++r) {
        std::uint32_t zero = bit_field(&words[g * run.count], 1, (tile.row + r) * bits_ - run.first * 32, bits_);
        if (version_ == Version::k1 && bits_ == 3) zero = (zero + 1) & 7;
        grid.zeros.push_back(static_cast<std::int32_t>(zero));
      }
    return grid;
  }

  unsigned bits_;
  std::uint64_t rows_, groups_, group_size_;
  Version version_;
  const NumberType& scale_type_;
  Operand codes_, zeros_, scales_, index_;
  std::uint64_t stored_ = 0;
};

const Json* config_of(const LayoutTable& table) { return find_quantization(table.config()); }

// The size of a group where g_idx counts i / size, or there is none; 0: it does not.
std::uint64_t group_size_of(const Module& matrix, const LayoutTable& table) {
  std::uint64_t size = (matrix.cols + matrix.groups - 1) / matrix.groups;
  if (!matrix.index) {
    if (const Json* config = config_of(table); config && matrix.cols % matrix.groups) {
      const Json* stated = config->find("group_size");
      if (stated && stated->is_number() && stated->as_double() > 0) size = stated->as_uint64();
    }
    return size;
  }
  std::vector<std::uint32_t> index(std::min(kChunk, matrix.cols));
  std::uint64_t first_run = 0;  // the length of the run of zeros, which is the size of a group
  bool is_run = true;
  for (std::uint64_t at = 0; at < matrix.cols; at += index.size()) {
    index.resize(std::min(kChunk, matrix.cols - at));
    table.read(*matrix.index, at * 4, std::as_writable_bytes(std::span(index)));
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (index[i] >= matrix.groups)
        fail(ErrorCode::kInput, "{} names group {} of {}", matrix.index->name, static_cast<std::int32_t>(index[i]),
             matrix.groups);
      if (index[i] == 0 && first_run == at + i) ++first_run;
      is_run = is_run && first_run && index[i] == (at + i) / first_run;
    }
  }
  return is_run ? first_run : 0;
}

Module matrix_of(const std::string& module, const LayoutTable& table) {
  Module m;
  m.module = module;
  m.codes = &table.need(module + std::string(kCodes), "i32");
  m.zeros = &table.need(module + std::string(kZeros), "i32");
  m.scales = &table.need(module + std::string(kScales));
  m.index = table.find(module + std::string(kIndex));
  const Shape &codes = m.codes->shape, &zeros = m.zeros->shape, &scales = m.scales->shape;
  if (codes.size() != 2 || zeros.size() != 2 || scales.size() != 2 || !element_count(codes) || !element_count(zeros) ||
      codes[1] != scales[1] || zeros[0] != scales[0] || !is_tile_type(m.scales->encoding)) {
    fail(ErrorCode::kInput, "{} {}, {} {} and {} {} are no matrix in the layout of GPTQ", m.codes->name,
         to_string(codes), m.zeros->name, to_string(zeros), m.scales->encoding, to_string(scales));
  }
  m.rows = codes[1];
  m.groups = scales[0];
  for (const unsigned bits : kBits)
    if (zeros[1] * 32 == m.rows * bits) m.bits = bits;
  if (!m.bits || codes[0] * 32 % m.bits || (m.bits == 3 && codes[0] % 3))
    fail(ErrorCode::kInput, "{} {} and {} {} are no codes of 2, 3, 4 or 8 bits", m.codes->name, to_string(codes),
         m.zeros->name, to_string(zeros));
  m.cols = codes[0] * 32 / m.bits;
  if (m.groups > m.cols) fail(ErrorCode::kInput, "{} has {} groups for {} inputs", m.scales->name, m.groups, m.cols);
  if (m.index) table.need(m.index->name, "i32", {m.cols});
  m.group_size = group_size_of(m, table);
  if (m.group_size && (m.cols - 1) / m.group_size >= m.groups)
    fail(ErrorCode::kInput, "{} has {} groups, too few for {} inputs in groups of {}", m.scales->name, m.groups, m.cols,
         m.group_size);
  return m;
}

// What the stored zero points and codes of a file say of their version.
struct Evidence {
  std::uint64_t fields = 0, middle = 0, below = 0;  // zero points, those that are 2^(b-1), and one less
  double difference = 0, codes = 0;                 // sum of code - stored zero point, over so many codes
};

// A part of the matrix, as version 2 reads it with scales of 1.
void gather(const Module& m, const LayoutTable& table, Evidence& evidence) {
  std::vector<std::uint32_t> zeros(std::min<std::uint64_t>(kChunk, element_count(m.zeros->shape)));
  table.read(*m.zeros, 0, std::as_writable_bytes(std::span(zeros)));
  const std::uint64_t fields = zeros.size() * 32 / m.bits, middle = std::uint64_t{1} << (m.bits - 1);
  for (std::uint64_t i = 0; i < fields; ++i) {
    const std::uint32_t zero = bit_field(zeros.data(), 1, i * m.bits, m.bits);
    evidence.middle += zero == middle;
    evidence.below += zero == middle - 1;
  }
  evidence.fields += fields;
  // The first words of codes: a few inputs of every output, which all lie in the first groups.
  if (m.group_size < 32 / m.bits) return;
  const std::uint64_t unit = m.bits == 3 ? 3 : 1, inputs = unit * 32 / m.bits;
  const std::uint64_t outputs = std::min(m.rows, fields);
  std::vector<std::uint32_t> codes(unit * m.rows);
  if (inputs > m.group_size || codes.size() > (kChunk << 4)) return;
  table.read(*m.codes, 0, std::as_writable_bytes(std::span(codes)));
  for (std::uint64_t r = 0; r < outputs; ++r) {
    const std::uint32_t zero = bit_field(zeros.data(), 1, r * m.bits, m.bits);
    if (zero == 0 || zero == 2 * middle - 1) continue;  // weights of one sign, whose mean says nothing
    for (std::uint64_t i = 0; i < inputs; ++i)
      evidence.difference += static_cast<double>(bit_field(&codes[r], m.rows, i * m.bits, m.bits)) - zero;
    evidence.codes += static_cast<double>(inputs);
  }
}

Version stated_version(const LayoutTable& table) {
  const Json* config = config_of(table);
  const std::string format = config ? member_text(*config, "checkpoint_format") : "";
  if (format == "gptq_v2") return Version::k2;
  return format == "gptq" || (config && format.empty() && member_text(*config, "quant_method") == "gptq")
             ? Version::k1
             : Version::kUnknown;
}

// Symmetric zero points tell it; else the configuration; else the weights, whose mean is near 0, so that codes lie
// around their zero point: one above it where 1 was subtracted.
Version version_of(const std::vector<Module>& matrices, LayoutTable& table) {
  Evidence evidence;
  for (const Module& matrix : matrices) gather(matrix, table, evidence);
  const Version stated = stated_version(table);
  const Version symmetric = evidence.below == evidence.fields    ? Version::k1
                            : evidence.middle == evidence.fields ? Version::k2
                                                                 : Version::kUnknown;
  if (symmetric != Version::kUnknown) {
    if (stated != Version::kUnknown && stated != symmetric)
      table.note(
          fmt::format("the configuration says that zero points of GPTQ are those of version {}, but all of them "
                      "are as version {} stores the middle: the tensors count",
                      stated == Version::k1 ? 1 : 2, stated == Version::k1 ? 2 : 1));
    return symmetric;
  }
  if (stated != Version::kUnknown) return stated;
  return evidence.codes > 0 && evidence.difference / evidence.codes < 0.5 ? Version::k2 : Version::k1;
}

std::string described(const Module& m, Version version) {
  const std::string groups = m.groups == 1  ? "one group a row"
                             : m.group_size ? fmt::format("groups of {}", m.group_size)
                                            : fmt::format("{} groups, act-order", m.groups);
  return fmt::format("GPTQ{}, {} bits, {}", version == Version::k2 ? " v2" : "", m.bits, groups);
}

// [in * b / 32, out] beside scales of [groups, out]; AWQ's codes have fewer columns than their scales.
bool is_gptq(const std::string& module, const LayoutTable& table) {
  const TensorEntry& codes = *table.find(module + std::string(kCodes));
  const TensorEntry* scales = table.find(module + std::string(kScales));
  const TensorEntry* zeros = table.find(module + std::string(kZeros));
  return !scales || !zeros || codes.shape.size() != 2 || scales->shape.size() != 2 ||
         codes.shape[1] == scales->shape[1];
}

}  // namespace

void unpack_gptq(LayoutTable& table) {
  std::vector<Module> matrices;
  for (const TensorEntry* codes : table.ending_with(kCodes))
    if (const std::string module = module_of(codes->name, kCodes); is_gptq(module, table))
      matrices.push_back(matrix_of(module, table));
  if (matrices.empty()) return;
  const Version version = version_of(matrices, table);
  for (const Module& m : matrices) {
    for (const TensorEntry* entry : {m.codes, m.zeros, m.scales, m.index})
      if (entry) table.take(*entry);
    table.compare_with_config(m.bits, m.groups == 1 ? 0 : m.group_size);
    auto source = std::make_shared<GptqSource>(m, version, table);
    table.put(tiled_entry(m.module + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding,
                          m.codes->parts[0], std::move(source)),
              described(m, version));
  }
}

}  // namespace quern
