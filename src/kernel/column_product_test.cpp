// Products of columns against double, at odd sizes.
#include "kernel/column_product.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cpu.h"
#include "base/random.h"
#include "base/scalars.h"
#include "quern/error.h"

namespace quern {
namespace {

struct Size {
  std::size_t rows, left, right;
};

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = static_cast<float>(random.normal());
  return m;
}

ColumnPanel panel_of(const Matrix& rows, Precision precision) {
  ColumnPanel panel(rows.rows(), rows.cols(), precision);
  for (std::size_t t = 0; t < rows.rows(); ++t) panel.set_row(t, rows.row(t));
  return panel;
}

// The largest error, in units of the sum of magnitudes.
double worst_error(const Matrix& a, const Matrix& b, const Matrix& product) {
  double worst = 0;
  for (std::size_t i = 0; i < a.cols(); ++i)
    for (std::size_t j = 0; j < b.cols(); ++j) {
      double sum = 0, magnitude = 0;
      for (std::size_t t = 0; t < a.rows(); ++t) {
        const double term = double{a.row(t)[i]} * b.row(t)[j];
        sum += term;
        magnitude += std::abs(term);
      }
      worst = std::max(worst, std::abs(product.row(i)[j] - sum) / magnitude);
    }
  return worst;
}

class ColumnProducts : public testing::TestWithParam<Size> {};

TEST_P(ColumnProducts, MatchDoubleReference) {
  const auto [rows, left, right] = GetParam();
  const Matrix a = random_matrix(rows, left, 1), b = random_matrix(rows, right, 2);
  Matrix product(left, right);
  multiply_columns(panel_of(a, Precision::kF32), panel_of(b, Precision::kF32), product.view());
  EXPECT_LT(worst_error(a, b, product), 1e-6);
}

TEST_P(ColumnProducts, OfBf16RoundTheFactorsAndNothingElse) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor multiplies no bf16";
  const auto [rows, left, right] = GetParam();
  Matrix a = random_matrix(rows, left, 3), b = random_matrix(rows, right, 4);
  Matrix product(left, right);
  multiply_columns(panel_of(a, Precision::kBf16), panel_of(b, Precision::kBf16), product.view());
  for (Matrix* factor : {&a, &b})
    for (float& value : factor->flat()) value = bf16_to_f32(f32_to_bf16(value));
  EXPECT_LT(worst_error(a, b, product), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(, ColumnProducts,
                         testing::Values(Size{1, 1, 1}, Size{64, 5, 3}, Size{192, 137, 64}, Size{320, 512, 130}),
                         [](const auto& test) {
                           return std::to_string(test.param.rows) + "_rows_" + std::to_string(test.param.left) +
                                  "_by_" + std::to_string(test.param.right);
                         });

TEST(ColumnPanel, IsZeroWhereNoRowWasSet) {
  ColumnPanel panel(4, 2, Precision::kF32);
  panel.set_row(2, std::vector<float>{1, 3});
  Matrix product(2, 2);
  multiply_columns(panel, panel, product.view());
  EXPECT_EQ(std::vector<float>(product.flat().begin(), product.flat().end()), (std::vector<float>{1, 3, 3, 9}));
}

TEST(ColumnPanel, OfOtherRowsIsRefused) {
  Matrix product(2, 2);
  EXPECT_THROW(multiply_columns(ColumnPanel(4, 2, Precision::kF32), ColumnPanel(5, 2, Precision::kF32), product.view()),
               Error);
}

}  // namespace
}  // namespace quern
