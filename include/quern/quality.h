// How far a model's predictions on a text are from the original's.
#pragma once

#include <cstdint>

namespace quern {

// About two thirds of such intervals, value +- standard_error, hold the true figure; 95% of those of twice the width.
struct Estimate {
  double value = 0, standard_error = 0;
};

// What was lost. Standard errors by bootstrap over windows (tokens when there is a single window), 200 resamples, fixed
// seed.
struct Quality {
  std::uint64_t windows = 0, tokens = 0;
  Estimate original_perplexity, perplexity;
  Estimate perplexity_increase;           // perplexity / original - 1
  Estimate mean_kld, median_kld, kld_99;  // KL divergence to the original, nats
  Estimate same_top;                      // fraction of tokens with the same most likely successor
};

}  // namespace quern
