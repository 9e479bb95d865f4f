// Pairs of 4-bit floats (e2m1) in a byte, the first in the low bits, under scales of 16 or 32 weights. A linear layer M
// of shape [out, in]:
//
//   NVFP4 of compressed-tensors (0.20, compressors/nvfp4)    of ModelOpt, which transformers and vLLM load too
//   M.weight_packed        U8      [out, in / 2]              M.weight
//   M.weight_scale         F8_E4M3 [out, in / 16]             M.weight_scale
//   M.weight_global_scale  F32     [1]  divides the scale     M.weight_scale_2  multiplies it
//
//   MXFP4 of compressed-tensors (compressors/mxfp4)
//   M.weight_packed  U8 [out, in / 2],  M.weight_scale  U8 or F8_E8M0 [out, in / 32], powers of two
//
// The product is made in binary32 and rounded to bfloat16.
#include <algorithm>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"
#include "packed/row_codes.h"

namespace quern {
namespace {

constexpr std::string_view kScale = "_scale";

// What divides or multiplies all scales of a module.
struct Variant {
  std::string_view codes, global, name;  // suffixes of tensors; no global scale: ""
  bool divides;
  std::string_view scale;  // its encoding
  std::uint64_t group;
};
constexpr Variant kVariants[] = {
    {".weight_packed", ".weight_global_scale", "NVFP4 of compressed-tensors", true, "f8_e4m3", 16},
    {".weight", ".weight_scale_2", "NVFP4 of ModelOpt", false, "f8_e4m3", 16},
    {".weight_packed", "", "MXFP4 of compressed-tensors", false, "u8", 32},
    {".weight_packed", "", "MXFP4 of compressed-tensors", false, "f8_e8m0", 32},
};

float read_scale(const LayoutTable& table, const TensorEntry& entry) {
  if (entry.encoding != "f32" || element_count(entry.shape) != 1)
    fail(ErrorCode::kInput, "{} is {} {}, but one number of f32 was expected", entry.name, entry.encoding,
         to_string(entry.shape));
  float value = 0;
  table.read(entry, 0, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

// Whether the module's tensors are those of the variant.
bool is_variant(const Variant& variant, const std::string& module, const TensorEntry& codes, const LayoutTable& table) {
  const TensorEntry* scales = table.find(module + ".weight" + std::string(kScale));
  return codes.encoding == "u8" && codes.shape.size() >= 2 && element_count(codes.shape) && scales &&
         scales->encoding == variant.scale &&
         (variant.global.empty() || table.find(module + std::string(variant.global)));
}

void unpack_one(const Variant& variant, const std::string& module, const TensorEntry& codes, LayoutTable& table) {
  const TensorEntry& scales = table.need(module + ".weight" + std::string(kScale));
  const std::uint32_t home = codes.parts[0].file;
  Shape shape = codes.shape, grid = codes.shape;
  shape.back() *= 2;
  grid.back() = shape.back() / variant.group;
  if (shape.back() % variant.group || scales.shape != grid)
    fail(ErrorCode::kInput, "{} is {} {}, but {} {} was expected beside {} {}", scales.name, scales.encoding,
         to_string(scales.shape), variant.scale, to_string(grid), codes.name, to_string(codes.shape));
  RowCodes of;
  of.rows = of.grid_rows = shape[shape.size() - 2];
  of.cols = shape.back();
  of.codes = table.operand(codes, home);
  of.order = {4, 0};
  of.pitch = codes.shape.back();
  of.values = fp4_values();
  of.scales = table.operand(scales, home);
  of.scale_type = find_number_type(variant.scale == "u8" ? "f8_e8m0" : variant.scale);
  of.grid_cols = grid.back();
  of.block_cols = variant.group;
  if (!variant.global.empty()) {
    const TensorEntry& global = table.need(module + std::string(variant.global));
    (variant.divides ? of.divisor : of.factor) = read_scale(table, global);
    table.take(global);
  }
  table.take(codes);
  table.take(scales);
  table.put(tiled_entry(module + std::string(kWeightSuffix), std::move(shape), "bf16", codes.parts[0],
                        make_row_source(std::move(of))),
            fmt::format("{}, groups of {}", variant.name, variant.group));
}

}  // namespace

void unpack_fp4(LayoutTable& table) {
  for (const Variant& variant : kVariants)
    for (const TensorEntry* codes : table.ending_with(variant.codes)) {
      const std::string module = module_of(codes->name, variant.codes);
      if (is_variant(variant, module, *codes, table)) unpack_one(variant, module, *codes, table);
    }
}

}  // namespace quern
