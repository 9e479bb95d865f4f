// The schemes' choices held to llama-quantize's, tensor by tensor, on five models (testdata/plan/README.md). By name
// only, on descriptions made from the GGUF names: neither the models nor the codecs are needed.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/file.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "plan/choice.h"
#include "plan/plan.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

using Row = std::vector<std::string>;

std::vector<Row> rows_of_csv(const char* name) {
  std::vector<Row> rows;
  std::istringstream lines(read_text(std::filesystem::path(QUERN_TESTDATA) / "plan" / name));
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) {
    Row row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    rows.push_back(row);
  }
  return rows;
}

const std::map<std::string, std::string> kRoles = {{"token_embd.weight", "embed"},
                                                   {"output.weight", "head"},
                                                   {"output_norm.weight", "norm"},
                                                   {"attn_norm.weight", "norm"},
                                                   {"ffn_norm.weight", "norm"},
                                                   {"attn_q.weight", "attn.q"},
                                                   {"attn_k.weight", "attn.k"},
                                                   {"attn_v.weight", "attn.v"},
                                                   {"attn_qkv.weight", "attn.qkv"},
                                                   {"attn_output.weight", "attn.o"},
                                                   {"ffn_gate.weight", "mlp.gate"},
                                                   {"ffn_up.weight", "mlp.up"},
                                                   {"ffn_down.weight", "mlp.down"},
                                                   {"ffn_gate_inp.weight", "moe.router"},
                                                   {"ffn_gate_exps.weight", "moe.gate"},
                                                   {"ffn_up_exps.weight", "moe.up"},
                                                   {"ffn_down_exps.weight", "moe.down"},
                                                   {"ssm_in.weight", "ssm.in"},
                                                   {"ssm_conv1d.weight", "ssm.conv"},
                                                   {"ssm_conv1d.bias", "ssm.conv.bias"},
                                                   {"ssm_x.weight", "ssm.x"},
                                                   {"ssm_dt.weight", "ssm.dt"},
                                                   {"ssm_dt.bias", "ssm.dt.bias"},
                                                   {"ssm_a", "ssm.A_log"},
                                                   {"ssm_d", "ssm.D"},
                                                   {"ssm_out.weight", "ssm.out"}};

Weight weight_of(const std::string& tensor, const std::string& shape) {
  Weight weight{.tensor = tensor};
  std::string name = tensor;
  if (tensor.starts_with("blk.")) {
    weight.layer = std::stoi(tensor.substr(4));
    name = tensor.substr(tensor.find('.', 4) + 1);
  }
  weight.role = kRoles.at(name);
  std::istringstream extents(shape);
  for (std::string extent; std::getline(extents, extent, 'x');) weight.axes.push_back({"", std::stoull(extent)});
  return weight;
}

ModelSpec spec_of(const std::string& model) {
  static const std::map<std::string, std::map<std::string, std::uint64_t>> extents = {
      {"llama-3m", {{"layers", 6}, {"heads", 6}, {"kv_heads", 2}}},
      {"llama-7m", {{"layers", 6}, {"heads", 8}, {"kv_heads", 4}}},
      {"llama-30m", {{"layers", 8}, {"heads", 8}, {"kv_heads", 4}}},
      {"mamba-8m", {{"layers", 12}}},
      {"mixtral-moe15m", {{"layers", 6}, {"heads", 8}, {"kv_heads", 4}, {"experts", 8}}}};
  ModelSpec spec{.extents = {extents.at(model).begin(), extents.at(model).end()}, .tied_head = true};
  for (const Row& row : rows_of_csv("tensor_shapes.csv")) {
    if (row.at(0) != model) continue;
    spec.weights.push_back(weight_of(row.at(1), row.at(2)));
    if (spec.weights.back().role == "head") spec.tied_head = false;
  }
  return spec;
}

