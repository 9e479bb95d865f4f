// What every number format would cost: how much each matrix matters, times the error of each codec on it.
#pragma once

#include "plan/size_plan.h"
#include "survey/fronts.h"
#include "survey/survey_design.h"
#include "survey/trials.h"

namespace quern {

struct SurveyInput {
  SurveyOriginal& original;
  const Plan& plan;  // whose matrices are to choose; its optimizers are kept
  const Format& format;
  const std::vector<StepGroup>& groups;  // each measured as one, see design_survey
  WeightsTried tried = {};
  TernaryForms ternary = {};  // of its matrices: they may have three values
  Reach reach = Reach::kScalar;

  const EncodeInput& encode() const noexcept { return original.input; }
};

// Options for every matrix of the plan that it does not keep in precision. Each group is quantized to about 3.5 bits,
// all else exact, and its KL divergence measured. Of a matrix measured by itself that over its squared error, times the
// squared error of another codec, predicts that codec's share; in a group a unit of relative error costs the same on
// each matrix. A codec that loses more than a fifth of a tensor's energy is no option, unless the plan names it: such
// errors do not add up. Nor is one for whose range a tensor's values are too large, with a note to the observer. Two
// stages of the observer: one step a tensor each.
std::vector<StepOptions> survey(const SurveyInput& input);

}  // namespace quern
