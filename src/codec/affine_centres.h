// The first stage of every search for scales and offsets: the best grids of one run of weights alone, with real-valued
// scale and offset. Code q stands for scale * q - offset.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "codec/grid_search.h"

namespace quern {

inline constexpr std::size_t kMaxAffineRun = 32;

// A run of weights with its sums. Views what it is made from.
struct AffineRun {
  std::span<const float> x, w;
  std::array<float, kMaxAffineRun> centred;  // x - mean: least squares without cancellation
  float mean = 0, weight = 0, power = 0;     // weighted mean of x, sum of w, sum of w * centred^2
};

// REQUIRES: x.size() == w.size() <= kMaxAffineRun, w positive.
AffineRun make_affine_run(std::span<const float> x, std::span<const float> w);

// Which offsets a grid may have.
enum class OffsetSign { kNotNegative = 1, kAny = 0, kNotPositive = -1 };

// A local minimum: along a change of scale the best offset moves by mean_code.
struct AffineCentre {
  float scale = 0, offset = 0, mean_code = 0, error = 0;
};

// Where the searches start: parts of the range of the weights that a grid leaves out at its lower and upper end.
struct AffineCuts {
  Lanes low;
  std::span<const float> high;
  int refits;  // of each start before the best are chosen
};

inline constexpr std::size_t kAffineCentres = 3;  // local minima kept

// Rounding and weighted least squares alternate from a grid for each pair of cuts. Best first.
std::array<AffineCentre, kAffineCentres> find_affine_centres(const AffineRun& run, CodeRange range, OffsetSign sign,
                                                             const AffineCuts& cuts);

}  // namespace quern
