// Transforms that are there and back again.
#include "encode/value_transform.h"

#include <cmath>

namespace quern {
namespace {

constexpr int kNeighboursTried = 4;  // -exp and log are each off by at most an ulp or two

// Of the floats about log(-value) the nearest whose -exp is `value`: what was written by kNegatedExp comes back to a
// number that means the same. -exp skips floats where the logarithm is large; then the nearest to log(-value) it is.
float log_of_negated(float value) {
  const auto nearest = static_cast<float>(std::log(-static_cast<double>(value)));
  float below = nearest, above = nearest;
  for (int step = 0; step <= kNeighboursTried; ++step) {
    if (-std::exp(below) == value) return below;
    if (-std::exp(above) == value) return above;
    below = std::nextafter(below, -INFINITY);
    above = std::nextafter(above, INFINITY);
  }
  return nearest;
}

}  // namespace

void apply_transform(ExportedWeight::Transform transform, std::span<float> values) {
  using enum ExportedWeight::Transform;
  if (transform == kNegatedExp)
    for (float& value : values) value = -std::exp(value);
  if (transform == kLogOfNegated)
    for (float& value : values) value = log_of_negated(value);
}

Matrix transposed(const Matrix& matrix) {
  Matrix out(matrix.cols(), matrix.rows());
  for (std::size_t i = 0; i < matrix.rows(); ++i)
    for (std::size_t k = 0; k < matrix.cols(); ++k) out.row(k)[i] = matrix.row(i)[k];
  return out;
}

}  // namespace quern
