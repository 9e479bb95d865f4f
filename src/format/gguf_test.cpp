// Reading: files of the gguf package, and every way a file can be wrong. Writing: round trips.
#include "format/gguf.h"

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "model/packed_rows.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

// Builds GGUF bytes by hand, so that each field can be wrong.
class GgufBytes {
 public:
  GgufBytes(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3) {
    bytes_ = "GGUF";
    put(version).put(tensors).put(pairs);
  }
  template <typename T>
  GgufBytes& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    put<std::uint64_t>(value.size());
    bytes_ += value;
    return *this;
  }
  GgufBytes& key(std::string_view name, std::uint32_t type) { return text(name).put(type); }
  GgufBytes& tensor(std::string_view name, std::vector<std::uint64_t> extents, std::uint32_t type,
                    std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(extents.size()));
    for (const std::uint64_t extent : extents) put(extent);
    return put(type).put(offset);
  }
  GgufBytes& data(std::size_t size, std::size_t alignment = 32) {
    bytes_.resize(round_up(bytes_.size(), alignment) + size, 'x');
    return *this;
  }
  operator std::string_view() const { return bytes_; }

 private:
  std::string bytes_;
};

void expect_refused_bytes(std::string_view bytes, std::initializer_list<std::string_view> parts) {
  const ScratchFolder folder;
  const auto path = folder.write("bad.gguf", bytes);
  expect_refused(path, parts);
  expect_refused(path, {"bad.gguf"});
}

TEST(Gguf, ReadsEveryTypeOfThePackage) {
  const Checkpoint checkpoint = open_checkpoint(fixture("all_types.gguf"));
  EXPECT_EQ(checkpoint.format(), "gguf");
  EXPECT_TRUE(checkpoint.config().is_null());
  std::size_t start = 0;
  for (const GgmlType& type : ggml_types()) {
    if (std::string_view(type.name) == "q2_0" || type.scale_room) continue;  // newer than the package; bitnet.cpp's
    const std::string name = std::string("t_") + type.name;
    const TensorEntry& entry = checkpoint.at(name);
    EXPECT_EQ(entry.encoding, type.name);
    EXPECT_EQ(entry.shape, (Shape{3, 2 * std::uint64_t{type.block_weights}}));
    EXPECT_EQ(read_part(checkpoint, name), ramp(6 * type.block_bytes, start++)) << name;
  }
  EXPECT_EQ(checkpoint.tensors().size(), start + 1);
  EXPECT_EQ(checkpoint.at("cube").shape, (Shape{2, 3, 4}));
  EXPECT_EQ(read_as<float>(checkpoint, "cube")[23], 23.0f);
}

template <typename T>
MetaValue array_of(std::vector<T> items) {
  return MetaArray{std::move(items)};
}

Metadata all_values() {
  Metadata m;
  m.set("v.uint8", std::uint8_t{200});
  m.set("v.int8", std::int8_t{-100});
  m.set("v.uint16", std::uint16_t{60000});
  m.set("v.int16", std::int16_t{-30000});
  m.set("v.uint32", std::uint32_t{4000000000});
  m.set("v.int32", std::int32_t{-2000000000});
  m.set("v.float32", 0.15625f);
  m.set("v.true", true);
  m.set("v.false", false);
  m.set("v.string", std::string("caf\xc3\xa9"));
  m.set("v.empty", std::string());
  m.set("v.uint64", (std::uint64_t{1} << 63) + 5);
  m.set("v.int64", -(std::int64_t{1} << 62));
  m.set("v.float64", 0.1);
  m.set("a.uint8", array_of<std::uint8_t>({1, 255}));
  m.set("a.int8", array_of<std::int8_t>({-1, 127}));
  m.set("a.uint16", array_of<std::uint16_t>({65535}));
  m.set("a.int16", array_of<std::int16_t>({-5, 5}));
  m.set("a.uint32", array_of<std::uint32_t>({7, 8, 9}));
  m.set("a.int32", array_of<std::int32_t>({-7}));
  m.set("a.float32", array_of<float>({0.5f, -2.0f}));
  m.set("a.bool", MetaArray{std::vector<std::uint8_t>{1, 0, 1}, true});
  m.set("a.string", array_of<std::string>({"a", "", "bc"}));
  m.set("a.uint64", array_of<std::uint64_t>({std::uint64_t{1} << 63}));
  m.set("a.int64", array_of<std::int64_t>({INT64_MIN}));
  m.set("a.float64", array_of<double>({0.25}));
  m.set("a.nested", array_of<MetaArray>({{std::vector<std::int32_t>{1, 2}}, {std::vector<std::int32_t>{3}}}));
  return m;
}

