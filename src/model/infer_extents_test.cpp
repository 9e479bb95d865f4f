// Extents from names and shapes alone, on the shapes of the tiny models of every family.
#include "model/infer_extents.h"

#include <algorithm>
#include <set>

#include "format/formats.h"
#include "model/converted_fixture.h"
#include "model/spec_builder.h"

namespace quern {
namespace {

constexpr auto kModel = TensorRow::Place::kModel;

std::vector<TensorRow> rows() {
  return {{kEmbedKey, "embed", "embed.weight", "token_embd.weight", {"vocab", "hidden"}, "", "", kModel},
          {"in", "in", "in.weight", "in.weight", {"2*inner", "hidden"}},
          {"mix", "mix", "mix.weight", "mix.weight", {"rank+2*state", "inner"}},
          {"a", "a", "a", "a", {"inner", "state"}},
          {"experts", "moe", "experts.*.w.weight", "exps.weight", {"experts", "wide", "hidden"}}};
}

Shapes shapes() {
  return {{"m.embed.weight", {100, 8}},
          {"m.layers.0.in.weight", {24, 8}},
          {"m.layers.0.mix.weight", {13, 12}},
          {"m.layers.0.a", {12, 4}},
          {"m.layers.0.experts.0.w.weight", {7, 8}},
          {"m.layers.0.experts.1.w.weight", {7, 8}},
          {"m.layers.1.in.weight", {24, 8}}};
}

const Naming kNaming{.gguf = false, .root = "m.", .layers = "m.layers."};

TEST(InferExtents, CountsAndSolvesUntilNothingNewIsKnown) {
  const Checkpoint checkpoint = FakeModel{Json(), {}, shapes()}.open();
  HyperParameters p(checkpoint, "", ConfigUse::kIgnore);
  infer_extents(p, kNaming, rows());
  const std::pair<const char*, std::uint64_t> expected[] = {{"layers", 2}, {"experts", 2}, {"vocab", 100},
                                                            {"hidden", 8}, {"inner", 12},  {"state", 4},
                                                            {"rank", 5},   {"wide", 7}};
  for (const auto& [name, value] : expected) EXPECT_EQ(p[name], value) << name;
}

TEST(InferExtents, FindsWhatTheFirstLayerLacks) {
  Shapes late = shapes();
  for (const char* name : {"a", "experts.0.w.weight", "experts.1.w.weight"}) {
    late[std::string("m.layers.1.") + name] = late.at(std::string("m.layers.0.") + name);
    late.erase(std::string("m.layers.0.") + name);
  }
  const Checkpoint checkpoint = FakeModel{Json(), {}, late}.open();
  HyperParameters p(checkpoint, "", ConfigUse::kIgnore);
  infer_extents(p, kNaming, rows());
  EXPECT_EQ(p["experts"], 2u);
  EXPECT_EQ(p["wide"], 7u);
  EXPECT_EQ(p["state"], 4u);
  EXPECT_EQ(std::ranges::find(p.evidence(), "wide", &Evidence::property)->source,
            "m.layers.1.experts.0.w.weight is [7, 8], axis 0 is wide");
}

TEST(InferExtents, LeavesWhatIsKnownAlone) {
  const Checkpoint checkpoint = FakeModel{Json(), {}, shapes()}.open();
  HyperParameters p(checkpoint, "", ConfigUse::kIgnore);
  p.assume("hidden", 9, "someone said so");
  infer_extents(p, kNaming, rows());
  EXPECT_EQ(p["hidden"], 9u);
}

TEST(InferExtents, WhatDoesNotDivideStaysUnknown) {
  Shapes odd = shapes();
  odd["m.layers.0.in.weight"] = {25, 8};  // 2*inner
  odd.erase("m.layers.0.a");
  odd.erase("m.layers.0.mix.weight");
  const Checkpoint checkpoint = FakeModel{Json(), {}, odd}.open();
  HyperParameters p(checkpoint, "", ConfigUse::kIgnore);
  infer_extents(p, kNaming, rows());
  EXPECT_FALSE(p.knows("inner"));
  expect_input_error([&] { static_cast<void>(p["inner"]); }, "nothing says what the model's inner is");
}

TEST(InferExtents, AGapInTheLayersIsNoCount) {
  Shapes gap = shapes();
  gap["m.layers.3.in.weight"] = {24, 8};
  const Checkpoint checkpoint = FakeModel{Json(), {}, gap}.open();
  HyperParameters p(checkpoint, "", ConfigUse::kIgnore);
  infer_extents(p, kNaming, rows());
  EXPECT_FALSE(p.knows("layers"));
}

// Extents that shapes cannot show: how a product is cut into heads, and the length of a context.
const std::set<std::string> kAssumed = {"heads", "kv_heads", "head_dim", "context"};

void expect_same_extents(const std::filesystem::path& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  const ModelSpec described = describe_model(checkpoint), inferred = infer_model(checkpoint);
  EXPECT_EQ(inferred.architecture, described.architecture);
  for (const auto& [name, extent] : described.extents) {
    if (kAssumed.contains(name)) continue;
    EXPECT_EQ(inferred.extent(name), extent) << path << " " << name;
  }
}

TEST(InferredModels, HaveTheExtentsOfTheirConfiguration) {
  for (const char* name : {"tiny-qwen3", "tiny-mamba"}) {
    expect_same_extents(converted_folder(name));
    expect_same_extents(converted_folder(name).string() + ".gguf");
  }
  // A norm of each head shows its width, and with it how many there are.
  const ModelSpec qwen = infer_model(open_checkpoint(converted_folder("tiny-qwen3")));
  EXPECT_EQ(qwen.extent("head_dim"), 16u);
  EXPECT_EQ(qwen.extent("heads"), 4u);
  EXPECT_EQ(qwen.extent("kv_heads"), 2u);
}

}  // namespace
}  // namespace quern
