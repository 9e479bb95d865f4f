// Arithmetic of the forecast with rates that are given, and rates that are measured.
#include "forecast/time_forecast.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

namespace fs = std::filesystem;

struct TimeForecastOfLlama7m : public testing::Test {
  CompressOptions options;
  Observer observer;
  std::optional<Preparation> prep;

  void SetUp() override {
    options.input = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
    options.scheme = "q8_0";
    options.machine.threads = 2;
    prep.emplace(options, observer);
    prep->read_texts();
  }

  static Windows windows(std::size_t count) { return {.length = 16, .ids = std::vector<std::int32_t>(16 * count, 5)}; }
};

TEST_F(TimeForecastOfLlama7m, EncodingCountsTheWeightsOfEachCodecAndHashesTheBytes) {
  const Plan plan = prep->plan();
  std::uint64_t packed = 0;
  for (const PlanStep& step : plan.steps) packed += step.codec == "q8_0" ? step.parameters : 0;
  WorkRates rates{.encode = {{"q8_0", 2e-9}, {"f32", 0}}};
  EXPECT_NEAR(forecast_time(*prep, plan, rates).encode, 2e-9 * static_cast<double>(packed), 1e-12);
  rates.hash = 1e-9;
  const auto source = static_cast<double>(prep->source.file_bytes()),
             written = static_cast<double>(plan.tensor_bytes());
  EXPECT_EQ(forecast_time(*prep, plan, rates).read, 0) << "the model is hashed beside encoding, by one of two threads";
  EXPECT_NEAR(forecast_time(*prep, plan, rates).encode,
              2e-9 * static_cast<double>(packed) + 1e-9 * (source + written) / 2, 1e-12);
  rates.hash = 1;  // a file is hashed by one thread at a time
  const auto largest = static_cast<double>(fs::file_size(options.input / "model.safetensors"));
  EXPECT_NEAR(forecast_time(*prep, plan, rates).encode, largest, 1e-6);
  prep->texts.calibration = windows(4);  // reads the weights first
  rates = {.encode = {{"q8_0", 2e-9}, {"f32", 0}}, .read = 1e-9, .hash = 1e-9};
  EXPECT_NEAR(forecast_time(*prep, plan, rates).read, 1e-9 * (static_cast<double>(prep->source.parameters()) + largest),
              1e-12);
  EXPECT_NEAR(forecast_time(*prep, plan, rates).encode, 2e-9 * static_cast<double>(packed) + 1e-9 * written / 2, 1e-12);
}

TEST_F(TimeForecastOfLlama7m, APassGoesInRoundsOfOneWindowAThread) {
  prep->texts.calibration = windows(5);
  std::uint64_t in_layers = 0;
  for (const Weight& weight : prep->source.spec.weights) in_layers += weight.layer >= 0 ? weight.elements() : 0;
  const WorkRates rates{.layer = 1e-9, .layer_round = 1e-8};
  EXPECT_NEAR(forecast_time(*prep, prep->plan(), rates).calibrate, (1e-9 + 3e-8) * static_cast<double>(in_layers),
              1e-9);
  EXPECT_EQ(forecast_time(*prep, prep->plan(), rates).measure, 0);
  prep->texts.report = windows(4);
  const WorkRates heads{.head = 1, .head_round = 0.25};
  EXPECT_NEAR(forecast_time(*prep, prep->plan(), heads).measure, 1.5, 1e-9);
}

TEST_F(TimeForecastOfLlama7m, RatesAreMeasuredForWhatThePlanNeeds) {
  prep->texts.calibration = windows(4);
  const WorkRates rates = measure_rates(*prep, prep->plan());
  EXPECT_TRUE(rates.encode.contains("q8_0"));
  EXPECT_GT(rates.encode.at("q8_0"), 0);
  for (const double rate : {rates.read, rates.hash, rates.layer_round, rates.head_round}) EXPECT_GT(rate, 0);
}

}  // namespace
}  // namespace quern
