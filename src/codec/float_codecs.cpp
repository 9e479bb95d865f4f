// IEEE binary32, binary16 and bfloat16 as they are: one plane of 2 or 4 bytes a weight, little-endian, no blocks.
// f64 (binary64) is only read.
// Rounding is plain IEEE, ties to even: a weight beyond the range of binary16 (65504) becomes infinite. Callers that
// must not produce an infinity check the decoded values.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

struct F32 {
  using Word = std::uint32_t;
  static Word encode(float value) { return std::bit_cast<Word>(value); }
  static float decode(Word bits) { return std::bit_cast<float>(bits); }
};
struct F16 {
  using Word = std::uint16_t;
  static Word encode(float value) { return f32_to_f16(value); }
  static float decode(Word bits) { return f16_to_f32(bits); }
};
struct Bf16 {
  using Word = std::uint16_t;
  static Word encode(float value) { return f32_to_bf16(value); }
  static float decode(Word bits) { return bf16_to_f32(bits); }
};

void fit(const Codec&, std::span<const float>, std::span<const float>, std::byte*) {}

template <typename Scalar>
void round(const Codec&, const std::byte*, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const auto bits = Scalar::encode(weights[k]);
    codes[k] = static_cast<std::int32_t>(bits);
    if (!values.empty()) values[k] = Scalar::decode(bits);
  }
}

template <typename Scalar>
void pack(const Codec&, const std::byte*, std::span<const std::int32_t> codes, PlanePointers planes) {
  using Word = typename Scalar::Word;
  for (std::size_t k = 0; k < codes.size(); ++k) store(planes[0] + k * sizeof(Word), static_cast<Word>(codes[k]));
}

template <typename Scalar>
void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  using Word = typename Scalar::Word;
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = Scalar::decode(load<Word>(planes[0] + k * sizeof(Word)));
}

// The nearest f32; a value beyond its range becomes infinite.
void decode_f64(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  for (std::size_t k = 0; k < out.size(); ++k)
    out[k] = static_cast<float>(load<double>(planes[0] + k * sizeof(double)));
}

constexpr CodecPlane kEightBytes[] = {{"codes", 0, 64}};
constexpr CodecPlane kFourBytes[] = {{"codes", 0, 32}};
constexpr CodecPlane kTwoBytes[] = {{"codes", 0, 16}};

}  // namespace

const Codec kF32 = {
    "f32", "32-bit floats (IEEE binary32), lossless", 32, 0, kFourBytes, 0, fit, round<F32>, pack<F32>, decode<F32>};
const Codec kF64 = {.name = "f64",
                    .summary = "64-bit floats, read as the nearest f32, only read",
                    .bits_per_weight = 64,
                    .block = 0,
                    .planes = kEightBytes,
                    .decode = decode_f64};
const Codec kF16 = {"f16",     "16-bit floats (IEEE binary16): finer steps, small range",
                    16,        0,
                    kTwoBytes, 0,
                    fit,       round<F16>,
                    pack<F16>, decode<F16>};
const Codec kBf16 = {"bf16",     "16-bit floats (bfloat16): coarser steps, the range of f32",
                     16,         0,
                     kTwoBytes,  0,
                     fit,        round<Bf16>,
                     pack<Bf16>, decode<Bf16>};

}  // namespace quern
