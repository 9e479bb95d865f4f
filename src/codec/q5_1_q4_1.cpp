// q5_1 and q4_1, the Q5_1 and Q4_1 of GGUF: 32 weights in 24 and in 20 bytes.
//   0..1   d, binary16   2..3  m, binary16
//   then   codes (block_codes.h): 20 or 16 bytes
// Code q (0..31, 0..15) stands for d * q + m.
#include <limits>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/block_codes.h"
#include "codec/codec_table.h"
#include "search/affine_centres.h"

namespace quern {
namespace {

struct Side {
  std::uint16_t d = 0, m = 0;  // binary16
};

template <int kBits>
constexpr CodeRange kRange = {0, (1 << kBits) - 1};

constexpr float kHighCuts[] = {-0.02f, 0.01f, 0.035f, 0.06f, 0.09f, 0.13f, 0.18f, 0.25f};
constexpr AffineCuts kCuts = {{-0.03f, 0.0f, 0.03f, 0.06f, 0.09f, 0.13f, 0.17f, 0.22f}, kHighCuts, 2};

// The scale and offset of least exact error among the pairs of binary16 numbers next to each centre. The offset follows
// the scale.
Side nearest_pair(std::span<const float> x, std::span<const float> w, const AffineCentres& centres, CodeRange range) {
  float best_scale = 0, best_offset = 0, least = std::numeric_limits<float>::infinity();
  for (const AffineCentre& centre : centres) {
    const Lanes scale = f16_around(centre.scale);
    const Lanes offset = nearest_f16(centre.offset + (scale - centre.scale) * centre.mean_code);
    const Lanes errors = grid_errors(x, w, {scale, offset}, range);
    const std::size_t lane = smallest_lane(errors);
    if (errors[lane] < least) best_scale = scale[lane], best_offset = offset[lane], least = errors[lane];
  }
  return {f32_to_f16(best_scale), f32_to_f16(-best_offset)};
}

template <int kBits>
struct Row {
  static constexpr std::size_t kCodes = 4;
  static constexpr CodecPlane kPlanes[] = {{"blocks", kCodes + kCodeBytes<kBits>, 0}};

  static void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
    std::array<float, kCodesOfBlock> x, w;
    make_searchable(weights, importance, x, w);
    const auto run = make_affine_run<kCodesOfBlock>(x, w);
    const auto centres = find_affine_centres(run, kRange<kBits>, OffsetSign::kAny, kCuts);
    store(side, nearest_pair(x, w, centres, kRange<kBits>));
  }

  static void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights,
                    std::span<const float>, std::span<std::int32_t> codes, std::span<float> values) {
    const auto chosen = load<Side>(side);
    const float d = f16_to_f32(chosen.d), m = f16_to_f32(chosen.m), inverse = d != 0 ? 1.0f / d : 0.0f;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const float code = nearest_code((weights[k] - m) * inverse, kRange<kBits>.low, kRange<kBits>.high);
      codes[k] = static_cast<std::int32_t>(code);
      if (!values.empty()) values[k] = d * code + m;
    }
  }

  static void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
    store(planes[0], load<Side>(side));
    pack_codes<kBits>(byte_codes(codes), planes[0] + kCodes);
  }

  static void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
    const auto side = load<Side>(planes[0]);
    const float d = f16_to_f32(side.d), m = f16_to_f32(side.m);
    const auto codes = unpack_codes<kBits>(planes[0] + kCodes);
    for (std::size_t k = 0; k < kCodesOfBlock; ++k) out[k] = d * static_cast<float>(codes[k]) + m;
  }

  static constexpr Codec codec(const char* name, const char* summary) {
    return {name, summary, kBits + 1.0, kCodesOfBlock, kPlanes, sizeof(Side), fit, round, pack, decode};
  }
};

}  // namespace

constinit const Codec kQ5_1 = Row<5>::codec("q5_1", "5-bit codes, scale and offset of 32 weights (GGUF Q5_1)");
constinit const Codec kQ4_1 = Row<4>::codec("q4_1", "4-bit codes, scale and offset of 32 weights (GGUF Q4_1)");

}  // namespace quern