TEST(Gguf, ReadsEveryValueTypeOfThePackage) {
  const Checkpoint checkpoint = open_checkpoint(fixture("all_values.gguf"));
  EXPECT_EQ(checkpoint.metadata().text("general.architecture"), "toy");
  const Metadata expected = all_values();
  for (const Metadata::Pair& pair : expected.pairs()) {
    const MetaValue* found = checkpoint.metadata().find(pair.first);
    ASSERT_NE(found, nullptr) << pair.first;
    EXPECT_TRUE(*found == pair.second) << pair.first;
  }
  EXPECT_EQ(checkpoint.metadata().pairs().size(), expected.pairs().size() + 1);
}

TEST(Gguf, ReadsAnotherAlignment) {
  const Checkpoint checkpoint = open_checkpoint(fixture("aligned_64.gguf"));
  EXPECT_EQ(checkpoint.at("y").parts[0].offset % 64, 0u);
  EXPECT_EQ(read_as<float>(checkpoint, "x"), (std::vector<float>{0, 1, 2, 3, 4}));
  EXPECT_EQ(read_as<std::int8_t>(checkpoint, "y"), (std::vector<std::int8_t>{0, 1, 2}));
}

TEST(Gguf, ReadsASplitSetThroughItsFolderOrAnyPart) {
  for (const char* name : {"split", "split/toy-00001-of-00003.gguf", "split/toy-00003-of-00003.gguf"}) {
    const Checkpoint checkpoint = open_checkpoint(fixture(name));
    EXPECT_EQ(checkpoint.files().size(), 3u);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(read_as<float>(checkpoint, "blk." + std::to_string(i) + ".weight"),
                std::vector<float>(8, static_cast<float>(i)));
    EXPECT_EQ(checkpoint.metadata().integer("toy.block_count"), 3);
    EXPECT_EQ(checkpoint.metadata().find("split.count"), nullptr);
  }
}

TEST(Gguf, AMissingOrWrongPartIsNamed) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("split"));
  const auto part = [&](int n) { return copy / ("toy-0000" + std::to_string(n) + "-of-00003.gguf"); };
  std::filesystem::copy_file(part(3), part(2), std::filesystem::copy_options::overwrite_existing);
  expect_refused(part(1), {"toy-00002-of-00003.gguf", "split.no 2"});
  std::filesystem::remove(part(2));
  expect_refused(part(1), {"toy-00002-of-00003.gguf", "missing"});
  std::filesystem::rename(part(1), copy / "renamed.gguf");
  expect_refused(copy / "renamed.gguf", {"one of 3 parts"});
}

TEST(Gguf, AFolderWithTwoModelsIsRefused) {
  const ScratchFolder folder;
  folder.copy(fixture("all_values.gguf"));
  EXPECT_EQ(refusal(folder.path()), "");
  folder.copy(fixture("aligned_64.gguf"));
  expect_refused(folder.path(), {"holds 2 model files", "they are not the parts of one model"});
}

TEST(Gguf, HiddenFilesOfAFolderAreNoModels) {
  const ScratchFolder folder;
  folder.copy(fixture("all_values.gguf"));
  folder.write("._all_values.gguf", "what another system keeps of a file");
  EXPECT_EQ(refusal(folder.path()), "");
}

TEST(Gguf, WrongStartsAreExplained) {
  expect_refused_bytes("GGUG" + std::string(40, '\0'), {"GGUF"});
  expect_refused_bytes("tjgg" + std::string(40, '\0'), {"before GGUF"});
  expect_refused_bytes("GGUF" + std::string("\0\0\0\3", 4) + std::string(40, '\0'), {"big-endian"});
  expect_refused_bytes(GgufBytes(0, 0, 1), {"version 1"});
  expect_refused_bytes(GgufBytes(0, 0, 4), {"version 4"});
  expect_refused_bytes("", {"0 remain"});
}

