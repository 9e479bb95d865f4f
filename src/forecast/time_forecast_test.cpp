// Arithmetic of the forecast with rates that are given, and rates that are measured.
#include "forecast/time_forecast.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

namespace fs = std::filesystem;

struct TimeForecastOfLlama7m : public testing::Test {
  CompressOptions options;
  Observer observer;
  std::optional<Opened> opened;
  CompressTexts texts;
  Plan plan;

  void SetUp() override {
    options.input = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
    options.scheme = "q8_0";
    options.machine.threads = 2;
    options.optimizer = "weighted";
    options.calibration_text = options.input / "config.json";  // any text: it is not read
    opened.emplace(options, observer);
    plan = opened->plan({}, nullptr);
  }

  static CutText windows(std::size_t count) {
    return {{.length = 16, .ids = std::vector<std::int32_t>(16 * count, 5)}, {}};
  }
  TimeForecast at(const WorkRates& rates) const { return forecast_time(*opened, texts, plan, rates); }
};

TEST_F(TimeForecastOfLlama7m, EncodingCountsTheWeightsOfEachCodecAndHashesTheBytes) {
  std::uint64_t packed = 0;
  for (const PlanStep& step : plan.steps) packed += step.codec == "q8_0" ? step.parameters : 0;
  WorkRates rates{.encode = {{"q8_0", 2e-9}, {"f32", 0}}};
  EXPECT_NEAR(at(rates).encode, 2e-9 * static_cast<double>(packed), 1e-12);
  rates.hash = 1e-9;
  const auto source = static_cast<double>(opened->source.file_bytes()),
             written = static_cast<double>(plan.tensor_bytes());
  EXPECT_EQ(at(rates).read, 0) << "the model is hashed beside encoding, by one of two threads";
  EXPECT_NEAR(at(rates).encode, 2e-9 * static_cast<double>(packed) + 1e-9 * (source + written) / 2, 1e-12);
  rates.hash = 1;  // a file is hashed by one thread at a time
  const auto largest = static_cast<double>(fs::file_size(options.input / "model.safetensors"));
  EXPECT_NEAR(at(rates).encode, largest, 1e-6);
  texts.calibration = windows(4);  // reads the weights first
  rates = {.encode = {{"q8_0", 2e-9}, {"f32", 0}}, .read = 1e-9, .hash = 1e-9};
  EXPECT_NEAR(at(rates).read, 1e-9 * static_cast<double>(opened->source.parameters()), 1e-12);
  options.optimizer = "ldlq";  // a store of Hessians names the model by its hash, which comes first then
  opened.emplace(options, observer);
  EXPECT_NEAR(at(rates).read, 1e-9 * (static_cast<double>(opened->source.parameters()) + largest), 1e-12);
  EXPECT_NEAR(at(rates).encode, 2e-9 * static_cast<double>(packed) + 1e-9 * written / 2, 1e-12);
}

TEST_F(TimeForecastOfLlama7m, APassGoesInRoundsOfOneWindowAThread) {
  texts.calibration = windows(5);
  std::uint64_t in_layers = 0;
  for (const Weight& weight : opened->source.spec.weights) in_layers += weight.layer >= 0 ? weight.elements() : 0;
  const WorkRates rates{.layer = 1e-9, .layer_round = 1e-8};
  EXPECT_NEAR(at(rates).calibrate, (1e-9 + 3e-8) * static_cast<double>(in_layers), 1e-9);
  EXPECT_EQ(at(rates).measure, 0);
  texts.report = windows(4);
  const WorkRates heads{.head = 1, .head_round = 0.25};
  EXPECT_NEAR(at(heads).measure, 1.5, 1e-9);
}

TEST_F(TimeForecastOfLlama7m, RatesAreMeasuredForWhatThePlanNeeds) {
  texts.calibration = windows(4);
  const WorkRates rates = measure_rates(*opened, texts, plan);
  EXPECT_TRUE(rates.encode.contains("q8_0"));
  EXPECT_GT(rates.encode.at("q8_0"), 0);
  for (const double rate : {rates.read, rates.hash, rates.layer_round, rates.head_round}) EXPECT_GT(rate, 0);
}

}  // namespace
}  // namespace quern
