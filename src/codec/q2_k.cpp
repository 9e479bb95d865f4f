// q2_k, the Q2_K of GGUF: 256 weights in 84 bytes, 16 sub-blocks of 16.
//   0..15   low nibble: scale of sub-block j; high nibble: its min
//   16..79  codes (pack_pairs)
//   80..81  d, binary16   82..83  dmin, binary16
// Code q (0..3) of sub-block j stands for d * scales[j] * q - dmin * mins[j].
#include "base/bytes.h"
#include "codec/affine_kquant.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

constexpr std::size_t kCodes = 16, kD = kCodes + kPairBytes, kMinD = kD + 2;
constexpr CodecPlane kPlanes[] = {{"blocks", kMinD + 2, 0}};

constexpr float kHighCuts[] = {0.0f, 0.05f, 0.11f, 0.2f};
constexpr Lanes kSteps[] = {{0.8f, 0.87f, 0.93f, 0.97f, 1.0f, 1.04f, 1.08f, 1.14f}};
constexpr AffineFormat kFormat{.max_code = 3,
                               .sub_block = 16,
                               .max_side = 15.0f,
                               .cuts = {{-0.03f, 0.0f, 0.03f, 0.06f, 0.09f, 0.13f, 0.17f, 0.22f}, kHighCuts, 1},
                               .steps = kSteps};

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<AffineSide>(side);
  for (std::size_t j = 0; j < kFormat.sub_blocks(); ++j) {
    planes[0][j] = static_cast<std::byte>(chosen.scales[j] | chosen.mins[j] << 4);
  }
  pack_pairs(codes, 0, planes[0] + kCodes);
  store(planes[0] + kD, chosen.d);
  store(planes[0] + kMinD, chosen.dmin);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  AffineSide side{.d = load<std::uint16_t>(planes[0] + kD), .dmin = load<std::uint16_t>(planes[0] + kMinD)};
  for (std::size_t j = 0; j < kFormat.sub_blocks(); ++j) {
    const auto both = std::to_integer<unsigned>(planes[0][j]);
    side.scales[j] = static_cast<std::uint8_t>(both & 15);
    side.mins[j] = static_cast<std::uint8_t>(both >> 4);
  }
  decode_affine(kFormat, side, unpack_pairs(planes[0] + kCodes), out);
}

}  // namespace

const Codec kQ2K = {"q2_k",
                    "2-bit codes, 4-bit scales and mins of 16 weights (GGUF Q2_K)",
                    2.625,
                    kSuperBlock,
                    kPlanes,
                    sizeof(AffineSide),
                    AffineRow<kFormat>::fit,
                    AffineRow<kFormat>::round,
                    pack,
                    decode};

}  // namespace quern
