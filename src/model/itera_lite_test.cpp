// Checkpoints of Itera-Lite, which have no configuration: every extent from the shapes, under both spellings of the
// experts' names, and with the experts lost.
#include <algorithm>

#include "model/converted_fixture.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

FakeModel tiny() { return without_weights(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-itera-lite"); }

// The names that the project's pruning scripts write.
FakeModel respelled() {
  FakeModel model = tiny();
  Shapes shapes;
  for (const auto& [name, shape] : model.shapes) {
    std::string other = name;
    if (const std::size_t at = other.find(".moe.layer."); at != std::string::npos) other.replace(at, 11, ".moe.moe.");
    shapes[other] = shape;
  }
  model.shapes = shapes;
  return model;
}

Evidence itera_lite_evidence(const ModelSpec& spec, const std::string& property) {
  const auto found = std::ranges::find(spec.evidence, property, &Evidence::property);
  return found == spec.evidence.end() ? Evidence{} : *found;
}

TEST(IteraLite, EveryExtentIsThatOfAShape) {
  const ModelSpec spec = describe_model(tiny().open());
  EXPECT_EQ(spec.architecture, "itera_lite");
  const std::map<std::string, std::uint64_t> expected{{"vocab", 120}, {"hidden", 24}, {"context", 128},
                                                      {"layers", 3},  {"inner", 40},  {"state", 5},
                                                      {"kernel", 3},  {"experts", 5}, {"wide", 20}};
  EXPECT_EQ(spec.extents, expected);
  for (const auto& [name, value] : expected)
    EXPECT_EQ(itera_lite_evidence(spec, name).kind, Evidence::Kind::kInferred) << name;
  EXPECT_EQ(itera_lite_evidence(spec, "experts").source,
            "names layers.1.moe.layer.experts.0 to layers.1.moe.layer.experts.4");
  EXPECT_EQ(assumed_values(spec), (std::vector<std::string>{"norm epsilon 1e-05 is assumed: the family's usual value",
                                                            "experts used 2 is assumed: the family's usual value"}));
}

TEST(IteraLite, TheHeadIsTheEmbeddingAndCountersAreNoWeights) {
  const ModelSpec spec = describe_model(tiny().open());
  EXPECT_TRUE(spec.tied_head);
  EXPECT_EQ(spec.tied_copy, "lm_head.weight");
  std::uint64_t parameters = 0;
  for (const Weight& weight : spec.weights) parameters += weight.elements();
  // Embedding and positions; per layer norm, projections, kernel with bias, A, B, C, D, dt with bias; MLPs; final norm.
  const std::uint64_t scan = 2 * 24 + 3 * 40 * 24 + 40 * 4 + 5 + 2 * 5 * 40 + 40 + 40 * 41;
  EXPECT_EQ(parameters, 248u * 24 + 3 * scan + 2 * (48 + 2 * 20 * 24) + (48 + 5 * 24 + 5 * 2 * 20 * 24) + 48);
  EXPECT_TRUE(unmatched_tensors(tiny().open()).empty());
}

TEST(IteraLite, BothSpellingsDescribeOneModel) {
  const ModelSpec one = describe_model(tiny().open()), other = describe_model(respelled().open());
  EXPECT_EQ(one.extents, other.extents);
  ASSERT_EQ(one.weights.size(), other.weights.size());
  std::size_t renamed = 0;
  for (std::size_t i = 0; i < one.weights.size(); ++i) {
    EXPECT_EQ(one.weights[i].role, other.weights[i].role);
    EXPECT_EQ(one.weights[i].gguf, other.weights[i].gguf);
    renamed += one.weights[i].tensor != other.weights[i].tensor;
  }
  EXPECT_EQ(renamed, 5u);
  EXPECT_TRUE(unmatched_tensors(respelled().open()).empty());
}

// As in checkpoints/mixed_precision of the project: a router of no experts, and none beside it.
TEST(IteraLite, AMixtureThatLostItsExpertsIsSaid) {
  FakeModel model = tiny();
  std::erase_if(model.shapes, [](const auto& tensor) { return tensor.first.find(".experts.") != std::string::npos; });
  model.shapes["layers.1.moe.layer.router.gate.weight"] = {0, 24};
  model.shapes["layers.1.moe.layer.router.expert_counts"] = {0};
  const ModelSpec spec = describe_model(model.open());
  EXPECT_EQ(assumed_values(spec).back(),
            "mixture of layer 1 of no experts is assumed: the file holds none, and nothing is added in this layer");
  EXPECT_EQ(ops_of<ExpertsOp>(spec.blocks[2]).size(), 0u);
  EXPECT_EQ(ops_of<AddOp>(spec.blocks[2]).size(), 1u);
  EXPECT_EQ(ops_of<AddOp>(spec.blocks[1]).size(), 2u);
  // What a package keeps of it says the same.
  model.shapes.erase("layers.1.moe.layer.router.gate.weight");
  model.shapes.erase("layers.1.moe.layer.router.expert_counts");
  EXPECT_EQ(describe_model(model.open()).weights.size(), spec.weights.size());
}

TEST(IteraLite, WhatIsMissingOrTooLittleIsNamed) {
  FakeModel model = tiny();
  model.shapes.erase("layers.2.ssm.ssm.D");
  expect_input_error([&] { describe_model(model.open()); }, "layers.2.ssm.ssm.D");
  model = tiny();
  model.shapes.erase("layers.1.moe.layer.experts.3.w2.weight");
  expect_input_error([&] { describe_model(model.open()); }, "layers.1.moe.layer.experts.3.w2.weight");
  model = tiny();
  model.shapes.erase("layers.0.moe.ffn.w2.weight");
  expect_input_error([&] { describe_model(model.open()); }, "layers.0.moe.ffn.w2.weight");
  model = tiny();
  std::erase_if(model.shapes, [](const auto& tensor) {
    const std::size_t at = tensor.first.find(".experts.");
    return at != std::string::npos && tensor.first[at + 9] != '0';
  });
  model.shapes["layers.1.moe.layer.router.gate.weight"] = {1, 24};
  expect_input_error([&] { describe_model(model.open()); }, "a mixture of this family chooses 2");
  model = tiny();
  model.shapes["layers.1.ssm.conv1d.weight"] = {40, 1, 4};
  expect_input_error([&] { describe_model(model.open()); }, "layers.1.ssm.conv1d.weight is [40, 1, 4]");
}

// Its quantizer rounded the head to 8 bits and left the embedding.
TEST(IteraLite, AHeadThatWasRoundedAloneIsAMatrixOfItsOwn) {
  QUERN_NEEDS_SHARED("real");
  const auto weights_of = [](const char* name) {
    const ModelSpec spec = describe_model(open_checkpoint(shared_folder() / "real/itera-lite" / name));
    return std::pair(spec.tied_copy, std::ranges::count(spec.weights, std::string("lm_head.weight"), &Weight::tensor));
  };
  EXPECT_EQ(weights_of("itera_lite_tiny_int8.pt"), std::pair(std::string(), std::ptrdiff_t{1}));
  EXPECT_EQ(weights_of("itera_lite_micro_distilled.pt"), std::pair(std::string("lm_head.weight"), std::ptrdiff_t{0}));
  EXPECT_EQ(weights_of("itera_lite_micro_torchscript.pt").second, 0);
}

}  // namespace
}  // namespace quern
