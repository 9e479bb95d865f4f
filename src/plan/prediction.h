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

// `kld`: the sum of shares, nats. The factors come from the reference models in llama.cpp's schemes: with those of the
// other three models, each measurement of a model lay within the interval of the divergence from 3 bits up, and 19 of
// 20 within that of the perplexity (docs/tasks/plan.md).
Prediction predict(double kld, double original_perplexity);

}  // namespace quern
