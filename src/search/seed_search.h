// The best seed, exponent and coefficients of vectors of weights: exact over all seeds.
#pragma once

#include <span>

#include "search/seed_basis.h"
#include "search/seed_scan.h"

namespace quern {

// For each vector w (format.length numbers each, one after the other, finite) the seed for which
//
//   sum over c of importance[c] * (w[c] - decoded[c])^2
//
// is least when its coefficients are t = (U^T D U)^-1 U^T D w, D = diag(importance), rounded under the exponent that
// the rule gives; of equals the lowest. Zeros under seed 1 where no seed does better. Every seed is judged in double,
// or left out where the error of t as it is, which no rounding lowers, is already more: the same result for every
// `scan`. `importance`: of each column, positive; empty: all 1. Its tables are made once for all vectors, as long as 20
// take.
void search_seeds(const SeedFormat& format, const SeedScan& scan, std::span<const double> vectors,
                  std::span<const double> importance, std::span<SeedVector> found);

}  // namespace quern
