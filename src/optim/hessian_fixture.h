// For tests: inputs whose columns go together as those of real layers do, and their Hessian in double.
#pragma once

#include <cmath>
#include <vector>

#include "base/random.h"
#include "tensor/tensor.h"

namespace quern {

inline constexpr std::size_t kDirections = 24;

// [tokens, columns]: a few directions carry most of the energy, and column `dead`, if any, is 0.
inline Matrix correlated_inputs(std::size_t tokens, std::size_t columns, std::uint64_t seed,
                                std::size_t dead = SIZE_MAX) {
  Random random(seed);
  Matrix mixing(kDirections, columns), inputs(tokens, columns);
  for (float& v : mixing.flat()) v = static_cast<float>(random.normal());
  for (std::size_t t = 0; t < tokens; ++t) {
    for (float& v : inputs.row(t)) v = static_cast<float>(0.3 * random.normal());
    for (std::size_t k = 0; k < kDirections; ++k) {
      const auto strength = static_cast<float>(random.normal() / std::sqrt(static_cast<double>(k) + 1));
      for (std::size_t c = 0; c < columns; ++c) inputs.row(t)[c] += strength * mixing.row(k)[c];
    }
    if (dead < columns) inputs.row(t)[dead] = 0;
  }
  return inputs;
}

// The upper triangle of the mean of x x^T, row by row.
inline std::vector<float> hessian_of(const Matrix& inputs) {
  std::vector<float> upper;
  for (std::size_t i = 0; i < inputs.cols(); ++i)
    for (std::size_t j = i; j < inputs.cols(); ++j) {
      double sum = 0;
      for (std::size_t t = 0; t < inputs.rows(); ++t)
        sum += static_cast<double>(inputs.row(t)[i]) * static_cast<double>(inputs.row(t)[j]);
      upper.push_back(static_cast<float>(sum / static_cast<double>(inputs.rows())));
    }
  return upper;
}

// The full matrix, row-major, in double.
inline std::vector<double> full(const std::vector<float>& upper, std::size_t n) {
  std::vector<double> matrix(n * n);
  std::size_t at = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) matrix[i * n + j] = matrix[j * n + i] = static_cast<double>(upper[at++]);
  return matrix;
}

}  // namespace quern
