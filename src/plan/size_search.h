// The best plan whose files are within a size.
#pragma once

#include <functional>
#include <span>

#include "plan/size_plan.h"

namespace quern {

struct SizeSearch {
  const Plan& base;
  std::span<const StepOptions> options;
  std::uint64_t most = 0;                                // bytes of the model's files
  std::function<std::uint64_t(const Plan&)> file_bytes;  // of a plan's files, exactly
  std::uint64_t source_bytes = 0;                        // of the source's files; 0: not known
  SizeRules rules = {};
};

// Its files have at most `most` bytes; its notes say how many, and the predicted divergence. Error(kInfeasible) with
// the smallest size that there is.
SizedPlan search_size(const SizeSearch& search);

// Bytes of the smallest files that there are.
std::uint64_t least_bytes(const SizeSearch& search);

// What a size was chosen from, for the report. All bytes are those of the model's files.
struct SizeChoice {
  std::uint64_t most = 0;        // asked for
  SizePoint chosen;              // predicted
  std::vector<SizePoint> curve;  // least predicted divergence, rising in bytes; padding taken to be the chosen plan's
};
SizeChoice size_choice(const SizeSearch& search, const SizedPlan& sized);

}  // namespace quern
