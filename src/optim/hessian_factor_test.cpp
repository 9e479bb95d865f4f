// Factors multiplied out again, and matrices that cannot be factorised as they are.
#include "optim/hessian_factor.h"

#include <gtest/gtest.h>

#include <limits>

#include "optim/hessian_fixture.h"

namespace quern {
namespace {

double upper_of(const HessianFactor& factor, std::size_t i, std::size_t j) {
  return static_cast<double>(factor.upper().at(i, j));
}

// Largest difference between H + diag(added) and U diag(pivots) U^T, as a share of the mean diagonal.
double residue(const HessianFactor& factor, const std::vector<float>& upper) {
  const std::size_t n = factor.columns();
  const std::vector<double> h = full(upper, n);
  double most = 0, diagonal = 0;
  for (std::size_t i = 0; i < n; ++i) {
    diagonal += h[i * n + i] / static_cast<double>(n);
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t k = std::max(i, j); k < n; ++k)
        sum += upper_of(factor, i, k) * factor.pivots()[k] * upper_of(factor, j, k);
      const double damped = h[i * n + j] + (i == j ? factor.added()[i] : 0);
      most = std::max({most, std::abs(sum - damped), std::abs(static_cast<double>(factor.matrix().at(i, j)) - damped)});
    }
  }
  return most / diagonal;
}

TEST(HessianFactor, IsTheMatrixAgain) {
  for (const std::size_t n : {1, 3, 4, 17, 64}) {
    const std::vector<float> upper = hessian_of(correlated_inputs(4 * n + 8, n, 3));
    const Factorisation made = factorise({n, 4 * n + 8, upper});
    ASSERT_TRUE(made.factor) << made.why_not;
    EXPECT_EQ(made.factor->columns(), n);
    EXPECT_EQ(made.factor->damping(), usual_damping(n, 4 * n + 8));
    EXPECT_LT(residue(*made.factor, upper), 1e-6) << n;
    for (std::size_t j = 0; j < n; ++j) {
      EXPECT_EQ(upper_of(*made.factor, j, j), 1.0);
      for (std::size_t i = j + 1; i < n; ++i) EXPECT_EQ(upper_of(*made.factor, i, j), 0.0);
    }
  }
}

TEST(HessianFactor, StandsFewTokensAndOne) {
  for (const std::size_t tokens : {1, 5}) {
    const std::vector<float> upper = hessian_of(correlated_inputs(tokens, 32, 4));
    const Factorisation made = factorise({32, tokens, upper});
    ASSERT_TRUE(made.factor) << made.why_not;
    EXPECT_LT(residue(*made.factor, upper), 1e-5);
  }
}

TEST(HessianFactor, LeavesDeadColumnsAlone) {
  const std::vector<float> upper = hessian_of(correlated_inputs(200, 16, 5, 7));
  const Factorisation made = factorise({16, 200, upper});
  ASSERT_TRUE(made.factor) << made.why_not;
  EXPECT_EQ(made.factor->dead_columns(), 1u);
  EXPECT_GT(made.factor->pivots()[7], 0);
  for (std::size_t j = 8; j < 16; ++j) EXPECT_EQ(upper_of(*made.factor, 7, j), 0.0);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(upper_of(*made.factor, i, 7), 0.0);
}

TEST(HessianFactor, TakesMoreDampingWhereItMust) {
  // Two columns that are one, but for rounding that makes the matrix indefinite.
  const std::vector<float> upper{1.0f, 1.1f, 1.0f};
  const Factorisation made = factorise({2, 1000, upper});
  ASSERT_TRUE(made.factor) << made.why_not;
  EXPECT_GT(made.factor->damping(), usual_damping(2, 1000));
}

TEST(HessianFactor, IsDampedMoreOfFewTokens) {
  EXPECT_EQ(usual_damping(256, 100'000), 0.03);
  EXPECT_NEAR(usual_damping(256, 4096), 0.3125, 1e-12);
  EXPECT_EQ(usual_damping(256, 0), 1);
}

TEST(HessianFactor, SaysWhyThereIsNone) {
  EXPECT_EQ(factorise({2, 0, std::vector<float>{1, 0, 1}}).why_not, "no token of the calibration text reached it");
  EXPECT_EQ(factorise({2, 9, std::vector<float>{0, 0, 0}}).why_not, "its inputs were 0 on the whole calibration text");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(factorise({2, 9, std::vector<float>{1, nan, 1}}).why_not,
            "the second moments of its inputs are not finite");
  const Factorisation indefinite = factorise({2, 9, std::vector<float>{1, 500, 1}});
  EXPECT_FALSE(indefinite.factor);
  EXPECT_NE(indefinite.why_not.find("not positive definite"), std::string::npos);
}

}  // namespace
}  // namespace quern
