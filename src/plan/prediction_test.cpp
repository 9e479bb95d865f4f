// Predictions beside what was measured of the reference models (docs/benchmarks.md: f32, 40 windows of other text).
#include "plan/prediction.h"

#include <gtest/gtest.h>

#include <cmath>

namespace quern {
namespace {

struct Measurement {
  const char* model;
  double predicted_kld;  // the sum of shares, on 12 windows of the text that decides
  double kld, perplexity, original;
};

constexpr Measurement kMeasured[] = {
    {"llama-30m q5_k_m", 0.00413, 0.00413, 19.955, 19.920}, {"llama-30m q4_k_m", 0.01506, 0.01522, 20.063, 19.920},
    {"llama-30m iq4_xs", 0.02138, 0.02229, 20.101, 19.920}, {"llama-30m q3_k_m", 0.05033, 0.05477, 20.573, 19.920},
    {"llama-7m q5_k_m", 0.00814, 0.00759, 21.828, 21.656},  {"llama-7m q4_k_m", 0.02975, 0.02883, 22.306, 21.656},
    {"mixtral q5_k_m", 0.00556, 0.00626, 23.181, 23.101},   {"mixtral q4_k_m", 0.01769, 0.01694, 23.410, 23.101},
    {"mixtral iq4_xs", 0.02217, 0.02033, 23.438, 23.101},   {"mixtral q3_k_m", 0.05934, 0.04795, 24.125, 23.101},
    {"mamba q5_k_m", 0.00370, 0.00364, 25.753, 25.662},     {"mamba q4_k_m", 0.01352, 0.01381, 25.910, 25.662},
    {"mamba iq4_xs", 0.01545, 0.01552, 26.105, 25.662},     {"mamba q3_k_m", 0.05800, 0.06042, 27.110, 25.662}};

TEST(Prediction, HoldsWhatWasMeasured) {
  for (const Measurement& m : kMeasured) {
    const Prediction p = predict(m.predicted_kld, m.original);
    EXPECT_LE(p.kld.low, m.kld) << m.model;
    EXPECT_GE(p.kld.high, m.kld) << m.model;
    EXPECT_LE(p.perplexity.low, m.perplexity) << m.model;
    EXPECT_GE(p.perplexity.high, m.perplexity) << m.model;
  }
}

// Surveyed in bands of layers (--survey-passes), mean KL divergence: the sum of shares on 8 or 12 windows of the text
// that decides (the first on one), and what was measured on 40 windows of other text.
struct BandedMeasurement {
  const char* model;
  double predicted, measured;
};

constexpr BandedMeasurement kBanded[] = {{"llama-7m 5.4 bits, 2 bands, 1 window", 0.01767, 0.01845},
                                         {"llama-7m 5.4 bits, 2 bands", 0.02026, 0.01872},
                                         {"llama-7m 5.4 bits, 1 band", 0.02102, 0.01927},
                                         {"llama-7m 4.7 bits, 2 bands", 0.04501, 0.04014},
                                         {"llama-7m 4.7 bits, 1 band", 0.04539, 0.03973},
                                         {"llama-30m 5.0 bits, 16 passes", 0.01130, 0.01051},
                                         {"mixtral 5.0 bits, 16 passes", 0.01592, 0.01548},
                                         {"mamba 5.0 bits, 16 passes", 0.03689, 0.03759},
                                         {"mamba 5.0 bits, 8 passes", 0.03921, 0.04184}};

TEST(Prediction, HoldsWhatWasMeasuredInBands) {
  for (const BandedMeasurement& m : kBanded) {
    const Prediction p = predict(m.predicted, 20);
    EXPECT_LE(p.kld.low, m.measured) << m.model;
    EXPECT_GE(p.kld.high, m.measured) << m.model;
  }
}

TEST(Prediction, NothingLostIsNothingLost) {
  const Prediction p = predict(0, 20);
  EXPECT_EQ(p.kld.high, 0);
  EXPECT_EQ(p.perplexity.low, 20);
  EXPECT_EQ(p.perplexity.high, 20);
}

TEST(Prediction, PerplexityGrowsByThreeQuartersOfTheDivergence) {
  EXPECT_NEAR(predict(0.1, 20).perplexity.value, 20 * std::exp(0.076), 1e-9);
}

}  // namespace
}  // namespace quern
