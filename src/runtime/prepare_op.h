// From an op of a description to one that runs.
#pragma once

#include "runtime/prepared_op.h"
#include "runtime/walk_context.h"

namespace quern {

// `widths`: columns of the op's inputs; `positions`: how many there are at most. REQUIRES: not an EmbedOp.
PreparedOp prepare_op(const WalkContext& context, const Op& op, std::size_t positions,
                      std::span<const std::size_t> widths);

}  // namespace quern
