// Rules read, matched, refused; maps laid over a model; the printed map.
#include "plan/precision_map.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "plan/precision_table.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

template <typename Body>
std::string message_of(ErrorCode code, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

std::string refusal(const char* map) {
  return message_of(ErrorCode::kUsage, [&] { parse_precision_map(map); });
}

MatchKind match(const char* pattern, std::string_view name) {
  return PrecisionRule(pattern, "q8_0").matches(std::span(&name, 1));
}

TEST(PrecisionRule, MatchesWholeNames) {
  EXPECT_EQ(match("attn.q", "attn.q"), MatchKind::kByName);
  EXPECT_EQ(match("attn.q", "attn.q_norm"), MatchKind::kNone);
  EXPECT_EQ(match("attn.*", "attn.q"), MatchKind::kByPattern);
  EXPECT_EQ(match("attn.*", "attnXq"), MatchKind::kNone);  // a dot is a dot
  EXPECT_EQ(match("*.0.*", "model.layers.0.mlp"), MatchKind::kByPattern);
  EXPECT_EQ(match("*.0", "model.layers.0.mlp"), MatchKind::kNone);
  EXPECT_EQ(match("layer?", "layer7"), MatchKind::kByPattern);
  EXPECT_EQ(match("layer?", "layer17"), MatchKind::kNone);
  EXPECT_EQ(match("a+b(*", "a+b(c"), MatchKind::kByPattern);
  EXPECT_EQ(match("re:.*\\.(0|11)\\.mlp\\..*", "layers.11.mlp.up"), MatchKind::kByPattern);
  EXPECT_EQ(match("re:.*\\.(0|11)\\.mlp\\..*", "layers.1.mlp.up"), MatchKind::kNone);
  EXPECT_EQ(match("re:mlp", "layers.1.mlp.up"), MatchKind::kNone);
}

TEST(PrecisionRule, TakesLinearTimeOnPatternsThatBacktrack) {
  const std::string name(5000, 'a');
  EXPECT_EQ(match("re:(a*)*b", name), MatchKind::kNone);
  EXPECT_EQ(match("*a*a*a*a*a*a*a*a*a*b", name), MatchKind::kNone);
}

TEST(PrecisionMap, ReadsRulesInOrder) {
  const PrecisionMap map = parse_precision_map(
      R"([{"match":"embed","codec":"q8_0"},{"match":"*","codec":"bf16","optional":true,"optimizer":"rtn"}])");
  ASSERT_EQ(map.rules.size(), 2u);
  EXPECT_EQ(map.rules[0].match, "embed");
  EXPECT_EQ(map.rules[0].codec, "q8_0");
  EXPECT_FALSE(map.rules[0].optional);
  EXPECT_TRUE(map.rules[0].optimizer.empty());
  EXPECT_TRUE(map.rules[1].optional);
  EXPECT_EQ(map.rules[1].optimizer, "rtn");
}

TEST(PrecisionMap, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(refusal(R"([{"match":"embed","codec":"q4k"}])").find("did you mean q4_k"), std::string::npos);
  EXPECT_NE(refusal(R"([{"match":"a","codec":"q8_0"},{"match":"b","codec":"q8_0","optionl":true}])")
                .find("did you mean optional? (rule 2 of the precision map)"),
            std::string::npos);
  EXPECT_NE(refusal(R"([{"match":"a","codec":"q8_0","optimizer":"weihgted"}])").find("weighted"), std::string::npos);
  EXPECT_NE(refusal(R"j([{"match":"re:(","codec":"q8_0"}])j").find("missing )"), std::string::npos);
  EXPECT_NE(refusal(R"j([{"match":"re:(?=a)b","codec":"q8_0"}])j").find("cannot be read as a pattern"),
            std::string::npos);
  EXPECT_NE(refusal(R"([{"match":"","codec":"q8_0"}])").find("empty"), std::string::npos);
  EXPECT_NE(refusal(R"([{"codec":"q8_0"}])").find("match"), std::string::npos);
  EXPECT_NE(refusal(R"([{"match":"a","codec":8}])").find("string"), std::string::npos);
  EXPECT_NE(refusal(R"({"match":"a","codec":"q8_0"})").find("a list of rules"), std::string::npos);
  EXPECT_NE(refusal("[3]").find("a rule is an object"), std::string::npos);
  refusal("[");
  refusal(R"j([{"match":"re:((((a{1,99}){1,99}){1,99}){1,99})","codec":"q8_0"}])j");
}

TEST(PrecisionMap, FileErrorsNameTheFile) {
  const fs::path path = fs::path(::testing::TempDir()) / "precision-map.json";
  std::ofstream(path) << R"([{"match":"embed","codec":"q4k"}])";
  EXPECT_NE(message_of(ErrorCode::kUsage, [&] { read_precision_map(path); }).find(path.string()), std::string::npos);
  fs::remove(path);
  EXPECT_NE(message_of(ErrorCode::kInput, [&] { read_precision_map(path); }).find(path.string()), std::string::npos);
}

Weight weight(const char* role, std::vector<Axis> axes, const char* tensor = nullptr) {
  return {.role = role, .tensor = tensor ? tensor : role, .axes = std::move(axes)};
}

const Weight kRouter = weight("moe.router", {{"experts", 8}, {"hidden", 256}}, "layers.0.mlp.gate.weight");

std::string router_refusal(const char* map_text) {
  return message_of(ErrorCode::kUsage, [&] {
    const PrecisionMap map = parse_precision_map(map_text);
    MapApplication(map).rule_for(kRouter, "blk.0.ffn_gate_inp.weight");
  });
}

TEST(MapApplication, RefusesARouterInFewBitsThatNoRuleNames) {
  for (const char* map : {R"([{"match":"*","codec":"q4_k"}])", R"([{"match":"*gate*","codec":"q4_k"}])",
                          R"([{"match":"moe.*","codec":"q8_0"}])", R"([{"match":"re:.*gate.*","codec":"q4_k"}])"}) {
    const std::string message = router_refusal(map);
    EXPECT_NE(message.find("layers.0.mlp.gate.weight (moe.router)"), std::string::npos) << message;
    EXPECT_NE(message.find("keep 16 or 32 bits unless"), std::string::npos) << message;
  }
}

TEST(MapApplication, TakesARouterByNameOrInEnoughBits) {
  for (const char* map :
       {R"([{"match":"moe.router","codec":"q4_k"}])", R"([{"match":"layers.0.mlp.gate.weight","codec":"q4_k"}])",
        R"([{"match":"blk.0.ffn_gate_inp.weight","codec":"q4_k"}])", R"([{"match":"*","codec":"bf16"}])"}) {
    const PrecisionMap parsed = parse_precision_map(map);
    EXPECT_EQ(MapApplication(parsed).rule_for(kRouter, "blk.0.ffn_gate_inp.weight"), 0u) << map;
  }
  const PrecisionMap first =
      parse_precision_map(R"([{"match":"moe.router","codec":"f16"},{"match":"*","codec":"q4_k"}])");
  EXPECT_EQ(MapApplication(first).rule_for(kRouter, "x"), 0u);
}

TEST(MapApplication, PatternsPassOverVectorsWithANote) {
  const PrecisionMap map = parse_precision_map(R"([{"match":"*","codec":"q8_0"},{"match":"ssm.D","codec":"bf16"}])");
  MapApplication application(map);
  EXPECT_EQ(application.rule_for(weight("norm", {{"hidden", 256}}), "n"), std::nullopt);
  EXPECT_EQ(application.rule_for(weight("ssm.D", {{"inner", 256}}), "d"), 1u);
  EXPECT_EQ(application.rule_for(weight("mlp.up", {{"inner", 2}, {"hidden", 256}}), "u"), 0u);
  std::vector<std::string> notes;
  const PrecisionMapUse use = application.finish(notes);
  ASSERT_EQ(notes.size(), 1u);  // a quarter left to the scheme is no warning
  EXPECT_NE(notes[0].find("passes over 2 vectors"), std::string::npos) << notes[0];
  EXPECT_EQ(use.rules[0].parameters, 512u);
  EXPECT_EQ(use.rules[1].tensors, 1u);
  EXPECT_EQ(use.unmatched_parameters, 256u);
}

TEST(MapApplication, NothingMatchedIsAnErrorUnlessOptional) {
  const auto finish = [](const char* text) {
    const PrecisionMap map = parse_precision_map(text);
    MapApplication application(map);
    application.rule_for(weight("attn.q", {{"a", 2}, {"b", 256}}, "layers.0.q_proj.weight"), "blk.0.attn_q.weight");
    std::vector<std::string> notes;
    application.finish(notes);
    return notes;
  };
  const std::string message = message_of(ErrorCode::kUsage, [&] { finish(R"([{"match":"atn.q","codec":"q8_0"}])"); });
  EXPECT_NE(message.find("\"atn.q\") matches no tensor"), std::string::npos) << message;
  EXPECT_NE(message.find("near it: attn.q"), std::string::npos) << message;
  EXPECT_EQ(finish(R"([{"match":"atn.q","codec":"q8_0","optional":true}])").size(), 1u);  // 100% left to the scheme
  EXPECT_EQ(finish(R"([{"match":"attn.q","codec":"q8_0"}])").size(), 0u);
  const std::vector<std::string> shadowed =
      finish(R"([{"match":"attn.q","codec":"q8_0"},{"match":"*q_proj*","codec":"bf16"}])");
  ASSERT_EQ(shadowed.size(), 1u);
  EXPECT_NE(shadowed[0].find("rule 2 of the precision map (\"*q_proj*\") decides nothing"), std::string::npos);
}

TEST(MapApplication, WarnsWhenMoreThanThirtyPercentIsLeft) {
  const PrecisionMap map = parse_precision_map(R"([{"match":"embed","codec":"q8_0"}])");
  const auto notes = [&](std::uint64_t others) {
    MapApplication application(map);
    application.rule_for(weight("embed", {{"vocab", 70}, {"hidden", 32}}), "e");
    application.rule_for(weight("attn.q", {{"rows", others}, {"hidden", 32}}), "q");
    std::vector<std::string> said;
    application.finish(said);
    return said;
  };
  EXPECT_TRUE(notes(30).empty());
  ASSERT_EQ(notes(31).size(), 1u);
  EXPECT_NE(notes(31)[0].find("1 tensor with 31% of the parameters to the scheme"), std::string::npos) << notes(31)[0];
}

class MappedPlan : public ::testing::Test {
 protected:
  const Checkpoint source = open_checkpoint(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const ModelSpec spec = describe_model(source);
  const ExportMap names = map_to_gguf(spec, source);

  Plan plan(const char* map_text, const char* statistics = "") const {
    const PrecisionMap map = parse_precision_map(map_text);
    return make_plan(
        {find_scheme("q4_k_m"), find_format("gguf"), spec, names, CheckpointWeights(source), {statistics, ""}, &map});
  }
};

TEST_F(MappedPlan, TheContainerPrescribesWhatIsComputedValueByValue) {
  const Plan mapped = plan(R"([{"match":"norm","codec":"bf16"}])");
  const auto norm = std::ranges::find(mapped.steps, "output_norm.weight", &PlanStep::output);
  ASSERT_NE(norm, mapped.steps.end());
  EXPECT_EQ(norm->codec, "f32");
  const auto told = [&](const std::string& note) { return note.find("model.norm.weight: f32 instead of bf16") == 0; };
  EXPECT_TRUE(std::ranges::any_of(mapped.notes, told));
}

TEST_F(MappedPlan, FirstMatchWinsAndTheRestKeepsTheScheme) {
  const Plan mapped = plan(R"([{"match":"blk.0.attn_q.weight","codec":"bf16"},{"match":"attn.q","codec":"q8_0"},
                               {"match":"model.layers.*.mlp.up_proj.weight","codec":"q5_k","optimizer":"rtn"}])",
                           "statistics");
  const Plan alone = make_plan(
      {find_scheme("q4_k_m"), find_format("gguf"), spec, names, CheckpointWeights(source), {"statistics", ""}});
  ASSERT_EQ(mapped.steps.size(), alone.steps.size());
  for (std::size_t i = 0; i < alone.steps.size(); ++i) {
    const PlanStep& step = mapped.steps[i];
    const bool q = step.output.ends_with("attn_q.weight"), up = step.output.ends_with("ffn_up.weight");
    if (!q && !up) {
      EXPECT_EQ(step, alone.steps[i]);
      continue;
    }
    EXPECT_EQ(step.codec, up ? "q5_k" : step.output == "blk.0.attn_q.weight" ? "bf16" : "q8_0") << step.output;
    EXPECT_EQ(step.optimizer, up ? "rtn" : "weighted");
    EXPECT_NE(step.reason.find("of the precision map"), std::string::npos) << step.reason;
  }
  ASSERT_TRUE(mapped.precision_map);
  EXPECT_EQ(mapped.precision_map->rules[0].tensors, 1u);
  EXPECT_EQ(mapped.precision_map->rules[1].tensors, 5u);
  EXPECT_EQ(mapped.precision_map->rules[1].parameters, 5u * 256 * 256);
  EXPECT_EQ(mapped.precision_map->rules[2].parameters, 6u * 256 * 768);
  EXPECT_NE(mapped.notes.back().find("to the scheme"), std::string::npos);
  EXPECT_EQ(plan_from_json(parse_json(dump_json(to_json(mapped)))), mapped);
}

TEST_F(MappedPlan, RowsAndContainersDecideLast) {
  EXPECT_NE(
      message_of(ErrorCode::kInfeasible, [&] { plan(R"([{"match":"attn.q","codec":"int8_channel"}])"); })
          .find("rule 1 of the precision map (\"attn.q\") needs the number format int8_channel, which gguf cannot "
                "hold; use `format` safetensors"),
      std::string::npos);
  EXPECT_NO_THROW(plan(R"([{"match":"norm","codec":"q8_0"}])"));  // asked by name
}

TEST(PrecisionMap, GivesATensorOneNumberFormat) {
  for (const char* codec : {R"(["ternary_b3","seedlm_4"])", R"("seedlm_4+vptq_v6_k4096")", R"("seedlm_4, hyper_225")"})
    EXPECT_NE(message_of(ErrorCode::kUsage,
                         [&] { parse_precision_map(fmt::format(R"([{{"match":"attn.q","codec":{}}}])", codec)); })
                  .find("docs/tasks/chain.md"),
              std::string::npos)
        << codec;
}

TEST_F(MappedPlan, TableSaysWhatCameOfIt) {
  const Plan mapped = plan(R"([{"match":"embed","codec":"q8_0"},{"match":"re:.*proj.*","codec":"q4_k"}])");
  double shares = 0;
  std::uint64_t tensors = 0;
  const std::vector<WidthShare> widths = width_shares(mapped);
  for (const WidthShare& width : widths) shares += width.share, tensors += width.tensors;
  EXPECT_DOUBLE_EQ(shares, 1);
  EXPECT_EQ(tensors, mapped.steps.size());
  ASSERT_EQ(widths.size(), 3u);
  EXPECT_EQ(widths[0].codec, "f32");
  EXPECT_EQ(widths[0].parameters, 13u * 256);
  EXPECT_EQ(widths[1].codec, "q8_0");
  EXPECT_DOUBLE_EQ(widths[1].bits(), 8.5);
  EXPECT_DOUBLE_EQ(widths[2].bits(), 4.5);
  const std::string table = precision_table(mapped);
  EXPECT_NE(table.find("q8_0  8.50 bits    1 tensor   30.8%"), std::string::npos) << table;
  EXPECT_NE(table.find("Precision map: 43 tensors matched, 13 with 0.0% of the parameters left to scheme q4_k_m"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("2  re:.*proj.*  q4_k              42 tensors   69.2%"), std::string::npos) << table;
  const Json json = to_json(mapped);
  EXPECT_EQ(json.at("widths").as_array().size(), 3u);
  EXPECT_EQ(json.at("precision_map").at("unmatched_tensors").as_uint64(), 13u);
}

}  // namespace
}  // namespace quern
