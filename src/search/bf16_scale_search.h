// The search for a bfloat16 scale, shared by int8_channel and int4: candidates are values of bfloat16, so the scale
// that is judged is the scale that is stored.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "search/grid_search.h"

namespace quern {

// Weights made safe, in units of a power of two so that no square overflows.
struct ScaledRow {
  std::vector<float> x, w;
  float unit = 1, largest = 0;  // x = weight * unit; largest is the largest absolute weight
};
ScaledRow make_scaled_row(std::span<const float> weights, std::span<const float> importance);

// A grid of codes: code q stands for scale * (q - zero).
struct Bf16Grid {
  std::uint16_t scale = 0;  // bfloat16; its sign bit may be set
  int zero = 0;
  double error = std::numeric_limits<double>::infinity();
};

// The bits of the normal numbers of bfloat16, whose reciprocals are finite. Neighbours in bfloat16 are neighbours as
// integers: 128 of them to a factor of two.
inline constexpr int kLeastBf16 = 0x0080, kLargestBf16 = 0x7f7f;

// Judges eight scales, bits first, first + step ..., with the sign bits of `sign` and zero points zeros[lane], by their
// exact errors. `best` is replaced by what is better.
void try_bf16_grids(const ScaledRow& row, CodeRange range, int first, int step, std::uint16_t sign,
                    std::span<const int, kLanes> zeros, Bf16Grid& best);
// The same with zero points 0.
void try_bf16_scales(const ScaledRow& row, CodeRange range, int first, int step, std::uint16_t sign, Bf16Grid& best);

}  // namespace quern
