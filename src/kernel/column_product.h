// X^T Y on one thread: what sums over tokens are made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quern/machine_options.h"
#include "tensor/tensor.h"

namespace quern {

// Some columns of many rows, rounded as the products of `precision` round their factors.
class ColumnPanel {
 public:
  // Zeros.
  ColumnPanel(std::size_t rows, std::size_t columns, Precision precision);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t columns() const noexcept { return columns_; }
  // Safe from several threads for different rows. REQUIRES: values.size() == columns().
  void set_row(std::size_t t, std::span<const float> values);

 private:
  friend void multiply_columns(const ColumnPanel&, const ColumnPanel&, MutableMatrixView);

  std::size_t rows_, columns_;
  Precision precision_;
  std::vector<float> floats_;           // kF32
  std::vector<std::uint16_t> rounded_;  // kBf16
};

// out[i][j] = sum over t of a[t][i] b[t][j], summed in float. Safe from several threads; runs on the calling one.
// Error(kResource) when oneDNN refuses. REQUIRES: panels of one precision with the same rows, out [a.columns(),
// b.columns()] without gaps.
void multiply_columns(const ColumnPanel& a, const ColumnPanel& b, MutableMatrixView out);

}  // namespace quern
