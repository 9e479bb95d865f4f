// A size as a person says it, in bytes.
#pragma once

#include <cstdint>

#include "quern/compress_options.h"

namespace quern {

// The most bytes that the model's files may have. Error(kUsage) when that is less than one.
std::uint64_t most_bytes(const SizeGoal& goal, std::uint64_t parameters, std::uint64_t source_bytes);

}  // namespace quern
