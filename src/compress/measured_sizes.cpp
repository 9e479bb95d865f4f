// Estimates come from some rows of each matrix, so that few of them are off by more than a hundredth: a handful of
// rounds.
#include "compress/measured_sizes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/fail.h"

namespace quern {
namespace {

constexpr int kRounds = 6;
// Bytes: what the header of a file says of measured sizes takes a digit more here and there.
constexpr std::uint64_t kHeaderRoom = 64;

using Known = std::set<std::pair<std::size_t, const Codec*>>;  // a step in a number format

bool is_estimated(const StepOptions& of_step, const StepOption& option, const Known& known) {
  return option.codec->is_measured() && !known.contains({of_step.step, option.codec});
}

bool has_estimates(const Plan& plan, std::span<const StepOptions> options, const Known& known) {
  return std::ranges::any_of(options, [&](const StepOptions& of_step) {
    const StepOption* option = option_of(of_step, plan);
    return option && is_estimated(of_step, *option, known);
  });
}

bool has_measured(const Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const PlanStep& step) { return find_codec(step.codec)->is_measured(); });
}

// What the tensors of the plan came to.
void take_bytes(const Plan& plan, const Plan& done, std::vector<StepOptions>& options, Known& known) {
  for (StepOptions& of_step : options)
    for (StepOption& option : of_step.options)
      if (option.codec->name == plan.steps[of_step.step].codec) {
        option.bytes = done.steps[of_step.step].bytes;
        known.insert({of_step.step, option.codec});
      }
}

// Only what is known, where a step has that.
void drop_estimates(std::vector<StepOptions>& options, const Known& known) {
  for (StepOptions& of_step : options) {
    const auto is_known = [&](const StepOption& option) { return !is_estimated(of_step, option, known); };
    if (std::ranges::any_of(of_step.options, is_known)) std::erase_if(of_step.options, std::not_fn(is_known));
  }
}

}  // namespace

SizedChoice search_measured_size(SizeSearch search, std::vector<StepOptions> options, Candidates& candidates) {
  const auto chosen = [&] {
    search.options = options;
    return search_size(search);
  };
  const bool is_exact = std::ranges::none_of(options, [](const StepOptions& of_step) {
    return std::ranges::any_of(of_step.options, [](const StepOption& option) { return option.codec->is_measured(); });
  });
  if (is_exact) return {chosen(), options};
  Known known;
  SizedPlan plan = chosen();
  for (int round = 0; has_estimates(plan.plan, options, known); ++round) {
    if (round == kRounds) drop_estimates(options, known);
    take_bytes(plan.plan, candidates.carried_out(plan.plan), options, known);
    plan = chosen();
    const bool has_room = search.most - plan.file_bytes >= kHeaderRoom;
    if (has_room || has_estimates(plan.plan, options, known) || !has_measured(plan.plan)) continue;
    search.most -= std::min(search.most, kHeaderRoom);
    plan = chosen();
  }
  return {std::move(plan), std::move(options)};
}

}  // namespace quern
