// How large the written model may be, as a person says it.
#pragma once

#include <cstdint>
#include <optional>

namespace quern {

struct SizeGoal {
  enum class Unit {
    kBytes,          // of the model's files
    kBitsPerWeight,  // those bytes over the model's weights
    kRatio,          // bytes of the source's files over them, at least
  };
  Unit unit = Unit::kBytes;
  double value = 0;  // > 0
};

// The most bytes that the model's files may have. Error(kUsage) when that is less than one.
std::uint64_t most_bytes(const SizeGoal& goal, std::uint64_t parameters, std::uint64_t source_bytes);

}  // namespace quern
