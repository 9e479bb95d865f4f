// The four methods, in the order in which the earlier pipeline applied them.
#include "chain/chain_stages.h"

#include <algorithm>
#include <array>

#include "base/fail.h"
#include "base/names.h"

namespace quern {
namespace {

constexpr std::array kStages = {ChainStage{"bitnet", "BitNet b1.58 (absmean ternary)", 16, "ternary_b3"},
                                ChainStage{"seedlm", "SeedLM (8, 3, 16)", 8, "seedlm_4"},
                                ChainStage{"vptq", "VPTQ", 2, "vptq_2"},
                                ChainStage{"hyper", "Hyper-Compression", 2, "hyper_225"}};
constexpr std::string_view kRecipe = "seed-4stage";

ChainStage stage_named(std::string_view name) {
  const auto found = std::ranges::find_if(kStages, [&](const ChainStage& s) { return is_same_name(s.name, name); });
  if (found != kStages.end()) return *found;
  std::vector<std::string> known;
  for (const ChainStage& stage : kStages) known.emplace_back(stage.name);
  fail(ErrorCode::kUsage, "there is no stage \"{}\"; did you mean {}?", name, nearest_names(name, known));
}

}  // namespace

std::span<const ChainStage> chain_stages() { return kStages; }

std::vector<ChainStage> stages_named(std::span<const std::string> names) {
  if (names.empty()) fail(ErrorCode::kUsage, "a chain needs one stage at least");
  std::vector<ChainStage> stages;
  for (const std::string& name : names) stages.push_back(stage_named(name));
  return stages;
}

std::vector<ChainStage> stages_named(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    names.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return stages_named(std::span<const std::string>(names));
}

std::vector<ChainStage> recipe_named(std::string_view name) {
  if (!is_same_name(name, kRecipe)) fail(ErrorCode::kUsage, "there is no recipe \"{}\"; there is {}", name, kRecipe);
  return {kStages.begin(), kStages.end()};
}

}  // namespace quern
