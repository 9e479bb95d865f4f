// What a predicted divergence means for a reader: an interval, and a perplexity.
#pragma once

namespace quern {

struct Range {
  double value = 0, low = 0, high = 0;
};

struct Prediction {
  Range kld;         // mean KL divergence to the original, nats
  Range perplexity;  // on the text that the original's was measured on
};

// `kld`: the sum of shares. Factors and intervals come from the reference models, each scored with what the others say
// (docs/tasks/plan.md, tools/score_predictors.py); about nine measurements in ten lie within.
Prediction predict(double kld, double original_perplexity);

}  // namespace quern
