// The fourth phase: how codes are chosen, the plan that the scheme makes by itself, and what each number format would
// cost and lose in place of it.
#pragma once

#include <optional>
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

// By the optimizer that was named, or, where the options ask for what measures better, by_better_optimizer. Where a
// size is asked for, or there is no survey (`candidates` is null): by error feedback. With a size the choice is made
// later, on the plan for it.
Plan base_plan(const Opened& opened, const Calibrated& calibrated, Candidates* candidates);

// `by_feedback`, or the same with weighted rounding in its place: that whose files diverge less on the windows of the
// survey, with a note. `kld`: that of `by_feedback`, where it was measured.
struct BetterPlan {
  Plan plan;
  double kld = 0;  // nats
};
BetterPlan by_better_optimizer(const Plan& by_feedback, std::optional<double> kld, Candidates& candidates);

// With what the steps of `base` may become. The journal keeps what was measured.
Surveyed survey_steps(const Opened& opened, const CompressTexts& texts, Plan base, const WorkFiles& work,
                      Candidates& candidates);

}  // namespace quern
