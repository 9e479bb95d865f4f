// What the packages of others packed reads as they decode it (tools/make_packed_fixtures.py).
#include "packed/packed_layouts.h"

#include <fmt/core.h>

#include "base/bytes.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "packed/safetensors_header.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path packed(const std::string& name) { return fs::path(QUERN_TESTDATA) / "packed" / name; }

std::vector<std::byte> bytes_of(const Checkpoint& checkpoint, const TensorEntry& entry) {
  std::vector<std::byte> bytes(entry.parts.at(0).bytes);
  checkpoint.read(entry, 0, 0, bytes);
  return bytes;
}

// Every matrix has the shape, type and bytes that the package decodes to; nothing else but the norm is there.
void expect_decodes(const fs::path& folder, const fs::path& expected_file) {
  const Checkpoint checkpoint = open_checkpoint(folder), expected = open_checkpoint(expected_file);
  EXPECT_EQ(checkpoint.tensors().size(), expected.tensors().size() + 1) << folder;
  for (const TensorEntry& wanted : expected.tensors()) {
    const TensorEntry& entry = checkpoint.at(wanted.name);
    EXPECT_EQ(entry.shape, wanted.shape) << wanted.name;
    EXPECT_EQ(entry.encoding, wanted.encoding) << wanted.name;
    EXPECT_TRUE(bytes_of(checkpoint, entry) == bytes_of(expected, wanted)) << folder << " " << wanted.name;
  }
}

class PackedLayouts : public testing::TestWithParam<const char*> {
 protected:
  // A copy without the expected values, which are no part of the checkpoint.
  fs::path copy(const ScratchFolder& scratch) const {
    const fs::path copied = scratch.copy(packed(GetParam()));
    fs::remove(copied / "expected.safetensors");
    return copied;
  }
  fs::path expected() const { return packed(GetParam()) / "expected.safetensors"; }
};

TEST_P(PackedLayouts, ReadAsTheirPackagesDecodeThem) {
  const ScratchFolder scratch;
  expect_decodes(copy(scratch), expected());
}

TEST_P(PackedLayouts, AreRecognisedByTheirTensorsAlone) {
  const ScratchFolder scratch;
  const fs::path folder = copy(scratch);
  OutputFile(folder / "config.json").write(R"({"model_type": "toy"})");
  expect_decodes(folder, expected());
}

TEST_P(PackedLayouts, AreNamed) {
  const ScratchFolder scratch;
  EXPECT_FALSE(open_checkpoint(copy(scratch)).notes().empty());
}

TEST_P(PackedLayouts, AnyRunOfBytesCanBeRead) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(copy(scratch));
  for (const TensorEntry& entry : checkpoint.tensors()) {
    const std::vector<std::byte> whole = bytes_of(checkpoint, entry);
    for (std::size_t first = 0; first < whole.size(); first = first * 3 / 2 + 5)
      for (const std::size_t count : {std::size_t{1}, std::size_t{7}, whole.size() - first}) {
        if (count > whole.size() - first) continue;
        std::vector<std::byte> run(count);
        checkpoint.read(entry, 0, first, run);
        ASSERT_TRUE(std::equal(run.begin(), run.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)))
            << entry.name << " " << first << " " << count;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, PackedLayouts,
                         testing::Values("gptq", "gptq_v2", "gptq_asymmetric", "gptq_v2_asymmetric", "gptq_bin",
                                         "auto_gptq", "awq", "awq_gemv", "fp8_block", "pack_quantized",
                                         "pack_quantized_tensor", "naive_quantized", "hqq", "quanto", "microscaling",
                                         "modelopt", "bitsandbytes", "mlx", "gpt_oss", "bitnet"),
                         [](const auto& folder) { return std::string(folder.param); });

// Opens a copy of a folder whose file of weights has one text replaced by another of the same length.
void expect_damage_refused(const std::string& name, const std::string& from, const std::string& to,
                           std::initializer_list<std::string_view> parts) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.copy(packed(name));
  fs::remove(folder / "expected.safetensors");
  std::string bytes = text_of_file(folder / "model.safetensors");
  ASSERT_EQ(from.size(), to.size());
  ASSERT_NE(bytes.find(from), std::string::npos) << name << ": " << from;
  bytes.replace(bytes.find(from), from.size(), to);
  OutputFile(folder / "model.safetensors").write(bytes);
  expect_refused(folder, parts);
}

