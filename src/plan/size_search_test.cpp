// Files of a size: predicted to the byte, never above it, and full; the survey that the choice rests on.
#include "plan/size_search.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/scalars.h"
#include "checkpoint/edited_copy_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "model/replaced_weights.h"
#include "package/whole_head_fixture.h"
#include "survey/survey.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Options by a rule of thumb: what a bit more is worth, per weight.
std::vector<StepOptions> by_bits(const OpenModel& model, const ExportMap& names, const Format& format,
                                 const Plan& plan) {
  std::vector<StepOptions> all;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Weight& weight = model.spec.weights[names.weights[i].weight];
    if (weight.axes.size() < 2) continue;
    const RowLayout layout = row_layout(names.weights[i].output_shape(weight));
    StepOptions& options = all.emplace_back(StepOptions{i, {}});
    for (const Codec* codec : codecs_to_try(format, layout.cols, *find_codec("bf16")))
      options.options.push_back(
          {codec, codec->stored_bytes(layout.rows, layout.cols),
           static_cast<double>(layout.rows * layout.cols) * std::pow(4.0, -codec->bits_per_weight)});
  }
  return all;
}

std::vector<StepGroup> alone(const OpenModel& model, const ExportMap& names, const Windows& windows) {
  return design_survey(model.spec, names, {windows.count(), windows.length}).groups;
}

class SizeSearchOfLlama7m : public testing::Test {
 protected:
  const OpenModel model{fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m"};
  const Format& gguf = find_format("gguf");
  const Scheme& scheme = find_scheme("q4_k_m");
  const ExportMap names = export_map(model, gguf);
  const Plan base = make_plan({scheme, gguf, model.spec, names, model.weights, {}});
  const std::vector<StepOptions> options = by_bits(model, names, gguf, base);

  std::uint64_t file_bytes(const Plan& plan) const { return gguf.file_bytes(whole_head(plan, names, model, scheme)); }
  SizedPlan search(std::uint64_t most) const {
    return search_size({base, options, most, [this](const Plan& plan) { return file_bytes(plan); }});
  }
};

TEST_F(SizeSearchOfLlama7m, TellsTheCurveThatItsChoiceLiesOn) {
  const SizeSearch search{base, options, 4'700'000, [this](const Plan& plan) { return file_bytes(plan); }};
  const SizedPlan sized = search_size(search);
  const SizeChoice choice = size_choice(search, sized);
  EXPECT_EQ(choice.most, 4'700'000u);
  EXPECT_EQ(choice.chosen.bytes, file_bytes(sized.plan));
  EXPECT_EQ(choice.chosen.kld, sized.kld);
  const auto above =
      std::ranges::find_if(choice.curve, [&](const SizePoint& p) { return p.bytes > choice.chosen.bytes; });
  ASSERT_NE(above, choice.curve.end());
  ASSERT_NE(above, choice.curve.begin());
  EXPECT_GE(choice.chosen.kld, above->kld);
  EXPECT_LE(choice.chosen.kld, std::prev(above)->kld);
}

TEST_F(SizeSearchOfLlama7m, RefusesWhatIsTooSmallWithTheLeastThatThereIs) {
  const std::string message = message_of(ErrorCode::kInfeasible, [&] { search(1'000'000); });
  expect_parts(message, {"1000000 bytes", "the least is", "nats"});
  const std::uint64_t least = std::stoull(message.substr(message.find("the least is ") + 13));
  EXPECT_EQ(file_bytes(search(least).plan), least);
  EXPECT_THROW(search(least - 1), Error);
}

// Padding that depends on the plan: the first budget is that of the base, of 14 bytes.
TEST(SizeSearch, CountsPaddingThatChangesWithThePlan) {
  const Codec &two = *find_codec("q2_k"), &three = *find_codec("q3_k"), &six = *find_codec("q6_k");
  Plan base;
  base.steps.push_back({"a", "a", "q6_k", "rtn", 1010, ""});
  const std::vector<StepOptions> options = {{0, {{&six, 1010, 0.1}, {&three, 600, 0.4}, {&two, 402, 0.9}}, {}, 0}};
  const auto bytes = [](const Plan& plan) { return 100 + (plan.tensor_bytes() + 31) / 32 * 32; };
  const auto codec_for = [&](std::uint64_t most) {
    return search_size({base, options, most, bytes}).plan.steps[0].codec;
  };
  EXPECT_EQ(codec_for(1124), "q6_k");
  EXPECT_EQ(codec_for(1123), "q3_k");
  EXPECT_EQ(codec_for(714), "q3_k");
  EXPECT_EQ(codec_for(707), "q2_k");
  EXPECT_EQ(codec_for(516), "q2_k");
  expect_parts(message_of(ErrorCode::kInfeasible, [&] { codec_for(515); }), {"the least is 516 bytes"});
}

TEST_F(SizeSearchOfLlama7m, AnyMoreThanTheOriginalNeedsIsLeftOver) {
  const SizedPlan sized = search_size(
      {base, options, 100'000'000, [this](const Plan& plan) { return file_bytes(plan); }, model.file_bytes()});
  ASSERT_EQ(sized.plan.notes.size(), 3u);
  expect_parts(sized.plan.notes[1], {"the source itself is smaller than the size",
                                     fmt::format("{} of 100000000 bytes", model.file_bytes())});
  expect_parts(sized.plan.notes.back(), {"bytes are left over"});
  EXPECT_TRUE(
      std::ranges::all_of(options, [&](const StepOptions& o) { return sized.plan.steps[o.step].codec == "bf16"; }));
}

class NotedNotes : public Observer {
 public:
  std::vector<std::string> notes;
  void note(std::string_view text) override { notes.emplace_back(text); }
};

// A model in GGUF whose matrices are surveyed without statistics.
struct Surveyed {
  const OpenModel model;
  const Format& gguf = find_format("gguf");
  const ExportMap names;
  const Plan base;
  const Windows windows;
  ThreadPool pool;
  NotedNotes observer;
  const Inputs none;
  const EvaluationSetup setup;
  const EncodeInput input;
  SurveyOriginal original;

