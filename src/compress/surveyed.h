// The fourth phase: how codes are chosen, the plan that the scheme makes by itself, and what each number format would
// cost and lose in place of it.
#pragma once

#include <string>
#include <vector>

#include "compress/candidates.h"
#include "plan/size_search.h"

namespace quern {

struct Surveyed {
  Plan base;  // by the scheme, or the one that was given
  std::vector<StepOptions>
      options;  // what its steps may become, measured on windows of the gate text; empty: not asked
};

// By the optimizer that was named, or, where the options ask for what measures better, by error feedback or weighted
// rounding: that whose files diverge less on the windows of the survey (without such windows: error feedback), with a
// note. `candidates`: null where the texts have no survey.
Plan base_plan(const Opened& opened, const Calibrated& calibrated, Candidates* candidates);

// With what the steps of `base` may become. The journal keeps what was measured.
Surveyed survey_steps(const Opened& opened, const CompressTexts& texts, Plan base, const WorkFiles& work,
                      Candidates& candidates);

}  // namespace quern
