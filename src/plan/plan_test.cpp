// Plans as data, shapes that do not divide, what keeps its precision.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "plan/better_codec.h"
#include "plan/choice.h"
#include "quern/error.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path tiny(const char* name) { return fs::path(QUERN_TESTDATA) / "runtime" / name; }

struct Planned {
  Checkpoint checkpoint;
  CheckpointWeights weights;
  ModelSpec spec;
  ExportMap gguf_names;

  explicit Planned(const fs::path& path)
      : checkpoint(open_checkpoint(path)),
        weights(checkpoint),
        spec(describe_model(checkpoint)),
        gguf_names(map_to_gguf(spec, checkpoint)) {}

  Plan plan(const char* scheme, const char* format, const std::string& statistics = {}) const {
    return make_plan({find_scheme(scheme), find_format(format), spec, gguf_names, weights, {statistics, ""}});
  }
};

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
  const Plan plan = Planned(tiny("tiny-llama-bias")).plan("q6_k", "gguf", "statistics");
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

// Names, number formats and shapes of the source's tensors, whatever numbers are in them.
TEST(Plan, NamesTheTensorsThatItIsMadeFrom) {
  const Planned a(tiny("tiny-llama-bias")), b(tiny("tiny-mistral"));
  const std::string of_a = a.plan("q8_0", "gguf").tensors_sha256;
  EXPECT_EQ(of_a.size(), 64u);
  EXPECT_EQ(of_a, a.plan("simple", "safetensors").tensors_sha256);
  EXPECT_NE(of_a, b.plan("q8_0", "gguf").tensors_sha256);
  ModelSpec other = a.spec;
  std::swap(other.weights.front(), other.weights.back());
  EXPECT_NE(of_a, source_table_hash(other, a.weights));
}

TEST(Plan, OfVersion010StillReadsBack) {
  Json json = to_json(Planned(tiny("tiny-llama-bias")).plan("q8_0", "gguf"));
  Json::Object members;
  for (const Json::Member& member : json.as_object())
    members.push_back(member.first == "tensors_sha256" ? Json::Member{"source_sha256", "ab"} : member);
  const Plan plan = plan_from_json(Json(members));
  EXPECT_EQ(plan.source_sha256, "ab");
  EXPECT_EQ(plan.tensors_sha256, "");
  EXPECT_EQ(dump_json(to_json(plan)), dump_json(Json(members)));
}

TEST(Plan, JsonThatIsNotAPlanIsRefused) {
  const Json good = to_json(Planned(tiny("tiny-llama-bias")).plan("q8_0", "gguf"));
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, Json>>{{"version", Json(2)}, {"steps", Json(3)}, {"scheme", Json()}}) {
    Json bad = good;
    bad.set(key, value);
    EXPECT_THROW(plan_from_json(bad), Error) << key;
  }
  const auto expect_named = [](const char* json, const char* missing) {
    try {
      plan_from_json(parse_json(json));
      ADD_FAILURE() << json;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find(missing), std::string::npos) << error.what();
    }
  };
  expect_named(R"({"version":1,"scheme":"q8_0","steps":[]})", "format");
  expect_named(R"({"version":1,"scheme":"q8_0"})", "no steps");
  expect_named(R"({"version":1,"scheme":"q8_0","format":"gguf","source_sha256":"","statistics_sha256":"","notes":[],
                   "steps":[{"tensor":"a"}]})",
               "step 0");
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

TEST(Plan, RowsThatDoNotDivideTakeTheSchemesSubstituteWithANote) {
  const Planned planned(tiny("tiny-llama-bias"));  // rows of 64 and 96
  const Plan plan = planned.plan("q6_k", "gguf");
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

TEST(Plan, RowsOf192OfLlama3mTakeTheSubstitute) {
  QUERN_NEEDS_SHARED("reference/llama-3m");
  const Planned planned(shared_folder() / "reference" / "llama-3m");
  const Plan plan = planned.plan("q6_k", "gguf");
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
    EXPECT_NE(std::string(error.what()).find("use `format` gguf"), std::string::npos) << error.what();
  }
  EXPECT_THROW(planned.plan("simple", "gguf"), Error);
}

Weight matrix(const char* role, std::uint64_t rows, std::uint64_t cols) {
  return {.role = role, .tensor = role, .axes = {{"rows", rows}, {"cols", cols}}};
}

// A container that can hold everything the presets name, whether or not it is built into this program.
const Format kRoomy{.name = "roomy", .holds = [](std::string_view encoding, std::uint64_t cols) {
                      if (encoding.starts_with("int4_g"))
                        return cols % std::stoul(std::string(encoding.substr(6))) == 0;
                      return encoding == "nf4" ? cols % 64 == 0 : encoding == "int8_channel" ? cols % 4 == 0 : true;
                    }};

std::string preset_choice(const char* scheme, const Weight& weight, const char* source, const ModelSpec& spec) {
  const FitInput fit{find_scheme(scheme), kRoomy, weight};
  if (keeps_precision(weight)) return kept_encoding(fit, source);
  return choose_codec(fit, {.weight = weight, .spec = spec, .source_encoding = source}).codec;
}

