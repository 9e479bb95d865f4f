// The values are those of bitsandbytes.functional.create_dynamic_map, in its order of float operations.
#include "base/dynamic8.h"

#include <algorithm>

namespace quern {
namespace {

// torch.linspace: from both ends towards the middle, each value rounded once.
float on_line(int at, int count) {
  constexpr float kFirst = 0.1f, kLast = 1.0f;
  const double step = (kLast - kFirst) / static_cast<float>(count - 1);
  return static_cast<float>(at < count / 2 ? kFirst + step * at : kLast - step * (count - 1 - at));
}

std::array<float, 256> make_values() {
  constexpr std::array<float, 7> kDecades = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
  std::array<float, 256> values{};
  std::size_t filled = 0;
  values[filled++] = 0.0f;
  values[filled++] = 1.0f;
  for (int decade = 0; decade < 7; ++decade) {
    const int count = 1 << decade;
    for (int i = 0; i < count; ++i) {
      const float mean = (on_line(i, count + 1) + on_line(i + 1, count + 1)) / 2;
      const float value = kDecades[static_cast<std::size_t>(decade)] * mean;
      values[filled++] = value;
      values[filled++] = -value;
    }
  }
  std::ranges::sort(values);
  return values;
}

}  // namespace

const std::array<float, 256>& dynamic8_values() {
  static const std::array<float, 256> kValues = make_values();
  return kValues;
}

std::uint8_t nearest_dynamic8(float value) {
  const std::array<float, 256>& values = dynamic8_values();
  if (value != value) value = 0;
  const auto above = std::ranges::lower_bound(values, value);
  if (above == values.begin()) return 0;
  if (above == values.end()) return 255;
  const auto code = static_cast<std::uint8_t>(above - values.begin());
  return value - *(above - 1) < *above - value ? static_cast<std::uint8_t>(code - 1) : code;
}

}  // namespace quern
