// Damping, then the Cholesky factorisation of LAPACK on the matrix read backwards.
#include "optim/hessian_factor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail.h"

// LAPACK, column-major: the Cholesky factor of a symmetric positive definite matrix, in place.
extern "C" void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);

namespace quern {
namespace {

constexpr double kLeastDamping = 0.03, kMostDamping = 1, kDampingPerColumn = 5;
constexpr double kMore[] = {1, 10, 100};

// The full matrix, row-major, in double: full_matrix() would be held beside it.
std::vector<double> square(const Hessian& hessian) {
  const std::size_t n = hessian.columns;
  std::vector<double> full(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::span<const float> row = hessian.row(i);
    for (std::size_t k = 0; k < row.size(); ++k)
      full[i * n + i + k] = full[(i + k) * n + i] = static_cast<double>(row[k]);
  }
  return full;
}

// The upper triangular R of A = R R^T, in the upper triangle of the result. Read backwards A is B with B(i, j) =
// A(n-1-i, n-1-j); its lower Cholesky factor, read backwards again, is R. Nothing where A is not positive definite.
std::optional<std::vector<double>> upper_factor(std::vector<double> a, std::size_t n) {
  std::ranges::reverse(a);
  const int size = static_cast<int>(n);
  int info = 0;
  dpotrf_("U", &size, a.data(), &size, &info);  // its upper triangle, column-major, is our lower one, row-major
  ensure(info >= 0, "LAPACK refused argument {} of dpotrf", -info);
  if (info > 0) return std::nullopt;
  std::ranges::reverse(a);
  return a;
}

TiledMatrix damped_matrix(const Hessian& hessian, std::span<const double> added) {
  TiledMatrix matrix(hessian.columns);
  for (std::size_t i = 0; i < hessian.columns; ++i) {
    const std::span<const float> row = hessian.row(i);
    for (std::size_t k = 0; k < row.size(); ++k) matrix.at(i, i + k) = matrix.at(i + k, i) = row[k];
    matrix.at(i, i) = static_cast<float>(static_cast<double>(row[0]) + added[i]);
  }
  return matrix;
}

}  // namespace

double usual_damping(std::size_t columns, std::uint64_t tokens) {
  const double share =
      kDampingPerColumn * static_cast<double>(columns) / static_cast<double>(std::max<std::uint64_t>(1, tokens));
  return std::clamp(share, kLeastDamping, kMostDamping);
}

// Of the second factor: the matrix and its first factor in float, the reordered matrix in double and its factor in
// float. The first takes less: a triangle in float, the matrix in double and its factor in float.
std::uint64_t factorisation_bytes(std::uint64_t columns) {
  return columns * columns * (2 * sizeof(float) + sizeof(double) + sizeof(float));
}

std::optional<UnitTriangle> unit_triangle(std::vector<double> matrix, std::size_t columns) {
  const std::optional<std::vector<double>> r = upper_factor(std::move(matrix), columns);
  if (!r) return std::nullopt;
  UnitTriangle triangle{TiledMatrix(columns), {}};
  for (std::size_t j = 0; j < columns; ++j) {
    const double pivot = (*r)[j * columns + j];
    triangle.pivots.push_back(pivot * pivot);
    for (std::size_t i = 0; i <= j; ++i) triangle.upper.at(i, j) = static_cast<float>((*r)[i * columns + j] / pivot);
  }
  return triangle;
}

Factorisation factorise(const Hessian& hessian) {
  const std::size_t n = hessian.columns;
  ensure(hessian.upper.size() == Hessian::elements(n), "{} values of a triangle of {} columns", hessian.upper.size(),
         n);
  if (hessian.tokens == 0) return {std::nullopt, "no token of the calibration text reached it"};
  if (!std::ranges::all_of(hessian.upper, [](float value) { return std::isfinite(value); }))
    return {std::nullopt, "the second moments of its inputs are not finite"};
  HessianFactor factor;
  std::vector<float> diagonal;
  for (std::size_t j = 0; j < n; ++j) diagonal.push_back(hessian.at(j, j));
  const double sum = std::accumulate(diagonal.begin(), diagonal.end(), 0.0);
  factor.dead_ = static_cast<std::size_t>(std::ranges::count_if(diagonal, [](float value) { return !(value > 0); }));
  if (factor.dead_ == n) return {std::nullopt, "its inputs were 0 on the whole calibration text"};
  const double mean = sum / static_cast<double>(n - factor.dead_);
  for (const double more : kMore) {
    const double damping = more * usual_damping(n, hessian.tokens);
    std::vector<double> damped = square(hessian);
    factor.added_.assign(n, damping * mean);
    for (std::size_t j = 0; j < n; ++j) {
      if (!(diagonal[j] > 0)) factor.added_[j] = mean;
      damped[j * n + j] += factor.added_[j];
    }
    std::optional<UnitTriangle> triangle = unit_triangle(std::move(damped), n);
    if (!triangle) continue;
    factor.damping_ = damping;
    factor.triangle_ = std::move(*triangle);
    factor.matrix_ = damped_matrix(hessian, factor.added_);
    return {std::move(factor), {}};
  }
  return {std::nullopt,
          fmt::format(
              "the second moments of its {} inputs over {} tokens are not positive definite, whatever is added to them",
              n, hessian.tokens)};
}

}  // namespace quern
