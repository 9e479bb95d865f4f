// Widths of values from op to op, and sums over ops.
#include "model/op_walk.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/fail.h"

namespace quern {

std::vector<OpSite> sites_of(const ModelSpec& spec, const Block& block) {
  std::map<std::string, std::uint64_t> widths{{"ids", 1}, {"hidden", spec.extent("hidden")}};
  std::vector<OpSite> sites;
  for (const Op& op : block.ops) {
    OpSite site{spec, op, {}};
    for (const std::string& name : op.inputs) {
      const auto found = widths.find(name);
      ensure(found != widths.end(), "block {} reads the value {} before it is made", block.name, name);
      site.widths.push_back(found->second);
    }
    widths[op.output] = output_width(site);
    sites.push_back(std::move(site));
  }
  return sites;
}

StateSize state_size(const ModelSpec& spec, std::uint64_t positions) {
  StateSize sum;
  for (const Block& block : spec.blocks)
    for (const OpSite& site : sites_of(spec, block)) {
      const StateSize size = state_size(site, positions);
      sum.keys_and_values += size.keys_and_values;
      sum.recurrent += size.recurrent;
    }
  return sum;
}

bool routes_rows(const ModelSpec& spec) {
  const auto routes = [](const Op& op) { return heard_of(op) == Heard::kRouted; };
  return std::ranges::any_of(spec.blocks, [&](const Block& block) { return std::ranges::any_of(block.ops, routes); });
}

void check_ends(const ModelSpec& spec) {
  ensure(!spec.blocks.empty() && !spec.blocks.front().ops.empty() && !spec.blocks.back().ops.empty(),
         "the description of {} has no ops at its ends", spec.architecture);
  const Op* first = &spec.blocks.front().ops.front();
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops)
      ensure(takes_tokens(op) == (&op == first), "block {}: the first op of a model takes token ids, and no other",
             block.name);
  const Op& last = spec.blocks.back().ops.back();
  ensure(heard_of(last) == Heard::kInput && last.weights.size() == 1 && last.inputs.size() == 1,
         "block {} does not end with the product that gives the logits", spec.blocks.back().name);
}

}  // namespace quern
