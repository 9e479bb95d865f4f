// Rotary frequencies against transformers (testdata/model/golden.json).
#include "model/rope_frequencies.h"

#include "model/llama_fixture.h"

namespace quern {
namespace {

RopeScaling scaling_of(const Json& json) {
  const std::string& type = json.at("rope_type").as_string();
  RopeScaling scaling;
  if (type == "default") return scaling;
  scaling.kind = type == "linear" ? RopeScaling::Kind::kLinear : RopeScaling::Kind::kLlama3;
  scaling.factor = json.at("factor").as_double();
  if (type == "linear") return scaling;
  scaling.low_freq_factor = json.at("low_freq_factor").as_double();
  scaling.high_freq_factor = json.at("high_freq_factor").as_double();
  scaling.original_context = json.at("original_max_position_embeddings").as_double();
  return scaling;
}

TEST(LlamaRope, FrequenciesAndDivisorsAreThoseOfTransformers) {
  for (const auto& [name, row] : golden().at("ropes").as_object()) {
    const auto head_dim = static_cast<std::uint32_t>(row.at("head_dim").as_uint64());
    const std::vector<double> plain = rope_frequencies(head_dim, row.at("theta").as_double());
    const std::vector<double> divisors = rope_divisors(plain, scaling_of(row.at("scaling")));
    const Json::Array& frequencies = row.at("inverse_frequencies").as_array();
    ASSERT_EQ(plain.size(), frequencies.size()) << name;
    ASSERT_EQ(divisors.size(), frequencies.size()) << name;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      // transformers computes in float: 24 bits, an error of a few units.
      EXPECT_NEAR(plain[i] / divisors[i] / frequencies[i].as_double(), 1, 2e-6) << name << " " << i;
      EXPECT_NEAR(divisors[i] / row.at("divisors").as_array()[i].as_double(), 1, 2e-6) << name << " " << i;
    }
  }
}

TEST(LlamaRope, Llama3KeepsShortWavesAndStretchesLongOnes) {
  const std::vector<double> plain = rope_frequencies(128, 500000);
  const std::vector<double> divisors = rope_divisors(plain, {RopeScaling::Kind::kLlama3, 8, 1, 4, 8192});
  EXPECT_EQ(divisors.front(), 1);
  EXPECT_EQ(divisors.back(), 8);
  std::size_t between = 0;
  for (std::size_t i = 1; i < divisors.size(); ++i) {
    EXPECT_GE(divisors[i], divisors[i - 1]);
    between += divisors[i] > 1 && divisors[i] < 8;
  }
  EXPECT_GE(between, 2u);
}

}  // namespace
}  // namespace quern
