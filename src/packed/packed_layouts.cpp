// The table of layouts, and what is said where none fits.
#include "packed/packed_layouts.h"

#include <algorithm>

#include "base/fail.h"
#include "packed/plane_types.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

// In an order in which each finds its own tensors: what is left to a later one fits none of those before.
constexpr PackedLayout kLayouts[] = {
    {"vptq", "VPTQ: vectors of any length, residuals, outliers, norms and orders of columns", unpack_vptq},
    {"awq-gemv", "AWQ as its gemv and gemv_fast kernels take it: 4 bits", unpack_awq_gemv},
    {"marlin", "4 bits in the order of Marlin's kernel, symmetric", unpack_marlin},
    {"gptq", "GPTQ, versions 1 and 2: 2, 3, 4 and 8 bits, any group, act-order", unpack_gptq},
    {"awq", "AWQ as its gemm kernels take it: 4 bits", unpack_awq},
    {"compressed-tensors", "its packed integers of 1 to 8 bits (pack-quantized)", unpack_compressed_tensors},
    {"bitsandbytes-4bit", "NF4 and FP4 of bitsandbytes, scales quantized again or not", unpack_bitsandbytes_4bit},
    {"bitsandbytes-int8", "LLM.int8 of bitsandbytes", unpack_bitsandbytes_int8},
    {"hqq", "1, 2, 3, 4 and 8 bits of HQQ, along either axis", unpack_hqq},
    {"quanto", "INT8 and FP8 of optimum-quanto", unpack_quanto},
    {"fp4", "NVFP4 and MXFP4, of compressed-tensors and ModelOpt", unpack_fp4},
    {"gpt-oss", "experts in MXFP4", unpack_mxfp4_experts, TensorEntry::Axes::kOfModule},
    {"mlx", "2 to 8 bits of MLX, and its mxfp4, mxfp8 and nvfp4", unpack_mlx},
    {"bitnet", "ternary weights of BitNet, four a byte, or as they were trained", unpack_bitnet},
    {"scaled", "FP8 (blocks of DeepSeek too) and INT8 under scales, one a tensor, row, group or block", unpack_scaled,
     TensorEntry::Axes::kOfModule},
    {"tuples", "INT8 and its scale in a tuple of PyTorch", unpack_tuples, TensorEntry::Axes::kOfModule},
};

// What belongs to the activations of a quantized module, which are computed in floats here.
constexpr std::string_view kActivations[] = {".input_scale",          ".input_zero_point",  ".input_global_scale",
                                             ".output_scale",         ".output_zero_point", ".activation_scale",
                                             ".activation_scale_inv", ".input_scale_ub"};

void drop_activations(LayoutTable& table) {
  std::size_t count = 0;
  for (const std::string_view suffix : kActivations)
    for (const TensorEntry* entry : table.ending_with(suffix)) {
      table.take(*entry);
      ++count;
    }
  if (count)
    table.note(fmt::format("{} for quantized activations {} left out: activations are computed in floats",
                           count == 1 ? "a tensor" : fmt::format("{} tensors", count), count == 1 ? "is" : "are"));
}

// Integers that are no weights: positions, and masks as old GPT-2 files have them (attn.bias, attn.masked_bias).
bool is_buffer(const TensorEntry& tensor) {
  const auto axes = std::ranges::count_if(tensor.shape, [](std::uint64_t extent) { return extent > 1; });
  return axes < 2 || tensor.name.ends_with("bias") || tensor.name.ends_with("mask") || tensor.name.ends_with("_ids");
}

// Whether no tensor is stored in a type that holds quantized numbers: floats, and buffers of indices and masks.
bool are_plain(const std::vector<TensorEntry>& tensors) {
  constexpr std::string_view kPlain[] = {"f64", "f32", "f16", "bf16", "i64", "bool"};
  return std::ranges::all_of(tensors, [&](const TensorEntry& tensor) {
    const bool is_scaled = tensor.name.find("weight_scale") != std::string::npos;
    return !is_scaled && (is_buffer(tensor) || std::ranges::find(kPlain, tensor.encoding) != std::end(kPlain));
  });
}

// A model that was trained or merged from a quantized one may keep its configuration.
void check_undetected(Checkpoint::Contents& contents) {
  if (are_plain(contents.tensors)) {
    contents.config = without_quantization(contents.config);
    contents.notes.push_back(
        "config.json says that the weights are quantized, but every tensor is in plain floats: the tensors count, and "
        "nothing of that is written");
    return;
  }
  const Json* quantization = find_quantization(contents.config);
  fail(ErrorCode::kInput,
       "the weights are already quantized with quant_method \"{}\", format \"{}\", in a layout that is not read; use "
       "the original model",
       quantization ? member_text(*quantization, "quant_method") : "mlx",
       quantization ? member_text(*quantization, "format") : "");
}

}  // namespace

std::span<const PackedLayout> packed_layouts() { return kLayouts; }

void unpack_layouts(Checkpoint::Contents& contents) {
  LayoutTable table(contents);
  refuse_unread_layouts(table);
  for (const PackedLayout& layout : packed_layouts()) {
    table.expect(layout.axes);
    layout.unpack(table);
  }
  if (table.found_any()) drop_activations(table);
  table.finish();
  if (!table.found_any() && !contents.tensors.empty() && declares_quantization(contents.config) &&
      !declares_planes(contents.config))
    check_undetected(contents);
}

}  // namespace quern
