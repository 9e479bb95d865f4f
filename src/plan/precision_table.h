// What a plan comes to: the share of the parameters in each number format, and what each rule of its precision map did.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace quern {

struct WidthShare {
  std::string codec;
  std::uint64_t tensors = 0, parameters = 0, bytes = 0;
  double share = 0;  // of the parameters

  double bits() const { return 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters); }
};

// Widest first. Empty for a plan that does not count parameters.
std::vector<WidthShare> width_shares(const Plan& plan);

// Lines for a terminal.
std::string precision_table(const Plan& plan);

}  // namespace quern
