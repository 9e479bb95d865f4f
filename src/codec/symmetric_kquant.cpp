// Rounding and decoding of q6_k and q3_k. The search for their side information is symmetric_kquant_search.cpp.
#include "codec/symmetric_kquant.h"

#include <algorithm>

#include "base/scalars.h"
#include "search/lanes.h"

namespace quern {

void round_symmetric(const SymmetricFormat& format, const SymmetricSide& side, std::uint32_t first,
                     std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values) {
  const float d = f16_to_f32(side.d);
  const auto zero = static_cast<std::int32_t>(-format.codes.low);
  for (std::size_t k = 0; k < weights.size();) {
    const std::size_t j = (first + k) / kSymmetricSubBlock;
    const std::size_t end = std::min(weights.size(), (j + 1) * kSymmetricSubBlock - first);
    const float scale = d * static_cast<float>(side.scales[j]), inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (std::size_t i = k; i < end; ++i)
      codes[i] =
          static_cast<std::int32_t>(nearest_code(weights[i] * inverse, format.codes.low, format.codes.high)) + zero;
    for (std::size_t i = k; i < end && !values.empty(); ++i) values[i] = scale * static_cast<float>(codes[i] - zero);
    k = end;
  }
}

void decode_symmetric(const SymmetricFormat& format, const SymmetricSide& side, const KquantCodes& codes,
                      std::span<float> out) {
  const float d = f16_to_f32(side.d);
  const int zero = static_cast<int>(-format.codes.low);
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    const float scale = d * static_cast<float>(side.scales[j]);
    for (std::size_t k = kSymmetricSubBlock * j; k < kSymmetricSubBlock * (j + 1); ++k) {
      out[k] = scale * static_cast<float>(codes[k] - zero);
    }
  }
}

}  // namespace quern
