// compressed-tensors, format pack-quantized, weights only. A linear layer M of shape [out, in] with codes of b bits:
//
//   M.weight_packed      I32  [out, in * b / 32]  codes q >= 0 along a row, the first in the lowest bits
//   M.weight_scale       BF16 [out, groups]       w = (q - zero) * scale; zero is 2^(b-1) where none are stored
//   M.weight_zero_point  I32  [ceil(out / 8), groups]  asymmetric only: zero_points.h
//   M.weight_shape       I64  [2]                 out, in
//
// The package also packs rows that end inside a word or a group; such a row is not the codec's run of bytes, so these
// are refused both ways.
#include "packed/compressed_tensors.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/fail.h"
#include "packed/quantized_modules.h"
#include "packed/zero_points.h"

namespace quern {
namespace {

using Zeros = PackedEncoding::Zeros;

constexpr const char* kPacked = ".weight_packed";
constexpr const char* kScale = ".weight_scale";
constexpr const char* kZeroPoint = ".weight_zero_point";
constexpr const char* kShape = ".weight_shape";
constexpr const char* kGroupIndex = ".weight_g_idx";

using Table = std::map<std::string, const TensorEntry*, std::less<>>;

const TensorEntry& sibling(const Table& table, const std::string& name, std::string_view encoding) {
  const auto at = table.find(name);
  if (at == table.end()) fail(ErrorCode::kInput, "{} is missing", name);
  if (at->second->encoding != encoding)
    fail(ErrorCode::kInput, "{} is {}, but {} was expected", name, at->second->encoding, encoding);
  return *at->second;
}

const TensorEntry& sibling(const Table& table, const std::string& name, std::string_view encoding, const Shape& shape) {
  const TensorEntry& entry = sibling(table, name, encoding);
  if (entry.shape != shape) {
    fail(ErrorCode::kInput, "{} is {} {}, but {} {} was expected", name, entry.encoding, to_string(entry.shape),
         encoding, to_string(shape));
  }
  return entry;
}

// Which of the declared kinds the stored shapes are; the targets of the groups are patterns over module classes and
// need not be resolved.
const PackedEncoding& kind_of(const std::string& module, const Table& table, std::uint64_t cols,
                              const std::vector<const PackedEncoding*>& declared) {
  const Shape& packed = sibling(table, module + kPacked, "i32").shape;
  const Shape& scales = sibling(table, module + kScale, "bf16").shape;
  const Zeros zeros = table.contains(module + kZeroPoint) ? Zeros::kStored : Zeros::kNone;
  for (const PackedEncoding* kind : declared) {
    if (kind->zeros == zeros && kind->divides(cols) && packed.size() == 2 && scales.size() == 2 &&
        packed[1] == cols / kind->codes_per_word() && scales[1] == kind->groups(cols))
      return *kind;
  }
  // With one kind the tensor that does not fit it can be named.
  if (declared.size() == 1 && declared[0]->divides(cols) && declared[0]->zeros == zeros) return *declared[0];
  fail(ErrorCode::kInput,
       "{}: rows of {} weights in {} words with scales of shape {}{} are no kind that the "
       "configuration declares and that can be read ({})",
       module + kPacked, cols, to_string(packed), to_string(scales), zeros == Zeros::kStored ? " and zero points" : "",
       declared[0]->name);
}

TensorEntry join(const std::string& module, const Table& table, const std::vector<File>& files,
                 const std::vector<const PackedEncoding*>& declared) {
  const TensorEntry& shape_entry = sibling(table, module + kShape, "i64", {2});
  std::uint64_t extents[2];
  const TensorPart& where = shape_entry.parts[0];
  files.at(where.file).read(where.offset, std::as_writable_bytes(std::span(extents)));
  const std::uint64_t rows = extents[0], cols = extents[1];
  if (cols == 0 || std::ranges::none_of(declared, [cols](const auto* kind) { return kind->divides(cols); })) {
    fail(ErrorCode::kInput, "{} gives rows of {} weights; only whole words and whole groups are supported",
         module + kShape, cols);
  }
  const PackedEncoding& kind = kind_of(module, table, cols, declared);
  const std::uint64_t groups = kind.groups(cols);
  const TensorEntry& codes = sibling(table, module + kPacked, "i32", {rows, cols / kind.codes_per_word()});
  const TensorEntry& scales = sibling(table, module + kScale, "bf16", {rows, groups});
  if (table.contains(module + kGroupIndex) || table.contains(module + std::string(kWeightSuffix)))
    fail(ErrorCode::kInput, "{} has a group index or an unquantized twin beside it", module + kPacked);
  TensorEntry joined{
      module + std::string(kWeightSuffix), {rows, cols}, std::string(kind.name), {codes.parts[0], scales.parts[0]}};
  if (kind.zeros == Zeros::kStored) {
    const TensorPart& words = sibling(table, module + kZeroPoint, "i32", {zero_point_words(rows), groups}).parts[0];
    joined.parts.push_back(
        {words.file, words.offset, rows * groups, make_zero_point_decoder(words.offset, rows, groups)});
  }
  return joined;
}

}  // namespace

void join_packed_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors) {
  const std::vector<const PackedEncoding*> declared = declared_encodings(config);
  if (declared.empty()) return;
  Table table;
  for (const TensorEntry& tensor : tensors) table.emplace(tensor.name, &tensor);
  std::vector<TensorEntry> joined;
  for (const TensorEntry& tensor : tensors) {
    const auto belongs = [&](const char* suffix) {
      return tensor.name.ends_with(suffix) && table.contains(module_of(tensor.name, suffix) + kPacked);
    };
    if (belongs(kPacked)) {
      joined.push_back(join(module_of(tensor.name, kPacked), table, files, declared));
    } else if (!belongs(kScale) && !belongs(kShape) && !belongs(kZeroPoint)) {
      joined.push_back(tensor);
    }
  }
  tensors = std::move(joined);
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
