// Which matrices of each family are coupled in which container, and what is said where they are not kept.
#include "plan/coupling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "format/formats.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = QUERN_SOURCE_DIR;

ExportMap names_as_stored(const ModelSpec& spec) {
  ExportMap names;
  for (std::size_t i = 0; i < spec.weights.size(); ++i) {
    const Weight& weight = spec.weights[i];
    if (weight.parts.empty()) names.weights.push_back({.weight = i, .name = weight.tensor});
    for (const WeightPart& part : weight.parts)
      names.weights.push_back({.weight = i, .name = part.tensor, .source = part.tensor});
  }
  return names;
}

class CouplingOf : public testing::Test {
 protected:
  std::vector<std::vector<std::string>> coupled(const fs::path& path, const char* format) {
    const Checkpoint source = open_checkpoint(path);
    const ModelSpec spec = describe_model(source);
    const ExportMap names = names_as_stored(spec);
    std::vector<std::vector<std::string>> all;
    for (const Coupling& coupling : couplings(find_format(format), spec, names)) {
      all.emplace_back();
      for (const std::size_t i : coupling) all.back().push_back(names.weights[i].name);
      std::ranges::sort(all.back());
    }
    return all;
  }
};

TEST_F(CouplingOf, ADecoderIsQueryKeyValueAndGateUp) {
  const auto sets = coupled(kSource / "models" / "llama-7m", "safetensors");
  EXPECT_EQ(sets.size(), 12u) << "two for each of 6 layers";
  const auto has = [&](std::vector<std::string> set) { return std::ranges::find(sets, set) != sets.end(); };
  const std::string layer = "model.layers.3.";
  EXPECT_TRUE(
      has({layer + "self_attn.k_proj.weight", layer + "self_attn.q_proj.weight", layer + "self_attn.v_proj.weight"}));
  EXPECT_TRUE(has({layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight"}));
}

TEST_F(CouplingOf, AMixtureIsAllExpertsOfALayer) {
  const auto sets = coupled(kSource / "testdata" / "model" / "tiny-mixtral", "bitsandbytes");
  const auto experts =
      std::ranges::find_if(sets, [](const auto& s) { return s[0].find("experts.") != std::string::npos; });
  ASSERT_NE(experts, sets.end());
  EXPECT_EQ(experts->size() % 3, 0u) << "gate, up and down of each";
  EXPECT_GT(experts->size(), 3u);
  for (const std::string& name : *experts) EXPECT_NE(name.find("experts."), std::string::npos) << name;
}

TEST_F(CouplingOf, AGgufFileIsNone) { EXPECT_TRUE(coupled(kSource / "models" / "llama-7m", "gguf").empty()); }

Plan plan_of(std::initializer_list<std::pair<const char*, const char*>> steps) {
  Plan plan{.scheme = "simple", .format = "safetensors"};
  for (const auto& [name, codec] : steps) plan.steps.push_back({.tensor = name, .output = name, .codec = codec});
  return plan;
}

TEST(LoadingNotes, NameWhatDiffersAmongCoupledMatrices) {
  const Plan plan = plan_of({{"q.weight", "int4_g32"}, {"k.weight", "int4_g32"}, {"v.weight", "int4_g64"}});
  const std::vector<Coupling> all = {{0, 1, 2}};
  EXPECT_FALSE(is_kept(all[0], plan));
  const auto notes = loading_notes(plan, find_format("safetensors"), all);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("q.weight (int4_g32), v.weight (int4_g64), k.weight (int4_g32)"), std::string::npos)
      << notes[0];
  EXPECT_NE(notes[0].find("vLLM"), std::string::npos);
}

TEST(LoadingNotes, CountFloatsAsOneNumberFormat) {
  const Plan plan = plan_of({{"q.weight", "bf16"}, {"k.weight", "f32"}, {"v.weight", "f16"}});
  EXPECT_TRUE(is_kept({0, 1, 2}, plan));
  EXPECT_FALSE(is_kept({0, 1, 2}, plan_of({{"q.weight", "bf16"}, {"k.weight", "f32"}, {"v.weight", "int8_channel"}})));
}

// What transformers 5.23 with compressed-tensors 0.20 was seen to load and to refuse.
TEST(LoadingNotes, SayWhatTransformersDoesNotLoad) {
  const Format& format = find_format("safetensors");
  const auto loads = [&](std::initializer_list<std::pair<const char*, const char*>> steps) {
    const auto notes = loading_notes(plan_of(steps), format, {});
    for (const std::string& note : notes) EXPECT_NE(note.find("transformers 5.23"), std::string::npos) << note;
    return notes.empty();
  };
  const char *embed = "model.embed_tokens.weight", *up = "m.up_proj.weight", *down = "m.down_proj.weight",
             *expert = "m.experts.0.w1.weight", *mixer = "m.mixer.out_proj.weight";
  EXPECT_TRUE(loads({{embed, "int4a_g64"}, {up, "int4a_g64"}, {down, "bf16"}}));
  EXPECT_TRUE(loads({{embed, "bf16"}, {up, "int4_g64"}, {down, "int8_channel"}}));
  EXPECT_TRUE(loads({{expert, "int4_g64"}, {up, "bf16"}, {embed, "int4_g64"}}));
  EXPECT_TRUE(loads({{expert, "bf16"}, {up, "bf16"}}));
  EXPECT_TRUE(loads({{mixer, "bf16"}, {up, "int4_g64"}, {down, "int4_g32"}}));
  EXPECT_FALSE(loads({{embed, "int8_channel"}, {up, "int4_g64"}}));
  EXPECT_FALSE(loads({{embed, "bf16"}, {up, "int4_g64"}, {down, "int4a_g64"}}));
  EXPECT_FALSE(loads({{expert, "bf16"}, {up, "int4_g64"}}));
  EXPECT_FALSE(loads({{expert, "int4_g64"}, {up, "int4_g32"}}));
  EXPECT_FALSE(loads({{mixer, "int4_g64"}, {up, "int4_g32"}}));
}

}  // namespace
}  // namespace quern
