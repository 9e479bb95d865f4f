// The recurrence of a Mamba-1 layer (Gu and Dao 2023, section 3).
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// For C channels of S states, token by token:
//   dt = softplus(dt_raw[t][c])                                   (dt_raw: the projection with its bias)
//   h[c][s] = exp(dt * a[c][s]) * h[c][s] + dt * b[t][s] * x[t][c]
//   y[t][c] = sum over s of c[t][s] * h[c][s]  +  d[c] * x[t][c]
// `state` [C, S] holds h before x (zeros before the first token) and afterwards h after it, so that any split of a
// window gives the same bits. Runs on the calling thread. The views may be column slices of wider matrices.
// REQUIRES: a [C, S] without positive values (that is, -exp(A_log)); y does not overlap x or dt_raw.
void selective_scan(MatrixView a, std::span<const float> d, MatrixView x, MatrixView dt_raw, MatrixView b, MatrixView c,
                    std::span<float> state, MutableMatrixView y);

}  // namespace quern
