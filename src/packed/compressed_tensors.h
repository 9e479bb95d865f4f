// Integer weights as the compressed-tensors package stores them (format pack-quantized).
#pragma once

#include <vector>

#include "checkpoint/checkpoint.h"
#include "packed/quantized_types.h"
#include "packed/stored_layout.h"

namespace quern {

// The bits of codes that the configuration's groups state, if it states any. Error(kInput) where weights were rotated
// before they were quantized (transform_config), which is not undone.
std::vector<unsigned> stated_bits(const Json& config);

// How a tensor of this encoding is stored. Error(kInput) when it cannot be.
StoredLayout lay_out_packed_weight(const TensorSpec& tensor, const PackedEncoding& encoding);

// `config` with the quantization_config that describes the packed tensors, or with none when there is no such tensor.
// Null stays null unless there is something to describe.
Json with_quantization_config(const Json& config, const std::vector<TensorSpec>& tensors);

}  // namespace quern
