// Choices at the edge of the memory.
#include "compress/memory_choice.h"

#include <algorithm>
#include <set>

#include "base/fail.h"
#include "calib/hessian_passes.h"
#include "compress/compress_choice.h"
#include "optim/hessian_factor.h"

namespace quern {
namespace {

// Why error feedback is not tried where it would have to measure better; empty: it is.
std::string why_too_large(const Opened& opened, const Windows& windows) {
  const ModelSpec& spec = opened.source.spec;
  const std::uint64_t least = hessian_bytes(spec, gather_shape(spec, windows.length, opened.pool().threads())).least;
  if (least <= opened.hessian_memory()) return {};
  return fmt::format(
      "error feedback was not tried: a Hessian takes {} bytes of memory while it is collected, more than "
      "the {} that are left for it; every matrix is rounded by its second moments",
      least, opened.hessian_memory());
}

// Distinct input groups whose factors are kept.
std::size_t factors_kept(const Opened& opened) {
  std::set<std::string> kept;
  for (const Block& block : opened.source.spec.blocks)
    for (const InputGroup& group : input_groups(opened.source.spec, block))
      if (factorisation_bytes(group.columns) <= opened.setup.memory_limit) kept.insert(group.name);
  return kept.size();
}

// Groups of a survey whose matrices have at most so many bytes a weight in twice the memory of the states.
std::size_t groups_within(const Opened& opened, const SurveyText& survey, double bytes_a_weight) {
  return static_cast<std::size_t>(std::ranges::count_if(survey.design.groups, [&](const StepGroup& group) {
    double weights = 0;
    for (const std::size_t step : group) {
      const ExportedWeight& exported = opened.names.weights[step];
      weights += static_cast<double>(element_count(exported.output_shape(opened.source.spec.weights[exported.weight])));
    }
    return weights * bytes_a_weight <= 2.0 * static_cast<double>(opened.setup.memory_limit);
  }));
}

}  // namespace

std::string feedback_note(const Opened& opened, const CompressTexts& texts) {
  return texts.calibration && opened.measures_optimizers() ? why_too_large(opened, texts.calibration->windows)
                                                           : std::string();
}

bool wants_hessians(const Opened& opened, const CompressTexts& texts) {
  if (!texts.calibration && given_hessians(opened.options).empty()) return false;
  if (opened.given) return needs_hessians(*opened.given);
  const auto needs = [](const std::string& name) { return find_optimizer(name).needs == Optimizer::Needs::kHessian; };
  const bool by_rule =
      opened.precision_map && std::ranges::any_of(opened.precision_map->rules, [&](const PrecisionRule& rule) {
        return !rule.optimizer.empty() && needs(rule.optimizer);
      });
  if (by_rule || (opened.optimizer && opened.optimizer->needs == Optimizer::Needs::kHessian)) return true;
  if (!opened.measures_optimizers() ||
      !needs_hessians(opened.plan({"known", "known"}, &best_optimizer(Optimizer::Needs::kHessian))))
    return false;
  return !texts.calibration || why_too_large(opened, texts.calibration->windows).empty();
}

Json memory_choices(const Opened& opened, const CompressTexts& texts) {
  const bool hessians = wants_hessians(opened, texts);
  Json choices = Json::object({{"Hessians", hessians}});
  if (hessians) choices.set("factors", factors_kept(opened));
  if (texts.survey) {
    choices.set("groups in floats", groups_within(opened, *texts.survey, sizeof(float)));
    choices.set("groups packed", groups_within(opened, *texts.survey, 0.5));
  }
  return choices;
}

}  // namespace quern
