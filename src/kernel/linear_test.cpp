// Matrix products against double, at odd sizes and from many threads.
#include "kernel/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <thread>

#include "base/cpu.h"
#include "base/random.h"
#include "base/scalars.h"
#include "quern/error.h"

namespace quern {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = static_cast<float>(random.normal());
  return m;
}

// Largest |y - x W^T| over the largest magnitude that the sum of that row and column could have.
double worst_error(const Matrix& x, const Matrix& w, const Matrix& y) {
  double worst = 0;
  for (std::size_t i = 0; i < x.rows(); ++i)
    for (std::size_t o = 0; o < w.rows(); ++o) {
      double sum = 0, magnitude = 0;
      for (std::size_t k = 0; k < w.cols(); ++k) {
        const double term = double{x.row(i)[k]} * w.row(o)[k];
        sum += term;
        magnitude += std::abs(term);
      }
      worst = std::max(worst, std::abs(y.row(i)[o] - sum) / magnitude);
    }
  return worst;
}

struct Size {
  std::size_t rows, inputs, outputs;
};
class LinearSizes : public testing::TestWithParam<Size> {};

TEST_P(LinearSizes, MatchesDoubleReference) {
  const auto [rows, inputs, outputs] = GetParam();
  const Matrix w = random_matrix(outputs, inputs, 1), x = random_matrix(rows, inputs, 2);
  const Linear linear(w.view(), Precision::kF32);
  EXPECT_EQ(linear.outputs(), outputs);
  EXPECT_EQ(linear.inputs(), inputs);
  Matrix y(rows, outputs);
  linear.apply(x.view(), y.view());
  EXPECT_LT(worst_error(x, w, y), 2e-6);
}

INSTANTIATE_TEST_SUITE_P(, LinearSizes,
                         testing::Values(Size{512, 512, 1536}, Size{512, 192, 64}, Size{1, 512, 256}, Size{7, 40, 24},
                                         Size{33, 37, 19}, Size{1, 1, 1}, Size{64, 64, 97}, Size{5, 3, 8},
                                         Size{130, 8, 1000}));

TEST(Linear, OutlivesTheWeightsItWasMadeFrom) {
  for (const std::size_t size : {64u, 37u}) {
    Matrix w = random_matrix(size, size, 1);
    const Matrix kept = w, x = random_matrix(4, size, 2);
    const Linear linear(w.view(), Precision::kF32);
    for (float& v : w.flat()) v = std::nanf("");
    w = Matrix();
    Matrix y(4, size);
    linear.apply(x.view(), y.view());
    EXPECT_LT(worst_error(x, kept, y), 2e-6) << size;
  }
}

TEST(Linear, ManyThreadsAtOnceGiveIdenticalBits) {
  const Matrix w = random_matrix(384, 256, 1), x = random_matrix(512, 256, 2);
  const Linear linear(w.view(), Precision::kF32);
  for (const std::size_t rows : {512u, 100u, 1u}) {
    const MatrixView input{x.flat().data(), rows, 256, 256};
    Matrix expected(rows, 384);
    Linear(w.view(), Precision::kF32).apply(input, expected.view());
    std::vector<Matrix> results(8, Matrix(rows, 384));
    std::vector<std::jthread> threads;
    for (Matrix& result : results) threads.emplace_back([&] { linear.apply(input, result.view()); });
    threads.clear();
    for (const Matrix& result : results) EXPECT_TRUE(std::ranges::equal(result.flat(), expected.flat())) << rows;
  }
}

TEST(Linear, RowDependsOnNoOtherRow) {
  const Matrix w = random_matrix(96, 128, 1);
  Matrix x = random_matrix(50, 128, 2);
  const Linear linear(w.view(), Precision::kF32);
  Matrix before(50, 96), after(50, 96);
  linear.apply(x.view(), before.view());
  for (std::size_t i = 0; i < 50; ++i)
    if (i != 17)
      for (float& v : x.row(i)) v = std::nanf("");
  linear.apply(x.view(), after.view());
  EXPECT_TRUE(std::ranges::equal(before.row(17), after.row(17)));
}

TEST(Linear, FloatProductsIgnoreTheDefaultMathMode) {
  // Read by oneDNN once a process, before the first product: meaningful when this test runs alone, as under ctest.
  setenv("DNNL_DEFAULT_FPMATH_MODE", "ANY", 1);
  const Matrix w = random_matrix(512, 512, 1), x = random_matrix(64, 512, 2);
  Matrix y(64, 512);
  Linear(w.view(), Precision::kF32).apply(x.view(), y.view());
  EXPECT_LT(worst_error(x, w, y), 2e-6);
}

TEST(Linear, Bfloat16RoundsFactorsAndSumsInFloat) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor has no bfloat16 products";
  const auto rounded = [](Matrix m) {
    for (float& v : m.flat()) v = bf16_to_f32(f32_to_bf16(v));
    return m;
  };
  const Matrix w = random_matrix(256, 384, 1), x = random_matrix(512, 384, 2);
  Matrix y(512, 256);
  Linear(w.view(), Precision::kBf16).apply(x.view(), y.view());
  EXPECT_LT(worst_error(rounded(x), rounded(w), y), 2e-6);
}

TEST(Linear, RefusesOtherExtents) {
  const Linear linear(Matrix(8, 16).view(), Precision::kF32);
  Matrix y(2, 8);
  EXPECT_THROW(linear.apply(Matrix(2, 15).view(), y.view()), Error);
  EXPECT_THROW(linear.apply(Matrix(3, 16).view(), y.view()), Error);
}

}  // namespace
}  // namespace quern