TEST(Presets, ChooseByRole) {
  const ModelSpec untied;
  const auto choose = [&](const char* scheme, const char* role, const char* source = "bf16") {
    return preset_choice(scheme, matrix(role, 8, 256), source, untied);
  };
  EXPECT_EQ(choose("simple", "norm"), "bf16");
  EXPECT_EQ(choose("simple", "norm", "f64"), "f32");  // is read, and not written
  for (const char* scheme : {"mixed", "mixed-int4"}) {
    EXPECT_EQ(choose(scheme, "embed"), "int8_channel");
    EXPECT_EQ(choose(scheme, "head"), "int8_channel");
    for (const char* role : {"moe.router", "ssm.A_log", "ssm.conv", "norm"})
      EXPECT_EQ(choose(scheme, role), "f32") << role;
    for (const char* role : {"ssm.dt", "ssm.B", "ssm.C"}) EXPECT_EQ(choose(scheme, role), "bf16") << role;
    EXPECT_EQ(choose(scheme, "ssm.x", "f16"), "f16");
  }
  EXPECT_EQ(choose("mixed", "mlp.down"), "bf16");
  EXPECT_EQ(choose("mixed", "mlp.down", "f16"), "f16");
  EXPECT_EQ(choose("mixed", "mlp.down", "f32"), "bf16");
  EXPECT_EQ(choose("mixed-int4", "mlp.down"), "int4_g128");
  EXPECT_EQ(choose("mixed-int4", "moe.up"), "int4_g128");
  EXPECT_EQ(choose("nf4", "attn.q"), "nf4");
  EXPECT_EQ(choose("nf4", "embed"), "bf16");
  EXPECT_EQ(choose("nf4", "moe.router"), "bf16");  // as the source has it
  EXPECT_EQ(choose("int8", "attn.q"), "int8_channel");
  EXPECT_EQ(choose("hyper_225_rans", "embed"), "hyper_225_rans");
  EXPECT_EQ(choose("hyper_225", "ssm.dt"), "bf16");
  EXPECT_EQ(choose("int8", "moe.router", "f16"), "f16");
}

TEST(Presets, MakeWholePlans) {
  const Planned planned(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");  // tied: the embedding makes the logits
  const Plan plan = planned.plan("mixed", "safetensors");
  EXPECT_TRUE(plan.notes.empty());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Weight& weight = planned.spec.weights[planned.gguf_names.weights[i].weight];
    const char* expected = weight.role == "embed" ? "int8_channel" : weight.role == "norm" ? "f32" : "bf16";
    EXPECT_EQ(plan.steps[i].codec, expected) << weight.tensor;
    EXPECT_EQ(plan.steps[i].parameters, rows_of(weight).rows * rows_of(weight).cols);
  }
}

TEST(Presets, StepDownWhereGroupsDoNotDivide) {
  const ModelSpec spec;
  const std::vector<std::pair<std::uint64_t, const char*>> rows = {
      {256, "int4_g128"}, {192, "int4_g64"}, {96, "int4_g32"}, {100, "int8_channel"}, {99, "bf16"}};
  for (const auto& [cols, expected] : rows) {
    const Weight weight = matrix("mlp.up", 4, cols);
    const CodecChoice choice = choose_codec({find_scheme("mixed-int4"), kRoomy, weight}, {weight, spec, "bf16"});
    EXPECT_EQ(choice.codec, expected);
    EXPECT_EQ(choice.note.empty(), cols == 256) << choice.note;
  }
  const Weight odd = matrix("mlp.up", 4, 96);
  const CodecChoice choice = choose_codec({find_scheme("nf4"), kRoomy, odd}, {odd, spec, "bf16"});
  EXPECT_EQ(choice.codec, "bf16");
  EXPECT_EQ(choice.note, "mlp.up: bf16 instead of nf4, since its rows of 96 do not fit that number format in roomy");
}

TEST(KeepsPrecision, CoversWhatIsSmallAndSensitive) {
  for (const char* role : {"norm", "norm.bias", "attn.q_norm", "attn.k_norm", "moe.router", "ssm.A_log", "ssm.D",
                           "ssm.conv", "ssm.conv.bias", "ssm.dt.bias", "pos_embed", "attn.qkv.bias"})
    EXPECT_TRUE(keeps_precision(matrix(role, 4, 4))) << role;
  for (const char* role :
       {"embed", "head", "attn.q", "moe.gate", "moe.gate_up", "ssm.in", "ssm.x", "ssm.dt", "ssm.B", "ssm.C", "ssm.out"})
    EXPECT_FALSE(keeps_precision(matrix(role, 4, 4))) << role;
  EXPECT_TRUE(keeps_precision({.role = "anything", .axes = {{"hidden", 4}}}));
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
  EXPECT_EQ(next("q3_k", gguf, 256), "iq4_xs");
  EXPECT_EQ(next("q3_k", gguf, 192), "q4_0");  // mxfp4 has fewer bits and is for weights that were trained in it
  EXPECT_EQ(next("q4_k", gguf, 192), "q5_0");
  EXPECT_EQ(next("q5_k", gguf, 192), "q8_0");
  EXPECT_EQ(next("q4_k", gguf, 100), "bf16");
  EXPECT_EQ(next("q8_0", gguf, 256), "bf16");
  EXPECT_EQ(next("bf16", gguf, 256), "f32");
  EXPECT_EQ(next("f32", gguf, 256), "none");
  EXPECT_EQ(next("int8_channel", safetensors, 100), "bf16");
  EXPECT_EQ(next("iq2_xxs", gguf, 256), "iq3_xxs");  // several weights a code only where there are now
  EXPECT_EQ(next("iq3_xxs", gguf, 256), "iq4_xs");
  EXPECT_EQ(next("vptq_v3_k512", safetensors, 128), "int4_g128");
}

}  // namespace
}  // namespace quern
