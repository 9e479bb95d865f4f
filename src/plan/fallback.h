// What to do when the quality bound is missed: the next plan of the ladder.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "plan/coupling.h"
#include "plan/plan.h"
#include "quern/compress_options.h"

namespace quern {

// By how much the bounds are broken: the largest measured / allowed among those that are, or 0 when all are met.
double excess(const QualityBound& bound, double perplexity_increase, double kld);

// How much the model's KL divergence on the gate text is raised by one step of the plan alone, everything else exact.
struct StepHarm {
  std::size_t step = 0;
  double kld = 0;  // nats
};

// What a plan is raised within.
struct Ladder {
  const Format& format;
  const ModelSpec& spec;
  const ExportMap& names;
  const Weights& source;
  std::span<const Coupling> couplings = {};  // steps that are raised together
};

// Raises the steps that buy most divergence per byte to the next better codec of the container until the predicted sum
// of harms falls by `excess` and a tenth more. The ladder of a tensor ends at the original's own encoding, which does
// no harm. A codec of b more bits per weight is predicted to do 4^-b of the harm (one bit halves the step of the grid).
// `harms` is updated to the prediction. Null when nothing can be raised.
std::optional<Plan> next_plan(const Plan& plan, const Ladder& ladder, double excess, std::vector<StepHarm>& harms);

}  // namespace quern
