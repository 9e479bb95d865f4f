// 4-bit weights as the bitsandbytes package stores them, presented as one logical tensor.
#pragma once

#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "packed/quantized_types.h"
#include "packed/stored_layout.h"

namespace quern {

// Whether the configuration says that the weights are quantized by bitsandbytes, in whatever way.
bool is_bitsandbytes(const Json& config);

// Replaces the tensors M.weight, M.weight.absmax ... of each quantized matrix by one entry M.weight. Error(kInput) for
// anything but NF4 with blocks of 64. `files` are those that TensorPart::file counts.
void join_bitsandbytes_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors);

// Why a tensor of this name and number of axes cannot be stored in 4 bits, as a sentence; null: it can.
const char* why_not_in_4bit(std::string_view tensor, std::size_t axes);

// How a tensor of this encoding is stored. `config` names the type of number that weights are decoded to.
// Error(kInput) when it cannot be.
StoredLayout lay_out_bitsandbytes_weight(const TensorSpec& tensor, const BlockEncoding& encoding, const Json& config);

// `config` with the quantization_config that describes the NF4 tensors; it has to hold one.
Json with_bitsandbytes_config(const Json& config, const std::vector<TensorSpec>& tensors);

}  // namespace quern
