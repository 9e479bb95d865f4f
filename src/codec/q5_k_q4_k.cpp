// q5_k and q4_k, the Q5_K and Q4_K of GGUF: 256 weights in 176 and in 144 bytes, 8 sub-blocks of 32.
//   0..1    d, binary16   2..3  dmin, binary16
//   4..7    low 6 bits: scales 0..3; high 2 bits: bits 4..5 of scales 4..7
//   8..11   low 6 bits: mins 0..3;   high 2 bits: bits 4..5 of mins 4..7
//   12..15  low nibble: bits 0..3 of scales 4..7; high nibble: of mins 4..7
//   then    q5_k only: 32 bytes of fifth bits (pack_bits)
//   then    128 bytes of nibbles (pack_nibbles)
// Code q of sub-block j stands for d * scales[j] * q - dmin * mins[j].
#include "base/bytes.h"
#include "codec/affine_kquant.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

constexpr std::size_t kHead = 16;  // bytes before the codes

constexpr float kHighCuts[] = {-0.01f, 0.025f, 0.06f, 0.1f, 0.15f, 0.22f};
constexpr Lanes kSteps[] = {{0.985f, 0.993f, 1.0f, 1.007f, 1.014f, 1.021f, 1.03f, 1.045f}};

template <int kBits>
constexpr AffineFormat kFormat{.max_code = (1 << kBits) - 1,
                               .sub_block = 32,
                               .max_side = 63.0f,
                               .cuts = {{-0.03f, 0.0f, 0.03f, 0.06f, 0.09f, 0.13f, 0.17f, 0.22f}, kHighCuts, 1},
                               .steps = kSteps};

void pack_side(const AffineSide& side, std::byte* to) {
  store(to, side.d);
  store(to + 2, side.dmin);
  for (std::size_t j = 0; j < 4; ++j) {
    to[4 + j] = static_cast<std::byte>(side.scales[j] | (side.scales[j + 4] >> 4) << 6);
    to[8 + j] = static_cast<std::byte>(side.mins[j] | (side.mins[j + 4] >> 4) << 6);
    to[12 + j] = static_cast<std::byte>((side.scales[j + 4] & 15) | (side.mins[j + 4] & 15) << 4);
  }
}

AffineSide unpack_side(const std::byte* from) {
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

template <int kBits>
struct Row : AffineRow<kFormat<kBits>> {
  static constexpr std::size_t kNibbles = kHead + (kBits - 4) * kBitBytes;
  static constexpr CodecPlane kPlanes[] = {{"blocks", kNibbles + kNibbleBytes, 0}};

  static void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
    pack_side(load<AffineSide>(side), planes[0]);
    if constexpr (kBits == 5) pack_bits(codes, 4, planes[0] + kHead);
    pack_nibbles(codes, planes[0] + kNibbles);
  }

  static void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
    KquantCodes codes = unpack_nibbles(planes[0] + kNibbles);
    if constexpr (kBits == 5) add_bits(planes[0] + kHead, 4, codes);
    decode_affine(kFormat<kBits>, unpack_side(planes[0]), codes, out);
  }

  static constexpr Codec codec(const char* name, const char* summary) {
    return {name, summary, 0.5 + kBits, kSuperBlock, kPlanes, sizeof(AffineSide), Row::fit, Row::round, pack, decode};
  }
};

}  // namespace

constinit const Codec kQ5K = Row<5>::codec("q5_k", "5-bit codes, 6-bit scales and mins of 32 weights (GGUF Q5_K)");
constinit const Codec kQ4K = Row<4>::codec("q4_k", "4-bit codes, 6-bit scales and mins of 32 weights (GGUF Q4_K)");

}  // namespace quern
