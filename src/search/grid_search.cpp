// Errors of candidate grids, eight at a time.
#include "search/grid_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/scalars.h"

namespace quern {

namespace {

// `work` on eight values of `from` at a time; the last are filled up with zeros. REQUIRES: to.size() >= from.size().
template <typename Work>
void map_lanes(std::span<const float> from, std::span<float> to, Work work) {
  const std::size_t whole = from.size() / kLanes * kLanes;
  for (std::size_t k = 0; k < whole; k += kLanes) store(to.data() + k, work(load<Lanes>(from.data() + k)));
  if (whole == from.size()) return;
  std::array<float, kLanes> last{};
  std::copy(from.begin() + static_cast<std::ptrdiff_t>(whole), from.end(), last.begin());
  store(last.data(), work(load<Lanes>(last.data())));
  std::copy_n(last.begin(), from.size() - whole, to.begin() + static_cast<std::ptrdiff_t>(whole));
}

}  // namespace

void make_searchable(std::span<const float> weights, std::span<const float> importance, std::span<float> x,
                     std::span<float> w) {
  map_lanes(weights, x, searchable_weight);
  Lanes most{};
  map_lanes(importance, w, [&](Lanes value) {
    most = lane_max(usable_importance(value), most);
    return value;
  });
  const float largest = largest_of(most)[0];
  if (largest == 0) {
    std::fill(w.begin(), w.end(), 1.0f);
    return;
  }
  map_lanes(importance, w,
            [&](Lanes value) { return lane_max(usable_importance(value) / largest, all_lanes(kLeastImportance)); });
}

// The distance is taken in steps of the grid. A scale of 0, which has no steps, counts as one too small to matter.
Lanes grid_errors(std::span<const float> x, std::span<const float> w, const Grids& grids, CodeRange range) {
  const Lanes scale = grids.scale != 0.0f ? grids.scale : all_lanes(1e-12f);
  const Lanes inverse = 1.0f / scale, shift = grids.offset * inverse;
  const Lanes low = all_lanes(range.low), high = all_lanes(range.high);
  Lanes sum{};
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Lanes position = x[k] * inverse + shift;
    const Lanes distance = position - round_lanes(lane_min(lane_max(position, low), high));
    sum += (w[k] * distance) * distance;
  }
  return (sum * scale) * scale;
}

Lanes f16_around(float value) {
  constexpr int kLargest = 0x7bff;
  const int bits = f32_to_f16(std::clamp(value, -65504.0f, 65504.0f)), sign = bits & 0x8000, nearest = bits & 0x7fff;
  Lanes out;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const int magnitude = std::clamp(nearest + static_cast<int>(lane) - 3, 0, kLargest);
    out[lane] = f16_to_f32(static_cast<std::uint16_t>(sign | magnitude));
  }
  return out;
}

}  // namespace quern