TEST(Gguf, Version2IsRead) {
  const ScratchFolder folder;
  EXPECT_EQ(refusal(folder.write("v2.gguf", GgufBytes(1, 0, 2).tensor("w", {4}, 0, 0).data(16))), "");
}

TEST(Gguf, CountsBeyondTheFileAreRefusedBeforeAnythingIsAllocated) {
  expect_refused_bytes(GgufBytes(UINT64_MAX, 0), {"18446744073709551615 tensors"});
  expect_refused_bytes(GgufBytes(0, std::uint64_t{1} << 60), {"metadata pairs"});
  expect_refused_bytes(GgufBytes(0, 1).text(std::string(20, 'k')).put(8u).put(std::uint64_t{1} << 62).data(99),
                       {"kkkk", "4611686018427387904 bytes"});
  expect_refused_bytes(GgufBytes(0, 1).put(UINT64_MAX).data(99), {"metadata pair 0"});
  for (const std::uint32_t type : {0u, 5u, 7u, 8u, 9u, 12u})
    expect_refused_bytes(GgufBytes(0, 1).key("k", 9).put(type).put(std::uint64_t{1} << 61).data(99),
                         {"\"k\"", "2305843009213693952"});
}

TEST(Gguf, WrongPairsAreRefused) {
  expect_refused_bytes(GgufBytes(0, 1).key("k", 13).put(std::uint64_t{0}), {"\"k\"", "type 13"});
  expect_refused_bytes(GgufBytes(0, 1).key("k", 9).put(13u).put(std::uint64_t{0}), {"type 13"});
  expect_refused_bytes(GgufBytes(0, 1).key("k", 7).put(std::uint8_t{2}), {"bool is 2"});
  expect_refused_bytes(GgufBytes(0, 1).key("k", 9).put(7u).put(std::uint64_t{2}).put(std::uint16_t{0x0201}),
                       {"bool is 2"});
  expect_refused_bytes(GgufBytes(0, 2).key("k", 0).put(std::uint8_t{1}).key("k", 0).put(std::uint8_t{1}),
                       {"\"k\"", "twice"});
  expect_refused_bytes(GgufBytes(0, 1).key("", 0).put(std::uint64_t{1}), {"key of 0 bytes"});
  GgufBytes deep(0, 1);
  deep.key("k", 9);
  for (int i = 0; i < 20; ++i) deep.put(9u).put(std::uint64_t{1});
  expect_refused_bytes(deep.put(0u).put(std::uint64_t{0}), {"nested"});
  for (const std::uint32_t alignment : {0u, 3u, 48u})
    expect_refused_bytes(GgufBytes(0, 1).key("general.alignment", 4).put(alignment),
                         {"power of two", std::to_string(alignment)});
  expect_refused_bytes(GgufBytes(0, 1).key("general.alignment", 8).text("32"), {"general.alignment"});
}

TEST(Gguf, WrongTensorsAreRefused) {
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {1, 1, 1, 1, 1}, 0, 0).data(4), {"\"w\"", "5 dimensions"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {4}, 4, 0).data(16), {"\"w\"", "type 4"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {4}, 1000, 0).data(16), {"type 1000"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {33}, 2, 0).data(99), {"[33]", "32 weights"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {std::uint64_t{1} << 62, 16}, 0, 0).data(4), {"64 bits"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {2, std::uint64_t{1} << 63, 2}, 0, 0).data(4), {"64 bits"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {4}, 0, 8).data(64), {"multiple of the alignment 32"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {4}, 0, 32).data(40), {"\"w\"", "16 bytes at 32", "has 40"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("w", {4}, 0, std::uint64_t{0} - 32).data(40), {"cut short"});
  expect_refused_bytes(GgufBytes(2, 0).tensor("v", {9}, 0, 0).tensor("w", {4}, 0, 32).data(99),
                       {"\"v\"", "\"w\"", "overlap"});
  expect_refused_bytes(GgufBytes(2, 0).tensor("w", {4}, 0, 0).tensor("w", {4}, 0, 32).data(99), {"\"w\"", "twice"});
  expect_refused_bytes(GgufBytes(1, 0).tensor("", {4}, 0, 0).data(99), {"name of 0 bytes"});
}

