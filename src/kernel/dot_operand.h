// Activations as the kernels of packed_product.h read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quern {

enum class OperandForm : std::uint8_t {
  kFloats,
  kBlocks32,   // value = scales[i / 32] * codes[i]
  kHalves32,   // the same scales; of each 128 columns, codes hold the first 16 of four blocks of 32, then the last 16
  kBlocks256,  // value = scales[2 * (i / 256)] * codes[i]; after each scale stands its negative
};

// Arrays of token 0; each further token follows at the stride given. Columns are padded with zeros up to `padded`.
struct DotOperand {
  OperandForm form = OperandForm::kFloats;
  std::size_t tokens = 0, cols = 0;
  // Stride of floats and codes: a multiple of 64, of 128 for kHalves32, of 192 (64 and vectors of 12) for kFloats.
  std::size_t padded = 0;
  const float* floats = nullptr;
  const std::int8_t* codes = nullptr;  // -127..127
  const float* scales = nullptr;
  std::size_t scale_stride = 0;
  // What the zero point of the weights adds to each lane. kBlocks32: -128 times the sum of 4 codes, padded / 4 a token.
  // kHalves32: -8 times the sum of 8 codes, those of lane l of 64 at 4 l and 64 + 4 l; padded / 8 a token.
  const std::int32_t* offsets = nullptr;
  // kBlocks256: sums of 16 codes, padded / 16 a token.
  const std::int16_t* sums = nullptr;
};

struct alignas(64) CacheLine {
  std::byte bytes[64];
};
using AlignedBytes = std::vector<CacheLine>;

}  // namespace quern
