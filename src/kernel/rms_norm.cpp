// The mean is summed in float, in fixed lanes, as the models were trained; the root is taken in double.
#include "kernel/rms_norm.h"

#include <cmath>

#include "kernel/lane_math.h"

namespace quern {

namespace {

void normalise(const float* in, std::span<const float> weights, double epsilon, float* to) {
  const double squares = lane_sum(weights.size(), [in](std::size_t j) { return in[j] * in[j]; });
  const auto factor = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(weights.size()) + epsilon));
  for (std::size_t j = 0; j < weights.size(); ++j) to[j] = in[j] * factor * weights[j];
}

}  // namespace

void rms_norm(MatrixView x, std::span<const float> weights, double epsilon, MutableMatrixView out) {
  for (std::size_t i = 0; i < x.rows; ++i) normalise(x.row(i).data(), weights, epsilon, out.row(i).data());
}

void rms_norm_slices(MatrixView x, std::span<const float> weights, double epsilon, MutableMatrixView out) {
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < x.cols; j += weights.size())
      normalise(x.row(i).data() + j, weights, epsilon, out.row(i).data() + j);
}

}  // namespace quern
