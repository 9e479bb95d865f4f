// Sizes from the table of tensors: nothing is loaded to ask.
#include "runtime/sequence_memory.h"

#include <set>

#include "base/fail.h"
#include "runtime/packed_linear.h"
#include "runtime/sequence.h"

namespace quern {

namespace {

// Of every weight but the embedding, whose rows are read when a token asks for them.
std::uint64_t loaded_bytes(const WalkContext& walk) {
  std::set<std::size_t> loaded;
  for (const Block& block : walk.spec.blocks)
    for (const Op& op : block.ops)
      if (&op != &walk.spec.embedding_op()) loaded.insert(op.weights.begin(), op.weights.end());
  std::uint64_t bytes = 0;
  for (const std::size_t index : loaded) bytes += packed_bytes(walk.weights, walk.spec.weights[index]);
  return bytes;
}

}  // namespace

void check_sequence_memory(const WalkContext& walk, std::size_t positions, std::uint64_t limit) {
  const std::uint64_t weights = loaded_bytes(walk);
  const std::uint64_t states = state_bytes(walk.spec, positions);
  if (limit != 0 && weights + states > limit)
    fail(ErrorCode::kResource,
         "{} takes {} bytes for its weights and {} for {} tokens of context, more than the {} of `machine.max_memory`; "
         "allow "
         "more, take a smaller context, or compress the model to fewer bits",
         walk.weights.name(), weights, states, positions, limit);
}

}  // namespace quern
