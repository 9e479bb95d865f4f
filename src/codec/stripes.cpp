// Column by column, so that a stripe's vectors lie side by side.
#include "codec/stripes.h"

namespace quern {

Matrix stripes_of(MatrixView rows, std::size_t stripe) {
  Matrix stripes((rows.rows + stripe - 1) / stripe, rows.cols * stripe);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    float* to = stripes.row(r / stripe).data() + r % stripe;
    const std::span<const float> from = rows.row(r);
    for (std::size_t c = 0; c < rows.cols; ++c) to[c * stripe] = from[c];
  }
  return stripes;
}

void put_stripe_rows(std::span<const float> values, std::size_t stripe, std::size_t first, MutableMatrixView out) {
  for (std::size_t r = 0; r < out.rows; ++r) {
    const float* from = values.data() + first + r;
    const std::span<float> to = out.row(r);
    for (std::size_t c = 0; c < out.cols; ++c) to[c] = from[c * stripe];
  }
}

std::vector<float> repeated(std::span<const float> of_columns, std::size_t stripe) {
  std::vector<float> all;
  all.reserve(of_columns.size() * stripe);
  for (const float one : of_columns) all.insert(all.end(), stripe, one);
  return all;
}

}  // namespace quern
