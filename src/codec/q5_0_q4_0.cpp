// q5_0 and q4_0, the Q5_0 and Q4_0 of GGUF: 32 weights in 22 and in 18 bytes.
//   0..1   d, binary16
//   then   codes (block_codes.h): 20 or 16 bytes
// Code q (0..31, 0..15) stands for d * (q - 16), d * (q - 8). The grid reaches one step further down than up; a
// negative d turns it round.
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/block_codes.h"
#include "codec/codec_table.h"
#include "codec/symmetric_centres.h"

namespace quern {
namespace {

template <int kBits>
constexpr int kZero = 1 << (kBits - 1);
template <int kBits>
constexpr CodeRange kRange = {-kZero<kBits>, kZero<kBits> - 1};
// The largest weight falls from the last code to four steps beyond. Finer codes need finer steps between the starts.
template <int kBits>
constexpr Lanes kLargestOn = (kZero<kBits> - 1.0f) + Lanes{0.0f, 0.55f, 1.1f, 1.65f, 2.2f, 2.75f, 3.3f, 3.85f};
template <int kBits>
constexpr std::array<Lanes, 2> kLadder[] = {{kLargestOn<kBits>, -kLargestOn<kBits>},
                                            {kLargestOn<kBits> + 0.275f, -kLargestOn<kBits> - 0.275f}};
template <int kBits>
constexpr SymmetricLadder kStarts = SymmetricLadder(kLadder<kBits>).first(kBits == 5 ? 2 : 1);

template <int kBits>
struct Row {
  static constexpr CodecPlane kPlanes[] = {{"blocks", 2 + kCodeBytes<kBits>, 0}};

  static void fit(std::span<const float> weights, std::span<const float> importance, std::byte* side) {
    std::array<float, kCodesOfBlock> x, w;
    make_searchable(weights, importance, x, w);
    const auto centres = find_symmetric_centres<kCodesOfBlock>(x, w, kRange<kBits>, kStarts<kBits>);
    store(side, f32_to_f16(nearest_f16(centres[0].scale)));
  }

  static void round(const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<std::int32_t> codes,
                    std::span<float> values) {
    const float d = f16_to_f32(load<std::uint16_t>(side)), inverse = d != 0 ? 1.0f / d : 0.0f;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const float code = nearest_code(weights[k] * inverse, kRange<kBits>.low, kRange<kBits>.high);
      codes[k] = static_cast<std::int32_t>(code) + kZero<kBits>;
      if (!values.empty()) values[k] = code * d;
    }
  }

  static void pack(const std::byte* side, std::span<const std::int32_t> codes,
                   std::array<std::byte*, kMaxPlanes> planes) {
    store(planes[0], load<std::uint16_t>(side));
    pack_codes<kBits>(codes, planes[0] + 2);
  }

  static void decode(std::array<const std::byte*, kMaxPlanes> planes, std::span<float> out) {
    const float d = f16_to_f32(load<std::uint16_t>(planes[0]));
    const auto codes = unpack_codes<kBits>(planes[0] + 2);
    for (std::size_t k = 0; k < kCodesOfBlock; ++k) out[k] = d * static_cast<float>(codes[k] - kZero<kBits>);
  }

  static constexpr Codec codec(const char* name, const char* summary) {
    return {name, summary, kBits + 0.5, kCodesOfBlock, kPlanes, sizeof(std::uint16_t), fit, round, pack, decode};
  }
};

}  // namespace

constinit const Codec kQ5_0 = Row<5>::codec("q5_0", "5-bit codes, one scale of 32 weights (GGUF Q5_0)");
constinit const Codec kQ4_0 = Row<4>::codec("q4_0", "4-bit codes, one scale of 32 weights (GGUF Q4_0)");

}  // namespace quern
