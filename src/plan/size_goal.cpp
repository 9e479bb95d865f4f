// Goals in bytes.
#include "plan/size_goal.h"

#include <cmath>

#include "base/fail.h"

namespace quern {

std::uint64_t most_bytes(const SizeGoal& goal, std::uint64_t parameters, std::uint64_t source_bytes) {
  const auto bytes = [&] {
    switch (goal.unit) {
      case SizeGoal::Unit::kBytes:
        return goal.value;
      case SizeGoal::Unit::kBitsPerWeight:
        return goal.value * static_cast<double>(parameters) / 8;
      case SizeGoal::Unit::kRatio:
        return static_cast<double>(source_bytes) / goal.value;
    }
    return 0.0;
  }();
  if (!(bytes >= 1 && bytes < 1e18)) fail(ErrorCode::kUsage, "a size of {} bytes is none that a model can have", bytes);
  return static_cast<std::uint64_t>(std::floor(bytes));
}

}  // namespace quern
