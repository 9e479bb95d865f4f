// NF4: what bitsandbytes itself stored, and what is written for it.
#include "packed/bitsandbytes.h"

#include "base/dynamic8.h"
#include "base/nf4_levels.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "packed/nested_scales.h"

namespace quern {
namespace {

// The rows that the fixture keeps, decoded as the codec does.
void expect_decodes_to(const std::string& name, const std::string& encoding, const Shape& shape) {
  const Checkpoint checkpoint = open_checkpoint(fixture("bitsandbytes"));
  const TensorEntry& entry = checkpoint.at(name + ".weight");
  EXPECT_EQ(entry.encoding, encoding);
  EXPECT_EQ(entry.shape, shape);
  const auto codes = read_part(checkpoint, entry.name, 0), scales = read_part(checkpoint, entry.name, 1);
  ASSERT_EQ(codes.size() * 2 / 64 * 4, scales.size());
  const std::string expected = text_of_file(fixture("bitsandbytes/" + name + ".f32"));
  for (std::size_t i = 0; i * 4 < expected.size(); ++i) {
    const auto pair = std::to_integer<std::size_t>(codes[i / 2]);
    const float level = kNf4Levels[i % 2 ? pair & 15 : pair >> 4];
    ASSERT_EQ(level * load<float>(&scales[i / 64 * 4]), load<float>(expected.data() + i * 4)) << i;
  }
}

TEST(Bitsandbytes, ReadsWhatThePackageStored) {
  expect_decodes_to("plain", "nf4", {5, 128});
  expect_decodes_to("nested", "nf4_dq", {130, 192});
  EXPECT_EQ(open_checkpoint(fixture("bitsandbytes")).tensors().size(), 3u);  // and norm.weight
}

TEST(Bitsandbytes, TheTensorsTellWhatTheyAre) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("bitsandbytes"));
  OutputFile(copy / "config.json").write(R"({"model_type": "toy"})");
  const Checkpoint checkpoint = open_checkpoint(copy);
  EXPECT_EQ(checkpoint.at("plain.weight").encoding, "nf4");
  EXPECT_EQ(checkpoint.at("nested.weight").encoding, "nf4_dq");
}

TEST(Bitsandbytes, AnyRunOfNestedScalesCanBeRead) {
  const Checkpoint checkpoint = open_checkpoint(fixture("bitsandbytes"));
  const TensorEntry& entry = checkpoint.at("nested.weight");
  const std::vector<std::byte> whole = read_part(checkpoint, entry.name, 1);
  EXPECT_EQ(entry.bytes(), 130 * 192 / 2 + 390 + 2 * 4);
  for (const auto& [first, count] : {std::pair(1016, 16), std::pair(1023, 3), std::pair(0, 1), std::pair(1559, 1)}) {
    std::vector<std::byte> run(static_cast<std::size_t>(count));
    checkpoint.read(entry, 1, static_cast<std::uint64_t>(first), run);
    EXPECT_TRUE(std::equal(run.begin(), run.end(), whole.begin() + first)) << first;
  }
}

// 300 blocks of 64: a whole run of nested scales and a part of one.
CheckpointHead nf4_head() {
  CheckpointHead head;
  head.tensors = {{"model.embed_tokens.weight", {4, 64}, "bf16", {512}},
                  {"model.layers.0.q_proj.weight", {3, 128}, "nf4", {192, 24}},
                  {"model.layers.0.v_proj.weight", {100, 192}, "nf4_dq", {9600, 1200}},
                  {"model.layers.0.k_proj.weight", {2, 64}, "bf16", {256}}};
  head.config = Json::object({{"model_type", "toy"}, {"torch_dtype", "float32"}});
  return head;
}

