// One scale of 32 weights. Lanes are blocks: no step waits for sums across lanes.
#include "codec/block_scale.h"

#include "base/bytes.h"
#include "base/scalars.h"

namespace quern {
namespace {

constexpr float kVanishing = 0x1p-40f;  // far less than half the least binary16

struct Blocks {
  const BlockColumns &x, &w;
};

// The best scale found so far, by how much it lowers the error of codes that are all 0.
struct Found {
  Lanes scale{}, gain{};
};

BlockColumns columns_of(std::span<const float> values) {
  constexpr std::size_t kRun = kLanes * kScaledBlock;
  std::array<float, kRun> padded;
  if (values.size() < kRun) {
    std::copy(values.begin(), values.end(), padded.begin());
    std::fill(padded.begin() + static_cast<std::ptrdiff_t>(values.size()), padded.end(), 0.0f);
    values = padded;
  }
  BlockColumns columns;
  for (std::size_t k = 0; k < kScaledBlock; k += kLanes) {
    std::array<Lanes, kLanes> rows;
    for (std::size_t b = 0; b < kLanes; ++b) rows[b] = load<Lanes>(values.data() + b * kScaledBlock + k);
    rows = transposed(rows);
    for (std::size_t i = 0; i < kLanes; ++i) columns[k + i] = rows[i];
  }
  return columns;
}

// The weight of largest magnitude, the positive one of two.
Lanes largest_weights(const BlockColumns& x) {
  Lanes least{}, most{};
  for (const Lanes value : x) {
    least = lane_min(value, least);
    most = lane_max(value, most);
  }
  return most >= -least ? most : least;
}

// Two starts side by side, since the sums of each wait for one another.
void try_starts(const Blocks& blocks, std::span<const float> starts, Lanes unit, CodeRange range, Found& best) {
  for (std::size_t at = 0; at < starts.size(); at += 2) {
    const std::array<Lanes, 2> inverse{starts[at] * unit, starts[at + 1] * unit};
    std::array<Lanes, 2> xq{}, qq{};
    for (std::size_t k = 0; k < kScaledBlock; ++k) {
      for (std::size_t s = 0; s < 2; ++s) {
        const Lanes code = round_within(blocks.x[k] * inverse[s], range), weighted = blocks.w[k] * code;
        xq[s] = fused(weighted, blocks.x[k], xq[s]);
        qq[s] = fused(weighted, code, qq[s]);
      }
    }
    for (std::size_t s = 0; s < 2; ++s) {
      const Lanes scale = xq[s] * reciprocal(qq[s]), gain = scale * xq[s];
      const auto better = gain > best.gain;
      best = {better ? scale : best.scale, better ? gain : best.gain};
    }
  }
}

// Whether some block might do with less error if its largest weight lost `cut` of its value.
bool may_gain_by_cut(const Blocks& blocks, Lanes largest, float cut, const Found& best) {
  const Lanes largest_square = largest * largest;
  Lanes importance{}, power{};
  for (std::size_t k = 0; k < kScaledBlock; ++k) {
    const Lanes square = blocks.x[k] * blocks.x[k];
    importance = lane_max(square >= largest_square ? blocks.w[k] : Lanes{}, importance);
    power = fused(square, blocks.w[k], power);
  }
  return lane_bits(importance * largest_square * (cut * cut) < power - best.gain) != 0;
}

// The scales of least error for the codes under `scale`.
Lanes refined(const Blocks& blocks, Lanes scale, CodeRange range) {
  constexpr std::size_t kHalf = kScaledBlock / 2;
  const Lanes inverse = reciprocal(scale);
  std::array<Lanes, 2> xq{}, qq{};
  for (std::size_t k = 0; k < kHalf; ++k) {
    for (std::size_t half = 0; half < 2; ++half) {
      const Lanes x = blocks.x[k + half * kHalf], code = round_within(x * inverse, range);
      const Lanes weighted = blocks.w[k + half * kHalf] * code;
      xq[half] = fused(weighted, x, xq[half]);
      qq[half] = fused(weighted, code, qq[half]);
    }
  }
  const Lanes sum = qq[0] + qq[1];
  return sum > 0.0f ? (xq[0] + xq[1]) / sum : scale;
}

}  // namespace

BlockColumns searchable_weights(std::span<const float> weights) {
  BlockColumns columns = columns_of(weights);
  for (Lanes& x : columns) x = searchable_weight(x);
  return columns;
}

BlockColumns searchable_importance(std::span<const float> importance) {
  BlockColumns columns = columns_of(importance);
  Lanes most{};
  for (Lanes& w : columns) {
    w = usable_importance(w);
    most = lane_max(w, most);
  }
  for (Lanes& w : columns) w = most > 0.0f ? lane_max(w / most, all_lanes(kLeastImportance)) : all_lanes(1.0f);
  return columns;
}

std::vector<BlockColumns> row_importance(std::span<const float> importance, std::size_t cols) {
  constexpr std::size_t kRun = kLanes * kScaledBlock;
  std::vector<BlockColumns> columns((cols + kRun - 1) / kRun);
  for (std::size_t i = 0; i < columns.size(); ++i)
    columns[i] = searchable_importance(
        importance.empty() ? importance : importance.subspan(i * kRun, std::min(kRun, cols - i * kRun)));
  return columns;
}

HalfLanes fit_block_scales(const BlockStarts& starts, const BlockColumns& x, const BlockColumns& w) {
  const Blocks blocks{x, w};
  const Lanes largest = largest_weights(x);
  const Lanes unit = lane_max(largest, -largest) > kVanishing ? 1.0f / largest : Lanes{};
  Found best;
  try_starts(blocks, starts.usual, unit, starts.range, best);
  if (!starts.cutting.empty() && may_gain_by_cut(blocks, largest, starts.least_cut, best))
    try_starts(blocks, starts.cutting, unit, starts.range, best);
  return f16_of_lanes(nearest_scale(refined(blocks, best.scale, starts.range)));
}

}  // namespace quern
