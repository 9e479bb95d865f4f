// What other programs quantized: recognised by its tensors, presented as the matrices that it stands for.
#pragma once

#include <span>

#include "packed/layout_table.h"

namespace quern {

// How one package stores a quantized module. Rows of the table in packed_layouts.cpp.
struct PackedLayout {
  const char* name;     // "gptq"
  const char* summary;  // what of it is read, without a full stop
  // Takes the tensors of every module in this layout out of the table, and puts the matrices in. Error(kInput) that
  // names the tensor and the numbers where one is missing or does not fit.
  void (*unpack)(LayoutTable& table);
  // Of the matrices: the package has a linear layer in place of the model's module, or casts its parameter.
  TensorEntry::Axes axes = TensorEntry::Axes::kOutputsFirst;
};
std::span<const PackedLayout> packed_layouts();

// Replaces the tensors of quantized modules M.qweight, M.weight_packed, M.weight and M.weight_scale ... by one entry
// M.weight each, with a note that names what was found. The tensors decide; the configuration is asked where they
// leave a choice. Error(kInput) for a quantization that is none of the table.
void unpack_layouts(Checkpoint::Contents& contents);

// The rows of the table.
void unpack_vptq(LayoutTable& table);
void unpack_gptq(LayoutTable& table);
void unpack_awq(LayoutTable& table);
void unpack_awq_gemv(LayoutTable& table);
void unpack_marlin(LayoutTable& table);
void unpack_hqq(LayoutTable& table);
void unpack_quanto(LayoutTable& table);
void unpack_compressed_tensors(LayoutTable& table);
void unpack_bitsandbytes_4bit(LayoutTable& table);
void unpack_bitsandbytes_int8(LayoutTable& table);
void unpack_fp4(LayoutTable& table);
void unpack_mxfp4_experts(LayoutTable& table);
void unpack_mlx(LayoutTable& table);
void unpack_bitnet(LayoutTable& table);
void unpack_scaled(LayoutTable& table);
void unpack_tuples(LayoutTable& table);

// Error(kInput) that names the layout where a module is in one that is known and not read.
void refuse_unread_layouts(const LayoutTable& table);

}  // namespace quern
