// Rows as a codec of stripes sees them (Codec::stripe), and back.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace quern {

// [rows, cols] as [stripes, cols * stripe]: the weight in row r and column c of a stripe is its element c * stripe + r.
// The last is filled up with zeros.
Matrix stripes_of(MatrixView rows, std::size_t stripe);

// Rows first .. first + out.rows - 1 of one stripe. REQUIRES: values.size() is out.cols * stripe.
void put_stripe_rows(std::span<const float> values, std::size_t stripe, std::size_t first, MutableMatrixView out);

// What holds for a column, for each of its elements in a stripe.
std::vector<float> repeated(std::span<const float> of_columns, std::size_t stripe);

}  // namespace quern
