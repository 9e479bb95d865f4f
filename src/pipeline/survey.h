// What every number format would cost: how much each matrix matters, times the error of each codec on it.
#pragma once

#include "pipeline/encode.h"
#include "pipeline/evaluate.h"
#include "plan/size_plan.h"

namespace quern {

struct SurveyInput {
  const EncodeInput& encode;
  const Plan& plan;  // whose matrices are to choose; its optimizers are kept
  const Format& format;
  const Windows& windows;  // on which divergence is measured
  const EvaluationSetup& setup;
};

// Options for every matrix of the plan that it does not keep in precision. Each is quantized alone to about 3.5 bits
// and its KL divergence measured; that over its squared error, times the squared error of another codec, predicts that
// codec's share. A codec that loses more than a fifth of a tensor's energy is no option, unless the plan names it: such
// errors do not add up. Nor is one for whose range a tensor's values are too large, with a note to the observer. Two
// stages of the observer: one step a tensor each.
std::vector<StepOptions> survey(const SurveyInput& input);

}  // namespace quern
