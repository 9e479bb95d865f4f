// Which tensors hurt: each one quantized alone, the rest of the model exact.
#pragma once

#include "pipeline/encode.h"
#include "pipeline/evaluate.h"
#include "pipeline/job.h"
#include "plan/fallback.h"

namespace quern {

// KL divergence on `windows` for every matrix of the plan that loses precision, measured one by one. A tensor changes
// nothing in front of its block: the original's hidden states before each block are computed once. One step of the
// observer a tensor.
std::vector<StepHarm> measure_harms(const EncodeInput& input, const Plan& plan, const Windows& windows,
                                    const EvaluationSetup& setup);

using StepGroup = std::vector<std::size_t>;  // steps of a plan that are measured as one

// What a whole plan loses, and how much less without the errors of one group.
struct GroupGain {
  StepGroup steps;
  double kld = 0;  // nats; negative where errors cancel
};
struct PlanHarm {
  double kld = 0;  // nats
  std::vector<GroupGain> gains;
};

// On `windows`, from `candidate`, the files of the plan. A group changes nothing in front of its first block: the
// candidate's hidden states before each block are computed once. Groups that would take more than twice the memory of
// the states in float are left out. One step of the observer a group.
PlanHarm measure_gains(const EncodeInput& input, const Plan& plan, const OpenModel& candidate,
                       const std::vector<StepGroup>& groups, const Windows& windows, const EvaluationSetup& setup);

}  // namespace quern
