// What the calls of the library give, through the public headers alone, held against what the package says.
#include <algorithm>

#include "base/json.h"
#include "compress/tiny_package_fixture.h"
#include "quern/quern.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kBundledModel = fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m";
const fs::path kBundledTexts = fs::path(QUERN_SOURCE_DIR) / "texts";
constexpr MachineOptions kMachine{.threads = 2, .precision = Precision::kF32};

TEST(Library, CompressesWithinABoundAndSaysWhatWasMeasured) {
  const ScratchFolder scratch;
  CompressOptions options{.input = kBundledModel, .output = scratch.path() / "out", .scheme = "q4_k_m"};
  options.calibration_text = kBundledTexts / "calib.txt";
  options.report_text = kBundledTexts / "eval.txt";
  options.calibration_windows = options.gate_windows = options.report_windows = 2;
  options.optimizer = "weighted";
  options.bound.max_perplexity_increase = 0.2;
  options.machine = kMachine;
  const CompressResult result = compress(options);
  const Json report = parse_json(read_text(options.output / "report.json"));
  EXPECT_EQ(result.json, read_text(options.output / "report.json"));
  EXPECT_TRUE(result.accepted);
  EXPECT_EQ(result.folder, options.output);
  EXPECT_EQ(result.architecture, "llama");
  EXPECT_EQ(result.output_bytes, report.at("output_bytes").as_uint64());
  EXPECT_DOUBLE_EQ(result.ratio, report.at("ratio_to_source").as_double());
  EXPECT_DOUBLE_EQ(result.bits_per_weight, report.at("bits_per_weight").as_double());
  ASSERT_TRUE(result.quality && result.gate);
  const Json& kld = report.at("quality").at("mean_kld");
  EXPECT_EQ(result.quality->mean_kld.value, kld.at("value").as_double());
  EXPECT_EQ(result.quality->mean_kld.standard_error, kld.at("standard_error").as_double());
  EXPECT_LE(result.gate->perplexity_increase.value, 0.2);
  const Json::Array& tensors = report.at("tensors").as_array();
  ASSERT_EQ(result.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(result.tensors[i].name, tensors[i].at("tensor").as_string());
    EXPECT_EQ(result.tensors[i].codec, tensors[i].at("codec").as_string());
    EXPECT_EQ(result.tensors[i].bytes, tensors[i].at("bytes").as_uint64());
    EXPECT_EQ(result.tensors[i].relative_error, tensors[i].at("relative_error").as_double());
  }
  EXPECT_NE(result.summary.find("Perplexity"), std::string::npos) << result.summary;
  for (const char* file : {"report.json", "report.html", "README.md", "manifest.json"})
    EXPECT_EQ(read_text(options.output / file).find("`start="), std::string::npos) << file;
  EXPECT_EQ(std::ranges::count_if(result.notes, [](const std::string& n) { return n.find('`') != n.npos; }), 0);

  EXPECT_TRUE(verify({.package = options.output, .stride = 4, .machine = kMachine}).problems.empty());
  const Model original = open(kBundledModel), package = open(options.output);
  const EvaluateOptions on{.text = options.report_text, .windows = 2, .machine = kMachine};
  EXPECT_EQ(evaluate(package, original, on).quality.mean_kld.value, result.quality->mean_kld.value);
  const EvaluateResult alone = evaluate(original, on);
  EXPECT_EQ(alone.quality.mean_kld.value, 0);
  EXPECT_EQ(alone.quality.perplexity.value, result.quality->original_perplexity.value);
  EXPECT_EQ(parse_json(alone.json).at("bytes").as_uint64(), original.file_bytes());
}

TEST(Library, ABoundThatCannotBeMetIsAResult) {
  const ScratchFolder scratch;
  CompressOptions options{.input = kBundledModel, .output = scratch.path() / "out", .scheme = "q2_k"};
  options.gate_text = kBundledTexts / "calib.txt";
  options.gate_windows = 2;
  options.bound.max_kld = 1e-9;
  options.max_trials = 1;
  options.machine = kMachine;
  const CompressResult result = compress(options);
  EXPECT_FALSE(result.accepted);
  EXPECT_EQ(result.folder, scratch.path() / "out.rejected");
  EXPECT_TRUE(fs::exists(result.folder / "report.json"));
  EXPECT_EQ(result.trials, 1u);
}

TEST(Library, PlansWhatItWillWrite) {
  const ScratchFolder scratch;
  PlanOptions options{.compress = {.input = kBundledModel, .output = "plays no part", .scheme = "q4_k_m"}};
  options.compress.machine = kMachine;
  const PlanResult planned = plan(options);
  EXPECT_FALSE(planned.expected);
  options.compress.output = scratch.path() / "out";
  options.compress.plan = scratch.write("plan.json", planned.json);
  const CompressResult made = compress(options.compress);
  EXPECT_EQ(made.output_bytes, planned.model_bytes);
  ASSERT_EQ(made.tensors.size(), planned.tensors.size());
  for (std::size_t i = 0; i < made.tensors.size(); ++i) EXPECT_EQ(made.tensors[i].codec, planned.tensors[i].codec);
}