std::string chosen(const Scheme& scheme, const ModelSpec& spec, const Weight& weight, const std::string& statistics) {
  const FitInput fit{scheme, find_format("gguf"), weight};
  if (keeps_precision(weight)) return kept_encoding(fit, "bf16");
  return choose_codec(fit, {.weight = weight, .spec = spec, .has_statistics = statistics == "imatrix"}).codec;
}

class LlamaQuantize : public ::testing::TestWithParam<const char*> {
 protected:
  const std::string model = GetParam();
  const ModelSpec spec = spec_of(model);
  std::map<std::string, std::string> kept;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> mixes;  // scheme, statistics

  void SetUp() override {
    for (const Row& row : rows_of_csv("llama_quantize_types.csv")) {
      if (row.at(0) != model) continue;
      if (row.at(1) == "kept")
        kept[row.at(3)] = row.at(4);
      else if (row.at(2) != "any")
        mixes[{row[1], row[2]}][row.at(3)] = row.at(4);
      else
        for (const char* statistics : {"imatrix", "none"}) mixes[{row[1], statistics}][row.at(3)] = row.at(4);
    }
  }

  std::string expected(const std::map<std::string, std::string>& types, const std::string& tensor) const {
    if (kept.contains(tensor)) return kept.at(tensor);
    const std::string type = types.contains(tensor) ? types.at(tensor) : types.at("*");
    return type == "refused" ? "f16" : type;  // the next rule of the mixes that do not give up
  }
};

TEST_P(LlamaQuantize, ChoosesTheSameTypes) {
  // The mixes of grids (iq1_s to iq3_m) are not on record: LlamaQuantizeRules has theirs. Those of I2_S are
  // bitnet.cpp's.
  constexpr std::size_t kNotOnRecord = 10 + 2;
  EXPECT_EQ(mixes.size(), 2 * (gguf_mixes().size() - kNotOnRecord));
  EXPECT_GT(spec.weights.size(), 50u);
  for (const auto& [mix, types] : mixes) {
    const Scheme& scheme = find_scheme(mix.first);
    for (const Weight& weight : spec.weights)
      EXPECT_EQ(chosen(scheme, spec, weight, mix.second), expected(types, weight.tensor))
          << model << " " << mix.first << " " << mix.second << " " << weight.tensor;
  }
}

// A whole plan of a checkpoint, not only the rules.
class PlansOfCheckpoints : public LlamaQuantize {};

TEST_P(PlansOfCheckpoints, GiveTheSameTypes) {
  QUERN_NEEDS_SHARED("reference/" + model);
  const Checkpoint checkpoint = open_checkpoint(shared_folder() / "reference" / model);
  const ModelSpec described = describe_model(checkpoint);
  const ExportMap names = map_to_gguf(described, checkpoint);
  std::size_t plans = 0;
  for (const auto& [mix, types] : mixes) {
    const bool is_built = std::all_of(types.begin(), types.end(), [](const auto& t) { return find_codec(t.second); });
    if (!is_built) continue;
    ++plans;
    const std::string statistics = mix.second == "imatrix" ? "hash" : "";
    const Plan plan = make_plan({find_scheme(mix.first),
                                 find_format("gguf"),
                                 described,
                                 names,
                                 CheckpointWeights(checkpoint),
                                 {statistics, ""}});
    EXPECT_EQ(plan.steps.size(), spec.weights.size());
    for (const PlanStep& step : plan.steps)
      EXPECT_EQ(step.codec, expected(types, step.output)) << mix.first << " " << step.output;
  }
  EXPECT_GE(plans, 10u);
}

std::string without_dashes(const testing::TestParamInfo<const char*>& model_info) {
  std::string name = model_info.param;
  std::erase(name, '-');
  return name;
}

const auto kReferenceModels = ::testing::Values("llama-3m", "llama-7m", "llama-30m", "mamba-8m", "mixtral-moe15m");

