// Specs of Llama and Mistral models: tensors as transformers saves them, contradictions, and the shape of the graph.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "format/formats.h"
#include "model/llama_fixture.h"
#include "model/rope_frequencies.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

ModelSpec spec_of(const FakeModel& model) { return describe_model(model.open()); }

// What every spec keeps true: each tensor once, in one block (a tied embedding in two); axes as the shapes; every value
// made before it is read.
void expect_sound(const ModelSpec& spec, const Checkpoint& checkpoint) {
  std::map<std::string, int> used;
  for (const Weight& weight : spec.weights) {
    EXPECT_EQ(used.count(weight.tensor), 0u) << weight.tensor;
    used[weight.tensor] = 0;
    const TensorEntry& entry = checkpoint.at(weight.tensor);
    ASSERT_EQ(entry.shape.size(), weight.axes.size()) << weight.tensor;
    for (std::size_t i = 0; i < entry.shape.size(); ++i)
      EXPECT_EQ(entry.shape[i], weight.axes[i].extent) << weight.tensor;
  }
  ASSERT_EQ(spec.blocks.size(), spec.extent("layers") + 2);
  for (std::size_t b = 0; b < spec.blocks.size(); ++b) {
    std::set<std::string> values{b == 0 ? "ids" : "hidden"};
    for (const Op& op : spec.blocks[b].ops) {
      for (const std::string& input : op.inputs)
        EXPECT_TRUE(values.contains(input)) << spec.blocks[b].name << ": " << input;
      values.insert(op.output);
    }
    EXPECT_TRUE(values.contains(b + 1 == spec.blocks.size() ? "logits" : "hidden"));
    for (const std::size_t index : spec.weights_of(spec.blocks[b])) ++used[spec.weights[index].tensor];
  }
  for (const auto& [tensor, times] : used)
    EXPECT_EQ(times, spec.tied_head && tensor == spec.weights[0].tensor ? 2 : 1) << tensor;
  EXPECT_TRUE(std::holds_alternative<LinearOp>(spec.blocks.back().ops.back().kind));
}

const Weight& weight_named(const ModelSpec& spec, const std::string& tensor) {
  for (const Weight& weight : spec.weights) {
    if (weight.tensor == tensor) return weight;
  }
  throw Error(ErrorCode::kInternal, "no weight " + tensor);
}

TEST(Llama, EveryTensorThatTransformersSavesIsUsedOnce) {
  for (const auto& [name, row] : golden().at("models").as_object()) {
    const FakeModel model = golden_model(name);
    const Checkpoint checkpoint = model.open();
    const ModelSpec spec = describe_model(checkpoint);
    EXPECT_EQ(spec.weights.size(), row.at("tensors").as_object().size()) << name;
    EXPECT_EQ(spec.architecture, "llama");
    expect_sound(spec, checkpoint);
  }
}

TEST(Llama, TheReferenceModelsAreDescribed) {
  const std::pair<const char*, std::size_t> models[] = {
      {"llama-3m", 6 * 9 + 2}, {"llama-7m", 6 * 9 + 2}, {"llama-30m", 8 * 9 + 3}};
  for (const auto& [name, weights] : models) {
    const std::string folder = std::string("reference/") + name;
    QUERN_NEEDS_SHARED(folder);
    const Checkpoint checkpoint = open_checkpoint(shared_folder() / folder);
    const ModelSpec spec = describe_model(checkpoint);
    expect_sound(spec, checkpoint);
    EXPECT_EQ(spec.weights.size(), weights);
    EXPECT_EQ(checkpoint.tensors().size(), weights);
  }
}

