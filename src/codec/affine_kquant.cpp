// Rounding and decoding of q5_k, q4_k and q2_k. The search for their side information is affine_kquant_search.cpp.
#include "codec/affine_kquant.h"

#include <algorithm>

#include "base/scalars.h"
#include "search/lanes.h"

namespace quern {

void round_affine(const AffineFormat& format, const AffineSide& side, std::uint32_t first,
                  std::span<const float> weights, std::span<std::int32_t> codes, std::span<float> values) {
  const float d = f16_to_f32(side.d), dmin = f16_to_f32(side.dmin), high = format.range().high;
  for (std::size_t k = 0; k < weights.size();) {
    const std::size_t j = (first + k) / format.sub_block;
    const std::size_t end = std::min(weights.size(), (j + 1) * format.sub_block - first);
    const float scale = d * static_cast<float>(side.scales[j]), offset = dmin * static_cast<float>(side.mins[j]);
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (std::size_t i = k; i < end; ++i)
      codes[i] = static_cast<std::int32_t>(nearest_code((weights[i] + offset) * inverse, 0.0f, high));
    for (std::size_t i = k; i < end && !values.empty(); ++i) values[i] = scale * static_cast<float>(codes[i]) - offset;
    k = end;
  }
}

void decode_affine(const AffineFormat& format, const AffineSide& side, const KquantCodes& codes, std::span<float> out) {
  const float d = f16_to_f32(side.d), dmin = f16_to_f32(side.dmin);
  for (std::size_t j = 0; j < format.sub_blocks(); ++j) {
    const float scale = d * static_cast<float>(side.scales[j]), offset = dmin * static_cast<float>(side.mins[j]);
    const std::size_t end = (j + 1) * format.sub_block;
    for (std::size_t k = j * format.sub_block; k < end; ++k) out[k] = scale * static_cast<float>(codes[k]) - offset;
  }
}

}  // namespace quern
