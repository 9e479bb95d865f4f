// Products of errors with a Hessian or a factor of one, the bulk of the work of error feedback.
#pragma once

#include <cstddef>
#include <vector>

#include "base/large_pages.h"
#include "optim/tiled_matrix.h"
#include "search/lanes.h"
#include "tensor/tensor.h"

namespace quern {

// Columns of rows, one after the other, so that a vector holds the same column of several rows. `stride`: rows, padded
// with zeros.
class Columns {
 public:
  Columns(std::size_t columns, std::size_t rows)
      : stride_((rows + kLanes - 1) / kLanes * kLanes), values_(columns * stride_, 0.0f) {}

  std::size_t stride() const noexcept { return stride_; }
  float* column(std::size_t j) { return &values_[j * stride_]; }
  const float* column(std::size_t j) const { return &values_[j * stride_]; }

 private:
  std::size_t stride_;
  std::vector<float, LargePageAllocator<float>> values_;
};

// All columns of `rows`.
Columns columns_of(MatrixView rows);

struct ColumnRange {
  std::size_t first = 0, last = 0;  // behind the end
};

// out[at + k] += sum over i in inputs of errors[i] matrix(i, first + k), for k below `count`. Each sum runs over i in
// its order, with one rounding a step, whatever other rows and columns are in the call. REQUIRES: `out` has as many
// rows as `errors`, and columns up to at + count, rounded up to a multiple of TiledMatrix::kTile.
void add_product(const TiledMatrix& matrix, const Columns& errors, ColumnRange inputs, std::size_t first,
                 std::size_t count, Columns& out, std::size_t at);

}  // namespace quern