TEST(Llama, ALayerIsTheGraphOfTheArchitecture) {
  const ModelSpec spec = spec_of(golden_model("llama_tied"));
  std::vector<std::string> lines;
  for (const Op& op : spec.blocks[1].ops) {
    std::string line = op.output + " <-";
    for (const std::string& input : op.inputs) line += " " + input;
    for (const std::size_t index : op.weights) line += " [" + spec.weights[index].role + "]";
    lines.push_back(line);
  }
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "attn.in <- hidden [norm]", "q <- attn.in [attn.q]", "k <- attn.in [attn.k]",
                       "v <- attn.in [attn.v]", "q.rope <- q", "k.rope <- k", "attn.out <- q.rope k.rope v",
                       "attn.delta <- attn.out [attn.o]", "hidden <- hidden attn.delta", "mlp.in <- hidden [norm]",
                       "gate <- mlp.in [mlp.gate]", "up <- mlp.in [mlp.up]", "mlp.out <- gate up",
                       "mlp.delta <- mlp.out [mlp.down]", "hidden <- hidden mlp.delta"}));
  const AttentionOp attention = ops_of<AttentionOp>(spec.blocks[1]).at(0);
  EXPECT_EQ(attention.heads, 4u);
  EXPECT_EQ(attention.kv_heads, 2u);
  EXPECT_EQ(attention.head_dim, 8u);
  EXPECT_DOUBLE_EQ(attention.scale, 1 / std::sqrt(8.0));
  EXPECT_EQ(attention.window, 0u);
  EXPECT_EQ(ops_of<RopeOp>(spec.blocks[1]).at(1).pairing, RopeOp::Pairing::kHalves);
  EXPECT_EQ(ops_of<RmsNormOp>(spec.blocks[1]).at(0).epsilon, 1e-6);
}

TEST(Llama, WeightsThatShareAnInputShareAGroup) {
  const ModelSpec spec = spec_of(golden_model("llama_biased_llama3"));
  const std::string layer = "model.layers.1.";
  for (const char* name : {"q", "k", "v"})
    EXPECT_EQ(weight_named(spec, layer + "self_attn." + name + "_proj.weight").group, "layers.1.attn.in");
  EXPECT_EQ(weight_named(spec, layer + "self_attn.o_proj.weight").group, "layers.1.attn.out");
  for (const char* name : {"gate", "up"})
    EXPECT_EQ(weight_named(spec, layer + "mlp." + name + "_proj.weight").group, "layers.1.mlp.in");
  EXPECT_EQ(weight_named(spec, layer + "mlp.down_proj.weight").group, "layers.1.mlp.out");
  EXPECT_EQ(weight_named(spec, "lm_head.weight").group, "head.in");
  for (const char* name : {"model.embed_tokens.weight", "model.norm.weight", "model.layers.1.self_attn.q_proj.bias"}) {
    EXPECT_EQ(weight_named(spec, name).group, "") << name;
  }
  EXPECT_EQ(weight_named(spec, layer + "self_attn.k_proj.weight").axes[0].name, "kv_heads*head_dim");
  EXPECT_EQ(weight_named(spec, layer + "mlp.down_proj.weight").axes[1].name, "inner");
  EXPECT_EQ(weight_named(spec, layer + "mlp.down_proj.weight").layer, 1);
}

TEST(Llama, ATiedHeadMultipliesByTheEmbedding) {
  const ModelSpec spec = spec_of(golden_model("llama_tied"));
  EXPECT_TRUE(spec.tied_head);
  EXPECT_EQ(spec.blocks.back().ops.back().weights, std::vector<std::size_t>{0});
  EXPECT_EQ(spec.weights[0].role, "embed");
  EXPECT_EQ(spec.weights[0].group, "head.in");
}

TEST(Llama, AMissingHeadMeansTiedAndATiedOneIsIgnored) {
  FakeModel untied = golden_model("mistral_whole");
  EXPECT_FALSE(spec_of(untied).tied_head);
  untied.shapes.erase("lm_head.weight");
  untied.config.set("tie_word_embeddings", false);
  EXPECT_THROW(spec_of(untied), Error);  // what it says contradicts what it holds
  untied.config.set("tie_word_embeddings", Json());
  EXPECT_TRUE(spec_of(untied).tied_head);
  FakeModel tied = golden_model("llama_tied");
  tied.shapes["lm_head.weight"] = {64, 32};
  const ModelSpec spec = spec_of(tied);
  EXPECT_TRUE(spec.tied_head);
  EXPECT_EQ(spec.weights.size(), 20u);
}

