// tq2_0, the TQ2_0 of GGUF: 256 ternary weights in 66 bytes.
//   0..63   codes of 2 bits: byte 32 h + i holds those of weights 128 h + 32 s + i at bit 2 s   (h < 2, s < 4, i < 32)
//   64..65  d, binary16
// Code q (0..2; 3, never written, decodes to 2 d) stands for d * (q - 1).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/ternary.h"

namespace quern {
namespace {

constexpr std::size_t kScale = 64;
constexpr CodecPlane kPlanes[] = {{"blocks", 66, 0}};

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::int32_t* from = codes.data() + 128 * half;
    for (std::size_t i = 0; i < 32; ++i) {
      const int bits = from[i] | from[32 + i] << 2 | from[64 + i] << 4 | from[96 + i] << 6;
      planes[0][32 * half + i] = static_cast<std::byte>(bits);
    }
  }
  store(planes[0] + kScale, load<std::uint16_t>(side));
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0] + kScale));
  for (std::size_t part = 0; part < 8; ++part) {
    const std::byte* from = planes[0] + 32 * (part / 4);
    const std::size_t shift = 2 * (part % 4);
    for (std::size_t i = 0; i < 32; ++i) {
      const int code = (std::to_integer<int>(from[i]) >> shift) & 3;
      out[32 * part + i] = d * static_cast<float>(code - 1);
    }
  }
}

}  // namespace

const Codec kTq2_0 = {"tq2_0",     "-1, 0 and 1 in 2 bits, one scale of 256 weights (GGUF TQ2_0)",
                      2.0625,      kTernaryBlock,
                      kPlanes,     sizeof(std::uint16_t),
                      fit_ternary, round_ternary,
                      pack,        decode,
                      nullptr,     0,
                      nullptr,     Codec::Use::kTrained};

}  // namespace quern
