// Coupled choices against every selection, and the mixes that transformers loads.
#include "plan/joint_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "format/formats.h"
#include "plan/size_plan.h"

namespace quern {
namespace {

const std::vector<const Codec*>& packed_and_plain() {
  static const std::vector<const Codec*> all = [] {
    std::vector<const Codec*> codecs;
    for (const char* name : {"int4_g128", "int4_g32", "int4a_g64", "int8_channel", "bf16"})
      codecs.push_back(find_codec(name));
    return codecs;
  }();
  return all;
}

// Three matrices of one input, two of another, an embedding; shares and sizes at random, some options missing.
struct Problem {
  Plan base;
  std::vector<StepOptions> options;
  SizeRules rules{&find_format("safetensors"), {{1, 2, 3}, {4, 5}}};

  explicit Problem(Random& random) {
    const char* names[] = {"model.embed_tokens.weight", "l.q_proj.weight",  "l.k_proj.weight",
                           "l.v_proj.weight",           "l.up_proj.weight", "l.gate_proj.weight"};
    for (std::size_t i = 0; i < 6; ++i) {
      base.steps.push_back({names[i], names[i], "bf16", "rtn", 100, ""});
      StepOptions of_step{i, {}};
      for (const Codec* codec : packed_and_plain())
        if (codec == packed_and_plain().back() || random.below(5))
          of_step.options.push_back({codec, 1 + random.below(40), 0.1 * double(random.below(50))});
      options.push_back(of_step);
    }
  }
};

bool is_loadable(const std::vector<StoredTensor>& tensors) {
  return std::ranges::any_of(find_format("safetensors").mixes(),
                             [&](const PackedMix& m) { return m.admits_all(tensors); });
}

// The least loss of all selections that keep to the rules, and whether there is one.
std::optional<double> exhaustive(const Problem& problem, std::uint64_t budget) {
  std::optional<double> best;
  std::vector<std::size_t> chosen(problem.options.size(), 0);
  for (;;) {
    Plan plan = problem.base;
    std::uint64_t bytes = 0;
    double loss = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const StepOption& option = problem.options[i].options[chosen[i]];
      plan.steps[i].codec = option.codec->name;
      bytes += option.bytes;
      loss += option.kld;
    }
    const bool keeps =
        std::ranges::all_of(problem.rules.couplings, [&](const Coupling& c) { return is_kept(c, plan); });
    if (bytes <= budget && (!best || loss < *best) && keeps && is_loadable(stored_tensors(plan))) best = loss;
    std::size_t i = 0;
    while (i < chosen.size() && ++chosen[i] == problem.options[i].options.size()) chosen[i++] = 0;
    if (i == chosen.size()) return best;
  }
}

TEST(JointOptions, GiveTheBestOfEverySelectionThatIsLoaded) {
  Random random(11);
  std::size_t solved = 0;
  std::map<std::string, int> formats;
  for (int round = 0; round < 40; ++round) {
    const Problem problem(random);
    const std::uint64_t budget = 40 + random.below(160);
    const std::optional<double> expected = exhaustive(problem, budget);
    const std::optional<SizedPlan> got = fit_plan(problem.base, problem.options, budget, problem.rules);
    ASSERT_EQ(got.has_value(), expected.has_value()) << "round " << round;
    if (!got) continue;
    ++solved;
    EXPECT_NEAR(got->kld, *expected, 1e-12) << "round " << round;
    EXPECT_LE(got->plan.tensor_bytes(), budget);
    for (const Coupling& coupling : problem.rules.couplings) EXPECT_TRUE(is_kept(coupling, got->plan));
    EXPECT_TRUE(is_loadable(stored_tensors(got->plan)));
    for (const PlanStep& step : got->plan.steps) ++formats[step.codec];
    EXPECT_EQ(fit_plan(problem.base, problem.options, budget, problem.rules)->plan, got->plan) << "ties";
  }
  EXPECT_GT(solved, 25u);
  EXPECT_EQ(formats.size(), packed_and_plain().size()) << "every number format serves somewhere";
}

TEST(JointOptions, OfLeastBytesAndOnTheCurveAreKept) {
  Random random(12);
  for (int round = 0; round < 10; ++round) {
    const Problem p(random);
    const std::uint64_t least = least_tensor_bytes(p.base, p.options, p.rules);
    EXPECT_TRUE(fit_plan(p.base, p.options, least, p.rules));
    EXPECT_FALSE(fit_plan(p.base, p.options, least - 1, p.rules));
    const std::vector<SizePoint> curve = size_curve(p.base, p.options, 100, p.rules);
    EXPECT_EQ(curve.front().bytes, least);
    EXPECT_DOUBLE_EQ(curve.back().kld, least_loss(p.base, p.options, p.rules));
    for (const SizePoint& point : curve)
      EXPECT_LE(fit_plan(p.base, p.options, point.bytes, p.rules)->kld, point.kld + 1e-12);
  }
}

TEST(JointOptions, StandAloneWhereNothingIsInCommon) {
  const Codec &eight = *find_codec("int8_channel"), &plain = *find_codec("bf16");
  Plan base;
  for (const char* name : {"q.weight", "k.weight"}) base.steps.push_back({name, name, "bf16", "rtn", 10, ""});
  const std::vector<StepOptions> options = {{0, {{&eight, 5, 1}}}, {1, {{&plain, 10, 0}}}};
  const std::optional<SizedPlan> sized = fit_plan(base, options, 15, {&find_format("safetensors"), {{0, 1}}});
  ASSERT_TRUE(sized);
  EXPECT_EQ(sized->plan.steps[0].codec, "int8_channel");
  EXPECT_EQ(sized->plan.steps[1].codec, "bf16");
}

}  // namespace
}  // namespace quern