TEST(DamagedLayouts, NameTheTensorAndTheNumbers) {
  expect_damage_refused("gptq", "four.qzeros", "four.qzeroz", {"/gptq", "four.qzeros", "missing"});
  expect_damage_refused("gptq", "four.scales", "four.scalez", {"four.scales", "missing"});
  expect_damage_refused("gptq", "[12,32]", "[32,12]", {"qweight", "[32, 12]", "[3, 32]"});
  expect_damage_refused("gptq", "[3,4]", "[4,3]", {"qzeros", "[4, 3]"});
  expect_damage_refused("awq", "plain.scales", "plain.scalez", {"plain.scales", "missing"});
  expect_damage_refused("awq", "[64,4]", "[4,64]", {"plain.qweight", "[4, 64]", "gemm"});
  expect_damage_refused("fp8_block", "\"shape\":[1,3]", "\"shape\":[3,1]",
                        {"wide.weight_scale_inv", "[3, 1]", "[32, 96]", "weight_block_size"});
  expect_damage_refused("pack_quantized", "half.weight_shape", "half.weight_shapf", {"half.weight_shape", "missing"});
  expect_damage_refused("microscaling", "\"shape\":[8,4]", "\"shape\":[4,8]", {"nv.weight_scale", "[4, 8]", "[8, 4]"});
  expect_damage_refused("bitsandbytes", "fp4.weight.absmax", "fp4.weight.absmix", {"fp4.weight.absmax", "missing"});
  expect_damage_refused("bitsandbytes", "int8.SCB\":{\"dtype\":\"F32\"", "int8.SCB\":{\"dtype\":\"I32\"",
                        {"int8.SCB", "i32"});
  expect_damage_refused("awq_gemv", "gemv.scales\":{\"dtype\":\"F16\",\"shape\":[16,32]",
                        "gemv.scales\":{\"dtype\":\"F16\",\"shape\":[32,16]", {"gemv.qweight", "[32, 16]"});
  expect_damage_refused("hqq", "four.zero", "four.zerp", {"four.zero", "missing"});
  expect_damage_refused("hqq", "four.packing", "four.packinh", {"four.packing", "missing"});
  expect_damage_refused("quanto", "int8.weight._data\":{\"dtype\":\"I8\"", "int8.weight._data\":{\"dtype\":\"U8\"",
                        {"int8.weight._data", "u8"});
  expect_damage_refused("mlx", "b4.biases", "b4.biasez", {"b4.scales", "without biases"});
}

// A file of these tensors, their bytes all `fill`; with a configuration that names GPTQ.
fs::path file_of(const ScratchFolder& scratch, std::vector<SafetensorsTensor> tensors, unsigned char fill = 0) {
  const std::string head = lay_out_safetensors(tensors);
  std::uint64_t bytes = 0;
  for (const SafetensorsTensor& tensor : tensors) bytes += tensor.bytes;
  OutputFile(scratch.path() / "model.safetensors").write(head + std::string(bytes, static_cast<char>(fill)));
  OutputFile(scratch.path() / "config.json")
      .write(R"({"model_type":"toy","quantization_config":{"quant_method":"gptq"}})");
  return scratch.path();
}

SafetensorsTensor tensor_of(const char* name, const char* encoding, Shape shape) {
  const SafetensorsType* type = find_safetensors_encoding(encoding);
  const std::uint64_t bytes = safetensors_bytes(*type, shape);
  return {name, type, std::move(shape), 0, bytes};
}

