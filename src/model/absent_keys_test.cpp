// Configurations that lack one key: the tensors, or what is usual, stand in for it, and the evidence says which.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "format/formats.h"
#include "model/llama_fixture.h"
#include "model/spec_json.h"

namespace quern {
namespace {

using enum Evidence::Kind;

struct AbsentKey {
  const char* fixture;  // in testdata
  const char* key;      // of config.json, or of the GGUF metadata
  const char* property;
  Evidence::Kind kind;
};

void PrintTo(const AbsentKey& row, std::ostream* out) { *out << row.fixture << " " << row.key; }

constexpr AbsentKey kRows[] = {
    {"runtime/tiny-mistral", "hidden_size", "hidden", kInferred},
    {"runtime/tiny-mistral", "num_hidden_layers", "layers", kInferred},
    {"runtime/tiny-mistral", "num_attention_heads", "heads", kInferred},
    {"runtime/tiny-mistral", "num_key_value_heads", "kv_heads", kInferred},
    {"runtime/tiny-mistral", "head_dim", "head_dim", kInferred},
    {"runtime/tiny-mistral", "intermediate_size", "inner", kInferred},
    {"runtime/tiny-mistral", "vocab_size", "vocab", kInferred},
    {"runtime/tiny-mistral", "max_position_embeddings", "context", kAssumed},
    {"runtime/tiny-mistral", "rms_norm_eps", "norm epsilon", kAssumed},
    {"runtime/tiny-mistral", "rope_parameters", "rotary base", kAssumed},
    {"runtime/tiny-qwen3", "hidden_size", "hidden", kInferred},
    {"runtime/tiny-qwen3", "num_attention_heads", "heads", kInferred},
    {"runtime/tiny-qwen3", "num_key_value_heads", "kv_heads", kInferred},
    {"runtime/tiny-qwen3", "head_dim", "head_dim", kInferred},
    {"runtime/tiny-mixtral", "num_local_experts", "experts", kInferred},
    {"runtime/tiny-mixtral", "intermediate_size", "inner", kInferred},
    {"runtime/tiny-mixtral", "num_experts_per_tok", "experts used", kAssumed},
    {"runtime/tiny-mixtral-stacked", "num_local_experts", "experts", kInferred},
    {"runtime/tiny-gpt2", "n_embd", "hidden", kInferred},
    {"runtime/tiny-gpt2", "n_layer", "layers", kInferred},
    {"runtime/tiny-gpt2", "n_head", "heads", kAssumed},
    {"runtime/tiny-gpt2", "n_inner", "inner", kInferred},
    {"runtime/tiny-gpt2", "n_positions", "context", kInferred},
    {"runtime/tiny-gpt2", "vocab_size", "vocab", kInferred},
    {"runtime/tiny-mamba", "hidden_size", "hidden", kInferred},
    {"runtime/tiny-mamba", "num_hidden_layers", "layers", kInferred},
    {"runtime/tiny-mamba", "expand", "inner", kInferred},
    {"runtime/tiny-mamba", "state_size", "state", kInferred},
    {"runtime/tiny-mamba", "conv_kernel", "kernel", kInferred},
    {"runtime/tiny-mamba", "time_step_rank", "rank", kInferred},
    {"runtime/tiny-mamba", "vocab_size", "vocab", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.embedding_length", "hidden", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.block_count", "layers", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.attention.head_count", "heads", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.attention.head_count_kv", "kv_heads", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.attention.key_length", "head_dim", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.feed_forward_length", "inner", kInferred},
    {"model/tiny-qwen3.gguf", "qwen3.context_length", "context", kAssumed},
    {"model/tiny-qwen3.gguf", "qwen3.attention.layer_norm_rms_epsilon", "norm epsilon", kAssumed},
    {"model/tiny-qwen3.gguf", "qwen3.rope.freq_base", "rotary base", kAssumed},
    {"model/tiny-mixtral.gguf", "llama.embedding_length", "hidden", kInferred},
    {"model/tiny-mixtral.gguf", "llama.block_count", "layers", kInferred},
    {"model/tiny-mixtral.gguf", "llama.attention.head_count", "heads", kInferred},
    {"model/tiny-mixtral.gguf", "llama.attention.head_count_kv", "kv_heads", kInferred},
    {"model/tiny-mixtral.gguf", "llama.feed_forward_length", "inner", kInferred},
    {"model/tiny-mixtral.gguf", "llama.context_length", "context", kAssumed},
    {"model/tiny-gpt2.gguf", "gpt2.embedding_length", "hidden", kInferred},
    {"model/tiny-gpt2.gguf", "gpt2.block_count", "layers", kInferred},
    {"model/tiny-gpt2.gguf", "gpt2.attention.head_count", "heads", kAssumed},
    {"model/tiny-gpt2.gguf", "gpt2.feed_forward_length", "inner", kInferred},
    {"model/tiny-gpt2.gguf", "gpt2.context_length", "context", kInferred},
    {"model/tiny-mamba.gguf", "mamba.embedding_length", "hidden", kInferred},
    {"model/tiny-mamba.gguf", "mamba.block_count", "layers", kInferred},
    {"model/tiny-mamba.gguf", "mamba.ssm.inner_size", "inner", kInferred},
    {"model/tiny-mamba.gguf", "mamba.ssm.state_size", "state", kInferred},
    {"model/tiny-mamba.gguf", "mamba.ssm.conv_kernel", "kernel", kInferred},
    {"model/tiny-mamba.gguf", "mamba.ssm.time_step_rank", "rank", kInferred},
};

// Names, shapes and configuration of a file.
FakeModel headers_of(const std::string& fixture) {
  const Checkpoint checkpoint = open_checkpoint(std::string(QUERN_TESTDATA "/") + fixture);
  FakeModel model{checkpoint.config(), checkpoint.metadata(), {}};
  for (const TensorEntry& entry : checkpoint.tensors()) model.shapes[entry.name] = entry.shape;
  return model;
}

void erase_key(FakeModel& model, const std::string& key) {
  model.metadata.erase(key);
  if (!model.config.is_null()) std::erase_if(model.config.as_object(), [&](const auto& m) { return m.first == key; });
}

// What is left to say of a model without that key; a tiny model may lack it anyway.
class OneAbsentKey : public testing::TestWithParam<AbsentKey> {};

TEST_P(OneAbsentKey, IsReplacedByWhatTheTensorsShowOrByWhatIsUsual) {
  const AbsentKey& row = GetParam();
  FakeModel model = headers_of(row.fixture);
  const ModelSpec whole = describe_model(model.open());
  erase_key(model, row.key);
  const ModelSpec spec = describe_model(model.open());
  const auto found = std::ranges::find(spec.evidence, row.property, &Evidence::property);
  ASSERT_NE(found, spec.evidence.end());
  EXPECT_EQ(found->kind, row.kind) << found->source;
  EXPECT_EQ(found->source.starts_with("assumed"), row.kind == kAssumed) << found->source;
  EXPECT_EQ(spec.weights.size(), whole.weights.size());
  EXPECT_EQ(spec.tied_head, whole.tied_head);
  for (const auto& [name, value] : whole.extents)
    if (row.kind == kInferred || name != row.property) {
      EXPECT_EQ(spec.extent(name), value) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(Families, OneAbsentKey, testing::ValuesIn(kRows));

TEST(AbsentKeys, KeepsAWrongValueOfAnotherOneAnError) {
  FakeModel model = headers_of("runtime/tiny-mistral");
  erase_key(model, "head_dim");
  erase_key(model, "hidden_size");
  model.config.set("num_attention_heads", 2 * model.config.at("num_attention_heads").as_uint64());
  expect_input_error(
      [&] { describe_model(model.open()); },
      "config.json says num_key_value_heads 2, and the tensors head_dim 8 "
      "(model.layers.0.self_attn.q_proj.weight is [64, 64], axis 0 is heads*head_dim, with heads 8), but "
      "model.layers.0.self_attn.k_proj.weight is [32, 64]");
}

TEST(AbsentKeys, WithoutHeadsTheirWidthIsAssumedAndTheResultSaysSo) {
  FakeModel model = headers_of("runtime/tiny-mistral");
  for (const char* key : {"num_attention_heads", "num_key_value_heads", "head_dim"}) erase_key(model, key);
  const ModelSpec spec = describe_model(model.open());
  for (const char* property : {"heads", "kv_heads", "head_dim"})
    EXPECT_EQ(std::ranges::find(spec.evidence, property, &Evidence::property)->kind, kAssumed) << property;
}

TEST(AbsentKeys, WhatIsAssumedIsListedForAPerson) {
  FakeModel model = headers_of("runtime/tiny-gpt2");
  EXPECT_EQ(assumed_values(describe_model(model.open())), std::vector<std::string>{});
  erase_key(model, "n_head");
  erase_key(model, "layer_norm_epsilon");
  const ModelSpec spec = describe_model(model.open());
  EXPECT_EQ(assumed_values(spec),
            (std::vector<std::string>{"heads 1 is assumed: heads of 32; those of every published GPT-2 are 64 long",
                                      "norm epsilon 1e-05 is assumed: the family's usual value"}));
  std::set<std::string> kinds;
  const Json json = to_json(spec);
  for (const Json& line : json.at("evidence").as_array()) kinds.insert(line.at("kind").as_string());
  EXPECT_EQ(kinds, (std::set<std::string>{"assumed", "stated"}));
}

TEST(AbsentKeys, BiasesAreThenWhatTheTensorsAre) {
  for (const auto& [fixture, key] :
       {std::pair{"runtime/tiny-llama-bias", "attention_bias"}, std::pair{"runtime/tiny-llama-bias", "mlp_bias"},
        std::pair{"runtime/tiny-mamba", "use_bias"}, std::pair{"runtime/tiny-mamba", "use_conv_bias"}}) {
    FakeModel model = headers_of(fixture);
    const std::size_t weights = describe_model(model.open()).weights.size();
    erase_key(model, key);
    EXPECT_EQ(describe_model(model.open()).weights.size(), weights) << fixture << " " << key;
  }
}

}  // namespace
}  // namespace quern
