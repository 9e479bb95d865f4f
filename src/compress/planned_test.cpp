// Shares in company.
#include "compress/planned.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

const Codec& two() { return *find_codec("q2_k"); }
const Codec& six() { return *find_codec("q6_k"); }

StepOptions options_of(std::size_t step, double coarse, double fine) {
  return {step, {{&two(), 10, coarse}, {&six(), 20, fine}}};
}

Plan plan_of(std::initializer_list<const Codec*> codecs) {
  Plan plan;
  for (const Codec* codec : codecs) plan.steps.push_back({.tensor = "x", .output = "x", .codec = codec->name});
  return plan;
}

// Errors a and b, c and d: the whole is their sum and 0.5 for the pair a, b; -0.1 for the pair b, d.
TEST(SharesMeasuredTogether, SharesOfErrorsThatActInPairsSumToTheWhole) {
  const std::vector<StepOptions> alone = {options_of(0, 0.1, 0.01), options_of(1, 0.2, 0.02), options_of(2, 0.3, 0.03),
                                          options_of(3, 0.4, 0.04)};
  const PlanHarm harm{1.4, {{{0}, 0.6}, {{1}, 0.6}, {{2}, 0.3}, {{3}, 0.3}}};
  const std::vector<StepOptions> together =
      shares_measured_together(alone, plan_of({&two(), &two(), &two(), &two()}), harm);
  const double expected[] = {0.35, 0.4, 0.3, 0.35};
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(together[i].options[0].kld, expected[i], 1e-12);
    EXPECT_NEAR(together[i].options[1].kld, expected[i] / 10, 1e-12) << "in the ratio of the options alone";
    sum += together[i].options[0].kld;
  }
  EXPECT_NEAR(sum, harm.kld, 1e-12);
}

TEST(SharesMeasuredTogether, AGroupIsScaledAsOneFromTheNumberFormatsOfThePlan) {
  const std::vector<StepOptions> alone = {options_of(0, 0.1, 0.01), options_of(1, 0.2, 0.02)};
  const auto together =
      shares_measured_together(alone, plan_of({&two(), &six()}), {1, {{{0, 1}, 0.36}}});  // alone 0.12
  EXPECT_NEAR(together[0].options[0].kld, 0.2, 1e-12);
  EXPECT_NEAR(together[1].options[1].kld, 0.04, 1e-12);
}

TEST(SharesMeasuredTogether, ErrorsThatCancelLeaveHalfAndWhatWasNotMeasuredStays) {
  const std::vector<StepOptions> alone = {options_of(0, 0.1, 0.01), options_of(1, 0.2, 0.02), options_of(2, 0, 0)};
  const auto together =
      shares_measured_together(alone, plan_of({&two(), &two(), &two()}), {1, {{{0}, -0.3}, {{2}, 0.1}}});
  EXPECT_NEAR(together[0].options[0].kld, 0.05, 1e-12);
  EXPECT_EQ(together[1].options[0].kld, 0.2);
  EXPECT_EQ(together[2].options[0].kld, 0.0) << "no share to scale";
}

}  // namespace
}  // namespace quern
