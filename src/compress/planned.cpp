// A first choice is written and measured, once whole and once without the errors of each group; then one more choice.
#include "compress/planned.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "compress/measured_sizes.h"
#include "compress/method_note.h"
#include "plan/fallback.h"
#include "plan/prediction.h"

namespace quern {
namespace {

constexpr double kOfBound = 0.9;  // aimed at, so that a small error of the prediction does not cost another trial

// Steps that lose something. Those whose weights multiply the same input are one group: fewer measurements, each
// further from the noise.
std::vector<StepGroup> groups_of(const Opened& opened, const Plan& plan, std::span<const StepOptions> options) {
  const std::vector<OutputTensor> tensors = output_tensors(plan, opened.source.spec, opened.names);
  std::vector<StepGroup> groups;
  std::vector<std::string> names;
  for (const StepOptions& of_step : options) {
    const StepOption* option = option_of(of_step, plan);
    if (!option || option->kld == 0) continue;
    const std::string& name = tensors[of_step.step].weight.group;
    const auto at = name.empty() ? names.end() : std::ranges::find(names, name);
    if (at != names.end()) {
      groups[static_cast<std::size_t>(at - names.begin())].push_back(of_step.step);
    } else {
      names.push_back(name);
      groups.push_back({of_step.step});
    }
  }
  return groups;
}

// Of bands of layers only the whole is measured: their shares are no finer than that.
SizedChoice measured_as_whole(SizedChoice first, Candidates& candidates) {
  const double predicted = first.plan.kld;
  first.plan.whole = candidates.measured_whole(first.plan.plan);
  first.plan.plan = with_notes(
      std::move(first.plan.plan),
      {fmt::format(
          "single losses do not add up at this size, measured together: a mean KL divergence of {:.4f} nats on the "
          "gate text, and {:.4f} as a sum",
          *first.plan.whole, predicted)});
  return first;
}

SizedChoice chosen_again(const Opened& opened, const SizeSearch& search, SizedChoice first, Candidates& candidates) {
  const double predicted = first.plan.kld;
  const std::vector<StepGroup> groups = groups_of(opened, first.plan.plan, first.options);
  const PlanHarm harm = candidates.measured_together(first.plan.plan, groups);
  SizedChoice second =
      search_measured_size(search, shares_measured_together(first.options, first.plan.plan, harm), candidates);
  const double kld = candidates.measured_whole(second.plan.plan);
  SizedChoice& best = kld < harm.kld ? second : first;
  best.plan.whole = std::min(kld, harm.kld);
  best.plan.plan = with_notes(
      std::move(best.plan.plan),
      {fmt::format(
          "single losses do not add up at this size, measured together: a mean KL divergence of {:.4f} nats on the "
          "gate text, and {:.4f} as a sum; the first choice, from that sum, had {:.4f}",
          *best.plan.whole, predicted, harm.kld)});
  return std::move(best);
}

}  // namespace

std::vector<StepOptions> shares_measured_together(std::vector<StepOptions> options, const Plan& plan,
                                                  const PlanHarm& measured) {
  for (const GroupKld& group : measured.gains) {
    const auto is_of_group = [&](const StepOptions& o) { return std::ranges::count(group.steps, o.step) > 0; };
    double alone = 0;
    for (const StepOptions& of_step : options)
      if (const StepOption* option = is_of_group(of_step) ? option_of(of_step, plan) : nullptr) alone += option->kld;
    if (!(alone > 0)) continue;
    const double factor = (1 + std::max(0.0, group.kld) / alone) / 2;
    for (StepOptions& of_step : options)
      if (is_of_group(of_step))
        for (StepOption& option : of_step.options) option.kld *= factor;
  }
  return options;
}

std::uint64_t bytes_within(const QualityBound& bound, SizeSearch search) {
  search.most = std::numeric_limits<std::uint64_t>::max();
  const SizedPlan finest = search_size(search);
  for (const SizePoint& point : size_choice(search, finest).curve) {
    const double increase = predict(point.kld, 1).perplexity.value - 1;
    if (excess(bound, increase / kOfBound, point.kld / kOfBound) == 0) return point.bytes;
  }
  return finest.file_bytes;
}

Planned plan_as_surveyed(Surveyed surveyed) {
  SizedPlan chosen;
  chosen.plan = std::move(surveyed.base);
  return {std::move(chosen), std::move(surveyed.options), std::nullopt};
}

Planned by_better_sequence(const EncodeFiles& with, const CompressTexts& texts, Planned planned,
                           Candidates& candidates) {
  const Plan before = planned.plan();
  Plan plan = with.opened.sequenced(before);
  if (!has_sequence(plan)) {
    planned.chosen.plan = with_notes(before, {"nothing was calibrated in sequence: no matrix has codes that are chosen "
                                              "by a Hessian, and inputs of its own"});
    return planned;
  }
  const double kld = planned.chosen.whole ? *planned.chosen.whole : candidates.measured_whole(before);
  const auto sequence = calibrate_sequence(with.opened, texts, with.calibrated, with.work, plan);
  candidates.use(sequence.get());
  const double kld_sequence = candidates.measured_whole(plan);
  candidates.use(nullptr);
  const bool is_better = kld_sequence < kld;
  const std::string note = fmt::format(
      "matrices are calibrated {}, which measured better: a mean KL divergence of {:.3g} nats on the gate text in "
      "sequence, behind what is compressed in front of each, {:.3g} by the original's inputs",
      is_better ? "in sequence" : "by the original's inputs", kld_sequence, kld);
  planned.chosen.plan = with_notes(is_better ? std::move(plan) : before, {note});
  if (planned.chosen.whole || is_better) planned.chosen.whole = std::min(kld, kld_sequence);
  return planned;
}

Planned choose_for_size(const Opened& opened, const CompressTexts& texts, const Surveyed& surveyed,
                        Candidates& candidates) {
  SizeSearch search = size_search(opened, surveyed.base, surveyed.options, 0);
  search.most = opened.options.size ? most_bytes(opened) : bytes_within(opened.options.bound, search);
  SizedChoice choice = search_measured_size(search, surveyed.options, candidates);
  if (choice.plan.kld > kSharesAddUp)
    choice = texts.survey->design.is_banded ? measured_as_whole(std::move(choice), candidates)
                                            : chosen_again(opened, search, std::move(choice), candidates);
  // Sizes that were measured are those by error feedback.
  const bool is_advanced = opened.options.mode == CompressOptions::Mode::kAdvanced;
  if (!is_advanced && opened.measures_optimizers() && needs_hessians(choice.plan.plan) && choice.plan.kld > 0) {
    BetterPlan better = by_better_optimizer(choice.plan.plan, choice.plan.whole, candidates);
    choice.plan.plan = std::move(better.plan);
    if (choice.plan.whole) choice.plan.whole = better.kld;
  }
  if (is_advanced) {
    const std::string note = method_note(opened, choice.plan.plan, choice.options);
    choice.plan.plan = with_notes(std::move(choice.plan.plan), {note});
  }
  search.options = choice.options;
  std::optional<SizeChoice> size;
  if (opened.options.size) size = size_choice(search, choice.plan);
  return {std::move(choice.plan), std::move(choice.options), std::move(size)};
}

}  // namespace quern
