// Reading Llama models from GGUF, and the names, order and permutation of an export, against the gguf package.
#include <unistd.h>

#include <cmath>
#include <set>

#include "model/llama_fixture.h"
#include "model/rope_frequencies.h"

namespace quern {
namespace {

ExportMap exported(const FakeModel& model) {
  const Checkpoint checkpoint = model.open();
  return map_to_gguf(describe_model(checkpoint), checkpoint);
}

TEST(LlamaFromGguf, IsTheSameGraphWithNeighbouringPairs) {
  const ModelSpec from_gguf = describe_model(golden_gguf("llama_biased_llama3").open());
  const ModelSpec from_folder = describe_model(golden_model("llama_biased_llama3").open());
  EXPECT_EQ(from_gguf.extents, from_folder.extents);
  EXPECT_FALSE(from_gguf.tied_head);
  ASSERT_EQ(from_gguf.weights.size(), from_folder.weights.size());
  for (std::size_t i = 0; i < from_gguf.weights.size(); ++i) {
    EXPECT_EQ(from_gguf.weights[i].tensor, golden().at("gguf_names").at(from_folder.weights[i].tensor).as_string());
    EXPECT_EQ(from_gguf.weights[i].role, from_folder.weights[i].role);
    EXPECT_EQ(from_gguf.weights[i].group, from_folder.weights[i].group);
  }
  const RopeOp rope = ops_of<RopeOp>(from_gguf.blocks[1]).at(0);
  EXPECT_EQ(rope.pairing, RopeOp::Pairing::kNeighbours);
  EXPECT_EQ(rope.inverse_frequencies, rope_frequencies(8, 10000));
  EXPECT_DOUBLE_EQ(ops_of<AttentionOp>(from_gguf.blocks[1]).at(0).scale, 1 / std::sqrt(8.0));
}

TEST(LlamaFromGguf, WithoutOutputIsTied) { EXPECT_TRUE(describe_model(golden_gguf("llama_tied").open()).tied_head); }

TEST(LlamaFromGguf, LinearScalingDividesTheFrequencies) {
  FakeModel model = golden_gguf("llama_tied");
  model.metadata.set("llama.rope.freq_base", 100.0f);
  model.metadata.set("llama.rope.scaling.factor", 4.0f);
  const auto second = [&] {
    return ops_of<RopeOp>(describe_model(model.open()).blocks[1]).at(0).inverse_frequencies[1];
  };
  EXPECT_DOUBLE_EQ(second(), std::pow(100.0, -0.25) / 4);  // no type: linear, as in llama.cpp
  model.metadata.set("llama.rope.scaling.type", "linear");
  EXPECT_DOUBLE_EQ(second(), std::pow(100.0, -0.25) / 4);
  model.metadata.set("llama.rope.scaling.type", "none");
  EXPECT_DOUBLE_EQ(second(), std::pow(100.0, -0.25));
}

class RopeFactors : public testing::Test {
 protected:
  ~RopeFactors() override { std::filesystem::remove(path_); }
  Checkpoint with_factors(const std::vector<float>& factors) {
    OutputFile file(path_);
    file.write(std::as_bytes(std::span(factors)));
    file.finish();
    const FakeModel model = golden_gguf("llama_tied");
    Checkpoint::Contents contents{"gguf", path_, {{path_, factors.size() * 4, SourceFile::Role::kWeights}},
                                  {},     {},    model.metadata};
    for (const auto& [name, shape] : model.shapes) contents.tensors.push_back({name, shape, "bf16", {}});
    contents.tensors.push_back({"rope_freqs.weight", {factors.size()}, "f32", {{0, 0, factors.size() * 4}}});
    return Checkpoint(std::move(contents));
  }
  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / ("quern_factors_" + std::to_string(::getpid()));
};

TEST_F(RopeFactors, DivideTheFrequenciesAndAreExportedAgain) {
  const Checkpoint checkpoint = with_factors({1, 2, 4, 8});
  const ModelSpec spec = describe_model(checkpoint);
  const std::vector<double> plain = rope_frequencies(8, 10000);
  const std::vector<double> found = ops_of<RopeOp>(spec.blocks[1]).at(0).inverse_frequencies;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(found[i], plain[i] / (1 << i));
  const ExportMap map = map_to_gguf(spec, checkpoint);
  ASSERT_EQ(map.extras.size(), 1u);
  EXPECT_EQ(map.extras[0].name, "rope_freqs.weight");
  EXPECT_EQ(map.extras[0].values, (std::vector<float>{1, 2, 4, 8}));
}

TEST_F(RopeFactors, OfAnotherLengthOrNotPositiveAreRefused) {
  expect_input_error([&] { describe_model(with_factors({1, 2})); },
                     "rope_freqs.weight is f32 [2], but a head dimension of 8 needs f32 [4]");
  expect_input_error([&] { describe_model(with_factors({1, 2, 0, 8})); }, "rope_freqs.weight holds 0");
}

TEST(LlamaFromGguf, ContradictionsShowBothSides) {
  const auto refused = [](std::string_view key, MetaValue value, const std::string& message) {
    FakeModel model = golden_gguf("llama_tied");
    model.metadata.set(key, std::move(value));
    expect_input_error([&] { describe_model(model.open()); }, message);
  };
  refused("llama.feed_forward_length", 40u,
          "the GGUF metadata says llama.feed_forward_length 40, but blk.0.ffn_gate.weight is [48, 32]");
  refused("llama.vocab_size", 65u, "the GGUF metadata says llama.vocab_size 65, but token_embd.weight is [64, 32]");
  refused("llama.rope.dimension_count", 4u, "key heads 8 long, the value heads 8 and the rotary part 4");
  refused("llama.expert_count", 8u, "makes it a mixtral model, but its tensors are those of a llama model");
  refused("llama.block_count", -1, "llama.block_count -1");
  refused("llama.block_count", "two", "llama.block_count");
  refused("llama.attention.head_count", 0u, "llama.attention.head_count 0");
}

TEST(LlamaToGguf, NamesAreThoseOfTheGgufPackageAndInFileOrder) {
  const FakeModel model = golden_model("llama_biased_llama3");
  const Checkpoint checkpoint = model.open();
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap map = map_to_gguf(spec, checkpoint);
  ASSERT_EQ(map.weights.size(), spec.weights.size());
  std::set<std::size_t> seen;
  for (const ExportedWeight& weight : map.weights) {
    EXPECT_EQ(weight.name, golden().at("gguf_names").at(spec.weights[weight.weight].tensor).as_string());
    EXPECT_TRUE(seen.insert(weight.weight).second);
  }
  EXPECT_EQ(map.weights.front().name, "token_embd.weight");
  EXPECT_EQ(map.weights[1].name, "blk.0.attn_norm.weight");
  EXPECT_EQ(map.weights[map.weights.size() - 2].name, "output_norm.weight");
  EXPECT_EQ(map.weights.back().name, "output.weight");
  EXPECT_EQ(exported(golden_model("llama_tied")).weights.back().name, "output_norm.weight");
}

TEST(LlamaToGguf, RowsOfQueryAndKeyArePermutedAsTheConverterDoes) {
  const ExportMap map = exported(golden_model("llama_biased_llama3"));
  std::size_t permuted = 0;
  for (const ExportedWeight& weight : map.weights) {
    const bool is_query = weight.name.find("attn_q.") != std::string::npos,
               is_key = weight.name.find("attn_k.") != std::string::npos;
    EXPECT_EQ(!weight.row_order.empty(), is_query || is_key) << weight.name;
    if (weight.row_order.empty()) continue;
    std::vector<std::uint32_t> expected;
    for (const Json& row : golden().at("row_orders").as_array()[is_query ? 0 : 1].at("rows").as_array()) {
      expected.push_back(static_cast<std::uint32_t>(row.as_uint64()));
    }
    EXPECT_EQ(weight.row_order, expected) << weight.name;
    ++permuted;
  }
  EXPECT_EQ(permuted, 8u);  // two layers, queries and keys, weights and biases
}

TEST(LlamaToGguf, MetadataIsWhatTheConverterWrites) {
  const FakeModel model = golden_model("mistral_window");
  const Metadata metadata = exported(model).metadata;
  EXPECT_EQ(metadata.text("general.architecture"), "llama");
  const std::pair<const char*, std::uint32_t> numbers[] = {
      {"llama.block_count", 2},           {"llama.context_length", 131072},
      {"llama.embedding_length", 32},     {"llama.feed_forward_length", 48},
      {"llama.attention.head_count", 4},  {"llama.attention.head_count_kv", 2},
      {"llama.vocab_size", 64},           {"llama.rope.dimension_count", 16},
      {"llama.attention.key_length", 16}, {"llama.attention.value_length", 16}};
  for (const auto& [key, value] : numbers) {
    ASSERT_TRUE(metadata.find(key)) << key;
    EXPECT_EQ(*metadata.find(key), MetaValue(value)) << key;
  }
  EXPECT_EQ(*metadata.find("llama.attention.layer_norm_rms_epsilon"), MetaValue(1e-6f));
  EXPECT_EQ(*metadata.find("llama.rope.freq_base"), MetaValue(10000.0f));
  EXPECT_EQ(metadata.find("llama.rope.scaling.type"), nullptr);
}

TEST(LlamaToGguf, ScalingBecomesMetadataOrATensor) {
  FakeModel linear = golden_model("llama_tied");
  linear.config.set("rope_parameters", Json::object({{"rope_type", "linear"}, {"factor", 2.5}}));
  const ExportMap map = exported(linear);
  EXPECT_EQ(map.metadata.text("llama.rope.scaling.type"), "linear");
  EXPECT_EQ(map.metadata.number("llama.rope.scaling.factor"), 2.5);
  EXPECT_TRUE(map.extras.empty());

  FakeModel llama3 = golden_model("llama_biased_llama3");
  for (auto& [name, shape] : llama3.shapes) {  // heads as wide as those of the golden frequencies
    if (name.find("q_proj") != std::string::npos) shape[0] = 4 * 128;
    if (name.find("k_proj") != std::string::npos || name.find("v_proj") != std::string::npos) shape[0] = 2 * 128;
    if (name.ends_with("o_proj.weight")) shape[1] = 4 * 128;
  }
  llama3.config.set("head_dim", 128);
  const ExportMap scaled = exported(llama3);
  EXPECT_EQ(scaled.metadata.find("llama.rope.scaling.type"), nullptr);
  ASSERT_EQ(scaled.extras.size(), 1u);
  EXPECT_EQ(scaled.extras[0].name, "rope_freqs.weight");
  const Json::Array& divisors = golden().at("ropes").at("llama3").at("divisors").as_array();
  ASSERT_EQ(scaled.extras[0].values.size(), divisors.size());
  for (std::size_t i = 0; i < divisors.size(); ++i)
    EXPECT_NEAR(scaled.extras[0].values[i] / divisors[i].as_double(), 1, 2e-6);
}

TEST(LlamaToGguf, FromAGgufNothingMoves) {
  FakeModel model = golden_gguf("llama_biased_llama3");
  model.metadata.set("general.name", "Tiny");
  model.metadata.set("general.file_type", 1u);
  model.metadata.set("tokenizer.ggml.model", "llama");
  model.metadata.set("llama.rope.freq_base", 5000.0f);
  const Checkpoint checkpoint = model.open();
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap map = map_to_gguf(spec, checkpoint);
  for (const ExportedWeight& weight : map.weights) {
    EXPECT_EQ(weight.name, spec.weights[weight.weight].tensor);
    EXPECT_TRUE(weight.row_order.empty());
  }
  EXPECT_EQ(map.metadata.text("general.name"), "Tiny");
  EXPECT_EQ(map.metadata.number("llama.rope.freq_base"), 5000.0);
  EXPECT_EQ(map.metadata.find("general.file_type"), nullptr);
  EXPECT_EQ(map.metadata.text("tokenizer.ggml.model"), "llama");
}

}  // namespace
}  // namespace quern
