// Extents from tensors alone, against the configurations with which transformers made the fixtures.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "format/formats.h"
#include "model/llama_fixture.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> fixtures() {
  const fs::path data = QUERN_TESTDATA;
  std::vector<fs::path> paths{fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m"};
  for (const char* name : {"tiny-llama-bias", "tiny-llama-linear", "tiny-mistral", "tiny-qwen3", "tiny-bitnet",
                           "tiny-gpt2", "tiny-mamba", "tiny-mixtral", "tiny-mixtral-stacked"})
    paths.push_back(data / "runtime" / name);
  for (const char* name : {"tiny-gpt2.gguf", "tiny-mamba.gguf", "tiny-mixtral.gguf", "tiny-qwen3.gguf"})
    paths.push_back(data / "model" / name);
  for (const char* name : {"llama-3m", "llama-30m", "mamba-8m", "mixtral-moe15m"})
    if (const fs::path path = shared_folder() / "reference" / name; fs::exists(path)) paths.push_back(path);
  return paths;
}

// Names, shapes and configuration of a file.
FakeModel headers_of(const fs::path& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  FakeModel model{checkpoint.config(), checkpoint.metadata(), {}};
  for (const TensorEntry& entry : checkpoint.tensors()) model.shapes[entry.name] = entry.shape;
  return model;
}

Evidence evidence_of(const ModelSpec& spec, const std::string& property) {
  const auto found = std::ranges::find(spec.evidence, property, &Evidence::property);
  return found == spec.evidence.end() ? Evidence{} : *found;
}

std::string source_of(const ModelSpec& spec, const std::string& property) { return evidence_of(spec, property).source; }

// What no tensor shows. Everything else must be equal.
std::set<std::string> hidden_extents(const std::string& architecture) {
  if (architecture == "mamba") return {};
  if (architecture == "qwen3") return {"context"};
  if (architecture == "gpt2") return {"heads"};
  return {"context", "head_dim", "heads", "kv_heads"};
}

void expect_extents(const ModelSpec& inferred, const ModelSpec& truth, const std::string& what) {
  EXPECT_EQ(inferred.architecture, truth.architecture) << what;
  const std::set<std::string> unseen = hidden_extents(truth.architecture);
  for (const auto& [name, value] : truth.extents) {
    const Evidence evidence = evidence_of(inferred, name);
    EXPECT_EQ(evidence.kind == Evidence::Kind::kAssumed, unseen.contains(name))
        << what << " " << name << ": " << evidence.source;
    if (unseen.contains(name)) continue;
    EXPECT_EQ(inferred.extent(name), value) << what << " " << name;
  }
  if (truth.architecture == "gpt2" || truth.architecture == "mamba") return;
  EXPECT_EQ(inferred.extent("heads") * truth.extent("kv_heads"), truth.extent("heads") * inferred.extent("kv_heads"))
      << what;
}

TEST(Infer, EveryExtentThatTensorsShowComesFromThem) {
  for (const fs::path& path : fixtures()) {
    const ModelSpec truth = describe_model(open_checkpoint(path));
    FakeModel model = headers_of(path);
    expect_extents(infer_model(model.open()), truth, path.string());
    if (model.config.is_null()) continue;
    model.config = Json::object();
    const ModelSpec alone = describe_model(model.open());
    expect_extents(alone, truth, path.string() + " with an empty config.json");
    EXPECT_EQ(alone.weights.size(), truth.weights.size());
    EXPECT_EQ(alone.tied_head, truth.tied_head);
  }
}

// Keys of config.json whose value a tensor shows, and the extent that they set.
constexpr std::pair<const char*, const char*> kKeys[] = {{"hidden_size", "hidden"},
                                                         {"num_hidden_layers", "layers"},
                                                         {"num_attention_heads", "heads"},
                                                         {"num_key_value_heads", "kv_heads"},
                                                         {"head_dim", "head_dim"},
                                                         {"intermediate_size", "inner"},
                                                         {"vocab_size", "vocab"},
                                                         {"num_local_experts", "experts"},
                                                         {"n_embd", "hidden"},
                                                         {"n_layer", "layers"},
                                                         {"n_inner", "inner"},
                                                         {"n_positions", "context"},
                                                         {"state_size", "state"},
                                                         {"conv_kernel", "kernel"},
                                                         {"time_step_rank", "rank"}};

