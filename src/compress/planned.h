// The fifth phase: a number format for every step.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "compress/sequenced.h"
#include "compress/size_range.h"
#include "compress/surveyed.h"

namespace quern {

// Below, nats, errors add up: choosing again changed the divergence of llama-30m by under 1%.
inline constexpr double kSharesAddUp = 0.03;

struct Planned {
  SizedPlan chosen;
  std::vector<StepOptions> options;  // with the shares that it was chosen from; empty where nothing was surveyed
  std::optional<SizeChoice> size;    // absent: no size was asked for

  const Plan& plan() const noexcept { return chosen.plan; }
};

// The base as it is.
Planned plan_as_surveyed(Surveyed surveyed);

// The bytes of the smallest files that are predicted to keep to the bound, a tenth within it; of the finest where none
// are.
std::uint64_t bytes_within(const QualityBound& bound, SizeSearch search);

// The best plan for the size that the options ask for, or for a size that a bound needs. Where it is predicted to lose
// so much that errors do not add up, it is measured whole, and the plan that is found with shares_measured_together as
// well; the better of the two is chosen, with a note. Of a model that was surveyed in bands of layers the first is
// measured whole, and no other looked for. Its codes are chosen by_better_optimizer, where the options ask for that; in
// the advanced mode by error feedback, and a note says what became of published methods. REQUIRES: opened.searches().
Planned choose_for_size(const Opened& opened, const CompressTexts& texts, const Surveyed& surveyed,
                        Candidates& candidates);

// `planned`, or the same codecs with its matrices calibrated in sequence: that whose files diverge less on the gate
// text, with a note that gives both. The same where nothing in it can be.
Planned by_better_sequence(const EncodeFiles& with, const CompressTexts& texts, Planned planned,
                           Candidates& candidates);

// Errors of 2 and 3 bits do not simply add up: `options` scaled so that each group's share of `plan` is the mean of
// what it adds alone (its options) and of what the whole plan loses less without its errors. Where errors act upon each
// other in pairs, such shares sum to the divergence of the whole. What was not measured stays as it is.
std::vector<StepOptions> shares_measured_together(std::vector<StepOptions> options, const Plan& plan,
                                                  const PlanHarm& measured);

}  // namespace quern
