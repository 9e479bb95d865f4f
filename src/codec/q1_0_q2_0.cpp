// q1_0 and q2_0 of GGUF, as ggml-common.h of llama.cpp lays them out. Only read.
//   q1_0, 128 weights in 18 bytes   0..1 d, binary16   2..17 codes of 1 bit, low bits first; a weight is d, or -d for 0
//   q2_0, 64 weights in 18 bytes    0..1 d             2..17 codes of 2 bits; a weight is d * (code - 1)
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

constexpr CodecPlane kPlanes[] = {{"blocks", 18, 0}};

// A weight is d * (step * code - 1).
template <unsigned kBits, int kStep>
void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  constexpr std::size_t kInByte = 8 / kBits;
  const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
  for (std::size_t k = 0; k < out.size(); ++k) {
    const auto byte = std::to_integer<unsigned>(planes[0][2 + k / kInByte]);
    const auto code = static_cast<int>(byte >> (k % kInByte * kBits) & ((1u << kBits) - 1));
    out[k] = static_cast<float>(kStep * code - 1) * d;
  }
}

}  // namespace

const Codec kQ1_0 = {.name = "q1_0",
                     .summary = "signs, one scale of 128 weights (GGUF Q1_0), only read",
                     .bits_per_weight = 1.125,
                     .block = 128,
                     .planes = kPlanes,
                     .decode = decode<1, 2>};
const Codec kQ2_0 = {.name = "q2_0",
                     .summary = "2-bit codes, one scale of 64 weights (GGUF Q2_0), only read",
                     .bits_per_weight = 2.25,
                     .block = 64,
                     .planes = kPlanes,
                     .decode = decode<2, 1>};

}  // namespace quern
