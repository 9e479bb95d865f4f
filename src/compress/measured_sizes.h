// A choice among number formats of which only encoding tells how large a tensor becomes.
#pragma once

#include <vector>

#include "compress/candidates.h"
#include "plan/size_search.h"

namespace quern {

// A plan, and the options that it was chosen from.
struct SizedChoice {
  SizedPlan plan;
  std::vector<StepOptions> options;
};

// The best plan of search.base whose files keep to search.most, whatever its number formats: where sizes of its tensors
// are estimates it is written, and chosen anew with the bytes that they came to, until all that it has are known.
SizedChoice search_measured_size(SizeSearch search, std::vector<StepOptions> options, Candidates& candidates);

}  // namespace quern
