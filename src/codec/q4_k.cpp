// q4_k, the Q4_K of GGUF: 256 weights in 144 bytes.
//   0..15    d, dmin, 6-bit scales and mins (affine_kquant.h)
//   16..143  32 bytes for each pair of sub-blocks (2g, 2g + 1): byte k holds code k of 2g low, of 2g + 1 high
// Code q (0..15) of sub-block j stands for d * scales[j] * q - dmin * mins[j].
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/affine_kquant.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

constexpr int kMaxCode = 15;
constexpr std::size_t kNibbles = kAffineSideBytes;
constexpr CodecPlane kPlanes[] = {{"blocks", kNibbles + kSuperBlock / 2, 0}};

void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  store(side, fit_affine(weights, importance, kMaxCode));
}

void round(const std::byte* side, std::uint32_t first, std::span<const float> weights, std::span<std::int32_t> codes,
           std::span<float> values) {
  round_affine(load<AffineSide>(side), kMaxCode, first, weights, codes, values);
}

void pack(const std::byte* side, std::span<const std::int32_t> codes, std::array<std::byte*, kMaxPlanes> planes) {
  pack_affine_side(load<AffineSide>(side), planes[0]);
  for (std::size_t pair = 0; pair < 4; ++pair) {
    std::byte* to = planes[0] + kNibbles + 32 * pair;
    for (std::size_t k = 0; k < 32; ++k) {
      to[k] = static_cast<std::byte>((codes[64 * pair + k] & 15) | (codes[64 * pair + 32 + k] & 15) << 4);
    }
  }
}

void decode(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out) {
  const AffineSide side = unpack_affine_side(planes[0]);
  const float d = f16_to_f32(side.d), dmin = f16_to_f32(side.dmin);
  for (std::size_t j = 0; j < kAffineSubBlocks; ++j) {
    const float scale = d * static_cast<float>(side.scales[j]), offset = dmin * static_cast<float>(side.mins[j]);
    const std::byte* nibbles = planes[0] + kNibbles + 32 * (j / 2);
    const int shift = j % 2 ? 4 : 0;
    for (std::size_t k = 0; k < 32; ++k) {
      const int code = (std::to_integer<int>(nibbles[k]) >> shift) & 15;
      out[32 * j + k] = scale * static_cast<float>(code) - offset;
    }
  }
}

}  // namespace

const Codec kQ4K = {"q4_k",  "4-bit codes, 6-bit scales and mins of 32 weights (GGUF Q4_K)",
                    4.5,     kSuperBlock,
                    kPlanes, sizeof(AffineSide),
                    fit,     round,
                    pack,    decode};

}  // namespace quern
