// Options filtered by a mix, then those that all steps of a coupling have added up.
#include "plan/joint_options.h"

#include <algorithm>
#include <optional>

#include "plan/step_options.h"

namespace quern {
namespace {

using Members = std::vector<std::size_t>;

// Of each step, which of its options the mix admits (null: all).
std::vector<std::vector<std::size_t>> admitted_options(const Plan& base, std::span<const StepOptions> options,
                                                       const PackedMix* mix) {
  std::vector<std::vector<std::size_t>> all;
  for (const StepOptions& of_step : options) {
    std::vector<std::size_t>& admitted = all.emplace_back();
    for (std::size_t o = 0; o < of_step.options.size(); ++o)
      if (!mix || mix->admits({base.steps[of_step.step].output, of_step.options[o].codec->name})) admitted.push_back(o);
  }
  return all;
}

// The choice of this codec for all members; nothing where one of them lacks it.
std::optional<JointChoice> choice_of(const Codec& codec, const Members& members, std::span<const StepOptions> options,
                                     const std::vector<std::vector<std::size_t>>& admitted) {
  JointChoice choice;
  for (const std::size_t m : members) {
    const std::vector<StepOption>& all = options[m].options;
    const auto option = std::ranges::find_if(admitted[m], [&](std::size_t o) { return all[o].codec == &codec; });
    if (option == admitted[m].end()) return std::nullopt;
    choice.bytes += all[*option].bytes;
    choice.kld += all[*option].kld;
    choice.members.push_back({m, *option});
  }
  return choice;
}

JointOptions together(const Members& members, std::span<const StepOptions> options,
                      const std::vector<std::vector<std::size_t>>& admitted) {
  JointOptions joint;
  const StepOptions& first = options[members[0]];
  for (const std::size_t o : admitted[members[0]])
    if (auto choice = choice_of(*first.options[o].codec, members, options, admitted))
      joint.push_back(std::move(*choice));
  return joint;
}

std::vector<JointOptions> all_together(const std::vector<Members>& sets, std::span<const StepOptions> options,
                                       const std::vector<std::vector<std::size_t>>& admitted) {
  std::vector<JointOptions> all;
  for (const Members& members : sets) {
    JointOptions joint = together(members, options, admitted);
    if (!joint.empty()) {
      all.push_back(std::move(joint));
    } else {
      for (const std::size_t m : members) all.push_back(together({m}, options, admitted));
    }
  }
  return all;
}

}  // namespace

std::vector<std::vector<JointOptions>> joint_options(const Plan& base, std::span<const StepOptions> options,
                                                     const SizeRules& rules) {
  std::vector<std::size_t> steps;
  for (const StepOptions& of_step : options) steps.push_back(of_step.step);
  const std::vector<Members> sets = coupled_together(steps, rules.couplings);
  std::vector<std::vector<JointOptions>> all;
  bool packs = false;
  if (rules.format && rules.format->mixes)
    for (const PackedMix& mix : rules.format->mixes()) {
      const auto admitted = admitted_options(base, options, &mix);
      if (std::ranges::any_of(admitted, [](const auto& of_step) { return of_step.empty(); })) continue;
      packs = packs || !mix.encodings.empty();
      all.push_back(all_together(sets, options, admitted));
    }
  if (!packs) all.push_back(all_together(sets, options, admitted_options(base, options, nullptr)));
  return all;
}

}  // namespace quern
