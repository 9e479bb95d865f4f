// Bytes of sums and of gathered rows, slot by slot.
#include "calib/hessian_passes.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/fail.h"
#include "calib/hessian_sums.h"
#include "model/op_traits.h"

namespace quern {
namespace {

// The weights whose inputs the walk reports for an op.
std::vector<std::size_t> heard_weights(const Op& op) {
  const Heard heard = heard_of(op);
  if (heard == Heard::kRouted) return op.weights;
  return heard == Heard::kInput ? std::vector<std::size_t>{op.weights.at(0)} : std::vector<std::size_t>();
}

}  // namespace

std::vector<InputGroup> input_groups(const ModelSpec& spec, const Block& block) {
  std::vector<InputGroup> groups;
  std::set<std::string> seen;
  for (const Op& op : block.ops)
    for (const std::size_t index : heard_weights(op)) {
      const Weight& weight = spec.weights[index];
      if (weight.group.empty() || !seen.insert(weight.group).second) continue;
      const Share read = weights_read(op);
      groups.push_back(
          {weight.group, weight.axes.back().extent, weight.experts(), read.of * weight.experts() / read.in});
    }
  return groups;
}

std::size_t GatherShape::windows_per_chunk() const {
  return std::max<std::size_t>(1, kRowsPerSlice / std::max<std::size_t>(1, window_length));
}

std::size_t GatherShape::windows_per_gather() const { return round_up(std::max(1u, threads), windows_per_chunk()); }

GatherShape gather_shape(const ModelSpec& spec, std::size_t window_length, unsigned threads) {
  return {window_length, spec.extent("hidden"), threads};
}

std::uint64_t pass_bytes(const std::vector<HessianSlot>& slots, const GatherShape& shape) {
  const std::uint64_t rows = shape.windows_per_gather() * shape.window_length;
  std::uint64_t sums = 0, gathered = rows * shape.hidden * sizeof(float), working = 0;
  std::map<std::string, std::uint64_t> taken;
  for (const HessianSlot& slot : slots) {
    sums += HessianSum::bytes(slot.group.columns);
    // A token's row is gathered once for each expert that it passes.
    if (++taken[slot.group.name] <= slot.group.used) gathered += rows * slot.group.columns * sizeof(float);
    working = std::max(working, HessianSum::working_bytes(slot.group.columns, rows, shape.threads));
  }
  return sums + gathered + working;
}

std::vector<std::vector<HessianSlot>> split_passes(const std::vector<HessianSlot>& slots, const GatherShape& shape,
                                                   std::uint64_t limit) {
  std::vector<std::vector<HessianSlot>> passes;
  for (const HessianSlot& slot : slots) {
    if (const std::uint64_t alone = pass_bytes({slot}, shape); alone > limit)
      fail(ErrorCode::kResource,
           "the Hessian of {} ({} columns) takes {} bytes of memory while it is collected, more than the {} allowed",
           slot.group.name, slot.group.columns, alone, limit);
    if (!passes.empty()) {
      passes.back().push_back(slot);
      if (pass_bytes(passes.back(), shape) <= limit) continue;
      passes.back().pop_back();
    }
    passes.push_back({slot});
  }
  return passes;
}

HessianBytes hessian_bytes(const ModelSpec& spec, const GatherShape& shape) {
  HessianBytes bytes;
  for (const Block& block : spec.blocks) {
    std::vector<HessianSlot> slots;
    for (const InputGroup& group : input_groups(spec, block))
      for (std::size_t e = 0; e < group.experts; ++e) {
        slots.push_back({group, e});
        bytes.least = std::max(bytes.least, pass_bytes({slots.back()}, shape));
      }
    bytes.one_pass = std::max(bytes.one_pass, pass_bytes(slots, shape));
  }
  return bytes;
}

}  // namespace quern
