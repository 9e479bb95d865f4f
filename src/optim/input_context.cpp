// Moments as floats of mean 1: only ratios matter, and the codecs sum in float.
#include "optim/input_context.h"

#include <numeric>

namespace quern {

InputContext input_context(std::span<const double> moments) {
  InputContext context{.moments = {moments.begin(), moments.end()},
                       .importance = {},
                       .hessian = nullptr,
                       .order = nullptr,
                       .why_no_hessian = {}};
  const double sum = std::accumulate(moments.begin(), moments.end(), 0.0);
  if (!(sum > 0)) return context;
  for (const double moment : moments)
    context.importance.push_back(static_cast<float>(moment * static_cast<double>(moments.size()) / sum));
  return context;
}

InputContext input_context(std::span<const double> moments, Factorisation hessian) {
  InputContext context = input_context(moments);
  if (hessian.factor) {
    context.hessian = std::make_shared<const HessianFactor>(std::move(*hessian.factor));
    context.order = std::make_shared<const LazyFeedbackOrder>(context.hessian);
  }
  context.why_no_hessian = std::move(hessian.why_not);
  return context;
}

}  // namespace quern
