// 4-bit groups: what compressed-tensors itself packed, and what is written for it.
#include <tuple>

#include "base/scalars.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "packed/compressed_tensors.h"
#include "packed/zero_points.h"

namespace quern {
namespace {

// As the codec decodes, written out: the first code of a byte in its low bits.
void expect_decodes_to(const std::string& name, const std::string& encoding, std::size_t group) {
  const Checkpoint checkpoint = open_checkpoint(fixture("packed_int4"));
  const TensorEntry& entry = checkpoint.at(name + ".weight");
  EXPECT_EQ(entry.encoding, encoding);
  const auto codes = read_part(checkpoint, entry.name, 0), scales = read_part(checkpoint, entry.name, 1);
  const auto zeros = entry.parts.size() > 2 ? read_part(checkpoint, entry.name, 2) : std::vector<std::byte>();
  const std::string expected = text_of_file(fixture("packed_int4/" + name + ".f32"));
  ASSERT_EQ(expected.size(), codes.size() * 8);
  ASSERT_EQ(scales.size(), codes.size() * 2 / group * 2);
  for (std::size_t i = 0; i < codes.size() * 2; ++i) {
    const int code = std::to_integer<int>(codes[i / 2]) >> 4 * (i % 2) & 15;
    const int zero = zeros.empty() ? 8 : std::to_integer<int>(zeros[i / group]);
    const float scale = bf16_to_f32(load<std::uint16_t>(scales.data() + i / group * 2));
    ASSERT_EQ(static_cast<float>(code - zero) * scale, load<float>(expected.data() + i * 4)) << i;
  }
}

TEST(PackedInt4, ReadsWhatThePackagePacked) {
  expect_decodes_to("plain", "int4_g32", 32);
  expect_decodes_to("wide", "int4_g128", 128);
  expect_decodes_to("affine", "int4a_g64", 64);
}

TEST(PackedInt4, AnyRunOfZeroPointsCanBeRead) {
  const Checkpoint checkpoint = open_checkpoint(fixture("packed_int4"));
  const TensorEntry& entry = checkpoint.at("affine.weight");
  const std::vector<std::byte> whole = read_part(checkpoint, entry.name, 2);
  ASSERT_EQ(whole.size(), 22u);  // 11 rows of 2 groups
  EXPECT_EQ(entry.bytes(), 11 * 64 + 11 * 2 * 2 + 2 * 2 * 4);
  for (std::size_t first = 0; first < whole.size(); ++first)
    for (std::size_t count = 0; first + count <= whole.size(); ++count) {
      std::vector<std::byte> run(count);
      checkpoint.read(entry, 2, first, run);
      EXPECT_TRUE(std::equal(run.begin(), run.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
    }
}

CheckpointHead int4_head() {
  CheckpointHead head;
  head.tensors = {{"model.embed_tokens.weight", {4, 64}, "bf16", {512}},
                  {"model.layers.0.q_proj.weight", {3, 64}, "int4_g32", {96, 12}},
                  {"model.layers.0.v_proj.weight", {9, 64}, "int4a_g32", {288, 36, 18}},
                  {"model.layers.0.o_proj.weight", {2, 64}, "int8_channel", {128, 4}},
                  {"model.layers.0.k_proj.weight", {2, 64}, "bf16", {256}}};
  head.config = Json::object({{"model_type", "toy"}});
  return head;
}

// Bytes of a part; zero points are 0..15.
std::vector<std::byte> content_of(const CheckpointHead& head, std::size_t tensor, std::size_t part) {
  std::vector<std::byte> bytes = ramp(head.tensors[tensor].part_bytes[part], tensor + part);
  if (part == 2)
    for (std::byte& zero : bytes) zero &= std::byte{15};
  return bytes;
}

TEST(PackedInt4, WhatIsWrittenInAnyOrderIsReadBack) {
  const ScratchFolder folder;
  const CheckpointHead head = int4_head();
  const auto writer = find_format("safetensors").create(folder.path(), head);
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p) {
      const std::vector<std::byte> bytes = content_of(head, t, p);
      const std::size_t middle = bytes.size() / 3;
      writer->write(t, p, middle, std::span(bytes).subspan(middle));
      writer->write(t, p, 0, std::span(bytes).first(middle));
    }
  writer->finish();
  keep_written(folder.path(), "packed_int4");
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  ASSERT_EQ(checkpoint.tensors().size(), head.tensors.size());
  for (std::size_t t = 0; t < head.tensors.size(); ++t) {
    EXPECT_EQ(checkpoint.at(head.tensors[t].name).encoding, head.tensors[t].encoding);
    EXPECT_EQ(checkpoint.at(head.tensors[t].name).shape, head.tensors[t].shape);
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p)
      EXPECT_EQ(read_part(checkpoint, head.tensors[t].name, p), content_of(head, t, p)) << t << " " << p;
  }
}

TEST(PackedInt4, APartThatStaysIncompleteIsNoticed) {
  const ScratchFolder folder;
  const CheckpointHead head = int4_head();
  const auto writer = find_format("safetensors").create(folder.path(), head);
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p) {
      const std::vector<std::byte> bytes = content_of(head, t, p);
      writer->write(t, p, 0, std::span(bytes).first(bytes.size() - (p == 2)));
    }
  EXPECT_THROW(writer->finish(), Error);
}

TEST(PackedInt4, SeveralKindsAreSeveralGroupsOfNamedModules) {
  const CheckpointHead head = int4_head();
  const Json quantization = with_quantization_config(head.config, head.tensors).at("quantization_config");
  const Json& groups = quantization.at("config_groups");
  ASSERT_EQ(groups.as_object().size(), 3u);
  EXPECT_EQ(groups.at("group_0").at("targets"), Json::array({"model.layers.0.o_proj"}));
  EXPECT_EQ(groups.at("group_1").at("targets"), Json::array({"model.layers.0.q_proj"}));
  EXPECT_EQ(groups.at("group_2").at("targets"), Json::array({"model.layers.0.v_proj"}));
  EXPECT_EQ(groups.at("group_1").at("weights").at("group_size"), Json(32));
  EXPECT_EQ(groups.at("group_1").at("weights").at("strategy"), Json("group"));
  EXPECT_EQ(groups.at("group_2").at("weights").at("symmetric"), Json(false));
  EXPECT_EQ(quantization.at("ignore"), Json::array({"model.layers.0.k_proj", "lm_head"}));
  EXPECT_EQ(quantization.find("dequantize"), nullptr);
}

TEST(PackedInt4, RowsThatNoGroupDividesAreRefused) {
  EXPECT_TRUE(find_format("safetensors").holds("int4_g64", 192));
  EXPECT_FALSE(find_format("safetensors").holds("int4_g64", 96));
  EXPECT_TRUE(find_format("safetensors").holds("int4a_g32", 96));
  EXPECT_FALSE(find_format("gguf").holds("int4_g32", 96));
  const ScratchFolder folder;
  CheckpointHead head;
  head.tensors = {{"a.weight", {2, 96}, "int4_g64", {96, 6}}};
  try {
    find_format("safetensors").create(folder.path(), head);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("multiple of 64"), std::string::npos) << error.what();
  }
}

TEST(PackedInt4, TensorsThatDoNotFitAreRefused) {
  const auto refused = [](const std::string& file, const std::string& from, const std::string& to,
                          std::initializer_list<std::string_view> parts) {
    const ScratchFolder folder;
    const auto copy = folder.copy(fixture("packed_int4"));
    std::string text = text_of_file(copy / file);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    OutputFile(copy / file).write(text);
    expect_refused(copy, parts);
  };
  refused("model.safetensors", "plain.weight_scale", "plain.weight_scald", {"plain.weight_scale", "missing"});
  refused("model.safetensors", "\"I32\",\"shape\":[2,2]", "\"I32\",\"shape\":[1,4]",
          {"affine.weight_zero_point", "[1, 4]"});
}

}  // namespace
}  // namespace quern
