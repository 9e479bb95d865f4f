// 8-bit weights: what compressed-tensors itself packed, and what is written for it.
#include "packed/compressed_tensors.h"

#include "base/scalars.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

TEST(CompressedTensors, ReadsWhatThePackagePacked) {
  const Checkpoint checkpoint = open_checkpoint(fixture("packed_int8"));
  const TensorEntry& entry = checkpoint.at("fc.weight");
  EXPECT_EQ(entry.encoding, "int8_channel");
  EXPECT_EQ(entry.shape, (Shape{3, 8}));
  EXPECT_EQ(checkpoint.tensors().size(), 2u);  // norm.weight beside it; the triple is one
  const std::vector<std::byte> codes = read_part(checkpoint, "fc.weight", 0),
                               scale_bytes = read_part(checkpoint, "fc.weight", 1);
  const std::string expected = text_of_file(fixture("packed_int8/expected.f32"));
  ASSERT_EQ(codes.size(), 24u);
  ASSERT_EQ(scale_bytes.size(), 6u);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float scale = bf16_to_f32(load<std::uint16_t>(scale_bytes.data() + i / 8 * 2));
    const float value = static_cast<float>(std::to_integer<int>(codes[i]) - 128) * scale;
    EXPECT_EQ(value, load<float>(expected.data() + i * 4)) << i;
  }
}

CheckpointHead int8_head() {
  CheckpointHead head;
  head.tensors = {{"model.embed_tokens.weight", {4, 8}, "bf16", {64}},
                  {"model.layers.0.q_proj.weight", {3, 8}, "int8_channel", {24, 6}},
                  {"model.layers.0.o_proj.weight", {2, 4}, "bf16", {16}},
                  {"model.norm.weight", {8}, "bf16", {16}}};
  head.config = Json::object({{"model_type", "toy"}, {"quantization_config", Json::object({{"quant_method", "old"}})}});
  return head;
}

TEST(CompressedTensors, WhatIsWrittenIsReadBack) {
  const ScratchFolder folder;
  const CheckpointHead head = int8_head();
  const auto writer = find_format("safetensors").create(folder.path(), head);
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p)
      writer->write(t, p, 0, ramp(head.tensors[t].part_bytes[p], t + p));
  writer->finish();
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  EXPECT_EQ(checkpoint.tensors().size(), 4u);
  EXPECT_EQ(checkpoint.at("model.layers.0.q_proj.weight").shape, (Shape{3, 8}));
  EXPECT_EQ(read_part(checkpoint, "model.layers.0.q_proj.weight", 0), ramp(24, 1));
  EXPECT_EQ(read_part(checkpoint, "model.layers.0.q_proj.weight", 1), ramp(6, 2));
  const Json& quantization = checkpoint.config().at("quantization_config");
  EXPECT_EQ(quantization.at("format").as_string(), "pack-quantized");
  EXPECT_EQ(quantization.at("ignore"), Json::array({"model.layers.0.o_proj", "lm_head"}));
  EXPECT_EQ(quantization.at("config_groups").at("group_0").at("targets"), Json::array({"Linear"}));
}

TEST(CompressedTensors, AQuantizedEmbeddingIsTargetedByName) {
  CheckpointHead head = int8_head();
  head.tensors[0] = {"model.embed_tokens.weight", {4, 8}, "int8_channel", {32, 8}};
  const Json quantization = with_quantization_config(head.config, head.tensors).at("quantization_config");
  EXPECT_EQ(quantization.at("config_groups").at("group_0").at("targets"),
            Json::array({"Linear", "model.embed_tokens"}));
  EXPECT_EQ(quantization.at("ignore"), Json::array({"model.layers.0.o_proj"}));
  EXPECT_EQ(quantization.at("dequantize"), Json(true));
}

TEST(CompressedTensors, WithoutInt8TheConfigurationSaysNothingOfQuantization) {
  CheckpointHead head = int8_head();
  head.tensors.erase(head.tensors.begin() + 1);
  EXPECT_EQ(with_quantization_config(head.config, head.tensors), Json::object({{"model_type", "toy"}}));
}

TEST(CompressedTensors, RowsThatDoNotFillWordsAreRefused) {
  const ScratchFolder folder;
  for (const auto& [name, shape, bytes] : {std::tuple("w.weight", Shape{3, 6}, 18), std::tuple("w", Shape{3, 8}, 24)}) {
    CheckpointHead head;
    head.tensors = {{name, shape, "int8_channel", {static_cast<std::uint64_t>(bytes), 6}}};
    try {
      find_format("safetensors").create(folder.path(), head);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(error.what()).find("multiple of 4"), std::string::npos) << error.what();
    }
  }
}

// Opens the packed fixture with another config.json.
std::string with_config(const std::string& config, const ScratchFolder& folder) {
  const auto copy = folder.copy(fixture("packed_int8"));
  OutputFile(copy / "config.json").write(config);
  return copy.string();
}

TEST(CompressedTensors, TheTensorsCountWhateverTheConfigurationSays) {
  for (const char* config : {R"({"model_type": "toy"})", R"({"quantization_config": {"quant_method": "gptq"}})",
                             R"({"quantization": {"bits": 4, "group_size": 64}})"}) {
    const ScratchFolder folder;
    EXPECT_EQ(open_checkpoint(with_config(config, folder)).at("fc.weight").encoding, "int8_channel") << config;
  }
}

TEST(CompressedTensors, RotatedWeightsAreRefused) {
  std::string config = text_of_file(fixture("packed_int8/config.json"));
  const std::string key = "\"quantization_status\"";
  config.replace(config.find(key), key.size(), "\"transform_config\": {\"a\": 1}, " + key);
  const ScratchFolder folder;
  expect_refused(with_config(config, folder), {"transform_config", "original"});
  const ScratchFolder other;
  expect_refused(with_config("[1]", other), {"config.json"});
}

// A folder whose triple has one thing wrong.
void expect_triple_refused(const std::string& from, const std::string& to,
                           std::initializer_list<std::string_view> parts) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("packed_int8"));
  std::string bytes = text_of_file(copy / "model.safetensors");
  ASSERT_EQ(from.size(), to.size());
  bytes.replace(bytes.find(from), from.size(), to);
  OutputFile(copy / "model.safetensors").write(bytes);
  expect_refused(copy, parts);
}

TEST(CompressedTensors, AnIncompleteTripleIsRefused) {
  expect_triple_refused("fc.weight_scale", "fc.weight_scald", {"fc.weight_scale", "missing"});
  expect_triple_refused("fc.weight_shape", "fc.weight_shapf", {"fc.weight_shape", "missing"});
  expect_triple_refused("\"shape\":[3,2]", "\"shape\":[2,3]", {"fc.weight_packed", "[2, 3]", "[3, 8]"});
  expect_triple_refused("\"shape\":[3,1]", "\"shape\":[1,3]", {"fc.weight_scale", "[1, 3]", "[3, groups]"});
  expect_triple_refused("\"BF16\",\"shape\":[3,1]", "\"I16\", \"shape\":[3,1]", {"fc.weight_scale", "i16", "floats"});
  expect_triple_refused(std::string("\3\0\0\0\0\0\0\0\10\0", 10), std::string("\3\0\0\0\0\0\0\0\xff\1", 10),
                        {"fc.weight_packed", "[3, 511]"});
}

}  // namespace
}  // namespace quern