// The first bytes of a tensor of file_of(), overwritten.
void overwrite(const fs::path& folder, std::string_view name, std::string_view content) {
  std::string bytes = text_of_file(folder / "model.safetensors");
  const SafetensorsHeader header = read_safetensors_header(File(folder / "model.safetensors"));
  const auto tensor = std::ranges::find(header.tensors, name, &SafetensorsTensor::name);
  ASSERT_NE(tensor, header.tensors.end()) << name;
  ASSERT_LE(content.size(), tensor->bytes) << name;
  bytes.replace(tensor->offset, content.size(), content);
  OutputFile(folder / "model.safetensors").write(bytes);
}

template <typename T>
std::string stored(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

constexpr std::uint16_t kOne = 0x3c00, kTwo = 0x4000;  // of F16

// Of one matrix, all of it zero but for the shape, the axis and the packing.
fs::path hqq_of(const ScratchFolder& scratch, Shape codes, std::initializer_list<std::int64_t> shape, std::int32_t axis,
                const char* packing) {
  const fs::path folder =
      file_of(scratch, {tensor_of("m.W_q", "u8", std::move(codes)), tensor_of("m.scale", "f16", {1, 1}),
                        tensor_of("m.zero", "f16", {1, 1}), tensor_of("m.shape", "i64", {2}),
                        tensor_of("m.axis", "i32", {}), tensor_of("m.packing", "u8", {std::strlen(packing)})});
  overwrite(folder, "m.shape", stored(shape));
  overwrite(folder, "m.axis", stored({axis}));
  overwrite(folder, "m.packing", packing);
  return folder;
}

// 2^62 words of 4 bytes are 2^64, and no codes.
TEST(DamagedLayouts, MoreCodesThan64BitsCountAreRefused) {
  const ScratchFolder scratch;
  expect_refused(hqq_of(scratch, {0}, {std::int64_t{1} << 31, std::int64_t{1} << 31}, 1, "3bit_32"),
                 {"m.W_q has 0 bytes", "4611686018427387904 words of 4"});
}

TEST(Hqq, OneGroupAlongColumnsIsReadWhole) {
  const ScratchFolder scratch;
  const fs::path folder = hqq_of(scratch, {4}, {2, 4}, 0, "4bit_u8");
  overwrite(folder, "m.W_q", "\x15\x26\x37\x48");
  overwrite(folder, "m.scale", stored({kTwo}));
  overwrite(folder, "m.zero", stored({kOne}));
  const std::vector<std::uint16_t> expected = {0, 0x4000, 0x4400, 0x4600, 0x4800, 0x4900, 0x4a00, 0x4b00};  // 0, 2 ..
  EXPECT_EQ(read_as<std::uint16_t>(open_checkpoint(folder), "m.weight"), expected);
}

// A scale an input, of as many inputs as outputs.
TEST(DamagedLayouts, QuantosScalesOfColumnsAreRefused) {
  const ScratchFolder scratch;
  expect_refused(
      file_of(scratch, {tensor_of("m.weight._data", "i8", {4, 4}), tensor_of("m.weight._scale", "f16", {1, 4})}),
      {"m.weight._scale", "[1, 4]"});
}

std::string notes_of(const fs::path& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  std::string all;
  for (const std::string& note : checkpoint.notes()) all += note + "\n";
  return all;
}

// Groups of 8 inputs give everything as many rows as gemv has.
TEST(AwqGemv, GptqInGroupsOfEightIsNone) {
  for (const std::uint64_t outputs : {64u, 32u})
    for (const bool is_indexed : {true, false}) {
      if (!is_indexed && outputs == 32) continue;  // which may be 256 inputs in groups of 32
      const ScratchFolder scratch;
      std::vector<SafetensorsTensor> tensors = {tensor_of("m.qweight", "i32", {8, outputs}),
                                                tensor_of("m.qzeros", "i32", {8, outputs / 8}),
                                                tensor_of("m.scales", "f16", {8, outputs})};
      if (is_indexed) tensors.push_back(tensor_of("m.g_idx", "i32", {64}));
      const fs::path folder = file_of(scratch, std::move(tensors));
      EXPECT_EQ(open_checkpoint(folder).at("m.weight").shape, (Shape{outputs, 64}));
      EXPECT_NE(notes_of(folder).find("GPTQ, 4 bits"), std::string::npos) << notes_of(folder);
    }
}

// Two groups of 128, where scales are padded to 8: one group of 256 would have the same shapes.
TEST(AwqGemv, AGroupOfZerosIsCounted) {
  const auto expect_note = [](std::initializer_list<std::uint16_t> scales, const char* config, const char* note) {
    const ScratchFolder scratch;
    const fs::path folder =
        file_of(scratch, {tensor_of("m.qweight", "i32", {2, 32}), tensor_of("m.qzeros", "i32", {2, 1}),
                          tensor_of("m.scales", "f16", {2, 8})});
    overwrite(folder, "m.scales", stored(scales));
    OutputFile(folder / "config.json").write(config);
    EXPECT_NE(notes_of(folder).find(note), std::string::npos) << notes_of(folder);
  };
  constexpr const char* kPlain = "{}";
  constexpr const char* kStated = R"({"quantization_config": {"quant_method": "awq", "group_size": 128}})";
  constexpr const char* kWrong = R"({"quantization_config": {"quant_method": "awq", "group_size": 64}})";
  expect_note({kOne, 0, 0, 0, 0, 0, 0, 0, kOne, kTwo}, kPlain, "AWQ (gemv), 4 bits, groups of 128");
  expect_note({0, 0, 0, 0, 0, 0, 0, 0, 0, kTwo}, kWrong, "AWQ (gemv), 4 bits, groups of 128");
  expect_note({kOne, 0, 0, 0, 0, 0, 0, 0, kOne}, kStated, "AWQ (gemv), 4 bits, groups of 128");
  expect_note({0}, kStated, "AWQ (gemv), 4 bits, groups of 128");
  expect_note({kOne, 0, 0, 0, 0, 0, 0, 0, kOne}, kPlain, "AWQ (gemv), 4 bits, one group a row");
}

TEST(DamagedLayouts, ScalesOfNoElementsAreRefused) {
  struct Case {
    const char* encoding;
    Shape weight, scales;
  };
  for (const Case& damaged :
       {Case{"f8_e4m3", {4, 4}, {0, 0}}, Case{"i8", {4, 4}, {0, 4}}, Case{"i8", {2, 4, 4}, {2, 0, 0}}}) {
    const ScratchFolder scratch;
    expect_refused(file_of(scratch, {tensor_of("m.weight", damaged.encoding, damaged.weight),
                                     tensor_of("m.weight_scale", "f32", damaged.scales)}),
                   {"m.weight_scale", to_string(damaged.scales)});
  }
}

TEST(Float8, WithoutScalesIsReadWhateverItsAxes) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(file_of(
      scratch, {tensor_of("norm.weight", "f8_e4m3", {8}), tensor_of("experts.up_proj", "f8_e4m3", {2, 3, 4})}, 0x38));
  for (const char* name : {"norm.weight", "experts.up_proj"}) EXPECT_EQ(checkpoint.at(name).encoding, "bf16") << name;
  for (const std::uint16_t value : read_as<std::uint16_t>(checkpoint, "experts.up_proj")) EXPECT_EQ(value, 0x3f80);
}