std::vector<std::byte> settled_scales() {
  std::vector<std::byte> bytes;
  for (std::size_t k = 0; k < 300; ++k) {
    const float largest = k < 256 ? 0.07f : 0.013f;
    const float scale = dynamic8_values()[k % 256 == 255 || k == 299 ? 255 : 128 + k % 127] * largest;
    const auto part = std::as_bytes(std::span(&scale, 1));
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

TEST(Bitsandbytes, WhatIsWrittenIsReadBack) {
  const ScratchFolder folder;
  const CheckpointHead head = nf4_head();
  const auto writer = find_format("bitsandbytes").create(folder.path(), head);
  const auto content = [&](std::size_t t, std::size_t p) {
    return t == 2 && p == 1 ? settled_scales() : ramp(head.tensors[t].part_bytes[p], t + p);
  };
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p) writer->write(t, p, 0, content(t, p));
  writer->finish();
  keep_written(folder.path(), "bitsandbytes");
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  ASSERT_EQ(checkpoint.tensors().size(), head.tensors.size());
  for (std::size_t t = 0; t < head.tensors.size(); ++t) {
    EXPECT_EQ(checkpoint.at(head.tensors[t].name).encoding, head.tensors[t].encoding);
    EXPECT_EQ(checkpoint.at(head.tensors[t].name).shape, head.tensors[t].shape);
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p)
      EXPECT_EQ(read_part(checkpoint, head.tensors[t].name, p), content(t, p)) << t << " " << p;
  }
  const Json& quantization = checkpoint.config().at("quantization_config");
  EXPECT_EQ(quantization.at("quant_method"), Json("bitsandbytes"));
  EXPECT_EQ(quantization.at("llm_int8_skip_modules"), Json::array({"model.layers.0.k_proj", "lm_head"}));
  EXPECT_EQ(quantization.at("bnb_4bit_use_double_quant"), Json(true));
}

TEST(Bitsandbytes, ScalesThatWereNotSettledAreNoticed) {
  std::vector<std::byte> scales = settled_scales();
  store(&scales[400], load<float>(&scales[400]) * 1.001f);
  EXPECT_THROW(encode_nested_scales(scales), Error);
}

void expect_head_refused(const CheckpointHead& head, std::string_view part) {
  const ScratchFolder folder;
  try {
    find_format("bitsandbytes").create(folder.path(), head);
    ADD_FAILURE() << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Bitsandbytes, WhatThePackageCannotLoadIsNotWritten) {
  CheckpointHead head = nf4_head();
  head.tensors[0] = {"model.embed_tokens.weight", {4, 64}, "nf4", {128, 16}};
  expect_head_refused(head, "linear layer");
  head = nf4_head();
  head.tensors[1] = {"model.layers.0.q_proj.weight", {3, 96}, "nf4", {144, 20}};
  expect_head_refused(head, "multiple of 64");
  head = nf4_head();
  head.tensors[3] = {"model.layers.0.k_proj.weight", {2, 64}, "int4_g64", {64, 4}};
  expect_head_refused(head, "cannot be in one folder");
  EXPECT_FALSE(find_format("bitsandbytes").holds("int4_g64", 64));
  EXPECT_FALSE(find_format("safetensors").holds("nf4", 64));
  EXPECT_FALSE(find_format("bitsandbytes").holds("nf4", 96));
}

TEST(Bitsandbytes, DamagedFoldersAreRefused) {
  const auto refused = [](const std::string& file, const std::string& from, const std::string& to,
                          std::initializer_list<std::string_view> parts) {
    const ScratchFolder folder;
    const auto copy = folder.copy(fixture("bitsandbytes"));
    std::string text = text_of_file(copy / file);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    OutputFile(copy / file).write(text);
    expect_refused(copy, parts);
  };
  refused("model.safetensors", "plain.weight.absmax", "plain.weight.absmix", {"plain.weight.absmax", "missing"});
  refused("model.safetensors", "nested.weight.nested_absmax", "nested.weight.nested_absmix",
          {"nested_absmax", "missing"});
  refused("model.safetensors", "\"shape\": [5, 128]", "\"shape\": [5, 192]", {"plain.weight", "480"});
  refused("model.safetensors", "\"shape\": [5, 128]", "\"shape\": [8, 080]", {"plain.weight"});
  refused("model.safetensors", "\"nested_blocksize\": 256", "\"nested_blocksize\": 128", {"nested blocks of 128"});
}

}  // namespace
}  // namespace quern
