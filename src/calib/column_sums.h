// Sums of squares per column: what second moments are means of.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace quern {

// In double, row after row.
inline std::vector<double> sums_of_squares(MatrixView input) {
  std::vector<double> sums(input.cols, 0.0);
  for (std::size_t t = 0; t < input.rows; ++t) {
    const std::span<const float> row = input.row(t);
    for (std::size_t c = 0; c < row.size(); ++c) sums[c] += static_cast<double>(row[c]) * row[c];
  }
  return sums;
}

}  // namespace quern