INSTANTIATE_TEST_SUITE_P(Models, PlansOfCheckpoints, kReferenceModels, without_dashes);
INSTANTIATE_TEST_SUITE_P(Models, LlamaQuantize, kReferenceModels, without_dashes);

// Rules that none of the five models reaches, from reading llama_tensor_get_type: by role, for a model of given
// extents.
struct Corner {
  const char* scheme;
  const char* role;
  int layer;
  std::map<std::string, std::uint64_t> extents;
  const char* expected;
};

void expect_corners(const std::vector<Corner>& corners) {
  for (const Corner& corner : corners) {
    ModelSpec spec{.extents = corner.extents};
    for (int layer = 0; layer < static_cast<int>(corner.extents.at("layers")); ++layer)
      spec.weights.push_back({.role = corner.role, .axes = {{"", 256}, {"", 512}}, .layer = layer});
    const Weight& weight = spec.weights.at(static_cast<std::size_t>(std::max(0, corner.layer)));
    EXPECT_EQ(chosen(find_scheme(corner.scheme), spec, weight, "none"), corner.expected)
        << corner.scheme << " " << corner.role << " " << corner.layer;
  }
}

TEST(LlamaQuantizeRules, HoldWhereNoReferenceModelReaches) {
  const std::map<std::string, std::uint64_t> grouped{{"layers", 32}, {"heads", 32}, {"kv_heads", 8}},
      plain{{"layers", 32}, {"heads", 32}, {"kv_heads", 32}}, huge{{"layers", 80}, {"heads", 64}, {"kv_heads", 8}},
      sixty_five{{"layers", 80}, {"heads", 64}, {"kv_heads", 64}},
      sixteen{{"layers", 32}, {"heads", 32}, {"kv_heads", 32}, {"experts", 16}};
  const std::vector<Corner> corners = {
      {"q2_k", "attn.v", 5, grouped, "q4_k"},      {"q2_k", "attn.v", 5, plain, "q3_k"},
      {"q2_k", "attn.v", 5, huge, "q5_k"},         {"iq4_xs", "attn.v", 5, grouped, "q5_k"},
      {"iq4_nl", "attn.v", 5, grouped, "q5_k"},    {"q3_k_s", "attn.v", 5, huge, "q5_k"},
      {"q3_k_s", "attn.v", 5, sixty_five, "q3_k"}, {"q4_k_m", "attn.v", 12, huge, "q6_k"},
      {"q4_k_m", "attn.v", 11, huge, "q5_k"},      {"q4_k_m", "attn.v", 11, sixty_five, "q4_k"},
      {"q4_k_m", "attn.qkv", 4, plain, "q4_k"},    {"q4_k_m", "attn.qkv", 3, plain, "q6_k"},
      {"q3_k_m", "mlp.down", 1, plain, "q5_k"},    {"q3_k_m", "mlp.down", 2, plain, "q4_k"},
      {"q4_k_s", "attn.v", 3, plain, "q5_k"},      {"q4_k_s", "attn.v", 4, plain, "q4_k"},
      {"q4_k_s", "mlp.down", 3, plain, "q5_k"},    {"q4_k_s", "mlp.down", 4, plain, "q4_k"},
      {"q4_k_m", "attn.o", 3, sixteen, "q4_k"},    {"q4_k_m", "attn.k", 3, sixteen, "q4_k"},
      {"q3_k_l", "attn.o", 3, sixteen, "q5_k"},    {"mxfp4_moe", "moe.gate_up", 3, sixteen, "mxfp4"},
      {"mxfp4_moe", "attn.q", 3, sixteen, "q8_0"}, {"tq1_0", "embed", -1, plain, "q4_k"},
      {"q4_k_m", "pos_embed", -1, plain, "f32"},   {"q2_k", "attn.q_norm", 3, plain, "f32"},
      {"q2_k", "moe.router", 3, sixteen, "f32"}};
  expect_corners(corners);
}

