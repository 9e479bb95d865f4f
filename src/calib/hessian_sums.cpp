// A slice is rounded once, panel by panel of its columns; tiles of X^T X are products of two panels.
#include "calib/hessian_sums.h"

#include <algorithm>

#include "base/fail.h"
#include "kernel/column_product.h"

namespace quern {
namespace {

// Columns of a panel. Of 2048 columns 62% of the square is computed, of 5632 55%; narrower panels would be multiplied
// by products too small for their speed.
constexpr std::size_t kTile = 512;
// Rows of a slice are padded with zeros to a multiple: oneDNN compiles a product for each number of rows. Zeros add
// nothing.
constexpr std::uint64_t kRowStep = 64;
constexpr std::size_t kRowsPerTask = 64;

std::uint64_t padded_rows(std::uint64_t rows) { return (rows + kRowStep - 1) / kRowStep * kRowStep; }

// The rows of several matrices as one.
class JoinedRows {
 public:
  explicit JoinedRows(std::span<const Matrix> pieces) {
    for (const Matrix& piece : pieces)
      for (std::size_t t = 0; t < piece.rows(); ++t) rows_.push_back(piece.row(t).data());
  }
  std::size_t size() const { return rows_.size(); }
  const float* operator[](std::size_t t) const { return rows_[t]; }

 private:
  std::vector<const float*> rows_;
};

}  // namespace

HessianSum::HessianSum(std::size_t columns) : columns_(columns) {
  for (std::size_t first = 0; first < columns; first += kTile) {
    const std::size_t width = std::min(kTile, columns - first);
    panels_.push_back({first, width, std::vector<double>((first + width) * width, 0.0)});
  }
}

std::uint64_t HessianSum::bytes(std::uint64_t columns) {
  std::uint64_t elements = 0;
  for (std::uint64_t first = 0; first < columns; first += kTile) {
    const std::uint64_t width = std::min<std::uint64_t>(kTile, columns - first);
    elements += (first + width) * width;
  }
  return elements * sizeof(double);
}

// The slice, and of each thread a product.
std::uint64_t HessianSum::working_bytes(std::uint64_t columns, std::uint64_t rows, unsigned threads) {
  const std::uint64_t depth = padded_rows(std::min<std::uint64_t>(rows, kRowsPerSlice));
  // Beside its result a product takes copies of its factors at most.
  const std::uint64_t of_thread = (2 * kTile * depth + kTile * kTile) * sizeof(float);
  return columns * depth * sizeof(float) + threads * of_thread;
}

void HessianSum::add(std::span<const Matrix> pieces, Precision precision, ThreadPool& pool) {
  for (const Matrix& piece : pieces)
    ensure(piece.cols() == columns_ || piece.rows() == 0, "a Hessian of {} columns is given {}", columns_,
           piece.cols());
  const JoinedRows rows(pieces);
  for (std::size_t first = 0; first < rows.size(); first += kRowsPerSlice) {
    const std::size_t count = std::min(kRowsPerSlice, rows.size() - first);
    std::vector<ColumnPanel> slice;
    for (const Panel& panel : panels_) slice.emplace_back(padded_rows(count), panel.width, precision);
    parallel_for(pool, count, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = begin; t < end; ++t)
        for (std::size_t p = 0; p < slice.size(); ++p)
          slice[p].set_row(t, {rows[first + t] + panels_[p].first, panels_[p].width});
    });
    add_slice(slice, pool);
    tokens_ += count;
  }
}

void HessianSum::add_slice(std::span<const ColumnPanel> slice, ThreadPool& pool) {
  struct Tile {
    std::size_t above, panel;
  };
  std::vector<Tile> tiles;
  for (std::size_t p = 0; p < panels_.size(); ++p)
    for (std::size_t above = 0; above <= p; ++above) tiles.push_back({above, p});
  pool.run(tiles.size(), [&](std::size_t t) {
    const auto [above, p] = tiles[t];
    Matrix product(panels_[above].width, panels_[p].width);
    multiply_columns(slice[above], slice[p], product.view());
    double* sums = panels_[p].sums.data() + panels_[above].first * panels_[p].width;
    const std::span<const float> values = product.flat();
    for (std::size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
  });
}

void HessianSum::mean_row(std::size_t i, std::span<float> out) const {
  ensure(i < columns_ && out.size() == columns_ - i, "row {} of a Hessian of {} columns as {} values", i, columns_,
         out.size());
  const double count = static_cast<double>(std::max<std::uint64_t>(1, tokens_));
  for (std::size_t p = i / kTile; p < panels_.size(); ++p) {
    const Panel& panel = panels_[p];
    const double* row = panel.sums.data() + i * panel.width;
    for (std::size_t c = std::max(i, panel.first); c < panel.first + panel.width; ++c)
      out[c - i] = static_cast<float>(row[c - panel.first] / count);
  }
}

}  // namespace quern
