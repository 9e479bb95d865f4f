// Weights of 8 bits that are stored as they are, beside scales: FP8 as DeepSeek, Qwen and transformers store it
// (transformers 5, integrations/finegrained_fp8.py), and the formats int-quantized, float-quantized and mxfp8-quantized
// of compressed-tensors (0.20, compressors/naive_quantized, mxfp8). A tensor N of shape [.., out, in], often M.weight:
//
//   N             F8_E4M3, F8_E5M2 or I8
//   N_scale_inv   [.., ceil(out / block), ceil(in / block)]  the scale, despite its name
//   N_scale       the same, or [out, 1], [out], [1], []
//   N_zero_point  I8, as many as scales  (int-quantized, asymmetric)
//
// w = (q - zero) * scale, rounded to the type of the scales. Scales of a byte (U8, F8_E8M0) are powers of two, and the
// result is bfloat16. FP8 without scales is what it is, in bfloat16.
#include <algorithm>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kScaleSuffixes[] = {"_scale_inv", "_scale"};
constexpr std::string_view kZeroPoint = "_zero_point";
constexpr std::uint64_t kUsualBlock = 128;

struct CodeType {
  std::string_view encoding, name;
};
constexpr CodeType kCodeTypes[] = {{"f8_e4m3", "FP8 (e4m3)"}, {"f8_e5m2", "FP8 (e5m2)"}, {"i8", "INT8"}};

const CodeType* code_type_of(const TensorEntry* entry) {
  if (!entry || entry->shape.size() < 2 || !element_count(entry->shape)) return nullptr;
  const auto at = std::ranges::find(kCodeTypes, entry->encoding, &CodeType::encoding);
  return at == std::end(kCodeTypes) ? nullptr : at;
}

// The sides of a block that a configuration states; 0: it does not.
struct Block {
  std::uint64_t rows = 0, cols = 0;
};

const Json* find_block(const Json& object) {
  for (const std::string_view key : {"weight_block_size", "block_structure"}) {
    const Json* found = object.find(key);
    if (found && found->is_array() && found->as_array().size() == 2) return found;
  }
  return nullptr;
}

Block stated_block(const LayoutTable& table) {
  const Json* config = find_quantization(table.config());
  if (!config) return {};
  const Json* block = find_block(*config);
  const Json* groups = config->find("config_groups");
  if (!block && groups && groups->is_object())
    for (const Json::Member& group : groups->as_object()) {
      const Json* weights = group.second.is_object() ? group.second.find("weights") : nullptr;
      if (weights && weights->is_object() && !block) block = find_block(*weights);
    }
  if (!block || !block->as_array()[0].is_integer() || !block->as_array()[1].is_integer()) return {};
  return {block->as_array()[0].as_uint64(), block->as_array()[1].as_uint64()};
}

bool covers(Block block, const RowCodes& of) {
  return block.rows && block.cols && (of.rows - 1) / block.rows + 1 == of.grid_rows &&
         (of.cols - 1) / block.cols + 1 == of.grid_cols;
}

// [matrices, rows, columns] of the scales.
void set_grid(const TensorEntry& weight, const TensorEntry& scales, Block stated, RowCodes& of) {
  const Shape &shape = weight.shape, &grid = scales.shape;
  const std::uint64_t matrices = element_count(shape) / (of.rows * of.cols), count = element_count(grid);
  if (count == 1) {
    of.rows *= matrices;
    of.block_rows = of.rows;
    of.block_cols = of.cols;
    return;
  }
  if (grid.size() == shape.size() && std::equal(grid.begin(), grid.end() - 2, shape.begin())) {
    of.grid_rows = grid[grid.size() - 2];
    of.grid_cols = grid.back();
  } else if (count == matrices) {
    of.grid_rows = of.grid_cols = 1;
  } else if (count == matrices * of.rows) {
    of.grid_rows = of.rows;
    of.grid_cols = 1;
  }
  if (count && of.grid_rows * of.grid_cols * matrices == count) {
    const Block usual = {kUsualBlock, kUsualBlock}, exact = {of.rows % of.grid_rows ? 0 : of.rows / of.grid_rows,
                                                             of.cols % of.grid_cols ? 0 : of.cols / of.grid_cols};
    const bool is_block = of.grid_rows < of.rows && of.grid_rows * of.grid_cols > 1;
    for (const Block block : {stated, is_block ? usual : exact, is_block ? exact : usual})
      if (covers(block, of)) {
        of.block_rows = block.rows;
        of.block_cols = block.cols;
        return;
      }
  }
  fail(ErrorCode::kInput,
       "{} {} fits neither a scale for all of {} {}, nor one a row, nor blocks of a size that is known; "
       "weight_block_size in config.json can name it",
       scales.name, to_string(grid), weight.name, to_string(shape));
}

