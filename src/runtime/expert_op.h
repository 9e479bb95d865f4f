// A mixture of experts: routing, and the MLP of each expert over the tokens that chose it.
#pragma once

#include "runtime/prepared_op.h"
#include "runtime/walk_context.h"

namespace quern {

// The `used` experts of one token, most probable first (of equals the first), and their shares: the softmax over the
// chosen logits, which is the softmax over all of them scaled to a sum of one.
struct Routing {
  std::vector<std::uint32_t> experts;
  std::vector<float> shares;
};
Routing route(std::span<const float> logits, std::size_t used);

// `widths`: columns of x and of the router's logits.
PreparedOp prepare_experts(const WalkContext& context, const ExpertsOp& experts, const Op& op,
                           std::span<const std::size_t> widths);

}  // namespace quern
