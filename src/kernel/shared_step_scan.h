// The recurrence of a state-space layer whose channels share one small state and one step a token (Itera-Lite's
// SSMKernel).
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace quern {

// Token by token, for S states:
//   step = mean over the columns of softplus(dt_raw[t])
//   h[t][s] = exp(step * a[s]) * h[t - 1][s] + step * u[t][s]
// `state` [S] holds h before u (zeros before the first token) and afterwards the last row of h, so that any split of a
// window gives the same bits. Runs on the calling thread: the exponentials of dt_raw are most of its time.
// REQUIRES: a without positive values (that is, -exp(A_log)); h does not overlap u or dt_raw.
void shared_step_scan(std::span<const float> a, MatrixView u, MatrixView dt_raw, std::span<float> state,
                      MutableMatrixView h);

}  // namespace quern
