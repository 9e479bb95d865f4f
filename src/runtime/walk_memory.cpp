// Sizes from the ops of a description: nothing is loaded to ask.
#include "runtime/walk_memory.h"

#include <algorithm>

#include "model/op_walk.h"

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
    std::uint64_t sum = spec.extent("hidden");
    for (const OpSite& site : sites_of(spec, block)) sum += output_width(site) + scratch_width(site);
    most = std::max(most, sum);
  }
  return sizeof(float) * window_length * most;
}

}  // namespace quern
