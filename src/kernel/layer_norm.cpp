// Two passes, so that a mean far from zero costs no digits of the variance; sums in fixed lanes, the root in double.
#include "kernel/layer_norm.h"

#include <cmath>

#include "kernel/lane_math.h"

namespace quern {

void layer_norm(MatrixView x, std::span<const float> gain, std::span<const float> bias, double epsilon,
                MutableMatrixView out) {
  const auto columns = static_cast<double>(x.cols);
  for (std::size_t i = 0; i < x.rows; ++i) {
    const float* in = x.row(i).data();
    float* to = out.row(i).data();
    const auto mean = static_cast<float>(lane_sum(x.cols, [in](std::size_t j) { return in[j]; }) / columns);
    const double squares = lane_sum(x.cols, [in, mean](std::size_t j) { return (in[j] - mean) * (in[j] - mean); });
    const auto factor = static_cast<float>(1.0 / std::sqrt(squares / columns + epsilon));
    for (std::size_t j = 0; j < x.cols; ++j) to[j] = (in[j] - mean) * factor * gain[j] + bias[j];
  }
}

}  // namespace quern
