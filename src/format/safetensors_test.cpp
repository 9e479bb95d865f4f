// Reading: files of the safetensors package, and every way a file can be wrong. Writing: round trips.
#include "format/safetensors.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "base/fail.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

// A file with this header text and so many bytes of data.
std::string safetensors_bytes_of(std::string_view header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  store<std::uint64_t>(bytes.data(), header.size());
  bytes += header;
  return bytes + std::string(data_bytes, 'x');
}

TEST(Safetensors, ReadsEveryDtypeOfThePackage) {
  const Checkpoint checkpoint = open_checkpoint(fixture("all_dtypes.safetensors"));
  EXPECT_EQ(checkpoint.format(), "safetensors");
  const std::pair<const char*, const char*> types[] = {{"bool", "bool"},
                                                       {"uint8", "u8"},
                                                       {"int8", "i8"},
                                                       {"int16", "i16"},
                                                       {"uint16", "u16"},
                                                       {"float16", "f16"},
                                                       {"bfloat16", "bf16"},
                                                       {"int32", "i32"},
                                                       {"uint32", "u32"},
                                                       {"float32", "f32"},
                                                       {"float64", "f64"},
                                                       {"int64", "i64"},
                                                       {"uint64", "u64"},
                                                       {"float8_e4m3fn", "f8_e4m3"},
                                                       {"float8_e5m2", "f8_e5m2"},
                                                       {"float8_e8m0fnu", "f8_e8m0"},
                                                       {"float8_e4m3fnuz", "f8_e4m3fnuz"},
                                                       {"float8_e5m2fnuz", "f8_e5m2fnuz"},
                                                       {"complex64", "c64"},
                                                       {"float4_e2m1fn_x2", "f4"}};
  std::size_t start = 0;
  for (const auto& [package_name, encoding] : types) {
    const std::string name = std::string("t_") + package_name;
    const TensorEntry& entry = checkpoint.at(name);
    EXPECT_EQ(entry.encoding, encoding);
    EXPECT_EQ(entry.shape, (Shape{3, 2})) << name;
    if (start > 0) {  // a bool holds 0 and 1 only
      EXPECT_EQ(read_part(checkpoint, name), ramp(entry.bytes(), start)) << name;
    }
    ++start;
  }
  EXPECT_EQ(read_as<float>(checkpoint, "scalar"), std::vector<float>{1.5f});
  EXPECT_EQ(checkpoint.at("scalar").shape, Shape{});
  EXPECT_EQ(checkpoint.at("empty").bytes(), 0u);
  EXPECT_EQ(checkpoint.tensors().size(), std::size(types) + 2);
  EXPECT_EQ(checkpoint.metadata().text("note"), "caf\xc3\xa9 \"quoted\"");
  EXPECT_TRUE(checkpoint.config().is_null());
}

TEST(Safetensors, ReadsAShardedFolder) {
  const Checkpoint checkpoint = open_checkpoint(fixture("sharded"));
  std::vector<float> expected(12);
  for (std::size_t i = 0; i < 12; ++i) expected[i] = static_cast<float>(i);
  EXPECT_EQ(read_as<float>(checkpoint, "a.weight"), expected);
  EXPECT_EQ(checkpoint.at("b.weight").encoding, "bf16");
  EXPECT_EQ(read_as<std::uint16_t>(checkpoint, "b.bias"), (std::vector<std::uint16_t>{0x3c00, 0x3c00}));
  EXPECT_EQ(checkpoint.config().at("hidden_size").as_int64(), 4);
  const auto count = [&](SourceFile::Role role) {
    return std::count_if(checkpoint.files().begin(), checkpoint.files().end(),
                         [&](const SourceFile& file) { return file.role == role; });
  };
  EXPECT_EQ(count(SourceFile::Role::kWeights), 2);
  EXPECT_EQ(count(SourceFile::Role::kConfig), 2);
  EXPECT_EQ(count(SourceFile::Role::kTokenizer), 1);
  for (const SourceFile& file : checkpoint.files()) EXPECT_EQ(file.bytes, std::filesystem::file_size(file.path));
}

