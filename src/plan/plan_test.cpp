// Schemes against llama-quantize, plans as data, shapes that do not divide.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/file.h"
#include "quern/error.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path tiny(const char* name) { return fs::path(QUERN_TESTDATA) / "runtime" / name; }
fs::path llama_7m() { return fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m"; }

struct Planned {
  Checkpoint checkpoint;
  ModelSpec spec;
  ExportMap gguf_names;

  explicit Planned(const fs::path& path)
      : checkpoint(open_checkpoint(path)),
        spec(describe_model(checkpoint)),
        gguf_names(map_to_gguf(spec, checkpoint)) {}

  Plan plan(const char* scheme, const char* format, const std::string& statistics = {}) const {
    return make_plan({find_scheme(scheme), find_format(format), spec, gguf_names, checkpoint, "source", statistics});
  }
};

// Types that llama-quantize chose: tensor -> type (testdata/plan/README.md).
std::map<std::string, std::string> quantize_types(const std::string& model, const std::string& scheme) {
  std::map<std::string, std::string> types;
  std::istringstream lines(read_text(fs::path(QUERN_TESTDATA) / "plan" / "llama_quantize_types.csv"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    std::string of_model, of_scheme, tensor, type;
    std::getline(cells, of_model, ',');
    std::getline(cells, of_scheme, ',');
    std::getline(cells, tensor, ',');
    std::getline(cells, type, ',');
    if (of_model == model && of_scheme == scheme) types[tensor] = type;
  }
  return types;
}

void expect_types_of_llama_quantize(const fs::path& path, const std::string& model, std::size_t matrices) {
  const Planned planned(path);
  for (const char* scheme : {"q4_k_m", "q5_k_m"}) {
    std::map<std::string, std::string> ours;
    for (const PlanStep& step : planned.plan(scheme, "gguf").steps)
      if (step.codec != kFloat32) ours[step.output] = step.codec;
    EXPECT_EQ(ours.size(), matrices);
    EXPECT_EQ(ours, quantize_types(model, scheme)) << scheme;
  }
}

TEST(Schemes, ChooseTheTypesOfLlamaQuantizeForLlama7m) { expect_types_of_llama_quantize(llama_7m(), "llama-7m", 43); }

TEST(Schemes, ChooseTheTypesOfLlamaQuantizeForLlama30m) {
  QUERN_NEEDS_SHARED("reference/llama-30m");
  expect_types_of_llama_quantize(shared_folder() / "reference" / "llama-30m", "llama-30m", 58);
}

TEST(Schemes, SuggestTheNearestName) {
  for (const Scheme* scheme : schemes()) EXPECT_EQ(&find_scheme(scheme->name), scheme);
  try {
    find_scheme("q4km");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("q4_k_m"), std::string::npos) << error.what();
  }
}

TEST(Plan, ReadsBackFromItsJsonWithTheSameHash) {
  const Plan plan = Planned(tiny("tiny-llama-bias")).plan("q4_k_m", "gguf", "statistics");
  EXPECT_FALSE(plan.notes.empty());
  const Plan back = plan_from_json(parse_json(dump_json(to_json(plan), 1)));
  EXPECT_EQ(back, plan);
  EXPECT_EQ(back.sha256(), plan.sha256());
  Plan other = plan;
  other.steps.back().codec = "bf16";
  EXPECT_NE(other.sha256(), plan.sha256());
}

TEST(Plan, HashDoesNotChangeWithTheProgram) {
  Plan plan{.scheme = "q8_0", .format = "gguf", .source_sha256 = "ab", .statistics_sha256 = ""};
  plan.steps.push_back({"a", "b", "q8_0", "rtn", 34, "why"});
  // sha256sum of
  // {"version":1,"scheme":"q8_0","format":"gguf","source_sha256":"ab","statistics_sha256":"","steps":[{"tensor":"a",
  // "output":"b","codec":"q8_0","optimizer":"rtn","bytes":34,"reason":"why"}],"notes":[]} in one line
  EXPECT_EQ(plan.sha256(), "085fd0bf13ecc370a2013b7cb2f2f069e59cdc879f444dadb6ab81ce2c78244b");
}

TEST(Plan, JsonThatIsNotAPlanIsRefused) {
  const Json good = to_json(Planned(tiny("tiny-llama-bias")).plan("q8_0", "gguf"));
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, Json>>{{"version", Json(2)}, {"steps", Json(3)}, {"scheme", Json()}}) {
    Json bad = good;
    bad.set(key, value);
    EXPECT_THROW(plan_from_json(bad), Error) << key;
  }
  try {
    plan_from_json(parse_json(R"({"version":1,"scheme":"q8_0"})"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("format"), std::string::npos) << error.what();
  }
}

TEST(Plan, WeighsColumnsOnlyWhereStatisticsAndAGroupAre) {
  const Planned planned(tiny("tiny-llama-bias"));
  for (const PlanStep& step : planned.plan("q8_0", "gguf").steps) EXPECT_EQ(step.optimizer, "rtn") << step.output;
  const Plan plan = planned.plan("q8_0", "gguf", "statistics");
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Weight& weight = planned.spec.weights[planned.gguf_names.weights[i].weight];
    const bool product = weight.axes.size() >= 2 && !weight.group.empty();
    EXPECT_EQ(plan.steps[i].optimizer, product ? "weighted" : "rtn") << weight.tensor;
    EXPECT_EQ(plan.steps[i].codec == "f32", weight.axes.size() < 2) << weight.tensor;
  }
}

