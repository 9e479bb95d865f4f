// Sizes from the ops of a description: nothing is loaded to ask.
#include "runtime/walk_memory.h"

#include <algorithm>
#include <map>
#include <string>

namespace quern {

std::uint64_t largest_block_bytes(const ModelSpec& spec) {
  std::uint64_t most = 0;
  for (std::size_t b = 1; b + 1 < spec.blocks.size(); ++b) {
    std::uint64_t sum = 0, largest = 0;
    for (const std::size_t w : spec.weights_of(spec.blocks[b])) {
      sum += spec.weights[w].elements();
      largest = std::max(largest, spec.weights[w].elements());
    }
    most = std::max(most, sizeof(float) * (sum + largest));
  }
  return most;
}

std::uint64_t window_bytes(const ModelSpec& spec, std::size_t window_length) {
  std::uint64_t most = 0;
  for (const Block& block : spec.blocks) {
    if (&block == &spec.blocks.back()) continue;  // its logits come a tile at a time
    std::map<std::string, std::uint64_t> widths;
    std::uint64_t sum = spec.extent("hidden");
    for (const Op& op : block.ops) {
      const auto input = widths.find(op.inputs.at(0));
      std::uint64_t width = input == widths.end() ? spec.extent("hidden") : input->second;
      if (std::holds_alternative<LinearOp>(op.kind)) width = spec.weights[op.weights.at(0)].axes.at(0).extent;
      if (const auto* slice = std::get_if<SliceOp>(&op.kind)) width = slice->width;
      // Gathered rows, gate, up and their product, of all the experts that a token passes.
      if (const auto* experts = std::get_if<ExpertsOp>(&op.kind))
        sum += experts->used * (spec.extent("hidden") + 4 * spec.extent("inner"));
      widths[op.output] = width;
      sum += width;
    }
    most = std::max(most, sum);
  }
  return sizeof(float) * window_length * most;
}

}  // namespace quern
