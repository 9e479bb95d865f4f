// What a GGUF file cannot say: refused where llama.cpp's loader would refuse the file or compute something else, and
// noted where it only attends further than the model.
#include "model/converted_fixture.h"

namespace quern {
namespace {

ExportMap exported(const FakeModel& model) {
  const Checkpoint checkpoint = model.open();
  return map_to_gguf(describe_model(checkpoint), checkpoint);
}

void expect_infeasible(const FakeModel& model, const std::string& part) {
  try {
    exported(model);
    ADD_FAILURE() << "exported; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInfeasible) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

FakeModel converted(const char* name) { return without_weights(converted_folder(name)); }

TEST(ExportRefusals, TheModelsAsTheyAreAreAccepted) {
  for (const char* name : kConvertedModels) EXPECT_TRUE(exported(converted(name)).notes.empty()) << name;
}

TEST(ExportRefusals, MambaWithBiasesOfItsProjections) {
  FakeModel model = converted("tiny-mamba");
  model.config.set("use_bias", true);
  for (const char* layer : {"0", "1"}) {
    const std::string mixer = std::string("backbone.layers.") + layer + ".mixer.";
    model.shapes[mixer + "in_proj.bias"] = {128};
    model.shapes[mixer + "out_proj.bias"] = {32};
  }
  expect_infeasible(model, "backbone.layers.0.mixer.in_proj.bias has no place in a GGUF file of this family");
}

TEST(ExportRefusals, MambaWithoutBiasOfItsConvolution) {
  FakeModel model = converted("tiny-mamba");
  model.config.set("use_conv_bias", false);
  for (const char* layer : {"0", "1"})
    model.shapes.erase(std::string("backbone.layers.") + layer + ".mixer.conv1d.bias");
  EXPECT_EQ(describe_model(model.open()).architecture, "mamba");
  expect_infeasible(model, "the convolutions have no bias, which a GGUF file of this family must have");
}

TEST(ExportRefusals, MambaOfAnotherExpansion) {
  FakeModel model = without_weights(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-mamba");
  expect_infeasible(model, "the model has 96 inner channels for 32 hidden ones");
}

TEST(ExportRefusals, IteraLiteAltogether) {
  expect_infeasible(without_weights(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-itera-lite"),
                    "no runtime of GGUF files knows models of the family itera_lite");
}

TEST(ExportRefusals, Gpt2WithAnotherScaleOfItsAttention) {
  FakeModel model = converted("tiny-gpt2");
  model.config.set("scale_attn_by_inverse_layer_idx", true);
  expect_infeasible(model, "scale_attn_by_inverse_layer_idx");
  model.config.set("scale_attn_by_inverse_layer_idx", false);
  model.config.set("scale_attn_weights", false);
  expect_infeasible(model, "scale_attn_weights");
}

TEST(ExportRefusals, Qwen3WithABiasAfterItsAttention) {
  FakeModel model = converted("tiny-qwen3");
  model.config.set("attention_bias", true);
  for (const char* layer : {"0", "1"}) {
    const std::string attention = std::string("model.layers.") + layer + ".self_attn.";
    model.shapes[attention + "q_proj.bias"] = {64};
    model.shapes[attention + "k_proj.bias"] = {32};
    model.shapes[attention + "v_proj.bias"] = {32};
    model.shapes[attention + "o_proj.bias"] = {48};
  }
  EXPECT_EQ(describe_model(model.open()).architecture, "qwen3");
  expect_infeasible(model, "model.layers.0.self_attn.o_proj.bias has no place in a GGUF file of this family");
}

TEST(ExportNotes, SlidingWindowsOfMixtralAndQwen3) {
  FakeModel mixtral = converted("tiny-mixtral");
  mixtral.config.set("sliding_window", 16);
  ASSERT_EQ(exported(mixtral).notes.size(), 1u);
  EXPECT_NE(exported(mixtral).notes[0].find("the sliding window of 16 positions"), std::string::npos);
  mixtral.config.set("sliding_window", 256);  // the whole context
  EXPECT_TRUE(exported(mixtral).notes.empty());

  FakeModel qwen = converted("tiny-qwen3");
  qwen.config.set("use_sliding_window", true);
  qwen.config.set("sliding_window", 12);
  qwen.config.set("layer_types", Json::array({"full_attention", "sliding_attention"}));
  ASSERT_EQ(exported(qwen).notes.size(), 1u);
  EXPECT_NE(exported(qwen).notes[0].find("the sliding window of 12 positions"), std::string::npos);
}

}  // namespace
}  // namespace quern
