// The Hessian of a group of products, E[x x^T], as the factors that error feedback needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/hessian.h"
#include "optim/tiled_matrix.h"

namespace quern {

// A = U diag(pivots) U^T with U upper triangular and ones on its diagonal (LDL^T from the last column to the first:
// Chee et al. 2023, QuIP, arXiv 2307.13304, whose LDLQ rounds column j with the errors of the columns before it times
// U).
struct UnitTriangle {
  TiledMatrix upper;
  std::vector<double> pivots;  // what an error of column j costs once all columns behind it make up for what they can
};

// Of a symmetric matrix, row-major; nothing where it is not positive definite.
std::optional<UnitTriangle> unit_triangle(std::vector<double> matrix, std::size_t columns);

// H + diag(added) and its triangle.
class HessianFactor {
 public:
  std::size_t columns() const noexcept { return triangle_.pivots.size(); }
  const UnitTriangle& triangle() const noexcept { return triangle_; }
  const TiledMatrix& upper() const noexcept { return triangle_.upper; }
  const TiledMatrix& matrix() const noexcept { return matrix_; }  // H + diag(added)
  std::span<const double> pivots() const noexcept { return triangle_.pivots; }
  // What was added to the diagonal of each column; of one that never carried anything all that stands there.
  std::span<const double> added() const noexcept { return added_; }
  double damping() const noexcept { return damping_; }  // added to the others, as a share of their mean diagonal
  std::size_t dead_columns() const noexcept { return dead_; }

 private:
  friend struct Factorisation factorise(const Hessian& hessian);
  UnitTriangle triangle_;
  TiledMatrix matrix_;
  std::vector<double> added_;
  double damping_ = 0;
  std::size_t dead_ = 0;
};

// The share of the mean diagonal that is added where that is enough: what a mean over so few tokens says of directions
// that hardly occur is chance. Chosen on text that the Hessian did not see: llama-7m, 42 matrices, 0.03 to 0.1 with
// 100,000 tokens and 0.3 with 4,000, where 0.01 (what GPTQ adds, Frantar et al. 2022, arXiv 2210.17323) makes feedback
// worse than rounding.
double usual_damping(std::size_t columns, std::uint64_t tokens);

// The most bytes while a matrix of so many columns is factorised, once as it stands and once with its columns in
// another order (feedback_order.h).
std::uint64_t factorisation_bytes(std::uint64_t columns);

struct Factorisation {
  std::optional<HessianFactor> factor;
  std::string why_not;  // where there is none, as a sentence for people
};

// Where the matrix is not positive definite with the least damping, more is tried. No factor where no token was seen, a
// value is not finite, or no damping helps.
Factorisation factorise(const Hessian& hessian);

}  // namespace quern
