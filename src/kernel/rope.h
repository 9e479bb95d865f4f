// Rotary position embedding (Su et al. 2021).
#pragma once

#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace quern {

// Which two values of a head rotate together: (i, i + head_dim/2), or (2i, 2i + 1).
enum class RopePairing { kHalves, kNeighbours };

// Cosines and sines of positions 0 .. positions - 1.
class RopeTable {
 public:
  // `inverse_frequencies`: radians per position of each of the head_dim/2 pairs. Angles are computed in double.
  RopeTable(std::span<const double> inverse_frequencies, std::size_t positions, RopePairing pairing);

  std::size_t head_dim() const noexcept { return 2 * pairs_; }
  // Rotates every head of row r by the angles of position first + r. REQUIRES: the same extents, first + x.rows <=
  // positions, columns a multiple of head_dim, x and out not overlapping.
  void rotate(MatrixView x, std::size_t first, MutableMatrixView out) const;

 private:
  RopePairing pairing_;
  std::size_t pairs_;
  std::vector<float> cosines_, sines_;  // [positions, pairs]
};

}  // namespace quern
