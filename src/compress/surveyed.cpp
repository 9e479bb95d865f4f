// Both ways of choosing codes are encoded and measured: error feedback wins nearly always, and where it does not nobody
// should get it.
#include "compress/surveyed.h"

#include "base/fail.h"
#include "optim/optimizer.h"
#include "survey/survey.h"

namespace quern {

Plan base_plan(const Opened& opened, const Calibrated& calibrated, Candidates* candidates) {
  const auto plan_by = [&](const Optimizer* optimizer) { return opened.plan(calibrated.hashes(), optimizer); };
  if (!opened.measures_optimizers() || !calibrated.has_hessians()) return plan_by(opened.optimizer);
  const Optimizer &feedback = best_optimizer(Optimizer::Needs::kHessian),
                  &rounding = best_optimizer(Optimizer::Needs::kMoments);
  const Plan with = plan_by(&feedback), without = plan_by(&rounding);
  if (!candidates) return with;
  const double kld_with = candidates->measured_whole(with), kld_without = candidates->measured_whole(without);
  const bool feedback_is_better = kld_with <= kld_without;
  return with_notes(
      feedback_is_better ? with : without,
      {fmt::format("codes are chosen by {}: by the scheme alone, {:.5f} nats on the gate text with {}, {:.5f} with {}",
                   feedback_is_better ? feedback.name : rounding.name, kld_with, feedback.name, kld_without,
                   rounding.name)});
}

Surveyed survey_steps(const Opened& opened, const CompressTexts& texts, Plan base, const WorkFiles& work,
                      Candidates& candidates) {
  Surveyed surveyed{std::move(base), {}};
  if (work.journal)
    if (auto known = work.journal->survey(surveyed.base)) {
      surveyed.options = std::move(*known);
      return surveyed;
    }
  surveyed.options = survey({candidates.original(), surveyed.base, opened.format, texts.survey->design.groups});
  if (work.journal) work.journal->add_survey(surveyed.base, surveyed.options);
  return surveyed;
}

}  // namespace quern
