// 4-bit weights as the bitsandbytes package stores them.
#pragma once

#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "packed/quantized_types.h"
#include "packed/stored_layout.h"

namespace quern {

// Why a tensor of this name and number of axes cannot be stored in 4 bits, as a sentence; null: it can.
const char* why_not_in_4bit(std::string_view tensor, std::size_t axes);

// How a tensor of this encoding is stored. `config` names the type of number that weights are decoded to.
// Error(kInput) when it cannot be.
StoredLayout lay_out_bitsandbytes_weight(const TensorSpec& tensor, const BlockEncoding& encoding, const Json& config);

// `config` with the quantization_config that describes the NF4 tensors; it has to hold one.
Json with_bitsandbytes_config(const Json& config, const std::vector<TensorSpec>& tensors);

}  // namespace quern
