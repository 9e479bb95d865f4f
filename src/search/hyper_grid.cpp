// The nearest point lies on one of the two rows of the grid around the pair: a third is farther by more than a row's
// shear and half a step can make up for, at the edges too, from s = 4 on.
#include "search/hyper_grid.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace quern {
namespace {

// A NaN becomes `low`.
double within(double value, double low, double high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

float nearest_float(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(within(value, -kLargest, kLargest));
}

}  // namespace

double HyperPlace::far() const {
  const double x = double{farthest[0]} - double{centre[0]}, y = double{farthest[1]} - double{centre[1]};
  return std::sqrt(x * x + y * y);
}

HyperGrid::HyperGrid(const HyperSetting& setting, const HyperPlace& place)
    : place_(place), per_side_(setting.per_side) {
  const double side = double{place.side}, s = per_side_, far = place.far();
  const std::uint32_t points = setting.points();
  half_ = side / 2;
  steps_ = side > 0 ? s / side : 0;
  const bool has_outer = half_ > 0 && far > half_;
  outer_classes_ = has_outer ? place.classes : 0;
  values_.resize(std::size_t{points + 1} * (place.classes + 1));
  index_bits_ = static_cast<std::uint32_t>(std::bit_width(values_.size() - 1));
  for (std::uint32_t m = 0; m <= place.classes; ++m) {
    const double radius = has_outer ? half_ + m * (far - half_) / place.classes : half_;
    const double grows = has_outer ? radius / half_ : 1;
    radii_[m] = radius * radius;
    shrinks_[m] = 1 / grows;
    HyperPlace::Pair* values = &values_[std::size_t{points + 1} * m];
    values[0] = place.centre;
    for (std::uint32_t k = 0; k < points; ++k) {
      const double x = k * (side / (s * s)) - half_, y = (k % per_side_) * (side / s) - half_;
      values[1 + k] = {nearest_float(double{place.centre[0]} + x * grows),
                       nearest_float(double{place.centre[1]} + y * grows)};
    }
  }
}

std::uint32_t HyperGrid::class_of(double dx, double dy) const {
  if ((std::abs(dx) <= half_ && std::abs(dy) <= half_) || outer_classes_ == 0) return 0;
  const double squared = dx * dx + dy * dy;
  for (std::uint32_t m = 1; m < outer_classes_; ++m)
    if (squared <= radii_[m]) return m;
  return outer_classes_;
}

std::uint32_t HyperGrid::nearest(float x, float y) const {
  const double s = per_side_, last = s - 1;
  double dx = double{x} - double{place_.centre[0]}, dy = double{y} - double{place_.centre[1]};
  const std::uint32_t m = class_of(dx, dy);
  dx *= shrinks_[m] * steps_;
  dy *= shrinks_[m] * steps_;
  const double u = dx + s / 2, v = dy + s / 2;
  double least = dx * dx + dy * dy;
  std::uint32_t best = 0;
  const double low = within(std::floor(v), 0, last);
  for (const double row : {low, std::min(low + 1, last)}) {
    const double shifted = u - row / s, column = within(std::rint(shifted), 0, last);
    const double across = shifted - column, along = v - row, distance = across * across + along * along;
    const auto index = 1 + static_cast<std::uint32_t>(column) * per_side_ + static_cast<std::uint32_t>(row);
    best = distance < least ? index : best;
    least = distance < least ? distance : least;
  }
  return m * (per_side_ * per_side_ + 1) + best;
}

}  // namespace quern
