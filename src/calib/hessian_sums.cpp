// A slice is turned over once, so that a panel of X^T X is a product of the form that models have: y = x W^T, with W
// the panel's columns and x the rows above and at the diagonal.
#include "calib/hessian_sums.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/fail.h"

namespace quern {
namespace {

// Columns of a panel and rows of a product. Of 2048 columns 62% of the square is computed, of 5632 55%; with half as
// wide panels each product would be too small to hide the rounding of its factors and the adding of its result.
constexpr std::size_t kTile = 512;
// Rows of a slice are padded with zeros to an odd multiple: oneDNN compiles a product for each number of rows and wants
// whole vectors, and lines that lie powers of two apart displace one another from the caches. Zeros add nothing.
constexpr std::uint64_t kRowStep = 64;
constexpr std::size_t kTurn = 16;  // a cache line of floats

std::uint64_t padded_rows(std::uint64_t rows) {
  return (rows + kRowStep - 1) / kRowStep / 2 * (2 * kRowStep) + kRowStep;
}

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

// out[c][t] = rows[first + t][c] for columns begin .. end - 1, a line of `out` at a time.
void turn(const JoinedRows& rows, std::size_t first, std::size_t count, std::size_t begin, std::size_t end,
          Matrix& out) {
  std::array<std::array<float, kTurn>, kTurn> square;
  for (std::size_t t0 = 0; t0 < count; t0 += kTurn)
    for (std::size_t c0 = begin; c0 < end; c0 += kTurn) {
      const std::size_t height = std::min(kTurn, count - t0), width = std::min(kTurn, end - c0);
      for (std::size_t t = 0; t < height; ++t)
        for (std::size_t c = 0; c < width; ++c) square[c][t] = rows[first + t0 + t][c0 + c];
      for (std::size_t c = 0; c < width; ++c)
        std::copy_n(square[c].begin(), height, out.row(c0 + c).begin() + static_cast<std::ptrdiff_t>(t0));
    }
}

// Rows first .. first + count - 1 as columns, zeros behind them.
Matrix turned(const JoinedRows& rows, std::size_t first, std::size_t count, std::size_t columns, ThreadPool& pool) {
  Matrix out(columns, padded_rows(count));
  parallel_for(pool, columns, 8 * kTurn,
               [&](std::size_t begin, std::size_t end) { turn(rows, first, count, begin, end, out); });
  return out;
}

MatrixView rows_of(const Matrix& matrix, std::size_t first, std::size_t count) {
  return {matrix.row(first).data(), count, matrix.cols(), matrix.cols()};
}

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

// The slice turned over and once more in the layout of the products; of each thread a factor rounded to 16 bits and a
// result.
std::uint64_t HessianSum::working_bytes(std::uint64_t columns, std::uint64_t rows, unsigned threads) {
  const std::uint64_t depth = padded_rows(std::min<std::uint64_t>(rows, kRowsPerSlice));
  const std::uint64_t of_thread = kTile * depth * sizeof(std::uint16_t) + kTile * kTile * sizeof(float);
  return 2 * columns * depth * sizeof(float) + threads * of_thread;
}

void HessianSum::add(std::span<const Matrix> pieces, Precision precision, ThreadPool& pool) {
  for (const Matrix& piece : pieces)
    ensure(piece.cols() == columns_ || piece.rows() == 0, "a Hessian of {} columns is given {}", columns_,
           piece.cols());
  const JoinedRows rows(pieces);
  for (std::size_t first = 0; first < rows.size(); first += kRowsPerSlice) {
    const std::size_t count = std::min(kRowsPerSlice, rows.size() - first);
    add_slice(turned(rows, first, count, columns_, pool), precision, pool);
    tokens_ += count;
  }
}

void HessianSum::add_slice(const Matrix& transposed, Precision precision, ThreadPool& pool) {
  std::vector<std::optional<Linear>> factors(panels_.size());
  pool.run(panels_.size(), [&](std::size_t p) {
    factors[p].emplace(rows_of(transposed, panels_[p].first, panels_[p].width), precision);
  });
  struct Tile {
    std::size_t panel, first, rows;
  };
  std::vector<Tile> tiles;
  for (std::size_t p = 0; p < panels_.size(); ++p)
    for (std::size_t first = 0; first <= panels_[p].first; first += kTile)
      tiles.push_back({p, first, std::min(kTile, panels_[p].first + panels_[p].width - first)});
  pool.run(tiles.size(), [&](std::size_t t) {
    const Tile& tile = tiles[t];
    Panel& panel = panels_[tile.panel];
    Matrix product(tile.rows, panel.width);
    factors[tile.panel]->apply(rows_of(transposed, tile.first, tile.rows), product.view());
    double* sums = panel.sums.data() + tile.first * panel.width;
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
