// Which tensors hurt: each one quantized alone, or a few together, the rest of the model exact.
#pragma once

#include "plan/fallback.h"
#include "runtime/open_model.h"
#include "survey/fronts.h"
#include "survey/survey_design.h"

namespace quern {

struct MeasuredGroup {
  StepGroup steps;
  StepGroup changed;  // those of them that were measured
  double kld = 0;     // nats
};

// KL divergence on the windows of `original` for each of `groups`, its matrices as the plan has them, everything else
// exact. Steps that lose no precision are left out; of a group that takes more than twice the memory of the states as
// many others as fit, evenly spaced. A tensor changes nothing in front of its block: the original's hidden states
// before each block are computed once. One step of the observer a group. REQUIRES: all steps of a weight are in one
// group.
std::vector<MeasuredGroup> measure_groups(SurveyOriginal& original, const Plan& plan,
                                          const std::vector<StepGroup>& groups);

// The same for each step that loses precision: its share of a group by its number of weights.
std::vector<StepHarm> measure_harms(SurveyOriginal& original, const Plan& plan, const std::vector<StepGroup>& groups);

// KL divergence of `candidate`, nats.
double measure_whole(SurveyOriginal& original, const OpenModel& candidate);

struct GroupKld {
  StepGroup steps;
  double kld = 0;  // nats
};

// What a whole plan loses, and how much less without the errors of one group (negative where errors cancel).
struct PlanHarm {
  double kld = 0;  // nats
  std::vector<GroupKld> gains;
};

// From `candidate`, the files of the plan. A group changes nothing in front of its first block: the candidate's hidden
// states before each block are computed once. Groups that would take more than twice the memory of the states in float
// are left out. One step of the observer a group.
PlanHarm measure_gains(SurveyOriginal& original, const Plan& plan, const OpenModel& candidate,
                       const std::vector<StepGroup>& groups);

}  // namespace quern
