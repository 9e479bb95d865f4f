// Chances against the expectations of llama.cpp's tests/test-sampling.cpp, and draws against the chances.
#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "quern/error.h"

namespace quern {
namespace {

constexpr SamplingOptions kOff{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 1};

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> out;
  for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p)));
  return out;
}

const std::vector<float> kTenths = logits_of({0.1, 0.2, 0.3, 0.4});

void expect_chances(const SamplingOptions& options, const std::map<std::uint32_t, double>& expected) {
  const std::vector<TokenChance> chances = sampling_chances(options, kTenths);
  ASSERT_EQ(chances.size(), expected.size());
  for (const TokenChance& chance : chances) {
    ASSERT_TRUE(expected.contains(chance.id)) << chance.id;
    EXPECT_NEAR(chance.probability, expected.at(chance.id), 1e-5) << chance.id;
  }
}

SamplingOptions top_k(std::uint32_t k) { return {.temperature = 1, .top_k = k, .top_p = 1, .min_p = 0}; }
SamplingOptions top_p(double p) { return {.temperature = 1, .top_k = 0, .top_p = p, .min_p = 0}; }
SamplingOptions min_p(double p) { return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = p}; }

TEST(SamplingChances, TopKAsLlamaCpp) {
  expect_chances(top_k(1), {{3, 1.0}});
  expect_chances(top_k(3), {{3, 0.44444}, {2, 0.33333}, {1, 0.22222}});
  for (const std::uint32_t all : {0u, 4u, 9u}) expect_chances(top_k(all), {{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}});
}

TEST(SamplingChances, TopPAsLlamaCpp) {
  expect_chances(top_p(0), {{3, 1.0}});
  expect_chances(top_p(0.69), {{3, 0.571429}, {2, 0.428571}});
  expect_chances(top_p(0.8), {{3, 0.44444}, {2, 0.33333}, {1, 0.22222}});
  expect_chances(top_p(1), {{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}});
}

TEST(SamplingChances, MinPAsLlamaCpp) {
  for (const double p : {0.0, 0.24}) expect_chances(min_p(p), {{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}});
  for (const double p : {0.26, 0.49}) expect_chances(min_p(p), {{1, 0.2 / 0.9}, {2, 0.3 / 0.9}, {3, 0.4 / 0.9}});
  for (const double p : {0.51, 0.74}) expect_chances(min_p(p), {{2, 0.3 / 0.7}, {3, 0.4 / 0.7}});
  for (const double p : {0.76, 1.0}) expect_chances(min_p(p), {{3, 1.0}});
}

TEST(SamplingChances, TemperatureComesLastAndIsAPower) {
  SamplingOptions options = kOff;
  options.temperature = 0.5;
  expect_chances(options, {{0, 1 / 30.0}, {1, 4 / 30.0}, {2, 9 / 30.0}, {3, 16 / 30.0}});
  // At this temperature the last two alone would reach 0.8; before it three are needed.
  options.top_p = 0.8;
  expect_chances(options, {{1, 4 / 29.0}, {2, 9 / 29.0}, {3, 16 / 29.0}});
  options.temperature = 1e-30;
  EXPECT_EQ(sampling_chances(options, kTenths)[0], (TokenChance{3, 1.0}));
}

TEST(SamplingChances, TopKComesBeforeTopP) {
  // Of the two left by top-k, token 3 has 0.571 of the probability, of all four 0.4.
  SamplingOptions options = top_k(2);
  options.top_p = 0.5;
  expect_chances(options, {{3, 1.0}});
  options.top_k = 0;
  expect_chances(options, {{3, 4 / 7.0}, {2, 3 / 7.0}});
}

TEST(SamplingChances, EqualLogitsGoByTheirIds) {
  const std::vector<float> flat(1000, 1.5f);
  for (const SamplingOptions& options : {top_k(300), top_p(0.2995)}) {
    const std::vector<TokenChance> chances = sampling_chances(options, flat);
    ASSERT_EQ(chances.size(), 300u);
    for (std::uint32_t i = 0; i < 300; ++i) EXPECT_EQ(chances[i].id, i);
  }
  EXPECT_EQ(Sampler({.temperature = 0}).sample(flat), 0u);
}

TEST(SamplingChances, TopPOfALargeVocabularyIsAPrefixOfTheSortedOne) {
  Random random(3);
  std::vector<float> logits(5000);
  for (float& v : logits) v = static_cast<float>(4 * random.uniform());
  const std::vector<TokenChance> some = sampling_chances(top_p(0.6), logits),
                                 all = sampling_chances(top_k(5000), logits);
  ASSERT_GT(some.size(), 500u);
  double reached = 0;
  for (std::size_t i = 0; i < some.size(); ++i) {
    ASSERT_EQ(some[i].id, all[i].id) << i;
    if (i + 1 < some.size()) reached += all[i].probability;
  }
  EXPECT_LT(reached, 0.6);
  EXPECT_GE(reached + all[some.size() - 1].probability, 0.6 - 1e-9);
}

TEST(SamplingChances, MaskedTokensAreNeverChosenAndBadLogitsAreNamed) {
  std::vector<float> logits{-INFINITY, 1.0f, -INFINITY};
  EXPECT_EQ(sampling_chances(kOff, logits), (std::vector<TokenChance>{{1, 1.0}}));
  for (const float bad : {std::nanf(""), INFINITY})
    for (const double temperature : {0.0, 1.0}) {
      logits[2] = bad;
      try {
        Sampler({.temperature = temperature}).sample(logits);
        FAIL() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kInput);
        EXPECT_NE(std::string(error.what()).find("token 2"), std::string::npos) << error.what();
      }
    }
  logits.assign(3, -INFINITY);
  EXPECT_THROW(sampling_chances(kOff, logits), Error);
}

TEST(Sampler, DrawsInProportionAndRepeatsForASeed) {
  const auto draws = [](std::uint64_t seed) {
    SamplingOptions options = kOff;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<std::uint32_t> ids;
    for (int i = 0; i < 20000; ++i) ids.push_back(sampler.sample(kTenths));
    return ids;
  };
  const std::vector<std::uint32_t> ids = draws(7);
  for (std::uint32_t id = 0; id < 4; ++id)  // four standard deviations
    EXPECT_NEAR(static_cast<double>(std::ranges::count(ids, id)) / 20000, 0.1 * (id + 1), 0.014) << id;
  EXPECT_EQ(draws(7), ids);
  EXPECT_NE(draws(8), ids);
}

TEST(Sampler, EveryMachineDrawsThese) {
  Random random(11);
  std::vector<float> logits(300);
  for (float& v : logits) v = static_cast<float>(8 * random.uniform());
  Sampler sampler({.temperature = 0.9, .top_k = 0, .top_p = 0.9, .min_p = 0.02, .seed = 42});
  std::uint32_t mixed = 0;
  for (int i = 0; i < 100; ++i) mixed = mixed * 31 + sampler.sample(logits);
  EXPECT_EQ(mixed, 3653265355u);
}

TEST(Sampler, RefusesOptionsOutOfTheirRange) {
  for (const SamplingOptions& options :
       {SamplingOptions{.temperature = -0.1}, SamplingOptions{.temperature = NAN}, SamplingOptions{.top_p = 1.1},
        SamplingOptions{.top_p = NAN}, SamplingOptions{.min_p = -0.1}, SamplingOptions{.min_p = 1.5}})
    EXPECT_THROW(Sampler{options}, Error);
}

}  // namespace
}  // namespace quern