TEST(Library, PlansForASizeWithWhatIsToBeExpected) {
  const ScratchFolder scratch;
  PlanOptions options{.compress = {.input = kBundledModel, .scheme = "q4_k_m"},
                      .statistics_copy = scratch.path() / "s.gguf"};
  options.compress.calibration_text = kBundledTexts / "calib.txt";
  options.compress.calibration_windows = options.compress.gate_windows = 1;
  options.compress.optimizer = "weighted";
  options.compress.survey_passes = 8;
  options.compress.size = SizeGoal{SizeGoal::Unit::kBytes, 5e6};
  options.compress.machine = kMachine;
  const PlanResult planned = plan(options);
  ASSERT_TRUE(planned.expected);
  EXPECT_LE(planned.model_bytes, 5'000'000u);
  EXPECT_EQ(planned.expected->bytes, planned.model_bytes);
  EXPECT_GT(planned.expected->mean_kld.value, 0);
  EXPECT_LE(planned.expected->mean_kld.low, planned.expected->mean_kld.value);
  EXPECT_GT(planned.alternatives.size(), 3u);
  EXPECT_TRUE(fs::exists(options.statistics_copy));
}

TEST(Library, ChainsMethodsAndMeasuresEveryStage) {
  const ScratchFolder scratch;
  ChainOptions options{.input = kBundledModel, .output = scratch.path() / "chain", .stages = {"seedlm", "hyper"}};
  options.report_text = kBundledTexts / "eval.txt";
  options.report_windows = 1;
  options.machine = kMachine;
  const ChainResult result = chain(options);
  EXPECT_EQ(result.json, read_text(result.folder / "chain.json"));
  ASSERT_EQ(result.stages.size(), 2u);
  EXPECT_EQ(result.stages[0].method, "SeedLM (8, 3, 16)");
  EXPECT_EQ(result.stages[1].name, "hyper");
  EXPECT_EQ(result.stages[0].literal.bytes, open(result.folder / "literal-1-seedlm").file_bytes());
  EXPECT_GT(result.stages[1].literal.quality.mean_kld.value, result.stages[0].literal.quality.mean_kld.value);
  EXPECT_LT(result.stages[1].residual.quality.mean_kld.value, result.stages[0].residual.quality.mean_kld.value);
  EXPECT_FALSE(result.stages[0].once_literal) << "there is no text to choose by";
  EXPECT_NE(result.conclusion, "");
  expect_parts(message_of(ErrorCode::kUsage,
                          [&] {
                            compress({.input = result.folder / "literal-1-seedlm",
                                      .output = scratch.path() / "again",
                                      .scheme = "hyper_225"});
                          }),
               {"quantized already: seedlm_4", "docs/tasks/chain.md"});
  ChainOptions again = options;
  again.input = result.folder / "literal-1-seedlm";
  again.output = scratch.path() / "again";
  again.stages = {"hyper"};
  expect_parts(message_of(ErrorCode::kUsage, [&] { chain(again); }), {"quantized already", "requantize=kAllow"});
  again.requantize = CompressOptions::Requantize::kAllow;
  EXPECT_EQ(chain(again).stages.size(), 1u);
}

TEST(Library, InspectsWhatNoArchitectureRecognises) {
  const InspectResult known = inspect(kBundledModel, {.context = 100});
  EXPECT_EQ(known.architecture, "llama");
  EXPECT_EQ(known.parameters, open(kBundledModel).parameters());
  EXPECT_EQ(known.file_bytes, open(kBundledModel).file_bytes());
  EXPECT_EQ(parse_json(known.json).at("memory").at("context").as_uint64(), 100u);
  const InspectResult types = inspect(fixture("all_types.gguf"));
  EXPECT_EQ(types.architecture, "");
  EXPECT_NE(types.why_unknown, "");
  EXPECT_NE(types.summary.find("all_types.gguf"), std::string::npos);
}

TEST(Library, GeneratesTheSameTextForASeedAndStreamsIt) {
  const Model model = open(kBundledModel);
  const GenerateOptions options{.prompt = "The history of", .tokens = 12, .machine = {.threads = 2}};
  std::string streamed;
  const GenerateResult first = generate(model, options, [&](std::string_view text) { streamed += text; });
  EXPECT_EQ(first.text, streamed);
  EXPECT_EQ(first.tokens, 12u);
  EXPECT_EQ(generate(model, options).text, first.text);
}

}  // namespace
}  // namespace quern
