// q5_0 and q4_0, the Q5_0 and Q4_0 of GGUF: 32 weights in 22 and in 18 bytes.
//   0..1   d, binary16
//   then   codes (block_codes.h): 20 or 16 bytes
// Code q (0..31, 0..15) stands for d * (q - 16), d * (q - 8). The grid reaches one step further down than up; a
// negative d turns it round.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/block_codes.h"
#include "codec/block_scale.h"
#include "codec/codec_table.h"

namespace quern {
namespace {

template <int kBits>
constexpr int kZero = 1 << (kBits - 1);
template <int kBits>
constexpr CodeRange kRange = {-kZero<kBits>, kZero<kBits> - 1};
// Least error over Gaussian and Student t weights (5 and 3 degrees of freedom), with log-normal importance and none.
template <int kBits>
constexpr float kUsual[] = {-18.0f, -16.75f, -16.25f, -15.75f, -15.0f, 12.0f, 13.0f, 14.0f};
template <>
constexpr float kUsual<4>[] = {-10.625f, -9.375f, -8.625f, -8.25f, -7.875f, -7.125f, 6.125f, 8.75f};
// The finer codes have no usual start that serves blocks whose largest weight matters little.
constexpr float kCutting[] = {-21.0f, -23.0f, 19.5f, 21.5f};
template <int kBits>
constexpr BlockStarts kStarts = {kRange<kBits>, kUsual<kBits>, kCutting, 1 - 15 / 19.5f};
template <>
constexpr BlockStarts kStarts<4> = {kRange<4>, kUsual<4>};

template <int kBits>
struct Row {
  static constexpr CodecPlane kPlanes[] = {{"blocks", 2 + kCodeBytes<kBits>, 0}};

  static void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights,
                    std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    const float d = f16_to_f32(load<std::uint16_t>(side)), inverse = d != 0 ? 1.0f / d : 0.0f;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const float code = nearest_code(weights[k] * inverse, kRange<kBits>.low, kRange<kBits>.high);
      codes[k] = static_cast<std::int32_t>(code) + kZero<kBits>;
      if (!values.empty()) values[k] = code * d;
    }
  }

  static void write(std::uint16_t scale, ByteCodes codes, std::byte* to) {
    store(to, scale);
    pack_codes<kBits>(reinterpret_cast<StoredCodes>(codes + static_cast<std::int8_t>(kZero<kBits>)),
                      to + sizeof(scale));
  }
  using Scaled = ScaledBlocks<kStarts<kBits>, write>;

  static void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
    store(planes[0], load<std::uint16_t>(side));
    pack_codes<kBits>(byte_codes(codes), planes[0] + 2);
  }

  static void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
    const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
    const auto codes = unpack_codes<kBits>(planes[0] + 2);
    for (std::size_t k = 0; k < kCodesOfBlock; ++k) out[k] = d * static_cast<float>(codes[k] - kZero<kBits>);
  }

  static constexpr Codec codec(const char* name, const char* summary) {
    Codec codec = {name,        summary, kBits + 0.5, kCodesOfBlock, kPlanes, sizeof(std::uint16_t),
                   Scaled::fit, round,   pack,        decode};
    codec.encode = Scaled::encode;
    return codec;
  }
};

}  // namespace

constinit const Codec kQ5_0 = Row<5>::codec("q5_0", "5-bit codes, one scale of 32 weights (GGUF Q5_0)");
constinit const Codec kQ4_0 = Row<4>::codec("q4_0", "4-bit codes, one scale of 32 weights (GGUF Q4_0)");

}  // namespace quern
