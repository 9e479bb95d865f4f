// Tiles of four columns by the widest kernel that the rows left over fill.
#include "optim/tiled_product.h"

#include <algorithm>

#include "optim/tile_kernels.h"

namespace quern {

Columns columns_of(MatrixView rows) {
  Columns columns(rows.cols, rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r)
    for (std::size_t c = 0; c < rows.cols; ++c) columns.column(c)[r] = rows.row(r)[c];
  return columns;
}

namespace {

constexpr std::size_t kChains = 4;   // sums that are added to side by side, since each waits for itself
constexpr std::size_t kDepth = 128;  // inputs at a time, whose errors stay in the first cache for all columns

// `chains` vectors of rows of one column, whose factors are TiledMatrix::kTile apart.
template <std::size_t chains>
void column_product(const float* factors, const float* errors, std::size_t count, std::size_t stride, float* out) {
  Lanes sums[chains];
  for (std::size_t v = 0; v < chains; ++v) sums[v] = load_lanes(out + v * kLanes);
  for (std::size_t i = 0; i < count; ++i, factors += TiledMatrix::kTile, errors += stride)
    for (std::size_t v = 0; v < chains; ++v)
      sums[v] = fused(load_lanes(errors + v * kLanes), all_lanes(*factors), sums[v]);
  for (std::size_t v = 0; v < chains; ++v) store_lanes(out + v * kLanes, sums[v]);
}

// One column, anywhere.
void add_column(const TiledMatrix& matrix, const Columns& errors, ColumnRange inputs, std::size_t column, float* out) {
  constexpr std::size_t kTile = TiledMatrix::kTile;
  const float* factors = matrix.tile(inputs.first, column / kTile * kTile) + column % kTile;
  const float* from = errors.column(inputs.first);
  const std::size_t stride = errors.stride(), count = inputs.last - inputs.first;
  std::size_t r = 0;
  for (; r + kChains * kLanes <= stride; r += kChains * kLanes)
    column_product<kChains>(factors, from + r, count, stride, out + r);
  for (; r < stride; r += kLanes) column_product<1>(factors, from + r, count, stride, out + r);
}

}  // namespace

void add_product(const TiledMatrix& matrix, const Columns& errors, ColumnRange inputs, std::size_t first,
                 std::size_t count, Columns& out, std::size_t at) {
  constexpr std::size_t kTile = TiledMatrix::kTile;
  if (inputs.first == inputs.last) return;
  if (first % kTile != 0 || count < kTile) {
    for (std::size_t k = 0; k < count; ++k) add_column(matrix, errors, inputs, first + k, out.column(at + k));
    return;
  }
  const std::size_t stride = errors.stride();
  for (std::size_t i = inputs.first; i < inputs.last; i += kDepth) {
    const std::size_t depth = std::min(kDepth, inputs.last - i);
    std::size_t r = 0;
    for (const TileKernel& kernel : tile_kernels())
      for (; r + kernel.rows <= stride; r += kernel.rows)
        for (std::size_t k = 0; k < count; k += kTile)
          kernel.product(matrix.tile(i, first + k), errors.column(i) + r, depth, stride, out.column(at + k) + r);
  }
}

}  // namespace quern
