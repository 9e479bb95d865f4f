// Choices of several steps at once, where a container's programs bind them to each other.
#pragma once

#include <span>
#include <vector>

#include "plan/coupling.h"

namespace quern {

struct StepOptions;

// What binds the choices of a plan's steps. As it stands: nothing.
struct SizeRules {
  const Format* format = nullptr;  // whose mixes a plan keeps to; null: none
  std::vector<Coupling> couplings;
};

// An option of one step.
struct MemberChoice {
  std::size_t member = 0;  // index into the options of single steps
  std::size_t option = 0;  // index into those of the step
};

// One number format for all steps that are bound to each other.
struct JointChoice {
  std::uint64_t bytes = 0;
  double kld = 0;
  std::vector<MemberChoice> members;  // in the order of the steps
};

// Steps that have one number format, or one step: what they may have. At least one choice, all of the same members.
using JointOptions = std::vector<JointChoice>;

// For each mix of the format in which every step finds an option: what may be chosen, in the order of the steps. Where
// only the one that packs nothing has options for all, what no mix binds as well. Steps of a coupling that have no
// option in common choose alone.
std::vector<std::vector<JointOptions>> joint_options(const Plan& base, std::span<const StepOptions> options,
                                                     const SizeRules& rules);

}  // namespace quern
