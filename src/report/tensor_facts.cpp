// Facts are gathered as the run learns them.
#include "report/tensor_facts.h"

#include "plan/weight_site.h"

namespace quern {

TensorFacts tensor_facts(const Weight& weight) {
  const auto kind = keeps_precision(weight) ? TensorFacts::Kind::kKept : TensorFacts::Kind::kMatrix;
  return {.role = weight.role, .layer = weight.layer, .kind = kind};
}

void add_survey_facts(const StepOptions& of_step, const Plan& plan, TensorFacts& facts) {
  if (const StepOption* chosen = option_of(of_step, plan)) facts.predicted_kld = chosen->kld;
  if (!of_step.probe) return;
  facts.kld = of_step.probe_kld;
  facts.measured_codec = of_step.probe->name;
}

void add_harm_facts(const StepHarm& harm, const Plan& plan, TensorFacts& facts) {
  facts.kld = harm.kld;
  facts.measured_codec = plan.steps[harm.step].codec;
}

}  // namespace quern
