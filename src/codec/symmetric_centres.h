// The first stage of every search for scales without offsets: the best real-valued scales of one run of weights alone.
// Code q stands for scale * q.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>

#include "codec/grid_search.h"

namespace quern {

// Where the searches start: scales of both signs (the range of codes need not be symmetric) under which the largest
// weight falls on code first + steps[0..7], and so on by 8 steps up to `last`; beyond the range of codes it is cut.
struct SymmetricLadder {
  float first, last;
  Lanes steps;  // evenly spaced from 0
};

// A scale and its error.
struct SymmetricCentre {
  float scale = 0, error = std::numeric_limits<float>::infinity();
};

inline constexpr std::size_t kSymmetricCentres = 3;

// Each scale of the ladder is refined by weighted least squares after rounding; the best are kept, best first.
std::array<SymmetricCentre, kSymmetricCentres> find_symmetric_centres(std::span<const float> x,
                                                                      std::span<const float> w, CodeRange range,
                                                                      const SymmetricLadder& ladder);

}  // namespace quern
