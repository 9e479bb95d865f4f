// Steps of a plan together with the weights that they are made from.
#pragma once

#include <vector>

#include "plan/plan.h"

namespace quern {

// What a step writes, and from what.
struct OutputTensor {
  const PlanStep& step;
  const ExportedWeight& exported;
  const Weight& weight;

  Shape shape() const { return exported.output_shape(weight); }
  RowLayout layout() const { return row_layout(shape()); }
};

// One for each step, in the plan's order. Error(kInternal) when the plan is not one of these names. REQUIRES: the
// arguments outlive the result.
std::vector<OutputTensor> output_tensors(const Plan& plan, const ModelSpec& spec, const ExportMap& names);

}  // namespace quern
