// Weights from the table of tensors, states from the traits of the ops.
#include "runtime/memory_estimate.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "model/op_walk.h"

namespace quern {
namespace {

constexpr std::uint64_t kHalf = 2;  // bytes of an f16

void count_weights(const Weights& weights, const ModelSpec& spec, MemoryEstimate& estimate) {
  std::unordered_set<std::string_view> seen;
  for (const Weight& weight : spec.weights) {
    if (!seen.insert(weight.tensor).second) continue;
    estimate.stored += weights.stored(weight).bytes;
    estimate.weights_f32 += sizeof(float) * weight.elements();
  }
}

// A model whose ops keep only states has no length.
std::uint64_t length_of(const ModelSpec& spec) {
  for (const Block& block : spec.blocks)
    if (std::ranges::any_of(block.ops, is_bound_to_positions)) return spec.extent("context");
  return 0;
}

}  // namespace

MemoryEstimate estimate_memory(const Weights& weights, const ModelSpec& spec, std::uint64_t context) {
  MemoryEstimate estimate{.made_for = length_of(spec)};
  estimate.context = context ? context : estimate.made_for;
  count_weights(weights, spec, estimate);
  const StateSize kept = state_size(spec, estimate.context);
  estimate.kv_f32 = sizeof(float) * kept.keys_and_values;
  estimate.kv_f16 = kHalf * kept.keys_and_values;
  estimate.state_f32 = sizeof(float) * kept.recurrent;
  return estimate;
}

}  // namespace quern
