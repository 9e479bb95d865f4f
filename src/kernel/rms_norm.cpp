// The mean is summed in float, in fixed lanes, as the models were trained; the root is taken in double.
#include "kernel/rms_norm.h"

#include <cmath>

#include "kernel/lane_math.h"

namespace quern {

void rms_norm(MatrixView x, std::span<const float> weights, double epsilon, MutableMatrixView out) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    const float* in = x.row(i).data();
    float* to = out.row(i).data();
    const double squares = lane_sum(x.cols, [in](std::size_t j) { return in[j] * in[j]; });
    const auto factor = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(x.cols) + epsilon));
    for (std::size_t j = 0; j < x.cols; ++j) to[j] = in[j] * factor * weights[j];
  }
}

}  // namespace quern
