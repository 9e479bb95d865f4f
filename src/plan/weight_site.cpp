// Roles sorted into the parts that rules name.
#include "plan/weight_site.h"

#include <algorithm>
#include <iterator>

namespace quern {
namespace {

struct PartOfRole {
  std::string_view role;
  Part part;
};

constexpr PartOfRole kParts[] = {
    {"head", Part::kLogits},       {"embed", Part::kEmbed},      {"attn.v", Part::kValue},
    {"attn.qkv", Part::kValue},    {"attn.k", Part::kKey},       {"attn.o", Part::kAttentionOut},
    {"mlp.down", Part::kDown},     {"moe.down", Part::kDown},    {"ssm.x", Part::kStateInput},
    {"ssm.dt", Part::kStateInput}, {"ssm.B", Part::kStateInput}, {"ssm.C", Part::kStateInput},
    {"kernel", Part::kKernel},
};

constexpr std::string_view kKept[] = {"norm", "moe.router", "ssm.A_log", "ssm.D", "ssm.conv", "pos_embed"};

}  // namespace

Part part_of(const Weight& weight, const ModelSpec& spec) {
  if (weight.role == "embed" && spec.tied_head) return Part::kLogits;
  const auto at = std::find_if(std::begin(kParts), std::end(kParts),
                               [&](const PartOfRole& row) { return row.role == weight.role; });
  return at == std::end(kParts) ? Part::kOther : at->part;
}

bool keeps_precision(const Weight& weight) {
  const std::string_view role = weight.role;
  return weight.axes.size() < 2 || role.ends_with(".bias") || role.ends_with("_norm") ||
         std::find(std::begin(kKept), std::end(kKept), role) != std::end(kKept);
}

bool is_elementwise(const Weight& weight) {
  return keeps_precision(weight) && weight.role != "moe.router" && weight.role != "pos_embed";
}

std::uint64_t WeightSite::extent(std::string_view name) const {
  const auto at = spec.extents.find(std::string(name));
  return at == spec.extents.end() ? 0 : at->second;
}

std::int64_t WeightSite::rank() const {
  return std::count_if(spec.weights.begin(), spec.weights.end(), [&](const Weight& other) {
    return other.layer < weight.layer && part_of(other, spec) == part();
  });
}

std::int64_t WeightSite::siblings() const {
  return std::count_if(spec.weights.begin(), spec.weights.end(),
                       [&](const Weight& other) { return part_of(other, spec) == part(); });
}

RowsOfWeight rows_of(const Weight& weight) {
  RowsOfWeight rows;
  if (weight.axes.empty()) return rows;
  for (const Axis& axis : weight.axes) rows.rows *= axis.extent;
  rows.cols = weight.axes.back().extent;
  rows.rows = rows.cols ? rows.rows / rows.cols : 0;
  return rows;
}

}  // namespace quern
