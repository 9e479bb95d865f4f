// Weights moved to those that give, from the inputs behind compressed matrices, best what the original gives from its
// own.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "sequential/heard_inputs.h"
#include "tensor/tensor.h"

namespace quern {

// (C + l I) (H + l I)^-1, row-major [columns, columns], with H = E[x x^T] and C = E[x_original x^T], and l `ridge`
// times the mean of H's diagonal: W times it has the least E |W x_original - W' x|^2 + l |W - W'|^2 (ridge regression;
// the asymmetric calibration of Li et al. 2025, GPTAQ, arXiv 2504.02692). No matrix where H is all zeros, or a value
// not finite. REQUIRES: an original was heard.
std::vector<double> asymmetric_correction(const HeardInputs& heard, double ridge);

// The rows [rows, columns], each times `by`, on all threads; the same for any number of them.
Matrix moved_rows(MatrixView rows, const std::vector<double>& by, ThreadPool& pool);

}  // namespace quern
