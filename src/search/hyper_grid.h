// Hyper-Compression (Fan et al., arXiv:2409.00592) in the two dimensions of its released code: two neighbouring weights
// are one point of a grid, and one index.
//
// U = s * s points fill a square of side l around a centre c; they are the winding of that code, a square grid that is
// sheared by 1 / s of a step from row to row:
//
//   p_k = c - l / 2 + (k * l / s^2, (k mod s) * l / s),  k = 0 .. U - 1
//
// Pairs outside the square fall into classes 1 .. M by their distance from c: those of class m are at most
// R_m = l / 2 + m * (far - l / 2) / M away. They are drawn towards c by (l / 2) / R_m, take the nearest point, and the
// point moves back by as much. An index is 0 for c itself or 1 + k, and (U + 1) * m more.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace quern {

struct HyperSetting {
  enum class Side { kAbsolute, kSigmas };  // a length, or in deviations of the tensor's weights from the centre

  std::uint32_t per_side;      // s
  std::uint32_t most_classes;  // M at most
  float side;                  // l
  Side side_in;
  float enough;  // mean absolute error below which no further classes are tried, in the unit of `side`

  std::uint32_t points() const { return per_side * per_side; }
};

// What a tensor stores of its grid.
struct HyperPlace {
  using Pair = std::array<float, 2>;

  float side = 0;
  Pair centre{}, farthest{};
  std::uint32_t classes = 1;

  double far() const;  // from the centre to the farthest pair
};

// Ready to be used. Constant once made.
class HyperGrid {
 public:
  static constexpr std::uint32_t kMostClasses = 4;

  HyperGrid(const HyperSetting& setting, const HyperPlace& place);

  const HyperPlace& place() const { return place_; }
  std::uint32_t per_side() const { return per_side_; }
  std::uint32_t indices() const { return static_cast<std::uint32_t>(values_.size()); }
  std::uint32_t index_bits() const { return index_bits_; }
  // What stands beside the last weight of a row of an odd number: the mean of such weights.
  float padding() const { return place_.centre[1]; }

  // Of the pair's class, the nearest; the first of equals. Of pairs that are farther than the farthest one, a near one
  // at the edge. Any floats.
  std::uint32_t nearest(float x, float y) const;
  // REQUIRES: index < indices().
  const HyperPlace::Pair& value(std::uint32_t index) const { return values_[index]; }
  std::span<const HyperPlace::Pair> values() const { return values_; }

 private:
  std::uint32_t class_of(double dx, double dy) const;

  HyperPlace place_;
  std::uint32_t per_side_, index_bits_, outer_classes_;
  double half_, steps_;                                   // half the side; steps of the grid in one unit of weights
  std::array<double, kMostClasses + 1> radii_, shrinks_;  // R_m squared, (l / 2) / R_m
  std::vector<HyperPlace::Pair> values_;
};

}  // namespace quern
