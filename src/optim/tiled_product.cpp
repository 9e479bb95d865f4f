// Four columns at a time, over up to 24 rows, whose sums stay in registers.
#include "optim/tiled_product.h"

namespace quern {
namespace {

constexpr std::size_t kTile = TiledMatrix::kTile;
constexpr std::size_t kVectors = 3;  // of rows: 12 sums, 3 values and a factor are the registers that AVX2 has

// sums[j][v] += errors[i][v] u[i][j] for all i.
template <std::size_t vectors>
void tile_product(const float* u, const float* errors, std::size_t count, std::size_t stride, float* out) {
  Lanes sums[kTile][vectors];
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = load_lanes(out + j * stride + v * kLanes);
  for (std::size_t i = 0; i < count; ++i, u += kTile, errors += stride) {
    Lanes row[vectors];
    for (std::size_t v = 0; v < vectors; ++v) row[v] = load_lanes(errors + v * kLanes);
    for (std::size_t j = 0; j < kTile; ++j) {
      const Lanes factor = all_lanes(u[j]);
      for (std::size_t v = 0; v < vectors; ++v) sums[j][v] = fused(row[v], factor, sums[j][v]);
    }
  }
  for (std::size_t j = 0; j < kTile; ++j)
    for (std::size_t v = 0; v < vectors; ++v) store_lanes(out + j * stride + v * kLanes, sums[j][v]);
}

}  // namespace

Columns columns_of(MatrixView rows) {
  Columns columns(rows.cols, rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r)
    for (std::size_t c = 0; c < rows.cols; ++c) columns.column(c)[r] = rows.row(r)[c];
  return columns;
}

namespace {

// One column, anywhere.
void add_column(const TiledMatrix& matrix, const Columns& errors, ColumnRange inputs, std::size_t column, float* out) {
  const float* u = matrix.tile(inputs.first, column / kTile * kTile) + column % kTile;
  for (std::size_t r = 0; r < errors.stride(); r += kLanes) {
    Lanes sum = load_lanes(out + r);
    for (std::size_t i = inputs.first; i < inputs.last; ++i)
      sum = fused(load_lanes(errors.column(i) + r), all_lanes(u[(i - inputs.first) * kTile]), sum);
    store_lanes(out + r, sum);
  }
}

}  // namespace

void add_product(const TiledMatrix& matrix, const Columns& errors, ColumnRange inputs, std::size_t first,
                 std::size_t count, Columns& out, std::size_t at) {
  if (inputs.first == inputs.last) return;
  if (first % kTile != 0 || count < kTile) {
    for (std::size_t k = 0; k < count; ++k) add_column(matrix, errors, inputs, first + k, out.column(at + k));
    return;
  }
  const std::size_t stride = errors.stride(), rows = inputs.last - inputs.first;
  const float* from = errors.column(inputs.first);
  for (std::size_t k = 0; k < count; k += kTile) {
    const float* u = matrix.tile(inputs.first, first + k);
    float* to = out.column(at + k);
    std::size_t r = 0;
    for (; r + kVectors * kLanes <= stride; r += kVectors * kLanes)
      tile_product<kVectors>(u, from + r, rows, stride, to + r);
    for (; r < stride; r += kLanes) tile_product<1>(u, from + r, rows, stride, to + r);
  }
}

}  // namespace quern