// A process that may have few files, as long as the object lives.
class FewFiles {
 public:
  explicit FewFiles(rlim_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit fewer{most, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &fewer);
  }
  ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(Safetensors, ShardsMayBeMoreThanTheFilesOfAProcess) {
  constexpr std::size_t kShards = 300;
  const ScratchFolder folder;
  for (std::size_t i = 0; i < kShards; ++i)
    folder.write(
        fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, kShards),
        safetensors_bytes_of(fmt::format(R"({{"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}})", i), 1));
  const FewFiles few(200);
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  ASSERT_EQ(checkpoint.tensors().size(), kShards);
  for (const TensorEntry& tensor : checkpoint.tensors())
    EXPECT_EQ(read_part(checkpoint, tensor.name), std::vector{std::byte{'x'}});
}

TEST(Safetensors, ABareFileUsesTheConfigBesideIt) {
  const ScratchFolder folder;
  std::filesystem::copy(fixture("all_dtypes.safetensors"), folder.path() / "some.safetensors");
  folder.write("config.json", R"({"model_type":"toy"})");
  folder.write("tokenizer.model", "x");
  for (const auto& path : {folder.path() / "some.safetensors", folder.path()}) {
    const Checkpoint checkpoint = open_checkpoint(path);
    EXPECT_EQ(checkpoint.config().at("model_type").as_string(), "toy");
    EXPECT_EQ(checkpoint.files().size(), 3u);
  }
}

TEST(Safetensors, AConfigurationOfPythonsJsonIsReadAndWrittenAgain) {
  const ScratchFolder folder, again;
  std::filesystem::copy(fixture("all_dtypes.safetensors"), folder.path() / "model.safetensors");
  folder.write("config.json", R"({"model_type":"mamba2","time_step_limit":[0.0,Infinity]})");
  CheckpointHead head;
  head.config = open_checkpoint(folder.path()).config();
  find_format("safetensors").create(again.path(), head)->finish();
  EXPECT_NE(read_text(again.path() / "config.json").find("Infinity"), std::string::npos);
  EXPECT_EQ(open_checkpoint(again.path()).config(), head.config);
}

TEST(Safetensors, ShardsAreReadWhereOneFileBesideThemLacksMostOfTheirTensors) {
  const ScratchFolder folder;
  folder.copy(fixture("sharded"));
  const std::filesystem::path path = folder.path() / "sharded", single = path / "model.safetensors";
  std::filesystem::copy(fixture("all_dtypes.safetensors"), single);
  const Checkpoint shards = open_checkpoint(path);
  EXPECT_EQ(shards.tensors().size(), 3u);
  ASSERT_FALSE(shards.notes().empty());
  EXPECT_NE(shards.notes()[0].find("the shards are read instead"), std::string::npos) << shards.notes()[0];
  std::filesystem::remove(path / "model-00002-of-00002.safetensors");
  EXPECT_GT(open_checkpoint(path).tensors().size(), 3u);
}

TEST(Safetensors, AWholeSetOfShardsNeedsNoIndex) {
  const ScratchFolder folder;
  folder.copy(fixture("sharded"));
  const std::filesystem::path path = folder.path() / "sharded";
  std::filesystem::remove(path / "model.safetensors.index.json");
  EXPECT_EQ(open_checkpoint(path).tensors().size(), 3u);
  std::filesystem::remove(path / "model-00002-of-00002.safetensors");
  expect_refused(path, {"model-00001-of-00002.safetensors", "one of 2 shards", "download"});
}