// By two of the tensors that each package stores of a linear layer.
TEST(UnreadLayouts, AreNamedWithoutAConfiguration) {
  struct Case {
    const char *layout, *first, *encoding, *second;
  };
  for (const Case& unread :
       {Case{"EXL2", "q_weight", "i32", "q_scale"}, Case{"EXL3", "trellis", "i16", "svh"},
        Case{"QTIP", "trellis", "i16", "SV"}, Case{"AQLM", "codes", "i16", "codebooks"},
        Case{"QuIP#", "Qidxs", "i64", "SV"}, Case{"SpQR", "dense_weights", "i64", "row_offsets"},
        Case{"EETQ", "weight", "i8", "weight_scales"}, Case{"HIGGS", "tables", "f16", "tables2"},
        Case{"torchao", "_weight_qdata", "i8", "_weight_scale"}, Case{"SINQ", "W_q", "u8", "meta"},
        Case{"optimum-quanto", "weight._data._data", "u8", "weight._scale"}, Case{"HQQ", "W_q", "u8", "scale"}}) {
    const ScratchFolder scratch;
    const std::string first = std::string("m.") + unread.first, second = std::string("m.") + unread.second;
    file_of(scratch, {tensor_of(first.c_str(), unread.encoding, {4, 8}), tensor_of(second.c_str(), "f16", {4, 1})});
    OutputFile(scratch.path() / "config.json").write(R"({"model_type": "toy"})");
    expect_refused(scratch.path(), {first, unread.layout, "use the original model"});
  }
}

