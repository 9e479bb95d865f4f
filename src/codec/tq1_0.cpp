// tq1_0, the TQ1_0 of GGUF: 256 ternary weights in 54 bytes, five of them in a byte.
//   0..31   byte i: weights i + 32 n          (n < 5)
//   32..47  byte i: weights 160 + i + 16 n    (n < 5)
//   48..51  byte i: weights 240 + i + 4 n     (n < 4)
//   52..53  d, binary16
// A byte is ceil(256 / 243 * sum of code[n] * 3^(4 - n)), so that the codes are what carries out of its low 8 bits when
// these are multiplied by 3 again and again. Code q (0..2) stands for d * (q - 1).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/ternary.h"

namespace quern {
namespace {

// A run of bytes, and the weights in it: byte i holds weights first + i + bytes * n.
struct Run {
  std::size_t byte, bytes, first, weights_per_byte;
};
constexpr Run kRuns[] = {{0, 32, 0, 5}, {32, 16, 160, 5}, {48, 4, 240, 4}};
constexpr std::size_t kScale = 52;
constexpr unsigned kTrits = 5, kPowerOfThree = 243;
constexpr CodecPlane kPlanes[] = {{"blocks", 54, 0}};

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (const Run& run : kRuns) {
    for (std::size_t i = 0; i < run.bytes; ++i) {
      unsigned number = 0;
      for (std::size_t n = 0; n < kTrits; ++n) {
        const std::int32_t code = n < run.weights_per_byte ? codes[run.first + i + run.bytes * n] : 0;
        number = 3 * number + static_cast<unsigned>(code);
      }
      planes[0][run.byte + i] = static_cast<std::byte>((256 * number + kPowerOfThree - 1) / kPowerOfThree);
    }
  }
  store(planes[0] + kScale, load<std::uint16_t>(side));
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  const float d = f16_to_f32(load<std::uint16_t>(planes[0] + kScale));
  for (const Run& run : kRuns) {
    for (std::size_t i = 0; i < run.bytes; ++i) {
      unsigned rest = std::to_integer<unsigned>(planes[0][run.byte + i]);
      for (std::size_t n = 0; n < run.weights_per_byte; ++n) {
        rest *= 3;
        out[run.first + i + run.bytes * n] = d * static_cast<float>(static_cast<int>(rest >> 8) - 1);
        rest &= 255;
      }
    }
  }
}

}  // namespace

const Codec kTq1_0 = {"tq1_0",     "-1, 0 and 1, five in a byte, one scale of 256 weights (GGUF TQ1_0)",
                      1.6875,      kTernaryBlock,
                      kPlanes,     sizeof(std::uint16_t),
                      fit_ternary, round_ternary,
                      pack,        decode,
                      nullptr,     0,
                      nullptr,     Codec::Use::kTrained};

}  // namespace quern
