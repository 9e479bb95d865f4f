// A square matrix whose columns stand side by side in fours, so that a product reads them as one stream.
#pragma once

#include <cstddef>
#include <vector>

namespace quern {

class TiledMatrix {
 public:
  static constexpr std::size_t kTile = 4;  // columns that stand side by side

  TiledMatrix() = default;
  // Of zeros.
  explicit TiledMatrix(std::size_t columns)
      : columns_(columns), values_((columns + kTile - 1) / kTile * kTile * columns, 0.0f) {}

  std::size_t columns() const noexcept { return columns_; }
  float& at(std::size_t i, std::size_t j) { return values_[index(i, j)]; }
  float at(std::size_t i, std::size_t j) const { return values_[index(i, j)]; }
  // Row i, columns j .. j + kTile - 1; those behind the last column are 0. REQUIRES: j % kTile == 0.
  const float* tile(std::size_t i, std::size_t j) const { return &values_[index(i, j)]; }

 private:
  std::size_t index(std::size_t i, std::size_t j) const { return (j / kTile * columns_ + i) * kTile + j % kTile; }

  std::size_t columns_ = 0;
  std::vector<float> values_;  // tile after tile, each row by row
};

}  // namespace quern