// A pickle of tensors of its own class.
TEST(UnreadLayouts, TorchaosPickleIsNamed) {
  expect_refused(packed("torchao"), {"0.weight", "torchao.quantization.Int8Tensor", "use the original model"});
}

// Marlin's order of inputs, which changes which input a code belongs to.
TEST(Marlin, WithActOrderIsRefused) {
  const ScratchFolder scratch;
  expect_refused(file_of(scratch, {tensor_of("m.qweight", "i32", {2, 128}), tensor_of("m.scales", "f16", {1, 64}),
                                   tensor_of("m.g_idx", "i32", {32})}),
                 {"m.g_idx", "act-order"});
}

TEST(StaleConfiguration, IsANoteBesideMasksAndPositions) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(
      file_of(scratch, {tensor_of("h.0.attn.c_proj.weight", "f16", {4, 4}),
                        tensor_of("h.0.attn.bias", "u8", {1, 1, 4, 4}), tensor_of("position_ids", "i32", {1, 8})}));
  ASSERT_EQ(checkpoint.notes().size(), 1u);
  EXPECT_NE(checkpoint.notes()[0].find("the tensors count"), std::string::npos);
}

// The tensors alone do not say so: plain floats under a configuration that makes them ternary.
TEST(Bitnet, WeightsAsTheyWereTrainedAreReadAsWhatIsComputedWith) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.copy(packed("bitnet_online")), expected = folder / "expected.safetensors";
  const fs::path aside = scratch.path() / "expected.safetensors";
  fs::rename(expected, aside);
  expect_decodes(folder, aside);
  const std::string config = text_of_file(folder / "config.json");
  ASSERT_NE(config.find("\"online\""), std::string::npos);
  OutputFile(folder / "config.json").write(R"({"model_type": "toy"})");
  const Checkpoint plain = open_checkpoint(folder);
  EXPECT_FALSE(bytes_of(plain, plain.at("model.layers.0.q_proj.weight")) ==
               bytes_of(open_checkpoint(aside), open_checkpoint(aside).at("model.layers.0.q_proj.weight")));
}

TEST(Bitnet, CodeThreeIsRefused) {
  const ScratchFolder scratch;
  const Checkpoint checkpoint = open_checkpoint(
      file_of(scratch, {tensor_of("m.weight", "u8", {2, 8}), tensor_of("m.weight_scale", "f32", {1})}, 0xff));
  try {
    bytes_of(checkpoint, checkpoint.at("m.weight"));
    FAIL() << "read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("code 3"), std::string::npos) << error.what();
  }
}

// The group of an input in a tensor of them, overwritten.
TEST(DamagedLayouts, GroupsThatAreNotThereAreRefused) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.copy(packed("gptq"));
  fs::remove(folder / "expected.safetensors");
  overwrite(folder, "ordered.g_idx", stored<std::int32_t>({0, 0, 0, 0, 0, 3}));
  expect_refused(folder, {"ordered.g_idx", "group 3 of 3"});
}

