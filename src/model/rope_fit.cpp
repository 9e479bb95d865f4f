// Every published model of this kind has low_freq_factor 1 and high_freq_factor 4, and its longest waves are divided by
// the whole factor; what is left to find is the original context.
#include "model/rope_fit.h"

#include <algorithm>

namespace quern {
namespace {

constexpr double kShortestContext = 16, kLongestContext = 1 << 24;

}  // namespace

std::optional<RopeScaling> llama3_scaling_of(const std::vector<double>& frequencies, std::span<const float> divisors) {
  RopeScaling scaling{.kind = RopeScaling::Kind::kLlama3, .factor = std::ranges::max(divisors)};
  for (scaling.original_context = kShortestContext; scaling.original_context <= kLongestContext;
       scaling.original_context *= 2) {
    const auto same = [](double expected, float divisor) { return static_cast<float>(expected) == divisor; };
    if (std::ranges::equal(rope_divisors(frequencies, scaling), divisors, same)) return scaling;
  }
  return std::nullopt;
}

}  // namespace quern
