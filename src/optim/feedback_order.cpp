// A second factorisation, of the matrix that errors are measured with.
#include "optim/feedback_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace quern {

std::optional<FeedbackOrder> order_by_diagonal(const HessianFactor& factor) {
  const TiledMatrix& matrix = factor.matrix();
  const std::size_t n = factor.columns();
  std::vector<std::uint32_t> columns(n);
  std::iota(columns.begin(), columns.end(), 0u);
  std::ranges::sort(columns, {}, [&](std::uint32_t j) { return std::pair(-matrix.at(j, j), j); });
  std::vector<double> reordered(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) reordered[i * n + j] = static_cast<double>(matrix.at(columns[i], columns[j]));
  std::optional<UnitTriangle> triangle = unit_triangle(std::move(reordered), n);
  if (!triangle) return std::nullopt;
  return FeedbackOrder{std::move(columns), std::move(*triangle)};
}

const FeedbackOrder* LazyFeedbackOrder::get() const {
  std::call_once(asked_, [this] {
    order_ = order_by_diagonal(*factor_);
    is_made_ = order_.has_value();
  });
  return order_ ? &*order_ : nullptr;
}

std::uint64_t LazyFeedbackOrder::bytes() const {
  const std::uint64_t columns = factor_->columns();
  return is_made_ ? columns * (columns + TiledMatrix::kTile) * sizeof(float) : 0;
}

}  // namespace quern
