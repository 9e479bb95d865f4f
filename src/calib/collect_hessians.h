// One streaming pass of the original model that keeps E[x x^T] of the inputs of its matrix products.
#pragma once

#include <set>

#include "calib/hessian_passes.h"
#include "calib/hessian_writer.h"
#include "runtime/block_walk.h"

namespace quern {

struct HessianOptions {
  std::uint64_t hidden_limit = UINT64_MAX;  // bytes of hidden states kept in memory
  std::uint64_t memory_limit = UINT64_MAX;  // bytes for Hessians while they are summed (pass_bytes)
  std::set<std::string> groups = {};        // Weight::group; empty: all
};

// Adds to `store` what it does not hold yet, block by block, and finishes it. Where the Hessians of a block do not fit
// the limit, the windows pass through it several times. Blocks of which nothing is missing are walked without
// listening, up to the last one of which something is. The same bytes for any number of threads, any limit, and however
// often the collection was interrupted. Reports one step a block.
// Error(kResource) before anything is computed when one Hessian alone exceeds the limit; Error(kUsage) for a group that
// the model does not have; Error(kInput) when there are no windows, or sums are not finite (the message names the
// group). REQUIRES: a store whose identity is that of these windows and of the context's precision.
void collect_hessians(const WalkContext& context, const Windows& windows, const HessianOptions& options,
                      HessianWriter& store, Observer& observer);

}  // namespace quern
