// q3_k, the Q3_K of GGUF: 256 weights in 110 bytes, 16 sub-blocks of 16.
//   0..31     third bits (pack_bits)
//   32..95    low 2 bits (pack_pairs)
//   96..107   scales + 32, 6 bits each: low 4 bits of scales j and 8 + j in byte j (j < 8); high 2 bits of scales i,
//             4 + i, 8 + i and 12 + i in byte 8 + i, lowest bits first (i < 4)
//   108..109  d, binary16
// Code q (0..7) of sub-block j stands for d * scales[j] * (q - 4).
#include "base/bytes.h"
#include "codec/codec_table.h"
#include "codec/symmetric_kquant.h"

namespace quern {
namespace {

constexpr int kZeroScale = 32;
constexpr std::size_t kPairs = kBitBytes, kScales = kPairs + kPairBytes, kD = kScales + 12;
constexpr CodecPlane kPlanes[] = {{"blocks", kD + 2, 0}};

constexpr Lanes kSteps[] = {{0.93f, 0.95f, 0.97f, 0.98f, 0.99f, 1.0f, 1.012f, 1.025f},
                            {1.04f, 1.05f, 1.06f, 1.07f, 1.08f, 1.09f, 1.1f, 1.12f}};
constexpr std::array<Lanes, 2> kLadder[] = {{{{1.7f, 1.98f, 2.26f, 2.54f, 2.82f, 3.1f, 3.38f, 3.66f},
                                              {-1.7f, -1.98f, -2.26f, -2.54f, -2.82f, -3.1f, -3.38f, -3.66f}}},
                                            {{{3.94f, 4.22f, 4.5f, 4.78f, 5.06f, 5.34f, 5.62f, 5.9f},
                                              {-3.94f, -4.22f, -4.5f, -4.78f, -5.06f, -5.34f, -5.62f, -5.9f}}}};
constexpr SymmetricFormat kFormat{
    .codes = {-4.0f, 3.0f}, .scales = {-32.0f, 31.0f}, .ladder = kLadder, .steps = kSteps};

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  const auto chosen = load<SymmetricSide>(side);
  pack_bits(codes, 2, planes[0]);
  pack_pairs(codes, 0, planes[0] + kPairs);
  std::array<int, 12> packed{};
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    const int scale = chosen.scales[j] + kZeroScale;
    packed[j % 8] |= (scale & 15) << (4 * (j / 8));
    packed[8 + j % 4] |= (scale >> 4) << (2 * (j / 4));
  }
  for (std::size_t k = 0; k < packed.size(); ++k) planes[0][kScales + k] = static_cast<std::byte>(packed[k]);
  store(planes[0] + kD, chosen.d);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  SymmetricSide side{.d = load<std::uint16_t>(planes[0] + kD)};
  const std::byte* packed = planes[0] + kScales;
  for (std::size_t j = 0; j < kSymmetricSubBlocks; ++j) {
    const int low = (std::to_integer<int>(packed[j % 8]) >> (4 * (j / 8))) & 15;
    const int high = (std::to_integer<int>(packed[8 + j % 4]) >> (2 * (j / 4))) & 3;
    side.scales[j] = static_cast<std::int8_t>((low | high << 4) - kZeroScale);
  }
  KquantCodes codes = unpack_pairs(planes[0] + kPairs);
  add_bits(planes[0], 2, codes);
  decode_symmetric(kFormat, side, codes, out);
}

}  // namespace

const Codec kQ3K = {"q3_k",
                    "3-bit codes, 6-bit scales of 16 weights (GGUF Q3_K)",
                    3.4375,
                    kSuperBlock,
                    kPlanes,
                    sizeof(SymmetricSide),
                    SymmetricRow<kFormat>::fit,
                    SymmetricRow<kFormat>::round,
                    pack,
                    decode};

}  // namespace quern
