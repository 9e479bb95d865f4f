// The order of columns and its triangle.
#include "optim/feedback_order.h"

#include <gtest/gtest.h>

#include "optim/hessian_fixture.h"
#include "optim/input_context.h"

namespace quern {
namespace {

TEST(FeedbackOrder, IsByDescendingDiagonalTheFirstOfEqualsFirst) {
  const Factorisation made = factorise({4, 4000, std::vector<float>{1, 0, 0, 0, 3, 0, 0, 3, 0, 2}});
  EXPECT_EQ(order_by_diagonal(*made.factor)->columns, (std::vector<std::uint32_t>{1, 2, 3, 0}));
}

TEST(FeedbackOrder, ItsTriangleIsTheReorderedMatrix) {
  constexpr std::size_t n = 37;
  const Factorisation made = factorise({n, 1000 * n, hessian_of(correlated_inputs(2 * n, n, 5, 11))});
  const std::optional<FeedbackOrder> order = order_by_diagonal(*made.factor);
  const UnitTriangle& triangle = order->triangle;
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t k = std::max(i, j); k < n; ++k)
        sum += triangle.pivots[k] * static_cast<double>(triangle.upper.at(i, k)) *
               static_cast<double>(triangle.upper.at(j, k));
      const double wanted = made.factor->matrix().at(order->columns[i], order->columns[j]);
      largest = std::max(largest, std::abs(wanted));
      off = std::max(off, std::abs(sum - wanted));
      if (i > j) {
        EXPECT_EQ(triangle.upper.at(i, j), 0);
      }
    }
  EXPECT_LT(off, 1e-6 * largest);
}

TEST(FeedbackOrder, IsMadeWhenItIsAskedFor) {
  constexpr std::size_t n = 16;
  const InputContext inputs =
      input_context(std::vector<double>(n, 1.0), factorise({n, 1000 * n, hessian_of(correlated_inputs(64, n, 2))}));
  EXPECT_EQ(inputs.order->bytes(), 0u);
  const FeedbackOrder* order = inputs.order->get();
  EXPECT_EQ(inputs.order->get(), order);
  EXPECT_GE(inputs.order->bytes(), n * n * sizeof(float));
  EXPECT_EQ(input_context(std::vector<double>(n, 1.0)).order, nullptr);
}

}  // namespace
}  // namespace quern