TEST(Infer, AWrongValueOfTheConfigurationIsAnErrorAndBothSidesAreKnown) {
  std::size_t changed = 0;
  for (const fs::path& path : fixtures()) {
    const FakeModel right = headers_of(path);
    if (right.config.is_null()) continue;
    const ModelSpec truth = describe_model(right.open());
    for (const auto& [key, extent] : kKeys) {
      const Json* value = right.config.find(key);
      const bool unused = truth.architecture == "mamba" && std::string_view(key) == "intermediate_size";
      if (!value || value->is_null() || unused) continue;
      FakeModel wrong = right;
      const std::uint64_t twice = 2 * value->as_uint64();
      wrong.config.set(key, twice);
      const std::string what = path.string() + " " + key;
      SCOPED_TRACE(what);
      expect_input_error([&] { describe_model(wrong.open()); }, "while describing");
      EXPECT_EQ(claimed_model(wrong.open()).extent(extent), twice);
      expect_extents(infer_model(wrong.open()), truth, what);
      ++changed;
    }
  }
  EXPECT_GE(changed, 60u);
}

TEST(Infer, ARotaryTableShowsTheHeadDimension) {
  FakeModel model = headers_of(fs::path(QUERN_TESTDATA) / "runtime" / "tiny-llama-bias");
  model.config = Json();
  model.shapes["model.layers.0.self_attn.rotary_emb.inv_freq"] = {8};
  const ModelSpec spec = infer_model(model.open());
  EXPECT_EQ(spec.extent("head_dim"), 16u);
  EXPECT_EQ(spec.extent("heads"), 4u);
  EXPECT_EQ(spec.extent("kv_heads"), 2u);
  for (const char* name : {"head_dim", "heads", "kv_heads"})
    EXPECT_EQ(evidence_of(spec, name).kind, Evidence::Kind::kInferred) << source_of(spec, name);
}

TEST(Infer, ClaimsAreReadWithoutATensor) {
  FakeModel model = headers_of(fs::path(QUERN_TESTDATA) / "runtime" / "tiny-mistral");
  model.shapes.clear();
  model.config.set("tie_word_embeddings", true);
  const ModelSpec claimed = claimed_model(model.open());
  EXPECT_EQ(claimed.extent("hidden"), 64u);
  EXPECT_EQ(source_of(claimed, "hidden"), "config.json hidden_size");
  EXPECT_TRUE(claimed.weights.empty() && claimed.blocks.empty());
}

TEST(UnmatchedTensors, AreThoseThatNoFamilyHasAPlaceFor) {
  for (const fs::path& path : fixtures()) {
    FakeModel model = headers_of(path);
    EXPECT_EQ(unmatched_tensors(model.open()), std::vector<std::string>{}) << path;
    model.shapes["model.layers.x.mlp.up_proj.weight"] = {3, 3};
    model.shapes["visual.patch.weight"] = {3, 3};
    EXPECT_EQ(unmatched_tensors(model.open()),
              (std::vector<std::string>{"model.layers.x.mlp.up_proj.weight", "visual.patch.weight"}))
        << path;
  }
}

FakeModel runtime_fixture(const char* name) { return headers_of(fs::path(QUERN_TESTDATA) / "runtime" / name); }

TEST(BadTensors, AMissingExpertIsNamed) {
  FakeModel model = runtime_fixture("tiny-mixtral");
  for (const char* part : {"w1", "w2", "w3"})
    model.shapes.erase(std::string("model.layers.1.block_sparse_moe.experts.3.") + part + ".weight");
  expect_input_error([&] { describe_model(model.open()); },
                     "3 of the 69 tensors that such a model needs are missing: "
                     "model.layers.1.block_sparse_moe.experts.3.w1.weight");
  expect_input_error([&] { infer_model(model.open()); }, "model.layers.1.block_sparse_moe.experts.3.w2.weight");
}

TEST(BadTensors, ARouterWithTheWrongNumberOfOutputsShowsBothSides) {
  for (const auto& [name, router] : {std::pair{"tiny-mixtral", "model.layers.2.block_sparse_moe.gate.weight"},
                                     std::pair{"tiny-mixtral-stacked", "model.layers.2.mlp.gate.weight"}}) {
    FakeModel model = runtime_fixture(name);
    ASSERT_EQ(model.shapes.count(router), 1u);
    model.shapes[router] = {4, 32};
    expect_input_error([&] { describe_model(model.open()); },
                       std::string("config.json says num_local_experts 5, but ") + router + " is [4, 32]");
  }
}

TEST(BadTensors, AConvolutionOfAnotherLengthShowsBothSides) {
  FakeModel model = runtime_fixture("tiny-mamba");
  model.shapes["backbone.layers.1.mixer.conv1d.weight"] = {96, 1, 4};
  expect_input_error([&] { describe_model(model.open()); },
                     "config.json says conv_kernel 3, but backbone.layers.1.mixer.conv1d.weight is [96, 1, 4]");
}

