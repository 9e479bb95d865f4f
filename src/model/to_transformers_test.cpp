// A GGUF file as a folder of transformers: the names, shapes and configuration of the folder that llama.cpp's converter
// made it from, and what no class of transformers can say.
#include "format/formats.h"
#include "model/converted_fixture.h"
#include "model/rope_fit.h"
#include "model/spec_json.h"

namespace quern {
namespace {

ExportMap mapped(const Checkpoint& file) { return map_to_transformers(describe_model(file), file); }

Checkpoint converted_file(const std::string& name) {
  return open_checkpoint(converted_folder(name).string() + ".gguf");
}

class ToTransformers : public testing::TestWithParam<const char*> {};

TEST_P(ToTransformers, HasNamesAndShapesOfTheFolderItWasMadeFrom) {
  const Checkpoint file = converted_file(GetParam());
  const ModelSpec spec = describe_model(file);
  Shapes shapes;
  for (const ExportedWeight& weight : mapped(file).weights)
    EXPECT_TRUE(shapes.emplace(weight.name, weight.output_shape(spec.weights[weight.weight])).second) << weight.name;
  EXPECT_EQ(shapes, without_weights(converted_folder(GetParam())).shapes);
}

TEST_P(ToTransformers, ConfigurationDescribesTheSameModel) {
  FakeModel model = without_weights(converted_folder(GetParam()));
  const ModelSpec before = describe_model(model.open());
  const Json written = mapped(converted_file(GetParam())).config;
  for (const char* key : {"architectures", "model_type"}) EXPECT_EQ(written.at(key), model.config.at(key));
  model.config = written;
  Json a = to_json(before), b = to_json(describe_model(model.open()));
  for (Json* json : {&a, &b}) json->set("evidence", Json());
  EXPECT_EQ(dump_json(a, 1), dump_json(b, 1));
  for (const Evidence& e : describe_model(model.open()).evidence)
    EXPECT_TRUE(e.kind != Evidence::Kind::kAssumed) << e.property;
}

INSTANTIATE_TEST_SUITE_P(, ToTransformers, testing::ValuesIn(kConvertedModels));

void expect_infeasible(const FakeModel& model, const std::string& part) {
  try {
    mapped(model.open());
    ADD_FAILURE() << "mapped; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInfeasible) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(ToTransformersRefuses, AnotherScaleOfTheAttention) {
  FakeModel model = golden_gguf("llama_tied");
  EXPECT_EQ(mapped(model.open()).config.at("tie_word_embeddings"), Json(true));
  model.metadata.set("llama.attention.scale", 0.5f);
  expect_infeasible(model, "the attention is scaled by 0.5, and LlamaForCausalLM of transformers scales it by 0.35");
}

TEST(ToTransformersRefuses, SomeOfTheBiasesThatOneKeyStandsFor) {
  FakeModel model = golden_gguf("llama_biased_llama3");
  EXPECT_EQ(mapped(model.open()).config.at("attention_bias"), Json(true));
  model.shapes.erase("blk.0.attn_output.bias");
  expect_infeasible(model, "tensors that \"attention_bias\" of config.json stands for");
}

TEST(RopeFit, FindsLlamasScalingInItsDivisors) {
  const std::vector<double> frequencies = rope_frequencies(128, 500000);
  RopeScaling scaling{.kind = RopeScaling::Kind::kLlama3, .factor = 32, .original_context = 8192};
  std::vector<float> divisors;
  for (const double divisor : rope_divisors(frequencies, scaling)) divisors.push_back(static_cast<float>(divisor));
  const std::optional<RopeScaling> found = llama3_scaling_of(frequencies, divisors);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->factor, 32);
  EXPECT_EQ(found->original_context, 8192);
  divisors[40] *= 1.01f;
  EXPECT_FALSE(llama3_scaling_of(frequencies, divisors));
}

}  // namespace
}  // namespace quern
