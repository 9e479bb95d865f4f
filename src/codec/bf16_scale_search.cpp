// Exact errors of eight bfloat16 scales at a time.
#include "codec/bf16_scale_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/scalars.h"

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
  std::array<std::uint16_t, kLanes> bits;
  Lanes scale, zero;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const int magnitude = std::clamp(first + static_cast<int>(lane) * step, kLeastBf16, kLargestBf16);
    bits[lane] = static_cast<std::uint16_t>(magnitude | sign);
    scale[lane] = bf16_to_f32(bits[lane]) * row.unit;
    zero[lane] = static_cast<float>(zeros[lane]);
  }
  std::array<double, kLanes> errors{};
  for (std::size_t k = 0; k < x.size(); k += kRun) {
    const std::size_t count = std::min(kRun, x.size() - k);
    const Lanes run = grid_errors(x.subspan(k, count), w.subspan(k, count), {scale, scale * zero}, range);
    for (std::size_t lane = 0; lane < kLanes; ++lane) errors[lane] += run[lane];
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (errors[lane] < best.error) best = {bits[lane], zeros[lane], errors[lane]};
  }
}

void try_bf16_scales(const ScaledRow& row, CodeRange range, int first, int step, std::uint16_t sign, Bf16Grid& best) {
  constexpr std::array<int, kLanes> kNone{};
  try_bf16_grids(row, range, first, step, sign, kNone, best);
}

}  // namespace quern
