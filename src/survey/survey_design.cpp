// Bands of layers: as many as the work allows.
#include "survey/survey_design.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/fail.h"
#include "model/op_walk.h"
#include "plan/choice.h"

namespace quern {
namespace {

// Multiply-adds of all passes together: on two cores that multiply bfloat16 about ten minutes.
constexpr double kMostWork = 5e13;
constexpr std::size_t kFewestBands = 4, kFewestWindows = 4;

// The steps of each weight that chooses a number format.
std::map<std::size_t, StepGroup> steps_of_weights(const ModelSpec& spec, const ExportMap& names) {
  std::map<std::size_t, StepGroup> all;
  for (std::size_t i = 0; i < names.weights.size(); ++i)
    if (!keeps_precision(spec.weights[names.weights[i].weight])) all[names.weights[i].weight].push_back(i);
  return all;
}

std::size_t layers_of(const ModelSpec& spec) {
  std::int32_t last = 0;
  for (const Weight& weight : spec.weights) last = std::max(last, weight.layer);
  return static_cast<std::size_t>(last) + 1;
}

std::vector<StepGroup> groups_of(const ModelSpec& spec, const ExportMap& names, std::size_t bands) {
  std::map<std::pair<std::string, std::size_t>, std::size_t> of_band;  // of each role and band the group
  std::vector<StepGroup> groups;
  const std::size_t layers = layers_of(spec);
  for (const auto& [w, steps] : steps_of_weights(spec, names)) {
    const Weight& weight = spec.weights[w];
    const std::size_t band = weight.layer < 0 ? bands : static_cast<std::size_t>(weight.layer) * bands / layers;
    const auto [at, is_new] = of_band.try_emplace({weight.role, band}, groups.size());
    if (is_new) groups.emplace_back();
    std::ranges::copy(steps, std::back_inserter(groups[at->second]));
  }
  return groups;
}

// Multiply-adds of a window from each block on, without the head's.
std::vector<double> products_from_blocks(const ModelSpec& spec, std::size_t length) {
  std::vector<double> sums(spec.blocks.size(), 0.0);
  for (std::size_t b = spec.blocks.size() - 1; b-- > 0;) {
    sums[b] = sums[b + 1];
    for (const OpSite& site : sites_of(spec, spec.blocks[b]))
      sums[b] += static_cast<double>(multiply_adds(site, length));
  }
  return sums;
}

// Of the passes of all groups over one window.
double work_of(const ModelSpec& spec, const ExportMap& names, const std::vector<StepGroup>& groups,
               std::span<const double> products, std::size_t length) {
  double work = 0;
  const double head = static_cast<double>(length) * static_cast<double>(spec.head().elements());
  for (const StepGroup& group : groups) {
    const std::size_t block = first_block_of(spec, names.weights[group.front()].weight);
    work += products[block] + head / 2;  // half of the tokens are scored
  }
  return work;
}

[[noreturn]] void refuse_passes(std::size_t passes, std::size_t least) {
  fail(ErrorCode::kUsage,
       "`survey_passes` {} is too few: the matrices of this model are of {} kinds, each of which is measured; give at "
       "least {}",
       passes, least, least);
}

}  // namespace

std::size_t first_block_of(const ModelSpec& spec, std::size_t weight) {
  for (std::size_t b = 0; b < spec.blocks.size(); ++b)
    for (const std::size_t w : spec.weights_of(spec.blocks[b]))
      if (w == weight) return b;
  fail(ErrorCode::kInternal, "no block uses tensor {}", spec.weights[weight].tensor);
}

std::uint64_t weights_from(const ModelSpec& spec, std::size_t block) {
  std::uint64_t sum = 0;
  for (std::size_t b = std::max<std::size_t>(1, block); b + 1 < spec.blocks.size(); ++b)
    for (const std::size_t w : spec.weights_of(spec.blocks[b])) sum += spec.weights[w].elements();
  return sum;
}

SurveyDesign design_survey(const ModelSpec& spec, const ExportMap& names, const SurveyLimits& limits) {
  const std::size_t windows = std::min(limits.windows, kSurveyWindows), layers = layers_of(spec);
  SurveyDesign design{.windows = windows, .bands = layers};
  const std::vector<double> products = products_from_blocks(spec, limits.length);
  const auto work = [&] {
    return static_cast<double>(windows) * work_of(spec, names, design.groups, products, limits.length);
  };
  const auto too_much = [&] {
    if (limits.passes) return design.groups.size() > *limits.passes;
    return work() > kMostWork;
  };
  const std::size_t fewest = limits.passes ? 1 : std::min(kFewestBands, layers);
  design.groups = groups_of(spec, names, design.bands);
  while (too_much() && design.bands > fewest) design.groups = groups_of(spec, names, --design.bands);
  design.is_banded = design.bands < layers;
  if (limits.passes && too_much()) refuse_passes(*limits.passes, design.groups.size());
  const double share = kMostWork / std::max(1.0, work());
  if (!limits.passes && share < 1)
    design.windows = std::clamp(static_cast<std::size_t>(static_cast<double>(windows) * share),
                                std::min(kFewestWindows, windows), windows);
  return design;
}

}  // namespace quern
