// Shares of the divergence corrected for the company they are in: errors of 2 and 3 bits do not simply add up.
#pragma once

#include <vector>

#include "compress/sizing.h"
#include "survey/sensitivity.h"

namespace quern {

// Below, nats, errors add up: choosing again changed the divergence of llama-30m by under 1%.
inline constexpr double kSharesAddUp = 0.03;

// `options` scaled so that each group's share of `plan` is the mean of what it adds alone (its options) and of what the
// whole plan loses less without its errors. Where errors act upon each other in pairs, such shares sum to the
// divergence of the whole. What was not measured stays as it is.
std::vector<StepOptions> in_company(std::vector<StepOptions> options, const Plan& plan, const PlanHarm& measured);

// The best plan for the size of `search`, whose options are `options`. Where it is predicted to lose so much that
// errors do not add up, it is measured whole, and the plan that is found with shares in company as well; the better of
// the two is returned, with a note, and `options` are those that it was found with. Of a model that was surveyed in
// bands of layers the first is measured whole, and no other looked for. The journal keeps what was measured.
SizedPlan search_in_company(const Sizing& sizing, SizeSearch search, std::vector<StepOptions>& options);

// KL divergence of a plan's files on the windows of the survey, nats.
double measured_whole(const Sizing& sizing, const Plan& plan);

}  // namespace quern
