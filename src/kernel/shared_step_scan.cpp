// A sum over many columns and a short recurrence for each token. Fused multiply-adds are written out, so every compiler
// rounds at the same places.
#include "kernel/shared_step_scan.h"

#include "base/fail.h"
#include "kernel/lane_math.h"

namespace quern {

void shared_step_scan(std::span<const float> a, MatrixView u, MatrixView dt_raw, std::span<float> state,
                      MutableMatrixView h) {
  ensure(state.size() == a.size() && u.cols == a.size() && h.cols == a.size() && dt_raw.rows == u.rows &&
             h.rows == u.rows && dt_raw.cols > 0,
         "scan of {} states: {} columns of inputs, {} of outputs, {} of dt, a state of {}", a.size(), u.cols, h.cols,
         dt_raw.cols, state.size());
  for (std::size_t t = 0; t < u.rows; ++t) {
    const float *raw = dt_raw.row(t).data(), *in = u.row(t).data();
    const float sum = lane_sum(dt_raw.cols, [&](std::size_t c) { return lane_softplus(raw[c]); });
    const float step = sum / static_cast<float>(dt_raw.cols);
    float* out = h.row(t).data();
    for (std::size_t s = 0; s < a.size(); ++s) {
      state[s] = __builtin_fmaf(lane_exp(step * a[s]), state[s], step * in[s]);
      out[s] = state[s];
    }
  }
}

}  // namespace quern
