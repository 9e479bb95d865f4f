// The table of architectures, what unknown models are told, and the JSON of a spec.
#include <set>

#include "model/llama_fixture.h"
#include "model/spec_json.h"

namespace quern {
namespace {

TEST(Architectures, HaveUniqueNamesAndAllTheirParts) {
  std::set<std::string> names;
  for (const Architecture* row : architectures()) {
    EXPECT_TRUE(names.insert(row->name).second) << row->name;
    EXPECT_EQ(&find_architecture(row->name), row);
    EXPECT_TRUE(row->summary && row->models && row->recognises && row->describe && row->to_gguf) << row->name;
  }
}

TEST(Architectures, AnUnknownNameIsAUsageErrorThatOffersTheNearest) {
  try {
    find_architecture("lama");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("did you mean llama"), std::string::npos) << error.what();
  }
}

TEST(Architectures, AnUnknownModelIsToldWhatWasFound) {
  FakeModel model = golden_model("llama_tied");
  model.config.set("architectures", Json::array({"FalconForCausalLM"}));
  model.config.set("model_type", "falcon");
  expect_input_error([&] { describe_model(model.open()); },
                     "the checkpoint has architectures [\"FalconForCausalLM\"] and model_type \"falcon\" in "
                     "config.json; known are: llama");
  model.config = Json::object({{"vocab_size", 3}});
  model.shapes.erase("model.layers.0.mlp.gate_proj.weight");
  model.shapes.erase("model.layers.1.mlp.gate_proj.weight");
  expect_input_error([&] { describe_model(model.open()); }, "a config.json without architectures and model_type");
  FakeModel gguf;
  expect_input_error([&] { describe_model(gguf.open()); }, "neither a config.json nor a general.architecture");
  gguf.metadata.set("general.architecture", "rwkv");
  expect_input_error([&] { describe_model(gguf.open()); }, "general.architecture \"rwkv\"");
  gguf.metadata.set("general.architecture", 3u);
  EXPECT_THROW(describe_model(gguf.open()), Error);
}

TEST(Architectures, TheModelTypeCountsOnlyWithoutArchitectures) {
  FakeModel model = golden_model("llama_tied");
  model.config.set("architectures", Json::array({"LlamaForSequenceClassification"}));
  expect_input_error([&] { describe_model(model.open()); }, "LlamaForSequenceClassification");
  model.config.set("architectures", nullptr);
  EXPECT_EQ(describe_model(model.open()).architecture, "llama");
}

TEST(ModelSpecJson, ListsExtentsWeightsAndOps) {
  const ModelSpec spec = describe_model(golden_model("mistral_window").open());
  const Json json = parse_json(dump_json(to_json(spec), 1));
  EXPECT_EQ(json.at("architecture").as_string(), "llama");
  EXPECT_EQ(json.at("extents").at("inner").as_uint64(), 48u);
  EXPECT_FALSE(json.at("tied_head").as_bool());
  ASSERT_EQ(json.at("weights").as_array().size(), spec.weights.size());
  const Json& query = json.at("weights").as_array()[2];
  EXPECT_EQ(dump_json(query),
            "{\"role\":\"attn.q\",\"tensor\":\"model.layers.0.self_attn.q_proj.weight\",\"axes\":[{\"name\":\"heads*"
            "head_dim\","
            "\"extent\":64},{\"name\":\"hidden\",\"extent\":32}],\"group\":\"layers.0.attn.in\",\"layer\":0}");
  const Json::Array& ops = json.at("blocks").as_array()[1].at("ops").as_array();
  std::string kinds;
  for (const Json& op : ops) kinds += op.at("op").as_string() + " ";
  EXPECT_EQ(kinds,
            "rms_norm linear linear linear rope rope attention linear add rms_norm linear linear silu_mul linear add ");
  EXPECT_EQ(ops[6].at("window").as_uint64(), 24u);
  EXPECT_EQ(ops[4].at("inverse_frequencies").as_array().size(), 8u);
  EXPECT_EQ(ops[1].at("weights").as_array()[0].as_string(), query.at("tensor").as_string());
}

TEST(ModelSpec, AnExtentThatIsNotThereIsADefect) {
  const ModelSpec spec = describe_model(golden_model("llama_tied").open());
  EXPECT_EQ(spec.extent("hidden"), 32u);
  try {
    spec.extent("experts");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
}

TEST(ModelSpec, WeightsOfABlockAreDistinctAndInOrder) {
  const ModelSpec spec = describe_model(golden_model("llama_tied").open());
  EXPECT_EQ(spec.weights_of(spec.blocks.front()), std::vector<std::size_t>{0});
  EXPECT_EQ(spec.weights_of(spec.blocks[1]), (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(spec.weights_of(spec.blocks.back()), (std::vector<std::size_t>{19, 0}));
}

}  // namespace
}  // namespace quern