  explicit Surveyed(const fs::path& path, std::size_t count = 1, std::size_t length = 32)
      : model(path),
        names(export_map(model, gguf)),
        base(make_plan({find_scheme("q8_0"), gguf, model.spec, names, model.weights, {}})),
        windows(random_windows(count, length)),
        pool(2),
        input{model.weights, model.spec, names, none, pool, observer},
        original(input, windows, setup) {}

  std::vector<StepGroup> each_alone() const { return alone(model, names, windows); }
  std::vector<StepGroup> in_bands() const { return design_survey(model.spec, names, {1, 32, 8}).groups; }
  SurveyInput of(const std::vector<StepGroup>& groups) { return {original, base, gguf, groups}; }
};

// Shares that are measured alone and add up: the sum for one plan against that plan measured whole.
TEST(Survey, SharesAddUpToTheDivergenceOfTheWhole) {
  Surveyed surveyed(tiny("tiny-llama-bias"), 3, 48);
  const std::vector<StepGroup> groups = surveyed.each_alone();
  const std::vector<StepOptions> options = survey(surveyed.of(groups));
  ASSERT_FALSE(options.empty());

  ReplacedWeights changed(surveyed.model.weights);
  double predicted = 0;
  for (const StepOptions& of_step : options) {
    const auto five_bits =
        std::ranges::find(of_step.options, 5.5, [](const StepOption& o) { return o.codec->bits_per_weight; });
    ASSERT_NE(five_bits, of_step.options.end());
    EXPECT_EQ(of_step.options.back().kld, 0.0) << "as it came";
    const auto probed = std::ranges::find(of_step.options, of_step.probe, &StepOption::codec);
    ASSERT_NE(probed, of_step.options.end());
    EXPECT_NEAR(probed->kld, of_step.probe_kld, 1e-12);
    const Weight& weight = surveyed.model.spec.weights[surveyed.names.weights[of_step.step].weight];
    changed.replace(weight.tensor, encode_in_memory(surveyed.model.weights, weight, *five_bits->codec,
                                                    find_optimizer("rtn"), surveyed.none, surveyed.pool));
    predicted += five_bits->kld;
  }
  const WalkContext original = surveyed.model.walk(surveyed.pool, Precision::kF32),
                    candidate{surveyed.model.spec, changed, surveyed.pool, Precision::kF32};
  const ActivationStore p = final_hidden(original, surveyed.windows, surveyed.setup.memory_limit, surveyed.observer),
                        q = final_hidden(candidate, surveyed.windows, surveyed.setup.memory_limit, surveyed.observer);
  const double measured = summarise(compare(original, p, candidate, q, surveyed.windows)).mean_kld.value;
  EXPECT_LT(std::abs(std::log(predicted / measured)), std::log(1.5)) << predicted << " and " << measured;
}

TEST(Survey, LeavesOutNumberFormatsForWhichAValueIsTooLarge) {
  const char* tensor = "model.layers.0.mlp.down_proj.weight";
  const ScratchFolder scratch;
  RawModel raw = raw_model(tiny("tiny-llama-bias"));
  RawTensor& down = raw.tensors.at(tensor);
  down = floats_tensor(down.shape, std::vector<float>(element_count(down.shape), 0.01f));
  set_float(raw, tensor, 5, 1e6f);  // binary16 ends at 65504
  write_raw(raw, scratch.path());
  Surveyed surveyed(scratch.path());
  const std::vector<StepGroup> groups = surveyed.each_alone();
  for (const StepOptions& options : survey(surveyed.of(groups))) {
    if (surveyed.base.steps[options.step].tensor != tensor) continue;
    for (const StepOption& option : options.options) EXPECT_STRNE(option.codec->name, "f16");
    EXPECT_STREQ(options.options.front().codec->name, "bf16");
    EXPECT_STREQ(options.options.back().codec->name, "f32");
  }
  ASSERT_EQ(surveyed.observer.notes.size(), 1u);
  expect_parts(surveyed.observer.notes[0], {tensor, "cannot be stored as f16", "values too large"});
}

// llama-7m with one tensor in float, changed.
template <typename Change>
RawModel with_floats(const std::string& tensor, Change change) {
  RawModel raw = raw_model(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  RawTensor& changed = raw.tensors.at(tensor);
  std::vector<std::uint16_t> bits(element_count(changed.shape));
  std::memcpy(bits.data(), changed.bytes.data(), changed.bytes.size());
  std::vector<float> values;
  for (const std::uint16_t b : bits) values.push_back(bf16_to_f32(b));
  change(values);
  changed = floats_tensor(changed.shape, values);
  return raw;
}

TEST(Survey, TriesCodecsOnPartsOfALargeMatrixAndOnItsLargestValue) {
  const std::string tensor = "model.embed_tokens.weight";
  const ScratchFolder scratch;
  write_raw(with_floats(tensor, [](std::vector<float>& values) { values.back() = 1e6f; }), scratch.path());
  Surveyed surveyed(scratch.path());
  const std::vector<StepGroup> groups = surveyed.each_alone();
  SurveyInput in = surveyed.of(groups);
  const auto of_embedding = [&] {
    for (StepOptions& options : survey(in))
      if (surveyed.base.steps[options.step].tensor == tensor) return options;
    return StepOptions{};
  };
  const StepOptions whole = of_embedding();
  in.tried.by_rounding =
      surveyed.model.checkpoint.at(tensor).shape[0] * surveyed.model.checkpoint.at(tensor).shape[1] / 3;
  const StepOptions part = of_embedding();
  ASSERT_EQ(surveyed.observer.notes.size(), 2u);
  EXPECT_EQ(surveyed.observer.notes[0], surveyed.observer.notes[1]);
  expect_parts(surveyed.observer.notes[0], {tensor, "cannot be stored as f16"});
  EXPECT_EQ(part.probe_kld, whole.probe_kld) << "measured whole";
  ASSERT_FALSE(part.options.empty());
  for (const StepOption& option : part.options) EXPECT_STRNE(option.codec->name, "f16");
}

TEST(Survey, FindsTheSharesOfALargeMatrixFromItsParts) {
  Surveyed surveyed(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const std::vector<StepGroup> groups = surveyed.in_bands();
  SurveyInput in = surveyed.of(groups);
  const std::vector<StepOptions> whole = survey(in);
  in.tried.by_rounding = 1 << 19;  // of the embedding's million
  const std::vector<StepOptions> part = survey(in);
  ASSERT_EQ(part.size(), whole.size());
  for (std::size_t i = 0; i < part.size(); ++i) {
    ASSERT_EQ(part[i].options.size(), whole[i].options.size());
    for (std::size_t o = 0; o < part[i].options.size(); ++o)
      EXPECT_NEAR(part[i].options[o].kld, whole[i].options[o].kld, 0.1 * whole[i].options[o].kld)
          << surveyed.base.steps[part[i].step].tensor << " " << part[i].options[o].codec->name;
  }
}

// The share of layer 3's down projection over that of layer 1, both measured in one band, when the first is `factor`
// times as large.
double share_of_scaled_matrix(float factor) {
  const std::string scaled = "model.layers.3.mlp.down_proj.weight", other = "model.layers.1.mlp.down_proj.weight";
  const ScratchFolder scratch;
  const auto scale = [&](std::vector<float>& values) {
    for (float& value : values) value *= factor;
  };
  write_raw(with_floats(scaled, scale), scratch.path());
  Surveyed surveyed(scratch.path());
  const std::vector<StepGroup> groups = surveyed.in_bands();
  std::map<std::string, double> shares;
  for (const StepOptions& options : survey(surveyed.of(groups)))
    shares[surveyed.base.steps[options.step].tensor] = options.probe_kld;
  return shares.at(scaled) / shares.at(other);
}

TEST(Survey, MatricesMeasuredTogetherCostAlikeByTheirRelativeErrors) {
  const double usual = share_of_scaled_matrix(1);
  EXPECT_GT(usual, 0.5);
  EXPECT_LT(usual, 2);
  EXPECT_NEAR(share_of_scaled_matrix(4), usual, 1e-3 * usual) << "its squared error is 16 times as large";
}

// A matrix that is stored in about 3.5 bits already is measured with another format: its own would tell that nothing
// matters.
TEST(Survey, DoesNotMeasureAMatrixWithTheFormatThatItIsStoredIn) {
  const ScratchFolder scratch;
  const OpenModel original(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  ThreadPool pool(2);
  Observer observer;
  const Inputs none;
  const Format& gguf = find_format("gguf");
  const Scheme& scheme = find_scheme("q3_k_m");
  const ExportMap names = export_map(original, gguf);
  const Plan plan = make_plan({scheme, gguf, original.spec, names, original.weights, {}});
  encode({original.weights, original.spec, names, none, pool, observer}, plan,
         whole_head(plan, names, original, scheme), scratch.path());
  const OpenModel stored(scratch.path());
  const ExportMap again = export_map(stored, gguf);
  const Plan base = make_plan({scheme, gguf, stored.spec, again, stored.weights, {}});
  const EncodeInput input{stored.weights, stored.spec, again, none, pool, observer};
  const Windows windows = random_windows(2, 32);
  const EvaluationSetup setup;
  SurveyOriginal surveyed(input, windows, setup);
  std::size_t measured = 0;
  const std::vector<StepGroup> groups = alone(stored, names, windows);
  for (const StepOptions& options : survey({surveyed, base, gguf, groups})) {
    const std::string own = stored.checkpoint.at(base.steps[options.step].tensor).encoding;
    if (own != "q3_k") continue;
    ++measured;
    EXPECT_STREQ(options.probe->name, "q2_k");
    EXPECT_GT(options.probe_kld, 0);
    EXPECT_STREQ(options.options.back().codec->name, "q3_k");
  }
  EXPECT_GT(measured, 10u);
}

}  // namespace
}  // namespace quern
