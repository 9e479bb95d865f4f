// Exact errors of eight bfloat16 scales at a time.
#include "search/bf16_scale_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"

namespace quern {

ScaledRow make_scaled_row(std::span<const float> weights, std::span<const float> importance) {
  ScaledRow row{.x = std::vector<float>(weights.begin(), weights.end()), .w = std::vector<float>(weights.size())};
  for (float& value : row.x) {
    if (!std::isfinite(value)) value = 0;
    row.largest = std::max(row.largest, std::abs(value));
  }
  if (row.largest > 0) row.unit = std::ldexp(1.0f, std::clamp(-std::ilogb(row.largest), -126, 126));
  for (float& value : row.x) value *= row.unit;
  make_searchable(row.x, importance, row.x, row.w);
  return row;
}

void try_bf16_grids(const ScaledRow& row, CodeRange range, int first, int step, std::uint16_t sign,
                    std::span<const int, kLanes> zeros, Bf16Grid& best) {
  constexpr std::size_t kRun = 256;  // summed in float, then added in double
  const std::span<const float> x = row.x, w = row.w;
  const IntLanes steps = first + step * IntLanes{0, 1, 2, 3, 4, 5, 6, 7};
  const IntLanes above = steps > kLeastBf16 ? steps : IntLanes{} + kLeastBf16;
  const IntLanes bits = (above < kLargestBf16 ? above : IntLanes{} + kLargestBf16) | sign;
  Grids grids;
  grids.scale = reinterpret_cast<Lanes>(bits << 16) * row.unit;
  grids.offset = grids.scale * __builtin_convertvector(load<IntLanes>(zeros.data()), Lanes);
  std::array<double, kLanes> errors{};
  for (std::size_t k = 0; k < x.size(); k += kRun) {
    const std::size_t count = std::min(kRun, x.size() - k);
    const Lanes run = grid_errors(x.subspan(k, count), w.subspan(k, count), grids, range);
    for (std::size_t lane = 0; lane < kLanes; ++lane) errors[lane] += run[lane];
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (errors[lane] < best.error) best = {static_cast<std::uint16_t>(bits[lane]), zeros[lane], errors[lane]};
  }
}

void try_bf16_scales(const ScaledRow& row, CodeRange range, int first, int step, std::uint16_t sign, Bf16Grid& best) {
  constexpr std::array<int, kLanes> kNone{};
  try_bf16_grids(row, range, first, step, sign, kNone, best);
}

}  // namespace quern
