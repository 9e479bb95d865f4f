// Attention against its definition in double.
#include "kernel/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "quern/error.h"

namespace quern {
namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  Random random(seed);
  Matrix m(rows, cols);
  for (float& v : m.flat()) v = static_cast<float>(2 * random.normal());
  return m;
}

// Straight from the definition, in double.
double reference(const AttentionShape& s, const Matrix& q, const Matrix& k, const Matrix& v, std::size_t position,
                 std::size_t head, std::size_t d) {
  const std::size_t kv = head / (s.heads / s.kv_heads) * s.head_dim;
  double sum = 0, weighted = 0;
  for (std::size_t j = 0; j <= position; ++j) {
    if (s.window && position - j >= s.window) continue;
    double score = 0;
    for (std::size_t e = 0; e < s.head_dim; ++e)
      score += double{q.row(position)[head * s.head_dim + e]} * k.row(j)[kv + e];
    sum += std::exp(score * s.scale);
    weighted += std::exp(score * s.scale) * v.row(j)[kv + d];
  }
  return weighted / sum;
}

struct Case {
  AttentionShape shape;
  std::size_t positions;
};
class AttentionShapes : public testing::TestWithParam<Case> {};

TEST_P(AttentionShapes, MatchesDoubleReference) {
  const auto [shape, n] = GetParam();
  const Matrix q = random_matrix(n, shape.heads * shape.head_dim, 1);
  const Matrix k = random_matrix(n, shape.kv_heads * shape.head_dim, 2), v = random_matrix(n, k.cols(), 3);
  Matrix out(n, q.cols());
  causal_attention(shape, q.view(), k.view(), v.view(), out.view());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t head = 0; head < shape.heads; ++head)
      for (const std::size_t d : {std::size_t{0}, std::size_t{shape.head_dim - 1}})
        ASSERT_NEAR(out.row(i)[head * shape.head_dim + d], reference(shape, q, k, v, i, head, d), 1e-5)
            << i << " " << head;
}

INSTANTIATE_TEST_SUITE_P(, AttentionShapes,
                         testing::Values(Case{{2, 2, 16, 0.25, 0}, 1}, Case{{4, 2, 16, 0.25, 0}, 64},
                                         Case{{6, 2, 32, 0.17, 0}, 65}, Case{{3, 1, 7, 0.3, 0}, 200},
                                         Case{{2, 1, 8, 0.3, 1}, 70}, Case{{2, 1, 8, 0.3, 5}, 130},
                                         Case{{2, 1, 8, 0.3, 64}, 130}, Case{{2, 2, 8, 0.3, 100}, 300},
                                         Case{{2, 2, 8, 0.3, 500}, 300}));

MatrixView rows(const Matrix& m, std::size_t from, std::size_t to) {
  return {m.row(from).data(), to - from, m.cols(), m.cols()};
}

// The window in chunks, each after the keys and values of those before it.
Matrix in_chunks(const AttentionShape& shape, std::size_t chunk, const Matrix& q, const Matrix& k, const Matrix& v) {
  Matrix out(q.rows(), q.cols());
  for (std::size_t at = 0; at < q.rows(); at += chunk) {
    const std::size_t end = std::min(at + chunk, q.rows());
    causal_attention(shape, rows(q, at, end), rows(k, 0, end), rows(v, 0, end),
                     {out.row(at).data(), end - at, out.cols(), out.cols()});
  }
  return out;
}

TEST_P(AttentionShapes, AnySplitOfTheWindowMatchesDoubleReference) {
  const auto [shape, n] = GetParam();
  const Matrix q = random_matrix(n, shape.heads * shape.head_dim, 1);
  const Matrix k = random_matrix(n, shape.kv_heads * shape.head_dim, 2), v = random_matrix(n, k.cols(), 3);
  Matrix whole(n, q.cols());
  causal_attention(shape, q.view(), k.view(), v.view(), whole.view());
  for (const std::size_t chunk : {1u, 3u, 65u}) {
    const Matrix out = in_chunks(shape, chunk, q, k, v);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t d = 0; d < q.cols(); ++d) {
        ASSERT_NEAR(out.row(i)[d], whole.row(i)[d], 1e-5) << chunk << " " << i;
        if (d % shape.head_dim != 1) continue;
        ASSERT_NEAR(out.row(i)[d], reference(shape, q, k, v, i, d / shape.head_dim, 1), 1e-5) << chunk << " " << i;
      }
  }
}

TEST(Attention, NanInAValueReachesOnlyQueriesThatSeeIt) {
  const AttentionShape shape{1, 1, 8, 0.3, 4};
  const Matrix q = random_matrix(12, 8, 1), k = random_matrix(12, 8, 2);
  Matrix v = random_matrix(12, 8, 3);
  v.row(5)[0] = std::nanf("");
  const Matrix out = in_chunks(shape, 1, q, k, v);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(std::isnan(out.row(i)[0]), i >= 5 && i < 9) << i;
}

TEST(Attention, RefusesFewerKeysThanQueries) {
  const AttentionShape shape{1, 1, 8, 0.3, 0};
  const Matrix q = random_matrix(3, 8, 1), k = random_matrix(2, 8, 2);
  Matrix out(3, 8);
  EXPECT_THROW(causal_attention(shape, q.view(), k.view(), k.view(), out.view()), Error);
}

TEST(Attention, LargeScoresDoNotOverflow) {
  const AttentionShape shape{1, 1, 4, 1.0, 0};
  Matrix q(3, 4), k(3, 4), v(3, 4), out(3, 4);
  for (float& x : q.flat()) x = 1000.0f;
  for (std::size_t j = 0; j < 3; ++j) {
    for (float& x : k.row(j)) x = 1000.0f * static_cast<float>(j);
    for (float& x : v.row(j)) x = static_cast<float>(j);
  }
  causal_attention(shape, q.view(), k.view(), v.view(), out.view());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(out.row(i)[0], static_cast<float>(i));
}

TEST(Attention, LaterPositionsDoNotReachEarlierOnes) {
  const AttentionShape shape{2, 1, 16, 0.25, 0};
  const Matrix q = random_matrix(128, 32, 1);
  Matrix k = random_matrix(128, 16, 2), v = random_matrix(128, 16, 3), before(128, 32), after(128, 32);
  causal_attention(shape, q.view(), k.view(), v.view(), before.view());
  for (std::size_t j = 100; j < 128; ++j)
    for (float& x : v.row(j)) x = 1e6f;
  causal_attention(shape, q.view(), k.view(), v.view(), after.view());
  for (std::size_t i = 0; i < 100; ++i) EXPECT_TRUE(std::ranges::equal(before.row(i), after.row(i))) << i;
  EXPECT_NE(before.row(100)[0], after.row(100)[0]);
}

}  // namespace
}  // namespace quern
