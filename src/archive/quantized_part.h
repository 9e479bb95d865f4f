// Integers of one scale, as PyTorch's quantized tensors are, read as floats.
#pragma once

#include <string_view>

#include "checkpoint/checkpoint.h"

namespace quern {

// A number is scale * (integer - zero_point).
struct TorchQuantization {
  double scale = 1;
  std::int64_t zero_point = 0;
};

// `integers`: a part of "i8", "u8" or "i32". Reads float(scale) * (integer - zero point) in f32, as torch dequantizes.
// Error(kInput) for a zero point beyond 32 bits.
TensorPart quantized_part(const TensorPart& integers, const TorchQuantization& quantization, std::string_view encoding);

}  // namespace quern
