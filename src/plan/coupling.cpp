// Sets by input group, experts by layer.
#include "plan/coupling.h"

#include <algorithm>
#include <map>

#include "base/fail.h"
#include "plan/choice.h"
#include "plan/weight_site.h"

namespace quern {
namespace {

constexpr std::size_t kMostNamed = 4;  // tensors of a set in a message

// Empty: the matrix stands alone.
std::string key_of(const Weight& weight) {
  if (keeps_precision(weight) || weight.group.empty()) return {};
  return weight.experts() > 1 ? fmt::format("experts of layer {}", weight.layer) : weight.group;
}

std::string packing_of(const PlanStep& step) { return is_plain(find_codec(step.codec)) ? std::string() : step.codec; }

}  // namespace

std::vector<Coupling> couplings(const Format& format, const ModelSpec& spec, const ExportMap& names) {
  std::vector<Coupling> all;
  if (format.joined == Format::Joined::kNothing) return all;
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < names.weights.size(); ++i) {
    const std::string key = key_of(spec.weights[names.weights[i].weight]);
    if (key.empty()) continue;
    const auto [place, is_new] = at.try_emplace(key, all.size());
    if (is_new) all.emplace_back();
    all[place->second].push_back(i);
  }
  std::erase_if(all, [](const Coupling& coupling) { return coupling.size() < 2; });
  return all;
}

std::vector<std::vector<std::size_t>> coupled_together(std::span<const std::size_t> steps,
                                                       std::span<const Coupling> couplings) {
  std::vector<std::vector<std::size_t>> sets;
  std::map<std::size_t, std::size_t> set_of;  // of each coupling
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto coupling =
        std::ranges::find_if(couplings, [&](const Coupling& c) { return std::ranges::binary_search(c, steps[i]); });
    const auto c = static_cast<std::size_t>(coupling - couplings.begin());
    const bool stands_alone = coupling == couplings.end();
    if (stands_alone || set_of.try_emplace(c, sets.size()).second) {
      sets.push_back({i});
    } else {
      sets[set_of.at(c)].push_back(i);
    }
  }
  return sets;
}

bool is_kept(const Coupling& coupling, const Plan& plan) {
  return std::ranges::all_of(
      coupling, [&](std::size_t i) { return packing_of(plan.steps[i]) == packing_of(plan.steps[coupling[0]]); });
}

std::string describe(const Coupling& coupling, const Plan& plan) {
  Coupling order, others;  // one of each number format first, so that a long list shows what differs
  for (const std::size_t i : coupling) {
    const auto is_same = [&](std::size_t k) { return plan.steps[k].codec == plan.steps[i].codec; };
    (std::ranges::none_of(order, is_same) ? order : others).push_back(i);
  }
  const std::size_t formats = order.size();
  order.insert(order.end(), others.begin(), others.end());
  std::string text;
  const std::size_t named = order.size() <= kMostNamed ? order.size() : std::max(kMostNamed, formats);
  for (std::size_t k = 0; k < named; ++k)
    text += fmt::format("{}{} ({})", k ? ", " : "", plan.steps[order[k]].output, plan.steps[order[k]].codec);
  if (named < order.size()) text += fmt::format(" and {} more", order.size() - named);
  return text;
}

std::vector<std::string> loading_notes(const Plan& plan, const Format& format, const std::vector<Coupling>& coupled) {
  std::vector<std::string> notes;
  const auto broken = [&](const Coupling& coupling) { return !is_kept(coupling, plan); };
  const auto first = std::ranges::find_if(coupled, broken);
  if (first != coupled.end())
    notes.push_back(
        fmt::format("vLLM makes one matrix of those that multiply the same input and of all experts of a layer, and "
                    "does not load several number formats in one, as in {} of them here: {}",
                    std::ranges::count_if(coupled, broken), describe(*first, plan)));
  const std::vector<StoredTensor> tensors = stored_tensors(plan);
  if (format.loader)
    if (const Loader& loader = format.loader(tensors); !loader.command) notes.emplace_back(loader.program);
  return notes;
}

}  // namespace quern