TEST(Llama, BiasesBelongToTheirMatrices) {
  const ModelSpec spec = spec_of(golden_model("llama_biased_llama3"));
  std::size_t with_bias = 0;
  for (const Op& op : spec.blocks[1].ops) {
    if (!std::holds_alternative<LinearOp>(op.kind)) continue;
    ASSERT_EQ(op.weights.size(), 2u);
    EXPECT_EQ(spec.weights[op.weights[1]].role, spec.weights[op.weights[0]].role + ".bias");
    ++with_bias;
  }
  EXPECT_EQ(with_bias, 7u);
}

TEST(Llama, RotaryScalingIsAppliedToTheFrequencies) {
  const ModelSpec spec = spec_of(golden_model("llama_biased_llama3"));
  const std::vector<double> plain = rope_frequencies(8, 500000);
  const std::vector<double> divisors = rope_divisors(plain, {RopeScaling::Kind::kLlama3, 8, 1, 4, 8192});
  const std::vector<double> found = ops_of<RopeOp>(spec.blocks[1]).at(0).inverse_frequencies;
  ASSERT_EQ(found.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(found[i], plain[i] / divisors[i]);
  EXPECT_GT(divisors[3], 1);
}

TEST(Llama, OlderConfigurationsKeepTheScalingApart) {
  FakeModel model = golden_model("llama_tied");
  model.config.set("rope_parameters", nullptr);
  model.config.set("rope_theta", 5000.0);
  model.config.set("rope_scaling", Json::object({{"type", "linear"}, {"factor", 2.0}}));
  const std::vector<double> found = ops_of<RopeOp>(spec_of(model).blocks[1]).at(0).inverse_frequencies;
  EXPECT_DOUBLE_EQ(found[1], std::pow(5000.0, -0.25) / 2);
}

// config.rope_parameters = rope_scaling or rope_parameters (transformers 5); the base is that of the one that counts.
TEST(Llama, AScalingBesideParametersCounts) {
  FakeModel model = golden_model("llama_tied");
  model.config.set("rope_theta", nullptr);
  model.config.set("rope_parameters", Json::object({{"rope_type", "default"}, {"rope_theta", 10000.0}}));
  model.config.set("rope_scaling", Json::object({{"rope_type", "linear"}, {"factor", 2.0}}));
  const auto frequencies = [&] { return ops_of<RopeOp>(spec_of(model).blocks[1]).at(0).inverse_frequencies; };
  EXPECT_DOUBLE_EQ(frequencies()[1], std::pow(10000.0, -0.25) / 2);
  model.config.set("rope_scaling", Json::object());
  EXPECT_DOUBLE_EQ(frequencies()[1], std::pow(10000.0, -0.25));
}

TEST(Llama, MistralHasAWindowUnlessItIsNull) {
  const ModelSpec spec = spec_of(golden_model("mistral_window"));
  EXPECT_EQ(ops_of<AttentionOp>(spec.blocks[2]).at(0).window, 24u);
  EXPECT_EQ(spec.extent("head_dim"), 16u);
  EXPECT_EQ(ops_of<AttentionOp>(spec_of(golden_model("mistral_whole")).blocks[2]).at(0).window, 0u);
  FakeModel llama = golden_model("llama_tied");
  llama.config.set("sliding_window", 24);
  EXPECT_EQ(ops_of<AttentionOp>(spec_of(llama).blocks[1]).at(0).window, 0u);
}

TEST(Llama, AbsentValuesAreTransformersDefaults) {
  FakeModel model = golden_model("llama_tied");
  Json config = Json::object();
  for (const char* key :
       {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"}) {
    config.set(key, model.config.at(key));
  }
  for (auto& [name, shape] : model.shapes) {
    if (name.ends_with("k_proj.weight") || name.ends_with("v_proj.weight")) shape = {32, 32};
  }
  model.config = config;
  const ModelSpec spec = spec_of(model);
  EXPECT_EQ(spec.extent("kv_heads"), 4u);
  EXPECT_EQ(spec.extent("head_dim"), 8u);
  EXPECT_EQ(spec.extent("context"), 2048u);
  EXPECT_EQ(ops_of<RmsNormOp>(spec.blocks[1]).at(0).epsilon, 1e-6);
  EXPECT_DOUBLE_EQ(ops_of<RopeOp>(spec.blocks[1]).at(0).inverse_frequencies[1], 0.1);
}

TEST(Llama, WhatCannotBePartOfItIsLetBe) {
  FakeModel model = golden_model("llama_tied");
  const std::size_t weights = spec_of(model).weights.size();
  model.shapes["v_head.summary.weight"] = {1, 32};
  model.shapes["model.layers.0.self_attn.k_scale"] = {};
  model.shapes["model.unused"] = {0};
  EXPECT_EQ(spec_of(model).weights.size(), weights);
  EXPECT_EQ(unmatched_tensors(model.open()),
            (std::vector<std::string>{"model.layers.0.self_attn.k_scale", "model.unused", "v_head.summary.weight"}));
  model.shapes["lm_head.bias"] = {64};
  expect_input_error([&] { spec_of(model); }, "no place in such a model for 1 tensor: lm_head.bias");
}

struct Refusal {
  const char* name;
  const char* model;
  void (*damage)(FakeModel&);
  const char* message;
};

class RefusedLlama : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedLlama, SaysWhatContradictsWhat) {
  FakeModel model = golden_model(GetParam().model);
  GetParam().damage(model);
  expect_input_error([&] { spec_of(model); }, GetParam().message);
  expect_input_error([&] { spec_of(model); }, "(while describing some/model");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RefusedLlama,
    testing::Values(
        Refusal{"Inner", "llama_tied", [](FakeModel& m) { m.config.set("intermediate_size", 40); },
                "config.json says intermediate_size 40, but model.layers.0.mlp.gate_proj.weight is [48, 32]"},
        Refusal{"Vocab", "llama_tied", [](FakeModel& m) { m.config.set("vocab_size", 65); },
                "config.json says vocab_size 65, but model.embed_tokens.weight is [64, 32]"},
        Refusal{"Heads", "llama_tied", [](FakeModel& m) { m.config.set("num_attention_heads", 8); },
                "config.json says num_attention_heads 8 and head_dim 8, but model.layers.0.self_attn.q_proj.weight is "
                "[32, 32]"},
        Refusal{"KvHeads", "llama_tied", [](FakeModel& m) { m.config.set("num_key_value_heads", 4); },
                "config.json says num_key_value_heads 4 and head_dim 8, but model.layers.0.self_attn.k_proj.weight is "
                "[16, 32]"},
        Refusal{"Hidden", "llama_tied", [](FakeModel& m) { m.shapes["model.layers.1.input_layernorm.weight"] = {33}; },
                "config.json says hidden_size 32, but model.layers.1.input_layernorm.weight is [33]"},
        Refusal{"Rank", "llama_tied", [](FakeModel& m) { m.shapes["model.norm.weight"] = {1, 32}; },
                "model.norm.weight is [1, 32], but 1 axes were expected (hidden)"},
        Refusal{"FewerLayers", "llama_tied", [](FakeModel& m) { m.config.set("num_hidden_layers", 1); },
                "config.json says num_hidden_layers 1, and there is no place in such a model for 9 tensors: "
                "model.layers.1.input_layernorm.weight"},
        Refusal{"MoreLayers", "llama_tied", [](FakeModel& m) { m.config.set("num_hidden_layers", 3); },
                "config.json says num_hidden_layers 3, but 9 of the 29 tensors that such a model needs are missing: "
                "model.layers.2"},
        Refusal{"Missing", "llama_tied", [](FakeModel& m) { m.shapes.erase("model.layers.1.mlp.up_proj.weight"); },
                "1 of the 20 tensors that such a model needs are missing: model.layers.1.mlp.up_proj.weight"},
        Refusal{"Unmatched", "llama_tied",
                [](FakeModel& m) { m.shapes["model.layers.0.self_attn.o_norm.weight"] = {8}; },
                "no place in such a model for 1 tensor: model.layers.0.self_attn.o_norm.weight"},
        Refusal{"BiasUndeclared", "llama_biased_llama3", [](FakeModel& m) { m.config.set("attention_bias", false); },
                "config.json says attention_bias false, but there is model.layers.0.self_attn.q_proj.bias"},
        Refusal{"BiasOfAClassWithoutAny", "llama_biased_llama3",
                [](FakeModel& m) {
                  m.config.set("architectures", Json::array({"MistralForCausalLM"}));
                  m.config.set("model_type", "mistral");
                },
                "a MistralForCausalLM has no tensors for attention_bias, but there is "
                "model.layers.0.self_attn.q_proj.bias"},
        Refusal{"BiasMissing", "llama_tied", [](FakeModel& m) { m.config.set("mlp_bias", true); },
                "are missing: model.layers.0.mlp.gate_proj.bias"}),
    [](const auto& row) { return std::string(row.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Values, RefusedLlama,
    testing::Values(
        Refusal{"Activation", "llama_tied", [](FakeModel& m) { m.config.set("hidden_act", "gelu"); },
                "hidden_act \"gelu\""},
        Refusal{"LongRope", "llama_tied",
                [](FakeModel& m) {
                  m.config.set("rope_parameters", Json::object({{"rope_type", "longrope"}, {"factor", 4.0}}));
                },
                "rotary scaling \"longrope\""},
        Refusal{"Factor", "llama_tied",
                [](FakeModel& m) {
                  m.config.set("rope_parameters", Json::object({{"rope_type", "linear"}, {"factor", 0.0}}));
                },
                "gives 0 as the scaling factor"},
        Refusal{"NoFactor", "llama_tied",
                [](FakeModel& m) { m.config.set("rope_parameters", Json::object({{"rope_type", "linear"}})); },
                "has no factor of the rotary scaling"},
        Refusal{"Llama3Order", "llama_biased_llama3",
                [](FakeModel& m) {
                  Json rope = m.config.at("rope_parameters");
                  rope.set("high_freq_factor", 1.0);
                  m.config.set("rope_parameters", rope);
                },
                "low_freq_factor 1, high_freq_factor 1"},
        Refusal{"Partial", "llama_tied", [](FakeModel& m) { m.config.set("partial_rotary_factor", 0.5); },
                "partial_rotary_factor 0.5"},
        Refusal{
            "RopePerKind", "llama_tied",
            [](FakeModel& m) { m.config.set("rope_parameters", Json::object({{"full_attention", Json::object()}})); },
            "for \"full_attention\" apart"},
        Refusal{"Theta", "llama_tied",
                [](FakeModel& m) { m.config.set("rope_parameters", Json::object({{"rope_theta", -1}})); },
                "gives -1 as the base of the rotary frequencies"},
        Refusal{"Epsilon", "llama_tied", [](FakeModel& m) { m.config.set("rms_norm_eps", 0); },
                "gives 0 as the epsilon"},
        Refusal{"ZeroLayers", "llama_tied", [](FakeModel& m) { m.config.set("num_hidden_layers", 0); },
                "num_hidden_layers 0, which is outside"},
        Refusal{"ManyLayers", "llama_tied", [](FakeModel& m) { m.config.set("num_hidden_layers", 10001); },
                "outside 1..10000"},
        Refusal{"ZeroHeads", "llama_tied", [](FakeModel& m) { m.config.set("num_attention_heads", 0); },
                "num_attention_heads 0"},
        Refusal{"ZeroKvHeads", "llama_tied", [](FakeModel& m) { m.config.set("num_key_value_heads", 0); },
                "num_key_value_heads 0"},
        Refusal{"OddHeadDim", "llama_tied", [](FakeModel& m) { m.config.set("head_dim", 7); }, "head dimension 7"},
        Refusal{"UnevenGroups", "llama_tied", [](FakeModel& m) { m.config.set("num_key_value_heads", 3); },
                "not a multiple of 3"},
        Refusal{"HugeHidden", "llama_tied", [](FakeModel& m) { m.config.set("hidden_size", std::uint64_t{1} << 60); },
                "hidden_size 1152921504606846976"},
        Refusal{"TextHidden", "llama_tied", [](FakeModel& m) { m.config.set("hidden_size", "wide"); },
                "while reading hidden_size in config.json"},
        Refusal{"NothingSaysHidden", "llama_tied",
                [](FakeModel& m) {
                  m.config.set("hidden_size", nullptr);
                  for (auto& [name, shape] : m.shapes) shape.insert(shape.begin(), 1);
                },
                "config.json has no hidden_size, and no name or shape of a tensor shows it"},
        Refusal{"ZeroWindow", "mistral_window", [](FakeModel& m) { m.config.set("sliding_window", 0); },
                "sliding_window 0"}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace quern
