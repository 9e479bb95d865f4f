// Goals in bytes, the codecs that are tried, and options that become a plan.
#include "plan/size_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/formats.h"
#include "plan/size_goal.h"
#include "quern/error.h"

namespace quern {
namespace {

std::vector<std::string> names_of(const std::vector<const Codec*>& codecs) {
  std::vector<std::string> names;
  for (const Codec* codec : codecs) names.emplace_back(codec->name);
  return names;
}

TEST(SizeGoal, IsBytesWhateverItsUnit) {
  EXPECT_EQ(most_bytes({SizeGoal::Unit::kBytes, 20e6}, 7, 7), 20'000'000u);
  EXPECT_EQ(most_bytes({SizeGoal::Unit::kBitsPerWeight, 3.5}, 1000, 7), 437u);
  EXPECT_EQ(most_bytes({SizeGoal::Unit::kRatio, 6}, 7, 1000), 166u);
  EXPECT_THROW(most_bytes({SizeGoal::Unit::kRatio, 1e9}, 7, 1000), Error);
}

TEST(CodecsToTry, AreThoseOfLargeBlocksWhereRowsDivide) {
  const Format& gguf = find_format("gguf");
  EXPECT_EQ(names_of(codecs_to_try(gguf, 512, *find_codec("bf16"))),
            (std::vector<std::string>{"q8_0", "q6_k", "q5_k", "q4_k", "iq4_xs", "q3_k", "q2_k", "bf16"}));
  const auto small = names_of(codecs_to_try(gguf, 96, *find_codec("f32")));
  for (const char* wanted : {"q8_0", "q5_1", "q5_0", "q4_0", "f32"})
    EXPECT_NE(std::ranges::find(small, wanted), small.end()) << wanted;
  for (const std::string& name : small) EXPECT_TRUE(find_codec(name)->divides(96)) << name;
  for (const std::string& name : small) EXPECT_EQ(find_codec(name)->use, Codec::Use::kAny) << name;
  EXPECT_EQ(names_of(codecs_to_try(gguf, 7, *find_codec("bf16"))), (std::vector<std::string>{"bf16"}));
}

TEST(CodecsToTry, EndWithWhatHoldsTheSourceExactly) {
  EXPECT_EQ(names_of(codecs_to_try(find_format("safetensors"), 512, *find_codec("q8_0"))).back(), "f32");
  EXPECT_EQ(names_of(codecs_to_try(find_format("gguf"), 512, *find_codec("q8_0"))).back(), "q8_0");
}

TEST(CodecsToTry, ReachAsFarAsTheyAreAskedTo) {
  const Format &gguf = find_format("gguf"), &safetensors = find_format("safetensors");
  const Codec& source = *find_codec("bf16");
  EXPECT_EQ(names_of(codecs_to_try(gguf, 512, source, Reach::kVectors)),
            (std::vector<std::string>{"q8_0", "q6_k", "q5_k", "q4_k", "iq4_xs", "q3_k", "iq3_s", "iq3_xxs", "q2_k",
                                      "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s", "bf16"}));
  const Weight small{.axes = {{"inner", 192}, {"hidden", 96}}}, large{.axes = {{"inner", 2048}, {"hidden", 6144}}};
  const auto names_for = [&](const Weight& weight) {
    return names_of(codecs_to_try(safetensors, weight, {.weight = 0, .name = "model.layers.0.mlp.up_proj.weight"},
                                  source, {}, Reach::kAll));
  };
  const auto of_small = names_for(small), of_large = names_for(large);
  const auto holds = [](const std::vector<std::string>& names, const char* name) {
    return std::ranges::find(names, name) != names.end();
  };
  EXPECT_TRUE(holds(of_small, "vptq_v2_k16")) << "of the codebooks of 2 bits the one that is small enough";
  EXPECT_FALSE(holds(of_small, "vptq_v6_k4096"));
  EXPECT_TRUE(holds(of_large, "vptq_v6_k4096"));
  EXPECT_FALSE(holds(of_large, "vptq_v2_k16"));
  for (const char* name : {"lossless_bf16", "hyper_225", "hyper_225_rans", "seedlm_4", "seedlm_3w", "int8_channel"})
    EXPECT_TRUE(holds(of_large, name)) << name;
  for (const char* name : {"seedlm_4_paper", "hyper_225_l01", "ternary_b3"})
    EXPECT_FALSE(holds(of_large, name)) << name << " is taken where it is named";
}

TEST(CodecsToTry, OfOneScaleABlockAreAllOfThem) {
  EXPECT_EQ(names_of(codecs_to_try(find_format("safetensors"), 512, *find_codec("bf16"))),
            (std::vector<std::string>{"int8_channel", "int4a_g32", "int4_g32", "int4a_g64", "int4_g64", "int4a_g128",
                                      "int4_g128", "bf16"}));
  EXPECT_EQ(names_of(codecs_to_try(find_format("bitsandbytes"), 512, *find_codec("f32"))),
            (std::vector<std::string>{"f16", "bf16", "nf4", "nf4_dq", "f32"}));
}

TEST(CodecsToTry, AreThoseThatTheTensorMayHave) {
  const Format& format = find_format("bitsandbytes");
  const Codec& source = *find_codec("bf16");
  const Weight weight{.axes = {{"vocab", 128}, {"hidden", 64}}};
  const auto names_for = [&](const char* tensor) {
    return names_of(codecs_to_try(format, weight, ExportedWeight{.weight = 0, .name = tensor}, source));
  };
  EXPECT_EQ(names_for("model.layers.0.mlp.up_proj.weight"), (std::vector<std::string>{"nf4", "nf4_dq", "bf16"}));
  EXPECT_EQ(names_for("model.embed_tokens.weight"), (std::vector<std::string>{"bf16"}));
}

TEST(CodecsToTry, HaveThreeValuesWhereTheWeightHas) {
  const Weight weight{.axes = {{"inner", 128}, {"hidden", 512}}};
  const ExportedWeight output{.weight = 3, .name = "blk.0.ffn_up.weight"};
  const auto names_for = [&](const char* format, const TernaryForms& ternary) {
    return names_of(codecs_to_try(find_format(format), weight, output, *find_codec("bf16"), ternary));
  };
  const auto ordinary = names_for("gguf", {{2, {}}}), trained = names_for("gguf", {{3, {}}});
  EXPECT_EQ(std::ranges::find(ordinary, "tq1_0"), ordinary.end());
  EXPECT_NE(std::ranges::find(trained, "tq1_0"), trained.end());
  EXPECT_NE(std::ranges::find(trained, "tq2_0"), trained.end());
  EXPECT_EQ(trained.size(), ordinary.size() + 2);
  EXPECT_EQ(names_for("safetensors", {{3, {}}}), names_for("safetensors", {}));  // its own are learned
  const auto all = [&](TernaryForm::Scale scale) {
    return names_of(
        codecs_to_try(find_format("safetensors"), weight, output, *find_codec("bf16"), {{3, {scale}}}, Reach::kAll));
  };
  const auto of_tensor = all(TernaryForm::Scale::kTensor), of_rows = all(TernaryForm::Scale::kRow);
  EXPECT_NE(std::ranges::find(of_tensor, "ternary_b3"), of_tensor.end());
  EXPECT_EQ(std::ranges::find(of_rows, "ternary_b3"), of_rows.end()) << "it has one scale";
}

TEST(CodecsToTry, HaveMoreBitsThanASourceThatTheContainerLacks) {
  const Format& gguf = find_format("gguf");
  const auto of_int8 = names_of(codecs_to_try(gguf, 512, *find_codec("int8_channel")));
  EXPECT_NE(std::ranges::find(of_int8, "q8_0"), of_int8.end());
  EXPECT_EQ(std::ranges::find(of_int8, "int8_channel"), of_int8.end());
  EXPECT_EQ(names_of(codecs_to_try(gguf, 512, *find_codec("q3_k"))), (std::vector<std::string>{"q2_k", "q3_k"}));
}

class FitPlan : public testing::Test {
 protected:
  const Codec &four = *find_codec("q4_k"), &six = *find_codec("q6_k");
  Plan base = [] {
    Plan plan;
    for (const char* name : {"a", "b", "norm"}) plan.steps.push_back({name, name, "f32", "rtn", 100, "as it came"});
    return plan;
  }();
  const std::vector<StepOptions> options = {{0, {{&six, 60, 0.1}, {&four, 40, 0.4}}},
                                            {1, {{&six, 60, 0.1}, {&four, 40, 0.9}}}};
};

TEST_F(FitPlan, GivesTheBytesToWhatNeedsThemMost) {
  const std::optional<SizedPlan> sized = fit_plan(base, options, 219);
  ASSERT_TRUE(sized);
  EXPECT_EQ(sized->plan.steps[0].codec, "q4_k");
  EXPECT_EQ(sized->plan.steps[1].codec, "q6_k");
  EXPECT_EQ(sized->plan.steps[2], base.steps[2]);
  EXPECT_EQ(sized->plan.tensor_bytes(), 200u);
  EXPECT_DOUBLE_EQ(sized->kld, 0.5);
  EXPECT_EQ(option_of(options[0], sized->plan)->kld, 0.4);
  EXPECT_EQ(option_of(options[1], sized->plan)->kld, 0.1);
  EXPECT_NE(sized->plan.steps[1].reason.find("of 2 number formats"), std::string::npos);
}

TEST_F(FitPlan, DropsWhatTheSchemeHadToSayOfWhatItChooses) {
  Plan noted = base;
  noted.notes = {"a: q5_0 instead of q4_k", "norm: f32 instead of f16", "something else"};
  const std::optional<SizedPlan> sized = fit_plan(noted, options, 219);
  ASSERT_TRUE(sized);
  EXPECT_EQ(sized->plan.notes, (std::vector<std::string>{"norm: f32 instead of f16", "something else"}));
}

TEST_F(FitPlan, LiesOnTheCurve) {
  const std::vector<SizePoint> curve = size_curve(base, options, 64);
  ASSERT_EQ(curve.size(), 3u);
  for (const SizePoint& point : curve) {
    const std::optional<SizedPlan> sized = fit_plan(base, options, point.bytes);
    ASSERT_TRUE(sized);
    EXPECT_EQ(sized->plan.tensor_bytes(), point.bytes);
    EXPECT_DOUBLE_EQ(sized->kld, point.kld);
  }
  EXPECT_EQ(curve.front().bytes, least_tensor_bytes(base, options));
  EXPECT_DOUBLE_EQ(curve.back().kld, 0.2);
  EXPECT_EQ(size_curve(base, options, 1).size(), 2u) << "both ends";
}

TEST_F(FitPlan, HasNothingBelowTheSmallestOptions) {
  EXPECT_EQ(least_tensor_bytes(base, options), 180u);
  EXPECT_TRUE(fit_plan(base, options, 180));
  EXPECT_FALSE(fit_plan(base, options, 179));
  EXPECT_FALSE(fit_plan(base, options, 99));  // not even the vector
}

}  // namespace
}  // namespace quern
