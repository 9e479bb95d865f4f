// A first choice is written and measured, once whole and once without the errors of each group; then one more choice.
#include "compress/interaction.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Files of a plan while they are measured.
class Candidate {
 public:
  Candidate(const Sizing& sizing, const Plan& plan) : folder_(sizing.scratch) {
    std::error_code ec;
    fs::remove_all(folder_, ec);  // of an interrupted run
    fs::create_directory(folder_, ec);
    if (ec) fail(ErrorCode::kResource, "cannot create {}: {}", folder_.string(), ec.message());
    encode(sizing.prep.encode_input(), plan, sizing.prep.head_of(plan), folder_);
  }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;
  ~Candidate() {
    std::error_code ec;
    fs::remove_all(folder_, ec);
  }

  OpenModel open() const { return OpenModel(folder_); }

 private:
  fs::path folder_;
};

PlanHarm measure_together(const Sizing& sizing, const Plan& plan, const std::vector<StepGroup>& groups) {
  if (sizing.journal)
    if (auto known = sizing.journal->together(plan)) return std::move(*known);
  Preparation& prep = sizing.prep;
  const Candidate files(sizing, plan);
  const OpenModel candidate = files.open();
  const Windows windows = spread(*prep.texts.gate, survey_design(prep).windows);
  PlanHarm harm = measure_gains(prep.encode_input(), plan, candidate, groups, windows, prep.setup);
  if (sizing.journal) sizing.journal->add_together(plan, harm);
  return harm;
}

// Steps that lose something. Those whose weights multiply the same input are one group: fewer measurements, each
// further from the noise.
std::vector<StepGroup> groups_of(const Preparation& prep, const Plan& plan, std::span<const StepOptions> options) {
  std::vector<StepGroup> groups;
  std::vector<std::string> names;
  for (const StepOptions& of_step : options) {
    const StepOption* option = option_of(of_step, plan);
    if (!option || option->kld == 0) continue;
    const std::string& name = prep.source.spec.weights[prep.names.weights[of_step.step].weight].group;
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

}  // namespace

std::vector<StepOptions> in_company(std::vector<StepOptions> options, const Plan& plan, const PlanHarm& measured) {
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

double measured_whole(const Sizing& sizing, const Plan& plan) { return measure_together(sizing, plan, {}).kld; }

SizedPlan search_in_company(const Sizing& sizing, SizeSearch search, std::vector<StepOptions>& options) {
  SizedPlan first = search_size(search);
  if (first.kld <= kSharesAddUp) return first;
  const double predicted = first.kld;
  if (survey_design(sizing.prep).is_banded) {
    first.whole = measured_whole(sizing, first.plan);
    first.plan.notes.push_back(fmt::format(
        "so coarse errors do not simply add up: measured as a whole on the gate text: {:.4f} nats (predicted {:.4f})",
        *first.whole, predicted));
    return first;
  }
  const std::vector<StepGroup> groups = groups_of(sizing.prep, first.plan, options);
  const PlanHarm harm = measure_together(sizing, first.plan, groups);
  std::vector<StepOptions> together = in_company(options, first.plan, harm);
  search.options = together;
  SizedPlan second = search_size(search);
  const double kld = measured_whole(sizing, second.plan);
  const bool second_is_better = kld < harm.kld;
  if (second_is_better) options = std::move(together);
  SizedPlan best = second_is_better ? std::move(second) : std::move(first);
  best.whole = std::min(kld, harm.kld);
  best.plan.notes.push_back(
      fmt::format("so coarse errors do not simply add up: {} groups of matrices were measured together, and the number "
                  "formats chosen again; measured together on the gate text: {:.4f} nats (the first choice: {:.4f}, "
                  "predicted {:.4f})",
                  groups.size(), *best.whole, harm.kld, predicted));
  return best;
}

}  // namespace quern
