// Comparison of two models, and single tensors quantized alone, against whole evaluations.
#include "survey/sensitivity.h"

#include <algorithm>
#include <numeric>

#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "model/replaced_weights.h"
#include "package/whole_head_fixture.h"
#include "runtime/head.h"

namespace quern {
namespace {

const Weight& weight_named(const ModelSpec& spec, const std::string& tensor) {
  return *std::ranges::find(spec.weights, tensor, &Weight::tensor);
}

struct Fixture {
  OpenModel model;
  ThreadPool pool{2};
  Observer observer;
  const Format& gguf = find_format("gguf");
  ExportMap names = export_map(model, gguf);
  Inputs none;
  Windows windows = random_windows(3, 20);

  explicit Fixture(const char* name) : Fixture(tiny(name)) {}
  explicit Fixture(const std::filesystem::path& path) : model(path) {}
  WalkContext context() { return model.walk(pool, Precision::kF32); }
  Plan plan(const char* scheme) const {
    return make_plan({find_scheme(scheme), gguf, model.spec, names, model.weights, {}});
  }
  std::vector<StepHarm> harms(const Plan& plan, std::uint64_t memory_limit) {
    const EncodeInput input{model.weights, model.spec, names, none, pool, observer};
    const EvaluationSetup setup{Precision::kF32, memory_limit};
    SurveyOriginal original(input, windows, setup);
    return measure_harms(original, plan, design_survey(model.spec, names, {windows.count(), windows.length}).groups);
  }

  // Without any prefix kept: both models walk from the ids to the logits.
  double whole_kld(const PlanStep& step) {
    ReplacedWeights changed(model.weights);
    changed.replace(step.tensor,
                    encode_in_memory(model.weights, weight_named(model.spec, step.tensor), *find_codec(step.codec),
                                     find_optimizer(step.optimizer), Inputs(), pool));
    return kld_of(changed);
  }

  double kld_of(const Weights& changed) {
    const WalkContext candidate{model.spec, changed, pool, Precision::kF32};
    const TokenScores scores = compare(context(), final_hidden(context(), windows, UINT64_MAX, observer), candidate,
                                       final_hidden(candidate, windows, UINT64_MAX, observer), windows);
    return std::accumulate(scores.kld.begin(), scores.kld.end(), 0.0) / static_cast<double>(scores.kld.size());
  }

  bool is_matrix(std::size_t step) const { return model.spec.weights[names.weights[step].weight].axes.size() >= 2; }

