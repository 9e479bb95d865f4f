// A family of two tensors a layer, laid down from checkpoints that fit and checkpoints that do not.
#include "model/spec_builder.h"

#include "base/fail.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "model/llama_fixture.h"

namespace quern {
namespace {

constexpr auto kModel = TensorRow::Place::kModel;
constexpr auto kLayer = TensorRow::Place::kLayer;
const Roots kFakeRoots{{"model.", ""}, "layers.", "embed.weight"};

std::vector<TensorRow> fake_rows() {
  return {
      {kEmbedKey, "embed", "embed.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
      {"up",
       "mlp.up",
       "up.weight",
       "up.weight",
       {"2*inner", "hidden"},
       "in",
       "",
       kLayer,
       TensorRow::Spelling::kTransposed},
      {"up_b", "mlp.up.bias", "up.bias", "up.bias", {"2*inner"}, "", "with_bias"},
      {"conv", "conv", "conv.weight", "conv.weight", {"hidden", "3"}, "", "", kLayer, TensorRow::Spelling::kUnitAxis},
      {"expert", "moe.down", "experts.*.weight", "exps.weight", {"experts", "inner", "hidden"}, "out"},
      {kHeadKey, "head", "lm_head.weight", "output.weight", {"vocab", "hidden"}, "head.in", kHeadOption, kModel},
  };
}

// Hidden 4, inner 3, vocabulary 10, 2 experts, 2 layers.
FakeModel fake() {
  FakeModel model{Json::object({{"model_type", "fake"}, {"num_layers", 2}}), {}, {{"model.embed.weight", {10, 4}}}};
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    model.shapes[layer + "up.weight"] = {4, 6};
    model.shapes[layer + "conv.weight"] = {4, 1, 3};
    model.shapes[layer + "experts.0.weight"] = {3, 4};
    model.shapes[layer + "experts.1.weight"] = {3, 4};
  }
  return model;
}

struct Options {
  std::optional<bool> bias, head;
};

ModelSpec built(const Checkpoint& checkpoint, Options options = {}) {
  HyperParameters parameters(checkpoint, "fake.", ConfigUse::kTrust);
  parameters.extent("layers", {"num_layers", "block_count"});
  const std::pair<const char*, std::uint64_t> extents[] = {{"hidden", 4}, {"inner", 3}, {"vocab", 10}, {"experts", 2}};
  for (const auto& [name, value] : extents) parameters.state(name, value, fmt::format("{} {}", name, value));
  SpecBuilder builder("fake", parameters, find_naming(checkpoint, kFakeRoots), fake_rows(),
                      {{"with_bias", options.bias}, {kHeadOption, options.head}},
                      [](std::string_view name) { return name.ends_with(".mask"); });
  return builder.build([&] { builder.add(EmbedOp{}, {"ids"}, "hidden", {builder.weight(kEmbedKey)}); },
                       [&] {
                         builder.linear("up", "up_b", "hidden", "wide");
                         builder.add(CausalConvOp{3}, {"hidden"}, "hidden", {builder.weight("conv")});
                         builder.weight("expert");
                       },
                       [&] { builder.add(AddOp{}, {"hidden", "hidden"}, "normed"); });
}

ModelSpec built(const FakeModel& model, Options options = {}) { return built(model.open(), options); }

// With biases of two numbers in F16, each those of `bits`.
ModelSpec built_with_biases(const std::map<std::string, std::uint32_t>& bits, Options options) {
  const ScratchFolder scratch;
  const std::filesystem::path path = scratch.path() / "biases";
  const FakeModel model = fake();
  Checkpoint::Contents contents{"hf_safetensors", path, {{path, 4 * bits.size(), SourceFile::Role::kWeights}}, {},
                                model.config,     {}};
  for (const auto& [name, shape] : model.shapes) contents.tensors.push_back({name, shape, "bf16", {}});
  std::string bytes;
  for (const auto& [name, pair] : bits) {
    contents.tensors.push_back({name, {2}, "f16", {{0, bytes.size(), 4}}});
    bytes.append(reinterpret_cast<const char*>(&pair), 4);
  }
  OutputFile(path).write(bytes);
  return built(Checkpoint(std::move(contents)), options);
}

TEST(SpecBuilder, LaysDownBlocksWithWeightsInTheirLogicalShape) {
  const ModelSpec spec = built(fake());
  ASSERT_EQ(spec.blocks.size(), 4u);
  EXPECT_EQ(spec.blocks[2].name, "layers.1");
  ASSERT_EQ(spec.weights.size(), 1 + 2 * 3u);
  const Weight &up = spec.weights[1], &conv = spec.weights[2], &expert = spec.weights[6];
  EXPECT_EQ(up.storage, Weight::Storage::kTransposed);
  EXPECT_EQ(up.layout().rows, 6u);
  EXPECT_EQ(up.layout().cols, 4u);
  EXPECT_EQ(up.axes[0].name, "2*inner");
  EXPECT_EQ(up.group, "layers.0.in");
  EXPECT_EQ(up.gguf, "blk.0.up.weight");
  EXPECT_EQ(conv.layout().cols, 3u);
  EXPECT_TRUE(conv.group.empty());
  EXPECT_EQ(expert.tensor, "model.layers.1.experts.*.weight");
  EXPECT_EQ(expert.experts(), 2u);
  ASSERT_EQ(expert.parts.size(), 2u);
  EXPECT_EQ(expert.parts[1].tensor, "model.layers.1.experts.1.weight");
  EXPECT_EQ(expert.parts[1].rows, 3u);
  EXPECT_TRUE(spec.tied_head);
  EXPECT_EQ(spec.weights[0].group, "head.in");
  EXPECT_EQ(spec.blocks.back().ops.back().weights, std::vector<std::size_t>{0});
}

TEST(SpecBuilder, AnotherRootAndGgufNamesGiveTheSame) {
  FakeModel bare = fake();
  bare.shapes.clear();
  for (const auto& [name, shape] : fake().shapes) bare.shapes[name.substr(6)] = shape;
  EXPECT_EQ(built(bare).weights[1].tensor, "layers.0.up.weight");
  FakeModel gguf;
  gguf.metadata.set("general.architecture", "fake");
  gguf.metadata.set("fake.block_count", 1u);
  gguf.shapes = {{"token_embd.weight", {10, 4}},
                 {"blk.0.up.weight", {6, 4}},
                 {"blk.0.conv.weight", {4, 3}},
                 {"blk.0.exps.weight", {2, 3, 4}}};
  const ModelSpec spec = built(gguf);
  EXPECT_EQ(spec.weights[1].storage, Weight::Storage::kPlain);
  EXPECT_TRUE(spec.weights[3].parts.empty());
  EXPECT_EQ(spec.weights[3].experts(), 2u);
}

TEST(SpecBuilder, AnOptionComesFromTheConfigurationOrTheTensors) {
  FakeModel with = fake();
  with.shapes["model.layers.0.up.bias"] = with.shapes["model.layers.1.up.bias"] = {6};
  EXPECT_EQ(built(fake()).blocks[1].ops[0].weights.size(), 1u);
  EXPECT_EQ(built(with).blocks[1].ops[0].weights.size(), 2u);
  EXPECT_EQ(built(with, {true, {}}).blocks[1].ops[0].weights.size(), 2u);
  expect_input_error([&] { built(with, {false, {}}); },
                     "config.json says with_bias false, but there is model.layers.0.up.bias");
  expect_input_error([&] { built(fake(), {true, {}}); },
                     "2 of the 11 tensors that such a model needs are missing: model.layers.0.up.bias");
}

// Whether a row of the family names them, for experts too, or none does.
TEST(SpecBuilder, BiasesOfZerosAreLeftOut) {
  const std::string up = "model.layers.0.up.bias", expert = "model.layers.1.experts.1.bias";
  constexpr std::uint32_t kMinusZero = 0x8000'0000, kOne = 0x3c00'0000;
  const ModelSpec spec = built_with_biases({{up, 0}, {expert, kMinusZero}}, {false, {}});
  EXPECT_EQ(spec.blocks[1].ops[0].weights.size(), 1u);
  ASSERT_EQ(spec.notes.size(), 1u);
  EXPECT_NE(spec.notes[0].find("2 bias tensors of zeros"), std::string::npos) << spec.notes[0];
  EXPECT_NE(spec.notes[0].find(up + ", " + expert), std::string::npos) << spec.notes[0];
  expect_input_error([&] { built_with_biases({{up, kOne}}, {false, {}}); },
                     "config.json says with_bias false, but there is " + up);
  expect_input_error([&] { built_with_biases({{expert, kOne}}, {}); },
                     "there is no place in such a model for 1 tensor: " + expert);
}

TEST(SpecBuilder, AHeadBesideATiedOneIsItsCopy) {
  FakeModel with = fake();
  with.shapes["lm_head.weight"] = {10, 4};
  EXPECT_FALSE(built(with).tied_head);
  const ModelSpec tied = built(with, {{}, false});
  EXPECT_TRUE(tied.tied_head);
  EXPECT_EQ(tied.tied_copy, "lm_head.weight");
  EXPECT_TRUE(built(fake()).tied_copy.empty());
}

TEST(SpecBuilder, MissingAndUnmatchedTensorsAreNamed) {
  FakeModel missing = fake();
  missing.shapes.erase("model.layers.1.experts.1.weight");
  expect_input_error(
      [&] { built(missing); },
      "config.json says num_layers 2 and experts 2, but 1 of the 9 tensors that such a model needs are missing: "
      "model.layers.1.experts.1.weight");
  FakeModel more = fake();
  more.shapes["model.layers.1.experts.2.weight"] = {3, 4};
  more.shapes["model.layers.0.mask"] = {9};  // derived: nobody minds
  expect_input_error([&] { built(more); },
                     "config.json says num_layers 2 and experts 2, and there is no place in such a model for 1 tensor: "
                     "model.layers.1.experts.2.weight");
}

TEST(SpecBuilder, AnotherShapeShowsBothSides) {
  FakeModel wide = fake();
  wide.shapes["model.layers.1.up.weight"] = {4, 8};
  expect_input_error([&] { built(wide); }, "config.json says inner 3, but model.layers.1.up.weight is [4, 8]");
  FakeModel flat = fake();
  flat.shapes["model.layers.0.experts.1.weight"] = {12};
  expect_input_error([&] { built(flat); },
                     "model.layers.0.experts.1.weight is [12], but 2 axes were expected (inner, hidden)");
  FakeModel deep = fake();
  deep.shapes["model.layers.0.conv.weight"] = {4, 2, 3};
  expect_input_error([&] { built(deep); }, "model.layers.0.conv.weight is [4, 2, 3], but axis 1 must be 1");
}

}  // namespace
}  // namespace quern
