// One overload for each kind of op that keeps something of the tokens before.
#include "runtime/memory_estimate.h"

#include <algorithm>
#include <set>

namespace quern {
namespace {

constexpr std::uint64_t kHalf = 2;  // bytes of an f16

// Numbers that the ops keep for one sequence.
struct Kept {
  std::uint64_t context = 0, keys_and_values = 0, state = 0;

  void add(const AttentionOp& op, const Weight*) {
    const std::uint64_t positions = op.window ? std::min<std::uint64_t>(op.window, context) : context;
    keys_and_values += 2 * std::uint64_t{op.kv_heads} * op.head_dim * positions;
  }
  void add(const CausalConvOp& op, const Weight* kernels) { state += (op.kernel - 1) * kernels->axes.at(0).extent; }
  void add(const SelectiveScanOp& op, const Weight* decay) { state += op.state * decay->axes.at(0).extent; }
  template <typename Other>
  void add(const Other&, const Weight*) {}
};

void count_weights(const Weights& weights, const ModelSpec& spec, MemoryEstimate& estimate) {
  std::set<std::string> seen;
  for (const Weight& weight : spec.weights) {
    if (!seen.insert(weight.tensor).second) continue;
    estimate.stored += weights.stored(weight).bytes;
    estimate.weights_f32 += sizeof(float) * weight.elements();
  }
}

// A model whose ops keep only states has no length.
std::uint64_t length_of(const ModelSpec& spec) {
  const auto looks_back = [](const Op& op) {
    return std::holds_alternative<AttentionOp>(op.kind) || std::holds_alternative<PositionsOp>(op.kind);
  };
  for (const Block& block : spec.blocks)
    if (std::ranges::any_of(block.ops, looks_back)) return spec.extent("context");
  return 0;
}

}  // namespace

MemoryEstimate estimate_memory(const Weights& weights, const ModelSpec& spec, std::uint64_t context) {
  MemoryEstimate estimate{.made_for = length_of(spec)};
  estimate.context = context ? context : estimate.made_for;
  count_weights(weights, spec, estimate);
  Kept kept{.context = estimate.context};
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops) {
      const Weight* first = op.weights.empty() ? nullptr : &spec.weights[op.weights.front()];
      std::visit([&](const auto& kind) { kept.add(kind, first); }, op.kind);
    }
  estimate.kv_f32 = sizeof(float) * kept.keys_and_values;
  estimate.kv_f16 = kHalf * kept.keys_and_values;
  estimate.state_f32 = sizeof(float) * kept.state;
  return estimate;
}

}  // namespace quern
