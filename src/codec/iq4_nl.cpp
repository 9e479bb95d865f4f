// iq4_nl, the IQ4_NL of GGUF: 32 weights in 18 bytes.
//   0..1   d, binary16
//   2..17  codes: byte k holds code k low and code 16 + k high
// Code q (0..15) stands for d * values[q] (iq4_codebook.h).
#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec_table.h"
#include "codec/split_nibbles.h"
#include "search/grid_search.h"
#include "search/iq4_codebook.h"

namespace quern {
namespace {

constexpr CodecPlane kPlanes[] = {{"blocks", 2 + kSplitNibbles / 2, 0}};

// Each of the best choices of codes gives a scale; as binary16 has it, it is judged, and once more after least squares
// for the codes that it leads to. The first of equal errors wins.
void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
  std::array<float, kSplitNibbles> x, w;
  make_searchable(weights, importance, x, w);
  const CodeFits fits = find_code_fits(kIq4Codebook, x, w);
  float best = 0, least = judge_scale(kIq4Codebook, x, w, 0).error;
  for (const CodeFit& fit : fits) {
    if (fit.error > least) continue;
    float scale = fit.scale;
    for (int round = 0; round < 2; ++round) {
      scale = nearest_scale(scale);
      const ScaleJudgement found = judge_scale(kIq4Codebook, x, w, scale);
      if (found.error < least) best = scale, least = found.error;
      scale = found.xv / found.vv;
    }
  }
  store(side, f32_to_f16(best));
}

void round(const Codec&, const std::byte* side, std::uint32_t, std::span<const float> weights, std::span<const float>,
           std::span<std::int32_t> codes, std::span<float> values) {
  round_codebook(kIq4Codebook, f16_to_f32(load<std::uint16_t>(side)), weights, codes, values);
}

void pack(const Codec&, const std::byte* side, std::span<const std::int32_t> codes, PlanePointers planes) {
  store(planes[0], load<std::uint16_t>(side));
  pack_split_nibbles(codes, planes[0] + 2);
}

void decode(const Codec&, ConstPlanePointers planes, std::span<float> out) {
  decode_split_nibbles(planes[0] + 2, kIq4Codebook.values, f16_to_f32(load<std::uint16_t>(planes[0])), out);
}

}  // namespace

const Codec kIq4Nl = {"iq4_nl", "4-bit codes of uneven values, one scale of 32 weights (GGUF IQ4_NL)",
                      4.5,      kSplitNibbles,
                      kPlanes,  sizeof(std::uint16_t),
                      fit,      round,
                      pack,     decode};

}  // namespace quern
