// Two factors with their spreads.
#include "plan/prediction.h"

#include <cmath>

namespace quern {
namespace {

// Measured on other text over the sum of shares, either way. Of matrices surveyed one by one it was 0.81 to 1.13, in
// bands of layers 0.88 to 1.07, so that those need no wider interval.
constexpr double kKldSpread = 1.5;

// Nats of loss for a nat of divergence. 1 were the original the truth; a model that is wrong anyway loses less.
// The mean of four models is 0.76; single measurements range from 0.41 to 1.10.
constexpr double kLossPerKld = 0.76, kLossSpread = 2;

Range times_or_over(double value, double spread) { return {value, value / spread, value * spread}; }

}  // namespace

Prediction predict(double kld, double original_perplexity) {
  Prediction prediction{.kld = times_or_over(kld, kKldSpread), .perplexity = {}};
  const auto perplexity = [&](double loss) { return original_perplexity * std::exp(loss); };
  prediction.perplexity = {perplexity(kLossPerKld * kld), perplexity(kLossPerKld / kLossSpread * prediction.kld.low),
                           perplexity(kLossPerKld * kLossSpread * prediction.kld.high)};
  return prediction;
}

}  // namespace quern
