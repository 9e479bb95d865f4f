// Scales that bitsandbytes quantized a second time: a dynamic 8-bit number for each, times a binary32 scale of 256,
// plus an offset of the tensor. Elsewhere: binary32 each.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

inline constexpr std::uint64_t kNestedBlock = 256;

// Codes and nested scales with an offset of 0. REQUIRES: scales settled as the codec nf4_dq settles them.
std::vector<std::vector<std::byte>> encode_nested_scales(std::span<const std::byte> scales);

struct NestedScales {
  TensorPart codes;               // a byte each
  std::array<float, 256> values;  // of the codes
  std::vector<float> scales;      // of every 256 codes
  float shift = 0;
};
std::shared_ptr<const PartDecoder> make_nested_scale_decoder(NestedScales nested);

}  // namespace quern
