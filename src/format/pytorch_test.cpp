// Reading: files that torch saved, against what torch reads there; and every way one can be wrong.
#include "format/pytorch.h"

#include <algorithm>

#include "base/fail.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "fuzz/memory_file.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

// torch's name of a type in the checkpoint's.
std::string encoding_of(const std::string& dtype) {
  const std::pair<const char*, const char*> types[] = {
      {"float32", "f32"}, {"float16", "f16"}, {"bfloat16", "bf16"},       {"float64", "f64"},
      {"int64", "i64"},   {"int32", "i32"},   {"int16", "i16"},           {"int8", "i8"},
      {"uint8", "u8"},    {"bool", "bool"},   {"complex64", "c64"},       {"float8_e4m3fn", "f8_e4m3"},
      {"uint16", "u16"},  {"uint32", "u32"},  {"float8_e5m2", "f8_e5m2"}, {"uint64", "u64"}};
  for (const auto& [torch_name, encoding] : types)
    if (dtype == torch_name) return encoding;
  return dtype;
}

void expect_tensors(const Checkpoint& checkpoint, const fs::path& expected) {
  const Json table = parse_json(read_text(expected));
  EXPECT_EQ(checkpoint.tensors().size(), table.as_object().size());
  for (const auto& [name, tensor] : table.as_object()) {
    SCOPED_TRACE(name);
    const TensorEntry* entry = checkpoint.find(name);
    if (!entry) {
      ADD_FAILURE() << "is missing";
      continue;
    }
    Shape shape;
    for (const Json& extent : tensor.at("shape").as_array()) shape.push_back(extent.as_uint64());
    EXPECT_EQ(entry->shape, shape);
    EXPECT_EQ(entry->encoding, encoding_of(tensor.at("dtype").as_string()));
    EXPECT_EQ(hex(read_part(checkpoint, name)), tensor.at("bytes").as_string());
  }
}

TEST(Pytorch, ReadsWhatTorchReads) {
  const fs::path folder = fixture("torch");
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() || entry.path().extension() == ".json") continue;
    SCOPED_TRACE(entry.path().filename().string());
    expect_tensors(open_checkpoint(entry.path()), entry.path().string() + ".json");
    ++files;
  }
  EXPECT_EQ(files, 13);
}

TEST(Pytorch, ReadsShardsOfAFolder) {
  const Checkpoint checkpoint = open_checkpoint(fixture("torch/sharded"));
  EXPECT_EQ(checkpoint.format(), "pytorch");
  EXPECT_EQ(checkpoint.config().at("model_type").as_string(), "toy");
  expect_tensors(checkpoint, fixture("torch/sharded/expected.json"));
  expect_refused(fixture("torch/sharded/pytorch_model-00001-of-00002.bin"), {"2 shards"});
}

TEST(Pytorch, ShardsAreNamedWithinTheFolder) {
  const ScratchFolder folder;
  folder.copy(fixture("torch/sharded"));
  const fs::path index = folder.path() / "sharded/pytorch_model.bin.index.json";
  OutputFile(index).write(R"({"weight_map":{"a":"../x.bin"}})");
  expect_refused(folder.path() / "sharded", {"../x.bin"});
  OutputFile(index).write(R"({"weight_map":{"a":"pytorch_model-00001-of-00002.bin"}})");
  const Checkpoint checkpoint = open_checkpoint(folder.path() / "sharded");
  ASSERT_EQ(checkpoint.notes().size(), 1u);
  EXPECT_NE(checkpoint.notes()[0].find("1 tensor: b"), std::string::npos) << checkpoint.notes()[0];
}

