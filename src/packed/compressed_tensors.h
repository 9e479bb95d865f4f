// Integer weights as the compressed-tensors package stores them (format pack-quantized), presented as one logical
// tensor.
#pragma once

#include <vector>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "packed/quantized_types.h"
#include "packed/stored_layout.h"

namespace quern {

// Replaces the tensors M.weight_packed, M.weight_scale ... of each packed matrix by one entry M.weight when the
// configuration says that they are of a kind in packed_encodings(). Error(kInput) for any other quantization.
// `files` are those that TensorPart::file counts.
void join_packed_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors);

// The kinds that the configuration's groups declare; empty: it declares no quantization. Error(kInput) for kinds that
// cannot be read.
std::vector<const PackedEncoding*> declared_encodings(const Json& config);

// How a tensor of this encoding is stored. Error(kInput) when it cannot be.
StoredLayout lay_out_packed_weight(const TensorSpec& tensor, const PackedEncoding& encoding);

// `config` with the quantization_config that describes the packed tensors, or with none when there is no such tensor.
// Null stays null unless there is something to describe.
Json with_quantization_config(const Json& config, const std::vector<TensorSpec>& tensors);

}  // namespace quern
