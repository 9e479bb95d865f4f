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

// `kld`: the sum of shares, or what was measured on the windows of the survey; nats. The factors come from the four
// reference models in llama.cpp's schemes from 3 bits up; the tests hold the intervals to those measurements. Left out,
// a model's loss for a nat of divergence is within a factor of 2.1 of the mean of the other three (bench/forecasts.py).
Prediction predict(double kld, double original_perplexity);

}  // namespace quern
