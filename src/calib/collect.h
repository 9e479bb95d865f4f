// One streaming pass of the original model over the calibration windows.
#pragma once

#include "calib/statistics.h"
#include "runtime/block_walk.h"

namespace quern {

// Second moments of every input group, one block of weights resident at a time. Sums are taken in double
// a window at a time and added in the order of the windows: the same result for any number of threads. `memory_limit`:
// bytes of hidden states kept in memory. Reports one step a block.
Statistics collect_statistics(const WalkContext& context, const Windows& windows, std::uint64_t memory_limit,
                              Observer& observer);

}  // namespace quern
