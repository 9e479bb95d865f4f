// compressed-tensors, format pack-quantized, weights only. A linear layer M of shape [out, in] with codes of b bits:
//
//   M.weight_packed      I32  [out, in * b / 32]  codes q >= 0 along a row, the first in the lowest bits
//   M.weight_scale       BF16 [out, groups]       w = (q - zero) * scale; zero is 2^(b-1) where none are stored
//   M.weight_zero_point  I32  [ceil(out / 8), groups]  asymmetric only: zero_points.h
//   M.weight_shape       I64  [2]                 out, in
//
// Where that is a codec's run of bytes (packed_encodings()), the planes are presented; everything else is decoded while
// it is read, as the package does it (0.20, compressors/pack_quantized), to the type of the scales:
//
//   M.weight_packed      I32  [out, words]        codes of 1 to 8 bits, one stream of bits along a row; before release
//                                                 0.15 as many as fit a word, whose last bits are then unused
//   M.weight_scale       [out, groups] or [out, 1], any float; one number for all
//   M.weight_zero_point  I32  [words, groups]     packed the same way down the rows; beside one scale I8, as it is
//   M.weight_g_idx       I32  [in]                group of each input
#include "packed/compressed_tensors.h"

#include <algorithm>
#include <string>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"
#include "packed/zero_points.h"

namespace quern {
namespace {

using Zeros = PackedEncoding::Zeros;

constexpr const char* kPacked = ".weight_packed";
constexpr const char* kScale = ".weight_scale";
constexpr const char* kZeroPoint = ".weight_zero_point";
constexpr const char* kShape = ".weight_shape";
constexpr const char* kGroupIndex = ".weight_g_idx";

// A module as its tensors have it.
struct Module {
  std::string name;
  std::uint64_t rows = 0, cols = 0, groups = 0;
  bool has_one_scale = false;
  const TensorEntry *codes = nullptr, *scales = nullptr, *zeros = nullptr, *shape = nullptr, *index = nullptr;