TEST(Safetensors, TheShardsDecideWhereTheIndexSaysOtherwise) {
  const auto with_index = [](std::string_view weight_map) {
    auto folder = std::make_unique<ScratchFolder>();
    folder->copy(fixture("sharded"));
    OutputFile(folder->path() / "sharded/model.safetensors.index.json")
        .write("{\"weight_map\":" + std::string(weight_map) + "}");
    return folder;
  };
  const std::string one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
  const auto refused = [&](const std::string& map, std::initializer_list<std::string_view> parts) {
    const auto folder = with_index(map);
    expect_refused(folder->path() / "sharded", parts);
  };
  const auto told = [&](const std::string& map, std::initializer_list<std::string_view> parts) {
    const auto folder = with_index(map);
    const Checkpoint checkpoint = open_checkpoint(folder->path() / "sharded");
    EXPECT_EQ(checkpoint.tensors().size(), 3u);
    ASSERT_EQ(checkpoint.notes().size(), 1u);
    for (const std::string_view part : parts)
      EXPECT_NE(checkpoint.notes()[0].find(part), std::string::npos) << checkpoint.notes()[0];
  };
  told(R"({"a.weight":")" + one + R"(","b.weight":")" + two + "\"}", {"omits", "1 tensor: b.bias"});
  told(R"({"a.weight":")" + one + R"(","b.weight":")" + two + R"(","b.bias":")" + two + R"(","c":")" + two + "\"}",
       {"no shard holds, 1 tensor: c"});
  told(R"({"a.weight":")" + two + R"(","b.weight":")" + two + R"(","b.bias":")" + one + "\"}",
       {"in another shard than it lies in 2 tensors: a.weight"});
  refused(R"({"a.weight":"../x.safetensors"})", {"../x.safetensors"});
  told(R"({"a.weight":"model-00001-of-00004.safetensors","b.weight":"model-00003-of-00004.safetensors",)"
       R"("b.bias":"model-00004-of-00004.safetensors"})",
       {"in another shard than it lies in 3 tensors"});
  refused(R"({"a.weight":")" + one + R"(","b.weight":"model-00003.safetensors"})",
          {"model-00003.safetensors", "missing"});
  refused(R"(["a"])", {"object"});
}

TEST(Safetensors, AStaleQuantizationBesidePlainTensorsIsANote) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("sharded"));
  EXPECT_EQ(open_checkpoint(copy).notes(), std::vector<std::string>{});
  for (const char* stale :
       {R"("quantization_config":{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"fp4"})",
        R"("quantization_config":{"quant_method":"gptq","bits":4})", R"("quantization":{"bits":4,"group_size":64})"}) {
    OutputFile(copy / "config.json").write(fmt::format("{{\"model_type\":\"toy\",{}}}", stale));
    const Checkpoint checkpoint = open_checkpoint(copy);
    EXPECT_EQ(dump_json(checkpoint.config()), R"({"model_type":"toy"})");
    ASSERT_EQ(checkpoint.notes().size(), 1u);
    EXPECT_NE(checkpoint.notes()[0].find("says that the weights are quantized"), std::string::npos);
  }
}

TEST(Safetensors, AMissingShardIsNamed) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("sharded"));
  std::filesystem::remove(copy / "model-00002-of-00002.safetensors");
  expect_refused(copy, {"model-00002-of-00002.safetensors", "missing"});
}

TEST(Safetensors, ATensorInTwoShardsIsRefused) {
  const ScratchFolder folder;
  const auto copy = folder.copy(fixture("sharded"));
  const auto options = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(copy / "model-00001-of-00002.safetensors", copy / "model-00002-of-00002.safetensors",
                             options);
  expect_refused(copy, {"a.weight", "two shards"});
}

TEST(Safetensors, OneShardAloneIsRefused) {
  expect_refused(fixture("sharded") / "model-00001-of-00002.safetensors", {"2 shards"});
}

struct WrongHeader {
  const char* header;
  std::size_t data_bytes;
  std::vector<std::string_view> message;
};

