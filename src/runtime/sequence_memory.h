// What a sequence keeps in memory, against what it may.
#pragma once

#include "runtime/block_walk.h"

namespace quern {

// Error(kResource) when the packed weights and the states of `positions` tokens take more than `limit` bytes (0: no
// limit).
void check_sequence_memory(const WalkContext& walk, std::size_t positions, std::uint64_t limit);

}  // namespace quern
