// 8-bit weights as the compressed-tensors package stores them, presented as one logical tensor.
#pragma once

#include <string_view>
#include <vector>

#include "base/file.h"
#include "format/safetensors_header.h"
#include "quern/checkpoint.h"

namespace quern {

// The codec with planes {codes: one byte a weight, q + 128; scales: one bf16 a row}.
inline constexpr std::string_view kPackedInt8 = "int8_channel";
// Codes are stored in 32-bit words.
inline constexpr std::uint64_t kCodesPerWord = 4;

// Replaces each triple M.weight_packed, M.weight_scale, M.weight_shape by one entry M.weight in encoding int8_channel
// when the configuration says that they are 8-bit channel-wise weights. Error(kInput) for any other quantization.
// `files` are those that TensorPart::file counts.
void join_packed_weights(const Json& config, const std::vector<File>& files, std::vector<TensorEntry>& tensors);

// The three stored tensors of an int8_channel tensor: codes, scales, shape. Error(kInput) when it cannot be stored.
std::vector<SafetensorsTensor> split_packed_weight(const TensorSpec& tensor);

// `config` with the quantization_config that describes the int8_channel tensors, or with none when there is no such
// tensor. Null stays null unless there is something to describe.
Json with_quantization_config(const Json& config, const std::vector<TensorSpec>& tensors);

}  // namespace quern
