// What is BitNet's own: names of its GGUF files, and what they say about the activation function.
#include "model/converted_fixture.h"
#include "model/op_walk.h"

namespace quern {
namespace {

FakeModel tiny() { return without_weights(std::filesystem::path(QUERN_TESTDATA) / "runtime" / "tiny-bitnet"); }

// The same model under GGUF's names.
FakeModel as_gguf(const FakeModel& source) {
  const Checkpoint checkpoint = source.open();
  const ModelSpec spec = describe_model(checkpoint);
  const ExportMap map = map_to_gguf(spec, checkpoint);
  FakeModel file{{}, map.metadata, {}};
  for (const ExportedWeight& weight : map.weights)
    file.shapes[weight.name] = weight.output_shape(spec.weights[weight.weight]);
  return file;
}

std::size_t ops_of(const ModelSpec& spec, std::string_view name) {
  std::size_t count = 0;
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops) count += kind_fields(op).front().second.as_string() == name;
  return count;
}

TEST(Bitnet, ItsGgufFilesSayTheActivationByTheirArchitecture) {
  const std::pair<const char*, const char*> kinds[] = {{"relu2", "bitnet-b1.58"}, {"silu", "bitnet"}};
  for (const auto& [activation, architecture] : kinds) {
    FakeModel model = tiny();
    model.config.set("hidden_act", activation);
    const FakeModel file = as_gguf(model);
    EXPECT_EQ(file.metadata.text("general.architecture"), architecture);
    EXPECT_TRUE(file.metadata.find(std::string(architecture) + ".attention.layer_norm_rms_epsilon"));
    EXPECT_TRUE(file.shapes.contains("blk.2.attn_sub_norm.weight"));
    EXPECT_EQ(file.shapes.at("blk.2.ffn_sub_norm.weight"), (Shape{80}));
    const ModelSpec read = describe_model(file.open());
    EXPECT_EQ(read.architecture, "bitnet");
    EXPECT_EQ(read.extents, describe_model(model.open()).extents);
    EXPECT_EQ(ops_of(read, "squared_relu_mul"), activation == std::string("relu2") ? 3u : 0u);
    EXPECT_EQ(ops_of(read, "silu_mul"), activation == std::string("silu") ? 3u : 0u);
    const ExportMap back = map_to_transformers(read, file.open());
    EXPECT_EQ(back.config.at("hidden_act").as_string(), activation);
    EXPECT_EQ(back.config.at("architectures").as_array().at(0).as_string(), "BitNetForCausalLM");
  }
}

TEST(Bitnet, TheOlderNameIsReadAndKept) {
  FakeModel file = as_gguf(tiny());
  Metadata older;
  for (const auto& [key, value] : file.metadata.pairs())
    older.set(key.starts_with("bitnet-b1.58.") ? "bitnet-25." + key.substr(13) : key, value);
  older.set("general.architecture", std::string("bitnet-25"));
  file.metadata = older;
  EXPECT_EQ(ops_of(describe_model(file.open()), "squared_relu_mul"), 3u);
  EXPECT_EQ(as_gguf(file).metadata.text("general.architecture"), "bitnet-25");
}

TEST(Bitnet, SaysWhoRunsItsFileAndThatActivationsStayFloats) {
  const Checkpoint checkpoint = tiny().open();
  const ModelSpec spec = describe_model(checkpoint);
  ASSERT_EQ(spec.notes.size(), 1u);
  EXPECT_NE(spec.notes[0].find("activations of 8 bits"), std::string::npos);
  const std::vector<std::string> notes = map_to_gguf(spec, checkpoint).notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("bitnet.cpp"), std::string::npos);
}

TEST(Bitnet, RefusesWhatTheLoadersDoNotKnow) {
  FakeModel untied = tiny();
  untied.config.set("tie_word_embeddings", false);
  untied.config.set("hidden_act", "silu");
  untied.shapes["lm_head.weight"] = {120, 48};
  const Checkpoint checkpoint = untied.open();
  const ModelSpec spec = describe_model(checkpoint);
  EXPECT_THROW(map_to_gguf(spec, checkpoint), Error);
  FakeModel other = tiny();
  other.config.set("hidden_act", "gelu");
  try {
    describe_model(other.open());
    FAIL() << "described";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("only \"silu\" and \"relu2\" are supported"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace quern