  std::uint64_t group_size() const { return (cols + groups - 1) / groups; }
};

Module module_at(const TensorEntry& codes, const LayoutTable& table) {
  Module m;
  m.name = module_of(codes.name, kPacked);
  m.codes = &codes;
  m.shape = &table.need(m.name + kShape, "i64", {2});
  m.scales = &table.need(m.name + kScale);
  m.zeros = table.find(m.name + kZeroPoint);
  m.index = table.find(m.name + kGroupIndex);
  std::uint64_t extents[2];
  table.read(*m.shape, 0, std::as_writable_bytes(std::span(extents)));
  m.rows = extents[0];
  m.cols = extents[1];
  if (codes.shape.size() != 2 || codes.shape[0] != m.rows || !element_count(codes.shape) || m.cols == 0 ||
      m.cols / 32 > codes.shape[1])
    fail(ErrorCode::kInput, "{} is {}, but {} gives [{}, {}]", codes.name, to_string(codes.shape), m.shape->name,
         m.rows, m.cols);
  const Shape& scales = m.scales->shape;
  const bool is_grid = scales.size() == 2 && scales[0] == m.rows && scales[1] && scales[1] <= m.cols;
  if (!is_tile_type(m.scales->encoding) || (!is_grid && element_count(scales) != 1))
    fail(ErrorCode::kInput, "{} is {} {}, but floats of [{}, groups], or one for all, were expected beside {} [{}, {}]",
         m.scales->name, m.scales->encoding, to_string(scales), m.rows, codes.name, m.rows, m.cols);
  m.groups = is_grid ? scales[1] : 1;
  m.has_one_scale = !is_grid;
  if (m.zeros && is_grid) table.need(m.zeros->name, "i32");
  if (m.zeros && !is_grid && element_count(table.need(m.zeros->name, "i8").shape) != 1)
    fail(ErrorCode::kInput, "{} is {}, but {} has one scale for all", m.zeros->name, to_string(m.zeros->shape),
         m.scales->name);
  if (m.index) table.need(m.index->name, "i32", {m.cols});
  return m;
}

// Words of `count` codes.
std::uint64_t words_of(FieldOrder order, std::uint64_t count) { return (order.bit(count - 1) + order.bits + 31) / 32; }

bool fits(FieldOrder order, const Module& m) {
  if (m.codes->shape[1] != words_of(order, m.cols)) return false;
  return !m.zeros || m.has_one_scale || m.zeros->shape == Shape{words_of(order, m.rows), m.groups};
}

// The codes' bits: those that the configuration states where they fit; else those that do, streams before words.
FieldOrder order_of(const Module& m, const std::vector<unsigned>& stated) {
  std::vector<FieldOrder> candidates;
  for (const unsigned bits : stated) candidates.insert(candidates.end(), {{bits, 0}, {bits, 32 / bits}});
  for (const unsigned bits : {4u, 8u, 2u, 3u, 5u, 6u, 7u, 1u}) candidates.push_back({bits, 0});
  for (const unsigned bits : {3u, 5u, 6u, 7u}) candidates.push_back({bits, 32 / bits});
  const auto at = std::ranges::find_if(candidates, [&](FieldOrder order) { return fits(order, m); });
  if (at != candidates.end()) return *at;
  fail(ErrorCode::kInput, "{} {}{} are no codes of 1 to 8 bits of [{}, {}] weights in {} groups a row", m.codes->name,
       to_string(m.codes->shape), m.zeros ? fmt::format(" and {} {}", m.zeros->name, to_string(m.zeros->shape)) : "",
       m.rows, m.cols, m.groups);
}

// Null: the module is no codec's planes.
const PackedEncoding* planes_of(const Module& m, FieldOrder order) {
  if (m.index || m.scales->encoding != "bf16" || m.has_one_scale) return nullptr;
  const auto encodings = packed_encodings();
  const auto at = std::ranges::find_if(encodings, [&](const PackedEncoding& kind) {
    return kind.bits == order.bits && kind.divides(m.cols) && kind.groups(m.cols) == m.groups &&
           (kind.zeros == Zeros::kStored) == (m.zeros != nullptr);
  });
  return at == encodings.end() ? nullptr : &*at;
}

TensorEntry joined_planes(const Module& m, const PackedEncoding& kind) {
  TensorEntry joined{m.name + std::string(kWeightSuffix),
                     {m.rows, m.cols},
                     std::string(kind.name),
                     {m.codes->parts[0], m.scales->parts[0]}};
  if (m.zeros) {
    const TensorPart& words = m.zeros->parts[0];
    joined.parts.push_back(
        {words.file, words.offset, m.rows * m.groups, make_zero_point_decoder(words, m.rows, m.groups)});
  }
  return joined;
}

TensorEntry decoded(const Module& m, FieldOrder order, const LayoutTable& table) {
  const std::uint32_t home = m.codes->parts[0].file;
  const auto offset = static_cast<float>(1u << (order.bits - 1));
  RowCodes of;
  of.rows = m.rows;
  of.cols = m.cols;
  of.codes = table.operand(*m.codes, home);
  of.order = order;
  of.pitch = m.codes->shape[1] * 4;
  of.values = unsigned_values(offset);
  of.scales = table.operand(*m.scales, home);
  of.scale_type = &number_type(*m.scales);
  of.grid_rows = m.has_one_scale ? 1 : m.rows;
  of.block_rows = m.has_one_scale ? m.rows : 1;
  of.grid_cols = m.groups;
  of.block_cols = m.group_size();
  if (m.zeros) {
    of.shifts = table.operand(*m.zeros, home);
    of.combine = from_zero_point;
    if (m.has_one_scale)
      of.shift_type = &number_type(*m.zeros);
    else
      of.shift_offset = offset;
  }
  if (m.index) of.groups = table.operand(*m.index, home);
  return tiled_entry(m.name + std::string(kWeightSuffix), {m.rows, m.cols}, m.scales->encoding, m.codes->parts[0],
                     make_row_source(std::move(of)));
}

std::string described(const Module& m, FieldOrder order) {
  return fmt::format("compressed-tensors, {} bits{}, {}{}", order.bits, m.zeros ? " with zero points" : "",
                     m.has_one_scale ? "a scale for all"
                     : m.groups == 1 ? "a scale a row"
                                     : fmt::format("groups of {}", m.group_size()),
                     m.index ? ", act-order" : "");
}

}  // namespace

void unpack_compressed_tensors(LayoutTable& table) {
  const std::vector<unsigned> stated = stated_bits(table.config());
  for (const TensorEntry* codes : table.ending_with(kPacked)) {
    if (codes->encoding != "i32") continue;
    const Module m = module_at(*codes, table);
    const FieldOrder order = order_of(m, stated);
    const PackedEncoding* kind = planes_of(m, order);
    for (const TensorEntry* entry : {m.codes, m.scales, m.zeros, m.shape, m.index})
      if (entry) table.take(*entry);
    table.put(kind ? joined_planes(m, *kind) : decoded(m, order, table), kind ? "" : described(m, order));
  }
}

StoredLayout lay_out_packed_weight(const TensorSpec& tensor, const PackedEncoding& encoding) {
  if (why_not_packed(tensor.name, tensor.shape.size()) || tensor.shape[1] == 0 || !encoding.divides(tensor.shape[1])) {
    fail(ErrorCode::kInput,
         "tensor \"{}\" of shape {} cannot be stored as {} in safetensors: that takes a matrix named M.weight with "
         "rows of a multiple of {} weights",
         tensor.name, to_string(tensor.shape), encoding.name,
         encoding.group ? encoding.group : encoding.codes_per_word());
  }
  const std::string module = module_of(tensor.name);
  const std::uint64_t rows = tensor.shape[0], cols = tensor.shape[1], groups = encoding.groups(cols);
  StoredLayout layout;
  layout.add_part(module + kPacked, "i32", {rows, cols / encoding.codes_per_word()});
  layout.add_part(module + kScale, "bf16", {rows, groups});
  if (encoding.zeros == Zeros::kStored) {
    const std::size_t words = layout.add(module + kZeroPoint, "i32", {zero_point_words(rows), groups});
    const PartEncoder pack = [groups](std::span<const std::byte> zeros) -> std::vector<std::vector<std::byte>> {
      return {pack_zero_points(zeros, groups)};
    };
    layout.parts.push_back({rows * groups, {words}, pack});
  }
  layout.add_constant(module + kShape, "i64", {2}, std::as_bytes(std::span(tensor.shape)));
  return layout;
}

}  // namespace quern