// I2_S of bitnet.cpp: weight j of a block of 128 in byte j % 32 at bit 6 - 2 (j / 32), the scale behind all blocks.
std::string i2_s_file(std::size_t bytes, unsigned char first) {
  GgufBytes file = GgufBytes(2, 0).tensor("w", {64, 4}, 36, 0).tensor("next", {1}, 0, bytes);
  std::string text(std::string_view(file.data(bytes + sizeof(float))));
  const std::size_t data = text.size() - bytes - sizeof(float);
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(data), 64, '\x55');  // zeros
  text[data] = static_cast<char>(first);
  text[data + 32 + 5] = '\x95';  // weight 128 + 5 is +1: row 2, column 5
  const float scale = 0.75f;
  std::memcpy(&text[data + 64], &scale, sizeof scale);
  return text;
}

TEST(Gguf, ReadsTheTernaryTypeOfBitnetCpp) {
  const ScratchFolder folder;
  // Weights 0, 32, 64 and 96: -1, 0, +1, 0.
  const Checkpoint checkpoint = open_checkpoint(folder.write("a.gguf", i2_s_file(96, 0x19)));
  const TensorEntry& entry = checkpoint.at("w");
  EXPECT_EQ(entry.encoding, "f32");
  EXPECT_EQ(entry.bytes(), 256u / 4 + 32);
  const auto values = read_as<float>(checkpoint, "w");
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], i == 0 ? -0.75f : i == 64 || i == 133 ? 0.75f : 0.0f) << i;
  ASSERT_EQ(checkpoint.notes().size(), 1u);
  EXPECT_NE(checkpoint.notes()[0].find("blocks of 128 weights"), std::string::npos);
}

// A tensor of 4 rows of 128 whose first byte alone is no 0x55 (zeros), in the order that is stated, where one is.
std::string whole_i2_s_file(std::string_view order, unsigned char first) {
  GgufBytes file(1, order.empty() ? 0 : 1);
  if (!order.empty()) file.key(kI2sOrderKey, static_cast<std::uint32_t>(GgufValueType::kString)).text(order);
  std::string text(std::string_view(file.tensor("w", {128, 4}, 36, 0).data(160)));
  const std::size_t data = text.size() - 160;
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(data), 128, '\x55');
  text[data] = static_cast<char>(first);
  const float scale = 0.75f;
  std::memcpy(&text[data + 128], &scale, sizeof scale);
  return text;
}

TEST(Gguf, I2sOfWholeRowsStaysPackedInTheOrderThatTheFileStates) {
  const ScratchFolder folder;
  const auto opened = [&](std::string_view order) {
    return open_checkpoint(folder.write("of" + std::string(order) + ".gguf", whole_i2_s_file(order, 0x19)));
  };
  for (const char* order : {"", "i2_s", "i2_s_rows"}) {
    const Checkpoint checkpoint = opened(order);
    const TensorEntry& entry = checkpoint.at("w");
    EXPECT_EQ(entry.encoding, *order ? order : "i2_s");
    ASSERT_EQ(entry.parts.size(), 2u);
    EXPECT_EQ(entry.parts[0].bytes, 128u);
    EXPECT_EQ(entry.parts[1].bytes, sizeof(float));
    EXPECT_EQ(checkpoint.notes().size(), *order ? 0u : 1u);
    const PackedTensor packed = read_packed_rows(checkpoint, entry, tensor_codec(checkpoint, entry), 0, 4);
    Matrix values(4, 128);
    decode_rows(packed.codec(), packed.row(0), 0, values.view());
    // The codes of the first byte, 0, 1, 2 and 1, are of columns 0, 32, 64, 96 or of rows 0 to 3.
    const bool in_rows = entry.encoding == "i2_s_rows";
    for (std::size_t i = 0; i < 4 * 128; ++i)
      EXPECT_EQ(values.flat()[i], i == 0 ? -0.75f : i == (in_rows ? 256 : 64) ? 0.75f : 0.0f) << i;
  }
  expect_refused(folder.write("x.gguf", whole_i2_s_file("columns", 0x19)),
                 {"quern.i2_s_order", "columns", "i2_s_rows"});
}