RowCodes codes_of(const TensorEntry& weight, const LayoutTable& table) {
  RowCodes of;
  of.rows = weight.shape[weight.shape.size() - 2];
  of.cols = of.pitch = weight.shape.back();
  of.codes = table.operand(weight, weight.parts[0].file);
  of.values = number_values(number_type(weight));
  return of;
}

std::string described(const CodeType& type, const RowCodes& of, const TensorEntry& scales) {
  const std::string of_scale = element_count(scales.shape) == 1          ? "a scale for all"
                               : of.block_rows == 1 && of.grid_cols == 1 ? "a scale a row"
                               : of.block_rows == 1                      ? fmt::format("groups of {}", of.block_cols)
                                                    : fmt::format("blocks of {} x {}", of.block_rows, of.block_cols);
  return fmt::format("{}, {}", type.name, of_scale);
}

void unpack_one(const TensorEntry& weight, const TensorEntry& scales, const CodeType& type, LayoutTable& table) {
  RowCodes of = codes_of(weight, table);
  const std::uint32_t home = weight.parts[0].file;
  set_grid(weight, scales, stated_block(table), of);
  of.scales = table.operand(scales, home);
  of.scale_type = scales.encoding == "u8" ? find_number_type("f8_e8m0") : &number_type(scales);
  if (const TensorEntry* zeros = table.find(weight.name + std::string(kZeroPoint))) {
    if (zeros->encoding != "i8" || zeros->shape != scales.shape)
      fail(ErrorCode::kInput, "{} is {} {}, but i8 {} was expected", zeros->name, zeros->encoding,
           to_string(zeros->shape), to_string(scales.shape));
    of.shifts = table.operand(*zeros, home);
    of.shift_type = &number_type(*zeros);
    of.combine = from_zero_point;
    table.take(*zeros);
  }
  table.take(weight);
  table.take(scales);
  const bool is_exponent = of.scale_type->encoding == "f8_e8m0";
  const std::string layout = described(type, of, scales);
  table.put(tiled_entry(weight.name, weight.shape, is_tile_type(scales.encoding) ? scales.encoding : "bf16",
                        weight.parts[0], make_row_source(std::move(of))),
            is_exponent ? "MX, " + layout : layout);
}

// FP8 as a cast leaves it. Beside a layer's weight of that type everything of it is meant: norms, stacked experts.
void unpack_without_scales(LayoutTable& table) {
  const auto type_of = [&](const TensorEntry& tensor) -> const CodeType* {
    const auto type = std::ranges::find(kCodeTypes, tensor.encoding, &CodeType::encoding);
    const bool is_float = type != std::end(kCodeTypes) && type->encoding != "i8";
    return is_float && table.find(tensor.name) && !tensor.shape.empty() && element_count(tensor.shape) ? &*type
                                                                                                       : nullptr;
  };
  const auto is_of_layer = [&](const TensorEntry& tensor) {
    return tensor.name.ends_with(kWeightSuffix) && type_of(tensor);
  };
  if (std::ranges::none_of(table.tensors(), is_of_layer)) return;
  for (const TensorEntry& tensor : table.tensors()) {
    const CodeType* type = type_of(tensor);
    if (!type) continue;
    RowCodes of;
    of.cols = of.pitch = of.block_cols = tensor.shape.back();
    of.rows = of.block_rows = element_count(tensor.shape) / of.cols;
    of.codes = table.operand(tensor, tensor.parts[0].file);
    of.values = number_values(number_type(tensor));
    table.take(tensor);
    table.put(tiled_entry(tensor.name, tensor.shape, "bf16", tensor.parts[0], make_row_source(std::move(of))),
              fmt::format("{}, without scales", type->name));
  }
}

}  // namespace

void unpack_scaled(LayoutTable& table) {
  for (const std::string_view suffix : kScaleSuffixes)
    for (const TensorEntry* scales : table.ending_with(suffix)) {
      const TensorEntry* weight = table.find(module_of(scales->name, suffix));
      if (const CodeType* type = code_type_of(weight)) unpack_one(*weight, *scales, *type, table);
    }
  unpack_without_scales(table);
}

}  // namespace quern
