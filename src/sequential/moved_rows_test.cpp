// The correction against what defines it, and where there is none.
#include "sequential/moved_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace quern {
namespace {

constexpr std::size_t kColumns = 12, kTokens = 100;

Matrix random_rows(std::size_t rows, Random& random) {
  Matrix out(rows, kColumns);
  for (float& value : out.flat()) value = static_cast<float>(random.normal());
  return out;
}

// Means of x x^T and of o x^T over rows.
HeardInputs heard_of(const Matrix& x, const Matrix& o) {
  HeardInputs heard{{kColumns, kTokens, {}}, std::vector<double>(kColumns * kColumns)};
  for (std::size_t i = 0; i < kColumns; ++i)
    for (std::size_t j = 0; j < kColumns; ++j) {
      double h = 0, c = 0;
      for (std::size_t t = 0; t < kTokens; ++t) {
        h += double{x.row(t)[i]} * x.row(t)[j];
        c += double{o.row(t)[i]} * x.row(t)[j];
      }
      if (j >= i) heard.hessian.upper.push_back(static_cast<float>(h / kTokens));
      heard.cross[i * kColumns + j] = c / kTokens;
    }
  return heard;
}

// E |W o - V x|^2 + l |W - V|^2.
double loss(const Matrix& w, const Matrix& v, const Matrix& o, const Matrix& x, double ridge) {
  double sum = 0;
  for (std::size_t r = 0; r < w.rows(); ++r) {
    for (std::size_t t = 0; t < kTokens; ++t) {
      double d = 0;
      for (std::size_t c = 0; c < kColumns; ++c)
        d += double{w.row(r)[c]} * o.row(t)[c] - double{v.row(r)[c]} * x.row(t)[c];
      sum += d * d / kTokens;
    }
    for (std::size_t c = 0; c < kColumns; ++c) sum += ridge * std::pow(double{w.row(r)[c]} - v.row(r)[c], 2);
  }
  return sum;
}

struct MovedRows : testing::Test {
  Random random{3};
  ThreadPool pool{2};
  const Matrix weights = random_rows(5, random), x = random_rows(kTokens, random);
};

TEST_F(MovedRows, StayWhereInputsAreTheOriginals) {
  const std::vector<double> by = asymmetric_correction(heard_of(x, x), 0.03);
  const Matrix moved = moved_rows(weights.view(), by, pool);
  for (std::size_t i = 0; i < moved.flat().size(); ++i) EXPECT_NEAR(moved.flat()[i], weights.flat()[i], 1e-5);
}

TEST_F(MovedRows, LoseLeastOfAllNearThem) {
  Matrix o = random_rows(kTokens, random);
  for (std::size_t i = 0; i < o.flat().size(); ++i) o.flat()[i] = x.flat()[i] + 0.3f * o.flat()[i];
  const HeardInputs heard = heard_of(x, o);
  double mean = 0;
  for (std::size_t i = 0; i < kColumns; ++i) mean += heard.hessian.at(i, i) / double{kColumns};
  const Matrix moved = moved_rows(weights.view(), asymmetric_correction(heard, 0.03), pool);
  const double least = loss(weights, moved, o, x, 0.03 * mean);
  EXPECT_LT(least, loss(weights, weights, o, x, 0.03 * mean));
  for (std::size_t i = 0; i < moved.flat().size(); ++i)
    for (const float step : {-0.01f, 0.01f}) {
      Matrix other = moved;
      other.flat()[i] += step;
      EXPECT_LT(least, loss(weights, other, o, x, 0.03 * mean)) << i;
    }
}

TEST_F(MovedRows, AreTheSameForAnyNumberOfThreads) {
  const Matrix many = random_rows(100, random);
  const std::vector<double> by = asymmetric_correction(heard_of(x, random_rows(kTokens, random)), 0.03);
  ThreadPool one(1), four(4);
  EXPECT_TRUE(std::ranges::equal(moved_rows(many.view(), by, one).flat(), moved_rows(many.view(), by, four).flat()));
}

TEST_F(MovedRows, HaveNoCorrectionWithoutInputs) {
  const Matrix zeros(kTokens, kColumns);
  EXPECT_TRUE(asymmetric_correction(heard_of(zeros, zeros), 0.03).empty());
  HeardInputs endless = heard_of(x, x);
  endless.cross[7] = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(asymmetric_correction(endless, 0.03).empty());
}

}  // namespace
}  // namespace quern
