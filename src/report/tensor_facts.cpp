// Facts are gathered as the run learns them.
#include "report/tensor_facts.h"

#include "plan/weight_site.h"

namespace quern {

std::vector<TensorFacts> tensor_facts(const ModelSpec& spec, const ExportMap& names) {
  std::vector<TensorFacts> facts;
  for (const ExportedWeight& exported : names.weights) {
    const Weight& weight = spec.weights[exported.weight];
    const auto kind = keeps_precision(weight) ? TensorFacts::Kind::kKept : TensorFacts::Kind::kMatrix;
    facts.push_back({.role = weight.role, .layer = weight.layer, .kind = kind});
  }
  return facts;
}

void add_survey_facts(std::span<const StepOptions> options, std::span<const double> shares,
                      std::vector<TensorFacts>& facts) {
  for (const StepOptions& of_step : options) {
    TensorFacts& of_tensor = facts[of_step.step];
    of_tensor.predicted_kld = shares[of_step.step];
    if (!of_step.probe) continue;
    of_tensor.kld = of_step.probe_kld;
    of_tensor.measured_codec = of_step.probe->name;
  }
}

void add_harm_facts(std::span<const StepHarm> harms, const Plan& plan, std::vector<TensorFacts>& facts) {
  for (const StepHarm& harm : harms) {
    facts[harm.step].kld = harm.kld;
    facts[harm.step].measured_codec = plan.steps[harm.step].codec;
  }
}

}  // namespace quern
