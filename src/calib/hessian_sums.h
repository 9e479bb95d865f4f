// Sums of x x^T over the tokens of a text, the upper triangle only.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernel/linear.h"

namespace quern {

class ColumnPanel;

// Rows are multiplied a slice at a time, X^T X by the products of src/kernel, which sum a slice in float; slices are
// added in double, in the order in which they come. Rows that are not sliced alike give other last bits.
inline constexpr std::size_t kRowsPerSlice = 4096;

class HessianSum {
 public:
  explicit HessianSum(std::size_t columns);

  std::size_t columns() const noexcept { return columns_; }
  std::uint64_t tokens() const noexcept { return tokens_; }
  // Adds the rows of all pieces, one after another, on all threads; the same for any number of them. kBf16 rounds the
  // rows first, as the model's own products do; what it then multiplies is exact. REQUIRES: pieces of `columns` columns
  // without gaps between rows.
  void add(std::span<const Matrix> pieces, Precision precision, ThreadPool& pool);
  // The means H[i][i .. columns - 1], rounded to float. REQUIRES: out.size() == columns - i.
  void mean_row(std::size_t i, std::span<float> out) const;

  // Memory of a sum, and of add() while it works on one slice.
  static std::uint64_t bytes(std::uint64_t columns);
  static std::uint64_t working_bytes(std::uint64_t columns, std::uint64_t rows, unsigned threads);

 private:
  // Columns first .. first + width - 1 of all rows above their diagonal, [first + width, width].
  struct Panel {
    std::size_t first = 0, width = 0;
    std::vector<double> sums;
  };
  void add_slice(std::span<const ColumnPanel> slice, ThreadPool& pool);

  std::size_t columns_;
  std::uint64_t tokens_ = 0;
  std::vector<Panel> panels_;
};

}  // namespace quern
