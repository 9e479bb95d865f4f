// H = E[x x^T] of the inputs of one matrix product: what an optimizer that feeds errors back works with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace quern {

// The mean of x x^T over `tokens` rows x; symmetric, so that only the upper triangle is kept. Of fewer tokens than
// columns it is singular, of none it is zero: what to do about that is the consumer's business.
struct Hessian {
  std::size_t columns = 0;
  std::uint64_t tokens = 0;
  std::vector<float> upper;  // row after row, row i from column i on

  // Elements of a triangle of this many columns, and those before its row i.
  static constexpr std::uint64_t elements(std::uint64_t columns) { return columns * (columns + 1) / 2; }
  static constexpr std::uint64_t row_begin(std::uint64_t i, std::uint64_t columns) {
    return i * (2 * columns - i + 1) / 2;
  }
  // H[i][i], H[i][i + 1] .. H[i][columns - 1].
  std::span<const float> row(std::size_t i) const {
    return std::span(upper).subspan(row_begin(i, columns), columns - i);
  }
  float at(std::size_t i, std::size_t j) const { return i <= j ? row(i)[j - i] : row(j)[i - j]; }
};

// No matrix of a model is wider; a file that says so is not believed.
inline constexpr std::uint64_t kMostColumns = std::uint64_t{1} << 20;

// The whole matrix [columns, columns].
Matrix full_matrix(const Hessian& hessian);

}  // namespace quern
