// HQQ (hqq 0.2.8, core/quantize.py and core/bitpack.py), which transformers stores too. A linear layer M of shape
// [out, in], flattened to groups: [groups, size] (axis 1) or [size, groups] (axis 0):
//
//   M.W_q    U8 or I32    codes of b bits. The flattened matrix is cut into as many equal pieces as a word has room for
//                         codes (3 bits: ten in 32, the last piece filled up); the first piece is in the highest ones
//   M.scale  [groups, 1]  or [1, groups]
//   M.zero   the same     w = T(T(q - zero) * scale) in the type T of both
//   M.shape  I64 [2]      M.nbits, M.axis  I32 []      M.packing  U8, the letters "4bit_u8"
//   and settings that nothing here depends on
#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/tiles.h"

namespace quern {
namespace {

constexpr std::string_view kCodes = ".W_q";
constexpr const char* kSettings[] = {".shape",
                                     ".nbits",
                                     ".axis",
                                     ".packing",
                                     ".group_size",
                                     ".compute_dtype",
                                     ".channel_wise",
                                     ".optimize",
                                     ".round_zero",
                                     ".view_as_float",
                                     ".offload_meta",
                                     ".unpack_view_dtype",
                                     ".quant_scale",
                                     ".quant_zero",
                                     ".encoded_state_dict",
                                     ".stores_quant_config"};

struct Packing {
  std::string_view name;
  unsigned bits, word_bytes, pieces;

  unsigned shift(std::uint64_t piece) const { return bits * (pieces - 1 - static_cast<unsigned>(piece)); }
};
constexpr Packing kPackings[] = {
    {"8bit_u8", 8, 1, 1}, {"4bit_u8", 4, 1, 2}, {"3bit_32", 3, 4, 10}, {"2bit_u8", 2, 1, 4}, {"1bit_u8", 1, 1, 8}};

enum class Axis { kColumns, kRows };  // of the flattened matrix, that are groups: 0, 1

struct Module {
  std::string name;
  Packing packing{};
  Axis axis = Axis::kRows;
  std::uint64_t rows = 0, cols = 0, groups = 0, words = 0;
  const TensorEntry *codes = nullptr, *scales = nullptr, *zeros = nullptr;

  std::uint64_t count() const { return rows * cols; }
  std::uint64_t size() const { return count() / groups; }
};

using Round = float (*)(float);
template <std::uint16_t (*kRound)(float), float (*kWiden)(std::uint16_t)>
float rounded(float value) {
  return kWiden(kRound(value));
}

Round round_of(std::string_view encoding) {
  if (encoding == "f16") return rounded<f32_to_f16, f16_to_f32>;
  if (encoding == "bf16") return rounded<f32_to_bf16, bf16_to_f32>;
  return [](float value) { return value; };
}

class HqqSource final : public TileSource {
 public:
  HqqSource(Module m, const LayoutTable& table)
      : of_(std::move(m)), type_(number_type(*of_.scales)), round_(round_of(of_.scales->encoding)) {
    const std::uint32_t home = of_.codes->parts[0].file;
    codes_ = table.operand(*of_.codes, home);
    scales_ = table.operand(*of_.scales, home);
    zeros_ = table.operand(*of_.zeros, home);
  }

  std::uint64_t stored_bytes() const override {
    return codes_.stored_bytes() + scales_.stored_bytes() + zeros_.stored_bytes();
  }

  // Groups along columns follow each other weight by weight: where a tile has them all they are read once.
  void decode(const File& home, const Tile& tile, std::span<float> values) const override {
    const bool has_all = of_.axis == Axis::kColumns && of_.groups <= values.size();
    Grid grid;
    if (has_all) grid = read_grid(home, 0, of_.groups);
    for (std::uint64_t r = 0; r < tile.rows; ++r) {
      const std::uint64_t begin = (tile.row + r) * of_.cols + tile.col;
      for (std::uint64_t done = 0; done < tile.cols;) {
        const std::uint64_t at = begin + done;
        std::uint64_t count = std::min(tile.cols - done, of_.words - at % of_.words);
        if (!has_all) {
          count = std::min(count, groups_in_order(at));
          const std::uint64_t first = group_of(at);
          grid = read_grid(home, first, group_of(at + count - 1) + 1 - first);
        }
        decode_run(home, at, grid, values.subspan(r * tile.cols + done, count));
        done += count;
      }
    }
  }

 private:
  struct Grid {
    std::uint64_t first = 0;  // group
    std::vector<float> scales, zeros;
  };

  // From element `at` on, how many lie in groups that follow each other.
  std::uint64_t groups_in_order(std::uint64_t at) const {
    return of_.axis == Axis::kRows ? of_.count() - at : of_.groups - at % of_.groups;
  }

  std::uint64_t group_of(std::uint64_t at) const { return of_.axis == Axis::kRows ? at / of_.size() : at % of_.groups; }

  std::vector<float> read_numbers(const Operand& from, const File& home, std::uint64_t first,
                                  std::uint64_t count) const {
    std::vector<std::byte> bytes(count * type_.bytes);
    from.read(home, first * type_.bytes, bytes);
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i) numbers[i] = type_.at(&bytes[i * type_.bytes]);
    return numbers;
  }

