// The search for the one scale of a block of 32 weights, for formats in which code q stands for scale * q. Eight blocks
// are searched side by side, one a lane.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/scalars.h"
#include "codec/codec.h"
#include "search/grid_search.h"

namespace quern {

inline constexpr std::size_t kScaledBlock = 4 * kLanes;

// Where the search starts: the codes on which the weight of largest magnitude falls, before it is cut to the range of
// codes. Negative ones stand for scales of the other sign, since the range need not be symmetric. Even numbers of them.
struct BlockStarts {
  CodeRange range;
  std::span<const float> usual;
  // Those that take at least `least_cut` of its value from the largest weight, for blocks where it matters little.
  std::span<const float> cutting = {};
  float least_cut = 0;
};

// Weight k of eight blocks, one a lane.
using BlockColumns = std::array<Lanes, kScaledBlock>;

// Eight consecutive blocks of a row; those that are missing at its end are 0. Weights are made safe to search over,
// importance is scaled to a largest value of 1 in each block, as by make_searchable.
BlockColumns searchable_weights(std::span<const float> weights);
BlockColumns searchable_importance(std::span<const float> importance);

// Importance of a whole row, or none.
std::vector<BlockColumns> row_importance(std::span<const float> importance, std::size_t cols);

// A scale in binary16 for each. Each start is refined by weighted least squares after rounding, the best of them once
// more.
HalfLanes fit_block_scales(const BlockStarts& starts, const BlockColumns& x, const BlockColumns& w);

inline Lanes round_within(Lanes position, CodeRange range) {
  return round_lanes(lane_clamp(position, range.low, range.high));
}

// The nearest codes of a block.
inline ByteCodes nearest_codes(std::span<const float, kScaledBlock> weights, std::uint16_t scale, CodeRange range) {
  const float d = f16_to_f32(scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  std::array<Lanes, 4> codes;
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = round_within(load<Lanes>(weights.data() + i * kLanes) * inverse, range);
  return narrowed(codes);
}

// What formats with such a scale share; kWrite writes a block: the scale and the codes.
template <const BlockStarts& kStarts, auto kWrite>
struct ScaledBlocks {
  // Codec::fit. One block takes as long as eight.
  static void fit(const Codec&, std::span<const float> weights, std::span<const float> importance, std::byte* side) {
    const BlockColumns x = searchable_weights(weights), w = searchable_importance(importance);
    store(side, fit_block_scales(kStarts, x, w)[0]);
  }

  // Codec::encode.
  static void encode(const Codec& codec, MatrixView rows, std::span<const float> importance, PlanePointers planes) {
    constexpr std::size_t kRun = kLanes * kScaledBlock;
    const std::vector<BlockColumns> columns = row_importance(importance, rows.cols);
    std::byte* to = planes[0];
    for (std::size_t i = 0; i < rows.rows; ++i) {
      for (std::size_t first = 0; first < rows.cols; first += kRun) {
        const auto run = rows.row(i).subspan(first, std::min(kRun, rows.cols - first));
        const HalfLanes scales = fit_block_scales(kStarts, searchable_weights(run), columns[first / kRun]);
        for (std::size_t b = 0; b < run.size() / kScaledBlock; ++b, to += codec.planes[0].bytes_per_block) {
          const std::span<const float, kScaledBlock> block(run.data() + b * kScaledBlock, kScaledBlock);
          kWrite(scales[b], nearest_codes(block, scales[b], kStarts.range), to);
        }
      }
    }
  }
};

}  // namespace quern