  // Of the whole plan, but for the matrices of `group`.
  double kld_without(const Plan& plan, const StepGroup& group) {
    ReplacedWeights changed(model.weights);
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const PlanStep& step = plan.steps[i];
      if (!is_matrix(i) || std::ranges::count(group, i) > 0) continue;
      changed.replace(step.tensor,
                      encode_in_memory(model.weights, weight_named(model.spec, step.tensor), *find_codec(step.codec),
                                       find_optimizer(step.optimizer), Inputs(), pool));
    }
    return kld_of(changed);
  }
};

class Harms : public ::testing::TestWithParam<const char*> {};

TEST_P(Harms, EqualTheWholeEvaluationWithOneTensorReplaced) {
  Fixture f(GetParam());
  const Plan plan = f.plan("q8_0");
  const std::vector<StepHarm> harms = f.harms(plan, UINT64_MAX);
  std::size_t matrices = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    matrices += f.model.spec.weights[f.names.weights[i].weight].axes.size() >= 2;
  EXPECT_EQ(harms.size(), matrices);
  bool hurt = false;
  for (const StepHarm& harm : harms) {
    EXPECT_NEAR(harm.kld, f.whole_kld(plan.steps[harm.step]), 2e-7) << plan.steps[harm.step].tensor;
    hurt = hurt || harm.kld > 1e-8;
  }
  EXPECT_TRUE(hurt);
}

TEST_P(Harms, DoNotDependOnWhereHiddenStatesAreKept) {
  Fixture f(GetParam());
  const Plan plan = f.plan("q8_0");
  const std::vector<StepHarm> inside = f.harms(plan, UINT64_MAX), spilled = f.harms(plan, 0);
  ASSERT_EQ(inside.size(), spilled.size());
  for (std::size_t i = 0; i < inside.size(); ++i) {
    EXPECT_EQ(inside[i].step, spilled[i].step);
    EXPECT_EQ(inside[i].kld, spilled[i].kld);
  }
}

// Of three layers' matrices two fit: what they lose stands for the third as well.
TEST(Groups, AreMeasuredByAsManyMatricesAsFitTheMemory) {
  Fixture f(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const Plan plan = f.plan("q2_k");
  StepGroup ups;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (weight_named(f.model.spec, plan.steps[i].tensor).role == "mlp.up" && ups.size() < 3) ups.push_back(i);
  ASSERT_EQ(ups.size(), 3u);
  const std::uint64_t two = 2 * plan.steps[ups[0]].bytes;
  const EncodeInput input{f.model.weights, f.model.spec, f.names, f.none, f.pool, f.observer};
  const EvaluationSetup setup{Precision::kF32, two / 2};
  SurveyOriginal original(input, f.windows, setup);
  const std::vector<MeasuredGroup> measured = measure_groups(original, plan, {ups, {ups[0], ups[1]}});
  ASSERT_EQ(measured.size(), 2u);
  EXPECT_EQ(measured[0].changed, (StepGroup{ups[0], ups[1]}));
  EXPECT_EQ(measured[0].kld, measured[1].kld);
  const std::vector<StepHarm> harms = measure_harms(original, plan, {ups});
  ASSERT_EQ(harms.size(), 3u);
  for (const StepHarm& harm : harms) EXPECT_DOUBLE_EQ(harm.kld, measured[0].kld / 2);
}

INSTANTIATE_TEST_SUITE_P(Tiny, Harms, ::testing::Values("tiny-llama-bias", "tiny-mistral"));

TEST(Harms, SkipWhatKeepsTheEncodingOfTheOriginal) {
  Fixture f("tiny-llama-bias");
  EXPECT_TRUE(f.harms(f.plan("bf16"), UINT64_MAX).empty());
}

// A whole plan in files, against the original with the same matrices replaced in memory.
TEST(Gains, EqualWholeEvaluationsWithoutTheErrorsOfAGroup) {
  Fixture f(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const Plan plan = f.plan("q2_k");
  const ScratchFolder scratch;
  const EncodeInput input{f.model.weights, f.model.spec, f.names, f.none, f.pool, f.observer};
  encode(input, plan, whole_head(plan, f.names, f.model, find_scheme("q2_k")), scratch.path());
  StepGroup matrices;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (f.is_matrix(i)) matrices.push_back(i);
  const std::vector<StepGroup> groups = {{matrices.front()}, {matrices[8], matrices[9]}, {matrices.back()}, matrices};
  const OpenModel candidate(scratch.path());
  const EvaluationSetup setup{Precision::kF32, UINT64_MAX / 4}, tight{Precision::kF32, 0};
  SurveyOriginal original(input, f.windows, setup), in_no_memory(input, f.windows, tight);
  const PlanHarm harm = measure_gains(original, plan, candidate, groups);
  const double whole = f.kld_without(plan, {});
  EXPECT_NEAR(measure_whole(original, candidate), whole, 1e-4 * whole);
  EXPECT_GT(whole, 0.01);
  EXPECT_NEAR(harm.kld, whole, 1e-4 * whole);
  ASSERT_EQ(harm.gains.size(), groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_EQ(harm.gains[g].steps, groups[g]);
    EXPECT_NEAR(harm.gains[g].kld, whole - f.kld_without(plan, groups[g]), 1e-4 * whole) << g;
  }
  EXPECT_NEAR(harm.gains.back().kld, whole, 1e-4 * whole) << "nothing is lost without the errors of all";
  EXPECT_TRUE(measure_gains(in_no_memory, plan, candidate, groups).gains.empty()) << "no memory for any in float";
}

TEST(Compare, EqualsTheLogitsOfWholeWindows) {
  Fixture f("tiny-llama-bias");
  ReplacedWeights changed(f.model.weights);
  const std::string tensor = "model.layers.0.mlp.down_proj.weight";
  changed.replace(tensor, encode_in_memory(f.model.weights, weight_named(f.model.spec, tensor), *find_codec("q8_0"),
                                           find_optimizer("rtn"), Inputs(), f.pool));
  const WalkContext candidate{f.model.spec, changed, f.pool, Precision::kF32};
  const TokenScores scores = compare(f.context(), final_hidden(f.context(), f.windows, UINT64_MAX, f.observer),
                                     candidate, final_hidden(candidate, f.windows, UINT64_MAX, f.observer), f.windows);
  ASSERT_EQ(scores.per_window, 9u);
  ASSERT_EQ(scores.kld.size(), 27u);
  const auto logits = [&](const WalkContext& context, std::size_t window) {
    ActivationStore hidden = embed_windows(context, f.windows, UINT64_MAX);
    for (std::size_t b = 1; b + 1 < context.spec.blocks.size(); ++b) run_block(context, b, hidden);
    run_head_norm(context, hidden);
    return logits_of_window(context, hidden, window);
  };
  for (std::size_t w = 0; w < 3; ++w) {
    const Matrix p = logits(f.context(), w), q = logits(candidate, w);
    for (std::size_t t = 0; t < 9; ++t) {  // positions 10 .. 18 predict 11 .. 19
      TokenDivergence token;
      token.add(p.row(10 + t), q.row(10 + t), 0, f.windows.window(w)[11 + t]);
      EXPECT_NEAR(scores.kld[w * 9 + t], token.kld(), 2e-6);
      EXPECT_NEAR(scores.original_nll[w * 9 + t], token.original_nll(), 1e-5);
      EXPECT_NEAR(scores.candidate_nll[w * 9 + t], token.candidate_nll(), 1e-5);
    }
  }
}

TEST(Compare, RefusesOtherVocabulariesAndWindowsThatScoreNothing) {
  Fixture f("tiny-llama-bias");
  ModelSpec other = f.model.spec;
  other.extents["vocab"] = 97;
  const ActivationStore rows = final_hidden(f.context(), f.windows, UINT64_MAX, f.observer);
  const WalkContext candidate{other, f.model.weights, f.pool, Precision::kF32};
  expect_parts(message_of(ErrorCode::kInput, [&] { compare(f.context(), rows, candidate, rows, f.windows); }),
               {"96 tokens", "97"});
  const Windows two{.length = 2, .ids = {1, 2}};
  expect_parts(message_of(ErrorCode::kInput, [&] { final_hidden(f.context(), two, UINT64_MAX, f.observer); }),
               {"windows of 2 tokens"});
}

}  // namespace
}  // namespace quern
