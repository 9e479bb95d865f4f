// Normalisation to mean 0 and variance 1 (Ba, Kiros and Hinton 2016).
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// out = (x - mean(x)) / sqrt(variance(x) + epsilon) * gain + bias, row by row; the variance divides by the number of
// columns. `out` may be x. REQUIRES: the same extents, one gain and one bias per column.
void layer_norm(MatrixView x, std::span<const float> gain, std::span<const float> bias, double epsilon,
                MutableMatrixView out);

}  // namespace quern