// A shard each for codes and for what belongs to them.
TEST(PackedShards, AModuleMayLieInTwo) {
  const ScratchFolder scratch;
  const fs::path whole = packed("gptq") / "model.safetensors";
  const SafetensorsHeader header = read_safetensors_header(File(whole));
  const std::string bytes = text_of_file(whole);
  Json map = Json::object();
  for (int shard = 1; shard <= 2; ++shard) {
    std::vector<SafetensorsTensor> tensors;
    for (const SafetensorsTensor& tensor : header.tensors)
      if (tensor.name.ends_with(".qweight") == (shard == 1)) tensors.push_back(tensor);
    const std::vector<SafetensorsTensor> from = tensors;
    std::string file = lay_out_safetensors(tensors);
    const std::string name = fmt::format("model-0000{}-of-00002.safetensors", shard);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      file.resize(std::max<std::size_t>(file.size(), tensors[t].offset + tensors[t].bytes));
      file.replace(tensors[t].offset, tensors[t].bytes, bytes.substr(from[t].offset, from[t].bytes));
      map.set(tensors[t].name, name);
    }
    OutputFile(scratch.path() / name).write(file);
  }
  OutputFile(scratch.path() / "model.safetensors.index.json")
      .write(dump_json(Json::object({{"weight_map", std::move(map)}})));
  OutputFile(scratch.path() / "config.json").write(R"({"model_type": "toy"})");
  expect_decodes(scratch.path(), packed("gptq") / "expected.safetensors");
}

// A file of somebody's own: 19 tensors, each a tuple of integers and their scale.
TEST(PackedTuples, ReadAsIntegersTimesTheirScale) {
  const fs::path path = fs::path(QUERN_SOURCE_DIR) / "../shared/real/tinystories-gru/tinystoriesgru-0.2M-int8.pt";
  if (!fs::exists(path)) GTEST_SKIP() << path;
  const Checkpoint checkpoint = open_checkpoint(path);
  EXPECT_EQ(checkpoint.tensors().size(), 19u);
  EXPECT_EQ(checkpoint.at("ln_f.weight").shape, Shape{96});
  // The first floats of tinystoriesgru-0.2M.pt, which were rounded to 33, 14 and 32 times the scale.
  const std::vector<float> values = read_as<float>(checkpoint, "token_emb.weight");
  const float originals[] = {1.1107797622680664f, 0.48047810792922974f, 1.0891697406768799f};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(values[i], originals[i], 0.5f * values[0] / 33 + 1e-6f) << i;
}

// Every zero point is the middle, whichever version the configuration names.
TEST(Gptq, SymmetricZeroPointsTellTheVersion) {
  for (const char* name : {"gptq", "gptq_v2"}) {
    const ScratchFolder scratch;
    const fs::path folder = scratch.copy(packed(name));
    fs::remove(folder / "expected.safetensors");
    const char* wrong = std::string_view(name) == "gptq" ? "gptq_v2" : "gptq";
    OutputFile(folder / "config.json")
        .write(
            fmt::format(R"({{"quantization_config": {{"quant_method": "gptq", "checkpoint_format": "{}"}}}})", wrong));
    expect_decodes(folder, packed(name) / "expected.safetensors");
    const std::vector<std::string> notes = open_checkpoint(folder).notes();
    EXPECT_TRUE(std::ranges::any_of(notes, [](const std::string& n) { return n.find("of version") != n.npos; }));
  }
}

TEST(Gptq, OtherBitsOrGroupsThanTheConfigurationSaysAreNoted) {
  const ScratchFolder scratch;
  const fs::path folder = file_of(scratch, {tensor_of("m.qweight", "i32", {8, 8}), tensor_of("m.qzeros", "i32", {2, 1}),
                                            tensor_of("m.scales", "f16", {2, 8})});
  const auto notes_with = [&](const char* settings) {
    OutputFile(folder / "config.json")
        .write(fmt::format(R"({{"quantization_config": {{"quant_method": "gptq"{}}}}})", settings));
    return notes_of(folder);
  };
  EXPECT_NE(notes_with(R"(, "bits": 8, "group_size": 128)")
                .find("config.json says bits 8 (quantization_config), and "
                      "tensors have 4 bits: the tensors count"),
            std::string::npos);
  EXPECT_NE(notes_with(R"(, "bits": 4, "group_size": 128)").find("says group_size 128"), std::string::npos);
  for (const char* right :
       {R"(, "bits": 4, "group_size": 32)", R"(, "group_size": -1)", R"(, "bits": 8, "dynamic": {"a": 1})", ""})
    EXPECT_EQ(notes_with(right).find("config.json says"), std::string::npos) << right;
}

}  // namespace
}  // namespace quern
