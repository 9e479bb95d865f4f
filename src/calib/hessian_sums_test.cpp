// Sums in float products against plain sums in double.
#include "calib/hessian_sums.h"

#include <cmath>

#include "base/cpu.h"
#include "base/random.h"
#include "base/scalars.h"
#include "calib/hessian.h"

namespace quern {
namespace {

// Columns of very different sizes that depend on each other, as activations do, and a few rows that stand out.
Matrix activations(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Random random(seed);
  Matrix out(rows, columns);
  for (std::size_t t = 0; t < rows; ++t) {
    const double common = random.normal(), scale = t % 97 == 3 ? 20 : 1;
    for (std::size_t c = 0; c < columns; ++c)
      out.row(t)[c] =
          static_cast<float>(scale * std::pow(10.0, static_cast<double>(c % 5) - 2) * (0.2 + common + random.normal()));
  }
  return out;
}

std::vector<double> plain_means(const std::vector<Matrix>& pieces, std::size_t columns) {
  std::vector<double> sums(columns * columns, 0.0);
  double tokens = 0;
  for (const Matrix& piece : pieces)
    for (std::size_t t = 0; t < piece.rows(); ++t, ++tokens)
      for (std::size_t i = 0; i < columns; ++i)
        for (std::size_t j = 0; j < columns; ++j) sums[i * columns + j] += double{piece.row(t)[i]} * piece.row(t)[j];
  for (double& sum : sums) sum /= tokens;
  return sums;
}

// Of n roundings to 2^-24 of the sum so far, of random signs, some sqrt(n) / 2 remain, n at most 4096. The largest of
// the elements below was 2.2e-6 on AVX2 and 1.7e-6 on AVX-512.
constexpr double kTolerance = 4e-6;

// The largest difference, in units of sqrt(H[i][i] H[j][j]): what an eigenvalue can move by.
double largest_difference(const HessianSum& sum, const std::vector<double>& expected) {
  const std::size_t columns = sum.columns();
  std::vector<float> row(columns);
  double largest = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    sum.mean_row(i, std::span(row).first(columns - i));
    for (std::size_t j = i; j < columns; ++j)
      largest = std::max(largest, std::abs(row[j - i] - expected[i * columns + j]) /
                                      std::sqrt(expected[i * columns + i] * expected[j * columns + j]));
  }
  return largest;
}

std::vector<Matrix> pieces_of(std::size_t columns, std::initializer_list<std::size_t> rows) {
  std::vector<Matrix> pieces;
  for (const std::size_t count : rows) pieces.push_back(activations(count, columns, pieces.size() + 1));
  return pieces;
}

TEST(HessianSum, OfFloatsIsThePlainSumInDouble) {
  ThreadPool pool(2);
  for (const std::size_t columns : {1, 5, 64, 137, 520}) {
    const std::vector<Matrix> pieces = pieces_of(columns, {300, 1, 0, 77});
    HessianSum sum(columns);
    sum.add(pieces, Precision::kF32, pool);
    EXPECT_EQ(sum.tokens(), 378u);
    EXPECT_LT(largest_difference(sum, plain_means(pieces, columns)), kTolerance) << columns;
  }
}

// A slice is the longest run of rows that is summed in float.
TEST(HessianSum, OfWholeSlicesLosesNoMoreThanFloatsHold) {
  ThreadPool pool(2);
  const std::vector<Matrix> pieces = pieces_of(160, {2 * kRowsPerSlice + 100, 512});
  HessianSum sum(160);
  sum.add(pieces, Precision::kF32, pool);
  const double difference = largest_difference(sum, plain_means(pieces, 160));
  testing::Test::RecordProperty("difference", std::to_string(difference * 1e9) + "e-9");
  EXPECT_LT(difference, kTolerance);
}

TEST(HessianSum, OfBf16MultipliesTheRoundedInputsExactly) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor multiplies no bf16";
  ThreadPool pool(2);
  std::vector<Matrix> pieces = pieces_of(72, {700, 600});
  HessianSum sum(72);
  sum.add(pieces, Precision::kBf16, pool);
  EXPECT_GT(largest_difference(sum, plain_means(pieces, 72)), 1e-5);
  for (Matrix& piece : pieces)
    for (float& value : piece.flat()) value = bf16_to_f32(f32_to_bf16(value));
  EXPECT_LT(largest_difference(sum, plain_means(pieces, 72)), kTolerance);
}

TEST(HessianSum, IsTheSameForAnyNumberOfThreads) {
  const std::size_t columns = 1100;
  const std::vector<Matrix> pieces = pieces_of(columns, {200, 64});
  std::vector<std::vector<float>> rows;
  for (const unsigned threads : {1u, 2u, 4u}) {
    ThreadPool pool(threads);
    HessianSum sum(columns);
    sum.add(pieces, Precision::kF32, pool);
    sum.add(pieces, Precision::kF32, pool);
    std::vector<float> all;
    std::vector<float> row(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      sum.mean_row(i, std::span(row).first(columns - i));
      all.insert(all.end(), row.begin(), row.end() - static_cast<std::ptrdiff_t>(i));
    }
    rows.push_back(std::move(all));
  }
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(rows[0], rows[2]);
}

TEST(HessianSum, OfNoRowsIsZero) {
  ThreadPool pool(1);
  HessianSum sum(3);
  sum.add({}, Precision::kF32, pool);
  std::vector<float> row(3, 1.0f);
  sum.mean_row(0, row);
  EXPECT_EQ(row, std::vector<float>(3, 0.0f));
}

TEST(HessianSum, KeepsLittleMoreThanATriangle) {
  EXPECT_EQ(HessianSum::bytes(512), 512u * 512 * 8);
  EXPECT_EQ(HessianSum::bytes(5632), 512u * 512 * 8 * 66);
}

TEST(Hessian, ShowsBothHalvesOfItsTriangle) {
  const Hessian hessian{3, 9, {1, 2, 3, 4, 5, 6}};
  const std::vector<float> full{1, 2, 3, 2, 4, 5, 3, 5, 6};
  const Matrix matrix = full_matrix(hessian);
  EXPECT_EQ(std::vector<float>(matrix.flat().begin(), matrix.flat().end()), full);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(hessian.at(i, j), full[i * 3 + j]);
  EXPECT_EQ(hessian.row(2).size(), 1u);
}

}  // namespace
}  // namespace quern
