// The one place where a step and a weight meet by their position.
#include "plan/output_tensor.h"

#include "base/fail.h"

namespace quern {

std::vector<OutputTensor> output_tensors(const Plan& plan, const ModelSpec& spec, const ExportMap& names) {
  ensure(plan.steps.size() == names.weights.size(), "a plan of {} steps for {} tensors", plan.steps.size(),
         names.weights.size());
  std::vector<OutputTensor> tensors;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    const ExportedWeight& exported = names.weights[i];
    ensure(step.output == exported.name, "step {} of a plan writes {} in place of {}", i, step.output, exported.name);
    tensors.push_back({step, exported, spec.weights[exported.weight]});
  }
  return tensors;
}

}  // namespace quern
