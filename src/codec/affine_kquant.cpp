// Side information of q4_k and q5_k: storage and rounding. The search for it is affine_search.cpp.
#include "codec/affine_kquant.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/lanes.h"

namespace quern {

void round_affine(const AffineSide& side, int max_code, std::uint32_t first, std::span<const float> weights,
                  std::span<std::int32_t> codes, std::span<float> values) {
  const float d = f16_to_f32(side.d), dmin = f16_to_f32(side.dmin), high = static_cast<float>(max_code);
  for (std::size_t k = 0; k < weights.size();) {
    const std::size_t j = (first + k) / kAffineSubBlock;
    const std::size_t end = std::min(weights.size(), (j + 1) * kAffineSubBlock - first);
    const float scale = d * static_cast<float>(side.scales[j]), offset = dmin * static_cast<float>(side.mins[j]);
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (; k < end; ++k) {
      const float code = nearest_code((weights[k] + offset) * inverse, 0.0f, high);
      codes[k] = static_cast<std::int32_t>(code);
      if (!values.empty()) values[k] = scale * code - offset;
    }
  }
}

void pack_affine_side(const AffineSide& side, std::byte* to) {
  store(to, side.d);
  store(to + 2, side.dmin);
  for (std::size_t j = 0; j < 4; ++j) {
    to[4 + j] = static_cast<std::byte>(side.scales[j] | (side.scales[j + 4] >> 4) << 6);
    to[8 + j] = static_cast<std::byte>(side.mins[j] | (side.mins[j + 4] >> 4) << 6);
    to[12 + j] = static_cast<std::byte>((side.scales[j + 4] & 15) | (side.mins[j + 4] & 15) << 4);
  }
}

AffineSide unpack_affine_side(const std::byte* from) {
  AffineSide side;
  side.d = load<std::uint16_t>(from);
  side.dmin = load<std::uint16_t>(from + 2);
  for (std::size_t j = 0; j < 4; ++j) {
    const auto scales = std::to_integer<unsigned>(from[4 + j]), mins = std::to_integer<unsigned>(from[8 + j]);
    const auto both = std::to_integer<unsigned>(from[12 + j]);
    side.scales[j] = static_cast<std::uint8_t>(scales & 63);
    side.mins[j] = static_cast<std::uint8_t>(mins & 63);
    side.scales[j + 4] = static_cast<std::uint8_t>((both & 15) | (scales >> 6) << 4);
    side.mins[j + 4] = static_cast<std::uint8_t>((both >> 4) | (mins >> 6) << 4);
  }
  return side;
}

}  // namespace quern
