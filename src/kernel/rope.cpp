// One table of angles for all heads and windows.
#include "kernel/rope.h"

#include <cmath>

namespace quern {
namespace {

void rotate_halves(const float* x, const float* cosines, const float* sines, std::size_t pairs, float* out) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[i + pairs];
    out[i] = a * cosines[i] - b * sines[i];
    out[i + pairs] = b * cosines[i] + a * sines[i];
  }
}

void rotate_neighbours(const float* x, const float* cosines, const float* sines, std::size_t pairs, float* out) {
  for (std::size_t i = 0; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    out[2 * i] = a * cosines[i] - b * sines[i];
    out[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

}  // namespace

RopeTable::RopeTable(std::span<const double> inverse_frequencies, std::size_t positions, RopePairing pairing)
    : pairing_(pairing), pairs_(inverse_frequencies.size()) {
  cosines_.reserve(positions * pairs_);
  sines_.reserve(positions * pairs_);
  for (std::size_t p = 0; p < positions; ++p)
    for (const double frequency : inverse_frequencies) {
      cosines_.push_back(static_cast<float>(std::cos(static_cast<double>(p) * frequency)));
      sines_.push_back(static_cast<float>(std::sin(static_cast<double>(p) * frequency)));
    }
}

void RopeTable::rotate(MatrixView x, std::size_t first, MutableMatrixView out) const {
  const auto rotate_head = pairing_ == RopePairing::kHalves ? rotate_halves : rotate_neighbours;
  for (std::size_t p = 0; p < x.rows; ++p)
    for (std::size_t c = 0; c < x.cols; c += head_dim())
      rotate_head(x.row(p).data() + c, &cosines_[(first + p) * pairs_], &sines_[(first + p) * pairs_], pairs_,
                  out.row(p).data() + c);
}

}  // namespace quern
