// Depthwise convolution over time that sees only the present and the past (Mamba's conv1d).
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// y[t][c] = bias[c] + sum over j < K of weights[c*K + j] * x[t - K + 1 + j][c], C = x.cols, K = weights.size() / C.
// `history` [K-1, C] holds the inputs before x, oldest first (zeros before the first token), and afterwards the last
// K-1 inputs, so that any split of a window gives the same bits. Runs on the calling thread.
// REQUIRES: bias of C values or empty; y of x's extents and not overlapping it.
void causal_conv(std::span<const float> weights, std::span<const float> bias, MatrixView x, std::span<float> history,
                 MutableMatrixView y);

}  // namespace quern