  Grid read_grid(const File& home, std::uint64_t first, std::uint64_t count) const {
    return {first, read_numbers(scales_, home, first, count), read_numbers(zeros_, home, first, count)};
  }

  // Of weights that lie in one piece.
  void decode_run(const File& home, std::uint64_t at, const Grid& grid, std::span<float> values) const {
    const std::uint64_t width = of_.packing.word_bytes;
    std::vector<std::byte> bytes(values.size() * width);
    codes_.read(home, at % of_.words * width, bytes);
    const unsigned shift = of_.packing.shift(at / of_.words), mask = (1u << of_.packing.bits) - 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint32_t word = width == 1 ? load<std::uint8_t>(&bytes[i]) : load<std::uint32_t>(&bytes[i * width]);
      const std::uint64_t g = group_of(at + i) - grid.first;
      values[i] = round_(static_cast<float>(word >> shift & mask) - grid.zeros[g]) * grid.scales[g];
    }
  }

  Module of_;
  const NumberType& type_;
  Round round_;
  Operand codes_, scales_, zeros_;
};

std::uint64_t number_in(const LayoutTable& table, const std::string& name) {
  std::int32_t value = 0;
  table.read(table.need(name, "i32", {}), 0, std::as_writable_bytes(std::span(&value, 1)));
  if (value < 0) fail(ErrorCode::kInput, "{} is {}", name, value);
  return static_cast<std::uint64_t>(value);
}

Packing packing_of(const LayoutTable& table, const std::string& module) {
  const TensorEntry& letters = table.need(module + ".packing", "u8");
  const std::vector<std::byte> bytes = table.read_small(letters, 64);
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto at = std::ranges::find(kPackings, name, &Packing::name);
  if (at != std::end(kPackings)) return *at;
  fail(ErrorCode::kInput, "{} names none of the packings of HQQ that are read: 8, 4, 3, 2 and 1 bits", letters.name);
}

void check_plain_scales(const LayoutTable& table, const std::string& module) {
  for (const char* setting : {".quant_scale", ".quant_zero"}) {
    const TensorEntry* entry = table.find(module + setting);
    if (entry && table.read_small(*entry, 1) != std::vector<std::byte>{std::byte{0}})
      fail(ErrorCode::kInput,
           "{}: HQQ's scales and zero points that are quantized themselves are not read; use the "
           "original model",
           entry->name);
  }
}

Module module_at(const TensorEntry& codes, const LayoutTable& table) {
  Module m;
  m.name = module_of(codes.name, kCodes);
  m.codes = &codes;
  if (!table.find(m.name + ".shape"))
    fail(ErrorCode::kInput,
         "{} is a matrix of HQQ, but {}.shape is missing: save the model's state dict encoded, as the package does by "
         "default, or use the original model",
         codes.name, m.name);
  check_plain_scales(table, m.name);
  std::uint64_t shape[2];
  table.read(table.need(m.name + ".shape", "i64", {2}), 0, std::as_writable_bytes(std::span(shape)));
  m.rows = shape[0];
  m.cols = shape[1];
  m.packing = packing_of(table, m.name);
  m.axis = number_in(table, m.name + ".axis") == 0 ? Axis::kColumns : Axis::kRows;
  m.scales = &table.need(m.name + ".scale");
  m.zeros = &table.need(m.name + ".zero", m.scales->encoding, m.scales->shape);
  m.groups = element_count(m.scales->shape);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 31;
  if (!m.rows || !m.cols || m.rows > kMost || m.cols > kMost || !m.groups || m.count() % m.groups ||
      !is_tile_type(m.scales->encoding))
    fail(ErrorCode::kInput, "{} gives [{}, {}], which {} {} {} do not fit", m.name + ".shape", m.rows, m.cols,
         m.scales->name, m.scales->encoding, to_string(m.scales->shape));
  // A piece is whole lines of the flattened matrix.
  const std::uint64_t line = m.axis == Axis::kRows ? m.size() : m.groups, lines = m.count() / line;
  m.words = (lines + m.packing.pieces - 1) / m.packing.pieces * line;
  const std::optional<std::uint64_t> bytes = checked_mul(m.words, m.packing.word_bytes);
  if (!bytes || codes.parts[0].bytes != *bytes)
    fail(ErrorCode::kInput, "{} has {} bytes, but {} words of {} were expected for [{}, {}] in {} groups and {} bits",
         codes.name, codes.parts[0].bytes, m.words, m.packing.word_bytes, m.rows, m.cols, m.groups, m.packing.bits);
  return m;
}

}  // namespace

void unpack_hqq(LayoutTable& table) {
  for (const TensorEntry* codes : table.ending_with(kCodes)) {
    const Module m = module_at(*codes, table);
    for (const TensorEntry* entry : {m.codes, m.scales, m.zeros}) table.take(*entry);
    for (const char* setting : kSettings)
      if (const TensorEntry* entry = table.find(m.name + setting)) table.take(*entry);
    const std::string layout = fmt::format("HQQ, {} bits, groups of {}", m.packing.bits, m.size());
    table.put(tiled_entry(m.name + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding, codes->parts[0],
                          std::make_shared<HqqSource>(m, table)),
              layout);
  }
}

}  // namespace quern
