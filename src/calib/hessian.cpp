// The triangle mirrored.
#include "calib/hessian.h"

#include <algorithm>

namespace quern {

Matrix full_matrix(const Hessian& hessian) {
  const std::size_t columns = hessian.columns;
  Matrix full(columns, columns);
  for (std::size_t i = 0; i < columns; ++i) {
    std::ranges::copy(hessian.row(i), full.row(i).begin() + static_cast<std::ptrdiff_t>(i));
    for (std::size_t j = 0; j < i; ++j) full.row(i)[j] = full.row(j)[i];
  }
  return full;
}

}  // namespace quern
