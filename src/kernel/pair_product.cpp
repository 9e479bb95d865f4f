// Rows of Hyper-Compression: each index is looked up in the table of its tensor's grid, four pairs at a time.
#include "base/bytes.h"
#include "codec/hyper_side.h"
#include "kernel/dot_kernels.h"
#include "kernel/gathered_lanes.h"

namespace quern {
namespace {

using Pairs = Gathered<2>;
constexpr std::size_t kStep = kSums * Pairs::kEntries;  // pairs

// The row with these indices, padded with zeros to a multiple of kStep, against `kTokens` tokens from x on.
template <std::size_t kTokens>
void multiply(const float* table, std::span<const std::uint32_t> indices, const float* x, std::size_t stride,
              float (&products)[kTokens]) {
  FourSums sums[kTokens]{};
  for (std::size_t i = 0; i < indices.size(); i += kStep) {
    for (std::size_t s = 0; s < kSums; ++s) {
      const std::size_t first = i + s * Pairs::kEntries;
      const Lanes weights = Pairs::load(table, &indices[first]);
      for (std::size_t t = 0; t < kTokens; ++t)
        sums[t][s] = fused(weights, load_lanes(x + t * stride + 2 * first), sums[t][s]);
    }
  }
  for (std::size_t t = 0; t < kTokens; ++t) products[t] = sum_of_lanes(total_of(sums[t]));
}

template <std::size_t kTokens>
void tokens_from(std::size_t token, const float* table, std::span<const std::uint32_t> indices, const DotOperand& x,
                 std::size_t row, MutableMatrixView y) {
  float products[kTokens];
  multiply<kTokens>(table, indices, x.floats + token * x.padded, x.padded, products);
  for (std::size_t t = 0; t < kTokens; ++t) y.data[(token + t) * y.stride + row] = products[t];
}

}  // namespace

void product_of_pairs(const DotRows& w, const DotOperand& x, MutableMatrixView y) {
  const Codec& codec = *w.codec;
  HyperRows rows(codec, w.cols);
  std::vector<std::uint32_t> indices(round_up(rows.pairs(), kStep));
  const float* table = hyper_side(codec).grid().values().data()->data();
  for (std::size_t r = 0; r < w.rows; ++r) {
    const ConstPlanePointers planes = row_planes(codec, w.cols, w.planes, r);
    rows.read(codec.is_measured() ? measured_row(planes) : std::span(planes[0], w.strides[0]), indices);
    std::size_t t = 0;
    for (; t + kSums <= x.tokens; t += kSums) tokens_from<kSums>(t, table, indices, x, r, y);
    for (; t < x.tokens; ++t) tokens_from<1>(t, table, indices, x, r, y);
  }
}

}  // namespace quern