TEST(Plan, RowsThatDoNotDivideTakeTheNextLargerCodecWithANote) {
  const Planned planned(tiny("tiny-llama-bias"));  // rows of 64 and 96
  const Plan plan = planned.plan("q4_k_m", "gguf");
  std::size_t matrices = 0;
  for (const PlanStep& step : plan.steps) {
    if (step.codec == kFloat32) continue;
    ++matrices;
    const bool wanted_q6_k = step.reason.find("do not fit q6_k") != std::string::npos;
    EXPECT_EQ(step.codec, wanted_q6_k ? "q8_0" : "q5_0") << step.output;
    EXPECT_NE(step.reason.find("do not fit q"), std::string::npos) << step.reason;
  }
  EXPECT_EQ(plan.notes.size(), matrices);
  EXPECT_NE(plan.notes.front().find(" instead of q"), std::string::npos) << plan.notes.front();
}

TEST(Plan, RowsOf192OfLlama3mTakeTheNextLargerCodec) {
  QUERN_NEEDS_SHARED("reference/llama-3m");
  const Planned planned(shared_folder() / "reference" / "llama-3m");
  const Plan plan = planned.plan("q4_k_m", "gguf");
  std::size_t raised = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Weight& weight = planned.spec.weights[planned.gguf_names.weights[i].weight];
    if (weight.axes.size() < 2) continue;
    const bool divides = weight.axes.back().extent % 256 == 0;
    EXPECT_EQ(plan.steps[i].codec == "q8_0" || plan.steps[i].codec == "q5_0", !divides) << weight.tensor;
    raised += !divides;
  }
  EXPECT_EQ(plan.notes.size(), raised);
  EXPECT_GT(raised, 30u);
}

TEST(Plan, RefusesASchemeThatTheContainerCannotHold) {
  const Planned planned(tiny("tiny-llama-bias"));
  try {
    planned.plan("q4_k_m", "safetensors");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInfeasible);
    EXPECT_NE(std::string(error.what()).find("use --format gguf"), std::string::npos) << error.what();
  }
  EXPECT_THROW(planned.plan("simple", "gguf"), Error);
}

TEST(NextBetterCodec, IsTheLeastOfThoseWithMoreBits) {
  const Format &gguf = find_format("gguf"), &safetensors = find_format("safetensors");
  const auto next = [](const char* codec, const Format& format, std::uint64_t cols) {
    const Codec* better = next_better_codec(*find_codec(codec), format, cols);
    return std::string(better ? better->name : "none");
  };
  EXPECT_EQ(next("q4_k", gguf, 256), "q5_k");
  EXPECT_EQ(next("q5_k", gguf, 256), "q6_k");
  EXPECT_EQ(next("q6_k", gguf, 256), "q8_0");
  EXPECT_EQ(next("q2_k", gguf, 256), "q3_k");
  EXPECT_EQ(next("q3_k", gguf, 256), "q4_k");
  EXPECT_EQ(next("q3_k", gguf, 192), "q4_0");
  EXPECT_EQ(next("q4_k", gguf, 192), "q5_0");
  EXPECT_EQ(next("q5_k", gguf, 192), "q8_0");
  EXPECT_EQ(next("q4_k", gguf, 100), "bf16");
  EXPECT_EQ(next("q8_0", gguf, 256), "bf16");
  EXPECT_EQ(next("bf16", gguf, 256), "f32");
  EXPECT_EQ(next("f32", gguf, 256), "none");
  EXPECT_EQ(next("int8_channel", safetensors, 100), "bf16");
}

}  // namespace
}  // namespace quern
