// Modules by the ends of their names, as PEFT matches them.
#include "model/adapter_gaps.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "base/printable.h"

namespace quern {
namespace {

constexpr std::string_view kWeight = ".weight";

// "q_proj" of "model.layers.0.self_attn.q_proj".
bool ends_in(std::string_view module, std::string_view end) {
  if (!module.ends_with(end)) return false;
  return module.size() == end.size() || module[module.size() - end.size() - 1] == '.';
}

void add_module(std::string_view tensor, std::vector<std::string>& modules) {
  if (tensor.ends_with(kWeight)) modules.emplace_back(tensor.substr(0, tensor.size() - kWeight.size()));
}

std::vector<std::string> modules_of(const ModelSpec& spec) {
  std::vector<std::string> modules;
  for (const Weight& weight : spec.weights) {
    if (weight.experts() > 1) continue;
    if (weight.parts.empty()) add_module(weight.tensor, modules);
    for (const WeightPart& part : weight.parts) add_module(part.tensor, modules);
  }
  return modules;
}

bool is_adapted(const Adapter& adapter, const std::string& module) {
  return std::ranges::any_of(adapter.updates, [&](const LowRankUpdate& update) {
    return ends_in(module, update.module) || ends_in(update.module, module);
  });
}

}  // namespace

std::vector<std::string> adapter_gaps(const Adapter& adapter, const ModelSpec& spec) {
  std::vector<std::string> gaps;
  const std::vector<std::string> modules = modules_of(spec);
  for (const std::string& target : adapter.targets) {
    if (std::ranges::none_of(adapter.updates, [&](const LowRankUpdate& u) { return ends_in(u.module, target); })) {
      gaps.push_back(fmt::format("the adapter has nothing for {}, which its configuration names (target_modules)",
                                 printable(target)));
      continue;
    }
    if (adapter.layers == Adapter::Layers::kSome) continue;
    std::vector<std::string> without;
    for (const std::string& module : modules)
      if (ends_in(module, target) && !is_adapted(adapter, module)) without.push_back(module);
    if (!without.empty())
      gaps.push_back(
          fmt::format("the adapter changes {} (target_modules) in some layers and not in all: {} of them are "
                      "without, the first {}",
                      printable(target), without.size(), without.front()));
  }
  for (const std::string& name : adapter.saved)
    if (std::ranges::none_of(adapter.replaced, [&](const ReplacedTensor& replaced) {
          return ends_in(std::string_view(replaced.name).substr(0, replaced.name.rfind('.')), name);
        }))
      gaps.push_back(
          fmt::format("the adapter does not hold {}, which its configuration names (modules_to_save): the "
                      "model's own is kept",
                      printable(name)));
  return gaps;
}

}  // namespace quern
