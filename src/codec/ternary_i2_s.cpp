// i2_s and i2_s_rows: the I2_S of bitnet.cpp's GGUF in its two orders on x86; -1, 0 or 1 in 2 bits (0, 1 and 2), and
// one binary32 scale of the whole tensor (microsoft/BitNet, src/ggml-bitnet-mad.cpp, quantize_i2_s).
//   i2_s       blocks of 128 weights of a row in 32 bytes: weight j in byte j % 32, at bit 6 - 2 (j / 32). Built with
//              ACT_PARALLEL, the default, and utils/convert-hf-to-gguf-bitnet.py
//   i2_s_rows  a byte holds a column of 4 rows, the first in the highest 2 bits: built without
// A file says nowhere in which order it is; Quern's do (docs/methods/bitnet.md).
#include "base/fail.h"
#include "codec/codec_table.h"
#include "codec/ternary_scale.h"

namespace quern {
namespace {

constexpr std::size_t kBlock = 128, kBlockBytes = 32, kRowsOfByte = 4;
constexpr unsigned kNoCode = 3;

float value_of(const Codec& codec, float scale, std::byte byte, std::size_t shift) {
  const unsigned code = std::to_integer<unsigned>(byte) >> shift & 3u;
  if (code == kNoCode)
    fail(ErrorCode::kInput, "a byte of {} holds code 3; ternary weights have 0, 1 and 2", codec.name);
  return scale * static_cast<float>(static_cast<int>(code) - 1);
}

std::size_t shift_of_block(std::size_t j) { return 6 - 2 * (j / kBlockBytes); }
std::size_t shift_of_row(std::size_t r) { return 6 - 2 * r; }

void pack_block(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t i = 0; i < kBlockBytes; ++i) planes[0][i] = std::byte{0};
  for (std::size_t j = 0; j < kBlock; ++j)
    planes[0][j % kBlockBytes] |= static_cast<std::byte>(codes[j] << shift_of_block(j));
}

void decode_block(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const float scale = ternary_scale(codec);
  for (std::size_t j = 0; j < kBlock; ++j)
    out[j] = value_of(codec, scale, planes[0][j % kBlockBytes], shift_of_block(j));
}

void pack_stripe(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  for (std::size_t k = 0; k < codes.size(); k += kRowsOfByte) {
    unsigned byte = 0;
    for (std::size_t r = 0; r < kRowsOfByte; ++r) byte |= static_cast<unsigned>(codes[k + r]) << shift_of_row(r);
    *planes[0]++ = static_cast<std::byte>(byte);
  }
}

void decode_stripe(const Codec& codec, ConstPlanePointers planes, std::span<float> out) {
  const float scale = ternary_scale(codec);
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = value_of(codec, scale, planes[0][k / kRowsOfByte], shift_of_row(k % kRowsOfByte));
}

constexpr CodecPlane kPlanes[] = {{.name = "codes", .bits_per_weight = 2},
                                  {.name = "scale", .holds = CodecPlane::Holds::kTensorSide}};

constexpr Codec blocks() {
  Codec made = ternary_codec("i2_s", "-1, 0 and 1, one scale of the tensor (I2_S of bitnet.cpp)", 2.0);
  made.block = kBlock;
  made.planes = kPlanes;
  made.pack = pack_block;
  made.decode = decode_block;
  return made;
}

constexpr Codec stripes() {
  Codec made = ternary_codec("i2_s_rows", "-1, 0 and 1, 4 rows a byte (bitnet.cpp, its other order)", 2.0);
  made.stripe = made.granule = kRowsOfByte;
  made.planes = kPlanes;
  made.pack = pack_stripe;
  made.decode = decode_stripe;
  return made;
}

}  // namespace

constinit const Codec kI2S = blocks();
constinit const Codec kI2SRows = stripes();

}  // namespace quern