TEST(Safetensors, EveryBrokenHeaderIsRefusedWithItsNumbers) {
  const WrongHeader cases[] = {
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, {"\"w\"", "8 bytes", "span 4"}},
      {R"({"w":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, {"\"w\"", "F33"}},
      {R"({"w":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, {"12 bits", "whole bytes"}},
      {R"({"w":{"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,2]}})", 2, {"18 bits"}},
      {R"({"w":{"dtype":"U8","shape":[4294967296,4294967296,2],"data_offsets":[0,0]}})", 0, {"64 bits"}},
      {R"({"w":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0, {"64 bits"}},
      {R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, {"-1"}},
      {R"({"w":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1, {"1.5"}},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, {"begin at 1", "end at 0"}},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, {"3 items"}},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, {"\"w\"", "hole"}},
      {R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3,
       {"\"w\"", "overlap"}},
      {R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3, {"byte 2", "has 3"}},
      {R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3, {"byte 4", "has 3"}},
      {R"({"w":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}})", 3, {"has"}},
      {R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1,
       {"\"w\"", "twice"}},
      {R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1, {"dtype", "missing"}},
      {R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1, {"shape", "missing"}},
      {R"({"w":{"dtype":"U8","shape":[1]}})", 1, {"data_offsets", "missing"}},
      {R"({"w":[1]})", 1, {"\"w\""}},
      {R"({"__metadata__":{"a":1}})", 0, {"__metadata__", "\"a\"", "string"}},
      {R"({"__metadata__":"a"})", 0, {"__metadata__"}},
      {R"([1])", 0, {"'{'"}},
      {R"( {})", 0, {"'{'"}},
      {R"({"w":)", 0, {"JSON"}},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, {"JSON"}},
  };
  const ScratchFolder folder;
  for (const WrongHeader& wrong : cases) {
    SCOPED_TRACE(wrong.header);
    const auto path = folder.write("bad.safetensors", safetensors_bytes_of(wrong.header, wrong.data_bytes));
    const std::string message = refusal(path);
    EXPECT_NE(message.find("bad.safetensors"), std::string::npos) << message;
    for (const auto part : wrong.message)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
  }
}

TEST(Safetensors, ABadHeaderLengthIsRefused) {
  const ScratchFolder folder;
  std::string bytes(16, '\0');
  store<std::uint64_t>(bytes.data(), 1000);
  expect_refused(folder.write("a.safetensors", bytes), {"1000", "16"});
  store<std::uint64_t>(bytes.data(), UINT64_MAX);
  expect_refused(folder.write("a.safetensors", bytes), {"18446744073709551615"});
  std::filesystem::resize_file(folder.path() / "a.safetensors", 200'000'000);
  bytes.resize(8);
  store<std::uint64_t>(bytes.data(), 100'000'001);
  OutputFile(folder.path() / "b.safetensors").write(bytes);
  std::filesystem::resize_file(folder.path() / "b.safetensors", 200'000'000);
  expect_refused(folder.path() / "b.safetensors", {"100000001", "100000000"});
}

TEST(Safetensors, AFileCutAnywhereIsRefused) {
  const std::string whole = text_of_file(fixture("all_dtypes.safetensors"));
  const ScratchFolder folder;
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal(folder.write("cut.safetensors", std::string_view(whole).substr(0, size))), "") << size;
}

CheckpointHead small_head() {
  CheckpointHead head;
  head.tensors = {{"z.weight", {2, 3}, "f32", {24}},
                  {"a.weight", {5}, "u8", {5}},
                  {"m.weight", {2, 2}, "bf16", {8}},
                  {"b.weight", {1}, "f32", {4}}};
  head.config = Json::object({{"model_type", "toy"}});
  return head;
}

void write_ramps(CheckpointWriter& writer, const CheckpointHead& head) {
  for (std::size_t t = 0; t < head.tensors.size(); ++t)
    for (std::size_t p = 0; p < head.tensors[t].part_bytes.size(); ++p)
      writer.write(t, p, 0, ramp(head.tensors[t].part_bytes[p], t + 10 * p));
}