TEST(BadTensors, GgufMetadataThatLiesShowsBothSides) {
  const std::tuple<const char*, const char*, std::uint32_t, const char*> lies[] = {
      {"tiny-mamba.gguf", "mamba.ssm.conv_kernel", 4, "mamba.ssm.conv_kernel 4, but blk.0.ssm_conv1d.weight is"},
      {"tiny-mamba.gguf", "mamba.block_count", 3, "mamba.block_count 3, but 9 of the 32"},
      {"tiny-mamba.gguf", "mamba.block_count", 1, "no place in such a model for"},
      {"tiny-mixtral.gguf", "llama.expert_count", 6, "llama.expert_count 6, but blk.0.ffn_gate_inp.weight is [5, 32]"},
      {"tiny-qwen3.gguf", "qwen3.attention.head_count_kv", 4, "qwen3.attention.head_count_kv 4"},
      {"tiny-gpt2.gguf", "gpt2.context_length", 64, "gpt2.context_length 64, but position_embd.weight is [128, 32]"}};
  for (const auto& [file, key, value, message] : lies) {
    SCOPED_TRACE(key);
    FakeModel model = headers_of(fs::path(QUERN_TESTDATA) / "model" / file);
    ASSERT_TRUE(model.metadata.find(key));
    model.metadata.set(key, value);
    expect_input_error([&] { describe_model(model.open()); }, message);
  }
}

TEST(UnknownModel, MatricesAndVectorsByNameAndShape) {
  FakeModel model{Json::object({{"architectures", Json::array({"ResNet"})}}), {}, {}};
  const std::pair<const char*, Shape> tensors[] = {{"fc.weight", {64, 128}},
                                                   {"fc.bias", {64}},
                                                   {"conv.weight", {64, 64, 3, 3}},
                                                   {"embedding.weight", {64, 64}},
                                                   {"odd.weight", {64, 66}},
                                                   {"small.weight", {31, 64}},
                                                   {"norm.weight", {64, 64}},
                                                   {"unnamed", {64, 64}},
                                                   {"scalar", {}},
                                                   {"none", {0, 4}}};
  for (const auto& [name, shape] : tensors) model.shapes[name] = shape;
  const Checkpoint checkpoint = model.open();
  EXPECT_EQ(recognise(checkpoint), nullptr);
  const ModelSpec spec = describe_or_list(checkpoint);
  EXPECT_EQ(spec.architecture, kUnknownArchitecture);
  EXPECT_TRUE(spec.blocks.empty());
  std::map<std::string, std::set<std::string>> by_role;
  for (const Weight& weight : spec.weights) by_role[weight.role].insert(weight.tensor);
  EXPECT_EQ(by_role.size(), 4u);
  EXPECT_EQ(by_role["matrix"], std::set<std::string>{"fc.weight"});
  EXPECT_EQ(by_role["kernel"], (std::set<std::string>{"conv.weight", "odd.weight", "small.weight"}));
  EXPECT_EQ(by_role["vector"], (std::set<std::string>{"fc.bias"}));
  EXPECT_EQ(by_role["other"], (std::set<std::string>{"embedding.weight", "norm.weight", "unnamed"}));
  EXPECT_EQ(source_of(spec, "architecture"), "the checkpoint has architectures [\"ResNet\"] in config.json");
  EXPECT_EQ(source_of(spec, "small.weight"), "an extent below 32");
}

TEST(UnknownModel, WithoutFloatsOfItsOwnSaysWhatItHas) {
  Checkpoint::Contents contents{"safetensors", "some/model", {}, {}, {}, {}};
  for (const auto& [name, encoding] : {std::pair{"a", "c64"}, {"b", "c64"}, {"c", "i64"}})
    contents.tensors.push_back({name, {4, 4}, encoding, {}});
  const Checkpoint checkpoint(std::move(contents));
  expect_input_error([&] { describe_or_list(checkpoint); }, "2 tensors of c64, 1 tensor of i64");
}

TEST(UnknownModel, TakesDoublesForTheNearestFloats) {
  Checkpoint::Contents contents{"safetensors", "some/model", {}, {}, {}, {}};
  contents.tensors.push_back({"fc.weight", {64, 128}, "f64", {}});
  const ModelSpec spec = describe_or_list(Checkpoint(std::move(contents)));
  EXPECT_EQ(spec.weights.at(0).role, "matrix");
  EXPECT_EQ(spec.notes, std::vector<std::string>{"1 tensor stored as f64 is read as the nearest f32"});
}

TEST(UnknownModel, AKnownModelThatIsBrokenIsNoUnknownOne) {
  FakeModel model = runtime_fixture("tiny-mistral");
  model.shapes.erase("model.norm.weight");
  expect_input_error([&] { describe_or_list(model.open()); }, "model.norm.weight");
}

}  // namespace
}  // namespace quern
