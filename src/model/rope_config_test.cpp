// YaRN through a configuration, a description and a GGUF file, against transformers (testdata/model/yarn.json).
#include "model/rope_config.h"

#include <cmath>

#include "model/llama_fixture.h"

namespace quern {
namespace {

// The first rotary and the first attention operation.
struct Turned {
  std::vector<double> frequencies;
  double scale = 0;
};

Turned turned(const Checkpoint& checkpoint) {
  Turned found;
  const ModelSpec spec = describe_model(checkpoint);
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops) {
      if (const auto* rope = std::get_if<RopeOp>(&op.kind); rope && found.frequencies.empty())
        found.frequencies = rope->inverse_frequencies;
      if (const auto* attention = std::get_if<AttentionOp>(&op.kind)) found.scale = attention->scale;
    }
  return found;
}

FakeModel with_rope(const Json& row) {
  FakeModel model = golden_model("llama_tied");
  const std::uint64_t head_dim = row.at("head_dim").as_uint64(), hidden = model.config.at("hidden_size").as_uint64();
  const std::uint64_t heads = model.config.at("num_attention_heads").as_uint64(),
                      kv = model.config.at("num_key_value_heads").as_uint64();
  model.config.set("head_dim", head_dim);
  model.config.set("max_position_embeddings", row.at("context"));
  model.config.set("rope_parameters", Json());
  model.config.set("rope_theta", row.at("rope").at("rope_theta"));
  model.config.set("rope_scaling", row.at("rope"));
  for (auto& [name, shape] : model.shapes) {
    if (name.find("q_proj") != name.npos) shape = {heads * head_dim, hidden};
    if (name.find("o_proj") != name.npos) shape = {hidden, heads * head_dim};
    if (name.find("k_proj") != name.npos || name.find("v_proj") != name.npos) shape = {kv * head_dim, hidden};
  }
  return model;
}

TEST(Yarn, FrequenciesAndAttentionAreThoseOfTransformers) {
  const Json rows = parse_json(read_text(QUERN_TESTDATA "/model/yarn.json"));
  ASSERT_EQ(rows.as_array().size(), 6u);
  for (const Json& row : rows.as_array()) {
    const std::string name = dump_json(row.at("rope"));
    const Turned found = turned(with_rope(row).open());
    const Json::Array& expected = row.at("inverse_frequencies").as_array();
    ASSERT_EQ(found.frequencies.size(), expected.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(found.frequencies[i] / expected[i].as_double(), 1, 2e-6) << name << " " << i;
    const double attention = row.at("attention_factor").as_double();
    EXPECT_NEAR(found.scale * std::sqrt(row.at("head_dim").as_double()), attention * attention, 1e-9) << name;
  }
}

// llama.cpp's keys say the same to whoever reads them.
TEST(Yarn, ComesBackFromGgufAsItWent) {
  const Json rows = parse_json(read_text(QUERN_TESTDATA "/model/yarn.json"));
  for (const Json& row : rows.as_array()) {
    const FakeModel source = with_rope(row);
    const Checkpoint checkpoint = source.open();
    const ModelSpec spec = describe_model(checkpoint);
    if (row.at("rope").find("truncate")) {
      EXPECT_THROW(map_to_gguf(spec, checkpoint), Error);
      continue;
    }
    const ExportMap map = map_to_gguf(spec, checkpoint);
    EXPECT_EQ(map.metadata.text("llama.rope.scaling.type"), "yarn");
    EXPECT_EQ(map.metadata.integer("llama.rope.scaling.original_context_length"),
              row.at("rope").at("original_max_position_embeddings").as_int64());
    FakeModel file;
    file.metadata = map.metadata;
    for (const ExportedWeight& weight : map.weights)
      file.shapes[weight.name] = weight.output_shape(spec.weights[weight.weight]);
    const Turned before = turned(checkpoint), after = turned(file.open());
    ASSERT_EQ(after.frequencies.size(), before.frequencies.size());
    for (std::size_t i = 0; i < before.frequencies.size(); ++i)
      EXPECT_NEAR(after.frequencies[i] / before.frequencies[i], 1, 1e-6) << i;
    EXPECT_NEAR(after.scale / before.scale, 1, 1e-6);
  }
}

TEST(RopeConfig, AScalingThatIsNotComputedCanStillBeCompressed) {
  FakeModel model = golden_model("llama_tied");
  model.config.set("rope_parameters", Json());
  model.config.set("rope_scaling", Json::object({{"type", "dynamic"}, {"factor", 2.0}}));
  const Checkpoint checkpoint = model.open();
  try {
    describe_model(checkpoint);
    ADD_FAILURE() << "described";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find("\"dynamic\""), std::string::npos);
  }
  const ModelSpec listed = describe_or_list(checkpoint);
  EXPECT_TRUE(listed.blocks.empty());
  EXPECT_NE(listed.evidence.front().source.find("\"dynamic\""), std::string::npos);
}

}  // namespace
}  // namespace quern