void expect_ramps(const Checkpoint& checkpoint, const CheckpointHead& head) {
  EXPECT_EQ(checkpoint.tensors().size(), head.tensors.size());
  for (std::size_t t = 0; t < head.tensors.size(); ++t) {
    const TensorSpec& spec = head.tensors[t];
    const TensorEntry& entry = checkpoint.at(spec.name);
    EXPECT_EQ(entry.shape, spec.shape);
    EXPECT_EQ(entry.encoding, spec.encoding);
    for (std::size_t p = 0; p < spec.part_bytes.size(); ++p)
      EXPECT_EQ(read_part(checkpoint, spec.name, p), ramp(spec.part_bytes[p], t + 10 * p)) << spec.name;
  }
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const ScratchFolder folder;
  const CheckpointHead head = small_head();
  const auto writer = find_format("safetensors").create(folder.path(), head);
  write_ramps(*writer, head);
  writer->finish();
  keep_written(folder.path(), "one_file");
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  expect_ramps(checkpoint, head);
  EXPECT_EQ(checkpoint.config(), head.config);
  EXPECT_EQ(checkpoint.metadata().text("format"), "pt");
}

TEST(Safetensors, TensorsLieWidestFirstAfterAnAlignedHeader) {
  const ScratchFolder folder;
  const CheckpointHead head = small_head();
  find_format("safetensors").create(folder.path(), head);
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  std::uint64_t last = 0;
  for (const char* name : {"b.weight", "z.weight", "m.weight", "a.weight"}) {
    const std::uint64_t offset = checkpoint.at(name).parts[0].offset;
    EXPECT_GT(offset, last);
    if (last == 0) {
      EXPECT_EQ(offset % 8, 0u);
    }
    last = offset;
  }
}

TEST(Safetensors, ShardsAreFilledInHeadOrder) {
  const ScratchFolder folder;
  CheckpointHead head = small_head();
  head.max_file_bytes = 29;
  const auto writer = find_format("safetensors").create(folder.path(), head);
  write_ramps(*writer, head);
  writer->finish();
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "model-00002-of-00002.safetensors"));
  const Json index = parse_json(text_of_file(folder.path() / "model.safetensors.index.json"));
  EXPECT_EQ(index.at("metadata").at("total_size").as_uint64(), 41u);
  EXPECT_EQ(index.at("weight_map").at("a.weight").as_string(), "model-00001-of-00002.safetensors");
  EXPECT_EQ(index.at("weight_map").at("m.weight").as_string(), "model-00002-of-00002.safetensors");
  expect_ramps(open_checkpoint(folder.path()), head);
  keep_written(folder.path(), "shards");
}

TEST(Safetensors, ThreadsWriteOneTensorTogether) {
  const ScratchFolder folder;
  CheckpointHead head;
  head.tensors = {{"w", {1000}, "u8", {1000}}};
  const auto writer = find_format("safetensors").create(folder.path(), head);
  const std::vector<std::byte> bytes = ramp(1000, 3);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] { writer->write(0, 0, t * 250, std::span(bytes).subspan(t * 250, 250)); });
  for (std::thread& thread : threads) thread.join();
  writer->finish();
  EXPECT_EQ(read_part(open_checkpoint(folder.path()), "w"), bytes);
}

TEST(CheckpointWriterContract, MoreOrFewerBytesThanAnnouncedAreADefect) {
  for (const char* format : {"safetensors", "gguf"}) {
    SCOPED_TRACE(format);
    const ScratchFolder folder;
    CheckpointHead head;
    head.tensors = {{"w", {4}, "i8", {4}}};
    const auto writer = find_format(format).create(folder.path(), head);
    EXPECT_THROW(writer->finish(), Error);
    EXPECT_THROW(writer->write(0, 0, 2, ramp(3, 0)), Error);
    EXPECT_THROW(writer->write(0, 1, 0, ramp(1, 0)), Error);
    EXPECT_THROW(writer->write(1, 0, 0, ramp(1, 0)), Error);
    writer->write(0, 0, 0, ramp(4, 0));
    writer->write(0, 0, 0, ramp(1, 0));
    EXPECT_THROW(writer->finish(), Error);
    head.tensors.push_back(head.tensors[0]);
    EXPECT_THROW(find_format(format).create(folder.path(), head), Error);
    head.tensors = {{"w", {4}, "i8", {5}}};
    EXPECT_THROW(find_format(format).create(folder.path(), head), Error);
    head.tensors = {{"w", {4}, "no_such_type", {4}}};
    EXPECT_THROW(find_format(format).create(folder.path(), head), Error);
  }
}