bool has_note(const Checkpoint& checkpoint, std::string_view part) {
  return std::ranges::any_of(checkpoint.notes(),
                             [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

std::string all_notes(const Checkpoint& checkpoint) {
  std::string all;
  for (const std::string& note : checkpoint.notes()) all += note + "\n";
  return all;
}

TEST(Pytorch, WhatIsLeftOutIsANoteAndNothingIsCalled) {
  for (const char* name : {"torch/training.pt", "torch/training_legacy.th"}) {
    SCOPED_TRACE(name);
    const Checkpoint checkpoint = open_checkpoint(fixture(name));
    for (const char* part :
         {"epoch: 7, left out", "note: \"caf\xc3\xa9\"", "optimizer_state_dict: state of an optimizer, 18 tensors",
          "ema: 1 tensor beside the model", "hostile: an object of posix.system",
          "args: 3 settings, taken for the configuration", "every name begins with \"module.\""})
      EXPECT_TRUE(has_note(checkpoint, part)) << part << "\nis not among: " << all_notes(checkpoint);
    EXPECT_EQ(checkpoint.config().at("hidden").as_int64(), 3);
    EXPECT_EQ(checkpoint.config().at("layers").as_array().size(), 2u);
    EXPECT_EQ(checkpoint.config().at("rate").as_double(), 1e-3);
    EXPECT_FALSE(fs::exists("quern-was-called"));
  }
}

TEST(Pytorch, WhatTorchScriptHasBesideTensorsIsListed) {
  const Checkpoint checkpoint = open_checkpoint(fixture("torch/script.pt"));
  EXPECT_TRUE(has_note(checkpoint, "a TorchScript archive: its code and 0 constants")) << all_notes(checkpoint);
  EXPECT_TRUE(has_note(checkpoint, "first.training and 3 more: each a value")) << all_notes(checkpoint);
  QUERN_NEEDS_SHARED("real");
  const Checkpoint silero = open_checkpoint(shared_folder() / "real/silero-vad/silero_vad.jit");
  EXPECT_TRUE(has_note(silero, "9 more: each an object of __torch__.torch.nn.modules.activation.ReLU"))
      << all_notes(silero);
}

TEST(Pytorch, AFolderWithSafetensorsTooIsReadFromThose) {
  const ScratchFolder folder;
  const fs::path copy = folder.copy(fixture("sharded"));
  fs::copy(fixture("torch/protocol3.pt"), copy / "pytorch_model.bin");
  const Checkpoint checkpoint = open_checkpoint(copy);
  EXPECT_EQ(checkpoint.format(), "safetensors");
  EXPECT_TRUE(has_note(checkpoint, "pickles beside the safetensors"));
}

// Message of the refusal of a file; "" when it opens and every tensor is read.
std::string refusal_of_bytes(std::string_view bytes) {
  const MemoryFile memory(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  try {
    const Checkpoint checkpoint = kPytorch.open(memory.path());
    for (const TensorEntry& entry : checkpoint.tensors()) read_part(checkpoint, entry.name);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

TEST(Pytorch, AFileCutAnywhereIsRefused) {
  for (const char* name : {"torch/protocol4.pt", "torch/views_legacy.th"}) {
    const std::string whole = text_of_file(fixture(name));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_NE(refusal_of_bytes(std::string_view(whole).substr(0, size)), "") << name << size;
  }
}

TEST(Pytorch, ChangedBytesAreReadOrRefused) {
  for (const char* name : {"torch/quantized.pt", "torch/views_legacy.th"}) {
    const std::string whole = text_of_file(fixture(name));
    for (std::size_t at = 0; at < whole.size(); at += 2)
      for (const int change : {1, 0x80}) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ change);
        refusal_of_bytes(changed);  // neither crash nor another exception
      }
  }
}

// The legacy file of views with one text of its pickle put in place of another of the same length.
std::string with_replaced(std::string_view from, std::string_view to) {
  std::string bytes = text_of_file(fixture("torch/views_legacy.th"));
  const std::size_t at = bytes.find(from);
  if (at == std::string::npos || from.size() != to.size()) fail(ErrorCode::kInternal, "{} is not in the fixture", from);
  return bytes.replace(at, from.size(), to);
}

TEST(Pytorch, ALaterItemReplacesAnEarlierOneOfItsKey) {
  const Checkpoint before = open_checkpoint(fixture("torch/views_legacy.th"));
  const std::string bytes = with_replaced("empty", "whole");
  const MemoryFile memory(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const Checkpoint after = kPytorch.open(memory.path());
  EXPECT_EQ(after.tensors().size() + 1, before.tensors().size());
  EXPECT_NE(before.at("whole").shape, before.at("empty").shape);
  EXPECT_EQ(after.at("whole").shape, before.at("empty").shape);
}

TEST(Pytorch, SeveralNamesOfOneTensorAreANote) {
  QUERN_NEEDS_SHARED("real");
  const Checkpoint checkpoint = open_checkpoint(shared_folder() / "real/tinypellm/pytorch_model.bin");
  EXPECT_TRUE(has_note(checkpoint, "are one tensor in the file")) << all_notes(checkpoint);
}

TEST(Pytorch, EveryRuleThatIsBrokenIsNamed) {
  using namespace std::string_view_literals;
  const std::tuple<std::string_view, std::string_view, std::string_view> cases[] = {
      {"little_endian", "little_endiaN", ""},  // an unknown key of the system's
      {"FloatStorage", "FloatStoragE", "unknown type, torch.FloatStoragE"},
      {"_rebuild_tensor_v2", "_rebuild_tensor_vX", "holds no tensors"},
      {"storage", "sTorage", "not made of a storage"},
      {"\x8a\x0a\x6c\xfc"sv, "\x8a\x0a\x6d\xfc"sv, "no data.pkl|no end record"},
      {"M\xe9\x03"sv, "M\xea\x03"sv, "version 1001"},
      {"K\x06K\x08\x86"sv, "K\x07K\x08\x86"sv, "only 192 are stored"},  // a shape
      {"K\x08K\x01\x86"sv, "K\x09K\x01\x86"sv, "only 192 are stored"},  // its strides
      {"\x30\0\0\0\0\0\0\0"sv, "\x31\0\0\0\0\0\0\0"sv, "has 49 elements, and is said to have 48"},
      {"K0N"sv, "K1N"sv, "cut short"},  // elements of a storage
  };
  for (const auto& [from, to, message] : cases) {
    const std::string said = refusal_of_bytes(with_replaced(from, to));
    bool found = message.empty() && said.empty();
    for (std::string_view rest = message; !rest.empty();) {
      const std::size_t bar = std::min(rest.find('|'), rest.size());
      found |= said.find(rest.substr(0, bar)) != std::string::npos;
      rest.remove_prefix(std::min(bar + 1, rest.size()));
    }
    EXPECT_TRUE(found) << said << "\nlacks: " << message;
  }
}

}  // namespace
}  // namespace quern
