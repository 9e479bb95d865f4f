// Shapes, and matrices of float: owned and viewed. Row-major, outermost axis first ([out, in] for a linear layer).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace quern {

// Extents, outermost first. Empty: a scalar.
using Shape = std::vector<std::uint64_t>;

// "[8192, 256]".
std::string to_string(const Shape& shape);

// Product of the extents. Error(kInput) when it does not fit 64 bits.
std::uint64_t element_count(const Shape& shape);

// A tensor as rows of its last axis: a vector is one row, a scalar one row of one, and all outer axes are flattened.
struct RowLayout {
  std::uint64_t rows = 0, cols = 0;
};
RowLayout row_layout(const Shape& shape);

// `stride` is in floats and at least cols.
struct MatrixView {
  const float* data = nullptr;
  std::size_t rows = 0, cols = 0, stride = 0;

  std::span<const float> row(std::size_t i) const { return {data + i * stride, cols}; }
};

struct MutableMatrixView {
  float* data = nullptr;
  std::size_t rows = 0, cols = 0, stride = 0;

  std::span<float> row(std::size_t i) const { return {data + i * stride, cols}; }
  operator MatrixView() const { return {data, rows, cols, stride}; }
};

class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols) : rows_(rows), cols_(cols), data_(rows * cols) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::span<float> row(std::size_t i) { return {data_.data() + i * cols_, cols_}; }
  std::span<const float> row(std::size_t i) const { return {data_.data() + i * cols_, cols_}; }
  std::span<float> flat() { return data_; }
  std::span<const float> flat() const { return data_; }
  MatrixView view() const { return {data_.data(), rows_, cols_, cols_}; }
  MutableMatrixView view() { return {data_.data(), rows_, cols_, cols_}; }

 private:
  std::size_t rows_ = 0, cols_ = 0;
  std::vector<float> data_;
};

}  // namespace quern
