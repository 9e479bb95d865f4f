// The order in which error feedback goes through columns, where a codec lets it choose one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "optim/hessian_factor.h"

namespace quern {

// The triangle of H with its columns reordered: P (H + diag(added)) P^T.
struct FeedbackOrder {
  std::vector<std::uint32_t> columns;  // of the matrix, in their order
  UnitTriangle triangle;
};

// By descending diagonal, the first of equals first: what many errors would have to be made up for goes first, while
// all other columns are free (act-order of GPTQ: https://github.com/IST-DASLab/gptq). Nothing where rounding leaves the
// reordered matrix not positive definite.
std::optional<FeedbackOrder> order_by_diagonal(const HessianFactor& factor);

// order_by_diagonal, made when it is first asked for: most number formats do without.
class LazyFeedbackOrder {
 public:
  explicit LazyFeedbackOrder(std::shared_ptr<const HessianFactor> factor) : factor_(std::move(factor)) {}

  // Null where there is none. Safe from several threads: one makes it, the others wait.
  const FeedbackOrder* get() const;
  std::uint64_t bytes() const;  // 0 until it is made

 private:
  std::shared_ptr<const HessianFactor> factor_;
  mutable std::once_flag asked_;
  mutable std::optional<FeedbackOrder> order_;
  mutable std::atomic<bool> is_made_ = false;
};

}  // namespace quern