// Heads of every kind that a format can have: files, shards, packed tensors, tensors that the format adds.
std::vector<CheckpointHead> heads_for(const Format& format) {
  CheckpointHead plain;
  plain.tensors = {{"vector", {3}, "f32", {12}}, {"a.weight", {5, 1}, "f16", {10}}};
  std::vector<CheckpointHead> heads{{}, plain};
  heads.back().metadata.set("general.name", std::string("odd"));
  if (format.holds("u8", 0)) {
    heads.push_back(small_head());
    heads.back().max_file_bytes = 29;
  }
  for (const TensorSpec& packed :
       {TensorSpec{"h.weight", {4, 8}, "int8_channel", {32, 8}},
        TensorSpec{"i.weight", {2, 32}, "int4a_g32", {32, 4, 2}}, TensorSpec{"j.weight", {2, 64}, "nf4", {64, 8}},
        TensorSpec{"k.weight", {2, 64}, "nf4_dq", {64, 8}}})
    if (format.holds(packed.encoding, packed.shape[1])) {
      heads.push_back(heads.back());
      heads.back().tensors.push_back(packed);
    }
  return heads;
}

TEST(CheckpointWriterContract, FilesHaveThePredictedBytes) {
  for (const Format* format : formats()) {
    if (!format->is_written()) continue;
    for (const CheckpointHead& head : heads_for(*format)) {
      SCOPED_TRACE(fmt::format("{}, {} tensors", format->name, head.tensors.size()));
      const ScratchFolder folder;
      format->create(folder.path(), head);
      std::uint64_t bytes = 0;
      for (const auto& file : std::filesystem::directory_iterator(folder.path())) bytes += file.file_size();
      EXPECT_EQ(format->file_bytes(head), bytes);
    }
  }
}

TEST(CheckpointWriterContract, TensorsOfAnInterruptedWriterAreKept) {
  for (const char* format : {"safetensors", "gguf"}) {
    SCOPED_TRACE(format);
    const ScratchFolder folder;
    CheckpointHead head;
    head.tensors = {{"a", {4}, "i8", {4}}, {"b", {4}, "i8", {4}}};
    find_format(format).create(folder.path(), head)->write(0, 0, 0, ramp(4, 1));
    const auto writer = find_format(format).create(folder.path(), head);
    writer->keep(0);
    EXPECT_THROW(writer->finish(), Error);
    EXPECT_THROW(writer->keep(2), Error);
    writer->write(1, 0, 0, ramp(4, 2));
    writer->finish();
    EXPECT_EQ(read_part(open_checkpoint(folder.path()), "a"), ramp(4, 1));
    EXPECT_EQ(read_part(open_checkpoint(folder.path()), "b"), ramp(4, 2));
    head.tensors[0].name = "c";  // another header: nothing stays
    find_format(format).create(folder.path(), head);
    EXPECT_EQ(read_part(open_checkpoint(folder.path()), "b"), std::vector<std::byte>(4));
  }
}

TEST(Safetensors, ReadsFilesOfOthers) {
  QUERN_NEEDS_SHARED("reference/llama-7m");
  QUERN_NEEDS_SHARED("real/resnet-cifar10");
  const Checkpoint llama = open_checkpoint(shared_folder() / "reference/llama-7m");
  EXPECT_EQ(llama.at("model.embed_tokens.weight").shape, (Shape{8192, 256}));
  std::uint64_t weights = 0;
  for (const TensorEntry& entry : llama.tensors()) weights += element_count(entry.shape);
  EXPECT_EQ(weights, 6'819'072u);
  EXPECT_EQ(open_checkpoint(shared_folder() / "real/resnet-cifar10/resnet20-12fca82f.safetensors").format(),
            "safetensors");
  EXPECT_EQ(open_checkpoint(shared_folder() / "real/silero-vad/silero_vad_16k.safetensors").format(), "safetensors");
}

}  // namespace
}  // namespace quern
