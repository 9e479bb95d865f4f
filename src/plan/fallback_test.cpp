// The ladder of plans after a missed bound.
#include "plan/fallback.h"

#include <gtest/gtest.h>

#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "model/model_spec.h"
#include "quern/error.h"

namespace quern {
namespace {

class NextPlan : public ::testing::Test {
 protected:
  const Checkpoint source = open_checkpoint(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");  // bf16
  const ModelSpec spec = describe_model(source);
  const ExportMap names = map_to_gguf(spec, source);
  const CheckpointWeights weights{source};
  const Format& gguf = find_format("gguf");
  const Ladder ladder{gguf, spec, names, weights};
  const Plan plan = make_plan({find_scheme("q4_k_m"), gguf, spec, names, weights, {}});

  std::size_t step_of(const std::string& output) const {
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      if (plan.steps[i].output == output) return i;
    ADD_FAILURE() << output;
    return 0;
  }
  std::vector<std::size_t> changed(const Plan& next) const {
    std::vector<std::size_t> steps;
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      if (next.steps[i].codec != plan.steps[i].codec) steps.push_back(i);
    return steps;
  }

  const std::size_t q0 = step_of("blk.0.attn_q.weight"), q1 = step_of("blk.1.attn_q.weight"),
                    up1 = step_of("blk.1.ffn_up.weight");
};

TEST_F(NextPlan, RaisesWhatBuysMostPerByte) {
  // up holds three times the bytes of q: at twice the harm it is still the worse buy.
  std::vector<StepHarm> harms{{up1, 0.02}, {q0, 0.01}, {q1, 0.001}};
  const std::optional<Plan> next = next_plan(plan, ladder, 1.05, harms);
  ASSERT_TRUE(next);
  EXPECT_EQ(changed(*next).front(), std::min(q0, changed(*next).front()));
  EXPECT_EQ(next->steps[q0].codec, "q5_k");
  EXPECT_EQ(next->steps[q0].bytes, 256u * 176u);
  EXPECT_NE(next->steps[q0].reason.find("raised from q4_k"), std::string::npos) << next->steps[q0].reason;
  EXPECT_LT(harms[1].kld, 0.01 / 3.9);
  EXPECT_GT(harms[1].kld, 0.01 / 4.1);
  EXPECT_EQ(next->steps[q1].codec, "q4_k");
}

TEST_F(NextPlan, StopsWhenThePredictedSumIsATenthBelowTheTarget) {
  std::vector<StepHarm> harms;
  double before = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].codec != "f32")
      harms.push_back({i, 0.001 * static_cast<double>(1 + i % 7)}), before += harms.back().kld;
  const std::vector<StepHarm> measured = harms;
  const Plan next = next_plan(plan, ladder, 1.5, harms).value();
  double after = 0, largest_step = 0;
  for (std::size_t i = 0; i < harms.size(); ++i) {
    after += harms[i].kld;
    largest_step = std::max(largest_step, measured[i].kld);
  }
  EXPECT_LE(after, before / 1.5 * 0.9);
  EXPECT_GT(after, before / 1.5 * 0.9 - largest_step);  // the last raise was needed
  EXPECT_LT(changed(next).size(), harms.size());
}

TEST_F(NextPlan, EqualGainsGoInTheOrderOfTheFile) {
  std::vector<StepHarm> harms{{q0, 0.01}, {q1, 0.01}};
  EXPECT_EQ(changed(next_plan(plan, ladder, 1.0, harms).value()), std::vector<std::size_t>{q0});
}

TEST_F(NextPlan, NegativeHarmsBuyNothingAndCountForNothing) {
  std::vector<StepHarm> harms{{q0, -0.5}, {q1, 0.01}, {up1, -1e-9}};
  const Plan next = next_plan(plan, ladder, 1.2, harms).value();
  EXPECT_EQ(changed(next), std::vector<std::size_t>{q1});
  EXPECT_EQ(harms[0].kld, -0.5);
}

TEST_F(NextPlan, EndsAtTheEncodingOfTheOriginal) {
  Plan now = plan;
  std::vector<StepHarm> harms{{q0, 0.01}};
  std::vector<std::string> codecs;
  while (const std::optional<Plan> next = next_plan(now, ladder, 1.0, harms)) {
    now = *next;
    codecs.push_back(now.steps[q0].codec);
    ASSERT_LT(codecs.size(), 10u);
  }
  EXPECT_EQ(codecs, (std::vector<std::string>{"q5_k", "q6_k", "q8_0", "bf16"}));
  EXPECT_EQ(harms[0].kld, 0);  // the original's own bytes
  EXPECT_EQ(now.steps[q0].bytes, 2 * 256u * 256u);
  EXPECT_FALSE(next_plan(now, ladder, 5.0, harms));
}

TEST_F(NextPlan, RaisesEverythingWhenTheBoundIsOutOfReach) {
  std::vector<StepHarm> harms{{q0, 0.01}, {q1, 0.02}};
  const Plan next = next_plan(plan, ladder, 1e300, harms).value();
  EXPECT_EQ(next.steps[q0].codec, "bf16");
  EXPECT_EQ(next.steps[q1].codec, "bf16");
  std::vector<StepHarm> none;
  EXPECT_FALSE(next_plan(plan, ladder, 2.0, none));
}

TEST(Excess, IsTheLargestRatioOfWhatIsBroken) {
  EXPECT_EQ(excess({}, 10, 10), 0);
  EXPECT_EQ(excess({.max_perplexity_increase = 0.03}, 0.03, 10), 0);
  EXPECT_DOUBLE_EQ(excess({.max_perplexity_increase = 0.03}, 0.06, 10), 2);
  EXPECT_DOUBLE_EQ(excess({.max_perplexity_increase = 0.03, .max_kld = 0.01}, 0.06, 0.05), 5);
  EXPECT_EQ(excess({.max_perplexity_increase = 0.0}, -0.01, 0), 0);
  EXPECT_GT(excess({.max_perplexity_increase = 0.0}, 0.01, 0), 1e6);
}

TEST_F(NextPlan, RaisesCoupledStepsTogether) {
  const Coupling qkv = {q0, step_of("blk.0.attn_k.weight"), step_of("blk.0.attn_v.weight")};
  Plan same = plan;
  for (const std::size_t i : qkv) same.steps[i].codec = "q4_k";
  std::vector<StepHarm> harms{{up1, 0.001}, {qkv[0], 0.01}, {qkv[1], 0.0001}, {qkv[2], 0.02}};
  const Plan next = next_plan(same, {gguf, spec, names, weights, std::span(&qkv, 1)}, 1.05, harms).value();
  for (const std::size_t i : qkv) EXPECT_EQ(next.steps[i].codec, "q5_k") << i;
  EXPECT_EQ(next.steps[up1].codec, same.steps[up1].codec);
  EXPECT_LT(harms[3].kld, 0.02 / 3.9);
}

}  // namespace
}  // namespace quern
