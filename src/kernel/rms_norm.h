// Root-mean-square normalisation (Zhang and Sennrich 2019).
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// out = x * rsqrt(mean(x^2) + epsilon) * weights, row by row. REQUIRES: the same extents, one weight per column.
void rms_norm(MatrixView x, std::span<const float> weights, double epsilon, MutableMatrixView out);

// The same for each weights.size() consecutive columns on their own, all with the same weights (Qwen3's norm of every
// head of q and k). `out` may be x. REQUIRES: the same extents, weights.size() divides x.cols.
void rms_norm_slices(MatrixView x, std::span<const float> weights, double epsilon, MutableMatrixView out);

}  // namespace quern
