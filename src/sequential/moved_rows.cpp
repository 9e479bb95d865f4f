// One system of equations a group of inputs, in double.
#include "sequential/moved_rows.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

// LAPACK, column-major: solves A X = B for a symmetric positive definite A.
extern "C" void dposv_(const char* uplo, const int* n, const int* columns, double* a, const int* lda, double* b,
                       const int* ldb, int* info);

namespace quern {

std::vector<double> asymmetric_correction(const HeardInputs& heard, double ridge) {
  const std::size_t n = heard.hessian.columns;
  ensure(heard.cross.size() == n * n, "{} products of inputs for {} columns", heard.cross.size(), n);
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(heard.hessian.at(i, i)) / static_cast<double>(n);
  if (!(mean > 0) || !std::isfinite(mean)) return {};
  std::vector<double> a(n * n), b = heard.cross;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) a[i * n + j] = static_cast<double>(heard.hessian.at(i, j));
    a[i * n + i] += ridge * mean;
    b[i * n + i] += ridge * mean;
  }
  const int size = static_cast<int>(n);
  int info = 0;
  dposv_("U", &size, &size, a.data(), &size, b.data(), &size, &info);  // of b^T, which it leaves transposed again
  if (info != 0 || !std::ranges::all_of(b, [](double value) { return std::isfinite(value); })) return {};
  return b;
}

Matrix moved_rows(MatrixView rows, const std::vector<double>& by, ThreadPool& pool) {
  constexpr std::size_t kTogether = 16;  // rows that share a row of `by` while it is near
  const std::size_t n = rows.cols;
  Matrix out(rows.rows, n);
  parallel_for(pool, rows.rows, kTogether, [&](std::size_t begin, std::size_t end) {
    std::vector<double> sums((end - begin) * n);
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t r = begin; r < end; ++r) {
        const double weight = rows.row(r)[k];
        double* row = &sums[(r - begin) * n];
        for (std::size_t c = 0; c < n; ++c) row[c] += weight * by[k * n + c];
      }
    for (std::size_t r = begin; r < end; ++r)
      for (std::size_t c = 0; c < n; ++c) out.row(r)[c] = static_cast<float>(sums[(r - begin) * n + c]);
  });
  return out;
}

}  // namespace quern
