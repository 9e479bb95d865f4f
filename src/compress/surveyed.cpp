// Both ways of choosing codes are encoded and measured: error feedback wins nearly always, and where it does not nobody
// should get it.
#include "compress/surveyed.h"

#include <algorithm>

#include "base/fail.h"
#include "compress/size_range.h"
#include "optim/optimizer.h"
#include "survey/survey.h"

namespace quern {

Plan base_plan(const Opened& opened, const Calibrated& calibrated, Candidates* candidates) {
  if (!opened.measures_optimizers() || !calibrated.has_hessians())
    return opened.plan(calibrated.hashes(), opened.optimizer);
  const Plan by_feedback = opened.plan(calibrated.hashes(), &best_optimizer(Optimizer::Needs::kHessian));
  if (!candidates || opened.searches()) return by_feedback;
  return by_better_optimizer(by_feedback, std::nullopt, *candidates).plan;
}

BetterPlan by_better_optimizer(const Plan& by_feedback, std::optional<double> kld, Candidates& candidates) {
  const Optimizer &feedback = best_optimizer(Optimizer::Needs::kHessian),
                  &rounding = best_optimizer(Optimizer::Needs::kMoments);
  const Plan by_rounding = with_optimizer(by_feedback, feedback, rounding);
  const double kld_feedback = kld ? *kld : candidates.measured_whole(by_feedback),
               kld_rounding = candidates.measured_whole(by_rounding);
  const bool feedback_is_better = kld_feedback <= kld_rounding;
  return {with_notes(
              feedback_is_better ? by_feedback : by_rounding,
              {fmt::format(
                  "weights are rounded by {}, which measured better: a mean KL divergence of {:.3g} nats on the gate "
                  "text with {}, {:.3g} with {}",
                  feedback_is_better ? feedback.name : rounding.name, kld_feedback, feedback.name, kld_rounding,
                  rounding.name)}),
          std::min(kld_feedback, kld_rounding)};
}

Surveyed survey_steps(const Opened& opened, const CompressTexts& texts, Plan base, const WorkFiles& work,
                      Candidates& candidates) {
  Surveyed surveyed{std::move(base), {}};
  if (work.journal)
    if (auto known = work.journal->survey(surveyed.base)) {
      surveyed.options = std::move(*known);
      return surveyed;
    }
  SurveyInput input{candidates.original(), surveyed.base, opened.format, texts.survey->design.groups};
  input.ternary = opened.ternary();
  input.reach = search_reach(opened);
  surveyed.options = survey(input);
  if (work.journal) work.journal->add_survey(surveyed.base, surveyed.options);
  return surveyed;
}

}  // namespace quern