// By reading llama_tensor_get_type; without statistics.
TEST(LlamaQuantizeRules, HoldForTheMixesOfGrids) {
  const std::map<std::string, std::uint64_t> grouped{{"layers", 32}, {"heads", 32}, {"kv_heads", 8}},
      plain{{"layers", 32}, {"heads", 32}, {"kv_heads", 32}}, huge{{"layers", 80}, {"heads", 64}, {"kv_heads", 8}},
      eight{{"layers", 32}, {"heads", 32}, {"kv_heads", 32}, {"experts", 8}};
  const std::vector<Corner> corners = {
      {"iq2_xs", "head", -1, plain, "q5_k"},       {"iq2_xs", "embed", -1, plain, "q2_k"},
      {"iq2_xs", "attn.v", 5, plain, "q2_k"},      {"iq2_xs", "attn.v", 5, grouped, "q4_k"},
      {"iq2_xs", "attn.v", 5, eight, "q4_k"},      {"iq2_xs", "attn.k", 5, eight, "q4_k"},
      {"iq2_xs", "mlp.down", 3, plain, "q2_k"},    {"iq2_xs", "mlp.down", 4, plain, "iq2_xs"},
      {"iq2_xxs", "attn.o", 3, plain, "iq2_xxs"},  {"iq2_s", "attn.o", 3, eight, "q5_k"},
      {"iq2_s", "mlp.down", 3, plain, "iq3_s"},    {"iq2_s", "attn.o", 3, plain, "iq3_s"},
      {"iq2_s", "attn.q", 3, plain, "iq2_xs"},     {"iq2_m", "attn.q", 3, plain, "iq2_s"},
      {"iq2_m", "embed", -1, plain, "iq3_s"},      {"iq1_s", "attn.o", 3, plain, "iq2_xxs"},
      {"iq1_m", "attn.v", 3, plain, "q2_k"},       {"iq1_m", "mlp.up", 3, plain, "iq1_m"},
      {"iq3_xxs", "head", -1, plain, "q5_k"},      {"iq3_xxs", "embed", -1, plain, "iq3_s"},
      {"iq3_xxs", "attn.q", 3, plain, "iq2_s"},    {"iq3_xxs", "attn.k", 3, plain, "iq2_s"},
      {"iq3_xxs", "attn.k", 3, eight, "q8_0"},     {"iq3_xxs", "attn.v", 5, plain, "iq3_s"},
      {"iq3_xxs", "attn.v", 5, huge, "q5_k"},      {"iq3_xxs", "attn.o", 5, plain, "iq3_s"},
      {"iq3_xxs", "attn.o", 5, eight, "q5_k"},     {"iq3_xxs", "mlp.down", 3, plain, "q4_k"},
      {"iq3_xxs", "mlp.down", 4, plain, "q3_k"},   {"iq3_xs", "mlp.gate", 3, plain, "iq3_s"},
      {"iq3_xs", "mlp.gate", 4, plain, "iq3_xxs"}, {"iq3_xs", "mlp.up", 28, plain, "iq3_s"},
      {"iq3_xs", "attn.k", 3, plain, "iq3_xxs"},   {"iq3_s", "attn.v", 5, grouped, "q4_k"},
      {"iq3_s", "attn.o", 3, plain, "iq3_s"},      {"iq3_s", "head", -1, plain, "q6_k"},
      {"iq3_m", "attn.o", 3, plain, "q4_k"},       {"iq3_m", "mlp.down", 3, plain, "q4_k"},
      {"iq3_m", "mlp.down", 4, plain, "iq3_s"},    {"iq3_m", "attn.v", 4, plain, "q4_k"},
      {"iq3_m", "moe.down", 6, eight, "q4_k"},     {"iq3_m", "moe.down", 7, eight, "iq3_s"}};
  expect_corners(corners);
}

}  // namespace
}  // namespace quern
