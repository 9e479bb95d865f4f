// What is known of the inputs that a matrix multiplies, prepared once for all rows that multiply them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "optim/feedback_order.h"
#include "optim/hessian_factor.h"

namespace quern {

struct InputContext {
  std::vector<double> moments;                     // mean of x^2 per column; empty: nothing is known
  std::vector<float> importance;                   // the same with mean 1, for the codecs; empty where all are 0
  std::shared_ptr<const HessianFactor> hessian;    // null: second moments alone
  std::shared_ptr<const LazyFeedbackOrder> order;  // of its columns; null without
  std::string why_no_hessian;                      // where one was collected and cannot be used
};

// Of second moments alone, or of none.
InputContext input_context(std::span<const double> moments);
// Of a Hessian as well, where it was collected.
InputContext input_context(std::span<const double> moments, Factorisation hessian);

}  // namespace quern