TEST(Gguf, TheTypeThatLlamaCppRemovedIsToldFromIt) {
  const ScratchFolder folder;
  expect_refused(folder.write("a.gguf", i2_s_file(160, 0x19)), {"type 36", "room for 160 bytes", "96"});
  try {
    read_as<float>(open_checkpoint(folder.write("b.gguf", i2_s_file(96, 0xd9))), "w");
    FAIL() << "read";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("code 3 in row 0, column 0"), std::string::npos) << error.what();
  }
}

TEST(Gguf, AFileCutAnywhereIsRefused) {
  const std::string whole = text_of_file(fixture("all_values.gguf"));
  const std::uint64_t needed = open_checkpoint(fixture("all_values.gguf")).at("y").parts[0].offset + 3;  // then padding
  const ScratchFolder folder;
  for (std::size_t size = 0; size < needed; ++size)
    EXPECT_NE(refusal(folder.write("cut.gguf", std::string_view(whole).substr(0, size))), "") << size;
  EXPECT_EQ(refusal(folder.write("cut.gguf", std::string_view(whole).substr(0, needed))), "");
}

TEST(Gguf, AnyWrongByteIsReadOrRefusedButNeverCrashes) {
  const std::string whole = text_of_file(fixture("all_values.gguf"));
  const ScratchFolder folder;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string changed = whole;
      changed[i] = value;
      refusal(folder.write("changed.gguf", changed));
    }
}

TEST(Gguf, WhatIsWrittenIsReadBack) {
  for (const std::uint32_t alignment : {0u, 8u, 256u}) {
    const ScratchFolder folder;
    CheckpointHead head;
    head.stem = "toy";
    head.metadata = all_values();
    if (alignment) head.metadata.set("general.alignment", alignment);
    head.tensors = {
        {"z", {2, 256}, "q4_k", {288}}, {"a", {3}, "f32", {12}}, {"m", {2, 3, 4}, "bf16", {48}}, {"s", {}, "f32", {4}}};
    const auto writer = find_format("gguf").create(folder.path(), head);
    for (std::size_t t = head.tensors.size(); t-- > 0;) writer->write(t, 0, 0, ramp(head.tensors[t].part_bytes[0], t));
    writer->finish();
    keep_written(folder.path() / "toy.gguf", "toy.gguf");
    const Checkpoint checkpoint = open_checkpoint(folder.path() / "toy.gguf");
    EXPECT_EQ(checkpoint.metadata(), head.metadata);
    for (std::size_t t = 0; t < head.tensors.size(); ++t) {
      const TensorSpec& spec = head.tensors[t];
      EXPECT_EQ(checkpoint.at(spec.name).shape, spec.shape);
      EXPECT_EQ(checkpoint.at(spec.name).encoding, spec.encoding);
      EXPECT_EQ(checkpoint.at(spec.name).parts[0].offset % (alignment ? alignment : 32), 0u);
      EXPECT_EQ(read_part(checkpoint, spec.name), ramp(spec.part_bytes[0], t));
    }
    EXPECT_LT(checkpoint.at("z").parts[0].offset, checkpoint.at("a").parts[0].offset);
    EXPECT_EQ(checkpoint.files()[0].bytes % (alignment ? alignment : 32), 0u);
  }
}

TEST(Gguf, HoldsEveryGgmlTypeAndNothingElse) {
  const Format& gguf = find_format("gguf");
  for (const GgmlType& type : ggml_types()) EXPECT_TRUE(gguf.holds(type.name, 256));
  EXPECT_FALSE(gguf.holds("int8_channel", 256));
  EXPECT_FALSE(gguf.holds("u8", 256));
}

}  // namespace
}  // namespace quern
