// q6_k, the Q6_K of GGUF: 256 weights in 210 bytes, 16 sub-blocks of 16.
//   0..127    low nibbles: byte 64 h + i holds code 128 h + i low and code 128 h + 64 + i high   (h < 2, i < 64)
//   128..191  high 2 bits (pack_pairs)
//   192..207  scales, int8
//   208..209  d, binary16
// Code q (0..63) of sub-block j stands for d * scales[j] * (q - 32).
#include "base/bytes.h"
#include "codec/codec_table.h"
#include "codec/symmetric_kquant.h"

namespace quern {
namespace {

constexpr std::size_t kHighBits = kNibbleBytes, kScales = kHighBits + kPairBytes, kD = kScales + kSymmetricSubBlocks;
constexpr CodecPlane kPlanes[] = {{"blocks", kD + 2, 0}};

constexpr Lanes kSteps[] = {{1.0f, 1.004f, 1.008f, 1.012f, 1.016f, 1.02f, 1.025f, 1.03f}};
constexpr std::array<Lanes, 2> kLadder[] = {{{{29.5f, 30.6f, 31.7f, 32.8f, 33.9f, 35.0f, 36.1f, 37.2f},
                                              {-29.5f, -30.6f, -31.7f, -32.8f, -33.9f, -35.0f, -36.1f, -37.2f}}}};
constexpr SymmetricFormat kFormat{
    .codes = {-32.0f, 31.0f}, .scales = {-128.0f, 127.0f}, .ladder = kLadder, .steps = kSteps};

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<SymmetricSide>(side);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::int32_t* from = codes.data() + 128 * half;
    for (std::size_t i = 0; i < 64; ++i) {
      planes[0][64 * half + i] = static_cast<std::byte>((from[i] & 15) | (from[64 + i] & 15) << 4);
    }
  }
  pack_pairs(codes, 4, planes[0] + kHighBits);
  store(planes[0] + kScales, chosen.scales);
  store(planes[0] + kD, chosen.d);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const SymmetricSide side{.scales = load<std::array<std::int8_t, kSymmetricSubBlocks>>(planes[0] + kScales),
                           .d = load<std::uint16_t>(planes[0] + kD)};
  KquantCodes codes = unpack_pairs(planes[0] + kHighBits);
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint8_t* to = codes.data() + 128 * half;
    for (std::size_t i = 0; i < 64; ++i) {
      const int both = std::to_integer<int>(planes[0][64 * half + i]);
      to[i] = static_cast<std::uint8_t>(to[i] << 4 | (both & 15));
      to[64 + i] = static_cast<std::uint8_t>(to[64 + i] << 4 | both >> 4);
    }
  }
  decode_symmetric(kFormat, side, codes, out);
}

}  // namespace

const Codec kQ6K = {"q6_k",
                    "6-bit codes, 8-bit scales of 16 weights (GGUF Q6_K)",
                    6.5625,
                    kSuperBlock,
                    kPlanes,
                    sizeof(SymmetricSide),
                    SymmetricRow<kFormat>::fit,
                    SymmetricRow<kFormat>::round,
                    pack,
                    decode};

}  // namespace quern
